"""The REST side: what is signed and sent, how answers are read, and how clocks, limits and refusals are met. Without network."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple

import pytest

from dbxsdk import AuthError, ConnectError, DigiFinexClient, Options, ProtocolError, RateLimited, VenueError
from dbxsdk.backfill.twin import Since
from dbxsdk.digifinex import rest, twins
from dbxsdk.digifinex.rest import DigiFinexRest, rows_of, signature
from dbxsdk.transport import rest as transport_rest
from tests.scripted_http import Wires

NOW = 1_700_000_000
DEADLINE = 1e18


def side(monkeypatch: pytest.MonkeyPatch, *answers: Any, key: Optional[str] = "test-key") -> Any:
    wires = Wires(monkeypatch, *answers)
    monkeypatch.setattr(rest, "wall_ns", lambda: NOW * 10**9)
    return DigiFinexRest(key, "test-secret", "https://rest.example", Options()), wires


@pytest.mark.parametrize(
    "secret, params, sign",
    [
        (
            "01234567890123456789abcd",
            "symbol=trx_usdt&price=0.01&amount=1&type=buy",
            "7e2d0636cab21fd41c828b8c6ce8f77e643febecdeaeab0771c01dc4d7dbef38",
        ),
        ("test-secret", "symbol=btc_usdt&limit=100", "b6e668b9c3472228aada36f299b55c5d6cf1bdad090ea717cf770a35b252ee60"),
        ("test-secret", "", "a41bc6d81d6413576ae0994995e0ad89a416ec97389515c3604f47722122eeeb"),
    ],
)
def test_signatures(secret: str, params: str, sign: str) -> None:
    assert signature(secret, params) == sign and sign not in repr(signature(secret, params))


THE_TIME = {"server_time": NOW, "code": 0}


def test_what_is_sent_is_what_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, wires = side(monkeypatch, THE_TIME, {"code": 0, "data": []}, {"code": 0, "list": []})
    assert asked.rows("/v3/spot/order", {"symbol": "btc_usdt", "order_id": "a,b", "limit": None}, DEADLINE) == []
    assert asked.rows("/v3/spot/assets", {}, DEADLINE) == []
    (time, none), (target, headers), (assets, bare) = wires.asked
    assert time == "/v3/time" and none == {} and target == "/v3/spot/order?order_id=a%2Cb&symbol=btc_usdt"
    assert headers == {
        "ACCESS-KEY": "test-key",
        "ACCESS-TIMESTAMP": str(NOW),
        "ACCESS-SIGN": signature("test-secret", "order_id=a%2Cb&symbol=btc_usdt"),
    }
    assert assets == "/v3/spot/assets" and bare["ACCESS-SIGN"] == signature("test-secret", "")


@pytest.mark.parametrize("ahead", [-90, 90])
def test_the_venues_clock_is_used_and_measured_again_once_it_was_refused(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"code": 10008, "msg": "timestamp"}
    asked, wires = side(
        monkeypatch, THE_TIME, refused, {"server_time": NOW + ahead, "code": 0}, {"code": 0, "data": []}, refused,
        {"server_time": NOW, "code": 0}, refused,
    )
    asked.rows("/v3/x", {}, DEADLINE)
    assert abs(int(wires.asked[-1][1]["ACCESS-TIMESTAMP"]) - NOW - ahead) <= 1
    with pytest.raises(AuthError, match="clock"):
        asked.rows("/v3/x", {}, DEADLINE)


@pytest.mark.parametrize(
    "answer, error, match",
    [
        ((503, None), ConnectError, "503"),
        ((401, None), AuthError, "rest_url"),
        ((200, None), ProtocolError, "no code"),
        ((200, {"code": "0"}), ProtocolError, "no code"),
        ({"code": 10003, "msg": "sign"}, AuthError, "sign"),
        ({"code": 10002}, AuthError, "the key is wrong"),
        ({"code": 20013}, VenueError, "refused"),
        ({"code": 0}, ProtocolError, "rows"),
        ({"code": 0, "data": [1]}, ProtocolError, "rows"),
        (ConnectError("cut"), ConnectError, "cut"),
    ],
)
def test_refusals(answer: Any, error: Any, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = side(monkeypatch, THE_TIME, answer, answer)
    with pytest.raises(error, match=match):
        asked.rows("/v3/spot/assets", {}, DEADLINE)


def test_too_many_requests_pause_all_that_ask_this_host_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, wires = side(monkeypatch, {"code": 10005}, (429, None), {"code": 0, "data": []}, {"code": 10005})
    clock = [1000.0]
    monkeypatch.setattr(transport_rest, "monotonic", lambda: clock[0])
    for pause in (120, 600):
        with pytest.raises(RateLimited):
            asked.public("/v3/trades", {}, DEADLINE)
        count = len(wires.asked)
        clock[0] += pause - 1
        with pytest.raises(RateLimited, match="another 1 s"):
            DigiFinexRest(None, None, "https://rest.example", Options()).public("/v3/trades", {}, DEADLINE)
        assert len(wires.asked) == count
        clock[0] += 1
    asked.public("/v3/trades", {}, DEADLINE)
    with pytest.raises(RateLimited):
        asked.public("/v3/trades", {}, DEADLINE)
    clock[0] += 120
    assert asked._host.paused_until <= clock[0], "an accepted request makes it the first time again"


def test_a_single_row_may_come_without_a_list() -> None:
    assert rows_of("/", {"data": {"a": 1}}) == [{"a": 1}] and rows_of("/", {"list": [{"a": 1}]}) == [{"a": 1}]


ROW: Dict[str, Any] = {
    "symbol": "btc_usdt", "order_id": "id", "created_date": NOW, "finished_date": 0, "price": 0.1, "amount": 1,
    "cash_amount": 1.5, "executed_amount": 0.25, "avg_price": 0.11, "status": 1, "type": "buy_market", "kind": "margin",
}


def test_rows_are_read_into_the_streams_models() -> None:
    order = twins.order_from_rest(ROW)
    assert (order.id, order.symbol, order.side, order.type, order.mode) == ("id", "BTC_USDT", "buy", "market", 2)
    assert (order.filled, order.notional, order.price_avg) == (Decimal("0.25"), Decimal("1.5"), Decimal("0.11"))
    assert order.timestamp == NOW * 1000
    ended = twins.order_from_rest({**ROW, "status": 4, "type": "sell", "kind": "spot", "finished_date": NOW + 9})
    assert (ended.type, ended.mode, ended.timestamp) == ("limit", 1, (NOW + 9) * 1000)
    assert twins.order_version(order) < twins.order_version(ended), "the end is newer, with the same fill"
    balance = twins.balance_from_rest({"currency": "BTC", "free": 0.1, "total": 0.3})
    assert (balance.used, balance.total) == (Decimal("0.2"), Decimal("0.3"))
    trade = twins.trade_from_rest({"id": 7, "date": NOW, "price": 1.5, "amount": 2, "type": "sell"})
    assert (trade.id, trade.time, trade.price, trade.type) == (7, NOW, Decimal("1.5"), "sell")
    for broken in ({**ROW, "type": 7}, {**ROW, "status": None}, {**ROW, "order_id": 1}, {**ROW, "created_date": "x"}):
        with pytest.raises(ProtocolError):
            twins.order_from_rest(broken)


class Scripted:
    """A REST side whose rows are a function's."""

    def __init__(self, rows: Any, ahead: float = 0.0) -> None:
        self.answer = rows
        self.ahead = ahead
        self.asked: List[Tuple[str, Dict[str, Any]]] = []

    def rows(self, path: str, params: Dict[str, Any], deadline: float) -> List[Dict[str, Any]]:
        self.asked.append((path, params))
        return self.answer(path, params)  # type: ignore[no-any-return]

    def ahead_ms(self, deadline: float) -> float:
        return self.ahead


