"""The local Bybit venue's private socket: authentication, topics and their refusals, pongs, quiet connections."""

from __future__ import annotations

import queue
import time
from typing import Any, Dict, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.access import Gate, Problem, active_seconds
from dbxsdk.sim.bybit.private_socket import TOPICS, PrivateSession

from tests.sim.bybit.peers import FEW, PRIVATE, TRADE, auth, best, limit, market, private_peer, pushed, rows, trade_peer
from tests.sim.peer import WAIT, Peer, peer

VECTORS = [
    ("secret", 1662350400000, "d7ca36fea9ef1287007fd4b15af961e91d419a3d3f3ccbdf23585170ac116cd4"),
    ("SECRETKEY", 1711010121452, "ec2dbd487262e042da7ef87bfacd3a11a5ed2933f68858037a3701e33d721c1c"),
]


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(symbols=FEW, rate=0) as made:
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def private(venue: BybitVenue) -> Iterator[Peer]:
    with private_peer(venue) as made:
        yield made


def subscribe(*topics: str, **more: Any) -> Dict[str, Any]:
    return {"op": "subscribe", "args": list(topics), **more}


def without_id(reply: Dict[str, Any]) -> Dict[str, Any]:
    assert isinstance(reply.pop("conn_id"), str)
    return reply


# -- the gate by itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret, expires, signature", VECTORS)
@pytest.mark.parametrize("form", [int, str])
def test_published_signatures_are_accepted(secret: str, expires: int, signature: str, form: Any) -> None:
    gate = Gate("key", secret, lambda: expires - 1, None)
    assert gate.problem(["key", form(expires), signature]) is None


@pytest.mark.parametrize(
    "args, problem",
    [
        (None, Problem.ARGS),
        ([], Problem.ARGS),
        (["key", 1662350400000], Problem.ARGS),
        (["key", None, VECTORS[0][2]], Problem.ARGS),
        (["key", True, VECTORS[0][2]], Problem.ARGS),
        (["key", 1662350400000.0, VECTORS[0][2]], Problem.ARGS),
        (["key", "soon", VECTORS[0][2]], Problem.ARGS),
        ([1, 1662350400000, VECTORS[0][2]], Problem.ARGS),
        (["other", 1662350400000, VECTORS[0][2]], Problem.API_KEY),
        (["key", 1662350400001, VECTORS[0][2]], Problem.SIGNATURE),
        (["key", 1662350400000, VECTORS[0][2].upper()], Problem.SIGNATURE),
        (["key", 1662350400000, "é"], Problem.SIGNATURE),
    ],
)
def test_what_the_gate_refuses(args: Any, problem: Problem) -> None:
    assert Gate("key", "secret", lambda: 0, None).problem(args) is problem


@pytest.mark.parametrize(
    "ahead_ms, horizon, problem",
    [
        (1, None, None),
        (10**12, None, None),
        (0, None, Problem.EXPIRES),
        (-1000, None, Problem.EXPIRES),
        (60_000, 60.0, None),
        (60_001, 60.0, Problem.EXPIRES),
    ],
)
def test_expired_and_too_far_ahead(ahead_ms: int, horizon: Any, problem: Any) -> None:
    secret, expires, signature = VECTORS[0]
    gate = Gate("key", secret, lambda: expires - ahead_ms, horizon)
    assert gate.problem(["key", expires, signature]) is problem


@pytest.mark.parametrize(
    "query, seconds",
    [
        ("", 600.0),
        ("max_active_time=45s", 45.0),
        ("max_active_time=30s", 30.0),
        ("max_active_time=2m", 120.0),
        ("max_active_time=10m", 600.0),
        ("a=b&max_active_time=600s", 600.0),
        ("max_active_time=29s", 600.0),
        ("max_active_time=11m", 600.0),
        ("max_active_time=45", 600.0),
        ("max_active_time=", 600.0),
        ("max_alive_time=45s", 600.0),
    ],
)
def test_the_active_time(query: str, seconds: float) -> None:
    assert active_seconds(query) == seconds


# -- authentication ----------------------------------------------------------------------------------------------------


def test_auth(venue: BybitVenue) -> None:
    with peer(venue, PRIVATE) as client:
        assert without_id(client.ask(auth(venue))) == {"success": True, "ret_msg": "", "op": "auth"}
    with peer(venue, PRIVATE) as client:
        reply = without_id(client.ask({**auth(venue), "req_id": "a1"}))
        assert reply == {"req_id": "a1", "success": True, "ret_msg": "", "op": "auth"}


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"ahead": -1.0}, "Params Error"),
        ({"key": "nobody"}, "API key is invalid."),
        ({"secret": "guess"}, "Params Error"),
    ],
)
def test_refused_auth(venue: BybitVenue, wrong: Dict[str, Any], text: str) -> None:
    with peer(venue, PRIVATE) as client:
        assert without_id(client.ask(auth(venue, **wrong))) == {"success": False, "ret_msg": text, "op": "auth"}
        assert client.ask(subscribe("order"))["ret_msg"] == "Request not authorized"
        assert client.ask(auth(venue))["success"] is True  # the connection lives, and may try again


