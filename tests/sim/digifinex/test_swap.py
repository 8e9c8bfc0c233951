"""Every documented answer, refusal and update of the local DigiFinex venue's swap socket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import zlib
from decimal import Decimal
from typing import Any, Dict, Iterator, List

import pytest
from websockets.exceptions import ConnectionClosed

from dbxsdk.sim import DigiFinexVenue
from dbxsdk.sim.digifinex.swap import DEFAULT_SYMBOLS, MOST_CHANNELS, PATH
from tests.sim.peer import WAIT, ClientBook, Peer, peer

BTC, ETH, DATED = "BTCUSDTPERP", "ETHUSDTPERP", "BTC2-MOVE-20271231"


@pytest.fixture
def venue() -> Iterator[DigiFinexVenue]:
    with DigiFinexVenue(rate=0) as made:
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def client(venue: DigiFinexVenue) -> Iterator[Peer]:
    with peer(venue, PATH) as made:
        yield made


def auth(venue: DigiFinexVenue, skew_ms: int = 0, **other: Any) -> Dict[str, Any]:
    now = int(time.time() * 1000) + skew_ms
    digest = hmac.new(venue.api_secret.encode(), str(now).encode(), hashlib.sha256).digest()
    login = {"apikey": venue.api_key, "timestamp": now, "signature": base64.b64encode(digest).decode()}
    return {"id": 1, "event": "server.auth", **login, **other}


def asked(client: Peer, event: str, **parameters: Any) -> Any:
    """The answer's code, text and data; what is pushed before it is passed over."""
    client.send({"id": 7, "event": event, **parameters})
    answer = client.receive_until(lambda document: "code" in document)
    assert (answer["id"], answer["event"]) == (7, event)
    return tuple(answer[name] for name in ("code", "msg", "data") if name in answer)


def pushes(client: Peer) -> List[Dict[str, Any]]:
    """What was pushed so far: everything before the answer to a ping sent now."""
    client.send({"id": 99, "event": "server.ping"})
    return client.receive_all(lambda document: document.get("id") == 99)


SUCCESS, INVALID = (1, "success"), (2, "invalid param")
REPEATED, NOT_SUBSCRIBED = (5, "repeat subscribe"), (7, "unsubscribe fail")


def test_every_frame_is_one_zlib_stream(venue: DigiFinexVenue, client: Peer) -> None:
    client.send({"id": 7, "event": "server.ping"})
    frame = client.websocket.recv(timeout=WAIT)
    assert isinstance(frame, bytes) and frame[:2] == b"\x78\xda"
    assert json.loads(zlib.decompress(frame)) == {"id": 7, "event": "server.ping", "code": 1, "msg": "success", "data": "pong"}
    code, _, now = asked(client, "server.time")
    assert code == 1 and abs(now - venue._now_ms()) < 5000


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", "5", {"event": "server.time"}, {"id": "1", "event": "server.time"}, {"id": True, "event": "server.ping"}],
)
def test_requests_without_an_id_are_refused_without_one(client: Peer, frame: Any) -> None:
    event = frame["event"] if isinstance(frame, dict) else ""
    assert client.ask(frame) == {"event": event, "code": 2, "msg": "invalid param"}
    assert asked(client, "server.ping") == (*SUCCESS, "pong"), "the socket stays open"


@pytest.mark.parametrize(
    "event, parameters",
    [
        ("nothing", {}), ("ticker.update", {}), ("orderbook.subscribe", {"instrument_id": BTC}),
        ("ticker.subscribe", {}), ("ticker.subscribe", {"instrument_ids": []}), ("ticker.subscribe", {"instrument_ids": BTC}),
        ("ticker.subscribe", {"instrument_ids": [BTC, 5]}), ("ticker.subscribe", {"instrument_id": "BTC_USDT"}),
        ("ticker.subscribe", {"instrument_ids": [BTC, "btcusdtperp"]}), ("depth.subscribe", {"instrument_id": BTC}),
        ("depth.subscribe", {"instrument_id": BTC, "level": 30}), ("depth.subscribe", {"instrument_id": BTC, "level": "20"}),
        ("depth.subscribe", {"instrument_id": BTC, "level": [20]}),
        ("cur_candle.subscribe", {"instrument_id": BTC, "granularity": "2m"}),
    ],
)
def test_wrong_parameters(venue: DigiFinexVenue, client: Peer, event: str, parameters: Dict[str, Any]) -> None:
    assert asked(client, event, **parameters) == INVALID
    assert venue.subscriptions() == ()


