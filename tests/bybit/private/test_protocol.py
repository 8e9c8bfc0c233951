"""The private protocol alone: subscriptions, their answers, and the account's updates."""

from __future__ import annotations

import json
from decimal import Decimal as D
from typing import Any, Dict, List, Sequence, Tuple

import pytest
from hypothesis import given, settings, strategies as st

from dbxsdk import AuthError, ProtocolError, SubscribeError, VenueError
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.private import models as models
from dbxsdk.bybit.private.channels import CHANNELS, channel_of
from dbxsdk.bybit.private.event_models import EventExecution, EventOrder, EventPosition
from dbxsdk.bybit.private.protocol import BybitPrivateProtocol
from dbxsdk.protocol import Acknowledgement, Push, Reply, Request

KEY, SECRET = "key-of-tests", "secret-of-tests"

GOOD = "Batch subscription partially succeeded and partially failed.Successful subscriptions are as follows:[{}]. "
BAD = "Subscription to the following topics failed because the topic does not exist or there is a subscription conflict:[{}]."

POSITION = {"category": "linear", "symbol": "AUSDT", "side": "Buy", "size": "1.5", "positionIdx": 0}
EXECUTION = {
    "category": "spot", "symbol": "AUSDT", "side": "Sell", "orderId": "o1", "orderLinkId": "l1", "execId": "e1",
    "execPrice": "2.50", "execQty": "4", "execTime": "1700000000001", "isMaker": True,
}
ORDER = {
    "category": "spot", "symbol": "AUSDT", "orderId": "o1", "orderLinkId": "", "side": "Sell", "orderType": "Limit",
    "orderStatus": "New", "price": "2.50", "qty": "4", "avgPrice": "", "createdTime": "1700000000000",
}
WALLET = {"accountType": "UNIFIED", "totalEquity": "10.5", "coin": [{"coin": "USDT", "walletBalance": "10.5", "locked": ""}]}
EVENT_SYMBOL = "ETHUSDT-28AUG26-2450-2570-OUT"
EVENT_ORDER = {
    "category": "event", "symbol": EVENT_SYMBOL, "orderId": "o1", "orderLinkId": "", "symbolId": 5, "side": "Buy",
    "settleCoin": "USDT", "orderStatus": "New", "ecContractType": "Range", "ecDirection": "RANGE_OUT", "ecDurationWindow": 86400,
    "ecOrderValue": "500", "ecSettleTime": "1790000000000", "payoutRatio": "1.85", "orderAvgPayoutRatio": "", "createType": 1,
    "extraFees": [], "transTime": "1700000000000", "createdTime": "1700000000001", "updatedTime": "1700000000002",
}
EVENT_EXECUTION = {
    "category": "event", "transId": "t1", "execId": "e1", "orderId": "o1", "symbol": EVENT_SYMBOL, "side": "Buy",
    "execType": "Settle", "execPrice": "", "execValue": "500", "execFeeRate": "0.001", "ecContractType": 2,
    "ecDirection": "ABOVE", "transTime": "1700000000001", "crossSeq": "77", "extraFees": [],
}
EVENT_POSITION = {
    "symbol": EVENT_SYMBOL, "side": "Buy", "ecContractType": "UpDown", "ecDirection": "UP", "positionValue": "500",
    "avgPayoutRatio": "1.85", "seq": 9,
}
GREEKS = {"baseCoin": "BTC", "totalDelta": "0.5", "totalGamma": "-0.1", "totalVega": "", "totalTheta": "0"}


@pytest.fixture
def protocol() -> BybitPrivateProtocol:
    return BybitPrivateProtocol(Credentials(KEY, SECRET))


def receive(protocol: BybitPrivateProtocol, document: Any) -> Any:
    (inbound,) = protocol.receive(json.dumps(document).encode(), False)
    return inbound


def push(protocol: BybitPrivateProtocol, topic: str, *rows: Any, **envelope: Any) -> Push:
    inbound = receive(protocol, {"id": "i1", "topic": topic, "creationTime": 1700000000005, "data": list(rows), **envelope})
    assert isinstance(inbound, Push)
    return inbound


def subscribe(protocol: BybitPrivateProtocol, *topics: str) -> Request:
    (request,) = protocol.subscribe(topics, ())
    return request


def acknowledge(protocol: BybitPrivateProtocol, request: Request, **document: Any) -> Acknowledgement:
    answer = {"op": "subscribe", "conn_id": "c1", "req_id": request.key, **document}
    return protocol.acknowledge(request, receive(protocol, answer))


