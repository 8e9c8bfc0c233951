"""The order entry protocol alone: requests, what their replies mean, and what the results hold."""

from __future__ import annotations

import copy
import json
from typing import Any, Dict, Tuple

import pytest
from hypothesis import given, settings, strategies as st

from dbxsdk import AuthError, ProtocolError, RateLimited, VenueError
from dbxsdk.bybit import ServerFailed
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.trade.protocol import CANCEL_BATCH, CREATE, CREATE_BATCH, BybitTradeProtocol
from dbxsdk.bybit.trade.results import BatchFailed, BatchResult, RateLimit, failures, read_batch, read_order
from dbxsdk.bybit.venue_clock import VenueClock
from dbxsdk.errors import fresh
from dbxsdk.protocol import Acknowledgement, Reply, Request
from tests.bybit.clocks import Clocks

KEY, SECRET = "key-of-tests", "secret-of-tests"
NOW = 1_700_000_000_000
HEADER = {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "19", "X-Bapi-Limit-Reset-Timestamp": "1700000001000", "Traceid": "t"}


def make(**options: Any) -> BybitTradeProtocol:
    return BybitTradeProtocol(Credentials(KEY, SECRET), **{"clock": VenueClock(lambda: NOW / 1000), **options})


@pytest.fixture
def protocol() -> BybitTradeProtocol:
    return make()


def receive(protocol: BybitTradeProtocol, document: Any) -> Reply:
    (inbound,) = protocol.receive(json.dumps(document).encode(), False)
    assert isinstance(inbound, Reply)
    return inbound


def conclude(protocol: BybitTradeProtocol, request: Request, **document: Any) -> Any:
    answer = {"reqId": request.key, "op": request.kind, "connId": "c", **document}
    return protocol.conclude(request, receive(protocol, answer))


def time_of(request: Request) -> int:
    return int(json.loads(request.frame)["header"]["X-BAPI-TIMESTAMP"])


class TestRequests:
    def test_what_the_venue_documents(self, protocol: BybitTradeProtocol) -> None:
        assert (protocol.venue, protocol.heartbeat_interval, protocol.connection_budget) == ("bybit", 20.0, (500, 300.0))

    def test_order(self, protocol: BybitTradeProtocol) -> None:
        order = {"category": "spot", "symbol": "AUSDT"}
        request = protocol.request("order.create", order)
        assert json.loads(request.frame) == {
            "reqId": request.key, "header": {"X-BAPI-TIMESTAMP": str(NOW)}, "op": "order.create", "args": [order],
        }
        assert (request.kind, request.topics) == ("order.create", ())

    @pytest.mark.parametrize("params, ids", [
        ({"category": "spot", "orderLinkId": "mine"}, ("mine",)),
        ({"category": "spot", "orderId": "o", "orderLinkId": None}, ()),
        ({"category": "spot", "request": [{"orderLinkId": "a"}, {"orderId": "o"}, {"orderLinkId": "b"}]}, ("a", "b")),
        ({"request": "no list"}, ()),
        ({"request": [1, None]}, ()),
    ])
    def test_it_names_the_orders_that_it_is_about(
        self, protocol: BybitTradeProtocol, params: Dict[str, Any], ids: Tuple[str, ...]
    ) -> None:
        assert protocol.request("order.create", params).order_link_ids == ids
        assert protocol.request("ping", None).order_link_ids == ()

    def test_header(self) -> None:
        protocol = make(recv_window=8000, referer="broker-1")
        assert json.loads(protocol.request("order.cancel", {}).frame)["header"] == {
            "X-BAPI-TIMESTAMP": str(NOW), "X-BAPI-RECV-WINDOW": "8000", "Referer": "broker-1",
        }

    def test_time_is_that_of_the_request(self) -> None:
        moments = iter([1.5, 2.25])
        protocol = make(clock=VenueClock(lambda: next(moments)))
        assert [time_of(protocol.request("order.create", {})) for _ in range(2)] == [1500, 2250]

    def test_time_is_the_venues_once_the_login_asked_for_it(self) -> None:
        protocol = make(**Clocks(NOW, wrong_ms=-7_000).options())
        (login,) = protocol.login(0)
        (ping,) = protocol.login_answered(login, receive(protocol, {"retCode": 0, "retMsg": "OK", "op": "auth"}), 0)
        assert time_of(protocol.request(CREATE, {})) == NOW - 7_000
        pong = receive(protocol, {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(NOW)], "connId": "c"})
        assert protocol.login_answered(ping, pong, 0) == ()
        protocol.reset()
        assert time_of(protocol.request(CREATE, {})) == NOW

    def test_heartbeat_has_no_header(self, protocol: BybitTradeProtocol) -> None:
        request = protocol.heartbeat()
        assert json.loads(request.frame) == {"reqId": request.key, "op": "ping"}
        assert request.kind == "ping"

    def test_ids_are_short_and_not_used_twice(self, protocol: BybitTradeProtocol) -> None:
        keys = [str(protocol.request("order.create", {}).key) for _ in range(2000)]
        assert len(set(keys)) == 2000 and max(map(len, keys)) <= 36

    @pytest.mark.parametrize("method, params, error, name", [
        ("order.create", [{}], TypeError, "params"),
        ("order.create", "x", TypeError, "params"), ("order.create", 5, TypeError, "params"),
    ])
    def test_wrong_arguments(self, protocol: BybitTradeProtocol, method: Any, params: Any, error: Any, name: str) -> None:
        with pytest.raises(error, match=name):
            protocol.request(method, params)

    def test_no_subscriptions(self, protocol: BybitTradeProtocol) -> None:
        with pytest.raises(ValueError, match="channel 'order'.*no subscriptions.*BybitPrivateClient"):
            protocol.topics("order", ())
        assert protocol.topics_of("order", ["order"]) == ()
        assert protocol.subscribe(["order"], ()) == protocol.unsubscribe(["order"], ()) == ()


class TestReplies:
    @pytest.mark.parametrize("document, key, kind, ordered", [
        ({"reqId": "r", "retCode": 0, "retMsg": "OK", "op": "order.create", "data": {}}, "r", "order.create", False),
        ({"retCode": 10005, "retMsg": "x", "op": "order.create"}, None, "order.create", False),
        ({"reqId": "r", "retCode": 10005, "retMsg": "x"}, "r", None, False),
        ({"retCode": 0, "op": "auth"}, None, "auth", False),
        ({"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1"]}, None, "ping", True),
        ({"reqId": "r", "retCode": 0, "op": "pong"}, "r", "ping", True),
        ({"success": False, "ret_msg": "Params Error", "op": "order.create", "conn_id": "c"}, None, "order.create", False),
        ({"op": "subscribe", "reqId": "r", "retCode": 10404, "retMsg": ""}, "r", "subscribe", False),
    ])
    def test_which_request(self, protocol: BybitTradeProtocol, document: Any, key: Any, kind: Any, ordered: bool) -> None:
        inbound = receive(protocol, document)
        assert (inbound.key, inbound.kind, inbound.ordered, inbound.document) == (key, kind, ordered, document)

    @pytest.mark.parametrize("payload", [
        b"", b"x", b"[]", b"{}", b"null", b'{"retCode":0}', b'{"retCode":null,"reqId":"r"}', b'{"retCode":true,"reqId":"r"}',
        b'{"retCode":"ok","reqId":"r"}', b'{"retCode":0.5,"reqId":"r"}', b'{"reqId":5,"retCode":0}', b'{"success":false}',
        b'{"success":true,"op":"order.create"}', b'{"topic":"order","data":[]}', b"\xff",
    ])
    def test_unreadable(self, protocol: BybitTradeProtocol, payload: bytes) -> None:
        with pytest.raises(ProtocolError):
            protocol.receive(payload, False)

    def test_binary(self, protocol: BybitTradeProtocol) -> None:
        with pytest.raises(ProtocolError, match="binary"):
            protocol.receive(b'{"retCode":0,"op":"auth"}', True)


class TestOutcomes:
    def test_data(self, protocol: BybitTradeProtocol) -> None:
        request = protocol.request(CREATE, {})
        assert conclude(protocol, request, retCode=0, retMsg="", data={"orderId": "o"}) == {"orderId": "o"}
        assert conclude(protocol, request, retCode="0", data={"orderId": "o"}) == {"orderId": "o"}
        assert conclude(protocol, request, retCode=0) is None

    def test_ping(self, protocol: BybitTradeProtocol) -> None:
        request = protocol.heartbeat()
        assert conclude(protocol, request, op="pong", retCode=0, data=["1700000000000"]) == ["1700000000000"]

    def test_data_of_a_batch_has_what_failed(self, protocol: BybitTradeProtocol) -> None:
        data = {"list": [{"orderId": ""}]}
        verdict = {"list": [{"code": 10001, "msg": "no"}]}
        for op in (CREATE_BATCH, CANCEL_BATCH):
            request = protocol.request(op, {})
            assert conclude(protocol, request, retCode=0, data=data, retExtInfo=verdict) == {**data, "retExtInfo": verdict}

    @pytest.mark.parametrize("code, kind", [
        (10001, VenueError), (10002, VenueError), (10003, AuthError), (10004, AuthError), (10005, AuthError),
        (10006, RateLimited), (10010, AuthError),
        (10016, ServerFailed), (10019, VenueError), (10403, RateLimited), (10404, VenueError),
        (10429, RateLimited), (20001, VenueError), (20003, RateLimited), (20006, VenueError), (110001, VenueError),
        (110007, VenueError), (170131, VenueError),
    ])
    def test_codes(self, protocol: BybitTradeProtocol, code: int, kind: Any) -> None:
        request = protocol.request(CREATE, {})
        for rest in ({"data": {}, "retExtInfo": {}, "header": HEADER}, {}):  # of the business, and of the gateway
            with pytest.raises(VenueError, match="why not") as raised:
                conclude(protocol, request, retCode=code, retMsg="why not", **rest)
            assert (type(raised.value), raised.value.code) == (kind, code)
            assert raised.value.reply["retCode"] == code

    def test_two_meanings_of_10003(self, protocol: BybitTradeProtocol) -> None:
        with pytest.raises(RateLimited):
            conclude(protocol, protocol.request(CREATE, {}), retCode=10003, retMsg="Too many sessions under the same UID.")

    @pytest.mark.parametrize("code, advice", [
        (10002, "clock"), (10016, "before trying again"), (10019, "new client"), (10404, "unknown operation"), (20006, "twice"),
        (99999, "no reason"),
    ])
    def test_words_where_the_venue_has_none(self, protocol: BybitTradeProtocol, code: int, advice: str) -> None:
        for text in ({"retMsg": ""}, {}):
            with pytest.raises(VenueError, match=advice):
                conclude(protocol, protocol.request(CREATE, {}), retCode=code, **text)

    def test_private_sockets_refusal(self, protocol: BybitTradeProtocol) -> None:
        request = protocol.request(CREATE, {})
        answer = receive(protocol, {"success": False, "ret_msg": "Params Error", "op": CREATE, "conn_id": "c"})
        with pytest.raises(VenueError, match="Params Error.*check the address") as raised:
            protocol.conclude(request, answer)
        assert (type(raised.value), raised.value.code) == (VenueError, None)

    def test_each_answer_tells_the_time(self) -> None:
        protocol = make(**Clocks(NOW, wrong_ms=900).options())
        conclude(protocol, protocol.request(CREATE, {}), retCode=0, data={}, header={"Timenow": str(NOW)})
        assert time_of(protocol.request(CREATE, {})) == NOW

    @pytest.mark.parametrize("told", [
        {"retMsg": "", "header": {"Timenow": str(NOW)}},
        {"retMsg": f"invalid request, req_timestamp[1],server_timestamp[{NOW}],recv_window[5000]"},
    ], ids=["header", "words"])
    @pytest.mark.parametrize("wrong_ms, words", [(-3_600_000, "3,600.0 s behind the venue's"), (6_000, "6.0 s ahead of")])
    def test_a_refused_time_is_learned_from(self, told: Dict[str, Any], wrong_ms: int, words: str) -> None:
        protocol = make(**Clocks(NOW, wrong_ms=wrong_ms).options())
        with pytest.raises(VenueError, match=words + ".*from now on: try again, and set this machine's clock") as raised:
            conclude(protocol, protocol.request(CREATE, {}), retCode=10002, **told)
        assert raised.value.code == 10002
        assert time_of(protocol.request(CREATE, {})) == NOW

    def test_a_venue_whose_clock_was_set(self) -> None:
        clocks = Clocks(NOW)
        protocol = make(**clocks.options())
        conclude(protocol, protocol.request(CREATE, {}), retCode=0, data={}, header={"Timenow": str(NOW - 20_000)})
        with pytest.raises(VenueError, match="venue's clock was set since it was measured.*try again"):
            conclude(protocol, protocol.request(CREATE, {}), retCode=10002, retMsg="", header={"Timenow": str(NOW)})
        assert time_of(protocol.request(CREATE, {})) == NOW

    def test_a_request_that_waited_too_long_is_not_the_clocks_fault(self) -> None:
        clocks = Clocks(NOW)
        protocol = make(**clocks.options())
        request = protocol.request(CREATE, {})
        clocks.ms += 7_500
        with pytest.raises(VenueError, match="reached the venue 7.4 s after it was made") as raised:
            conclude(protocol, request, retCode=10002, retMsg="", header={"Timenow": str(NOW + 7_400)})
        assert "clock" not in str(raised.value)

    def test_nothing_to_learn(self, protocol: BybitTradeProtocol) -> None:
        stamps: Any = ("", "0", "9" * 30, "9" * 400, None)
        for header in ({}, *({"Timenow": stamp} for stamp in stamps), None):
            with pytest.raises(VenueError, match="this machine's clock is wrong, or it waited"):
                conclude(protocol, protocol.request(CREATE, {}), retCode=10002, retMsg="", header=header)
            assert time_of(protocol.request(CREATE, {})) == NOW

    def test_secrets_in_the_venues_words(self, protocol: BybitTradeProtocol) -> None:
        with pytest.raises(AuthError, match=r"key \*\*\* and \*\*\*"):
            conclude(protocol, protocol.request(CREATE, {}), retCode=10005, retMsg=f"key {KEY} and {SECRET}")

    def test_acknowledge_refuses(self, protocol: BybitTradeProtocol) -> None:
        request = Request("r", "", "subscribe", ("order",))
        told = protocol.acknowledge(request, receive(protocol, {"reqId": "r", "retCode": 10404, "op": "subscribe"}))
        assert set(told.refused) == {"order"} and told.refused["order"].code == 10404

    def test_typed(self, protocol: BybitTradeProtocol) -> None:
        request = protocol.typed_request(CREATE, {"a": 1}, lambda document: ("read", document["data"]))
        assert json.loads(request.frame)["args"] == [{"a": 1}]
        assert conclude(protocol, request, retCode=0, data={"orderId": "o"}) == ("read", {"orderId": "o"})
        with pytest.raises(VenueError):
            conclude(protocol, request, retCode=110001, retMsg="gone")


