"""The guide's pages are what they say: docutils renders them, every block in them runs and prints what stands below it.

A page needs nothing but to be there. Its blocks are of four kinds:

* ``python``: run on local venues, in place of the real addresses, with keys in the environment. A block that begins with an
  import is a program by itself, another goes on with the names of the one before it.
* ``text``: lines that the Python block before it prints, whatever the numbers in them.
* ``console``: commands of ``dbxsdk`` behind ``$``, with ``--local``, and all that they print, whatever the numbers in it.
* ``sh``: commands to copy. They are parsed; their extras, files, subcommands and options have to exist.

``AROUND`` is for a page that needs more than venues.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import importlib
import importlib.util
import logging
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator, List, Tuple

import pytest

from tests import documents
from tests.documents import GUIDE, ROOT
from tests.local_addresses import LocalVenues, local_venues

PAGES = {path.stem: path for path in sorted(GUIDE.glob("*.rst"))}
TEXTS = {name: path.read_text("utf-8") for name, path in PAGES.items() if name != "index"}

KINDS = {"python", "sh", "console", "text"}

AROUND = {"many_workers": "tests.relay.test_guide_page:redis_in_place"}
"""What is there while a page's Python runs: the page's name, and the function that gives a context manager."""

OPTIONAL = {"matplotlib", "pandas", "polars", "prometheus_client", "pyarrow", "opentelemetry", "redis"}
"""Modules that not every Python has: without them the page's Python is skipped, and says so."""


def blocks(name: str) -> List[Tuple[str, str]]:
    return documents.blocks(documents.tree(TEXTS[name]))


def with_blocks(kind: str) -> List[str]:
    """The pages that have some: read off the text, since every process that shares the tests asks for it."""
    return [name for name, text in TEXTS.items() if f".. code-block:: {kind}\n" in text]


def programs(name: str) -> Iterator[Tuple[str, str]]:
    """(code, expected) of each Python block, in the page's order."""
    found = blocks(name)
    for number, (kind, text) in enumerate(found):
        if kind == "python":
            after = found[number + 1:number + 2]
            yield text, after[0][1] if after and after[0][0] == "text" else ""


# -- the pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_docutils_has_nothing_to_say(name: str) -> None:
    text = PAGES[name].read_text("utf-8")
    page, said = documents.rendered(text)
    assert said == ""
    assert "<h1" in page
    assert [line for line in text.splitlines() if len(line) > 110] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_block_is_of_a_kind_that_is_run(name: str) -> None:
    kinds = [kind for kind, _ in blocks(name)]
    assert set(kinds) <= KINDS, "unknown kind of block"
    assert set(kinds) == {kind for kind in KINDS if name in with_blocks(kind)}, "a block that no test runs"
    for before, kind in zip(["", *kinds], kinds):  # noqa: B905
        assert kind != "text" or before == "python", "a text block says what the Python block before it prints"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_what_is_there(name: str) -> None:
    for target in re.findall(r"<([^<>`]+)>`_", PAGES[name].read_text("utf-8")):
        path, _, anchor = target.partition("#")
        assert target.startswith("https://") or (GUIDE / path).exists(), target
        assert not anchor or anchor in documents.tree(TEXTS[path[:-len(".rst")]]).ids, target


# -- Python --------------------------------------------------------------------------------------------


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVenues]:
    with local_venues(monkeypatch) as served:
        yield served


@pytest.mark.parametrize("name", with_blocks("python"))
def test_python_blocks_print_what_they_say(
    name: str, venues: LocalVenues, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in sorted(OPTIONAL & imported(name)):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    namespace: Dict[str, Any] = {}
    with around(name), unconfigured_logging():
        for number, (code, expected) in enumerate(programs(name), 1):
            if begins_with_an_import(code):
                namespace = {"__name__": "guide"}
            place = f"{name}.rst, Python block {number}"
            exec(compile(code, place, "exec"), namespace)
            said = capsys.readouterr()
            assert said.err == "", place
            printed = set(documents.shape(said.out.splitlines()))
            assert set(documents.shape(expected.splitlines())) <= printed, f"{place} printed\n{said.out}"


def around(name: str) -> ContextManager[Any]:
    module, _, function = AROUND.get(name, "contextlib:nullcontext").partition(":")
    if "redis" in function and not (shutil.which("redis-server") or shutil.which("valkey-server")):
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    context: ContextManager[Any] = getattr(importlib.import_module(module), function)()
    return context


@contextlib.contextmanager
def unconfigured_logging() -> Iterator[None]:
    """As in a program of its own: a page may configure it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


def begins_with_an_import(code: str) -> bool:
    return isinstance(ast.parse(code).body[0], (ast.Import, ast.ImportFrom))


def imported(name: str) -> set[str]:
    found = set()
    for code, _ in programs(name):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found


# -- commands ------------------------------------------------------------------------------------------


def test_console_blocks_print_what_they_say(tmp_path: Path) -> None:
    texts = [text for name in with_blocks("console") for kind, text in blocks(name) if kind == "console"]
    for command, expected, said in documents.run_sessions(texts, tmp_path):
        assert said == expected, command


@pytest.mark.parametrize("name", with_blocks("sh"))
def test_commands_to_copy_name_what_is_there(name: str) -> None:
    for text in (text for kind, text in blocks(name) if kind == "sh"):
        check_commands(text)


def check_commands(text: str) -> None:
    """Raises where a command has an error of syntax, or names an extra, a file, a module or a subcommand that is not there."""
    subprocess.run(["bash", "-n"], input=text, text=True, check=True, capture_output=True)
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for before, word, following in zip(["", *words], words, [*words[1:], ""]):  # noqa: B905
            for extra in re.findall(r"(?:dbxsdk|\.)\[([\w,-]+)\]", word):
                assert set(extra.split(",")) <= extras(), word
            if re.match(r"(samples|tests|dbxsdk)/", word):
                assert (ROOT / word).exists(), word
            if word == "-m" and following.partition(".")[0] in ("tests", "dbxsdk"):
                assert importlib.util.find_spec(following), following
            if word.rpartition("/")[2] == "dbxsdk" and before in ("", "&&", "|") and following:
                assert following.startswith("-") or following in subcommands(), following


def test_the_subcommands_are_listed() -> None:
    tables = documents.tables(documents.tree(TEXTS["command_line"]))
    (rows,) = (rows for rows in tables if rows[0].get("0", "").startswith("``dbxsdk "))
    listed = {row["0"].split()[1].strip("`") for row in rows}
    assert listed == subcommands()


def extras() -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return set(config["options.extras_require"])


def subcommands() -> set[str]:
    from dbxsdk.cli.main import COMMANDS

    return {command.__name__.rpartition(".")[2] for command in COMMANDS}


@pytest.mark.parametrize(
    "text",
    [
        'pip install "dbxsdk[nothing]"',
        'pip install ".[sim,nothing]"',
        "python samples/nothing.py",
        "python -m tests.nothing",
        "dbxsdk nothing",
    ],
)
def test_a_command_that_names_what_is_not_there_is_found(text: str) -> None:
    with pytest.raises(AssertionError):
        check_commands(text)


def test_a_command_with_an_error_of_syntax_is_found() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        check_commands("for x in; (")
    check_commands("dbxsdk watch bybit publicTrade BTCUSDT  # until Ctrl-C")
