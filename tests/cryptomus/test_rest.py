"""The REST side: what is sent, how answers and pages are read, and what twins make of them. Without network."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple

import pytest

from dbxsdk import AuthError, ConnectError, CryptomusClient, Options, ProtocolError, RateLimited, VenueError
from dbxsdk.backfill.twin import Since
from dbxsdk.cryptomus import twins
from dbxsdk.cryptomus.http import signature
from dbxsdk.cryptomus.rest import BALANCES, HISTORY, ORDERS, CryptomusRest, seconds_of
from dbxsdk.sim.cryptomus.account import ulid
from dbxsdk.sim.cryptomus.rest import _when
from tests.scripted_http import ORIGIN, Wires

DEADLINE = 1e18
NOW = 1_700_000_000


def side(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Tuple[CryptomusRest, Wires]:
    wires = Wires(monkeypatch, *answers)
    return CryptomusRest("test-user", "fixture-api-key", ORIGIN, Options()), wires


def test_the_vectors_of_the_pages() -> None:
    assert signature("fixture-api-key") == "7192c86862fa543f3d1e1f0c10d0d494"
    body = b'{"market":"BTC_USDT","direction":"buy","price":"50000","quantity":"0.001","client_order_id":"abc-1"}'
    assert signature("fixture-api-key", body) == "f43849c8b4910c5d9891a24c3fde86c9"


def test_the_account_is_signed_and_market_data_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, wires = side(monkeypatch, {"result": [{"a": 1}]}, [{"b": 2}], (200, {"data": []}, {"Date": "x"}))
    assert asked.rows(ORDERS, {"order_id": "a b", "market": None}, DEADLINE) == [{"a": 1}]
    assert asked.trades("BTC_USDT", DEADLINE) == ([{"b": 2}], None)
    assert asked.trades("X_Y", DEADLINE) == ([], None), "a Date that cannot be read"
    (orders, headers), (trades, none), _ = wires.asked
    assert orders == f"{ORDERS}?order_id=a%20b"
    assert headers == {"userId": "test-user", "sign": "7192c86862fa543f3d1e1f0c10d0d494"}
    assert trades == "/v1/exchange/market/trades/BTC_USDT" and none == {}


def test_pages_end_with_one_that_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    full = {"result": [{"id": str(number)} for number in range(100)]}
    asked, wires = side(monkeypatch, full, {"result": [{"id": "99"}, {"id": "x"}]}, full, full)
    rows, whole = asked.pages(HISTORY, {}, 5, DEADLINE)
    assert len(rows) == 102 and whole and wires.asked[1][0] == f"{HISTORY}?limit=100&offset=80"
    assert asked.pages(HISTORY, {}, 1, DEADLINE)[1] is False
    assert asked.pages(HISTORY, {}, 9, DEADLINE, lambda page: len(page) == 100)[1] is False and not wires.answers


@pytest.mark.parametrize("ended, seen", [(0, True), (1, True), (19, True), (20, False), (90, False)])
def test_what_ends_between_two_pages_hides_nothing(ended: int, seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [{"id": str(number)} for number in range(150)]
    later = made[ended:]
    asked, _ = side(monkeypatch, {"result": made[:100]}, {"result": later[80:180]})
    if seen:
        rows, whole = asked.pages(ORDERS, {}, 5, DEADLINE)
        assert whole and {row["id"] for row in rows} == {row["id"] for row in made}
    else:
        with pytest.raises(ProtocolError, match="changed while"):
            asked.pages(ORDERS, {}, 5, DEADLINE)


@pytest.mark.parametrize(
    "answer, error, match",
    [
        ((500, None), ConnectError, "500"),
        ((401, {"message": "x"}), AuthError, "rest_url"),
        ((404, {"message": "User not found"}), VenueError, "User not found"),
        ((422, {"state": 1, "message": "no market"}), VenueError, "no market"),
        ((404, None), VenueError, "HTTP 404"),
        ({"code": 6, "message": "Insufficient"}, VenueError, "Insufficient"),
        ({"state": 3}, VenueError, "refused"),
        ((429, None), RateLimited, "429"),
        ((200, None), ProtocolError, "rows"),
        ({"result": {}}, ProtocolError, "rows"),
        ({"result": [1]}, ProtocolError, "rows"),
    ],
)
def test_refusals(answer: Any, error: Any, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = side(monkeypatch, answer)
    with pytest.raises(error, match=match):
        asked.rows(BALANCES, {}, DEADLINE)


def test_times_are_those_of_the_ids() -> None:
    assert seconds_of("01JFFG72CBRDP68K179KC9DSTG", "2024-12-19 09:02:51") == seconds_of("", "2024-12-19 13:02:51")
    assert seconds_of(ulid(NOW * 1000 + 7, 5), None) == NOW and seconds_of(None, NOW) == NOW
    for text in (None, "yesterday", True):
        with pytest.raises(ProtocolError):
            seconds_of("short", text)


ACTIVE: Dict[str, Any] = {
    "id": ulid(NOW * 1000, 1), "direction": "buy", "symbol": "BTC_USDT", "price": "2.5", "quantity": "4", "value": "10",
    "filledQuantity": "0.0000000000000000", "filledValue": "0", "createdAt": "2020-01-01 00:00:00", "clientOrderId": "mine",
    "stopLossPrice": None,
}
FILL = {
    "id": ulid(NOW * 1000 + 3000, 2), "tradeRole": "taker", "filledPrice": "2.5", "filledQuantity": "4", "filledValue": "10",
    "fee": "0.1", "feeCurrency": "USDT", "committedAt": "2020-01-01 00:00:00",
}
ENDED = {
    "id": ACTIVE["id"], "type": "market", "direction": "buy", "symbol": "BTC_USDT", "quantity": "4", "filledQuantity": "4",
    "filledValue": "10", "state": "completed", "internalState": "filled", "createdAt": "2023-11-14 22:13:20",
    "finishedAt": "2023-11-14 22:13:23", "stopLossPrice": None, "deal": {"id": "D", "state": "completed", "transactions": [FILL]},
}


def test_rows_are_read_into_the_streams_models() -> None:
    order, ended = twins.order_from_rest(ACTIVE), twins.order_from_rest(ENDED)
    assert (order.type, order.order_type, order.client_oid, order.create_ts) == ("created", "limit", "mine", NOW)
    assert twins.order_from_rest({**ACTIVE, "filledQuantity": "1"}).type == "updated"
    assert (ended.type, ended.order_type, ended.state, ended.finish_ts, ended.price) == (
        "finished", "market", "completed", NOW + 3, None,
    )
    assert twins.order_version(order) < twins.order_version(ended)
    ((deal, raw),) = twins.deals_from_rest({**ENDED, "deal": {**ENDED["deal"], "transactions": [FILL]}})
    assert (deal.transaction_id, deal.deal_id, deal.symbol, deal.committed_at) == (FILL["id"], "D", "BTC_USDT", NOW + 3)
    assert raw["deal"]["transactions"] == [FILL] and list(twins.deals_from_rest({**ENDED, "deal": None})) == []
    balance = twins.balance_from_rest({"ticker": "BTC", "available": "1.5", "held": "2"})
    assert (balance.currency_code, balance.new_balance, balance.change) == ("BTC", Decimal("1.5"), 0)
    row = {"trade_id": "x", "price": "2", "base_volume": "10", "quote_volume": "5.0", "timestamp": NOW, "type": "sell"}
    trade = twins.trade_from_rest(row)
    assert (trade.price, trade.quantity, trade.timestamp, trade.direction) == (2, 5, NOW, "sell")
    with pytest.raises(ProtocolError):
        twins.order_from_rest({**ACTIVE, "filledQuantity": "x"})
    for broken in ({**ENDED, "deal": {"transactions": [1]}}, {**ENDED, "deal": {"id": "D", "transactions": [FILL]}}):
        with pytest.raises(ProtocolError):
            list(twins.deals_from_rest(broken))


class Scripted(CryptomusRest):
    """A REST side whose rows are a table's."""

    def __init__(self, **rows: List[Dict[str, Any]]) -> None:
        self.table = rows
        self.asked: List[Tuple[str, Dict[str, Any]]] = []
        self.whole = True

    def rows(self, path: str, params: Any, deadline: float) -> List[Dict[str, Any]]:
        self.asked.append((path, dict(params)))
        rows = self.table[path.rpartition("/")[2]]
        return [row for row in rows if params.get("order_id") in (None, row.get("id"))]

    def pages(self, path: str, params: Any, most: int, deadline: float, *more: Any) -> Tuple[List[Dict[str, Any]], bool]:
        return [row for row in self.rows(path, params, deadline) if "late" not in row], self.whole

    def trades(self, market: str, deadline: float) -> Tuple[List[Dict[str, Any]], Optional[float]]:
        return self.table["trades"], self.table.get("date")  # type: ignore[return-value]