class TestOrderResult:
    def test_read(self) -> None:
        document = {"data": {"orderId": "o", "orderLinkId": "l"}, "header": HEADER}
        result = read_order(document, {"orderLinkId": "other"})
        assert (result.order_id, result.order_link_id, result.raw) == ("o", "l", document)
        assert result.rate_limit == RateLimit(limit=20, remaining=19, reset_ms=1700000001000)
        assert hash(result) == hash(read_order(document, {}))

    @pytest.mark.parametrize("document", [
        {}, {"data": None}, {"data": {}, "header": None}, {"data": {"orderId": 5, "orderLinkId": ""}, "header": {}},
        {"data": [], "header": {"X-Bapi-Limit": "many"}},
    ])
    def test_a_yes_is_never_lost(self, document: Dict[str, Any]) -> None:
        result = read_order(document, {"orderId": "o", "orderLinkId": "l"})
        assert (result.order_id, result.order_link_id, result.rate_limit) == ("o", "l", None)


def batch(codes: Any, orders: int = 2, **changes: Any) -> BatchResult:
    sent = [{"symbol": "AUSDT", "orderLinkId": f"l{n}"} for n in range(orders)]
    document = {
        "data": {"list": [
            {"category": "linear", "symbol": "AUSDT", "orderId": f"o{n}", "orderLinkId": f"l{n}", "createAt": "1700000000000"}
            for n in range(orders)
        ]},
        "retExtInfo": {"list": [{"code": code, "msg": "OK" if code == 0 else "no"} for code in codes]},
        "header": HEADER,
        **changes,
    }
    return read_batch(document, "linear", sent)


