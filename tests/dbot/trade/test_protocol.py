"""The trade socket's rules, without a socket."""

from __future__ import annotations

import json
import threading
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk.dbot.trade.protocol import DBotTradeProtocol
from dbxsdk.errors import ProtocolError, SubscribeError, VenueError
from dbxsdk.protocol import Push, Reply, Request

RESULT = {
    "id": "t1_buy",
    "state": "done",
    "source": "swap_order",
    "type": "buy",
    "createAt": 1700000000123,
    "timestamp": 1700000001,
}


@pytest.fixture
def protocol() -> DBotTradeProtocol:
    return DBotTradeProtocol()


def receive(protocol: DBotTradeProtocol, document: Any) -> List[Any]:
    return list(protocol.receive(json.dumps(document).encode(), False))


def wire(request: Request) -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads(request.frame)
    return document


def result(**change: Any) -> Dict[str, Any]:
    return {"method": "tradeResultNotify", "result": {**RESULT, **change}}


def wanting(protocol: DBotTradeProtocol, *topics: str) -> DBotTradeProtocol:
    protocol.subscribe(topics, ())
    return protocol


# -- requests --------------------------------------------------------------------------------------


def test_a_request(protocol: DBotTradeProtocol) -> None:
    request = protocol.request("updateFollowOrder", {"id": "x", "enabled": False})
    assert wire(request) == {"id": request.key, "method": "updateFollowOrder", "params": {"id": "x", "enabled": False}}
    assert (request.kind, request.topics, request.alone, request.is_ping) == ("updateFollowOrder", (), False, False)


def test_a_request_without_params_has_no_such_key(protocol: DBotTradeProtocol) -> None:
    assert set(wire(protocol.request("deleteAllLimitOrders", None))) == {"id", "method"}
    assert wire(protocol.request("x", {}))["params"] == {}


