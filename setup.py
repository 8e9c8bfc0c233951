"""What ``setup.cfg`` cannot say: a source distribution holds whatever a checkout holds, and the same sources make the same bytes
if ``SOURCE_DATE_EPOCH`` is set."""

import gzip
import os
import tarfile
from typing import Any

from setuptools import setup
from setuptools.command.sdist import sdist


class Whole(sdist):
    def make_distribution(self) -> None:
        for folder in (".ci", ".github", "samples", "tests"):
            self.filelist.graft(folder)
        for name in ("CHANGELOG.rst", ".gitignore", ".pre-commit-config.yaml", ".readthedocs.yaml"):
            self.filelist.include(name)
        for rubbish in ("*.py[cod]", "*.sqlite3*", "*/.hypothesis/*"):
            self.filelist.global_exclude(rubbish)
        super().make_distribution()

    def make_archive(self, base_name: Any, format: str, *args: Any, **kwargs: Any) -> str:
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if format != "gztar" or epoch is None:
            return super().make_archive(base_name, format, *args, **kwargs)

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime, member.uid, member.gid, member.uname, member.gname = int(epoch or 0), 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        # Neither the time of the compression nor the folder goes into the head of the file.
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, int(epoch)) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(kwargs["base_dir"], filter=plain)  # in the order of the names
        return path


os.umask(0o022)  # a wheel keeps the modes of files that are written while it is made
setup(cmdclass={"sdist": Whole})
