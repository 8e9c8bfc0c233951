"""A source distribution holds what a checkout holds, so that its tests and samples run, too."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
from typing import Set

ROOT = pathlib.Path(__file__).resolve().parent.parent
WHOLE = ("dbxsdk", "samples", "tests", ".ci", ".github")
SINGLE = (
    *("setup.py", "setup.cfg", "README.rst", "CHANGELOG.rst", "LICENSE"),
    *(".gitignore", ".pre-commit-config.yaml", ".readthedocs.yaml"),
)


def files(folder: pathlib.Path) -> Set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if path.suffix != ".pyc" and "egg-info" not in str(path)}


def test_a_source_distribution_is_whole(tmp_path: pathlib.Path) -> None:
    checkout, unpacked = tmp_path / "checkout", tmp_path / "unpacked"
    checkout.mkdir()
    for name in WHOLE:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*", ".*_cache"))
    for name in SINGLE:
        shutil.copy(ROOT / name, checkout)
    expected = files(checkout)
    command = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, timeout=50, env=environment)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        assert {(member.mtime, member.uid, member.uname) for member in opened} == {(1767225600, 0, "")}
        opened.extractall(unpacked, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    [inside] = unpacked.iterdir()
    assert expected - files(inside) == set()
    assert len(expected) > 500
