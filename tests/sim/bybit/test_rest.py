"""The local Bybit venue's REST side: signatures, filters, pages, limits, lag and failures; first without a socket."""

from __future__ import annotations

import hashlib
import hmac
import time
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Optional
from urllib.parse import quote, urlencode

import pytest

from dbxsdk import ConnectError, Options, RateLimited
from dbxsdk.bybit import from_rest, rest
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.rest import EXECUTIONS, OPEN_ORDERS, ORDER_HISTORY, POSITIONS, TIME, WALLET, BybitRest
from dbxsdk.runtime.clock import monotonic
from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.rest import KLINE, TRADES

ANY = {"category": "linear", "settleCoin": "USDT"}


@pytest.fixture
def venue() -> BybitVenue:
    return BybitVenue(symbols=["BTCUSDT"], rate=0)  # not started: no sockets, no threads


def headers(venue: BybitVenue, query: str, *, late: int = 0, window: str = "5000", **wrong: str) -> Dict[str, str]:
    stamp = str(venue._server_ms() - late)
    key = wrong.get("key", venue.api_key)
    signed = f"{stamp}{key}{window}{query}"
    sign = hmac.new(wrong.get("secret", venue.api_secret).encode(), signed.encode(), hashlib.sha256).hexdigest()
    return {"X-BAPI-API-KEY": key, "X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": window, "X-BAPI-SIGN": sign}


def ask(venue: BybitVenue, path: str, **params: Any) -> Any:
    """The code, and the result or the message."""
    query = urlencode(params, quote_via=quote)
    status, document, _ = venue._rest(path, query, headers(venue, query))
    assert status == 200 and document is not None
    return document["result"] if document["retCode"] == 0 else (document["retCode"], document["retMsg"])


def rows(venue: BybitVenue, path: str, **params: Any) -> List[Any]:
    return ask(venue, path, **{**ANY, **params})["list"]  # type: ignore[no-any-return]


def links(venue: BybitVenue, path: str, **params: Any) -> List[str]:
    return [row["orderLinkId"] for row in rows(venue, path, **params)]