def test_the_state_has_the_open_orders_those_that_just_ended_and_those_that_were_known() -> None:
    old = {**ENDED, "id": "old", "createdAt": "2023-11-01 00:00:00", "finishedAt": "2023-11-01 00:00:00"}
    table = Scripted(orders=[{**ACTIVE, "id": "open"}], history=[ENDED, old, {**old, "id": "known", "late": 1}])
    since = Since(frozenset(("known", "open")), NOW * 1000)
    fetched = twins.OrdersTwin(table, "BTC_USDT").fetch("BTC_USDT", since, DEADLINE)
    assert {row.key for row in fetched.rows} == {"open", ENDED["id"], "known"} and fetched.whole
    assert [asked for asked in table.asked if "order_id" in asked[1]] == [(HISTORY, {"order_id": "known"})]
    assert twins.OrdersTwin(table, "all").fetch("", Since(), DEADLINE).rows[0].key == "open"
    assert not twins.OrdersTwin(table, "all").by_symbol and table.asked[-1][1]["market"] is None


@pytest.mark.parametrize("hours", [-4, 0])
def test_ended_orders_are_not_missed_for_their_times(hours: int) -> None:
    """They have no zone, and are by the venue's clock; the hole may be known by ours."""
    late = {**ENDED, "id": "late", "finishedAt": _when(NOW + hours * 3600)}
    table = Scripted(orders=[], history=[late, {**late, "id": "timeless", "finishedAt": None}])
    since = Since(from_ms=(NOW + 3600) * 1000, by_our_clock=True)
    fetched = twins.OrdersTwin(table, "all").fetch("", since, DEADLINE)
    assert {row.key for row in fetched.rows} == {"timeless", "late"} and fetched.whole


