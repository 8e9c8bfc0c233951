"""The order entry client: its own arguments without a connection, then all of it against the local venue."""

from __future__ import annotations

import inspect
import logging
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal as D
from typing import Any, Callable, Dict, Iterator, List

import pytest

from dbxsdk import (
    AuthError,
    ConnectError,
    ConnectionLost,
    Options,
    OutcomeUnknown,
    RateLimited,
    RequestTimeout,
    State,
    VenueError,
    WrongThreadError,
)
from dbxsdk.bybit import BatchFailed, BybitTradeClient, RateLimit, ServerFailed
from dbxsdk.bybit.trade.order_fields import CREATE
from dbxsdk.sim import BybitVenue
from tests.waiting import Background, Recorder, eventually

KEY, SECRET = "key-of-tests", "secret-of-tests"
QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)

LIMIT: Dict[str, Any] = {
    "category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": D("0.001"), "price": D("1000"),
}
ROW = {name: value for name, value in LIMIT.items() if name != "category"}


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(rate=0) as made:
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def client(venue: BybitVenue) -> Iterator[BybitTradeClient]:
    with venue.client("trade", options=QUICK) as made:
        yield made


@pytest.fixture
def offline() -> BybitTradeClient:
    return BybitTradeClient(KEY, SECRET, url="ws://127.0.0.1:1")


def sent(venue: BybitVenue, op: str) -> List[Any]:
    return [frame.document for frame in venue.requests if frame.document["op"] == op]


