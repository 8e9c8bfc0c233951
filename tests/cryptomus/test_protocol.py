"""Frames of Cryptomus, out and in. Pure: nothing here connects."""

from __future__ import annotations

import json
from decimal import Decimal as D
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbxsdk.cryptomus import models
from dbxsdk.cryptomus.protocol import CHANNELS, CryptomusProtocol
from dbxsdk.errors import ProtocolError, VenueError
from dbxsdk.protocol import Acknowledgement, Push, Reply

TICKER = {
    "symbol": "AAA_BBB", "timestamp": 1700000001, "price": "12.5", "open": "12.0", "high": "13", "low": "11.75",
    "volume": "100.5", "quote_volume": "1256.25", "price_change": "-4.1",
}
ORDER = {
    "id": "01ORDER", "symbol": "AAA_BBB", "orderType": "limit", "direction": "buy", "price": "2.5000000000000000",
    "quantity": "4.0000000000000000", "value": "10.0000000000000000", "filledQuantity": "0.0000000000000000",
    "filledValue": "0.0000000000000000", "clientOid": None, "createTs": 1700000002,
}
BALANCE = {
    "walletId": "01WALLET", "currencyCode": "BBB", "amount": "10.0000000000000000", "oldBalance": "100.0000000000000000",
    "newBalance": "90.00000000",
}
DEAL = {
    "dealId": "01DEAL", "symbol": "AAA_BBB", "dealState": "completed", "transactionId": "01T", "filledPrice": "2.5",
    "filledQuantity": "4", "filledValue": "10", "fee": "0.01", "feeCurrency": "AAA", "tradeRole": "maker",
    "committedAt": 1700000003,
}


@pytest.fixture
def protocol() -> CryptomusProtocol:
    return CryptomusProtocol()


def receive(protocol: CryptomusProtocol, document: Any) -> Any:
    (inbound,) = protocol.receive(json.dumps(document).encode(), False)
    return inbound


def update(channel: str, data: Any, id: Any = 0) -> Dict[str, Any]:
    return {"id": id, "method": f"{channel}_update", "data": data, "error": None}


def depth(full_reload: bool = True, scale_index: int = 1, **more: Any) -> Dict[str, Any]:
    return {
        "symbol": "AAA_BBB", "timestamp": 1700000004, "full_reload": full_reload, "scale_index": scale_index,
        "asks": [["2.6", "1"]], "bids": [["2.5", "0"], ["2.4", "7.5"]], **more,
    }