def retried(acknowledgement: Acknowledgement) -> List[Tuple[str, ...]]:
    return [request.topics for request in acknowledgement.retry]


class TestRequests:
    def test_what_the_venue_documents(self, protocol: BybitPrivateProtocol) -> None:
        assert (protocol.venue, protocol.heartbeat_interval, protocol.connection_budget) == ("bybit", 20.0, (500, 300.0))

    def test_heartbeat_is_the_json_ping(self, protocol: BybitPrivateProtocol) -> None:
        request = protocol.heartbeat()
        assert json.loads(request.frame) == {"op": "ping", "req_id": request.key}
        assert request.kind == "ping"

    def test_subscribe_and_unsubscribe(self, protocol: BybitPrivateProtocol) -> None:
        for method in ("subscribe", "unsubscribe"):
            (request,) = getattr(protocol, method)(["order", "wallet"], ["position"])
            assert json.loads(request.frame) == {"op": method, "req_id": request.key, "args": ["order", "wallet"]}
            assert (request.kind, request.topics, request.alone) == (method, ("order", "wallet"), False)
            assert getattr(protocol, method)([], ()) == ()

    def test_raw_request(self, protocol: BybitPrivateProtocol) -> None:
        request = protocol.request("subscribe", ("order",))
        assert (json.loads(request.frame)["args"], request.topics) == (["order"], ("order",))

    @pytest.mark.parametrize("method, params, error, name", [
        ("subscribe", "order", TypeError, "params"), ("subscribe", {}, TypeError, "params"),
    ])
    def test_wrong_arguments(self, protocol: BybitPrivateProtocol, method: Any, params: Any, error: Any, name: str) -> None:
        with pytest.raises(error, match=name):
            protocol.request(method, params)

    def test_ids_are_not_used_twice(self, protocol: BybitPrivateProtocol) -> None:
        keys = {protocol.heartbeat().key for _ in range(100)}
        assert len(keys) == 100


class TestTopics:
    @pytest.mark.parametrize("channel, symbols, topics", [
        ("order", (), ("order",)),
        ("order", ("spot", "linear", "spot"), ("order.spot", "order.linear")),
        ("order.spot", (), ("order.spot",)),
        ("execution.fast", ("option",), ("execution.fast.option",)),
        ("dcp", ("future",), ("dcp.future",)),
        ("some.thing.new", (), ("some.thing.new",)),
    ])
    def test_names(self, protocol: BybitPrivateProtocol, channel: str, symbols: Any, topics: Any) -> None:
        assert protocol.topics(channel, symbols) == topics

    @pytest.mark.parametrize("channel, symbols, error, name", [
        ("", (), ValueError, "channel"), ("a b", (), ValueError, "channel"), ("order.", (), ValueError, "channel"),
        ("a\n", (), ValueError, "channel"), (5, (), TypeError, "channel"),
    ])
    def test_wrong_names(self, protocol: BybitPrivateProtocol, channel: Any, symbols: Any, error: Any, name: str) -> None:
        with pytest.raises(error, match=name):
            protocol.topics(channel, symbols)

    @pytest.mark.parametrize("topic, channel", [
        ("execution", "execution"), ("execution.spot", "execution"), ("execution.fast", "execution.fast"),
        ("execution.fast.spot", "execution.fast"), ("order.spot", "order"), ("order.newcategory", "order"),
        ("order.event", "order"), ("position.event", "position.event"),
        ("orderbook.50.AUSDT", None), ("wallet", "wallet"), ("wallet.spot", None), ("spread.order", "spread.order"),
        ("dcp.spot", "dcp"), ("rfq.open.rfqs", "rfq.open.rfqs"), ("rfq.site.rfqs", None), ("order.", None), ("", None),
    ])
    def test_channel_of(self, topic: str, channel: Any) -> None:
        assert channel_of(topic) == channel

    def test_topics_of(self, protocol: BybitPrivateProtocol) -> None:
        topics = ["execution.spot", "execution.fast", "execution.fast.spot", "order", "orderbook", "new.a", "new.a.b", "newer"]
        assert protocol.topics_of("execution", topics) == ("execution.spot",)
        assert protocol.topics_of("execution.fast", topics) == ("execution.fast", "execution.fast.spot")
        assert protocol.topics_of("order", topics) == ("order",)
        assert protocol.topics_of("execution.spot", topics) == ("execution.spot",)
        assert protocol.topics_of("new.a", topics) == ("new.a", "new.a.b")

    @pytest.mark.parametrize("topics", [
        ["order", "order.spot"], ["execution.linear", "wallet", "execution"], {"execution.fast", "execution.fast.option"},
        ["position", "position.inverse"], ["dcp", "dcp.spot"],
    ])
    def test_all_in_one_and_categorised_exclude_each_other(self, protocol: BybitPrivateProtocol, topics: Any) -> None:
        with pytest.raises(ValueError, match="channel: .*second client"):
            protocol.check_capacity(topics)

    @pytest.mark.parametrize("topics", [
        [], ["order.spot", "order.linear"], ["execution", "execution.fast"], ["execution.fast.spot", "execution"],
        list(CHANNELS), ["spread.order", "order"], ["position", "position.event"],
    ])
    def test_others_do_not(self, protocol: BybitPrivateProtocol, topics: Any) -> None:
        protocol.check_capacity(topics)


class TestUpdates:
    @pytest.mark.parametrize("topic, row, model", [
        ("position", POSITION, models.Position), ("position.linear", POSITION, models.Position),
        ("execution", EXECUTION, models.Execution), ("execution.spot", EXECUTION, models.Execution),
        ("execution.fast", EXECUTION, models.FastExecution), ("execution.fast.spot", EXECUTION, models.FastExecution),
        ("order", ORDER, models.Order), ("order.spot", ORDER, models.Order),
        ("wallet", WALLET, models.Wallet), ("greeks", GREEKS, models.Greeks),
    ])
    def test_models(self, protocol: BybitPrivateProtocol, topic: str, row: Any, model: Any) -> None:
        update = push(protocol, topic, row, row)
        assert (update.topic, update.channel, update.symbol, update.kind) == (topic, topic, "", "update")
        assert update.venue_time_ms == 1700000000005
        first, second = update.read(update.payload)
        assert type(first) is model and first == second and hash(first) == hash(second)

    @pytest.mark.parametrize("topic, row, model, values", [
        ("order", EVENT_ORDER, EventOrder, {
            "qty": D("500"), "price": None, "create_type": "1", "payout_ratio": D("1.85"), "ec_settle_time": 1790000000000,
            "order_status": "New", "extra_fees": (), "updated_time": 1700000000002,
        }),
        ("order.event", {**EVENT_ORDER, "ecOrderValue": "", "createType": None}, EventOrder, {"qty": D(0), "create_type": None}),
        ("execution", EVENT_EXECUTION, EventExecution, {
            "exec_price": D(0), "exec_qty": D("500"), "exec_value": D("500"), "exec_time": 1700000000001, "is_maker": None,
            "ec_contract_type": "2", "ec_direction": "ABOVE", "seq": 77, "fee_rate": D("0.001"),
        }),
        ("execution.event", EVENT_EXECUTION, EventExecution, {"exec_type": "Settle"}),
        ("position.event", EVENT_POSITION, EventPosition, {"position_value": D("500"), "seq": 9, "ec_direction": "UP"}),
    ])
    def test_event_contracts(self, protocol: BybitPrivateProtocol, topic: str, row: Any, model: Any, values: Any) -> None:
        update = push(protocol, topic, row, row)
        first, second = update.read(update.payload)
        assert type(first) is model and first == second and hash(first) == hash(second)
        assert {name: getattr(first, name) for name in values} == values

    def test_rows_of_several_categories_in_one_frame(self, protocol: BybitPrivateProtocol) -> None:
        update = push(protocol, "order", ORDER, EVENT_ORDER)
        read = update.read(update.payload)
        assert [type(each) for each in read] == [models.Order, EventOrder]
        assert all(isinstance(each, models.Order) for each in read)

    def test_an_event_row_without_an_id_is_bad(self, protocol: BybitPrivateProtocol) -> None:
        update = push(protocol, "order", {**EVENT_ORDER, "orderId": None})
        with pytest.raises(ProtocolError, match="EventOrder: the field 'orderId' is missing"):
            update.read(update.payload)

    def test_the_collateral_limit_of_a_coin(self, protocol: BybitPrivateProtocol) -> None:
        with_it = {**WALLET["coin"][0], "colRes": "2"}  # type: ignore[index]
        update = push(protocol, "wallet", {**WALLET, "coin": [with_it, *WALLET["coin"]]})  # type: ignore[misc]
        assert [coin.col_res for coin in update.read(update.payload)[0].coin] == ["2", None]

    @pytest.mark.parametrize("topic", ["strategy", "spread.order", "spread.execution", "rfq.open.rfqs", "dcp.future", "new.one"])
    def test_without_a_model(self, protocol: BybitPrivateProtocol, topic: str) -> None:
        update = push(protocol, topic, {"a": 1})
        assert update.read(update.payload) == [{"a": 1}]

    def test_envelope_without_id_and_time(self, protocol: BybitPrivateProtocol) -> None:
        update = receive(protocol, {"topic": "execution.fast", "data": [EXECUTION]})
        assert update.venue_time_ms is None
        assert update.read(update.payload)[0].exec_id == "e1"

    def test_values(self, protocol: BybitPrivateProtocol) -> None:
        row = {
            **ORDER, "cumFeeDetail": {"AB": "0.1", "CD": ""}, "positionIdx": 2, "triggerDirection": 0, "smpGroup": 0,
            "reduceOnly": False, "takeProfit": "", "orderStatus": "SomethingNew", "unknown": [1], "updatedTime": "",
        }
        update = push(protocol, "order", row)
        (order,) = update.read(update.payload)
        assert (order.price, order.qty, order.avg_price, order.take_profit) == (D("2.50"), D(4), None, None)
        assert (order.created_time, order.updated_time) == (1700000000000, None)
        assert (order.order_link_id, order.order_status, order.position_idx) == ("", "SomethingNew", 2)
        assert order.cum_fee_detail == {"AB": D("0.1")}
        assert str(order.price) == "2.50"

    def test_wallet_values(self, protocol: BybitPrivateProtocol) -> None:
        update = push(protocol, "wallet", WALLET)
        (wallet,) = update.read(update.payload)
        assert wallet.total_equity == D("10.5") and wallet.total_perp_upl is None
        assert [(coin.coin, coin.wallet_balance, coin.locked) for coin in wallet.coin] == [("USDT", D("10.5"), None)]

    @pytest.mark.parametrize("seq", [-1, "-1"])
    def test_position_that_was_never_traded(self, protocol: BybitPrivateProtocol, seq: Any) -> None:
        update = push(protocol, "position", {**POSITION, "side": "", "leverage": "", "seq": seq})
        (position,) = update.read(update.payload)
        assert (position.side, position.leverage, position.seq) == ("", None, -1)

    def test_extra_fees(self, protocol: BybitPrivateProtocol) -> None:
        fee = {"feeCoin": "AB", "feeType": "T", "subFeeType": "S", "feeRate": "0.01", "fee": "0.5"}
        update = push(protocol, "execution", {**EXECUTION, "extraFees": [fee]}, {**EXECUTION, "extraFees": ""})
        first, second = update.read(update.payload)
        assert first.extra_fees == (
            models.ExtraFee(fee_coin="AB", fee_type="T", sub_fee_type="S", fee_rate=D("0.01"), fee=D("0.5")),
        )
        assert second.extra_fees == ()

    @pytest.mark.parametrize("topic, row, name", [
        ("position", POSITION, "positionIdx"), ("execution", EXECUTION, "execId"), ("execution.fast", EXECUTION, "execPrice"),
        ("order", ORDER, "orderStatus"), ("wallet", WALLET, "coin"), ("greeks", GREEKS, "baseCoin"),
    ])
    def test_missing_field(self, protocol: BybitPrivateProtocol, topic: str, row: Dict[str, Any], name: str) -> None:
        update = push(protocol, topic, {key: value for key, value in row.items() if key != name})
        with pytest.raises(ProtocolError, match=name):
            update.read(update.payload)

    @pytest.mark.parametrize("data", [None, {}, "x", 1, [1], [None], [[]]])
    @pytest.mark.parametrize("topic", ["order", "wallet", "execution"])
    def test_unreadable_data(self, protocol: BybitPrivateProtocol, topic: str, data: Any) -> None:
        update = receive(protocol, {"topic": topic, "data": data})
        with pytest.raises(ProtocolError):
            update.read(update.payload)


