"""The addresses that clients use by themselves lead to local venues here, and the environment has their keys."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator, Optional

import attrs
import pytest

import dbxsdk
import dbxsdk.client
import dbxsdk.transport
from dbxsdk.bybit.endpoints import MAINNET, TESTNET
from dbxsdk.bybit.private import client as bybit_private
from dbxsdk.bybit.public import client as bybit_public
from dbxsdk.bybit.trade import client as bybit_trade
from dbxsdk.dbot import TRADE_URL
from dbxsdk.dbot.trade import client as dbot_trade
from dbxsdk.digifinex import client as digifinex
from dbxsdk.transport import rest
from dbxsdk.sim import BybitVenue, DBotVenue, DigiFinexVenue
from tests.waiting import eventually

LONGEST_WAIT = 0.15
"""Seconds that ``client.wait(60)`` of an example takes here, once something has come."""

RATE = 60.0
"""Steps of the markets in a second: three times as many as elsewhere, for there is little time."""

NOWHERE = "ws://127.0.0.1:1/"
"""Where every other address leads: no test leaves this machine."""


@attrs.frozen
class LocalVenues:
    bybit: BybitVenue
    digifinex: DigiFinexVenue
    dbot: DBotVenue


@contextlib.contextmanager
def local_venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVenues]:
    """Serves them. At the end no thread of a client or a venue may be left."""
    with BybitVenue(rate=RATE) as bybit, DigiFinexVenue(rate=RATE) as local_digifinex, DBotVenue(rate=RATE) as dbot:
        local = {digifinex.URL: local_digifinex.url(), TRADE_URL: dbot.url("/trade/ws/")}
        for path in (*(f"/v5/public/{each}" for each in ("spot", "linear", "inverse", "option")), "/v5/private", "/v5/trade"):
            local[f"wss://{MAINNET}{path}"] = local[f"wss://{TESTNET}{path}"] = bybit.url(path)
        keys = {"BYBIT_API_KEY": bybit.api_key, "BYBIT_API_SECRET": bybit.api_secret, "DBOT_API_KEY": dbot.api_key}
        for name, key in {**keys, "DBOT_FOLLOW_ORDER": dbot.add_follow_order()}.items():
            monkeypatch.setenv(name, key)
        parse_url, wait, init = dbxsdk.transport.parse_url, dbxsdk.client.Client.wait, dbxsdk.client.Client.__init__

        def parse(name: str, url: str, *more: Any) -> Any:
            address, query, rest = url.partition("?")
            if not address.startswith("ws://127.0.0.1:"):
                address = local.get(address, NOWHERE)
            return parse_url(name, address + query + rest, *more)

        def wait_briefly(client: Any, timeout: Optional[float] = None) -> bool:
            if isinstance(client, (dbxsdk.BybitPublicClient, dbxsdk.DigiFinexClient)):
                eventually(lambda: client.stats().delivered)  # markets move all the time
            return wait(client, min(timeout or LONGEST_WAIT, LONGEST_WAIT))

        def reconnecting_at_once(client: Any, *arguments: Any, options: Any = None, **more: Any) -> None:
            options = options or dbxsdk.Options()
            init(client, *arguments, options=attrs.evolve(options, backoff_initial=options.backoff_initial / 50), **more)

        monkeypatch.setattr(dbxsdk.client.Client, "__init__", reconnecting_at_once)
        monkeypatch.setattr(dbxsdk.transport, "parse_url", parse)
        for module, venue in ((bybit_trade, bybit), (bybit_private, bybit), (bybit_public, bybit), (rest, local_digifinex)):
            monkeypatch.setattr(module, "rest_origin", lambda *_, venue=venue, **__: venue.rest_url())
        monkeypatch.setattr(dbot_trade, "REST_ORIGIN", dbot.rest_url())
        monkeypatch.setattr(dbxsdk.client.Client, "wait", wait_briefly)
        yield LocalVenues(bybit, local_digifinex, dbot)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []
