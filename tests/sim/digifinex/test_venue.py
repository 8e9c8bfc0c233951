"""Every documented answer, refusal and update of the local DigiFinex venue."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import zlib
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Optional

import pytest

from dbxsdk.sim import DigiFinexVenue

from tests.sim.peer import WAIT, ClientBook, Peer, peer

SUCCESS = {"status": "success"}


@pytest.fixture
def venue() -> Iterator[DigiFinexVenue]:
    with DigiFinexVenue(rate=0, symbols=("BTC_USDT", "ETH_USDT")) as made:
        yield made


@pytest.fixture
def client(venue: DigiFinexVenue) -> Iterator[Peer]:
    with peer(venue) as made:
        yield made


def request(method: str, *params: Any, id: Any = 7) -> Dict[str, Any]:
    return {"id": id, "method": method, "params": list(params)}


def ok(result: Any, id: Any = 7) -> Dict[str, Any]:
    return {"error": None, "result": result, "id": id}


def auth(venue: DigiFinexVenue, *, key: Optional[str] = None, secret: Optional[str] = None, skew: float = 0) -> Dict[str, Any]:
    timestamp = str(int((time.time() + skew) * 1000))
    digest = hmac.new((secret or venue.api_secret).encode(), timestamp.encode(), hashlib.sha256).digest()
    return request("server.auth", key or venue.api_key, timestamp, base64.b64encode(digest).decode())


def is_push(document: Dict[str, Any]) -> bool:
    return "method" in document


def pushes(client: Peer) -> List[Dict[str, Any]]:
    """What was pushed so far: everything before the answer to a ping sent now."""
    client.send(request("server.ping", id="mark"))
    return client.receive_all(lambda document: document["id"] == "mark")


# -- requests ----------------------------------------------------------------------------------------------------------


def test_ping_and_time(client: Peer) -> None:
    assert client.ask(request("server.ping")) == ok("pong")
    assert client.ask({"id": 1, "method": "server.ping"}) == ok("pong", 1)  # the web page leaves params out
    reply = client.ask(request("server.time"))
    assert isinstance(reply["result"], int) and abs(reply["result"] - time.time()) < 5


@pytest.mark.parametrize("channel", ["trades", "depth", "ticker"])
def test_public_subscribe_and_unsubscribe(venue: DigiFinexVenue, client: Peer, channel: str) -> None:
    client.send(request(f"{channel}.subscribe", "BTC_USDT"))
    client.send(request(f"{channel}.subscribe", "ETH_USDT", id=8))
    replies = [client.receive_until(lambda document: not is_push(document)) for _ in range(2)]
    assert replies == [ok(SUCCESS), ok(SUCCESS, 8)]
    assert venue.subscriptions() == (f"{channel}.BTC_USDT", f"{channel}.ETH_USDT")  # additive
    pushes(client)
    assert client.ask(request(f"{channel}.unsubscribe", "BTC_USDT")) == ok(SUCCESS)
    assert venue.subscriptions() == (f"{channel}.ETH_USDT",)
    assert client.ask(request(f"{channel}.unsubscribe")) == ok(SUCCESS)  # [] ends all of the channel
    assert venue.subscriptions() == ()
    venue.step(10)
    assert pushes(client) == []


def test_unsubscribe_all_leaves_other_channels(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(request("ticker.subscribe", "BTC_USDT"))
    client.ask(request("all_ticker.subscribe"))
    client.ask(request("ticker.unsubscribe"))
    assert venue.subscriptions() == ("all_ticker",)
    assert client.ask({"id": 1, "method": "all_ticker.unsubscribe"}) == ok(SUCCESS, 1)
    assert venue.subscriptions() == ()


@pytest.mark.parametrize(
    "document, code",
    [
        (request("nothing.like.this"), 4),
        (request("kline.subscribe", "BTC_USDT"), 4),
        ({"id": 7}, 4),
        (request("trades.subscribe"), 1),
        (request("trades.subscribe", "NOPE_USDT"), 1),
        (request("trades.subscribe", "BTC_USDT", "NOPE_USDT"), 1),
        (request("depth.subscribe", "btc_usdt"), 1),
        (request("ticker.subscribe", 5), 1),
        (request("trades.unsubscribe", "NOPE_USDT"), 1),
        ({"id": 7, "method": "trades.subscribe", "params": "BTC_USDT"}, 1),
        (request("server.auth"), 1),
        (request("server.auth", "key", 1, "sign"), 1),
        (request("server.auth", "key", "soon", "sign"), 1),
        (request("order.subscribe", "BTC_USDT"), 6),
        (request("order_algo.subscribe", "BTC_USDT"), 6),
        (request("balance.subscribe", "USDT"), 6),
        (request("balance.unsubscribe"), 6),
    ],
)
def test_refusals(venue: DigiFinexVenue, client: Peer, document: Any, code: int) -> None:
    reply = client.ask(document)
    assert reply["id"] == 7 and reply["result"] is None
    assert reply["error"]["code"] == code and isinstance(reply["error"]["message"], str)
    assert venue.subscriptions() == ()
    assert client.ask(request("server.ping")) == ok("pong")


@pytest.mark.parametrize("frame", ["{", "", "[1]", "5", "null", b"\xff"])
def test_what_is_no_request_is_answered_with_a_null_id(client: Peer, frame: Any) -> None:
    reply = client.ask(frame)
    assert reply["id"] is None and reply["error"]["code"] == 1
    assert client.ask(request("server.ping")) == ok("pong")


def test_auth(venue: DigiFinexVenue, client: Peer) -> None:
    assert client.ask(auth(venue)) == ok(SUCCESS)
    assert client.ask(request("balance.subscribe", "USDT", "BTC")) == ok(SUCCESS)
    assert venue.subscriptions() == ("balance.BTC", "balance.USDT")
    assert client.ask(request("balance.subscribe", "BTC_USDT"))["error"]["code"] == 1  # a symbol is no currency


@pytest.mark.parametrize("wrong", [{"key": "other"}, {"secret": "other"}, {"skew": -120}, {"skew": 120}])
def test_auth_refused(venue: DigiFinexVenue, client: Peer, wrong: Any) -> None:
    error = client.ask(auth(venue, **wrong))["error"]
    assert error["code"] == 6 and venue.api_secret not in error["message"]
    assert client.ask(request("order.subscribe", "BTC_USDT"))["error"]["code"] == 6


def test_auth_is_of_one_connection(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(auth(venue))
    with peer(venue) as other:
        assert other.ask(request("order.subscribe", "BTC_USDT"))["error"]["code"] == 6


def test_credentials_can_be_given() -> None:
    with DigiFinexVenue(rate=0, api_key="k", api_secret="s") as venue, peer(venue) as client:
        assert (venue.api_key, venue.api_secret) == ("k", "s")
        assert client.ask(auth(venue)) == ok(SUCCESS)


# -- frames ------------------------------------------------------------------------------------------------------------


def test_frames_are_zlib_streams_of_their_own(client: Peer) -> None:
    for _ in range(2):
        client.send(request("server.ping"))
        frame = client.websocket.recv(timeout=WAIT)
        assert isinstance(frame, bytes) and frame[0] == 0x78
        assert json.loads(zlib.decompress(frame)) == ok("pong")


def test_plain_replies() -> None:
    with DigiFinexVenue(rate=0, symbols=("BTC_USDT",), compress_replies=False) as venue, peer(venue) as client:
        client.send(request("depth.subscribe", "BTC_USDT"))
        reply, push = client.websocket.recv(timeout=WAIT), client.websocket.recv(timeout=WAIT)
        assert isinstance(reply, str) and json.loads(reply) == ok(SUCCESS)
        assert isinstance(push, bytes) and json.loads(zlib.decompress(push))["id"] is None


# -- updates -----------------------------------------------------------------------------------------------------------


def test_trades(venue: DigiFinexVenue, client: Peer) -> None:
    assert client.ask(request("trades.subscribe", "BTC_USDT")) == ok(SUCCESS)
    first = client.receive()
    assert first["method"] == "trades.update" and first["id"] is None
    clean, trades, symbol = first["params"]
    assert clean is True and symbol == "BTC_USDT" and len(trades) > 10
    venue.step(40)
    later = pushes(client)
    assert later and all(update["params"][0] is False and update["params"][2] == "BTC_USDT" for update in later)
    for update in [first] + later:
        ids = [trade["id"] for trade in update["params"][1]]
        assert ids == sorted(ids, reverse=True)  # newest first
    received = [trade for update in later for trade in reversed(update["params"][1])]
    truth = venue.trades("BTC_USDT")[-len(received):]
    assert [(t["id"], Decimal(t["price"]), Decimal(t["amount"]), t["type"]) for t in received] == [
        (t.id, t.price, t.size, "buy" if t.buy else "sell") for t in truth
    ]
    assert all(isinstance(trade["time"], float) for trade in received)
    assert received[0]["id"] > trades[0]["id"]


def test_the_history_comes_after_every_subscription(client: Peer) -> None:
    for _ in range(2):
        client.ask(request("trades.subscribe", "BTC_USDT"))
        assert client.receive()["params"][0] is True


def apply(book: ClientBook, update: Dict[str, Any]) -> None:
    clean, sides, _ = update["params"]
    book.apply(sides["bids"], sides["asks"], clean, Decimal)


def test_depth_sums_to_the_truth(venue: DigiFinexVenue, client: Peer) -> None:
    book = ClientBook()
    client.ask(request("depth.subscribe", "BTC_USDT"))
    first = client.receive()
    clean, sides, symbol = first["params"]
    assert clean is True and symbol == "BTC_USDT"
    asks, bids = ([Decimal(price) for price, _ in sides[name]] for name in ("asks", "bids"))
    assert asks == sorted(asks, reverse=True) and bids == sorted(bids, reverse=True)  # the best ask is the last
    assert asks[-1] > bids[0]
    apply(book, first)
    venue.step(200)
    deltas = pushes(client)
    assert len(deltas) > 100
    deleted = 0
    for update in deltas:
        assert update["params"][0] is False
        for levels in update["params"][1].values():
            sizes = [size for _, size in levels]
            gone = sizes.count("0")
            deleted += gone
            assert "0" not in sizes[: len(sizes) - gone]  # the deletes come last
        apply(book, update)
    assert deleted > 50
    assert book.levels() == venue.book("BTC_USDT")


def test_a_late_subscriber_starts_from_the_present(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(request("depth.subscribe", "BTC_USDT"))
    venue.step(20)
    with peer(venue) as late:
        late.ask(request("depth.subscribe", "BTC_USDT"))
        book = ClientBook()
        apply(book, late.receive())
        venue.step(20)
        for update in pushes(late):
            apply(book, update)
        assert book.levels() == venue.book("BTC_USDT")


TICKER_KEYS = {
    "symbol", "open_24h", "low_24h", "base_volume_24h", "quote_volume_24h", "last", "last_qty",
    "best_bid", "best_bid_size", "best_ask", "best_ask_size", "timestamp",
}


def test_ticker(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(request("ticker.subscribe", "BTC_USDT"))
    venue.step(20)
    updates = pushes(client)
    assert len(updates) >= 4  # each second at least, whatever is traded
    for update in updates:
        (ticker,) = update["params"]
        assert set(ticker) == TICKER_KEYS and ticker["symbol"] == "BTC_USDT"
        assert isinstance(ticker["timestamp"], int)
        assert all(isinstance(ticker[key], str) for key in TICKER_KEYS - {"timestamp"})
    assert Decimal(updates[-1]["params"][0]["best_bid"]) == venue.book("BTC_USDT")["bids"][0][0]


def test_all_ticker_comes_in_slices(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(request("all_ticker.subscribe"))
    venue.step(20)  # four seconds
    updates = pushes(client)
    assert [update["method"] for update in updates] == ["all_ticker.update"] * 4
    slices = [{ticker["symbol"] for ticker in update["params"]} for update in updates]
    assert set().union(*slices) == set(venue.symbols) and all(part < set(venue.symbols) for part in slices)


def test_nested_tickers() -> None:
    with DigiFinexVenue(rate=0, symbols=("BTC_USDT",), nested_tickers=True) as venue, peer(venue) as client:
        client.ask(request("all_ticker.subscribe"))
        venue.step(5)
        assert client.receive()["params"][0][0]["symbol"] == "BTC_USDT"


def test_private_streams_add_up(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(auth(venue))
    client.ask(request("order.subscribe", "BTC_USDT", "ETH_USDT"))
    client.ask(request("order_algo.subscribe", "BTC_USDT"))
    client.ask(request("balance.subscribe", "BTC", "ETH", "USDT"))
    kept = venue.balances()
    assert pushes(client) == []  # no snapshot on any of them
    venue.step(5 * 40)
    orders: Dict[str, List[Any]] = {}
    algos: Dict[str, List[Any]] = {}
    for update in pushes(client):
        (row,) = update["params"]
        if update["method"] == "order.update":
            orders.setdefault(row["id"], []).append(row)
            assert Decimal(row["filled"]) * Decimal(row["price"]) == Decimal(row["notional"])
        elif update["method"] == "order_algo.update":
            assert row["symbol"] == "BTC_USDT"
            algos.setdefault(row["id"], []).append(row)
        else:
            assert update["method"] == "balance.update"
            numbers = {name: Decimal(row[name]) for name in ("free", "used", "total")}
            assert numbers["free"] + numbers["used"] == numbers["total"] and numbers["used"] >= 0
            kept[row["currency"]] = numbers
    assert kept == venue.balances()
    courses = {tuple(row["status"] for row in rows) for rows in orders.values()}
    assert {(0, 1, 2), (0, 3), (0, 1, 4)} <= courses
    assert all(Decimal(rows[-1]["filled"]) == Decimal(rows[-1]["amount"]) for rows in orders.values() if rows[-1]["status"] == 2)
    assert {tuple(row["status"] for row in rows) for rows in algos.values()} >= {(0, 1, 2), (0, -1)}


def test_private_streams_are_of_the_symbols_asked_for(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(auth(venue))
    client.ask(request("order.subscribe", "ETH_USDT"))
    client.ask(request("balance.subscribe", "ETH"))
    venue.step(5 * 40)
    received = [update["params"][0] for update in pushes(client)]
    assert received
    assert all(row.get("symbol", "ETH_USDT") == "ETH_USDT" and row.get("currency", "ETH") == "ETH" for row in received)


def test_the_defaults_are_lively() -> None:
    with DigiFinexVenue(rate=100) as venue, peer(venue) as client:
        client.ask(request("trades.subscribe", *venue.symbols))
        symbols = set()
        while symbols != set(venue.symbols):
            symbols.add(client.receive_until(lambda document: is_push(document) and not document["params"][0])["params"][2])
