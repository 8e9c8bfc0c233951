"""The data socket's rules, without a socket."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk.dbot.data.protocol import DBotDataProtocol
from dbxsdk.errors import ProtocolError, SubscribeError, VenueError
from dbxsdk.protocol import Push, Reply

TRADE = {"i": "1", "t": 1700000000, "tx": "H", "d": "dex", "ac": "W1", "tt": "buy", "s": 1, "u": 150, "q": 9}


@pytest.fixture
def protocol() -> DBotDataProtocol:
    return DBotDataProtocol()


def receive(protocol: DBotDataProtocol, document: Any) -> List[Any]:
    return list(protocol.receive(json.dumps(document).encode(), False))


def wires(requests: Any) -> List[Any]:
    return ["ping" if request.is_ping else json.loads(request.frame) for request in requests]


def told(items: List[Any]) -> List[Any]:
    return [(push.topic, push.channel, push.symbol) for push in items]


# -- topics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel, symbols, topics", [
    ("tx", ("P1", "P2", "P1"), ("tx.P1", "tx.P2")),
    ("pairInfo", ("P1", "P2:T2"), ("pairInfo.P1", "pairInfo.P2:T2")),
    ("pairsInfo.1m", ("P1:T1",), ("pairsInfo.1m.P1:T1",)),
    ("walletTx", ("W1",), ("walletTx.W1",)),
    ("newPairInfo", (), ("newPairInfo",)),
    ("migratedPairInfo", (), ("migratedPairInfo",)),
])
def test_topics(protocol: DBotDataProtocol, channel: str, symbols: Any, topics: Any) -> None:
    assert protocol.topics(channel, symbols) == topics
    assert protocol.topics_of(channel, [*topics, "other.X", "tx2"]) == topics


def test_topics_of_a_type_without_its_interval(protocol: DBotDataProtocol) -> None:
    topics = ["pairsInfo.1m.P:T", "pairsInfo.1h.P:T", "pairInfo.P"]
    assert protocol.topics_of("pairsInfo", topics) == tuple(topics[:2])
    assert protocol.topics_of("pairsInfo.1h", topics) == (topics[1],)
    assert protocol.topics_of("pairInfo", topics) == (topics[2],)


@pytest.mark.parametrize("channel, symbols, message", [
    ("trades", ("P",), "channel must be one of tx, pairInfo"),
    ("tx.1m", ("P",), "channel must be one of"),
    ("pairsInfo", ("P:T",), "channel must name the interval"),
    ("pairsInfo.", ("P:T",), "channel must name an interval"),
    ("pairsInfo.1m.x", ("P:T",), "channel must name an interval"),
    ("newPairInfo", ("P",), "symbols must be left out"),
    ("tx", (), "symbols must name a pair"),
    ("walletTx", (), "symbols must name a wallet"),
    ("tx", ("P:T",), "symbols must be single addresses"),
    ("walletTx", ("W:T",), "symbols must be single addresses"),
    ("pairInfo", (":T",), "symbols must be PAIR or PAIR:TOKEN"),
    ("pairInfo", ("P:",), "symbols must be PAIR or PAIR:TOKEN"),
    ("pairInfo", ("P:T:X",), "symbols must be PAIR or PAIR:TOKEN"),
    ("pairsInfo.1m", ("P",), "symbols must be of the form PAIR:TOKEN"),
])
def test_bad_topics(protocol: DBotDataProtocol, channel: str, symbols: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        protocol.topics(channel, symbols)


def test_one_interval_a_connection(protocol: DBotDataProtocol) -> None:
    protocol.check_capacity(["pairsInfo.1m.P:T", "pairsInfo.1m.Q:T", "tx.P"])
    with pytest.raises(ValueError, match="one interval of pairsInfo, not 1h and 1m"):
        protocol.check_capacity(["pairsInfo.1m.P:T", "pairsInfo.1h.P:T"])


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("topics, live, documents", [
    (["tx.P1", "tx.P2"], [], [{"type": "tx", "args": {"pair": ["P1", "P2"]}}]),
    (["tx.P2"], ["tx.P1"], [{"type": "tx", "args": {"pair": ["P1", "P2"]}}]),
    (["pairInfo.P1", "pairInfo.P2:T2"], ["pairInfo.P0"], [
        {"type": "pairInfo", "args": {"pair": "P1"}},
        {"type": "pairInfo", "args": {"pair": "P2", "token": "T2"}},
    ]),
    (["pairsInfo.1m.P2:T2"], ["pairsInfo.1m.P1:T1", "tx.P"], [{"type": "pairsInfo", "args": {
        "pairsInfoInterval": "1m", "pairs": [{"pair": "P1", "token": "T1"}, {"pair": "P2", "token": "T2"}]}}]),
    (["walletTx.W1"], [], [{"type": "walletTx", "args": {"walletAddress": "W1"}}]),
    (["newPairInfo"], [], [{"type": "newPairInfo"}]),
    (["migratedPairInfo"], [], [{"type": "migratedPairInfo"}]),
])
def test_subscribe(protocol: DBotDataProtocol, topics: Any, live: Any, documents: Any) -> None:
    requests = protocol.subscribe(topics, live)
    assert wires(requests) == [{"method": "subscribe", **document} for document in documents]
    # Each is decided once, together with those that are named again.
    again = [topic for topic in live if topic.startswith(("tx", "pairsInfo")) and topic[:2] == topics[0][:2]]
    assert [topic for request in requests for topic in request.topics] == [*again, *topics]
    assert all(request.alone and request.kind == f"subscribe.{json.loads(request.frame)['type']}" for request in requests)
    assert len({request.key for request in requests}) == len(requests)


def test_unsubscribe_the_last_of_a_type(protocol: DBotDataProtocol) -> None:
    requests = protocol.unsubscribe(["pairInfo.P", "tx.P1", "tx.P2"], ["walletTx.W"])
    # The answer to an unsubscribe is in no page: the pong behind it says that it was read.
    assert wires(requests) == [
        {"method": "unsubscribe", "type": "pairInfo", "args": {"pair": "P"}},
        "ping",
        {"method": "unsubscribe", "type": "tx", "args": {"pair": ["P1", "P2"]}},
        "ping",
    ]
    assert [request.topics for request in requests] == [(), ("pairInfo.P",), (), ("tx.P1", "tx.P2")]
    assert not any(request.alone for request in requests)


def test_unsubscribe_some_of_a_list_asks_again_for_the_others(protocol: DBotDataProtocol) -> None:
    requests = protocol.unsubscribe(["tx.P1"], ["tx.P2", "walletTx.W"])
    assert wires(requests) == [
        {"method": "unsubscribe", "type": "tx", "args": {"pair": ["P1"]}},
        "ping",
        {"method": "subscribe", "type": "tx", "args": {"pair": ["P2"]}},
    ]
    assert [request.topics for request in requests] == [(), ("tx.P1",), ("tx.P2",)]


def test_unsubscribe_one_of_several_wallets(protocol: DBotDataProtocol) -> None:
    requests = protocol.unsubscribe(["walletTx.W1", "newPairInfo"], ["walletTx.W2"])
    assert wires(requests) == [
        {"method": "unsubscribe", "type": "walletTx", "args": {"walletAddress": "W1"}},
        "ping",
        {"method": "unsubscribe", "type": "newPairInfo"},
        "ping",
    ]


def test_there_are_no_other_requests(protocol: DBotDataProtocol) -> None:
    with pytest.raises(ValueError, match="method 'subscribe': this socket has only the requests"):
        protocol.request("subscribe", {})
    ping = protocol.heartbeat()
    assert ping.is_ping and ping.frame == ping.key and protocol.heartbeat_interval <= 55


# -- acknowledgements ------------------------------------------------------------------------------


def ack(type_: Any, subscribed: Any = None, message: str = "Connected and subscribed", **change: Any) -> Dict[str, Any]:
    result = {"type": type_, "t": 1700000000000, "subscribed": [type_] if subscribed is None else subscribed, "message": message}
    return {"status": "ack", "method": "subscribeResponse", "result": result, **change}


@pytest.mark.parametrize("document, kind", [
    (ack("tx"), "subscribe.tx"),
    (ack("walletTx", ["tx", "walletTx"]), "subscribe.walletTx"),
    (ack("tokensInfo"), "subscribe.pairsInfo"),
    (ack("tokenInfo", ["pairInfo"]), "subscribe.pairInfo"),
    (ack("tx", "?"), "subscribe.tx"),
    (ack("tx", []), "unsubscribe.tx"),
    (ack("tx", ["pairInfo"]), "unsubscribe.tx"),
    (ack("tx", message="Unsubscribed"), "unsubscribe.tx"),
    (ack("tx", method="unsubscribeResponse"), "unsubscribe.tx"),
    (ack(None), None),
    ({"method": "subscribeResponse"}, None),
])
def test_acknowledgements_go_by_type(protocol: DBotDataProtocol, document: Any, kind: Any) -> None:
    (reply,) = receive(protocol, document)
    assert (reply.key, reply.kind) == (None, kind)
    assert reply.ordered is (kind == "unsubscribe.tx")


def test_accepted(protocol: DBotDataProtocol) -> None:
    (request,) = protocol.subscribe(["tx.P1"], ())
    (reply,) = receive(protocol, ack("tx"))
    assert protocol.acknowledge(request, reply).accepted == ("tx.P1",)
    assert protocol.conclude(request, reply)["type"] == "tx"


@pytest.mark.parametrize("document", [
    {"method": "subscribeResponse", "result": {"type": "tx", "err": True, "message": "bad pair"}},
    {"method": "subscribeResponse", "status": "error", "result": {"type": "tx", "message": "bad pair", "subscribed": []}},
    {"method": "subscribeResponse", "status": "error", "type": "tx", "result": "bad pair"},
])
def test_refused(protocol: DBotDataProtocol, document: Any) -> None:
    (request,) = protocol.subscribe(["tx.P1"], ())
    (reply,) = receive(protocol, document)
    assert reply.kind == request.kind
    error = protocol.acknowledge(request, reply).refused["tx.P1"]
    assert isinstance(error, SubscribeError) and error.message == "bad pair" and error.reply == document
    with pytest.raises(VenueError, match="bad pair"):
        protocol.conclude(request, reply)


def test_an_error_of_no_type_belongs_to_whoever_waits_alone(protocol: DBotDataProtocol) -> None:
    document = {"err": True, "res": "credits are used up"}
    assert receive(protocol, document) == [Reply(None, document)]


# -- updates ---------------------------------------------------------------------------------------


def test_trades_of_no_named_pair_go_to_everybody(protocol: DBotDataProtocol) -> None:
    protocol.subscribe(["tx.P1", "tx.P2", "walletTx.W"], ())
    document = {"type": "tx", "result": [TRADE, {**TRADE, "i": "2", "t": 1700000001}]}
    pushes = receive(protocol, document)
    assert told(pushes) == [("tx.P1", "tx", ""), ("tx.P2", "tx", "")]
    assert pushes[0].payload is pushes[1].payload  # one value for both
    assert [trade.id for trade in pushes[0].read(pushes[0].payload)] == ["1", "2"]
    assert pushes[0].venue_time_ms == 1700000001000 and pushes[0].document == document


@pytest.mark.parametrize("document", [
    {"type": "tx", "pair": "P2", "result": [TRADE]},
    {"type": "tx", "result": [{**TRADE, "pair": "P2"}]},
    {"type": "tx", "result": [{**TRADE, "p": "p2"}]},
])
def test_trades_of_a_named_pair_go_to_it_alone(protocol: DBotDataProtocol, document: Any) -> None:
    protocol.subscribe(["tx.P1", "tx.P2"], ())
    assert told(receive(protocol, document)) == [("tx.P2", "tx", "P2")]


def test_trades_of_several_named_pairs_are_split(protocol: DBotDataProtocol) -> None:
    protocol.subscribe(["tx.P1", "tx.P2"], ())
    items = [{**TRADE, "pair": "P1"}, {**TRADE, "pair": "P2"}, {**TRADE, "pair": "P1"}]
    pushes = receive(protocol, {"type": "tx", "result": items})
    assert [(push.symbol, len(push.payload)) for push in pushes] == [("P1", 2), ("P2", 1)]


def test_pair_info(protocol: DBotDataProtocol) -> None:
    protocol.subscribe(["pairInfo.P1:T1", "pairInfo.P2"], ())
    pushes = receive(protocol, {"type": "pairInfo", "result": {"bt1m": 1}})
    assert told(pushes) == [("pairInfo.P1:T1", "pairInfo", ""), ("pairInfo.P2", "pairInfo", "")]
    assert pushes[0].read(pushes[0].payload).windows[0].buys == 1
    assert told(receive(protocol, {"type": "tokenInfo", "result": {"pair": "P1"}})) == [("pairInfo.P1:T1", "pairInfo", "P1:T1")]


@pytest.mark.parametrize("type_", ["pairsInfo", "tokensInfo"])
def test_pairs_info_is_split_by_pair(protocol: DBotDataProtocol, type_: str) -> None:
    protocol.subscribe(["pairsInfo.1m.P1:T1", "pairsInfo.1m.P2:T2"], ())
    pushes = receive(protocol, {"type": type_, "result": [{"p": "P2", "bt1m": 2}, {"p": "P1", "bt1m": 1}, {"p": "P3"}]})
    assert told(pushes) == [
        ("pairsInfo.1m.P2:T2", "pairsInfo.1m", "P2:T2"),
        ("pairsInfo.1m.P1:T1", "pairsInfo.1m", "P1:T1"),
        ("pairsInfo.P3", "pairsInfo", "P3"),  # not subscribed: the session tells of it once
    ]
    assert pushes[0].read(pushes[0].payload).pair == "P2"


def test_wallets(protocol: DBotDataProtocol) -> None:
    protocol.subscribe(["walletTx.W1", "walletTx.W2"], ())
    item = {**TRADE, "m": "M", "p": "P"}
    pushes = receive(protocol, {"type": "walletTx", "result": [item]})
    assert told(pushes) == [("walletTx.W1", "walletTx", "W1")]
    assert pushes[0].read(pushes[0].payload)[0].token == "M"
    # The account of a trade is that of a stranger: whose trade it is cannot be told.
    pushes = receive(protocol, {"type": "walletTx", "result": [{**item, "ac": "W9"}]})
    assert told(pushes) == [("walletTx.W1", "walletTx", ""), ("walletTx.W2", "walletTx", "")]


@pytest.mark.parametrize("type_", ["newPairInfo", "migratedPairInfo"])
def test_new_pairs(protocol: DBotDataProtocol, type_: str) -> None:
    protocol.subscribe([type_], ())
    document = {"type": type_, "result": {"p": "P", "m": "M", "ca": 1700000000123}}
    (push,) = receive(protocol, document)
    assert told([push]) == [(type_, type_, "")] and push.venue_time_ms == 1700000000123
    assert push.read(push.payload).token == "M"
    assert len(receive(protocol, {"type": type_, "result": [{"p": "P"}, {"p": "Q"}]})) == 2


def test_an_update_of_what_nobody_wants_names_its_type(protocol: DBotDataProtocol) -> None:
    assert told(receive(protocol, {"type": "tx", "result": [TRADE]})) == [("tx", "tx", "")]
    assert told(receive(protocol, {"type": "tx", "result": [{**TRADE, "p": "P"}]})) == [("tx.P", "tx", "P")]
    protocol.subscribe(["tx.P1"], ())
    protocol.reset()
    assert told(receive(protocol, {"type": "tx", "result": [TRADE]})) == [("tx", "tx", "")]
    assert receive(protocol, {"type": "tx", "result": []}) == []


@pytest.mark.parametrize("document", [{"type": "kline", "result": []}, {"type": "tx"}, {"type": 5, "result": []}, {}, [], 5])
def test_bad_frames(protocol: DBotDataProtocol, document: Any) -> None:
    with pytest.raises(ProtocolError):
        receive(protocol, document)


def test_binary_frames(protocol: DBotDataProtocol) -> None:
    with pytest.raises(ProtocolError, match="binary"):
        protocol.receive(b"{}", True)


# -- whatever arrives ------------------------------------------------------------------------------

TYPES = ["tx", "pairInfo", "pairsInfo", "tokensInfo", "newPairInfo", "migratedPairInfo", "walletTx"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["method", "type", "result", "err", "status", "subscribed", "message", "p", "pair", "ac", "t", "bt1m"]),
        inner | st.sampled_from([*TYPES, "subscribeResponse", "unsubscribeResponse", "P1", "W1"]),
    ),
    max_leaves=15,
)


@given(st.binary() | JSON.map(lambda document: json.dumps(document).encode()), st.booleans())
def test_receive_raises_protocol_errors_alone(payload: bytes, binary: bool) -> None:
    protocol = DBotDataProtocol()
    protocol.subscribe(["tx.P1", "pairInfo.P1", "pairsInfo.1m.P1:T", "walletTx.W1", "newPairInfo", "migratedPairInfo"], ())
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


@given(st.sampled_from(TYPES), JSON)
def test_updates_of_every_type(type_: str, result: Any) -> None:
    payload = json.dumps({"type": type_, "result": result}).encode()
    test_receive_raises_protocol_errors_alone.hypothesis.inner_test(payload, False)


@given(JSON)
def test_acknowledge_never_raises(document: Any) -> None:
    protocol = DBotDataProtocol()
    (request,) = protocol.subscribe(["tx.P1", "tx.P2"], ())
    acknowledgement = protocol.acknowledge(request, Reply(None, document))
    assert {*acknowledgement.accepted, *acknowledgement.refused} == {"tx.P1", "tx.P2"}