class TestArguments:
    @pytest.mark.parametrize("arguments, url", [
        ({}, "wss://stream.bybit.com/v5/trade"),
        ({"testnet": True, "max_active_time": 45}, "wss://stream-testnet.bybit.com/v5/trade?max_active_time=45s"),
        ({"url": "ws://127.0.0.1:1/x"}, "ws://127.0.0.1:1/x"),
    ])
    def test_addresses(self, arguments: Dict[str, Any], url: str) -> None:
        assert BybitTradeClient(KEY, SECRET, **arguments)._address.url == url

    @pytest.mark.parametrize("arguments, error, name", [
        ({"api_key": "a b"}, ValueError, "api_key"), ({"api_secret": "a\r"}, ValueError, "api_secret"),
        ({"api_secret": None}, ValueError, "api_secret"), ({"signer": "x"}, TypeError, "signer"),
        ({"testnet": "yes"}, TypeError, "testnet"), ({"max_active_time": 601}, ValueError, "max_active_time"),
        ({"recv_window": 0}, ValueError, "recv_window"), ({"recv_window": True}, TypeError, "recv_window"),
        ({"recv_window": 5.0}, TypeError, "recv_window"), ({"referer": ""}, ValueError, "referer"),
        ({"referer": 5}, TypeError, "referer"), ({"referer": "a\nb"}, ValueError, "referer"),
        ({"auth_window": -1}, ValueError, "auth_window"), ({"url": "x"}, ValueError, "url"), ({"demo": True}, TypeError, "demo"),
    ])
    def test_wrong_ones(self, arguments: Dict[str, Any], error: Any, name: str) -> None:
        with pytest.raises(error, match=name) as raised:
            BybitTradeClient(**{"api_key": KEY, "api_secret": SECRET, **arguments})
        assert KEY not in str(raised.value) and SECRET not in str(raised.value)

    @pytest.mark.parametrize("call, error, match", [
        (lambda client: client.place_order(**{**LIMIT, "qty": True}), TypeError, "^qty must be"),
        (lambda client: client.place_order(**{**LIMIT, "qty": float("nan")}), ValueError, "^qty must be a finite"),
        (lambda client: client.place_order(**{**LIMIT, "qty": None}), ValueError, "^qty is missing"),
        (lambda client: client.place_order(**{**LIMIT, "symbol": ""}), ValueError, "^symbol"),
        (lambda client: client.place_order(**{**LIMIT, "category": None}), ValueError, "^category is missing"),
        (lambda client: client.place_order(**LIMIT, orderLinkId=""), ValueError, "^orderLinkId"),
        (lambda client: client.place_order(**LIMIT, reduceOnly="no"), TypeError, "^reduceOnly"),
        (lambda client: client.place_order(**LIMIT, takeProfit=[1]), TypeError, "^takeProfit"),
        (lambda client: client.place_order(**LIMIT, timeout=-1), ValueError, "^timeout"),
        (lambda client: client.place_order(category="spot"), TypeError, "symbol"),
        (lambda client: client.cancel_order(category="spot", symbol="A"), ValueError, "orderId is missing"),
        (lambda client: client.cancel_order(category="spot", symbol="A", orderId=""), ValueError, "^orderId"),
        (lambda client: client.cancel_order(category="spot", symbol="A", orderId=5), TypeError, "^orderId"),
        (lambda client: client.place_order(**LIMIT, reduceonly=True), TypeError, "^reduceonly is not .* nearest is reduceOnly"),
        (lambda client: client.place_order(**LIMIT, timeInforce="PostOnly"), TypeError, "^timeInforce is .* is timeInForce"),
        (lambda client: client.place_order(**{**LIMIT, "side": "buy"}), ValueError, "^side must be one of Buy, Sell, not 'buy'"),
        (lambda client: client.place_order(**LIMIT, triggerPrice=1), ValueError, "^triggerPrice needs orderFilter"),
        (lambda client: client.place_order(**LIMIT, positionIdx=1), ValueError, "^positionIdx is not for category spot"),
        (lambda client: client.place_order(**LIMIT, extra={"price": 1}), TypeError, "^price is given twice"),
        (lambda client: client.cancel_order(category="spot", symbol="A", orderID="1"), TypeError, "^orderID is .* is orderId;"),
        (lambda client: client.place_batch_order("spot", [ROW, {**ROW, "reduceonly": True}]), TypeError,
         r"^request\[1\]\.reduceonly is not a field of the venue's order.create-batch: the nearest is reduceOnly"),
        (lambda client: client.place_batch_order("linear", [{**ROW, "triggerPrice": 1}]), ValueError,
         r"^request\[0\]\.triggerDirection is missing"),
        (lambda client: client.place_batch_order("linear", [{**ROW, "extra": 5}]), TypeError, r"^request\[0\]\.extra must be"),
        (lambda client: client.place_batch_order("spot", [{**ROW, "category": "spot"}]), TypeError, r"^request\[0\]\.category"),
        (lambda client: client.place_batch_order("Spot", [ROW]), ValueError, "^category must be one of spot, linear"),
        (lambda client: client.amend_batch_order("spot", [{"symbol": "A", "orderId": "o"}]), ValueError,
         r"^request\[0\]\.qty, price or something else to change is missing"),
        (lambda client: client.amend_order(category="spot", symbol="A", price=1), ValueError, "orderId is missing"),
        (lambda client: client.amend_order(category="spot", symbol="A", orderId="o", price="x"), ValueError, "^price"),
        (lambda client: client.place_batch_order("spot", []), ValueError, "^request"),
        (lambda client: client.place_batch_order("spot", {}), TypeError, "^request"),
        (lambda client: client.place_batch_order("spot", [ROW, 5]), TypeError, r"^request\[1\]"),
        (lambda client: client.place_batch_order("spot", [ROW, {**ROW, "qty": "x"}]), ValueError, r"^request\[1\]\.qty"),
        (lambda client: client.place_batch_order("spot", [{"symbol": "A"}]), ValueError, r"^request\[0\]\.side is missing"),
        (lambda client: client.place_batch_order("", [ROW]), ValueError, "^category"),
        (lambda client: client.place_batch_order(5, [ROW]), TypeError, "^category"),
        (lambda client: client.place_batch_order("spot", [ROW] * 11), ValueError, "request must contain at most 10 orders"),
        (lambda client: client.place_batch_order("linear", [ROW] * 21), ValueError, "request must contain at most 20 orders"),
        (lambda client: client.amend_batch_order("option", [ROW] * 21), ValueError, "request must contain at most 20"),
        (lambda client: client.cancel_batch_order("spot", [{"symbol": "A"}]), ValueError, r"request\[0\]\.orderId is missing"),
        (lambda client: client.cancel_batch_order("spot", [{"orderId": "A"}]), ValueError, r"request\[0\]\.symbol is missing"),
        (lambda client: client.subscribe("order", callback=print), ValueError, "channel 'order'.*no subscriptions"),
        (lambda client: client.messages("order"), ValueError, "no subscriptions"),
        (lambda client: client.call("", {}), ValueError, "method"),
        (lambda client: client.call("order.create", [{}]), TypeError, "params"),
        (lambda client: client.call("order.create", {"qty": D(1)}), TypeError, "Decimal"),
    ])
    def test_nothing_is_sent(self, offline: BybitTradeClient, call: Callable[[Any], Any], error: Any, match: str) -> None:
        with pytest.raises(error, match=match):
            call(offline)
        assert offline.state is State.NEW


