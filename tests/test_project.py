"""The project's own files agree with each other: versions of Python, extras, the changelog, what contributors are told."""

from __future__ import annotations

import configparser
import re
from typing import Optional

import pytest

from dbxsdk.version import __version__
from tests import documents
from tests.documents import ROOT
from tests.test_guide import check_commands

CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg")
PAGES = sorted((ROOT / ".github").glob("*.rst"))
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_workflow_runs_every_python_that_is_promised() -> None:
    promised = re.findall(r"Python :: (3\.\d+)", CONFIG["metadata"]["classifiers"])
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    matrices = [re.findall(r"3\.\d+", line) for line in re.findall(r"python: \[(.*)\]", workflow)]
    assert matrices[0] == promised
    assert all(set(each) <= set(promised) for each in matrices)
    readme = re.search(r"Python (3\.\d+) to (3\.\d+)", (ROOT / "README.rst").read_text("utf-8"))
    assert readme and list(readme.groups()) == [promised[0], promised[-1]]
    assert CONFIG["options"]["python_requires"] == f">={promised[0]}"


@pytest.mark.parametrize("system, machine, first", [
    ("linux", "x86_64", "3.9"),
    ("linux", "aarch64", "3.9"),
    ("darwin", "x86_64", "3.9"),
    ("darwin", "arm64", "3.10"),
    ("win32", "AMD64", "3.9"),
    ("linux", "armv7l", None),
    ("linux", "riscv64", None),
    ("win32", "ARM64", None),
    ("win32", "x86", None),
    ("freebsd14", "amd64", None),
])
def test_isal_is_installed_where_it_has_wheels(system: str, machine: str, first: Optional[str]) -> None:
    """Elsewhere it would have to be built, and zlib does."""
    requirements = pytest.importorskip("packaging.requirements")
    lines = [requirements.Requirement(line) for line in CONFIG["options.extras_require"]["fast"].split("\n") if line]
    for minor in range(9, 17):
        version = f"3.{minor}"
        here = {"sys_platform": system, "platform_machine": machine, "python_version": version}
        wanted = [each.name for each in lines if each.marker is None or each.marker.evaluate(here)]
        has_wheel = first is not None and int(first.partition(".")[2]) <= minor <= 15
        assert wanted == [*["isal"] * has_wheel, "msgspec"], version


def test_the_workflow_names_files_that_are_there() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    for command in re.findall(r"- run: (.*)", workflow):
        check_commands(command)
        for path in re.findall(r"(?:tests|samples|\.ci)/[\w./]+", command):
            assert (ROOT / path).exists(), path


def test_the_changelog_is_by_kind_and_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.rst").read_text("utf-8")
    versions = re.findall(r"^(\d+\.\d+\.\d+) \(.*\)\n-+$", text, re.MULTILINE)
    assert versions[0] == __version__
    kinds = re.findall(r"^(\w+)\n~+$", text, re.MULTILINE)
    assert kinds and set(kinds) <= set(KINDS)
    assert kinds == sorted(kinds, key=KINDS.index)
    assert documents.rendered(text)[1] == "" or len(versions) > 1  # kinds come again with each version
    entries = [re.split(r"\n\n", each)[0].split() for each in re.split(r"^\* ", text, flags=re.MULTILINE)[1:]]
    assert [each for each in entries if entries.count(each) > 1] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_render_and_their_commands_exist(path) -> None:  # type: ignore[no-untyped-def]
    text = path.read_text("utf-8")
    assert documents.rendered(text)[1] == ""
    for kind, block in documents.blocks(documents.tree(text)):
        assert kind == "sh"
        check_commands(block)
