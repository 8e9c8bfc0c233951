"""A session at all four local venues, recorded, with a connection dropped in it; and the same wishes for its replay."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from typing import Any, Dict, List, Tuple

import attrs

import dbxsdk
from dbxsdk.client import Client
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
from tests.waiting import drained, eventually

STEPS = 40
TIMES: Any = {"backoff_initial": 0.02, "backoff_max": 0.02}


class Sink:
    """Keeps what callbacks get, of several clients, in the order in which they get it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.items: List[Tuple[str, str]] = []

    def of(self, name: str) -> Any:
        def keep(item: Any) -> None:
            text = f"{item!r} {item.raw!r}" if isinstance(item, dbxsdk.Update) else repr(item)
            with self._lock:
                self.items.append((name, text))

        return keep

    def updates(self, name: str) -> List[str]:
        return [text for who, text in self.items if who == name and text.startswith(("Update(", "{"))]

    def events(self, name: str) -> List[str]:
        return [text for who, text in self.items if who == name and not text.startswith(("Update(", "{"))]

    def digest(self) -> str:
        return hashlib.sha256("\n".join(f"{name} {text}" for name, text in self.items).encode()).hexdigest()


@attrs.frozen
class Recorded:
    """``secrets`` are all that must be nowhere in the files."""

    folder: str
    sink: Sink
    secrets: Tuple[str, ...]
    pair: str
    books: Dict[str, Any]


CLASSES = {
    "bybit": dbxsdk.BybitPublicClient,
    "private": dbxsdk.BybitPrivateClient,
    "digifinex": dbxsdk.DigiFinexClient,
    "cryptomus": dbxsdk.CryptomusClient,
    "data": dbxsdk.DBotDataClient,
    "tasks": dbxsdk.DBotTradeClient,
}


def wish(name: str, client: Client, sink: Sink, pair: str) -> Any:
    """Subscribes what is wished for of the client; returns its order book, where it has one."""
    keep = sink.of(name)
    client.on_event(keep)
    if name == "bybit":
        client.subscribe("orderbook.50", "BTCUSDT", callback=keep)
        client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT"], callback=keep, raw=True)
        client.subscribe("tickers", "BTCUSDT", callback=keep)
        return client.order_book("BTCUSDT", depth=200)  # type: ignore[attr-defined]
    if name == "private":
        client.subscribe("order", callback=keep)
        client.subscribe("execution", callback=keep)
    elif name == "digifinex":
        client.subscribe("trades", "BTC_USDT", callback=keep)
        client.subscribe("balance", ["USDT", "BTC"], callback=keep)
        return client.order_book("BTC_USDT")  # type: ignore[attr-defined]
    elif name == "cryptomus":
        client.subscribe("trade", ["BTC_USDT", "ETH_USDT"], callback=keep)
        client.subscribe("balance", "all", callback=keep)
        return client.order_book("BTC_USDT")  # type: ignore[attr-defined]
    elif name == "data":
        client.subscribe("tx", pair, callback=keep)
        client.subscribe("newPairInfo", callback=keep)
    else:
        client.subscribe("tradeResults", callback=keep)
    return None


def record(folder: str) -> Recorded:
    """About a second of it: made by steps, not by waiting."""
    sink = Sink()
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(dbxsdk.Recorder(folder))
        options = dbxsdk.Options(recorder=recorder, **TIMES)
        venues = [stack.enter_context(kind(rate=0)) for kind in (BybitVenue, DigiFinexVenue, CryptomusVenue, DBotVenue)]
        bybit, digifinex, cryptomus, dbot = venues
        pair = dbot.pairs[0].pair
        clients = {
            "bybit": bybit.client("linear", options=options),
            "private": bybit.client("private", options=options),
            "digifinex": digifinex.client(options=options),
            "cryptomus": cryptomus.client(options=options),
            "data": dbot.client("data", options=options),
            "tasks": dbot.client("trade", options=options),
        }
        trade = bybit.client("trade", options=options)
        for client in (*clients.values(), trade):
            stack.callback(client.close)
        books = {name: wish(name, client, sink, pair) for name, client in clients.items()}
        secrets = [each.api_key for each in venues] + [each.api_secret for each in venues]

        def act() -> None:
            for number in range(STEPS):
                for venue in venues:
                    venue.step()
                if number % 10 == 0:
                    trade.place_order(category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
                    trade.ping()
                    clients["tasks"].create_swap_order(
                        chain="solana", pair=pair, wallet_id=dbot.wallet_ids[0], type="buy", amount_or_percent="0.1"
                    )
                    clients["digifinex"].server_time()
                    clients["data"].ping()  # a WebSocket ping

        act()
        topics = {venue: venue.subscriptions() for venue in venues}
        for venue in (bybit, digifinex):
            venue.drop_connections()
        dbot.drop_connections(1012, "maintenance")
        dropped = [clients[name] for name in ("bybit", "private", "digifinex", "data", "tasks")]
        eventually(lambda: all(client.stats().reconnects == 1 for client in dropped))
        eventually(lambda: all(venue.subscriptions() == topics[venue] for venue in venues))
        act()
        for client in clients.values():
            _read_all(client)
        secrets += cryptomus.tokens_used
        secrets += [str(part) for frame in bybit.requests + digifinex.requests for part in _login(frame.document)]
        snapshots = {name: book.snapshot() for name, book in books.items() if book is not None}
    return Recorded(folder, sink, tuple(secrets), pair, snapshots)


def _login(document: Any) -> List[Any]:
    """Key and signature; the time between them is no secret."""
    if document.get("op") != "auth" and document.get("method") != "server.auth":
        return []
    key, _, signature = document.get("args") or document["params"]
    return [key, signature]


def _read_all(client: Client) -> None:
    """Until all that the venue has sent has been through the callbacks."""
    client.ping()
    drained(client)


def replayed(recorded: Recorded, **options: Any) -> Tuple[Sink, Dict[str, Any], dbxsdk.Replayed]:
    """The same wishes, replayed to the end."""
    sink = Sink()
    with dbxsdk.replay(recorded.folder, speed=None, **options) as replay:
        books = {name: wish(name, replay.client(kind), sink, recorded.pair) for name, kind in CLASSES.items()}
        told = replay.run()
        snapshots = {name: book.snapshot() for name, book in books.items() if book is not None}
    return sink, snapshots, told