class TestOrders:
    def test_place_amend_cancel(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        placed = client.place_order(**LIMIT, orderLinkId="mine", timeInForce="GTC")
        (order,) = venue.orders()
        assert (placed.order_id, placed.order_link_id) == (order.id, "mine")
        assert isinstance(placed.rate_limit, RateLimit) and placed.rate_limit.limit == 20
        assert placed.raw["retCode"] == 0

        amended = client.amend_order(category="spot", symbol="BTCUSDT", orderId=placed.order_id, price=999.5)
        assert (amended.order_id, amended.order_link_id) == (placed.order_id, "mine")
        assert venue.orders()[0].price == D("999.5")

        cancelled = client.cancel_order(category="spot", symbol="BTCUSDT", orderLinkId="mine")
        assert (cancelled.order_id, cancelled.order_link_id) == (placed.order_id, "mine")
        with pytest.raises(VenueError) as raised:
            client.cancel_order(category="spot", symbol="BTCUSDT", orderLinkId="mine")
        assert raised.value.code in (110001, 170213) and raised.value.reply["op"] == "order.cancel"

    def test_what_leaves(self, venue: BybitVenue) -> None:
        with venue.client("trade", recv_window=8000, referer="broker-1") as client:
            client.place_order(**{**LIMIT, "qty": 1e-3, "price": D("1E+3")}, orderLinkId="mine", stopLoss=None, reduceOnly=False)
        (document,) = sent(venue, "order.create")
        stamp = document["header"].pop("X-BAPI-TIMESTAMP")
        assert stamp.isdigit() and len(stamp) == 13
        assert document == {
            "reqId": document["reqId"],
            "op": "order.create",
            "header": {"X-BAPI-RECV-WINDOW": "8000", "Referer": "broker-1"},
            "args": [{
                "category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "1000",
                "orderLinkId": "mine", "reduceOnly": False,
            }],
        }

    def test_orders_without_an_id_get_one(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        results = [client.place_order(**LIMIT), client.place_order(**LIMIT, orderLinkId=None)]
        ids = [document["args"][0]["orderLinkId"] for document in sent(venue, "order.create")]
        assert ids == [result.order_link_id for result in results]
        assert len(set(ids)) == 2 and all(link_id.startswith("dbx-") and len(link_id) == 36 for link_id in ids)
        option = {"category": "option", "symbol": "BTC-31DEC27-70000-C-USDT", "side": "Buy", "orderType": "Market", "qty": "0.1"}
        assert client.place_order(**option).order_link_id.startswith("dbx-")  # the venue requires one there
        client.call("order.create", {**LIMIT, "qty": "0.001", "price": "1000"})
        assert "orderLinkId" not in sent(venue, "order.create")[-1]["args"][0]

    def test_what_is_not_documented_goes_out_as_it_is(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        more = {"newField": ["any", 1], "smpType": "New", "newNumber": D("1E-3")}
        client.place_order(**LIMIT, orderLinkId="one", extra=more)
        client.place_batch_order("spot", [{**ROW, "orderLinkId": "two", "extra": more}])
        single, batch = sent(venue, "order.create")[0]["args"][0], sent(venue, "order.create-batch")[0]["args"][0]
        row = {**ROW, "qty": "0.001", "price": "1000", **more, "newNumber": "0.001"}
        assert single == {**row, "category": "spot", "orderLinkId": "one"}
        assert batch == {"category": "spot", "request": [{**row, "orderLinkId": "two"}]}

    def test_help_shows_every_field(self) -> None:
        shown = inspect.signature(BybitTradeClient.place_order).parameters
        assert [*shown][:6] == ["self", "category", "symbol", "side", "orderType", "qty"]
        assert {*CREATE.table, "self", "extra", "timeout"} == {*shown} and [*shown][-2:] == ["extra", "timeout"]
        assert str(shown["side"].annotation) == "typing.Literal['Buy', 'Sell']"

    def test_raw_requests(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        order = {**LIMIT, "qty": "0.001", "price": "1000", "orderLinkId": "raw"}
        data = client.call("order.create", order)
        assert data == {"orderId": venue.orders()[0].id, "orderLinkId": "raw"}
        cancel = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "raw"}
        assert client.submit("order.cancel", cancel).result(5)["orderLinkId"] == "raw"
        data = client.call("order.cancel-batch", {"category": "spot", "request": [{"symbol": "BTCUSDT", "orderLinkId": "raw"}]})
        assert data["list"][0]["orderId"] == "" and data["retExtInfo"]["list"][0]["code"] != 0
        with pytest.raises(VenueError) as raised:
            client.call("order.nonsense", {})
        assert raised.value.code == 10404
        with pytest.raises(VenueError) as raised:
            client.call("subscribe", {})
        assert raised.value.code == 10404
        assert client.ping() < 5

    def test_all_sockets_agree(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        orders, executions = Recorder(), Recorder()
        with venue.client("private") as private:
            private.order_stream(orders)
            private.execution_stream(executions)
            placed = client.place_order(category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
            (execution,) = executions.wait()[0].data[:1]
            eventually(lambda: any(order.order_status == "Filled" for update in orders.items for order in update.data))
        assert (execution.order_id, execution.order_link_id) == (placed.order_id, placed.order_link_id)


class TestBatches:
    def test_place_amend_cancel(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        rows = [{**ROW, "orderLinkId": f"l{n}"} for n in range(10)]
        placed = client.place_batch_order(category="spot", request=rows)
        assert placed.ok and [order.order_link_id for order in placed] == [f"l{n}" for n in range(10)]
        assert [order.order_id for order in placed] == [order.id for order in venue.orders()]
        assert rows[0]["qty"] == D("0.001")  # not changed
        placed.raise_for_failures()
        amended = client.amend_batch_order("spot", [{"symbol": "BTCUSDT", "orderId": placed.orders[0].order_id, "price": 900}])
        assert amended.ok and venue.orders()[0].price == D(900)
        cancelled = client.cancel_batch_order("spot", [{"symbol": "BTCUSDT", "orderLinkId": f"l{n}"} for n in range(10)])
        assert cancelled.ok and len(cancelled) == 10

    def test_failures_are_no_silent_success(
        self, venue: BybitVenue, client: BybitTradeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = [{**ROW, "orderLinkId": "good"}, {**ROW, "orderLinkId": "bad", "symbol": "NOSUCH"}, {**ROW, "orderLinkId": "good"}]
        with caplog.at_level(logging.WARNING):
            result = client.place_batch_order("spot", rows)
        assert result.raw["retCode"] == 0
        assert [order.ok for order in result] == [True, False, False]
        assert not result and "2 of 3 orders failed" in caplog.text and "2 of 3 FAILED" in repr(result)
        with pytest.raises(BatchFailed) as raised:
            result.raise_for_failures()
        assert [order.order_link_id for order in raised.value.failed] == ["bad", "good"]
        assert len(venue.orders()) == 1

    def test_every_order_gets_an_id(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        result = client.place_batch_order("spot", [ROW, {**ROW, "orderLinkId": "mine"}])
        generated, given = (order.order_link_id for order in result)
        assert generated.startswith("dbx-") and given == "mine"

    def test_rate_limit_of_the_tail(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.limit_rate(2)
        result = client.place_batch_order("spot", [ROW] * 3)
        assert [order.code for order in result] == [0, 0, 10006]

    def test_refused_whole(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.fail_next(10429, "System level frequency protection", with_header=False)
        with pytest.raises(RateLimited):
            client.cancel_batch_order("spot", [{"symbol": "BTCUSDT", "orderId": "o"}])


class TestRefusals:
    @pytest.mark.parametrize("with_header", [True, False])
    @pytest.mark.parametrize("with_req_id", [True, False])
    def test_codes(self, venue: BybitVenue, client: BybitTradeClient, with_header: bool, with_req_id: bool) -> None:
        for kind, codes in {
            AuthError: (10003, 10004, 10005, 10010),
            RateLimited: (10006, 10403, 10429, 20003),
            VenueError: (10001, 10019, 20006, 110007, 170131),
            ServerFailed: (10016,),
        }.items():
            for code in codes:
                venue.fail_next(code, "why not", with_header=with_header, with_req_id=with_req_id)
                with pytest.raises(VenueError, match="why not") as raised:
                    client.place_order(**LIMIT)
                assert (type(raised.value), raised.value.code) == (kind, code)
                assert ("header" in raised.value.reply, "reqId" in raised.value.reply) == (with_header, with_req_id)
                if kind is ServerFailed:  # it may have been placed: the order is named
                    assert isinstance(raised.value, OutcomeUnknown) and raised.value.order_link_id.startswith("dbx-")
        # Not even a refused key of one request ends the client.
        assert client.place_order(**LIMIT).order_id

    def test_a_late_one_without_an_id_is_not_given_to_the_next_request(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.hold_answers()
        with pytest.raises(RequestTimeout):
            client.place_order(**LIMIT, orderLinkId="first", timeout=0.2)
        second = Background(client.place_order, **LIMIT, orderLinkId="second", timeout=0.5)
        venue.wait_until(lambda: len(venue.orders()) == 2)
        venue.send_frame('{"retCode":10429,"retMsg":"too many","op":"order.create"}', path="/v5/trade")
        # Whose it is nobody knows: the second order is placed, and must not be said to be refused.
        with pytest.raises(RequestTimeout) as raised:
            second.result()
        assert raised.value.order_link_id == "second"
        assert [order.link_id for order in venue.orders()] == ["first", "second"]
        assert client.stats().bad_frames == 1

    def test_without_an_id_of_several_requests(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.hold_answers()
        first = Background(client.place_order, **LIMIT, orderLinkId="first", timeout=0.5)
        second = Background(client.cancel_order, category="spot", symbol="BTCUSDT", orderLinkId="none", timeout=5)
        assert venue.wait_until(lambda: len(sent(venue, "order.create")) == len(sent(venue, "order.cancel")) == 1)
        other = Background(client.place_order, **LIMIT, orderLinkId="other", timeout=0.5)
        assert venue.wait_until(lambda: len(sent(venue, "order.create")) == 2)
        venue.send_frame({"retCode": 10005, "retMsg": "Permission denied", "op": "order.create", "connId": "c"}, "/v5/trade")
        venue.send_frame({"success": False, "ret_msg": "Params Error", "op": "order.cancel", "conn_id": "c"}, "/v5/trade")
        assert type(second.error()) is VenueError  # the one of its operation
        for pending, link_id in ((first, "first"), (other, "other")):  # either may be meant
            error = pending.error()
            assert isinstance(error, RequestTimeout) and error.order_link_id == link_id
        venue.release_answers()

    def test_wrong_key(self, venue: BybitVenue) -> None:
        for wrong in ({"api_key": "other"}, {"api_secret": "other"}):
            client = venue.client("trade", options=QUICK, **wrong)
            for _ in range(2):
                with pytest.raises(AuthError, match="the login was refused"):
                    client.place_order(**LIMIT)
            assert client.state is State.FAILED
            client.close()
        assert venue.connection_count == 2 and not sent(venue, "order.create")

    def test_private_socket_at_the_address(self, venue: BybitVenue) -> None:
        client = venue.client("trade", url=venue.url("/v5/private"))
        with pytest.raises(VenueError, match="check the address"):
            client.open()
        client.close()


class TestClock:
    @pytest.mark.parametrize("skew", [60, 3600])
    def test_behind(self, venue: BybitVenue, skew: float) -> None:
        venue.clock_skew(skew)
        with venue.client("trade", options=QUICK) as client:
            assert client.place_order(**LIMIT).order_id

    def test_behind_and_opened_by_the_first_order(self, venue: BybitVenue) -> None:
        venue.clock_skew(60)
        client = venue.client("trade", options=QUICK)
        assert client.place_order(**LIMIT).order_id
        client.close()

    def test_ahead_is_learned_from_the_refusal(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.clock_skew(-30)
        venue.fail_next(10002, "", with_header=True)  # as the live venue is documented: the header tells its time
        with pytest.raises(VenueError) as raised:
            client.place_order(**LIMIT)
        assert raised.value.code == 10002
        assert client.place_order(**LIMIT).order_id
        assert len(venue.orders()) == 1

    def test_ahead(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.clock_skew(-30)
        with pytest.raises(VenueError, match="clock") as raised:
            client.place_order(**LIMIT)
        assert raised.value.code == 10002 and venue.orders() == []


class TestOutcomes:
    @pytest.mark.parametrize("executed", [True, False])
    def test_connection_that_dies(self, venue: BybitVenue, client: BybitTradeClient, executed: bool) -> None:
        venue.drop_after_next_request(executed)
        with pytest.raises(ConnectionLost) as raised:
            client.place_order(**LIMIT, orderLinkId="mine")
        assert raised.value.order_link_id == "mine" and raised.value.request_id == sent(venue, "order.create")[0]["reqId"]
        eventually(client.is_connected)
        assert client.ping() < 5
        assert len(venue.orders()) == executed
        assert len(sent(venue, "order.create")) == 1  # never sent again

    def test_id_that_was_made_up(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.drop_after_next_request(True)
        with pytest.raises(OutcomeUnknown) as raised:
            client.place_order(**LIMIT)
        assert raised.value.order_link_id == venue.orders()[0].link_id

    def test_no_answer(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        venue.hold_answers()
        for call in (
            lambda: client.place_order(**LIMIT, orderLinkId="mine", timeout=0.05),
            lambda: client.amend_order(category="spot", symbol="BTCUSDT", orderLinkId="mine", price=1, timeout=0.05),
            lambda: client.cancel_order(category="spot", symbol="BTCUSDT", orderLinkId="mine", timeout=0.05),
            lambda: client.call("order.cancel", {"category": "spot", "symbol": "A", "orderLinkId": "mine"}, timeout=0.05),
            lambda: client.place_batch_order("spot", [{**ROW, "orderLinkId": "mine"}], timeout=0.05),
        ):
            with pytest.raises(RequestTimeout) as raised:
                call()
            assert raised.value.order_link_id == "mine"
        with pytest.raises(RequestTimeout) as raised:
            client.cancel_order(category="spot", symbol="BTCUSDT", orderId="o", timeout=0.05)
        assert raised.value.order_link_id is None
        with pytest.raises(RequestTimeout) as raised:
            client.place_batch_order("spot", [{**ROW, "orderLinkId": "a"}, {**ROW, "orderLinkId": "b"}], timeout=0.05)
        unknown: Any = raised.value
        assert (unknown.order_link_id, unknown.order_link_ids) == (None, ("a", "b"))

    def test_request_that_waits_for_the_next_connection_has_a_fresh_time(self, venue: BybitVenue) -> None:
        slow = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)
        with venue.client("trade", options=slow) as client:
            venue.refuse_connections(503)
            venue.drop_connections()
            eventually(lambda: not client.is_connected())
            waiting = Background(client.place_order, **LIMIT)
            with pytest.raises(ConnectError, match="nothing was sent"):
                client.place_order(**LIMIT, timeout=0.05)
            venue.clock_skew(20)  # what the request was made with would not do any more
            venue.accept_connections()
            assert waiting.result().order_id
        assert len(venue.orders()) == 1

    def test_on_the_reader_thread(self, venue: BybitVenue) -> None:
        errors = Recorder()
        client = venue.client("trade", options=Options(dispatch="inline"))

        def place(_: Any) -> None:
            try:
                client.place_order(**LIMIT)
            except WrongThreadError as error:
                errors(error)

        client.on_event(place)
        client.ping()
        errors.wait()
        client.close()
        assert not sent(venue, "order.create")

    def test_500_at_once_answered_in_shuffled_order(self, venue: BybitVenue, client: BybitTradeClient) -> None:
        kept = [client.place_order(**LIMIT).order_link_id for _ in range(250)]
        venue.hold_answers()
        ready = threading.Barrier(500)

        def ask(number: int) -> Any:
            ready.wait(10)
            if number < 250:
                return client.cancel_order(category="spot", symbol="BTCUSDT", orderLinkId=kept[number], timeout=20)
            return client.place_order(**LIMIT, orderLinkId=f"at-once-{number}", timeout=20)

        numbers = list(range(500))
        random.Random(3).shuffle(numbers)
        with ThreadPoolExecutor(500) as pool:
            futures = {number: pool.submit(ask, number) for number in numbers}
            assert venue.wait_until(lambda: client.stats().pending == 500, 20)
            assert venue.wait_until(lambda: len(sent(venue, "order.create")) + len(sent(venue, "order.cancel")) == 750, 20)
            assert venue.release_answers(seed=7) == 500
            results = {number: future.result(20) for number, future in futures.items()}
        for number, result in results.items():
            assert result.order_link_id == (kept[number] if number < 250 else f"at-once-{number}")
            assert result.raw["op"] == ("order.cancel" if number < 250 else "order.create")
        assert len({result.raw["reqId"] for result in results.values()}) == 500
        assert client.stats().pending == 0 and client.stats().bad_frames == 0
