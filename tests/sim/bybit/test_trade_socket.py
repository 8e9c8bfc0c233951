"""The local Bybit venue's trade socket: authentication, the six order operations, refusals, and what it does on request."""

from __future__ import annotations

import json
import threading
import time
import uuid
from decimal import Decimal
from typing import Any, Dict, Iterator, List

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from dbxsdk import OutcomeUnknown, VenueError
from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.access import Gate
from dbxsdk.sim.bybit.account import Account
from dbxsdk.sim.bybit.orders import OrderDesk
from dbxsdk.sim.bybit.trade_socket import BATCHES, CATEGORIES, OPERATIONS, TradeService, TradeSession
from dbxsdk.sim.market.market import Market, instrument

from tests.sim.bybit.peers import FEW, TRADE, auth, best, limit, market, now_ms, private_peer, pushed, request, rows, trade_peer
from tests.sim.peer import WAIT, ClientBook, Peer, peer

GATEWAY = {"retCode", "retMsg", "op", "connId"}
HEADER = {"X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Bapi-Limit-Reset-Timestamp", "Traceid", "Timenow"}


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(symbols=FEW, rate=0) as made:
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def trade(venue: BybitVenue) -> Iterator[Peer]:
    with trade_peer(venue) as made:
        yield made


def create(venue: BybitVenue, **more: Any) -> Dict[str, Any]:
    """An order that waits at the best bid."""
    return request("order.create", limit("Buy", "0.1", best(venue, "Buy")), **more)


def batch(operation: str, *orders: Dict[str, Any], category: str = "linear") -> Dict[str, Any]:
    return request(f"{operation}-batch", {"category": category, "request": list(orders)})


def gateway(reply: Dict[str, Any]) -> Any:
    """The code and text of an answer that must have the gateway's shape."""
    assert set(reply) - {"reqId"} == GATEWAY
    return reply["retCode"], reply["retMsg"]


# -- auth and ping -----------------------------------------------------------------------------------------------------


def test_auth(venue: BybitVenue) -> None:
    with peer(venue, TRADE) as client:
        reply = client.ask({**auth(venue), "reqId": "a1"})
        assert isinstance(reply.pop("connId"), str)
        assert reply == {"reqId": "a1", "retCode": 0, "retMsg": "OK", "op": "auth"}
        assert gateway(client.ask(auth(venue)))[0] == 20001
        assert client.ask(create(venue))["retCode"] == 0  # and it is as authenticated as before


@pytest.mark.parametrize(
    "wrong, code", [({"ahead": -1.0}, 10001), ({"key": "nobody"}, 10003), ({"secret": "guess"}, 10004)]
)
def test_refused_auth(venue: BybitVenue, wrong: Dict[str, Any], code: int) -> None:
    with peer(venue, TRADE) as client:
        reply = client.ask(auth(venue, **wrong))
        assert gateway(reply)[0] == code and "reqId" not in reply
        assert gateway(client.ask(create(venue, reqId="r"))) == (10005, "Request not authorized")
        assert client.ask(auth(venue))["retCode"] == 0
    assert venue.orders() == []


def test_pong(venue: BybitVenue) -> None:
    with peer(venue, TRADE) as client:
        reply = client.ask({"op": "ping", "reqId": "x", "req_id": "x"})
    assert set(reply) == {"retCode", "retMsg", "op", "data", "connId"}
    assert (reply["retCode"], reply["retMsg"], reply["op"]) == (0, "OK", "pong")
    assert abs(int(reply["data"][0]) / 1000 - time.time()) < 5


# -- requests ----------------------------------------------------------------------------------------------------------


def test_create_amend_cancel(venue: BybitVenue, trade: Peer) -> None:
    reply = trade.ask(create(venue, reqId="r1"))
    assert set(reply) == {"reqId", "retCode", "retMsg", "op", "data", "retExtInfo", "header", "connId"}
    assert (reply["reqId"], reply["retCode"], reply["op"], reply["retExtInfo"]) == ("r1", 0, "order.create", {})
    assert set(reply["header"]) == HEADER and all(isinstance(value, str) for value in reply["header"].values())
    assert (reply["header"]["X-Bapi-Limit"], reply["header"]["X-Bapi-Limit-Status"]) == ("10", "9")
    assert abs(int(reply["header"]["Timenow"]) - now_ms()) < 5000
    order_id = reply["data"]["orderId"]
    assert reply["data"] == {"orderId": order_id, "orderLinkId": ""} and uuid.UUID(order_id)
    named = {"category": "linear", "symbol": "BTCUSDT", "orderId": order_id}
    reply = trade.ask(request("order.amend", {**named, "qty": "0.3"}))
    assert (reply["retCode"], reply["data"]["orderId"], "reqId" in reply) == (0, order_id, False)
    assert venue.orders()[0].size == Decimal("0.3")
    assert trade.ask(request("order.cancel", named))["data"] == {"orderId": order_id, "orderLinkId": ""}
    assert venue.orders()[0].status == "Cancelled"
    reply = trade.ask(request("order.cancel", named, reqId="r2"))
    assert (reply["retCode"], reply["retMsg"]) == (110001, "order not exists or too late to cancel")
    assert (reply["data"], reply["retExtInfo"], set(reply["header"])) == ({}, {}, HEADER)


def test_spot_orders_are_numbered(venue: BybitVenue, trade: Peer) -> None:
    reply = trade.ask(request("order.create", market("Buy", "500", "spot"), reqId=str(uuid.uuid4())))
    assert reply["retCode"] == 0 and reply["data"]["orderId"].isdigit()
    assert (reply["header"]["X-Bapi-Limit"], reply["header"]["X-Bapi-Limit-Status"]) == ("20", "19")


@pytest.mark.parametrize(
    "fields, code",
    [
        (market("Buy", "1000000"), 110007),
        (market("Buy", "2000000", "spot"), 170131),
        (limit("Buy", "1", "1000000"), 110003),
        (limit("Buy", "1", "abc"), 10001),
        (market("Buy", "1", symbol="NOPE"), 10001),
        ({"category": "linear"}, 10001),
    ],
)
def test_business_errors(venue: BybitVenue, trade: Peer, fields: Dict[str, Any], code: int) -> None:
    reply = trade.ask(request("order.create", fields, reqId="r"))
    assert (reply["reqId"], reply["retCode"], reply["data"], set(reply["header"])) == ("r", code, {}, HEADER)
    assert reply["retMsg"] and venue.orders() == []


@pytest.mark.parametrize(
    "document, code",
    [
        ("no json", 10001),
        ([], 10001),
        ({"op": "subscribe", "args": ["order"]}, 10404),
        ({"op": "order.replace", "args": [{"category": "linear"}]}, 10404),
        ({"op": ["order.create"]}, 10404),
        ({}, 10404),
    ],
)
def test_what_is_no_order_request(trade: Peer, document: Any, code: int) -> None:
    if isinstance(document, dict):
        document = {**document, "reqId": "q"}
    reply = trade.ask(document)
    assert gateway(reply)[0] == code
    if isinstance(document, dict):
        assert (reply["reqId"], reply["retMsg"]) == ("q", "")


@pytest.mark.parametrize(
    "change, code",
    [
        ({"header": None}, 10001),
        ({"header": {}}, 10001),
        ({"header": {"X-BAPI-TIMESTAMP": "now"}}, 10001),
        ({"header": {"X-BAPI-TIMESTAMP": 1.5}}, 10001),
        ({"header": {"X-BAPI-TIMESTAMP": "1700000000000"}}, 10002),
        ({"args": None}, 10001),
        ({"args": []}, 10001),
        ({"args": [{"category": "linear"}, {"category": "linear"}]}, 10001),
        ({"args": ["linear"]}, 10001),
        ({"args": [{"category": "futures"}]}, 10404),
        ({"args": [{}]}, 10404),
        ({"reqId": "x" * 37}, 10001),
        ({"reqId": 5}, 10001),
    ],
)
def test_refused_before_anything_is_done(trade: Peer, change: Dict[str, Any], code: int) -> None:
    for op in OPERATIONS + BATCHES:
        assert gateway(trade.ask({**request(op, {"category": "linear"}), **change}))[0] == code


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["linear", "spot", "BTCUSDT", "Buy", "Sell", "Limit", "Market", "1", "0.01", "68000", "IOC", "FOK"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {"category": st.sampled_from(["linear", "spot", "inverse"]) | VALUES, "symbol": st.just("BTCUSDT") | VALUES},
    optional=dict.fromkeys(
        "side orderType qty price timeInForce orderLinkId orderId reduceOnly marketUnit request".split(), VALUES
    ),
)
REQUESTS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(OPERATIONS + BATCHES),
        "args": st.lists(FIELDS | VALUES, max_size=2),
        "header": st.just({"X-BAPI-TIMESTAMP": 1000}) | VALUES,
    },
    optional={"reqId": VALUES},
)


@pytest.fixture(scope="module")
def service() -> TradeService:
    markets = {category: Market([instrument("BTCUSDT", "BTC", "USDT")]) for category in CATEGORIES}
    desk = OrderDesk(markets, Account(), 1, lambda: 1_000_000)
    return TradeService(desk, Gate("key", "secret", lambda: 1000, None), lambda: 1000, 1)


@given(document=REQUESTS | VALUES)
def test_whatever_is_asked_is_answered(service: TradeService, document: Any) -> None:
    session = TradeSession("c")
    for session.authenticated in (False, True):
        reply = service.answer(session, document)
        assert isinstance(reply["retCode"], int) and reply["connId"] == "c"


def test_the_recv_window(venue: BybitVenue, trade: Peer) -> None:
    def ask(ahead: float, **header: Any) -> int:
        return int(trade.ask({**create(venue), "header": {"X-BAPI-TIMESTAMP": now_ms(ahead), **header}})["retCode"])

    assert [ask(-4), ask(-6), ask(0.5), ask(3)] == [0, 10002, 0, 10002]
    assert [ask(-6, **{"X-BAPI-RECV-WINDOW": "8000"}), ask(-6, **{"X-BAPI-RECV-WINDOW": 8000})] == [0, 0]
    assert ask(-1, **{"X-BAPI-RECV-WINDOW": "500"}) == 10002
    venue.clock_skew(-60)
    assert [ask(0), ask(-60)] == [10002, 0]
    assert len(venue.orders()) == 5


def test_a_request_id_is_used_once_a_connection(venue: BybitVenue, trade: Peer) -> None:
    assert trade.ask(create(venue, reqId="same"))["retCode"] == 0
    reply = trade.ask(create(venue, reqId="same"))
    assert (gateway(reply)[0], reply["reqId"]) == (20006, "same")
    with trade_peer(venue) as other:
        assert other.ask(create(venue, reqId="same"))["retCode"] == 0
    assert len(venue.orders()) == 2


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_batch_of_each_kind(venue: BybitVenue, trade: Peer) -> None:
    price = best(venue, "Buy")
    orders = [{**limit("Buy", "0.1", price - number), "orderLinkId": f"b{number}"} for number in range(3)]
    for order in orders:
        del order["category"]
    reply = trade.ask(batch("order.create", *orders))
    assert (reply["retCode"], reply["retMsg"], reply["op"]) == (0, "OK", "order.create-batch")
    assert reply["retExtInfo"] == {"list": [{"code": 0, "msg": "OK"}] * 3}
    made = reply["data"]["list"]
    assert [(row["category"], row["symbol"], row["orderLinkId"]) for row in made] == [
        ("linear", "BTCUSDT", f"b{number}") for number in range(3)
    ]
    assert [row["orderId"] for row in made] == [order.id for order in venue.orders()]
    assert all(row["createAt"].isdigit() for row in made)
    named = [{"symbol": "BTCUSDT", "orderId": row["orderId"]} for row in made]
    reply = trade.ask(batch("order.amend", {**named[0], "qty": "0.2"}, {**named[1], "orderId": "gone", "qty": "0.2"}))
    assert reply["retCode"] == 0 and [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 110001]
    assert [row["orderId"] for row in reply["data"]["list"]] == [made[0]["orderId"], ""]
    assert "createAt" not in reply["data"]["list"][0]
    reply = trade.ask(batch("order.cancel", *named))
    assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 0, 0]
    assert {order.status for order in venue.orders()} == {"Cancelled"}


def test_a_batch_in_which_all_fail_is_answered_with_0(venue: BybitVenue, trade: Peer) -> None:
    orders = [limit("Buy", "1", "9999999", orderLinkId="a"), {"symbol": "BTCUSDT"}, {}]
    reply = trade.ask(batch("order.create", *orders))
    assert (reply["retCode"], reply["retMsg"]) == (0, "OK")
    assert [row["code"] for row in reply["retExtInfo"]["list"]] == [110003, 10001, 10001]
    assert [(row["orderId"], row["createAt"], row["orderLinkId"]) for row in reply["data"]["list"]] == [
        ("", "", "a"), ("", "", ""), ("", "", "")
    ]
    assert venue.orders() == []


