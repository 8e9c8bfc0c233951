"""What ``setup.cfg`` cannot say: a source distribution holds whatever a checkout holds."""

from setuptools import setup
from setuptools.command.sdist import sdist


class Whole(sdist):
    def make_distribution(self) -> None:
        for folder in (".ci", ".github", "samples", "tests"):
            self.filelist.graft(folder)
        self.filelist.include("CHANGELOG.rst")
        self.filelist.include(".gitignore")
        for rubbish in ("*.py[cod]", "*.sqlite3*", "*/.hypothesis/*"):
            self.filelist.global_exclude(rubbish)
        super().make_distribution()


setup(cmdclass={"sdist": Whole})