class TestRequests:
    def test_ping(self, protocol: CryptomusProtocol) -> None:
        request = protocol.heartbeat()
        assert json.loads(request.frame) == {"id": request.key, "method": "ping", "params": []}
        assert not request.is_ping  # a message, not a WebSocket ping frame
        assert protocol.heartbeat_interval <= 50

    def test_ids_are_integers_above_0_and_never_repeat(self, protocol: CryptomusProtocol) -> None:
        keys: List[Any] = []
        for _ in range(3):
            keys += [protocol.heartbeat().key, protocol.request("x", []).key]
            keys += [request.key for request in protocol.subscribe(("ticker.A", "trade.A"), ())]
            keys += [request.key for request in protocol.unsubscribe(("ticker.A", "trade.A"), ())]
            protocol.reset()
        assert len(set(keys)) == len(keys)
        assert all(type(key) is int and key > 0 for key in keys)

    def test_raw_request(self, protocol: CryptomusProtocol) -> None:
        request = protocol.request("anything", ["a", 1])
        assert json.loads(request.frame) == {"id": request.key, "method": "anything", "params": ["a", 1]}
        assert json.loads(protocol.request("anything", None).frame)["params"] == []

    @pytest.mark.parametrize("params", ["BTC_USDT", {"a": 1}, 5, {1}])
    def test_params_that_are_no_list(self, protocol: CryptomusProtocol, params: Any) -> None:
        with pytest.raises(TypeError, match="params"):
            protocol.request("ticker_subscribe", params)

    @pytest.mark.parametrize("params", [[float("nan")], [object()]])
    def test_params_that_are_not_json(self, protocol: CryptomusProtocol, params: Any) -> None:
        with pytest.raises((TypeError, ValueError)):
            protocol.request("x", params)

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_subscribe_and_unsubscribe(self, protocol: CryptomusProtocol, channel: str) -> None:
        topics = protocol.topics(channel, ["a_b:0", "C_D:12"] if channel == "depth" else ["a_b", "C_D"])
        names = ["A_B:0", "C_D:12"] if channel == "depth" else ["A_B", "C_D"]
        (request,) = protocol.subscribe(topics, topics)
        assert json.loads(request.frame) == {"id": request.key, "method": f"{channel}_subscribe", "params": names}
        assert request.topics == topics == tuple(f"{channel}.{name}" for name in names)
        reply = Reply(request.key, {"id": request.key, "data": {"status": "success"}, "error": None})
        assert protocol.acknowledge(request, reply) == Acknowledgement(accepted=topics)
        (request,) = protocol.unsubscribe(topics, ())
        assert json.loads(request.frame) == {"id": request.key, "method": f"{channel}_unsubscribe", "params": ["all"]}
        assert request.topics == topics

    def test_one_request_a_channel(self, protocol: CryptomusProtocol) -> None:
        requests = protocol.subscribe(("ticker.A", "depth.A:0", "ticker.B", "order.all"), ())
        assert [(request.kind, request.topics, request.alone) for request in requests] == [
            ("ticker", ("ticker.A", "ticker.B"), True), ("depth", ("depth.A:0",), True), ("order", ("order.all",), True),
        ]
        assert json.loads(requests[2].frame)["params"] == ["all"]

    def test_an_acknowledgement_of_a_request_that_subscribed_nothing(self, protocol: CryptomusProtocol) -> None:
        request = protocol.heartbeat()
        assert protocol.acknowledge(request, Reply(request.key, {"error": {"code": 1}})) == Acknowledgement()


class TestTopics:
    @pytest.mark.parametrize("channel, symbols, topics", [
        ("ticker", ["BTC_USDT", "eth_usdt", "BTC_USDT"], ("ticker.BTC_USDT", "ticker.ETH_USDT")),
        ("balance", ["usdt"], ("balance.USDT",)),
        ("depth", ["btc_usdt:0", "BTC_USDT:00", "BTC_USDT:1"], ("depth.BTC_USDT:0", "depth.BTC_USDT:1")),
        ("trade", ["all"], ("trade.all",)),
        ("depth", ["all"], ("depth.all",)),
        ("ticker", ["A_B", "all", "C_D"], ("ticker.all",)),
        ("balance", ["ALL"], ("balance.ALL",)),  # the lek, not everything
    ])
    def test_names(self, protocol: CryptomusProtocol, channel: str, symbols: List[str], topics: Any) -> None:
        assert protocol.topics(channel, symbols) == topics

    @pytest.mark.parametrize("channel", ["trades", "", "TICKER", "candles", "ticker_update", "depth.A:0"])
    def test_unknown_channel(self, protocol: CryptomusProtocol, channel: str) -> None:
        with pytest.raises(ValueError, match="channel"):
            protocol.topics(channel, ["A_B"])
        with pytest.raises(ValueError, match="channel"):
            protocol.topics_of(channel, ())

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_something_must_be_named(self, protocol: CryptomusProtocol, channel: str) -> None:
        with pytest.raises(ValueError, match="symbols"):
            protocol.topics(channel, [])

    @pytest.mark.parametrize("symbol", [
        "BTC_USDT", "BTC_USDT:", ":0", "BTC_USDT:x", "BTC_USDT:-1", "BTC_USDT:1.0", "BTC_USDT:0:1", "BTC_USDT:٣", "A:+1",
        "A:1e1", "A:" + "9" * 10,
    ])
    def test_a_scale_index_that_is_no_number(self, protocol: CryptomusProtocol, symbol: str) -> None:
        with pytest.raises(ValueError, match="symbols .*scale_index"):
            protocol.topics("depth", ["BTC_USDT:0", symbol])

    @pytest.mark.parametrize("channel", [channel for channel in CHANNELS if channel != "depth"])
    def test_a_scale_index_where_there_is_none(self, protocol: CryptomusProtocol, channel: str) -> None:
        with pytest.raises(ValueError, match="symbols"):
            protocol.topics(channel, ["BTC_USDT:0"])

    def test_topics_of(self, protocol: CryptomusProtocol) -> None:
        topics = ["depth.A:0", "deal.A", "depth.all", "trade.A"]
        assert protocol.topics_of("depth", topics) == ("depth.A:0", "depth.all")
        assert protocol.topics_of("order", topics) == ()


class TestReplies:
    @pytest.mark.parametrize("document", [
        {"id": 7, "method": "pong", "data": None, "error": None},
        {"id": 7, "method": "trade_subscribe", "data": {"status": "success"}, "error": None},
        {"id": 7, "data": {"status": "success"}, "error": None},
        {"id": 7, "data": None, "error": {"message": "Invalid message format", "code": 1}},
        {"id": 0, "data": {"status": "success"}, "error": None},
    ])
    def test_by_id(self, protocol: CryptomusProtocol, document: Any) -> None:
        assert receive(protocol, document) == Reply(document["id"], document)

    def test_an_error_without_an_id(self, protocol: CryptomusProtocol) -> None:
        document = {"id": None, "data": None, "error": {"message": "Invalid message format", "code": 1}}
        assert receive(protocol, document) == Reply(None, document)

    @pytest.mark.parametrize("document", [
        {"id": "7", "data": {"status": "success"}, "error": None},  # not ours: ours are integers
        {"id": "7", "data": None, "error": {"message": "x", "code": 2}},
        {"id": 7.0, "data": None, "error": None},
        {"id": True, "data": None, "error": None},
        {"id": None, "data": None, "error": None},
        {"method": "pong"},
        {},
    ])
    def test_ids_are_not_made_to_fit(self, protocol: CryptomusProtocol, document: Any) -> None:
        with pytest.raises(ProtocolError):
            receive(protocol, document)

    @pytest.mark.parametrize("data", [None, {"status": "success"}, {"other": 1}, [1], "x", 5])
    def test_result(self, protocol: CryptomusProtocol, data: Any) -> None:
        request = protocol.request("x", [])
        assert protocol.conclude(request, Reply(request.key, {"id": request.key, "data": data, "error": None})) == data

    @pytest.mark.parametrize("document, code, message", [
        ({"data": None, "error": {"message": "Invalid message format", "code": 1}}, 1, "Invalid message format"),
        ({"data": None, "error": {"message": "Other errors", "code": 2}}, 2, "Other errors"),
        ({"data": None, "error": {"message": "m", "code": [1]}}, None, "m"),
        ({"data": None, "error": {}}, None, "{}"),
        ({"data": None, "error": "broken"}, None, "broken"),
        ({"data": None, "error": 0}, None, "0"),
        ({"data": {"status": "failed"}, "error": None}, None, "failed"),
        ({"data": {"status": None}, "error": None}, None, "None"),
    ])
    def test_refusals(self, protocol: CryptomusProtocol, document: Any, code: Any, message: str) -> None:
        request = protocol.request("x", [])
        document = {"id": request.key, **document}
        with pytest.raises(VenueError) as raised:
            protocol.conclude(request, Reply(request.key, document))
        assert type(raised.value) is VenueError
        assert raised.value.code == code and message in raised.value.message and raised.value.reply is document

    @pytest.mark.parametrize("said", ['"error": %s', '"error": {"code": %s}', '"data": {"status": %s}'])
    def test_a_refusal_nested_as_deep_as_json_goes(self, protocol: CryptomusProtocol, said: str) -> None:
        request = protocol.request("ping", None)
        deep = "[" * 1000 + "]" * 1000
        try:
            (reply,) = protocol.receive(f'{{"id": {request.key}, {said % deep}}}'.encode(), False)
        except ProtocolError:
            return  # the standard library's decoder does not go so deep
        with pytest.raises(VenueError) as raised:
            protocol.conclude(request, reply)  # type: ignore[arg-type]
        assert len(str(raised.value)) < 500