def test_what_was_known_and_is_open_no_more_is_asked_for_by_its_id() -> None:
    def answer(path: str, params: Dict[str, Any]) -> List[Dict[str, Any]]:
        if path.startswith("/v3/margin"):
            raise VenueError("no margin", code=10006)
        if path.endswith("/current"):
            return [{**ROW, "order_id": "open"}]
        if path.endswith("/order"):
            return [{**ROW, "order_id": "ended", "status": 2, "finished_date": NOW}, {**ROW, "order_id": "x", "symbol": "a_b"}]
        return [{**ROW, "order_id": "meanwhile", "status": 3, "finished_date": NOW}]

    scripted = Scripted(answer)
    since = Since(frozenset(("open", "ended")), int(time.time() * 1000))
    fetched = twins.OrdersTwin(scripted).fetch("BTC_USDT", since, DEADLINE)  # type: ignore[arg-type]
    assert {row.key for row in fetched.rows} == {"open", "ended", "meanwhile"} and fetched.whole
    assert ("/v3/spot/order", {"order_id": "ended"}) in scripted.asked


@pytest.mark.parametrize("error", [RateLimited("x"), ConnectError("x"), ProtocolError("x")])
def test_trouble_with_margin_is_trouble(error: Exception) -> None:
    def answer(path: str, params: Dict[str, Any]) -> List[Dict[str, Any]]:
        if path.startswith("/v3/margin"):
            raise error
        return []

    with pytest.raises(type(error)):
        twins.open_orders(Scripted(answer), None, DEADLINE)  # type: ignore[arg-type]


