"""The README's commands are there, and its Python blocks run: against local venues, in place of the real addresses."""

from __future__ import annotations

import builtins
import re
import textwrap
import threading
from pathlib import Path

import pytest

import dbxsdk.client
import dbxsdk.sim
from dbxsdk.bybit.endpoints import MAINNET, TESTNET
from dbxsdk.dbot import TRADE_URL
from dbxsdk.digifinex import client as digifinex
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue

README = (Path(__file__).parents[1] / "README.rst").read_text()

COMMANDS = (
    'python3 -m venv .venv && .venv/bin/pip install -q ".[demo]" && .venv/bin/dbxsdk demo',
    'python3 -m venv .venv && .venv/bin/pip install -q -e ".[test]" && .venv/bin/python -m pytest -n 2',
)

LONGEST_WAIT = 0.3
"""Seconds that ``client.wait(60)`` of an example takes here."""


def blocks(language):
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", README, re.MULTILINE)
    return [textwrap.dedent(block).strip() for block in found]


@pytest.fixture
def local_addresses(monkeypatch):
    """The addresses that the clients use by themselves lead to local venues, and the environment has their keys."""
    with DigiFinexVenue() as local_digifinex, BybitVenue() as local_bybit, DBotVenue() as local_dbot:
        local = {digifinex.URL: local_digifinex.url(), TRADE_URL: local_dbot.url("/trade/ws/")}
        for path in (*(f"/v5/public/{each}" for each in ("spot", "linear", "inverse", "option")), "/v5/private", "/v5/trade"):
            local[f"wss://{MAINNET}{path}"] = local[f"wss://{TESTNET}{path}"] = local_bybit.url(path)
        monkeypatch.setenv("DBOT_FOLLOW_ORDER", local_dbot.add_follow_order())
        keys = {"BYBIT_API_KEY": local_bybit.api_key, "BYBIT_API_SECRET": local_bybit.api_secret}
        for name, key in {**keys, "DBOT_API_KEY": local_dbot.api_key}.items():
            monkeypatch.setenv(name, key)
        parse_url, wait = dbxsdk.client.parse_url, dbxsdk.client.Client.wait

        def parse(name, url, *more):
            address, query, rest = url.partition("?")
            return parse_url(name, local.get(address, address) + query + rest, *more)

        monkeypatch.setattr(dbxsdk.client, "parse_url", parse)
        monkeypatch.setattr(
            dbxsdk.client.Client, "wait", lambda client, timeout=None: wait(client, min(timeout or LONGEST_WAIT, LONGEST_WAIT))
        )
        yield local_bybit, local_dbot
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []


def test_the_two_commands():
    assert tuple(blocks("sh")) == COMMANDS
    for command in COMMANDS:
        assert README.count(command) == 1


def test_lines_are_short():
    assert [line for line in README.splitlines() if len(line) > 100] == []


def test_blocks_are_found():
    assert len(blocks("python")) == README.count(".. code-block:: python") >= 7


def test_python_blocks_print_what_they_say(local_addresses, capsys):
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
    assert [task["enabled"] for task in local_addresses[1].tasks("follow").values()] == [False]


def test_an_order_without_an_answer_is_named(local_addresses, capsys):
    local_bybit, _ = local_addresses
    local_bybit.drop_after_next_request(executed=True)
    exec(next(block for block in blocks("python") if "place_order(" in block), {"__name__": "readme"})
    (order,) = local_bybit.orders()
    assert capsys.readouterr().out == f"ask the venue for the order {order.link_id}\n"


def test_the_private_stream_prints_what_happens(local_addresses, capsys, monkeypatch):
    local_bybit, _ = local_addresses
    wait = dbxsdk.client.Client.wait

    def place_and_wait(client, timeout=None):
        local_bybit.place_order("spot", symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01")
        return wait(client, timeout)

    monkeypatch.setattr(dbxsdk.client.Client, "wait", place_and_wait)
    exec(next(block for block in blocks("python") if "BybitPrivateClient(" in block), {"__name__": "readme"})
    out = capsys.readouterr().out
    assert re.search(r"^BTCUSDT .*Filled 0\.01", out, re.MULTILINE) and " fills\n" in out


def test_samples_are_listed():
    listed = re.findall(r"``samples/(\w+\.py)``", README)
    assert sorted(listed) == sorted(path.name for path in (Path(__file__).parents[1] / "samples").glob("*.py"))


def test_models_and_events_are_named_as_they_are():
    import dbxsdk.bybit
    import dbxsdk.cryptomus
    import dbxsdk.dbot
    import dbxsdk.digifinex.models

    modules = (dbxsdk, dbxsdk.bybit, dbxsdk.cryptomus, dbxsdk.dbot, dbxsdk.digifinex.models, dbxsdk.sim, builtins)
    known = {"Decimal", "AppConfig"}.union(*map(dir, modules))
    # CamelCase words in literals, without the capitals of placeholders.
    named = {word for word in re.findall(r"``([A-Z][A-Za-z]+)[``(.]", README) if not word.isupper()}
    assert named - known == set()


def test_channels_are_named_as_they_are():
    from dbxsdk.bybit.private_channels import CHANNELS as PRIVATE
    from dbxsdk.cryptomus.protocol import CHANNELS as CRYPTOMUS
    from dbxsdk.dbot.data_protocol import KINDS as DBOT

    for channel in (*PRIVATE, *CRYPTOMUS, *DBOT, "tradeResults"):
        if not channel.startswith("rfq."):  # all of these in one word
            assert f"``{channel}``" in README or f"``{channel}." in README, channel


def test_methods_of_local_venues_are_there():
    text = README[README.index("Venues misbehave"):]
    names = re.findall(r"``([a-z_]+)``", text[:text.index("With ``rate=0``")])
    venues = (DigiFinexVenue, BybitVenue, CryptomusVenue, DBotVenue)
    assert len(names) > 15
    assert [name for name in names if not any(hasattr(venue, name) for venue in venues)] == []