def test_ids_are_integers_that_javascript_counts_exactly_and_never_come_twice(protocol: DBotTradeProtocol) -> None:
    keys: List[Any] = []

    def take() -> None:
        other = DBotTradeProtocol()
        keys.extend(other.request("x", None).key for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1000
    assert all(type(key) is int and 0 < key < 2**53 for key in keys)


@pytest.mark.parametrize("method, params, error, message", [
    ("subscribeTradeResults", None, ValueError, "use subscribe"),
    ("x", [1], TypeError, "params must be a dict, or None, not list"),
    ("x", "y", TypeError, "params must be a dict"),
    ("x", {"a": object()}, TypeError, "params.a must be a JSON value"),
])
def test_bad_requests(protocol: DBotTradeProtocol, method: Any, params: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        protocol.request(method, params)


def test_the_heartbeat_is_a_websocket_ping(protocol: DBotTradeProtocol) -> None:
    first, second = protocol.heartbeat(), protocol.heartbeat()
    assert first.is_ping and first.frame == first.key != second.key and first.kind == "ping"
    assert len(first.frame.encode()) <= 125
    assert protocol.heartbeat_interval <= 55
    assert protocol.conclude(first, Reply(first.key, None)) is None


# -- subscriptions ---------------------------------------------------------------------------------


def test_topics(protocol: DBotTradeProtocol) -> None:
    assert protocol.topics("tradeResults", ()) == ("tradeResults",)
    assert protocol.topics("tradeResults", ("swap_buy_fail", "new_type", "swap_buy_fail")) == (
        "tradeResults.swap_buy_fail",
        "tradeResults.new_type",
    )
    assert protocol.topics_of("tradeResults", ["tradeResults", "tradeResults.x"]) == ("tradeResults", "tradeResults.x")
    for method in (protocol.topics, protocol.topics_of):
        with pytest.raises(ValueError, match="channel must be 'tradeResults', not 'tx'"):
            method("tx", ())


@pytest.mark.parametrize("topics, live, types", [
    (["tradeResults.a"], [], ["a"]),
    (["tradeResults.b", "tradeResults.c"], ["tradeResults.a"], ["a", "b", "c"]),
    (["tradeResults.a"], ["tradeResults.a"], ["a"]),
    (["tradeResults"], [], []),
    (["tradeResults"], ["tradeResults.a"], []),
    (["tradeResults.a"], ["tradeResults"], []),
])
def test_every_filter_is_for_all_that_is_wanted(protocol: DBotTradeProtocol, topics: Any, live: Any, types: Any) -> None:
    (request,) = protocol.subscribe(topics, live)
    assert wire(request) == {"method": "subscribeTradeResults", "tradeTypeFilter": types}
    assert request.topics == tuple(dict.fromkeys([*live, *topics])) and request.alone and request.kind == "subscribeTradeResults"


def test_unsubscribing_some_narrows_the_filter(protocol: DBotTradeProtocol) -> None:
    ping, request = protocol.unsubscribe(["tradeResults.a"], ["tradeResults.b"])
    assert ping.is_ping and ping.topics == ("tradeResults.a",)
    assert wire(request) == {"method": "subscribeTradeResults", "tradeTypeFilter": ["b"]}
    assert request.topics == ("tradeResults.b",) and request.alone
    _, request = protocol.unsubscribe(["tradeResults"], ["tradeResults.b"])
    assert wire(request)["tradeTypeFilter"] == ["b"]


@pytest.mark.parametrize("live", [[], ["tradeResults"]])
def test_unsubscribing_the_last_tells_the_venue_nothing(protocol: DBotTradeProtocol, live: Any) -> None:
    # An empty filter would mean everything. Only a ping goes out, by whose pong the topics are left.
    (request,) = protocol.unsubscribe(["tradeResults.a"], live)
    assert request.is_ping and request.topics == ("tradeResults.a",)


def test_acknowledgement(protocol: DBotTradeProtocol) -> None:
    (request,) = protocol.subscribe(["tradeResults.a"], ())
    for document in (
        {"method": "subscribeResponse", "result": {"message": "Connected and subscribed"}},
        {"status": "ack", "method": "subscribeResponse", "result": {"type": "tradeResults", "t": 1}},
        {"method": "subscribeResponse"},
    ):
        (reply,) = receive(protocol, document)
        assert reply == Reply(None, document, "subscribeTradeResults")
        assert protocol.acknowledge(request, reply).accepted == request.topics


@pytest.mark.parametrize("document, message, code", [
    ({"method": "subscribeResponse", "result": {"err": True, "message": "no plan", "code": 7}}, "no plan", 7),
    ({"method": "subscribeResponse", "status": "error", "result": {"message": "no plan"}}, "no plan", None),
    ({"method": "subscribeResponse", "result": {"err": True, "res": "no plan"}}, "no plan", None),
    ({"method": "subscribeResponse", "result": {"err": {"message": "no plan"}}}, "no plan", None),
    ({"method": "subscribeResponse", "result": {"err": True}}, "gave no reason", None),
    ({"err": True, "res": "no plan"}, "no plan", None),
])
def test_refused_subscription(protocol: DBotTradeProtocol, document: Any, message: str, code: Any) -> None:
    (request,) = protocol.subscribe(["tradeResults.a", "tradeResults.b"], ())
    (reply,) = receive(protocol, document)
    refused = protocol.acknowledge(request, reply).refused
    assert set(refused) == set(request.topics)
    error = refused["tradeResults.a"]
    assert isinstance(error, SubscribeError) and message in error.message
    assert (error.code, error.reply) == (code, document)


# -- replies ---------------------------------------------------------------------------------------


def test_replies_go_by_id(protocol: DBotTradeProtocol) -> None:
    request = protocol.request("getSwapOrder", {"orderId": "x"})
    document = {"method": "rpcResponse", "id": request.key, "result": {"err": False, "res": {"id": "x"}}}
    (reply,) = receive(protocol, document)
    assert reply.key == request.key
    assert protocol.conclude(request, reply) == {"id": "x"}


def test_a_result_may_lack_res(protocol: DBotTradeProtocol) -> None:
    request = protocol.request("updateFollowOrder", {})
    (reply,) = receive(protocol, {"method": "rpcResponse", "id": request.key, "result": {"err": False}})
    assert protocol.conclude(request, reply) is None


@pytest.mark.parametrize("change, message, code", [
    ({"result": {"err": True, "res": "task not found"}}, "task not found", None),
    ({"result": {"err": True, "res": {"message": "bad", "code": "E_X"}}}, "bad", "E_X"),
    ({"result": {"err": True, "errorCode": 12, "errorMessage": "bad"}}, "bad", 12),
    ({"result": {"err": True}}, "the venue refused createSwapOrder and gave no reason", None),
    ({"result": {"err": "not today"}}, "not today", None),
    ({"err": True, "res": "limit"}, "limit", None),
    ({"error": {"message": "x", "code": 3}}, "x", 3),
])
def test_errors_keep_the_whole_reply(protocol: DBotTradeProtocol, change: Any, message: str, code: Any) -> None:
    request = protocol.request("createSwapOrder", {})
    document = {"method": "rpcResponse", "id": request.key, **change}
    (reply,) = receive(protocol, document)
    with pytest.raises(VenueError) as raised:
        protocol.conclude(request, reply)
    assert (raised.value.message, raised.value.code, raised.value.reply) == (message, code, document)


@pytest.mark.parametrize("change", [
    {},
    {"result": None},
    {"result": []},
    {"result": {}},
    {"result": {"err": None, "res": 1}},
    {"result": {"err": 0}},
    {"result": {"res": {"id": "x"}}},
])
def test_what_is_neither_yes_nor_no_is_no_success(protocol: DBotTradeProtocol, change: Any) -> None:
    request = protocol.request("createSwapOrder", {})
    (reply,) = receive(protocol, {"method": "rpcResponse", "id": request.key, **change})
    with pytest.raises(ProtocolError, match="neither that it worked nor that it failed"):
        protocol.conclude(request, reply)


def test_an_error_without_an_id_belongs_to_whoever_waits_alone(protocol: DBotTradeProtocol) -> None:
    document = {"method": "rpcResponse", "id": None, "result": {"err": True, "res": "bad JSON"}}
    assert receive(protocol, document) == [Reply(None, document)]


@pytest.mark.parametrize("document", [
    {"method": "rpcResponse", "result": {"err": False}},
    {"method": "rpcResponse", "id": "7", "result": {"err": False}},
    {"method": "rpcResponse", "id": True, "result": {"err": False}},
    {"method": "tradeResultNotify"},
    {"method": "tradeResultNotify", "result": [1]},
    {"method": "somethingNew"},
    {},
    [],
    None,
    5,
])
def test_bad_frames(protocol: DBotTradeProtocol, document: Any) -> None:
    with pytest.raises(ProtocolError):
        receive(protocol, document)


@pytest.mark.parametrize("payload, binary", [(b"{", False), (b"\xff", False), (b"", False), (b"{}", True)])
def test_what_is_no_json_text(protocol: DBotTradeProtocol, payload: bytes, binary: bool) -> None:
    with pytest.raises(ProtocolError):
        protocol.receive(payload, binary)


# -- trade results ---------------------------------------------------------------------------------


def topics_of(pushes: List[Any]) -> List[Any]:
    return [(push.topic, push.symbol) for push in pushes]


def test_a_result_goes_to_its_type_and_to_whoever_wants_all(protocol: DBotTradeProtocol) -> None:
    wanting(protocol, "tradeResults.swap_buy_success", "tradeResults.swap_sell_success", "tradeResults")
    document = result()
    pushes = receive(protocol, document)
    assert topics_of(pushes) == [
        ("tradeResults.swap_buy_success", "swap_buy_success"),
        ("tradeResults", "swap_buy_success"),
    ]
    push = pushes[0]
    assert isinstance(push, Push) and push.document == document and (push.channel, push.kind) == ("tradeResults", "update")
    assert push.venue_time_ms == 1700000001000
    assert push.read(push.payload).id == "t1_buy"
    assert pushes[0].payload is pushes[1].payload  # one value for both


def test_a_result_that_was_not_asked_for_is_passed_over(protocol: DBotTradeProtocol) -> None:
    wanting(protocol, "tradeResults.swap_sell_success")
    assert receive(protocol, result()) == []


def test_after_the_last_unsubscribe_results_are_passed_over(protocol: DBotTradeProtocol) -> None:
    wanting(protocol, "tradeResults")
    protocol.unsubscribe(["tradeResults"], [])
    assert receive(protocol, result()) == []
    wanting(protocol, "tradeResults")
    assert len(receive(protocol, result())) == 1
    protocol.reset()
    assert receive(protocol, result()) == []


def test_a_failure_without_a_direction_goes_to_both(protocol: DBotTradeProtocol) -> None:
    wanting(protocol, "tradeResults.follow_buy_fail", "tradeResults.follow_sell_fail", "tradeResults")
    pushes = receive(protocol, result(source="follow_order", state="fail", type="fail", timestamp=None))
    topics = ["tradeResults.follow_buy_fail", "tradeResults.follow_sell_fail", "tradeResults"]
    assert topics_of(pushes) == [(topic, "") for topic in topics]
    assert pushes[0].venue_time_ms == 1700000000123


@pytest.mark.parametrize("change", [{"state": "processing"}, {"source": "elsewhere"}, {"source": "bridge_order"}])
def test_what_cannot_be_told_goes_to_all_takers_and_to_those_of_unknown_types(protocol: DBotTradeProtocol, change: Any) -> None:
    wanting(protocol, "tradeResults", "tradeResults.swap_buy_success", "tradeResults.bridge_done")
    assert [push.topic for push in receive(protocol, result(**change))] == ["tradeResults.bridge_done", "tradeResults"]


def test_an_unknown_type_of_the_same_pattern_is_told(protocol: DBotTradeProtocol) -> None:
    wanting(protocol, "tradeResults.bridge_buy_success", "tradeResults.other")
    assert topics_of(receive(protocol, result(source="bridge_order"))) == [
        ("tradeResults.bridge_buy_success", "bridge_buy_success")
    ]


def test_what_a_sniper_traded_goes_to_takers_of_fast_trades_too(protocol: DBotTradeProtocol) -> None:
    wanting(protocol, "tradeResults.swap_buy_success", "tradeResults.swap_sell_success", "tradeResults.snipe_buy_success")
    topics = ["tradeResults.swap_buy_success", "tradeResults.snipe_buy_success"]
    assert topics_of(receive(protocol, result(source="snipe_order"))) == [(topic, "") for topic in topics]


# -- whatever arrives ------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "method", "result", "err", "res", "status", "error", "state", "source", "type", "createAt"])
        | st.text(max_size=3),
        inner | st.sampled_from(["rpcResponse", "subscribeResponse", "tradeResultNotify", "done", "fail", "swap_order"]),
    ),
    max_leaves=15,
)


@given(st.binary() | JSON.map(lambda document: json.dumps(document).encode()), st.booleans())
def test_receive_raises_protocol_errors_alone(payload: bytes, binary: bool) -> None:
    protocol = wanting(DBotTradeProtocol(), "tradeResults", "tradeResults.swap_buy_fail")
    try:
        items = protocol.receive(payload, binary)
    except ProtocolError:
        return
    for item in items:
        if isinstance(item, Push):
            try:
                item.read(item.payload)
            except ProtocolError:
                pass


@given(JSON)
def test_acknowledge_never_raises_and_conclude_raises_what_it_may(document: Any) -> None:
    protocol = DBotTradeProtocol()
    (request,) = protocol.subscribe(["tradeResults.a"], ())
    acknowledgement = protocol.acknowledge(request, Reply(None, document))
    assert {*acknowledgement.accepted, *acknowledgement.refused} == {"tradeResults.a"}
    try:
        protocol.conclude(protocol.request("x", None), Reply(1, document))
    except (VenueError, ProtocolError):
        pass