def test_subscribing_and_leaving(venue: DigiFinexVenue, client: Peer) -> None:
    assert asked(client, "ticker.subscribe", instrument_ids=[BTC, ETH]) == SUCCESS
    assert asked(client, "depth.subscribe", instrument_id=BTC, level=20) == SUCCESS
    assert asked(client, "all_ticker.subscribe") == SUCCESS
    assert venue.subscriptions(PATH) == ("all_ticker", f"depth.20.{BTC}", f"ticker.{BTC}", f"ticker.{ETH}")
    assert asked(client, "ticker.subscribe", instrument_id=BTC) == REPEATED
    assert asked(client, "depth.unsubscribe", instrument_id=BTC, level=10) == NOT_SUBSCRIBED
    assert asked(client, "depth.unsubscribe", instrument_id=BTC, level=20) == SUCCESS
    assert asked(client, "ticker.unsubscribe", instrument_ids=[BTC, ETH]) == SUCCESS
    assert asked(client, "ticker.unsubscribe", instrument_ids=[BTC, ETH]) == NOT_SUBSCRIBED
    assert venue.subscriptions(PATH) == ("all_ticker",)


@pytest.mark.parametrize("at_once", [True, False])
def test_the_31st_channel_ends_the_connection_without_a_word(at_once: bool) -> None:
    symbols = [f"C{number}USDTPERP" for number in range(MOST_CHANNELS + 1)]
    with DigiFinexVenue(rate=0, swap_symbols=symbols) as venue, peer(venue, PATH) as client:
        if not at_once:
            assert asked(client, "ticker.subscribe", instrument_ids=symbols[:-1]) == SUCCESS
            assert asked(client, "ticker.unsubscribe", instrument_id=symbols[0]) == SUCCESS
            assert asked(client, "all_ticker.subscribe") == SUCCESS
        client.send({"id": 8, "event": "trades.subscribe", "instrument_ids": symbols if at_once else symbols[:1]})
        with pytest.raises(ConnectionClosed) as ended:
            client.websocket.recv(timeout=WAIT)
        assert ended.value.rcvd is None, "no close frame"


# -- market data -------------------------------------------------------------------------------------------------------


def test_a_book_begins_whole_and_its_changes_sum_to_the_window(venue: DigiFinexVenue, client: Peer) -> None:
    assert asked(client, "depth.subscribe", instrument_id=BTC, level=10) == SUCCESS
    venue.step(30)
    first, *changes = pushes(client)
    assert first["event"] == "depth.update" and first["full_data"] is True and len(first["data"]["bids"]) == 10
    assert first["data"]["bids"] == sorted(first["data"]["bids"], key=lambda row: -Decimal(row[0]))
    assert len(changes) > 10 and not any("full_data" in change for change in changes)
    book = ClientBook()
    for number, document in enumerate((first, *changes)):
        data = document["data"]
        assert (data["instrument_id"], data["level"]) == (BTC, 10)
        if number:
            prices = [[Decimal(price) for price, _ in data[side]] for side in ("bids", "asks")]
            assert prices == [sorted(side) for side in prices], "bids come worst first"
        rows = [*data["bids"], *data["asks"]]
        assert all(isinstance(price, str) and isinstance(size, int) for price, size in rows)
        book.apply(data["bids"], data["asks"], number == 0, Decimal)
    assert book.levels() == venue.swap.book(BTC, 10)