def test_a_second_auth_is_refused_and_changes_nothing(venue: BybitVenue, private: Peer) -> None:
    assert private.ask(auth(venue))["success"] is False
    assert private.ask(subscribe("order"))["success"] is True


def test_the_horizon_of_expires() -> None:
    with BybitVenue(symbols=FEW, rate=0, auth_horizon=60) as venue, peer(venue, PRIVATE) as client:
        assert client.ask(auth(venue, ahead=120))["ret_msg"] == "Params Error"
        assert client.ask(auth(venue, ahead=50))["success"] is True
    with BybitVenue(symbols=FEW, rate=0) as venue, peer(venue, PRIVATE) as client:
        assert client.ask(auth(venue, ahead=1_000_000))["success"] is True  # as the venue's own sample has it


def test_a_clock_that_is_off(venue: BybitVenue) -> None:
    venue.clock_skew(30)
    with peer(venue, PRIVATE) as client:
        assert client.ask(auth(venue))["ret_msg"] == "Params Error"
        offset = int(client.ask({"op": "ping"})["args"][0]) / 1000 - time.time()
        assert 29 < offset < 31
        assert client.ask(auth(venue, ahead=10 + offset))["success"] is True


@pytest.mark.parametrize("request_", [{"op": "subscribe", "args": ["order"]}, {"op": "unsubscribe", "args": ["order"]}])
def test_nothing_before_auth(venue: BybitVenue, request_: Dict[str, Any]) -> None:
    with peer(venue, PRIVATE) as client:
        reply = without_id(client.ask({**request_, "req_id": "r"}))
        assert reply == {"success": False, "ret_msg": "Request not authorized", "op": request_["op"], "req_id": "r"}
        venue.place_order(**limit("Buy", "0.1", best(venue, "Buy")))
        assert pushed(client) == []


# -- ping and quiet connections ----------------------------------------------------------------------------------------


def test_pong(venue: BybitVenue, private: Peer) -> None:
    reply = without_id(private.ask({"op": "ping", "req_id": "p"}))
    assert abs(int(reply.pop("args")[0]) / 1000 - time.time()) < 5
    assert reply == {"req_id": "p", "op": "pong"}
    assert set(private.ask({"op": "ping"})) == {"op", "args", "conn_id"}
    with peer(venue, PRIVATE) as stranger:
        assert stranger.ask({"op": "ping"})["op"] == "pong"


@pytest.mark.parametrize("path", [PRIVATE, TRADE])
def test_a_quiet_connection_is_cut_after_its_active_time(path: str) -> None:
    with BybitVenue(symbols=FEW, rate=0, active_time_scale=0.01) as venue:
        with peer(venue, path + "?max_active_time=30s") as short, peer(venue, path + "?max_active_time=600s") as long:
            began = time.monotonic()
            with pytest.raises(ConnectionClosed):
                short.websocket.recv(timeout=WAIT)
            assert 0.25 < time.monotonic() - began < WAIT
            assert long.ask({"op": "ping"})["op"] == "pong"


def test_frames_either_way_keep_a_connection() -> None:
    path = PRIVATE + "?max_active_time=60s"
    with BybitVenue(symbols=FEW, rate=0, active_time_scale=0.01) as venue, peer(venue, path) as client:
        client.ask(auth(venue))
        client.ask(subscribe("order"))
        ends = time.monotonic() + 1
        while time.monotonic() < ends:  # pushes alone, for longer than it may be quiet
            venue.place_order(**limit("Buy", "0.1", best(venue, "Buy")))
            client.receive(WAIT)
            with pytest.raises(TimeoutError):
                client.websocket.recv(timeout=0.2)
        with pytest.raises(ConnectionClosed):
            client.websocket.recv(timeout=WAIT)


# -- topics ------------------------------------------------------------------------------------------------------------


def test_subscribe_and_unsubscribe(venue: BybitVenue, private: Peer) -> None:
    reply = without_id(private.ask(subscribe("order", "wallet", req_id="r1")))
    assert reply == {"success": True, "ret_msg": "", "op": "subscribe", "req_id": "r1"}
    assert without_id(private.ask(subscribe("order"))) == {"success": True, "ret_msg": "", "op": "subscribe"}
    assert venue.subscriptions(PRIVATE) == ("order", "wallet")
    reply = without_id(private.ask({"op": "unsubscribe", "args": ["order", "greeks"], "req_id": "r2"}))
    assert reply == {"success": True, "ret_msg": "", "op": "unsubscribe", "req_id": "r2"}
    assert venue.subscriptions(PRIVATE) == ("wallet",)


def test_every_topic_is_accepted_by_itself_and_sends_no_snapshot(venue: BybitVenue) -> None:
    venue.place_order(**limit("Buy", "0.1", best(venue, "Buy")))
    venue.place_order(**market("Buy", "0.1"))
    for topic in TOPICS:
        with private_peer(venue, topic) as client:
            assert pushed(client) == []


REFUSAL = (
    "Batch subscription partially succeeded and partially failed.Successful subscriptions are as follows:[{}]. "
    "Subscription to the following topics failed because the topic does not exist or there is a subscription "
    "conflict:[{}]."
)


@pytest.mark.parametrize(
    "topics, accepted, refused",
    [
        (["orders"], "", "orders"),
        (["order", "publicTrade.BTCUSDT", "wallet"], "order, wallet", "publicTrade.BTCUSDT"),
        (["order", "order.spot"], "order", "order.spot"),
        (["execution.linear", "execution"], "execution.linear", "execution"),
        (["position.spot", "order.SPOT"], "", "position.spot, order.SPOT"),
        (["execution.fast", "execution", "execution.fast.linear"], "execution.fast, execution", "execution.fast.linear"),
    ],
)
def test_partial_success(venue: BybitVenue, private: Peer, topics: Any, accepted: str, refused: str) -> None:
    reply = without_id(private.ask(subscribe(*topics)))
    assert reply == {"success": False, "ret_msg": REFUSAL.format(accepted, refused), "op": "subscribe"}
    assert venue.subscriptions(PRIVATE) == tuple(sorted(accepted.split(", ") if accepted else ()))


def test_a_conflict_with_an_earlier_request(private: Peer) -> None:
    assert private.ask(subscribe("order"))["success"] is True
    assert private.ask(subscribe("order.spot"))["ret_msg"] == REFUSAL.format("", "order.spot")
    assert private.ask({"op": "unsubscribe", "args": ["order"]})["success"] is True
    assert private.ask(subscribe("order.spot", "order.linear"))["success"] is True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.fixed_dictionaries({"op": st.sampled_from(["auth", "subscribe", "unsubscribe", "ping"]), "args": JSON}), JSON)
def test_whatever_is_asked_is_answered(document: Any, expires: Any) -> None:
    session = PrivateSession("c", Gate("key", "secret", lambda: 0, None))
    session.answer({"op": "auth", "args": ["key", expires, "x"]}, {}, 0)
    for session.authenticated in (False, True):
        assert session.answer(document, {}, 0)["conn_id"] == "c"


@pytest.mark.parametrize(
    "document, op",
    [
        ("no json", ""),
        ("[1]", ""),
        ({"op": "subscribe"}, "subscribe"),
        ({"op": "subscribe", "args": []}, "subscribe"),
        ({"op": "subscribe", "args": [1]}, "subscribe"),
        ({"op": "dance"}, "dance"),
        ({"op": ["dance"]}, ["dance"]),
        ({"op": "order.create", "args": [{"category": "linear"}]}, "order.create"),
    ],
)
def test_params_error(private: Peer, document: Any, op: Any) -> None:
    assert without_id(private.ask(document)) == {"success": False, "ret_msg": "Params Error", "op": op}
    assert private.ask({"op": "ping"})["op"] == "pong"


# -- pushes ------------------------------------------------------------------------------------------------------------


def test_each_channel_of_one_fill(venue: BybitVenue) -> None:
    channels = ("order", "execution", "execution.fast", "position", "wallet", "greeks", "strategy", "dcp.future")
    with private_peer(venue, *channels) as client:
        order = venue.place_order(**market("Buy", "0.3", orderLinkId="mine-1"))
        documents = pushed(client)
    assert [document["topic"] for document in documents] == ["execution.fast", "execution", "order", "position", "wallet"]
    for document in documents:
        assert isinstance(document["creationTime"], int) and isinstance(document["data"], list)
        assert isinstance(document.get("id"), str) is (document["topic"] != "execution.fast")
        for row in document["data"]:
            assert not any(isinstance(value, float) for value in row.values())
            times = [value for key, value in row.items() if key in ("createdTime", "updatedTime", "execTime")]
            assert all(isinstance(value, str) and value.isdigit() for value in times)
    assert len({document["id"] for document in documents[1:]}) == 4
    (row,) = rows(documents, "order")
    assert (row["orderId"], row["orderLinkId"], row["orderStatus"]) == (order.id, "mine-1", "Filled")
    executions = rows(documents, "execution")
    assert [row["execId"] for row in executions] == [row["execId"] for row in rows(documents, "execution.fast")]
    assert [row["execId"] for row in executions] == [execution.id for execution in venue.executions()]