class TestPushes:
    @pytest.mark.parametrize("channel, data, topic, symbol, kind, time_ms, model", [
        ("lastprice", {"symbol": "AAA_BBB", "timestamp": 1700000005, "price": "2.50"}, "lastprice.AAA_BBB", "AAA_BBB",
         "update", 1700000005000, models.LastPrice(symbol="AAA_BBB", timestamp=1700000005, price=D("2.50"))),
        ("depth", depth(), "depth.AAA_BBB:1", "AAA_BBB", "snapshot", 1700000004000,
         models.Depth(symbol="AAA_BBB", scale_index=1, timestamp=1700000004, full_reload=True, asks=((D("2.6"), D(1)),),
                      bids=((D("2.5"), D(0)), (D("2.4"), D("7.5"))))),
        ("depth", depth(False, 0, asks=[], bids=[]), "depth.AAA_BBB:0", "AAA_BBB", "delta", 1700000004000,
         models.Depth(symbol="AAA_BBB", scale_index=0, timestamp=1700000004, full_reload=False)),
        ("ticker", TICKER, "ticker.AAA_BBB", "AAA_BBB", "update", 1700000001000,
         models.Ticker(symbol="AAA_BBB", timestamp=1700000001, price=D("12.5"), open=D("12.0"), high=D(13), low=D("11.75"),
                       volume=D("100.5"), quote_volume=D("1256.25"), price_change=D("-4.1"))),
        ("trade", {"symbol": "AAA_BBB", "timestamp": 1700000006, "trades": [
            {"price": 2.1, "quantity": 3, "timestamp": 1700000006, "direction": "sell"},
            {"price": 2.2, "quantity": 1e-07, "timestamp": 1700000007, "direction": "sideways"}]},
         "trade.AAA_BBB", "AAA_BBB", "update", 1700000006000,
         (models.Trade(price=D("2.1"), quantity=D(3), timestamp=1700000006, direction="sell"),
          models.Trade(price=D("2.2"), quantity=D("0.0000001"), timestamp=1700000007, direction="sideways"))),
        ("balance", {"info": BALANCE}, "balance.BBB", "BBB", "update", None,
         models.Balance(wallet_id="01WALLET", currency_code="BBB", amount=D(10), old_balance=D(100), new_balance=D(90))),
        ("deal", {"info": DEAL}, "deal.AAA_BBB", "AAA_BBB", "update", 1700000003000,
         models.Deal(deal_id="01DEAL", symbol="AAA_BBB", deal_state="completed", transaction_id="01T", filled_price=D("2.5"),
                     filled_quantity=D(4), filled_value=D(10), fee=D("0.01"), fee_currency="AAA", trade_role="maker",
                     committed_at=1700000003)),
    ])
    def test_channels(
        self, protocol: CryptomusProtocol, channel: str, data: Any, topic: str, symbol: str, kind: str,
        time_ms: Optional[int], model: Any,
    ) -> None:
        document = update(channel, data)
        push = receive(protocol, document)
        assert isinstance(push, Push)
        assert (push.topic, push.channel, push.symbol, push.kind) == (topic, channel, symbol, kind)
        assert push.venue_time_ms == time_ms
        assert push.document == document
        assert push.read(push.payload) == model

    @pytest.mark.parametrize("number", ["0.12345678901234567891", "2.10", "1e-7", "123456789012345678901", "3"])
    def test_the_digits_of_a_trade_are_those_of_the_wire(self, protocol: CryptomusProtocol, number: str) -> None:
        trade = '{"price":%s,"quantity":0.1000000000000000055,"timestamp":1700000006,"direction":"buy"}' % number
        frame = '{"id":0,"method":"trade_update","data":{"symbol":"A_B","timestamp":1,"trades":[%s]},"error":null}' % trade
        protocol.subscribe(("trade.A_B",), ())
        [push] = protocol.receive(frame.encode(), False)
        [read] = push.read(push.payload)
        assert str(read.price) == str(D(number)) and read.quantity == D("0.1000000000000000055")
        assert push.document["data"]["trades"][0]["quantity"] == 0.1

    @pytest.mark.parametrize("kind, more, time_ms", [
        ("created", {}, 1700000002000),
        ("updated", {"filledQuantity": "2.0", "filledValue": "5.0", "updateTs": 1700000008}, 1700000008000),
        ("finished", {"finishTs": 1700000007, "state": "completed", "internalState": "filled"}, 1700000007000),
        ("finished", {"finishTs": 1700000007, "state": "something new", "internalState": "?"}, 1700000007000),
        ("quite new", {"clientOid": "mine", "unknown": [1]}, 1700000002000),
    ])
    def test_orders(self, protocol: CryptomusProtocol, kind: str, more: Any, time_ms: int) -> None:
        push = receive(protocol, update("order", {"type": kind, "info": {**ORDER, **more}}, "3"))
        assert (push.topic, push.symbol, push.kind, push.venue_time_ms) == ("order.AAA_BBB", "AAA_BBB", "update", time_ms)
        order = push.read(push.payload)
        assert (order.type, order.id, order.symbol, order.order_type, order.direction) == (
            kind, "01ORDER", "AAA_BBB", "limit", "buy")
        assert (order.price, order.quantity, order.value) == (D("2.5"), D(4), D(10))
        assert order.filled_quantity == D(more.get("filledQuantity", 0))
        assert (order.create_ts, order.update_ts, order.finish_ts) == (1700000002, more.get("updateTs"), more.get("finishTs"))
        assert (order.state, order.internal_state) == (more.get("state"), more.get("internalState"))
        assert order.client_oid == more.get("clientOid")

    def test_an_order_without_a_price_is_an_order(self, protocol: CryptomusProtocol) -> None:
        info = {**ORDER, "orderType": "market", "price": None, "quantity": None}
        push = receive(protocol, update("order", {"type": "created", "info": info}))
        assert push.read(push.payload).price is None

    def test_the_sign_of_a_balance_is_new_less_old(self) -> None:
        charged = models.read_balance({"info": BALANCE})
        paid = models.read_balance({"info": {**BALANCE, "oldBalance": "80"}})
        assert (charged.amount, charged.change) == (10, -10)
        assert (paid.amount, paid.change) == (10, 10)

    @pytest.mark.parametrize("id", [0, "0", "1", "3", "4", 1, 7, None, "x", [1]])
    def test_whatever_their_id(self, protocol: CryptomusProtocol, id: Any) -> None:
        (asked,) = protocol.subscribe(("ticker.AAA_BBB",), ())
        assert asked.key == 1
        assert isinstance(receive(protocol, update("ticker", TICKER, id)), Push)

    def test_books_are_told_apart_by_scale(self, protocol: CryptomusProtocol) -> None:
        topics = [receive(protocol, update("depth", depth(scale_index=index))).topic for index in (0, 1, 2)]
        assert topics == ["depth.AAA_BBB:0", "depth.AAA_BBB:1", "depth.AAA_BBB:2"]

    @pytest.mark.parametrize("document", [
        update("ticker", []),
        update("ticker", None),
        update("ticker", {}),
        update("ticker", {"symbol": 5}),
        update("order", ORDER),
        update("order", {"type": "created", "info": []}),
        update("balance", {"info": {"symbol": "AAA_BBB"}}),
        update("depth", {"symbol": "AAA_BBB"}),
        update("depth", depth(scale_index=True)),
        update("depth", depth(full_reload=1)),  # type: ignore[arg-type]
        update("candles", {"symbol": "AAA_BBB"}),
        update("", {"symbol": "AAA_BBB"}),
        {"method": "ticker_update"},
        [], 5, None, "x",
    ])
    def test_bad_frames(self, protocol: CryptomusProtocol, document: Any) -> None:
        with pytest.raises(ProtocolError):
            receive(protocol, document)

    @pytest.mark.parametrize("channel, data, missing", [
        ("lastprice", {"symbol": "A", "timestamp": 1, "price": "1"}, ["timestamp", "price"]),
        ("ticker", TICKER, ["timestamp", "price"]),
        ("depth", depth(), ["timestamp"]),
        ("order", {"type": "created", "info": ORDER}, ["type", "info"]),
        ("trade", {"symbol": "A", "timestamp": 1, "trades": []}, ["trades"]),
    ])
    def test_missing_fields(self, channel: str, data: Dict[str, Any], missing: List[str]) -> None:
        def read(data: Dict[str, Any]) -> None:
            push = receive(CryptomusProtocol(), update(channel, data))
            assert isinstance(push, Push)
            push.read(push.payload)

        read(data)
        for field in missing:
            with pytest.raises(ProtocolError):
                read({name: value for name, value in data.items() if name != field})

    @pytest.mark.parametrize("field", [
        "id", "symbol", "orderType", "direction", "filledQuantity", "filledValue", "createTs",
    ])
    def test_missing_fields_of_an_order(self, field: str) -> None:
        info = {name: value for name, value in ORDER.items() if name != field}
        with pytest.raises(ProtocolError, match=field):
            models.read_order({"type": "created", "info": info})

    @pytest.mark.parametrize("timestamp", [-1, 100_000_000_000, int("9" * 4300)])
    def test_a_time_out_of_all_range_is_none(self, protocol: CryptomusProtocol, timestamp: int) -> None:
        push = receive(protocol, update("ticker", {**TICKER, "timestamp": timestamp}))
        assert push.venue_time_ms is None and repr(push)

    @pytest.mark.parametrize("read", [
        models.read_last_price, models.read_depth, models.read_ticker, models.read_trades, models.read_order,
        models.read_balance, models.read_deal, models.read_markets, models.read_depth_scales,
    ])
    @pytest.mark.parametrize("document", [None, [], "x", {}, {"info": 5}, {"trades": {}}, {"info": {"id": "x"}}])
    def test_models_raise_protocol_errors_alone(self, read: Any, document: Any) -> None:
        with pytest.raises(ProtocolError):
            read(document)