def test_a_history_of_which_not_all_was_read_is_no_whole_state() -> None:
    table = Scripted(orders=[], history=[ENDED])
    table.pages = lambda path, *more: ([], True) if path == ORDERS else ([ENDED], False)  # type: ignore
    assert not twins.OrdersTwin(table, "all").fetch("", Since(from_ms=NOW * 1000), DEADLINE).whole
    assert twins.OrdersTwin(table, "all").fetch("", Since(), DEADLINE).whole, "at first only what is open is wanted"


def test_old_pages_of_ended_orders_are_left_out_when_time_gets_short(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(twins, "monotonic", lambda: now[0])
    enough: List[Any] = []
    table = Scripted(orders=[])
    table.pages = lambda path, params, most, deadline, *more: (enough.extend(more), ([], True))[1]  # type: ignore
    twins.OrdersTwin(table, "all").fetch("", Since(from_ms=(NOW + 25 * 3600) * 1000), 10.0)
    old, new = [ENDED, ENDED], [ENDED, {**ENDED, "finishedAt": None}]
    assert not enough[0](old)
    now[0] = 6.0
    assert enough[0](old) and not enough[0](new)


@pytest.mark.parametrize(
    "filled, whole, hides", [("0", True, False), ("1", True, True), ("0", False, True)]
)
def test_fills_of_open_orders_are_hidden(filled: str, whole: bool, hides: bool) -> None:
    table = Scripted(orders=[{**ACTIVE, "filledQuantity": filled}], history=[ENDED])
    if whole:
        fetched = twins.DealsTwin(table, "BTC_USDT").fetch("BTC_USDT", Since(), DEADLINE)
    else:
        table.table["orders"] = []
        table.pages = lambda path, *more: ([] if path == ORDERS else [ENDED], path == ORDERS)  # type: ignore
        fetched = twins.DealsTwin(table, "BTC_USDT").fetch("BTC_USDT", Since(), DEADLINE)
    assert [row.key for row in fetched.rows] == [FILL["id"]] and fetched.hides is hides and fetched.whole is whole
    assert twins.DealsTwin(table, "all").symbol_of("", fetched.rows[0].raw) == "BTC_USDT"


@pytest.mark.parametrize("date, seconds", [(None, [1, 1]), (3.0, [1, 1]), (4.0, [1, 1]), (5.0, [1, 1, 2])])
def test_a_second_counts_once_it_is_over(date: Optional[float], seconds: List[int]) -> None:
    rows = [
        {"price": "2", "quote_volume": "1", "timestamp": at, "type": "buy"} for at in (2, 1, 1)
    ]
    table = Scripted(trades=rows, date=date)  # type: ignore[arg-type]
    fetched = twins.TradesTwin(table, "X").fetch("X", Since(), DEADLINE)
    assert [row.data.timestamp for row in fetched.rows] == seconds
    assert twins.TradesTwin(Scripted(trades=[]), "X").fetch("X", Since(), DEADLINE).rows == ()


def test_a_currency_that_is_not_listed_is_none() -> None:
    rows = twins.BalancesTwin(Scripted(balance=[]), "BTC").fetch("BTC", Since(), DEADLINE).rows
    assert [(row.data.currency_code, row.data.new_balance) for row in rows] == [("BTC", 0)]


def test_more_open_orders_than_are_shown_are_no_state() -> None:
    table = Scripted(orders=[ACTIVE])
    table.whole = False
    with pytest.raises(ProtocolError, match="more open orders"):
        twins.open_orders(table, {}, DEADLINE)


@pytest.mark.parametrize(
    "channel, symbols, arguments, match",
    [
        ("ticker", "BTC_USDT", {"backfill": True}, "ticker.BTC_USDT.*trade, order, deal, balance"),
        ("trade", "all", {"backfill": True}, "'trade'.*markets"),
        ("trade", "BTC_USDT", {"since": "an-id"}, "since.*no ids"),
        ("balance", "all", {"since": 1}, "since.*balance"),
    ],
)
def test_wrong_arguments(channel: str, symbols: str, arguments: Any, match: str) -> None:
    client = CryptomusClient("user-of-tests", "key-of-tests")
    assert client._origin == "https://api.cryptomus.com"
    with pytest.raises(ValueError, match=match):
        client.subscribe(channel, symbols, callback=print, **arguments)
    with pytest.raises(ValueError, match="rest_url"):
        CryptomusClient("user-of-tests", "key-of-tests", url="ws://127.0.0.1:1").subscribe(
            "trade", "BTC_USDT", callback=print, backfill=True
        )
