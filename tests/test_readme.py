"""The README is what it says: docutils renders it, its commands and blocks run, what its tables name is there."""

from __future__ import annotations

import builtins
import os
import re
import runpy
import shlex
import subprocess
import sys
import typing

import attrs
import pytest

import dbxsdk.book.rule
import dbxsdk.client
import dbxsdk.protocol
import dbxsdk.sim
from dbxsdk import events
from dbxsdk.cli.main import COMMANDS as SUBCOMMANDS
from dbxsdk.options import OVERFLOW_POLICIES
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
from tests import documents
from tests.local_addresses import local_venues
from tests.waiting import eventually

ROOT = documents.ROOT
README = (ROOT / "README.rst").read_text()
TREE = documents.tree(README)
BLOCKS = documents.blocks(TREE)
TABLES = documents.tables(TREE)
SAMPLES = [ROOT / "samples" / "README.rst", *sorted((ROOT / "samples").glob("*/README.rst"))]

COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install -q ".[demo]" && .venv/bin/dbxsdk demo',
    'python3 -m venv .venv && .venv/bin/pip install -q -e ".[test]" && .venv/bin/python -m pytest -n 2',
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


def test_docutils_would_say_it():
    assert "INFO" in documents.rendered("A title\n===\n")[1]
    assert "WARNING" in documents.rendered("A ``literal\n")[1]
    assert "ERROR" in documents.rendered("a_\n")[1]


def test_every_folder_of_samples_has_a_page():
    folders = {path for path in (ROOT / "samples").iterdir() if path.is_dir() and path.name[0] not in "._"}
    folders.discard(ROOT / "samples" / "guide")  # whose pages are its own
    assert {path.parent for path in SAMPLES[1:]} == folders


def test_every_block_is_of_a_kind_that_is_run():
    assert {kind for kind, _ in BLOCKS} == {"python", "sh", "console"}, "unknown kind of block"
    assert len(blocks("python")) >= 16
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


def test_the_two_commands():
    """``.ci/run`` runs the second of them as it stands, and what the first one starts."""
    assert tuple(blocks("sh")) == COMMANDS
    for command in COMMANDS:
        assert README.count(command) == 1


def sessions(block):
    """(command, output) pairs of a console's text."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif not complete(found[-1][0]):
            found[-1][0] += "\n" + line
        else:
            found[-1][1].append(line)
    return found


def complete(command):
    try:
        return not command.endswith("\\") and bool(shlex.split(command))
    except ValueError:  # within quotes
        return False


def shape(lines):
    """The lines without what is different each time, in an order of their own: two venues connect in any order."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", "\n".join(lines))
    return sorted(re.sub(r"\d[\d,]*(\.\d+)?", "0", text).splitlines())


def test_console_blocks_print_what_they_say(tmp_path):
    (tmp_path / "dbxsdk").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dbxsdk "$@"\n')
    (tmp_path / "dbxsdk").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    expected, running = [], []
    for command, output in [pair for block in blocks("console") for pair in sessions(block)]:
        assert command.startswith("dbxsdk ") and "--local" in command
        expected.append(output)
        # All of them at once: what they do is mostly wait.
        script = f"set -o pipefail; {{ {command}\n}} 2>&1"
        running.append(subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True))
    assert len(running) >= 3
    for process, output in zip(running, expected):  # noqa: B905
        with process:
            said = process.communicate(timeout=30)[0]
        assert process.returncode == 0, said
        assert shape(said.replace(str(tmp_path), "/home/you").splitlines()) == shape(output)


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


def test_the_subcommands():
    (rows,) = (rows for rows in TABLES if rows[0].get("0", "").startswith("``dbxsdk "))
    names = [command.__name__.rpartition(".")[2] for command in SUBCOMMANDS]
    assert sorted(row["0"].split()[1].strip("`") for row in rows) == sorted(names)


# -- Python --------------------------------------------------------------------------------------------