def test_every_public_channel(venue: DigiFinexVenue, client: Peer) -> None:
    parameters: Dict[str, Dict[str, Any]] = {
        "ticker": {}, "trades": {}, "cur_candle": {"granularity": "1m"}, "mark_candle": {"granularity": "1w"}, "index_price": {},
        "mark_price": {}, "price_range": {}, "fund_rate": {}, "estimated_settle_price": {},
    }
    for channel, more in parameters.items():
        assert asked(client, f"{channel}.subscribe", instrument_ids=[BTC, DATED], **more) == SUCCESS
    assert asked(client, "all_ticker.subscribe") == SUCCESS
    venue.step(100)
    found: Dict[str, List[Any]] = {}
    for document in pushes(client):
        found.setdefault(document["event"].partition(".")[0], []).append(document["data"])
    assert set(found) == {*parameters, "all_ticker"}
    assert all([row["instrument_id"] for row in rows] == list(DEFAULT_SYMBOLS) for rows in found["all_ticker"])
    assert {row["instrument_id"] for row in found["estimated_settle_price"]} == {DATED}, "dated contracts alone"
    assert {row["next_funding_rate"] for row in found["fund_rate"]} == {"-3e-05"}
    assert {len(row["candle"]) for row in found["cur_candle"]} == {7}
    assert {len(row["mark_candle"]) for row in found["mark_candle"]} == {5}
    ids = [int(trade["trade_id"]) for rows in found["trades"] for trade in rows if trade["instrument_id"] == BTC]
    assert len(ids) == len(set(ids)) > 10 and min(ids) > 2**53
    assert all(rows == sorted(rows, key=lambda trade: -int(trade["trade_id"])) for rows in found["trades"])
    lowest, highest = (Decimal(found["price_range"][-1][name]) for name in ("lowest", "highest"))
    assert lowest < Decimal(found["mark_price"][-1]["mark_price"]) < highest


def test_a_funding_rate_comes_at_once_and_the_two_sockets_share_nothing(venue: DigiFinexVenue, client: Peer) -> None:
    asked(client, "fund_rate.subscribe", instrument_id=BTC)
    assert client.receive()["event"] == "fund_rate.update"
    asked(client, "all_ticker.subscribe")
    with peer(venue) as spot:
        spot.ask({"id": 1, "method": "all_ticker.subscribe", "params": []})
        venue.step(10)
        assert [document["event"] for document in pushes(client)] == ["all_ticker.update"]
        assert "method" in spot.receive()


# -- the account -------------------------------------------------------------------------------------------------------


def test_logging_in(venue: DigiFinexVenue, client: Peer) -> None:
    assert asked(client, "account.subscribe")[0] == 4
    failed = (3, "auth fail")
    for wrong in ({"apikey": "x"}, {"apikey": 5}, {"signature": "x"}, {"signature": None}, {"timestamp": "1"}):
        answer = client.ask(auth(venue, **wrong))
        assert (answer["code"], answer["msg"]) == failed
    assert client.ask(auth(venue, skew_ms=3_600_000))["code"] == 3
    assert client.ask(auth(venue)) == {"id": 1, "event": "server.auth", "code": 1, "msg": "success"}
    assert client.ask(auth(venue))["code"] == 9
    assert asked(client, "account.subscribe") == SUCCESS


def test_the_accounts_numbers_add_up(venue: DigiFinexVenue, client: Peer) -> None:
    client.ask(auth(venue))
    assert asked(client, "account.subscribe") == SUCCESS
    for channel in ("order", "position"):
        assert asked(client, f"{channel}.subscribe", instrument_id=BTC) == SUCCESS
    venue.step(100)
    rows: Dict[str, List[Any]] = {}
    for document in pushes(client):
        (row,) = document["data"]
        rows.setdefault(document["event"], []).append(row)
    assert set(rows) == {"account.update", "order.update", "position.update"}
    assert {row["state"] for row in rows["order.update"]} == {-1, 0, 1, 2}
    assert {row["type"] for row in rows["order.update"]} == {1, 3}
    held = [Decimal(row["position"]) for row in rows["position.update"]]
    assert held[:4] == [held[0], 2 * held[0], held[0], 0] and held[0] > 0
    for row in rows["account.update"]:
        numbers = {name: Decimal(value) for name, value in row.items() if name not in ("currency", "time_stamp")}
        assert numbers["avail_balance"] == numbers["equity"] - numbers["margin"] - numbers["frozen_margin"]
        assert numbers["equity"] == 100_000 + numbers["realized_pnl"] + numbers["unrealized_pnl"]
    assert venue.swap.figures()["equity"] > 0 and len(venue.swap.trades(BTC)) > 10