@pytest.mark.parametrize("category, most", [("linear", 20), ("inverse", 20), ("option", 20), ("spot", 10)])
def test_the_size_of_a_batch(venue: BybitVenue, trade: Peer, category: str, most: int) -> None:
    reply = trade.ask(batch("order.cancel", *[{}] * most, category=category))
    assert (reply["retCode"], len(reply["data"]["list"])) == (0, most)
    for wrong in ([{}] * (most + 1), [], "x", None, [1]):
        reply = trade.ask(request("order.cancel-batch", {"category": category, "request": wrong}))
        assert (reply["retCode"], reply["data"]) == (10001, {})


# -- one account on all sockets ----------------------------------------------------------------------------------------


def test_an_order_on_trade_is_seen_on_private_and_public(venue: BybitVenue, trade: Peer) -> None:
    book = ClientBook()
    with private_peer(venue, "order", "execution", "wallet", "position") as private, peer(venue) as public:
        public.ask({"op": "subscribe", "args": ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"]})
        snapshot = public.receive()["data"]
        book.apply(snapshot["b"], snapshot["a"], True, Decimal)
        before = venue.balances()["USDT"]["total"]
        order_id = trade.ask(request("order.create", market("Buy", "2.5"), reqId="m"))["data"]["orderId"]
        documents = pushed(private)
        (order,) = rows(documents, "order")
        executions = rows(documents, "execution")
        (position,) = rows(documents, "position")
        (wallet,) = rows(documents, "wallet")
        venue.step(10)
        public.send({"op": "ping"})
        feed = public.receive_all(lambda document: document.get("ret_msg") == "pong")
    assert order["orderId"] == order_id and order["orderStatus"] == "Filled" and order["leavesQty"] == "0"
    assert {row["orderId"] for row in executions} == {order_id}
    size = sum(Decimal(row["execQty"]) for row in executions)
    value = sum(Decimal(row["execValue"]) for row in executions)
    fee = sum(Decimal(row["execFee"]) for row in executions)
    assert (size, value, fee) == tuple(Decimal(order[key]) for key in ("cumExecQty", "cumExecValue", "cumExecFee"))
    assert [Decimal(row["leavesQty"]) for row in executions][-1] == 0
    assert (position["side"], Decimal(position["size"]), position["entryPrice"]) == ("Buy", size, order["avgPrice"])
    (usdt,) = wallet["coin"]
    assert (usdt["coin"], Decimal(usdt["walletBalance"])) == ("USDT", before - fee)
    assert venue.balances()["USDT"]["total"] == before - fee
    trades = [row for document in feed if document["topic"].startswith("publicTrade") for row in document["data"]]
    assert [(row["i"], Decimal(row["p"]), Decimal(row["v"]), row["S"]) for row in trades[: len(executions)]] == [
        (row["execId"], Decimal(row["execPrice"]), Decimal(row["execQty"]), "Buy") for row in executions
    ]
    for document in feed:
        if document["topic"].startswith("orderbook"):
            book.apply(document["data"]["b"], document["data"]["a"], document["type"] == "snapshot", Decimal)
    truth = venue.book("BTCUSDT", depth=50)
    assert book.levels() == truth


def test_a_waiting_order_is_in_the_public_book_and_fills(venue: BybitVenue, trade: Peer) -> None:
    price = best(venue, "Buy")
    size = dict(venue.book("BTCUSDT")["bids"])[price]
    with private_peer(venue, "order.linear", "execution.fast") as private:
        trade.ask(request("order.create", limit("Buy", "0.5", price, orderLinkId="wait")))
        assert dict(venue.book("BTCUSDT")["bids"])[price] == size + Decimal("0.5")
        venue.market_order("BTCUSDT", "Sell", size + Decimal("0.2"))
        venue.market_order("BTCUSDT", "Sell", "0.3")
        documents = pushed(private)
    states = [(row["orderStatus"], row["cumExecQty"], row["leavesQty"]) for row in rows(documents, "order.linear")]
    assert states == [("New", "0", "0.5"), ("PartiallyFilled", "0.2", "0.3"), ("Filled", "0.5", "0")]
    fast = rows(documents, "execution.fast")
    assert [(row["isMaker"], row["orderLinkId"], row["execQty"]) for row in fast] == [(True, "", "0.2"), (True, "", "0.3")]


def test_a_balance_given_at_the_start() -> None:
    with BybitVenue(symbols=FEW, rate=0, balances={"USDT": "100"}) as venue, trade_peer(venue) as trade:
        assert trade.ask(request("order.create", market("Buy", "0.1")))["retCode"] == 110007
        assert venue.balances() == {
            "USDT": {"total": Decimal(100), "locked": Decimal(0), "margin": Decimal(0), "available": Decimal(100)}
        }


def test_orders_by_hand(venue: BybitVenue) -> None:
    order = venue.place_order("spot", symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.5", price="67000")
    assert venue.amend_order("spot", symbol="BTCUSDT", orderId=order.id, qty="0.7").size == Decimal("0.7")
    assert venue.cancel_order("spot", symbol="BTCUSDT", orderId=order.id).status == "Cancelled"
    assert order.status == "New"  # a copy, as of then
    with pytest.raises(ValueError, match="170213"):
        venue.cancel_order("spot", symbol="BTCUSDT", orderId=order.id)
    for wrong in (lambda: venue.place_order("futures"), lambda: venue.market_order("BTCUSDT", "Up", 1)):
        with pytest.raises(ValueError):
            wrong()


# -- on request --------------------------------------------------------------------------------------------------------


def test_fail_next(venue: BybitVenue, trade: Peer) -> None:
    venue.fail_next(10429, "frequency protection", times=2)
    for number in range(2):
        reply = trade.ask(create(venue, reqId=f"a{number}"))
        assert (reply["retCode"], reply["retMsg"], reply["data"], set(reply["header"])) == (
            10429, "frequency protection", {}, HEADER
        )
    venue.fail_next(10005, "Permission denied", with_header=False)
    reply = trade.ask(create(venue, reqId="b"))
    assert (gateway(reply), reply["reqId"]) == ((10005, "Permission denied"), "b")
    venue.fail_next(10003, with_header=False, with_req_id=False)
    reply = trade.ask(create(venue, reqId="c"))
    assert gateway(reply) == (10003, "") and "reqId" not in reply
    assert trade.ask({"op": "ping"})["retCode"] == 0
    assert venue.orders() == []
    assert trade.ask(create(venue, reqId="d"))["retCode"] == 0
    with pytest.raises(ValueError):
        venue.fail_next(1, times=0)


def test_limit_rate() -> None:
    clock = [1_700_000_000.0]
    with BybitVenue(symbols=FEW, rate=0, clock=lambda: clock[0]) as venue, peer(venue, TRADE) as trade:
        assert trade.ask(auth(venue))["retCode"] == 0  # far ahead by this clock, and so it may be

        def ask(document: Dict[str, Any]) -> Any:
            document["header"]["X-BAPI-TIMESTAMP"] = str(int(clock[0] * 1000))
            return trade.ask(document)

        venue.limit_rate(3)
        replies = [ask(create(venue)) for _ in range(4)]
        assert [reply["retCode"] for reply in replies] == [0, 0, 0, 10006]
        assert [reply["header"]["X-Bapi-Limit-Status"] for reply in replies] == ["2", "1", "0", "0"]
        assert int(replies[3]["header"]["X-Bapi-Limit-Reset-Timestamp"]) == clock[0] * 1000 + 1000
        assert ask(request("order.cancel", {"category": "linear"}))["retCode"] == 10001  # other operations have their own
        clock[0] += 1
        reply = ask(batch("order.create", *[limit("Buy", "0.1", best(venue, "Buy"))] * 5))
        assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 0, 0, 10006, 10006]
        codes = [
            {row["code"] for row in ask(batch("order.create", {}, {}, category="option"))["retExtInfo"]["list"]} for _ in range(4)
        ]
        assert codes == [{10001}, {10001}, {10001}, {10006}]  # on options a whole batch counts as one
        venue.limit_rate(None)
        assert [ask(create(venue))["retCode"] for _ in range(30)] == [0] * 30
        with pytest.raises(ValueError):
            venue.limit_rate(0)


@pytest.mark.parametrize("executed", [True, False])
def test_a_connection_that_ends_instead_of_an_answer(venue: BybitVenue, executed: bool) -> None:
    venue.drop_after_next_request(executed)
    with trade_peer(venue) as first, private_peer(venue, "order") as private:
        assert first.ask({"op": "ping"})["op"] == "pong"  # not what it waits for
        first.send(create(venue, reqId="r"))
        with pytest.raises(ConnectionClosed):
            first.websocket.recv(timeout=WAIT)
        assert len(rows(pushed(private), "order")) == len(venue.orders()) == executed
        with trade_peer(venue) as second:
            assert second.ask(create(venue, reqId="r"))["retCode"] == 0


def many(venue: BybitVenue, count: int) -> List[Dict[str, Any]]:
    price = best(venue, "Buy") - 100
    return [
        request("order.create", limit("Buy", "0.001", price, orderLinkId=f"n{number}"), reqId=f"q{number}")
        for number in range(count)
    ]


def check_each_once(venue: BybitVenue, replies: List[Any], count: int) -> None:
    ids = [reply["reqId"] for reply in replies]
    assert sorted(ids) == sorted(f"q{number}" for number in range(count))
    assert ids != [f"q{number}" for number in range(count)]
    for reply in replies:
        assert reply["retCode"] == 0 and reply["data"]["orderLinkId"] == "n" + reply["reqId"][1:]
    assert [order.link_id for order in venue.orders()] == [f"n{number}" for number in range(count)]


def test_500_requests_in_flight_are_answered_out_of_order_and_each_once(venue: BybitVenue, trade: Peer) -> None:
    venue.shuffle_answers(seed=3, within=0.2)
    for document in many(venue, 500):
        trade.send(document)
    check_each_once(venue, [trade.receive() for _ in range(500)], 500)
    venue.shuffle_answers(within=0)
    trade.send({"op": "ping"})
    assert trade.receive()["op"] == "pong"  # and nothing more was answered
    with pytest.raises(ValueError):
        venue.shuffle_answers(within=-1)


def test_answers_held_back_until_all_requests_are_there(venue: BybitVenue, trade: Peer) -> None:
    venue.hold_answers()
    for document in many(venue, 100):
        trade.send(document)
    assert venue.wait_until(lambda: len(venue.orders()) == 100)
    assert trade.ask({"op": "ping"})["op"] == "pong"  # of the answers none yet
    assert venue.release_answers(seed=5) == 100
    check_each_once(venue, [trade.receive() for _ in range(100)], 100)
    assert venue.release_answers() == 0


def test_requests_of_many_connections_at_once(venue: BybitVenue) -> None:
    venue.shuffle_answers(within=0.05)
    replies: List[Any] = []

    def work(name: int) -> None:
        with trade_peer(venue) as client:
            for number in range(20):
                client.send(create(venue, reqId=f"{name}-{number}"))
            replies.extend((name, client.receive()) for _ in range(20))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(replies) == len(venue.orders()) == 100
    assert {(name, reply["reqId"]) for name, reply in replies} == {
        (name, f"{name}-{number}") for name in range(5) for number in range(20)
    }


def test_the_secret_is_in_no_answer(venue: BybitVenue, trade: Peer) -> None:
    with peer(venue, TRADE) as client:
        replies = [client.ask(auth(venue, secret="guess")), client.ask(auth(venue)), trade.ask(create(venue))]
    text = json.dumps(replies)
    assert venue.api_secret not in text and venue.api_key not in text


def test_the_client(venue: BybitVenue) -> None:
    with venue.client("trade") as client:
        placed = client.place_order(**limit("Buy", "0.1", best(venue, "Buy")))
        client.cancel_order(category="linear", symbol="BTCUSDT", orderId=placed.order_id)
        with pytest.raises(VenueError) as caught:
            client.cancel_order(category="linear", symbol="BTCUSDT", orderId=placed.order_id)
        assert caught.value.code == 110001
        venue.drop_after_next_request(executed=True)
        with pytest.raises(OutcomeUnknown):
            client.place_order(**limit("Buy", "0.1", best(venue, "Buy"), orderLinkId="lost"))
        assert [(order.id, order.status) for order in venue.orders()[:1]] == [(placed.order_id, "Cancelled")]
        assert [order.link_id for order in venue.orders()[1:]] == ["lost"]