def test_python_blocks_print_what_they_say(venues, capsys):
    out = ""
    for number, block in enumerate(blocks("python"), 1):
        exec(compile(block, f"README.rst, Python block {number}", "exec"), {"__name__": "readme"})
        said = capsys.readouterr()
        assert said.err == "", f"Python block {number}"
        out += said.out
    assert re.search(r"^BTCUSDT (Buy|Sell) \S+ at \d", out, re.MULTILINE)
    assert re.search(r"^delta \d+ bids \d+ asks", out, re.MULTILINE)
    assert re.search(r"^their clock: \d{10}$", out, re.MULTILINE)
    assert "refused: ('trades.NO_SUCH',) subscribed: ('trades.BTC_USDT',)" in out
    assert re.search(r"^accepted: \S+ as dbx-[0-9a-f]{32} RateLimit", out, re.MULTILINE)
    assert re.search(r"^True \S+ dbx-[0-9a-f]{32} 0 ", out, re.MULTILINE)
    assert re.search(r"^False  dbx-[0-9a-f]{32} [1-9]\d+ ", out, re.MULTILINE)
    assert "1 failed; the others are placed" in out
    assert "(Trade(number=1, price=Decimal('9.75')),)" in out
    assert [task["enabled"] for task in venues.dbot.tasks("follow").values()] == [False]


def test_an_order_without_an_answer_is_named(venues, capsys):
    venues.bybit.drop_after_next_request(executed=True)
    exec(next(block for block in blocks("python") if "place_order(" in block), {"__name__": "readme"})
    (order,) = venues.bybit.orders()
    assert capsys.readouterr().out == f"{order.link_id} executed\n"


