"""The README's commands are there, and its Python blocks run: against local venues, in place of the real addresses."""

from __future__ import annotations

import builtins
import re
import textwrap
import threading
from pathlib import Path

import pytest

import dbxsdk.client
from dbxsdk.bybit import client as bybit
from dbxsdk.digifinex import client as digifinex
from dbxsdk.sim import BybitVenue, DigiFinexVenue

README = (Path(__file__).parents[1] / "README.rst").read_text()

COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install -q ".[demo]" && .venv/bin/dbxsdk demo',
    'python3 -m venv .venv && .venv/bin/pip install -q -e ".[test]" && .venv/bin/python -m pytest',
)

LONGEST_WAIT = 0.3
"""Seconds that ``client.wait(60)`` of an example takes here."""


def blocks(language):
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", README, re.MULTILINE)
    return [textwrap.dedent(block).strip() for block in found]


@pytest.fixture
def local_addresses(monkeypatch):
    """The addresses that the clients use by themselves lead to local venues."""
    with DigiFinexVenue() as local_digifinex, BybitVenue() as local_bybit:
        local = {digifinex.URL: local_digifinex.url()}
        for category in ("spot", "linear", "inverse", "option"):
            path = f"/v5/public/{category}"
            local[f"wss://{bybit.MAINNET}{path}"] = local_bybit.url(path)
        parse_url, wait = dbxsdk.client.parse_url, dbxsdk.client.Client.wait
        monkeypatch.setattr(dbxsdk.client, "parse_url", lambda name, url, *more: parse_url(name, local.get(url, url), *more))
        monkeypatch.setattr(
            dbxsdk.client.Client, "wait", lambda client, timeout=None: wait(client, min(timeout or LONGEST_WAIT, LONGEST_WAIT))
        )
        yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []


def test_the_two_commands():
    assert tuple(blocks("sh")) == COMMANDS
    for command in COMMANDS:
        assert README.count(command) == 1


def test_lines_are_short():
    assert [line for line in README.splitlines() if len(line) > 100] == []


def test_blocks_are_found():
    assert len(blocks("python")) == README.count(".. code-block:: python") >= 7


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_block(number, local_addresses, capsys):
    exec(compile(blocks("python")[number], f"README.rst, Python block {number + 1}", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().err == ""


def test_examples_print_what_they_say(local_addresses, capsys):
    for block in blocks("python"):
        exec(block, {"__name__": "readme"})
    out = capsys.readouterr().out
    assert re.search(r"^BTCUSDT (Buy|Sell) \S+ at \d", out, re.MULTILINE)
    assert re.search(r"^delta \d+ bids \d+ asks", out, re.MULTILINE)
    assert re.search(r"^their clock: \d{10}$", out, re.MULTILINE)
    assert "refused: ('trades.NO_SUCH',) subscribed: ('trades.BTC_USDT',)" in out


def test_models_and_events_are_named_as_they_are():
    import dbxsdk.bybit
    import dbxsdk.digifinex.models

    known = {*dir(dbxsdk), *dir(dbxsdk.bybit), *dir(dbxsdk.digifinex.models), *dir(dbxsdk.sim), *dir(builtins), "Decimal"}
    # CamelCase words in literals, without the capitals of placeholders.
    named = {word for word in re.findall(r"``([A-Z][A-Za-z]+)[``(.]", README) if not word.isupper()}
    assert named - known == set()