class TestRoutes:
    """To whom an update goes where "all" and single symbols are subscribed together."""

    def topics(self, protocol: CryptomusProtocol, symbol: str = "AAA_BBB") -> List[str]:
        document = update("ticker", {**TICKER, "symbol": symbol})
        return [push.topic for push in protocol.receive(json.dumps(document).encode(), False)]  # type: ignore[union-attr]

    def answer(self, protocol: CryptomusProtocol, request: Any) -> None:
        document = {"id": request.key, "data": {"status": "success"}, "error": None}
        (reply,) = protocol.receive(json.dumps(document).encode(), False)
        assert isinstance(reply, Reply)
        protocol.acknowledge(request, reply)

    def test_all_and_single(self, protocol: CryptomusProtocol) -> None:
        assert self.topics(protocol) == ["ticker.AAA_BBB"]  # the session says that it is not subscribed
        for request in protocol.subscribe(("ticker.all",), ()):
            assert self.topics(protocol) == ["ticker.all"]  # also before the acknowledgement
            self.answer(protocol, request)
        for request in protocol.subscribe(("ticker.AAA_BBB",), ("ticker.all",)):
            self.answer(protocol, request)
        assert self.topics(protocol) == ["ticker.AAA_BBB", "ticker.all"]
        assert self.topics(protocol, "C_D") == ["ticker.all"]
        leave, again = protocol.unsubscribe(("ticker.all",), ("ticker.AAA_BBB",))
        assert self.topics(protocol, "C_D") == ["ticker.all"]  # on its way still
        assert self.topics(protocol) == ["ticker.AAA_BBB", "ticker.all"]
        self.answer(protocol, leave)
        assert self.topics(protocol) == ["ticker.AAA_BBB"]
        assert self.topics(protocol, "C_D") == ["ticker.C_D"]
        self.answer(protocol, again)
        assert self.topics(protocol) == ["ticker.AAA_BBB"]

    def test_one_that_ends_has_its_updates_until_the_answer(self, protocol: CryptomusProtocol) -> None:
        """It may be wanted again: if the venue does not end it, nothing is missing."""
        (first,) = protocol.subscribe(("ticker.AAA_BBB",), ())
        self.answer(protocol, first)
        (leave,) = protocol.unsubscribe(("ticker.AAA_BBB",), ())
        protocol.subscribe(("ticker.all",), ())
        assert self.topics(protocol) == ["ticker.AAA_BBB", "ticker.all"]
        self.answer(protocol, leave)
        assert self.topics(protocol) == ["ticker.all"]

    def test_each_channel_by_itself(self, protocol: CryptomusProtocol) -> None:
        protocol.subscribe(("trade.all",), ())
        assert self.topics(protocol) == ["ticker.AAA_BBB"]

    def test_a_new_connection_begins_with_nothing(self, protocol: CryptomusProtocol) -> None:
        protocol.subscribe(("ticker.all",), ())
        protocol.reset()
        assert self.topics(protocol) == ["ticker.AAA_BBB"]

    def test_all_of_depth_has_every_scale(self, protocol: CryptomusProtocol) -> None:
        protocol.subscribe(("depth.all", "depth.AAA_BBB:1"), ())
        frames = [json.dumps(update("depth", depth(scale_index=index))).encode() for index in (0, 1)]
        routes = [[push.topic for push in protocol.receive(frame, False)] for frame in frames]  # type: ignore[union-attr]
        assert routes == [["depth.all"], ["depth.AAA_BBB:1", "depth.all"]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["symbol", "info", "type", "x"]), inner),
    max_leaves=6,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.integers(-1, 9), json_values),
        "method": st.one_of(st.sampled_from([f"{channel}_update" for channel in (*CHANNELS, "x")]), json_values),
        "data": st.one_of(
            json_values,
            st.fixed_dictionaries(
                {},
                optional={
                    "symbol": json_values, "info": st.dictionaries(st.sampled_from([*ORDER, *BALANCE]), json_values),
                    "scale_index": json_values, "full_reload": json_values, "asks": json_values, "trades": json_values,
                    "timestamp": json_values, "status": json_values,
                },
            ),
        ),
        "error": json_values,
    },
)