def test_the_private_stream_prints_what_happens(venues, capsys, monkeypatch):
    printed = []

    def both():
        printed.append(capsys.readouterr().out)
        out = "".join(printed)
        return re.search(r"^BTCUSDT .*Filled 0\.01", out, re.MULTILINE) and " fills\n" in out

    def place_and_wait(client, timeout=None):
        venues.bybit.place_order("spot", symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01")
        eventually(both)

    monkeypatch.setattr(dbxsdk.client.Client, "wait", place_and_wait)
    exec(next(block for block in blocks("python") if "BybitPrivateClient(" in block), {"__name__": "readme"})


# -- names ---------------------------------------------------------------------------------------------


def test_samples_are_listed():
    listed = set(re.findall(r"``samples/(\w+\.py)``", README))
    assert sorted(listed) == sorted(path.name for path in (ROOT / "samples").glob("*.py"))
    assert sorted(set(re.findall(r"``samples/(\w+)/``", README))) == [path.parent.name for path in SAMPLES[1:]]


def column(head, *others):
    """The names in the first column of every table with these heads: one list for each."""
    found = [[row[head].strip("`") for row in rows] for rows in TABLES if {head, *others} <= set(rows[0])]
    assert found
    return found


def public(kind):
    found = {name: getattr(dbxsdk, name) for name in dbxsdk.__all__}
    return {name for name, each in found.items() if isinstance(each, type) and issubclass(each, kind)}


def test_tables_have_every_client_exception_event_state_and_counter():
    assert set(column("client", "venue")[0]) == public(dbxsdk.Client) - {"Client"}
    (exceptions,) = column("exception", "retry safe?")
    # The roots of the tree, the batch's own and ServerFailed stand in the text.
    assert public(Exception) - set(exceptions) == {"BatchFailed", "DbxError", "OutcomeUnknown", "ServerFailed", "TransportError"}
    assert set(exceptions) <= public(Exception) and all(name in README for name in public(Exception))
    known = sorted(kind.__name__ for kind in typing.get_args(events.Event))
    assert [sorted(names) for names in column("event")] == [known, known]
    assert [sorted(names) for names in column("``client.state``")] == [sorted(dbxsdk.State)]
    assert column("``client.stats()``") == [[field.name for field in attrs.fields(dbxsdk.Stats)]]
    (policies,) = (rows for rows in TABLES if rows[0].get("0") == '``"block"``')
    assert tuple(row["0"].strip('`"') for row in policies) == OVERFLOW_POLICIES


def test_options_are_named_as_they_are():
    fields = {field.name for field in attrs.fields(dbxsdk.Options)}
    inside = " ".join(re.findall(r"Options\(([^)]*)\)", README))
    named = set(re.findall(r"``Options\.(\w+)", README)) | set(re.findall(r"(\w+)=", inside))
    assert len(named) > 8 and named <= fields


def names_in_the_code():
    """Every word of the code; docstrings and comments are none."""
    found = set(dir(builtins))
    for path in (ROOT / "dbxsdk").rglob("*.py"):
        found.update(re.findall(r"\w+", re.sub(r'""".*?"""|#.*?$', "", path.read_text(), flags=re.DOTALL | re.MULTILINE)))
    return found


def test_methods_and_fields_are_named_as_they_are():
    """Words with an underscore, calls, and what has a dot: whatever is meant, it is a name somewhere in the code."""
    text = README[:README.index("\nFrom pybit\n")] + README[README.index("\nVenues and channels\n"):]
    literals = {" ".join(each.split()) for each in re.findall(r"``([^`]+)``", text)}
    meant = [each for each in literals if re.fullmatch(r"[\w.]*(_|\(|\.)[\w.]*[\w(=\", ).]*", each)]
    words = set(re.findall(r"[A-Za-z_]\w+", " ".join(meant)))
    foreign = {"pandas", "DictWriter", "DataFrame", "csv", "AppConfig", "manage", "time_ns", "bybitgeorgia"}
    foreign |= {"LEVEL", "GRANULARITY"}
    # Files and folders of this repository; below, parts of the venues' addresses.
    here = [path.relative_to(ROOT) for top in ("samples", "tests") for path in (ROOT / top).rglob("*")]
    paths = set(re.findall(r"\w+", " ".join(map(str, here))))
    assert len(words) > 150
    assert words - names_in_the_code() - foreign - paths - {"com", "vip", "stream", "testnet", "openapi"} == set()


def test_models_and_events_are_named_as_they_are():
    import dbxsdk.bybit
    import dbxsdk.cryptomus
    import dbxsdk.dbot
    import dbxsdk.digifinex.models
    import dbxsdk.digifinex.swap

    modules = (
        dbxsdk,
        dbxsdk.bybit,
        dbxsdk.cryptomus,
        dbxsdk.dbot,
        dbxsdk.digifinex.models,
        dbxsdk.digifinex.swap,
        dbxsdk.sim,
        dbxsdk.protocol,
        dbxsdk.book.rule,
        builtins,
    )
    others = {"Decimal", "AppConfig", "WebSocket", "WebSocketApp", "WebSocketTrading", "WebsocketSpreadTrading"}
    known = others.union(*map(dir, modules))
    # CamelCase words in literals, without the capitals of placeholders.
    named = {word for word in re.findall(r"``([A-Z][A-Za-z]+)[``(.]", README) if not word.isupper()}
    assert named - known == set()


def test_channels_are_named_as_they_are():
    from dbxsdk.bybit.private.channels import CHANNELS as PRIVATE
    from dbxsdk.cryptomus.protocol import CHANNELS as CRYPTOMUS
    from dbxsdk.dbot.data.protocol import KINDS as DBOT
    from dbxsdk.digifinex.swap.channels import KINDS as SWAPS

    for channel in (*PRIVATE, *CRYPTOMUS, *DBOT, *SWAPS, "tradeResults"):
        if not channel.startswith("rfq."):  # all of these in one word
            assert f"``{channel}``" in README or f"``{channel}." in README, channel


def test_methods_of_local_venues_are_there():
    text = README[README.index("Venues misbehave"):]
    names = re.findall(r"``([a-z_]+)``", text[:text.index("With ``rate=0``")])
    venues = (DigiFinexVenue, BybitVenue, CryptomusVenue, DBotVenue)
    assert len(names) > 15
    assert [name for name in names if not any(hasattr(venue, name) for venue in venues)] == []