def test_closed_orders_are_asked_for_over_no_more_than_the_venue_allows() -> None:
    scripted = Scripted(lambda path, params: [])
    fetched = twins.OrdersTwin(scripted).fetch("A_B", Since(from_ms=0), DEADLINE)  # type: ignore[arg-type]
    assert not fetched.whole, "what ended before is not among them"
    spans = [params for path, params in scripted.asked if path.endswith("/history")]
    assert len(spans) == 2 and all(each["end_time"] - each["start_time"] == 30 * 24 * 3600 for each in spans)


def test_a_full_page_of_closed_orders_is_asked_for_in_halves() -> None:
    made = [{**ROW, "order_id": str(at), "finished_date": at} for at in range(250)]

    def answer(path: str, params: Dict[str, Any]) -> List[Dict[str, Any]]:
        return [row for row in made if params["start_time"] <= row["finished_date"] <= params["end_time"]][: params["limit"]]

    full: List[int] = []
    found = twins._split(Scripted(answer), "/", {"start_time": 0, "end_time": 300}, DEADLINE, full)  # type: ignore[arg-type]
    assert {row["order_id"] for row in found} == {row["order_id"] for row in made} and not full


def history(made: List[Dict[str, Any]]) -> Any:
    """An answer: orders that have ended."""

    def answer(path: str, params: Dict[str, Any]) -> List[Dict[str, Any]]:
        found = [row for row in made if params.get("start_time", 10**11) <= row["finished_date"] <= params.get("end_time", 0)]
        return found[: params.get("limit", 0)] if path == "/v3/spot/order/history" else []

    return answer


def test_a_moment_that_has_more_ended_orders_than_the_venue_shows_is_not_whole() -> None:
    now = int(time.time())
    made = [{**ROW, "order_id": str(number), "status": 3, "finished_date": now} for number in range(101)]
    since = Since(from_ms=now * 1000)
    for count, whole in ((99, True), (101, False)):
        scripted = Scripted(history(made[:count]))
        fetched = twins.OrdersTwin(scripted).fetch("BTC_USDT", since, DEADLINE)  # type: ignore[arg-type]
        assert (fetched.whole, len(fetched.rows)) == (whole, min(count, 100))


@pytest.mark.parametrize("ahead", [-300, 300])
@pytest.mark.parametrize("by_our_clock", [True, False])
def test_ended_orders_are_asked_for_by_the_venues_clock(ahead: int, by_our_clock: bool) -> None:
    begin = int(time.time())
    scripted = Scripted(history([{**ROW, "status": 2, "finished_date": begin + ahead}]), ahead * 1000.0)
    since = Since(from_ms=(begin if by_our_clock else begin + ahead) * 1000, by_our_clock=by_our_clock)
    fetched = twins.OrdersTwin(scripted).fetch("BTC_USDT", since, DEADLINE)  # type: ignore[arg-type]
    assert [row.key for row in fetched.rows] == ["id"] and fetched.whole


def test_a_currency_that_is_not_listed_is_none() -> None:
    rows = twins.BalancesTwin(Scripted(lambda path, params: [])).fetch("BTC", Since(), DEADLINE).rows  # type: ignore[arg-type]
    assert [(row.data.currency, row.data.total) for row in rows] == [("BTC", 0)]


@pytest.mark.parametrize(
    "arguments, origin",
    [
        ({}, "https://openapi.digifinex.com"),
        ({"url": "wss://openapi.digifinex.vip/ws/v1/"}, "https://openapi.digifinex.vip"),
        ({"url": "ws://127.0.0.1:1"}, None),
        ({"url": "ws://127.0.0.1:1", "rest_url": "https://x.example"}, "https://x.example"),
    ],
)
def test_the_rest_side_is_the_sockets(arguments: Dict[str, str], origin: Optional[str]) -> None:
    assert DigiFinexClient(**arguments)._origin == origin  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "channel, arguments, match",
    [
        ("ticker", {"backfill": True}, "ticker.BTC_USDT.*trades, order, balance"),
        ("depth", {"since": 1}, "depth.BTC_USDT"),
        ("order", {"since": 1}, "since.*order"),
        ("trades", {"backfill": True, "raw": True}, "raw"),
    ],
)
def test_wrong_arguments(channel: str, arguments: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DigiFinexClient("key-of-tests", "secret-of-tests").subscribe(channel, "BTC_USDT", callback=print, **arguments)
    with pytest.raises(ValueError, match="rest_url"):
        DigiFinexClient(url="ws://127.0.0.1:1").subscribe("trades", "BTC_USDT", callback=print, backfill=True)