def place(venue: BybitVenue, link: str, *, fill: bool = False, qty: str = "0.1") -> None:
    best = venue.book("BTCUSDT")["bids"][0][0]
    rest_of = {"orderType": "Market"} if fill else {"orderType": "Limit", "price": str(best * Decimal("0.97") // 1)}
    venue.place_order(symbol="BTCUSDT", side="Buy", qty=qty, orderLinkId=link, **rest_of)


def cancel(venue: BybitVenue, link: str) -> None:
    venue.cancel_order(symbol="BTCUSDT", orderLinkId=link)


# -- who may ask ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong, code",
    [({}, 0), ({"key": "other"}, 10003), ({"secret": "other"}, 10004), ({"late": 5001}, 10002), ({"late": -1500}, 10002)],
)
def test_signatures_and_clocks_are_checked(venue: BybitVenue, wrong: Any, code: int) -> None:
    venue.clock_skew(90)
    query = "category=linear&symbol=BTCUSDT"
    _, document, _ = venue._rest(OPEN_ORDERS, query, headers(venue, query, **wrong))
    assert document is not None and document["retCode"] == code
    assert abs(document["time"] - (time.time() + 90) * 1000) < 1000


def test_the_query_is_signed_as_it_was_sent(venue: BybitVenue) -> None:
    signed = headers(venue, "category=linear&symbol=BTCUSDT")
    _, document, _ = venue._rest(OPEN_ORDERS, "symbol=BTCUSDT&category=linear", signed)
    assert document is not None and document["retCode"] == 10004
    _, document, _ = venue._rest(OPEN_ORDERS, "", {})
    assert document is not None and document["retCode"] == 10001


def test_market_data_needs_no_key(venue: BybitVenue) -> None:
    for path, query in ((TIME, ""), (TRADES, "category=spot&symbol=BTCUSDT"), (KLINE, "symbol=BTCUSDT&interval=1")):
        _, document, limits = venue._rest(path, query, {})
        assert document is not None and document["retCode"] == 0 and limits == {}


# -- orders --------------------------------------------------------------------------------------------------


def test_open_and_closed_orders(venue: BybitVenue) -> None:
    for link in ("a", "b", "c"):
        place(venue, link)
    cancel(venue, "b")
    assert links(venue, OPEN_ORDERS) == ["c", "a"] and links(venue, OPEN_ORDERS, openOnly=1) == ["b"]
    assert links(venue, ORDER_HISTORY) == ["b"] and links(venue, ORDER_HISTORY, orderStatus="Filled") == []
    (by_id,) = rows(venue, OPEN_ORDERS, orderLinkId="b")
    assert "category" not in by_id and from_rest("order", by_id, "linear").order_status == "Cancelled"
    venue.forget_closed()
    assert links(venue, OPEN_ORDERS, orderLinkId="b") == [] == links(venue, OPEN_ORDERS, openOnly=1)
    assert links(venue, ORDER_HISTORY, orderLinkId="b") == ["b"]


def test_an_id_is_stronger_than_other_filters(venue: BybitVenue) -> None:
    place(venue, "a")
    order_id = venue.orders()[0].id
    assert links(venue, OPEN_ORDERS, symbol="ETHUSDT", orderId=order_id, orderLinkId="nothing") == ["a"]
    assert links(venue, OPEN_ORDERS, category="spot", orderId=order_id) == []
    assert links(venue, OPEN_ORDERS, symbol="BTCPERP") == []


def test_history_lags(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.monotonic()]
    monkeypatch.setattr(venue._service_of_rest, "_steady", lambda: clock[0])
    venue.lag_history(2.5)
    place(venue, "a")
    cancel(venue, "a")
    assert links(venue, OPEN_ORDERS, orderLinkId="a") == ["a"] and links(venue, ORDER_HISTORY) == []
    clock[0] += 2.4
    assert links(venue, ORDER_HISTORY) == []
    clock[0] += 0.2
    assert links(venue, ORDER_HISTORY) == ["a"]


def test_orders_without_a_fill_are_kept_for_a_day(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    place(venue, "cancelled")
    cancel(venue, "cancelled")
    place(venue, "filled", fill=True)
    later = venue._server_ms() + 90_000_000
    monkeypatch.setattr(venue._service_of_rest, "_server_ms", lambda: later)
    _, document, _ = venue._rest(ORDER_HISTORY, "category=linear", headers(venue, "category=linear", late=-90_000_000))
    assert document is not None and [row["orderLinkId"] for row in document["result"]["list"]] == ["filled"]


def test_times_of_orders_are_those_of_the_shown_clock(venue: BybitVenue) -> None:
    venue.clock_skew(90)
    before = venue._server_ms()
    place(venue, "a", fill=True)
    (order,), fills = rows(venue, OPEN_ORDERS, orderLinkId="a"), rows(venue, EXECUTIONS)
    assert all(before <= int(row[name]) <= venue._server_ms() for row, name in ((order, "createdTime"), (fills[0], "execTime")))


def test_pages(venue: BybitVenue) -> None:
    names = [f"o{number}" for number in range(5)]
    for name in names:
        place(venue, name)
    seen: List[str] = []
    cursor = ""
    while True:
        result = ask(venue, OPEN_ORDERS, **ANY, limit=2, cursor=cursor)
        seen += [row["orderLinkId"] for row in result["list"]]
        cursor = result["nextPageCursor"]
        if not cursor:
            break
        cancel(venue, seen[0]) if len(seen) == 2 else None  # the pages shift while they are read
    assert seen == names[::-1]


def test_fills(venue: BybitVenue) -> None:
    place(venue, "a", fill=True, qty="3")
    place(venue, "b", fill=True)
    fills = venue.executions()
    assert [row["execId"] for row in rows(venue, EXECUTIONS)] == [each.id for each in fills][::-1]
    own = [from_rest("execution", row, "linear") for row in rows(venue, EXECUTIONS, orderLinkId="a")]
    assert sum(each.exec_qty for each in own) == 3 and {each.order_link_id for each in own} == {"a"}
    assert rows(venue, EXECUTIONS, endTime=fills[0].time_ms - 1) == []


def test_the_account(venue: BybitVenue) -> None:
    assert rows(venue, POSITIONS) == [] and len(rows(venue, POSITIONS, symbol="BTCUSDT")) == 1, "the flat one by its symbol"
    place(venue, "a", fill=True, qty="2")
    (position,) = (from_rest("position", row, "linear") for row in rows(venue, POSITIONS))
    (truth,) = venue.positions()
    assert (position.size, position.side, position.entry_price) == (truth.size, "Buy", truth.entry_price)
    (wallet,) = (from_rest("wallet", row) for row in ask(venue, WALLET, accountType="UNIFIED")["list"])
    shown = {coin.coin: coin.wallet_balance for coin in wallet.coin}
    assert shown == {coin: each["total"] for coin, each in venue.balances().items() if each["total"]}
    assert [c["coin"] for c in ask(venue, WALLET, accountType="UNIFIED", coin="BTC,ETH")["list"][0]["coin"]] == ["BTC", "ETH"]


# -- the market ----------------------------------------------------------------------------------------------


def test_trades_and_candles_are_those_of_the_stream(venue: BybitVenue) -> None:
    for category, limit in (("spot", 60), ("linear", 7)):
        got = [from_rest("publicTrade", row) for row in rows(venue, TRADES, category=category, symbol="BTCUSDT", limit=limit)]
        truth = venue.trades("BTCUSDT", category)[-limit:][::-1]
        assert [(each.price, each.size, each.sequence) for each in got] == [(t.price, t.size, t.sequence) for t in truth]
    venue.step(400)  # 80 s
    candles = [from_rest("kline.1", row, server_ms=venue._now_ms()) for row in rows(venue, KLINE, symbol="BTCUSDT", interval="1")]
    assert len(candles) >= 2 and [each.confirm for each in candles[:2]] == [False, True]
    assert candles[0].start == candles[1].end + 1


@pytest.mark.parametrize(
    "path, params, name",
    [
        (OPEN_ORDERS, {"category": "margin"}, "category"),
        (OPEN_ORDERS, {"settleCoin": ""}, None),
        (OPEN_ORDERS, {"limit": 51}, "limit"),
        (OPEN_ORDERS, {"cursor": "page%3Anone"}, "cursor"),
        (EXECUTIONS, {"limit": 101}, "limit"),
        (EXECUTIONS, {"startTime": "soon"}, "startTime"),
        (ORDER_HISTORY, {"startTime": 0, "endTime": 700_000_000}, "startTime"),
        (TRADES, {"category": "spot", "symbol": "BTCUSDT", "limit": 61}, "limit"),
        (TRADES, {"symbol": "NONE"}, "symbol"),
        (KLINE, {"symbol": "BTCUSDT", "interval": "7"}, "interval"),
        (POSITIONS, {"category": "spot"}, "category"),
        (WALLET, {}, "accountType"),
    ],
    ids=range(12),
)
def test_wrong_parameters(venue: BybitVenue, path: str, params: Any, name: Optional[str]) -> None:
    if name is None:
        assert rows(venue, path, **params) == []
    else:
        code, message = ask(venue, path, **{**ANY, **params})
        assert code == 10001 and name in message


# -- limits and failures -------------------------------------------------------------------------------------


def test_fifty_a_second(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.monotonic()]
    monkeypatch.setattr(venue._service_of_rest, "_steady", lambda: clock[0])
    for left in range(49, -1, -1):
        _, document, limits = venue._rest(OPEN_ORDERS, "category=spot", headers(venue, "category=spot"))
        assert document is not None and document["retCode"] == 0 and limits["X-Bapi-Limit-Status"] == str(left)
    assert ask(venue, OPEN_ORDERS, category="spot") == (10006, "Too many visits!")
    assert ask(venue, EXECUTIONS, category="spot")["list"] == [], "each has a count of its own"
    clock[0] += 1
    assert ask(venue, OPEN_ORDERS, category="spot")["list"] == []


def test_six_hundred_in_five_seconds(venue: BybitVenue) -> None:
    for _ in range(600):
        assert venue._rest(TIME, "", {})[0] == 200
    assert venue._rest(TIME, "", {})[0] == 403
    venue.limit_rest(None)
    assert venue._rest(TIME, "", {})[0] == 200


def test_failures_on_request(venue: BybitVenue) -> None:
    venue.fail_rest(502, times=1)
    venue.fail_rest(10016, "internal", endpoint="order/history")
    assert venue._rest(TIME, "", {}) == (502, None, {})
    assert venue._rest(TIME, "", {})[0] == 200
    assert ask(venue, ORDER_HISTORY, **ANY) == (10016, "internal") == ask(venue, ORDER_HISTORY, **ANY)
    venue.accept_rest()
    assert links(venue, ORDER_HISTORY) == []
    for wrong in ({"code": 99}, {"times": 0}, {"endpoint": "order/create"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            venue.fail_rest(**wrong)  # type: ignore[arg-type]


# -- over a socket -------------------------------------------------------------------------------------------


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[BybitVenue]:
    monkeypatch.setattr(rest, "_hosts", {})
    with BybitVenue(symbols=["BTCUSDT"], rate=0) as made:
        yield made
        assert made.handler_errors == 0


def test_the_sdk_asks_it(served: BybitVenue) -> None:
    side = BybitRest(Credentials(served.api_key, served.api_secret), served.rest_url(), Options())
    served.clock_skew(-40)
    for number in range(25):
        place(served, f"o{number}")
    deadline = monotonic() + 10
    found = side.rows(OPEN_ORDERS, ANY, deadline)
    assert [row["orderLinkId"] for row in found] == [f"o{number}" for number in range(24, -1, -1)]
    assert {from_rest("order", row).category for row in found} == {"linear"}
    assert [path for path, _ in served.rest_requests] == [TIME, OPEN_ORDERS, OPEN_ORDERS]
    assert abs(side.server_ms(deadline) - (time.time() - 40) * 1000) < 1000
    served.fail_rest(None, times=2)  # a kept connection may have been closed meanwhile: one more try is made
    with pytest.raises(ConnectError):
        side.rows(WALLET, {}, deadline)
    served.delay_rest(30)
    begun = time.monotonic()
    with pytest.raises(ConnectError, match="in time|does not end"):
        side.server_ms(monotonic() + 0.2)
    assert time.monotonic() - begun < 2
    served.delay_rest(0)
    served.limit_rest(0)
    with pytest.raises(RateLimited, match="403"):
        side.server_ms(deadline)
    side.close()
