"""The README is what it says: docutils renders it, its commands and blocks run, what its tables name is there; so are the
samples' pages. The guide's pages are in ``test_guide``."""

from __future__ import annotations

import re
import runpy
import shlex
import sys

import pytest

import dbxsdk
import dbxsdk.client
from tests import documents
from tests.documents import GUIDE, ROOT
from tests.local_addresses import local_venues
from tests.test_guide import check_commands, extras

README = (ROOT / "README.rst").read_text()
TREE = documents.tree(README)
BLOCKS = documents.blocks(TREE)
TABLES = documents.tables(TREE)
SAMPLES = [ROOT / "samples" / "README.rst", *sorted((ROOT / "samples").glob("*/README.rst"))]

COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install -q ".[demo]" && .venv/bin/dbxsdk demo',
    'python3 -m venv .venv && .venv/bin/pip install -q -e ".[test]" && .venv/bin/python -m pytest -n 4',
)


def blocks(kind):
    return [text for each, text in BLOCKS if each == kind]


@pytest.fixture
def venues(monkeypatch):
    with local_venues(monkeypatch) as served:
        yield served


# -- the page ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ROOT / "README.rst", *SAMPLES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docutils_has_nothing_to_say(path):
    text = path.read_text()
    page, said = documents.rendered(text)
    assert said == ""
    assert "<h1" in page
    assert [line for line in text.splitlines() if len(line) > 100] == []


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 350


def test_docutils_would_say_it():
    assert "INFO" in documents.rendered("A title\n===\n")[1]
    assert "WARNING" in documents.rendered("A ``literal\n")[1]
    assert "ERROR" in documents.rendered("a_\n")[1]


def test_every_folder_of_samples_has_a_page():
    folders = {path for path in (ROOT / "samples").iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert {path.parent for path in SAMPLES[1:]} == folders - {GUIDE}


def test_every_block_is_of_a_kind_that_is_run():
    assert {kind for kind, _ in BLOCKS} == {"python", "sh"}, "unknown kind of block"
    assert len(blocks("python")) == 4
    for path in SAMPLES:
        kinds = {kind for kind, _ in documents.blocks(documents.tree(path.read_text()))}
        assert kinds <= {"sh"}, f"unknown kind of block: {path}"


@pytest.mark.parametrize(
    "text, kind",
    [
        ("A::\n\n    x\n", ""),
        (">>> x\n", "doctest_block"),
        (".. code-block:: python3\n\n    x\n", "python3"),
        (".. code::\n\n    x\n", ""),
        (".. parsed-literal::\n\n    x\n", ""),
        (".. math::\n\n    x\n", "math_block"),
        ("* a\n\n  * b::\n\n      x\n", ""),
    ],
    ids=range(7),
)
def test_no_kind_of_block_escapes(text, kind):
    assert [each for each, _ in documents.blocks(documents.tree(text))] == [kind]


# -- commands ------------------------------------------------------------------------------------------


def test_the_commands():
    """``.ci/run`` runs the second of them as it stands, and what the first one starts."""
    assert tuple(blocks("sh")[:2]) == COMMANDS
    for command in COMMANDS:
        assert README.count(command) == 1
    for command in blocks("sh"):
        check_commands(command)


def test_the_samples_page_runs_one(monkeypatch, capsys):
    lines = [line for _, text in documents.blocks(documents.tree(SAMPLES[0].read_text())) for line in text.splitlines()]
    assert len(lines) == 3
    for line in lines[1:]:
        python, *words = shlex.split(line)
        assert python == ".venv/bin/python"
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as raised:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
        assert raised.value.code in (0, None)
    assert capsys.readouterr().out.endswith("\ncancelled\n")


# -- Python --------------------------------------------------------------------------------------------


def test_python_blocks_print_what_they_say(venues, capsys):
    out = []
    for number, block in enumerate(blocks("python"), 1):
        exec(compile(block, f"README.rst, Python block {number}", "exec"), {"__name__": "readme"})
        said = capsys.readouterr()
        assert said.err == "", f"Python block {number}"
        out.append(said.out)
    stream, book, order, notebook = out
    assert re.search(r"^BTCUSDT (Buy|Sell) \S+ at \d", stream, re.MULTILINE)
    assert re.search(r"^\(Decimal\('\d.* \d\S* False$", book)
    assert re.search(r"^accepted: \S+ as dbx-[0-9a-f]{32}$", order)
    assert re.search(r"^[1-9]\d* trades, the last at \d+", notebook)
    assert [order.status for order in venues.bybit.orders()] == ["Cancelled"]


def test_an_order_without_an_answer_is_named(venues, capsys):
    venues.bybit.drop_after_next_request(executed=True)
    exec(next(block for block in blocks("python") if "place_order(" in block), {"__name__": "readme"})
    (order,) = venues.bybit.orders()
    assert capsys.readouterr().out == f"{order.link_id} executed\n"


# -- names ---------------------------------------------------------------------------------------------


def test_samples_are_listed():
    listed = set(re.findall(r"``samples/(\w+\.py)``", README))
    assert sorted(listed) == sorted(path.name for path in (ROOT / "samples").glob("*.py"))
    assert sorted(set(re.findall(r"``samples/(\w+)/``", README))) == [path.parent.name for path in SAMPLES[1:]]


def test_the_venues_are_listed():
    (rows,) = (rows for rows in TABLES if "client" in rows[0])
    clients = {name for name in dbxsdk.__all__ if name.endswith("Client")} - {"Client"}
    assert {row["client"].strip("`") for row in rows} == clients


def test_the_extras_are_listed():
    (rows,) = (rows for rows in TABLES if "extra" in rows[0])
    assert {row["extra"].strip("`") for row in rows} == extras() - {"test", "bench", "docs"}


def test_every_page_of_the_guide_is_listed():
    links = set(re.findall(r"<([^<>`]+)>`_", README))
    pages = {f"samples/guide/{path.name}" for path in GUIDE.glob("*.rst")}
    assert pages - links == {"samples/guide/index.rst"}
    assert {link for link in links if not (ROOT / link).exists()} == set()