@pytest.mark.parametrize(
    "category, symbol, qty",
    [("linear", "BTCUSDT", "0.1"), ("inverse", "BTCUSD", "100"), ("spot", "BTCUSDT", "0.1"),
     ("option", "BTC-31DEC27-70000-C-USDT", "0.1")],
)
def test_categorised_topics_are_pushed_under_their_own_names(
    venue: BybitVenue, category: str, symbol: str, qty: str
) -> None:
    channels = ["order", "execution", "execution.fast"] + (["position"] if category != "spot" else [])
    other = "spot" if category != "spot" else "linear"
    with private_peer(venue, *(f"{channel}.{category}" for channel in channels)) as one, private_peer(venue, *channels) as all_:
        with private_peer(venue, f"order.{other}", f"execution.{other}", f"execution.fast.{other}") as neither:
            venue.place_order(**market("Buy", qty, category, symbol, marketUnit="baseCoin"))
            own, whole = pushed(one), pushed(all_)
            assert pushed(neither) == []
    assert {document["topic"] for document in own} == {f"{channel}.{category}" for channel in channels}
    assert {document["topic"] for document in whole} == set(channels)
    assert [document["data"] for document in own] == [document["data"] for document in whole]


def test_greeks_follow_option_fills(venue: BybitVenue) -> None:
    with private_peer(venue, "greeks") as client:
        venue.place_order(**market("Buy", "0.5", "option", "BTC-31DEC27-70000-C-USDT"))
        venue.place_order(**market("Buy", "0.5", "option", "BTC-31DEC27-60000-P-USDT"))
        venue.place_order(**market("Buy", "0.1"))
        greeks = rows(pushed(client), "greeks")
    assert [(row["baseCoin"], row["totalDelta"]) for row in greeks] == [("BTC", "0.25"), ("BTC", "0")]


def test_position_is_pushed_with_every_order_request(venue: BybitVenue) -> None:
    with private_peer(venue, "position.linear") as client:
        order = venue.place_order(**limit("Buy", "0.1", best(venue, "Buy") - 10))
        venue.amend_order(symbol="BTCUSDT", orderId=order.id, qty="0.2")
        venue.cancel_order(symbol="BTCUSDT", orderId=order.id)
        positions = rows(pushed(client), "position.linear")
    assert [(row["side"], row["size"], row["entryPrice"], row["seq"]) for row in positions] == [("", "0", "0", -1)] * 3


def test_every_connection_hears_and_a_new_one_from_then_on(venue: BybitVenue) -> None:
    with private_peer(venue, "order") as one, private_peer(venue, "order.linear") as two, trade_peer(venue):
        venue.place_order(**limit("Buy", "0.1", best(venue, "Buy") - 10))
        with private_peer(venue, "order") as late:
            venue.place_order(**limit("Sell", "0.1", best(venue, "Sell") + 10))
            assert [len(pushed(client)) for client in (one, two, late)] == [2, 2, 1]


def test_a_silent_venue_pushes_nothing_later(venue: BybitVenue) -> None:
    with private_peer(venue, "order") as client:
        venue.place_order(**limit("Buy", "0.1", best(venue, "Buy")))
        assert len(pushed(client)) == 1
        venue.go_silent()
        while venue.orders()[0].status != "Filled":
            venue.step()
        venue.resume()
        venue.step()
        assert pushed(client) == []


def test_the_client(venue: BybitVenue) -> None:
    arrived: "queue.Queue[Any]" = queue.Queue()
    with venue.client("private", max_active_time=45) as client:
        client.subscribe("order.linear", callback=arrived.put)
        order = venue.place_order(**limit("Buy", "0.1", best(venue, "Buy"), orderLinkId="seen"))
        update = arrived.get(timeout=WAIT)
    assert (update.channel, update.data[0].order_id, update.data[0].order_link_id) == ("order.linear", order.id, "seen")


def test_wrong_options() -> None:
    for wrong in ({"active_time_scale": 0}, {"auth_horizon": 0}, {"balances": {"BTC": -1}}, {"balances": {"BTC": "NaN"}}):
        with pytest.raises(ValueError):
            BybitVenue(**wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        BybitVenue(balances={"BTC": 1.5})  # type: ignore[dict-item]
