"""Plain connections to the local Bybit venue's private and trade sockets, authenticated, and their requests."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import time
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Optional

from dbxsdk.sim import BybitVenue

from tests.sim.peer import Peer, peer

PRIVATE = "/v5/private"
TRADE = "/v5/trade"

_numbers = itertools.count(1)

FEW = {
    "linear": ("BTCUSDT",),
    "spot": ("BTCUSDT",),
    "inverse": ("BTCUSD",),
    "option": ("BTC-31DEC27-70000-C-USDT", "BTC-31DEC27-60000-P-USDT"),
}
"""Symbols enough for what is tested here; more take time at each start."""


def now_ms(ahead: float = 0.0) -> int:
    return int((time.time() + ahead) * 1000)


def auth(venue: BybitVenue, *, ahead: float = 10.0, key: Optional[str] = None, secret: Optional[str] = None) -> Dict[str, Any]:
    expires = now_ms(ahead)
    signature = hmac.new((secret or venue.api_secret).encode(), f"GET/realtime{expires}".encode(), hashlib.sha256)
    return {"op": "auth", "args": [key or venue.api_key, expires, signature.hexdigest()]}


@contextlib.contextmanager
def private_peer(venue: BybitVenue, *topics: str) -> Iterator[Peer]:
    with peer(venue, PRIVATE) as made:
        assert made.ask(auth(venue))["success"] is True
        if topics:
            assert made.ask({"op": "subscribe", "args": list(topics)})["success"] is True
        yield made


@contextlib.contextmanager
def trade_peer(venue: BybitVenue) -> Iterator[Peer]:
    with peer(venue, TRADE) as made:
        assert made.ask(auth(venue))["retCode"] == 0
        yield made


def request(op: str, args: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    return {"header": {"X-BAPI-TIMESTAMP": str(now_ms())}, "op": op, "args": [args], **more}


def limit(side: str, qty: str, price: Any, category: str = "linear", symbol: str = "BTCUSDT", **more: Any) -> Dict[str, Any]:
    fields = {"category": category, "symbol": symbol, "side": side, "orderType": "Limit", "qty": qty, "price": str(price)}
    return {**fields, **_own_id(category), **more}


def market(side: str, qty: str, category: str = "linear", symbol: str = "BTCUSDT", **more: Any) -> Dict[str, Any]:
    return {"category": category, "symbol": symbol, "side": side, "orderType": "Market", "qty": qty, **_own_id(category), **more}


def _own_id(category: str) -> Dict[str, Any]:
    return {"orderLinkId": f"own-{next(_numbers)}"} if category == "option" else {}  # which need one


def best(venue: BybitVenue, side: str, category: str = "linear", symbol: str = "BTCUSDT") -> Decimal:
    """The price at which an order of this side waits at the top of the book: the best bid for ``"Buy"``."""
    return venue.book(symbol, category, 1)["bids" if side == "Buy" else "asks"][0][0]


def pushed(client: Peer) -> List[Dict[str, Any]]:
    """What was pushed so far: everything before the pong to a ping sent now."""
    client.send({"op": "ping"})
    return client.receive_all(lambda document: document.get("op") == "pong")


def rows(documents: List[Dict[str, Any]], topic: str) -> List[Dict[str, Any]]:
    return [row for document in documents if document["topic"] == topic for row in document["data"]]
