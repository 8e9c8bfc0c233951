"""A client, a local venue, and between them a proxy that fails on request: plain and over TLS."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Dict, Iterator

import pytest

from dbxsdk import Options
from dbxsdk.sim import BybitVenue, DigiFinexVenue
from tests.faults.proxy import FaultProxy
from tests.transport.conftest import authority, client_context, no_socket_left, server_context  # noqa: F401
from tests.waiting import Recorder

QUICK: Dict[str, Any] = {"backoff_initial": 0.01, "backoff_max": 0.02, "connect_timeout": 3.0, "request_timeout": 3.0}
WATCHFUL: Dict[str, Any] = {**QUICK, "heartbeat_interval": 0.1, "silence_timeout": 0.25}
"""Notices a peer that says nothing within half a second."""
ORDER: Dict[str, Any] = {
    "category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "1000",
}


class Scene:
    """``seen`` gets the events of every client made here, and may be a callback of updates, too."""

    def __init__(self, venue: Any, target: str, tls: Dict[str, Any]) -> None:
        self.venue = venue
        self.proxy = FaultProxy(target, **tls["server"])
        self.seen = Recorder()
        self._tls = tls

    def client(self, *which: str, options: Dict[str, Any] = QUICK, **arguments: Any) -> Any:
        """The venue's own client, through the proxy."""
        made = self.venue.client(*which, url=self.proxy.url, options=Options(**{**options, **self._tls["client"]}), **arguments)
        made.on_event(self.seen)
        return made

    def asked(self, method: str) -> int:
        """How often the venue was asked for it."""
        return sum((each.document or {}).get("method") == method for each in self.venue.requests)


@pytest.fixture(params=["ws", "wss"])
def tls(request: Any, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Dict[str, Any]:  # noqa: F811
    """The two ends' contexts; nothing where the connection is plain."""
    if request.param == "ws":
        return {"server": {}, "client": {}}
    return {"server": {"context": server_context}, "client": {"ssl_context": client_context}}


PLAIN: Dict[str, Any] = {"server": {}, "client": {}}


@contextlib.contextmanager
def digifinex(tls: Dict[str, Any], **venue: Any) -> Iterator[Scene]:
    with DigiFinexVenue(**{"rate": 50, "symbols": ["BTC_USDT"], **venue}) as made:
        scene = Scene(made, made.url(), tls)
        with scene.proxy:
            yield scene


@contextlib.contextmanager
def bybit(tls: Dict[str, Any], path: str, **venue: Any) -> Iterator[Scene]:
    with BybitVenue(**{"rate": 50, **venue}) as made:
        scene = Scene(made, made.url(path), tls)
        with scene.proxy:
            yield scene


@pytest.fixture
def scene(tls: Dict[str, Any]) -> Iterator[Scene]:
    """DigiFinex, on ws and on wss."""
    with digifinex(tls) as made:
        yield made


@pytest.fixture
def plain() -> Iterator[Scene]:
    """DigiFinex on ws, where the transport makes no difference."""
    with digifinex(PLAIN) as made:
        yield made


@pytest.fixture
def quiet() -> Iterator[Scene]:
    """The same, whose market stands still."""
    with digifinex(PLAIN, rate=0) as made:
        yield made


@pytest.fixture
def orders(tls: Dict[str, Any]) -> Iterator[Scene]:
    """Bybit's order entry, on ws and on wss."""
    with bybit(tls, "/v5/trade", rate=0) as made:
        yield made