@settings(max_examples=150, deadline=None)
@given(
    payload=st.one_of(st.binary(max_size=40), st.one_of(documents, json_values).map(lambda value: json.dumps(value).encode())),
    binary=st.booleans(),
)
def test_receive_raises_protocol_errors_alone(payload: bytes, binary: bool) -> None:
    protocol = CryptomusProtocol()
    protocol.subscribe(("ticker.A", "depth.all"), ())
    try:
        for inbound in protocol.receive(payload, binary):
            if isinstance(inbound, Push):
                inbound.read(inbound.payload)
    except ProtocolError:
        pass


@settings(max_examples=75, deadline=None)
@given(answers=st.lists(documents, min_size=1, max_size=6), leave=st.booleans())
def test_acknowledge_never_raises(answers: List[Dict[str, Any]], leave: bool) -> None:
    protocol = CryptomusProtocol()
    requests = list(protocol.subscribe(("ticker.A", "ticker.B", "trade.all"), ()))
    requests += protocol.subscribe(("ticker.C", "trade.D"), ("ticker.A", "ticker.B", "trade.all"))
    if leave:
        requests += protocol.unsubscribe(("ticker.A", "trade.all"), ("ticker.B", "ticker.C", "trade.D"))
    for answer in answers:
        if requests:
            request = requests.pop(0)
            try:
                protocol.receive(json.dumps({**answer, "id": request.key}).encode(), False)
            except ProtocolError:
                pass
            requests += protocol.acknowledge(request, Reply(request.key, answer)).retry
