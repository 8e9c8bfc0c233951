"""The REST side: what is signed and sent, and how limits, clocks, pages and failures are met. Without network."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional, Tuple, Union
from urllib.parse import parse_qs, urlsplit

import pytest

from dbxsdk import AuthError, ConnectError, Options, ProtocolError, RateLimited, VenueError
from dbxsdk.backfill.twin import Since
from dbxsdk.bybit import rest
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.endpoints import rest_origin
from dbxsdk.bybit.rest import OPEN_ORDERS, TIME, BybitRest
from dbxsdk.bybit.twins import TradesTwin
from dbxsdk.transport import http_pool
from dbxsdk.transport.http import HttpAnswer
from tests.bybit.clocks import Clocks

NOW = 1_700_000_000_000
KEY, SECRET = "test-key", "test-secret"

Scripted = Union[HttpAnswer, Exception]


def accepted(result: Any = None, *, headers: Optional[Dict[str, str]] = None) -> HttpAnswer:
    return HttpAnswer(200, {"retCode": 0, "retMsg": "OK", "result": result or {}, "time": NOW}, None, headers or {})


def refused(code: int, message: str = "no", **headers: str) -> HttpAnswer:
    return HttpAnswer(200, {"retCode": code, "retMsg": message, "result": {}, "time": NOW}, None, headers)


THE_TIME = accepted({"timeSecond": str(NOW // 1000), "timeNano": str(NOW * 1_000_000)})


class Wires:
    """Stands in for the network: gives the scripted answers, one after the other, and keeps what was asked."""

    def __init__(self, *answers: Scripted) -> None:
        self.answers = list(answers)
        self.asked: List[Tuple[str, Dict[str, str]]] = []
        self.made = self.closed = 0
        self.clock = 1000.0
        self.waited: List[float] = []

    def session(self, origin: str, options: Options) -> Wires:
        self.made += 1
        return self

    def close(self) -> None:
        self.closed += 1

    def get(self, url: str, *, timeout: float, total: float, headers: Dict[str, str]) -> HttpAnswer:
        assert 0 < timeout <= total
        self.asked.append((url, dict(headers)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        self.waited.append(round(seconds, 3))
        self.clock += seconds

    @property
    def paths(self) -> List[str]:
        return [urlsplit(url).path for url, _ in self.asked]


Make = Callable[..., Tuple[BybitRest, Wires]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(*answers: Scripted, known: bool = True, clocks: Optional[Clocks] = None) -> Tuple[BybitRest, Wires]:
        wires = Wires(*([THE_TIME] if known else []), *answers)
        monkeypatch.setattr(http_pool, "HttpSession", wires.session)
        monkeypatch.setattr(http_pool, "monotonic", lambda: wires.clock)
        monkeypatch.setattr(rest, "monotonic", lambda: wires.clock)
        monkeypatch.setattr(rest, "pause", wires.pause)
        monkeypatch.setattr(rest, "_hosts", {})
        monkeypatch.setattr(rest, "VenueClock", lambda: (clocks or Clocks(NOW)).options()["clock"])
        return BybitRest(Credentials(KEY, SECRET), "https://venue.invalid", Options()), wires

    return made


LATE = 1100.0
"""A deadline that is far away."""


def test_the_vector_of_the_reference(make: Make) -> None:
    side, wires = make(accepted({"list": []}))
    side.result(OPEN_ORDERS, {"category": "linear", "orderLinkId": "abc-1", "symbol": "BTCUSDT", "cursor": None}, LATE)
    url, headers = wires.asked[-1]
    assert url == "https://venue.invalid/v5/order/realtime?category=linear&orderLinkId=abc-1&symbol=BTCUSDT"
    assert headers == {
        "X-BAPI-API-KEY": KEY,
        "X-BAPI-TIMESTAMP": str(NOW),
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": "2c061b7c219aa9191a8ac345aee0d1b3182fb2e99cda1c33e4e5ef9213749901",
    }
    assert repr(headers["X-BAPI-SIGN"]) == "'***'", "a secret for whoever shows variables"


def test_the_venues_time_is_asked_first_and_signed_with(make: Make) -> None:
    clocks = Clocks(NOW, 90_000)  # this machine is ahead
    side, wires = make(accepted({}), clocks=clocks)
    side.result(OPEN_ORDERS, {}, LATE)
    assert wires.paths == [TIME, OPEN_ORDERS]
    assert wires.asked[0][1] == {}, "public: nothing to sign"
    assert int(wires.asked[1][1]["X-BAPI-TIMESTAMP"]) == NOW


def test_the_time_is_read_in_each_form(make: Make) -> None:
    side, _ = make(THE_TIME, accepted({"timeSecond": "1"}), HttpAnswer(200, {"retCode": 0, "result": {}}), known=False)
    assert side.server_ms(LATE) == side.server_ms(LATE) == NOW
    with pytest.raises(ProtocolError, match="time"):
        side.server_ms(LATE)


def test_a_clock_that_was_set_is_measured_again_once(make: Make) -> None:
    side, wires = make(refused(10002), THE_TIME, accepted({"x": 1}))
    assert side.result(OPEN_ORDERS, {}, LATE) == {"x": 1}
    assert wires.paths == [TIME, OPEN_ORDERS, TIME, OPEN_ORDERS]
    side, wires = make(refused(10002), THE_TIME, refused(10002))
    with pytest.raises(VenueError) as raised:
        side.result(OPEN_ORDERS, {}, LATE)
    assert raised.value.code == 10002 and wires.answers == []


def test_pages_are_read_to_the_end(make: Make) -> None:
    first = {"category": "spot", "list": [{"a": 1}, {"a": 2}], "nextPageCursor": "x%3A1&?"}
    side, wires = make(accepted(first), accepted({"category": "spot", "list": [{"a": 3}], "nextPageCursor": ""}))
    assert side.rows(OPEN_ORDERS, {"limit": 2}, LATE) == [{"category": "spot", "a": each} for each in (1, 2, 3)]
    side, _ = make(accepted({"list": [{"a": 1}]}))
    assert side.rows(OPEN_ORDERS, {"category": "linear"}, LATE) == [{"category": "linear", "a": 1}], "as it was asked for"
    assert "cursor=x%253A1%26%3F" in wires.asked[-1][0], "the cursor as it came, encoded"
    assert parse_qs(urlsplit(wires.asked[-1][0]).query) == {"limit": ["2"], "cursor": ["x%3A1&?"]}


@pytest.mark.parametrize("rows", [None, {}, [1], "x"])
def test_a_page_without_rows_is_unreadable(make: Make, rows: Any) -> None:
    with pytest.raises(ProtocolError, match="rows"):
        make(accepted({"list": rows}))[0].rows(OPEN_ORDERS, {}, LATE)


def test_an_empty_page_is_the_last_one_only_if_nothing_new_follows_it(make: Make) -> None:
    pages = [{"list": [{"a": 1}], "nextPageCursor": "x"}, {"list": [], "nextPageCursor": "y"}, {"list": [{"a": 2}]}]
    side, wires = make(*map(accepted, pages))
    assert side.rows(OPEN_ORDERS, {}, LATE) == [{"a": 1}, {"a": 2}] and wires.answers == []
    side, wires = make(accepted(pages[0]), accepted({"list": [], "nextPageCursor": "x"}))
    assert side.rows(OPEN_ORDERS, {}, LATE) == [{"a": 1}] and wires.answers == []


@pytest.mark.parametrize("category, readable", [("linear", False), ("spot", False), ("option", True)])
def test_trades_of_another_symbol_are_nobodys(make: Make, category: str, readable: bool) -> None:
    row = {"execId": "1", "symbol": "BTC-31DEC27-90000-C", "price": "1", "size": "1", "side": "Buy", "time": str(NOW)}
    side, _ = make(accepted({"list": [row]}), known=False)
    twin = TradesTwin(side, category)
    if readable:  # its topics name the base coin
        assert [each.key for each in twin.fetch("BTC", Since(), LATE).rows] == ["1"]
    else:
        with pytest.raises(ProtocolError, match="another symbol than BTCUSDT"):
            twin.fetch("BTCUSDT", Since(), LATE)


def test_pages_that_go_in_circles_end(make: Make) -> None:
    page = accepted({"list": [{}], "nextPageCursor": "same"})
    side, _ = make(page, page)
    with pytest.raises(ProtocolError, match="do not end"):
        side.rows(OPEN_ORDERS, {}, LATE)


# -- limits --------------------------------------------------------------------------------------------------


def test_too_many_visits_wait_until_the_count_starts_again(make: Make) -> None:
    limited = refused(10006, "Too many visits!", **{"X-Bapi-Limit-Reset-Timestamp": str(NOW + 400)})
    side, wires = make(limited, accepted({"x": 1}))
    assert side.result(OPEN_ORDERS, {}, LATE) == {"x": 1}
    assert wires.waited == [0.4]


def test_too_many_visits_end_where_there_is_no_time_to_wait(make: Make) -> None:
    side, wires = make(refused(10006), accepted())
    with pytest.raises(RateLimited):
        side.result(OPEN_ORDERS, {}, wires.clock + 0.5)
    assert len(wires.answers) == 1 and wires.waited == []


def test_a_count_that_is_used_up_is_waited_for_before_it_is_exceeded(make: Make) -> None:
    used_up = {"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(NOW + 10**7)}
    side, wires = make(accepted(headers=used_up), accepted(), accepted())
    side.result(OPEN_ORDERS, {}, LATE)
    side.result("/v5/another", {}, LATE)
    assert wires.waited == [], "counts are by path"
    side.result(OPEN_ORDERS, {}, LATE)
    assert wires.waited == [1.0], "whatever the header says"


def test_after_a_403_nothing_is_sent_for_ten_minutes(make: Make) -> None:
    side, wires = make(HttpAnswer(403, None), accepted({"x": 1}))
    for _ in range(3):
        with pytest.raises(RateLimited, match="403"):
            side.result(OPEN_ORDERS, {}, LATE)
    assert len(wires.asked) == 2
    other = BybitRest(Credentials(KEY, SECRET), "https://venue.invalid", Options())
    with pytest.raises(RateLimited, match="another 600 s"):
        other.server_ms(LATE)
    wires.clock += rest.PAUSE
    assert side.result(OPEN_ORDERS, {}, wires.clock + 9) == {"x": 1}


def test_the_addresses_budget_is_kept(make: Make) -> None:
    side, wires = make(*[THE_TIME] * 501, known=False)
    for _ in range(501):
        side.server_ms(LATE)
    assert wires.waited == [5.0]
    with pytest.raises(RateLimited, match="due in"):
        make(*[THE_TIME] * 501, known=False)
        side = BybitRest(Credentials(KEY, SECRET), "https://venue.invalid", Options())
        for _ in range(501):
            side.server_ms(1001.0)


# -- failures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [10003, 10004, 10005, 10010])
def test_a_key_that_is_refused(make: Make, code: int) -> None:
    side, _ = make(refused(code, f"error sign! origin_string[{NOW}{KEY}5000]"))
    with pytest.raises(AuthError) as raised:
        side.result(OPEN_ORDERS, {}, LATE)
    assert raised.value.code == code and KEY not in str(raised.value) and "***" in str(raised.value)


@pytest.mark.parametrize(
    "answer, kind",
    [
        (HttpAnswer(401, None), AuthError),
        (HttpAnswer(429, None), RateLimited),
        (HttpAnswer(500, {"retCode": 0, "result": {}}), ConnectError),
        (HttpAnswer(404, None), ConnectError),
        (HttpAnswer(302, None), ConnectError),
        (HttpAnswer(200, None), ProtocolError),
        (HttpAnswer(200, []), ProtocolError),
        (HttpAnswer(200, {"retCode": "x"}), ProtocolError),
        (HttpAnswer(200, {"retCode": 0}), ProtocolError),
        (refused(10001), VenueError),
        (refused(10016, ""), VenueError),
        (ConnectError("x"), ConnectError),
    ],
    ids=range(12),
)
def test_each_failure_has_its_kind(make: Make, answer: Scripted, kind: Any) -> None:
    side, wires = make(answer, answer)
    with pytest.raises(kind):
        side.result(OPEN_ORDERS, {}, LATE)


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(make: Make) -> None:
    side, wires = make(accepted(), ConnectError("cut"), accepted({"x": 1}))
    side.result(OPEN_ORDERS, {}, LATE)
    assert side.result(OPEN_ORDERS, {}, LATE) == {"x": 1} and wires.made == 1


def test_no_request_after_the_deadline(make: Make) -> None:
    side, wires = make(known=False)
    with pytest.raises(ConnectError, match="no time left"):
        side.server_ms(wires.clock)
    assert wires.asked == []


def test_close_keeps_no_connection(make: Make) -> None:
    side, wires = make(accepted(), accepted())
    side.result(OPEN_ORDERS, {}, LATE)
    side.close()
    assert wires.closed == 1
    side.result(OPEN_ORDERS, {}, LATE)
    assert (wires.made, wires.closed) == (2, 2), "asked all the same, and kept no more"


# -- addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, origin",
    [
        ({}, "https://api.bybit.com"),
        ({"testnet": True}, "https://api-testnet.bybit.com"),
        ({"demo": True}, "https://api-demo.bybit.com"),
        ({"url": "wss://stream.bybit.nl/v5/trade"}, "https://api.bybit.nl"),
        ({"url": "wss://stream-testnet.manepa.jp/v5/trade"}, "https://api-testnet.manepa.jp"),
        ({"url": "wss://stream.bybit.com.evil.example/v5/trade"}, None),
        ({"url": "wss://proxy.example/v5/trade"}, None),
        ({"rest_url": "http://127.0.0.1:99/", "url": "ws://127.0.0.1:98/"}, "http://127.0.0.1:99"),
    ],
    ids=range(8),
)
def test_origins(arguments: Any, origin: Optional[str]) -> None:
    assert rest_origin(**{"rest_url": None, "testnet": False, **arguments}) == origin


@pytest.mark.parametrize("given", ["api.bybit.com", "wss://api.bybit.com", "https://x.example/v5", "https://me:pw@x.example", 7])
def test_rest_url_is_named(given: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="rest_url") as raised:
        rest_origin(given, testnet=False)
    assert "pw" not in str(raised.value)


def test_a_key_without_tls_is_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match="without TLS"):
        rest_origin("http://insecure-rest.example", testnet=False)