class TestBatchResult:
    def test_all_good(self) -> None:
        result = batch([0, 0])
        assert result.ok and bool(result) and len(result) == 2 and result.failed == ()
        assert [order.order_id for order in result] == ["o0", "o1"]
        first = result.orders[0]
        assert (first.ok, first.code, first.message, first.category, first.symbol, first.created_ms) == (
            True, 0, "OK", "linear", "AUSDT", 1700000000000
        )
        assert result.rate_limit is not None and result.rate_limit.remaining == 19
        assert "2 accepted" in repr(result)
        result.raise_for_failures()

    def test_failures_are_seen_everywhere(self) -> None:
        result = batch([0, 10001])
        assert not result.ok and not result
        assert [order.order_link_id for order in result.failed] == ["l1"]
        assert "1 of 2 FAILED" in repr(result)
        with pytest.raises(BatchFailed, match=r"1 of 2 orders failed: l1: no \(10001\)") as raised:
            result.raise_for_failures()
        error = raised.value
        assert isinstance(error, VenueError)
        assert (error.result, error.failed, error.code, error.reply) == (result, result.failed, 10001, result.raw)
        again = fresh(error)
        assert str(again) == str(error) and again.failed == error.failed
        assert copy.copy(error).result is result

    def test_many_failures_in_few_words(self) -> None:
        result = batch([10006] * 20, 20)
        assert "20 of 20 orders failed" in failures(result) and "and 17 more" in failures(result)

    @pytest.mark.parametrize("changes", [
        {"retExtInfo": {}}, {"retExtInfo": None}, {"retExtInfo": {"list": None}}, {"retExtInfo": {"list": []}},
        {"retExtInfo": {"list": [5, None]}}, {"retExtInfo": {"list": [{"code": True}, {"code": "?"}]}},
    ])
    def test_an_order_of_which_nothing_is_said_is_no_success(self, changes: Dict[str, Any]) -> None:
        result = batch([0, 0], **changes)
        assert len(result.failed) == 2
        assert {order.code for order in result} == {None}
        assert [order.order_id for order in result] == ["o0", "o1"]
        assert all("says nothing" in order.message for order in result)

    @pytest.mark.parametrize("data", [None, {}, {"list": None}, {"list": []}, {"list": [5]}, {"list": [{"orderId": None}]}])
    def test_orders_without_their_rows(self, data: Any) -> None:
        result = batch([0, 0], data=data)
        assert [order.order_link_id for order in result] == ["l0", "l1"]
        assert [order.symbol for order in result] == ["AUSDT"] * 2
        assert {order.order_id for order in result} == {""}

    @pytest.mark.parametrize("named, found", [
        (["l1", "l0"], [("o0", 10001), ("o1", 0)]), (["l1", ""], [("", None), ("o1", 10001)]),
        (["x", "l1"], [("", None), ("o1", 10001)]), (["", ""], [("o0", 0), ("o1", 10001)]),
        ([None, "l1"], [("o0", 0), ("o1", 10001)]),
    ])
    def test_rows_belong_to_the_orders_that_they_name(self, named: Any, found: Any) -> None:
        rows = [{"orderId": f"o{(name or f'l{place}')[-1]}", "orderLinkId": name} for place, name in enumerate(named)]
        result = batch([0, 10001], data={"list": rows})
        assert [(order.order_id, order.code) for order in result] == found
        assert [order.order_link_id for order in result] == ["l0", "l1"]
        assert result.unknown == tuple(order for order in result if order.code is None)

    def test_rows_of_cancelled_orders_go_by_the_venues_id(self) -> None:
        sent = [{"symbol": "AUSDT", "orderId": "a"}, {"symbol": "AUSDT", "orderId": "b"}]
        rows = [{"orderId": "b", "orderLinkId": "mine"}, {"orderId": "a", "orderLinkId": ""}]
        verdicts = [{"code": 0, "msg": "OK"}, {"code": 110001, "msg": "gone"}]
        result = read_batch({"data": {"list": rows}, "retExtInfo": {"list": verdicts}}, "linear", sent)
        assert [(order.order_id, order.ok) for order in result] == [("a", False), ("b", True)]

    def test_more_rows_than_orders(self) -> None:
        assert len(batch([0] * 5, 2)) == 2

    def test_codes_as_texts(self) -> None:
        assert batch(["0", "10001"]).orders[0].ok
        assert not batch(["0", "10001"]).orders[1].ok


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["list", "orderId", "code", "x"]), inner),
    max_leaves=8,
)
documents = st.dictionaries(
    st.sampled_from("op success ret_msg req_id reqId retCode retMsg data retExtInfo header topic type".split()),
    json_values | st.sampled_from(["order.create", "auth", "ping", "pong", True, False, 0, 10004, 10002, 10001]),
    max_size=8,
)


class TestAnything:
    @settings(max_examples=100, deadline=None)
    @given(documents)
    def test_whatever_arrives(self, document: Any) -> None:
        protocol = make()
        sent: Tuple[Dict[str, Any], ...] = ({"symbol": "A"}, {"symbol": "B"})
        requests = [
            protocol.request(CREATE, {}), protocol.request(CREATE_BATCH, {}), protocol.heartbeat(),
            protocol.typed_request(CREATE, {}, lambda told: read_order(told, {})),
            protocol.typed_request(CREATE_BATCH, {}, lambda told: read_batch(told, "spot", sent)),
        ]
        try:
            inbound: Any = protocol.receive(json.dumps(document).encode(), False)
        except ProtocolError:
            return
        for item in inbound:
            assert isinstance(protocol.acknowledge(requests[0], item), Acknowledgement)
            for request in requests:
                try:
                    protocol.conclude(request, item)
                except VenueError:
                    pass

    @given(st.binary(max_size=64))
    def test_whatever_bytes(self, payload: bytes) -> None:
        for binary in (False, True):
            try:
                make().receive(payload, binary)
            except ProtocolError:
                pass