class TestReplies:
    @pytest.mark.parametrize("document, key, kind, ordered", [
        ({"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}, None, "auth", False),
        ({"req_id": "r", "success": False, "ret_msg": "x", "op": "subscribe"}, "r", "subscribe", False),
        ({"success": False, "ret_msg": "Params Error", "op": "order.create"}, None, "order.create", False),
        ({"op": "pong", "args": ["1"], "conn_id": "c"}, None, "ping", True),
        ({"req_id": "r", "op": "pong", "args": ["1"]}, "r", "ping", True),
        ({"success": True, "ret_msg": "pong", "op": "ping", "req_id": ""}, None, "ping", True),
        ({"retCode": 10404, "retMsg": "", "op": "subscribe", "reqId": "r"}, "r", "subscribe", False),
    ])
    def test_which_request(
        self, protocol: BybitPrivateProtocol, document: Any, key: Any, kind: str, ordered: bool
    ) -> None:
        inbound = receive(protocol, document)
        assert isinstance(inbound, Reply)
        assert (inbound.key, inbound.kind, inbound.ordered, inbound.document) == (key, kind, ordered, document)

    @pytest.mark.parametrize("payload", [
        b"", b"x", b"[]", b"1", b"null", b"{}", b'{"topic":1}', b'{"topic":null}', b'{"success":true}', b'{"op":"auth"}',
        b'{"success":1,"op":"auth"}', b'{"req_id":1,"success":true,"op":"auth"}', b'{"type":"error","ret_msg":"x"}',
        b'{"ret_code":"400"}', b"\xff", b'{"op":"pong","req_id":[]}', b"[" * 100_000,
    ])
    def test_unreadable(self, protocol: BybitPrivateProtocol, payload: bytes) -> None:
        with pytest.raises(ProtocolError):
            protocol.receive(payload, False)

    def test_binary(self, protocol: BybitPrivateProtocol) -> None:
        with pytest.raises(ProtocolError, match="binary"):
            protocol.receive(b"{}", True)

    def test_conclude(self, protocol: BybitPrivateProtocol) -> None:
        request = protocol.request("subscribe", ["order"])
        yes = {"success": True, "op": "subscribe", "req_id": request.key}
        assert protocol.conclude(request, receive(protocol, yes)) == yes
        no = {"success": False, "ret_msg": "Request not authorized", "op": "subscribe"}
        with pytest.raises(VenueError, match="not authorized") as raised:
            protocol.conclude(request, receive(protocol, no))
        assert (type(raised.value), raised.value.code, raised.value.reply) == (VenueError, None, no)
        with pytest.raises(AuthError):
            protocol.conclude(protocol.request("auth", []), receive(protocol, {**no, "op": "auth"}))
        with pytest.raises(VenueError, match="no reason"):
            protocol.conclude(request, receive(protocol, {"success": False, "op": "subscribe"}))
        with pytest.raises(VenueError) as raised:
            protocol.conclude(request, receive(protocol, {"retCode": 10404, "retMsg": "", "op": "subscribe"}))
        assert raised.value.code == 10404

    def test_order_operation_on_the_wrong_socket(self, protocol: BybitPrivateProtocol) -> None:
        request = protocol.request("order.create", [{}])
        answer = receive(protocol, {"success": False, "ret_msg": "Params Error", "op": "order.create", "conn_id": "c"})
        assert (answer.key, answer.kind) == (None, request.kind)
        with pytest.raises(VenueError, match="Params Error"):
            protocol.conclude(request, answer)


class TestAcknowledgements:
    def test_yes(self, protocol: BybitPrivateProtocol) -> None:
        request = subscribe(protocol, "order", "wallet")
        assert acknowledge(protocol, request, success=True, ret_msg="") == Acknowledgement(("order", "wallet"))

    @pytest.mark.parametrize("good, bad", [
        ("order, wallet", "nothing, nothing.2"), ("order,wallet", "nothing,nothing.2"), ("order wallet", "nothing nothing.2"),
        (" wallet ,  order ", "\"nothing\", 'nothing.2'"), ("order;wallet", "nothing;nothing.2"),
    ])
    def test_partial_success(self, protocol: BybitPrivateProtocol, good: str, bad: str) -> None:
        request = subscribe(protocol, "order", "nothing", "wallet", "nothing.2")
        told = acknowledge(protocol, request, success=False, ret_msg=GOOD.format(good) + BAD.format(bad))
        assert told.accepted == ("order", "wallet")
        assert set(told.refused) == {"nothing", "nothing.2"} and told.retry == ()
        error = told.refused["nothing"]
        assert isinstance(error, SubscribeError) and error.topics == ("nothing",) and "does not exist" in error.message

    def test_empty_list_of_good_ones(self, protocol: BybitPrivateProtocol) -> None:
        request = subscribe(protocol, "nothing")
        told = acknowledge(protocol, request, success=False, ret_msg=GOOD.format("") + BAD.format("nothing"))
        assert (told.accepted, set(told.refused), told.retry) == ((), {"nothing"}, ())

    def test_topics_that_the_text_leaves_out_are_asked_for_alone(self, protocol: BybitPrivateProtocol) -> None:
        request = subscribe(protocol, "order", "wallet", "greeks")
        told = acknowledge(protocol, request, success=False, ret_msg=GOOD.format("order") + BAD.format(""))
        assert (told.accepted, told.refused, retried(told)) == (("order",), {}, [("wallet",), ("greeks",)])

    def test_names_are_compared_whole(self, protocol: BybitPrivateProtocol) -> None:
        request = subscribe(protocol, "execution", "execution.fast")
        told = acknowledge(protocol, request, success=False, ret_msg=GOOD.format("execution.fast") + BAD.format("execution"))
        assert (told.accepted, set(told.refused)) == (("execution.fast",), {"execution"})

    def test_one_list_alone(self, protocol: BybitPrivateProtocol) -> None:
        request = subscribe(protocol, "order", "nothing")
        told = acknowledge(protocol, request, success=False, ret_msg=BAD.format("nothing"))
        assert (told.accepted, set(told.refused), retried(told)) == ((), {"nothing"}, [("order",)])
        told = acknowledge(protocol, request, success=True, ret_msg=BAD.format("nothing"))
        assert (told.accepted, set(told.refused), told.retry) == (("order",), {"nothing"}, ())

    @pytest.mark.parametrize("text", ["Request not authorized", "", None, 5, "[order]", "[", "]["])
    def test_text_that_names_nothing(self, protocol: BybitPrivateProtocol, text: Any) -> None:
        many = acknowledge(protocol, subscribe(protocol, "order", "wallet"), success=False, ret_msg=text)
        assert (many.accepted, many.refused, retried(many)) == ((), {}, [("order",), ("wallet",)])
        one = acknowledge(protocol, subscribe(protocol, "order"), success=False, ret_msg=text)
        assert (one.accepted, set(one.refused), one.retry) == ((), {"order"}, ())

    def test_trade_socket_at_the_address(self, protocol: BybitPrivateProtocol) -> None:
        request = subscribe(protocol, "order")
        answer = receive(protocol, {"op": "subscribe", "reqId": request.key, "retCode": 10404, "retMsg": "", "connId": "c"})
        told = protocol.acknowledge(request, answer)
        assert told.refused["order"].code == 10404

    def test_long_hostile_text_is_quick(self, protocol: BybitPrivateProtocol) -> None:
        for text in ("[" * 300_000, "[a" * 150_000, "fail" * 100_000, "[]" * 150_000, "[" + "," * 300_000):
            acknowledge(protocol, subscribe(protocol, "order"), success=False, ret_msg=text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
documents = st.dictionaries(
    st.sampled_from("topic data op success ret_msg req_id reqId retCode retMsg args type ret_code creationTime id".split()),
    json_values | st.sampled_from(["order", "auth", "ping", "pong", "subscribe", "wallet", "position", True, False, 0, 10004]),
    max_size=8,
)


class TestAnything:
    @settings(max_examples=100, deadline=None)
    @given(documents)
    def test_whatever_arrives(self, document: Any) -> None:
        protocol = BybitPrivateProtocol(Credentials(KEY, SECRET))
        requests = [subscribe(protocol, "order", "wallet"), subscribe(protocol, "order"), protocol.heartbeat()]
        try:
            inbound: Sequence[Any] = protocol.receive(json.dumps(document).encode(), False)
        except ProtocolError:
            inbound = [Reply(None, document)]
        for item in inbound:
            if isinstance(item, Push):
                read_or_refuse(item)
                continue
            for request in requests:
                told = protocol.acknowledge(request, item)
                named = {*told.accepted, *told.refused, *(topic for again in told.retry for topic in again.topics)}
                assert named == set(request.topics)
                try:
                    protocol.conclude(request, item)
                except VenueError:
                    pass

    @given(st.binary(max_size=64))
    def test_whatever_bytes(self, payload: bytes) -> None:
        protocol = BybitPrivateProtocol(Credentials(KEY, SECRET))
        for binary in (False, True):
            try:
                protocol.receive(payload, binary)
            except ProtocolError:
                pass


def read_or_refuse(item: Push) -> None:
    try:
        item.read(item.payload)
    except ProtocolError:
        pass
