"""The public protocol alone: frames in, inbound events out; every frame is made up after the venue's documents."""

from __future__ import annotations

import json
import re
import threading
from decimal import Decimal as D
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import pytest
from hypothesis import given, settings, strategies as st

from dbxsdk.bybit.public import channels, models, ticker_merge, ticker_models
from dbxsdk.bybit.public import protocol as bybit
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.errors import ProtocolError, SubscribeError, VenueError
from dbxsdk.protocol import Acknowledgement, Push, Reply, Request
from tests.reading import whole

CATEGORIES = ("spot", "linear", "inverse", "option")
CONN = "c0ffee-1"


def wire(document: Any) -> bytes:
    return json.dumps(document).encode()


def receive(protocol: BybitPublicProtocol, document: Any) -> Any:
    (inbound,) = protocol.receive(wire(document), False)
    return inbound


def push(document: Any, category: str = "linear") -> Push:
    inbound = receive(BybitPublicProtocol(category), document)
    assert isinstance(inbound, Push)
    return inbound


def typed(inbound: Push) -> Any:
    return whole(inbound.read(inbound.payload))


def reply(protocol: BybitPublicProtocol, document: Any) -> Reply:
    inbound = receive(protocol, document)
    assert isinstance(inbound, Reply)
    return inbound


def args(request: Request) -> List[str]:
    found = json.loads(request.frame)["args"]
    assert isinstance(found, list)
    return found


@pytest.fixture(params=CATEGORIES)
def protocol(request: pytest.FixtureRequest) -> BybitPublicProtocol:
    return BybitPublicProtocol(request.param)


@pytest.fixture
def linear() -> BybitPublicProtocol:
    return BybitPublicProtocol("linear")


@pytest.fixture
def option() -> BybitPublicProtocol:
    return BybitPublicProtocol("option")


class TestConstruction:
    @pytest.mark.parametrize("category", ["", "Spot", "fp", "linear ", "status"])
    def test_unknown_category(self, category: str) -> None:
        with pytest.raises(ValueError, match="category.*spot, linear, inverse, option, spread, event, misc/status, not"):
            BybitPublicProtocol(category)

    @pytest.mark.parametrize("category", [None, 1, b"spot", ["spot"]])
    def test_category_of_another_type(self, category: Any) -> None:
        with pytest.raises(TypeError, match="category"):
            BybitPublicProtocol(category)

    def test_what_the_venue_documents(self, protocol: BybitPublicProtocol) -> None:
        assert (protocol.venue, protocol.heartbeat_interval, protocol.connection_budget) == ("bybit", 20.0, (500, 300.0))
        assert protocol.login(0) == ()


class TestChannels:
    FUTURES = (
        "orderbook.DEPTH, publicTrade, tickers, orderbook.rpi, kline.INTERVAL, priceLimit, allLiquidation, insurance, adlAlert"
    )

    @pytest.mark.parametrize("category, channel, symbols", [
        ("linear", "publicTrade", ("A",)), ("linear", "publicTrade.A", ()), ("spot", "orderbook.50", ("A", "B")),
        ("spot", "orderbook.full", ("A",)), ("option", "publicTrade", ("BTC",)), ("spread", "orderbook.25", ("A_A/USDT",)),
        ("event", "orderbook.25", ("E",)), ("misc/status", "system.status", ()), ("inverse", "adlAlert", ("inverse",)),
        ("option", "tickers", ("XRP-30OCT26-0.4-P-USDT",)), ("linear", "kline.D.A", ()), ("spot", "liquidation", ("A",)),
    ])
    def test_documented(self, category: str, channel: str, symbols: Any) -> None:
        BybitPublicProtocol(category).check_channel(channel, symbols)

    @pytest.mark.parametrize("category, channel, symbols, said", [
        ("linear", "publicTrades", ("A",), f"channel must be one of {FUTURES} for linear, not 'publicTrades'"),
        ("linear", "publictrade.A", (), "channel must be one of"), ("linear", "order", (), "channel must be one of"),
        ("linear", "orderbook", ("A",), "channel must be one of orderbook.DEPTH"), ("linear", "kline", ("A",), "kline.INTERVAL"),
        ("spot", "allLiquidation", ("A",), "priceLimit for spot, not 'allLiquidation'"),
        ("option", "priceLimit", ("A",), "kline.INTERVAL for option"), ("linear", "system.status", (), "for linear"),
        ("spread", "orderbook.rpi", ("A",), "for spread"), ("event", "tickers", ("E",), "orderbook.25, publicTrade for event"),
        ("misc/status", "publicTrade", ("A",), "one of system.status for misc/status"),
        ("misc/status", "system.status", ("A",), "channel"), ("linear", "publicTrade", (), "symbols must name at least one"),
        ("linear", "orderbook.50", (), "symbols must name at least one for the channel 'orderbook.50'"),
        ("linear", "publicTrade", ("A" * 300,), "channel"),
    ])
    def test_others(self, category: str, channel: str, symbols: Any, said: str) -> None:
        with pytest.raises(ValueError, match=re.escape(said)):
            BybitPublicProtocol(category).check_channel(channel, symbols)

    @pytest.mark.parametrize("category", ["option", "spread", "event", "misc/status"])
    def test_an_acknowledgement_of_any_form_is_taken_where_none_is_known(self, category: str) -> None:
        protocol = BybitPublicProtocol(category)
        (request,) = protocol.subscribe(("system.status",), ())
        command = {"type": "COMMAND_RESP", "success": True, "data": {"successTopics": ["system.status"], "failTopics": []}}
        for document in (command, {"success": True, "ret_msg": "", "op": "subscribe"}):
            (reply,) = protocol.receive(json.dumps(document).encode(), False)
            assert isinstance(reply, Reply) and reply.kind == request.kind
            assert protocol.acknowledge(request, reply).accepted == ("system.status",)


class TestRequests:
    def test_heartbeat_is_the_json_ping(self, protocol: BybitPublicProtocol) -> None:
        request = protocol.heartbeat()
        assert json.loads(request.frame) == {"op": "ping", "req_id": request.key}
        assert (request.kind, request.topics) == ("ping", ())

    def test_raw_request(self, linear: BybitPublicProtocol) -> None:
        request = linear.request("subscribe", ["tickers.ABCUSDT"])
        assert json.loads(request.frame) == {"op": "subscribe", "req_id": request.key, "args": ["tickers.ABCUSDT"]}
        assert (request.kind, request.topics) == ("subscribe", ("tickers.ABCUSDT",))

    def test_raw_request_of_an_unknown_op(self, linear: BybitPublicProtocol) -> None:
        request = linear.request("nonsense", (1, {"a": None}))
        assert json.loads(request.frame)["args"] == [1, {"a": None}]
        assert (request.kind, request.topics) == ("nonsense", ())

    @pytest.mark.parametrize("params", ["tickers.ABCUSDT", {"a": 1}, 1, {"a"}])
    def test_params_of_another_type(self, linear: BybitPublicProtocol, params: Any) -> None:
        with pytest.raises(TypeError, match="params"):
            linear.request("subscribe", params)

    @pytest.mark.parametrize("params", [[D(1)], [float("nan")], [object()]])
    def test_params_that_json_has_not(self, linear: BybitPublicProtocol, params: Any) -> None:
        with pytest.raises((TypeError, ValueError)):
            linear.request("subscribe", params)

    def test_ids_are_unique_among_threads_and_short(self, linear: BybitPublicProtocol) -> None:
        keys: List[Any] = []
        threads = [threading.Thread(target=lambda: keys.extend(linear.heartbeat().key for _ in range(500))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(keys)) == 4000
        assert all(isinstance(key, str) and 0 < len(key) <= 36 for key in keys)

    def test_ids_of_two_clients_differ(self) -> None:
        assert BybitPublicProtocol("spot").heartbeat().key != BybitPublicProtocol("spot").heartbeat().key

    @pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
    @pytest.mark.parametrize("category, count, sizes", [
        ("spot", 1, [1]), ("spot", 10, [10]), ("spot", 11, [10, 1]), ("spot", 35, [10, 10, 10, 5]),
        ("linear", 11, [11]), ("linear", 500, [500]), ("linear", 501, [500, 1]), ("inverse", 1100, [500, 500, 100]),
        ("option", 2000, [500] * 4), ("spot", 0, []), ("option", 0, []),
    ])
    def test_split(self, op: str, category: str, count: int, sizes: List[int]) -> None:
        protocol = BybitPublicProtocol(category)
        topics = tuple(f"tickers.S{n}" for n in range(count))
        requests = protocol.subscribe(topics, ()) if op == "subscribe" else protocol.unsubscribe(topics, ("tickers.OTHER",))
        assert [len(request.topics) for request in requests] == sizes
        assert sum((request.topics for request in requests), ()) == topics
        for request in requests:
            assert json.loads(request.frame) == {"op": op, "req_id": request.key, "args": list(request.topics)}
            assert request.kind == ("command" if category == "option" else op)
        assert len({request.key for request in requests}) == len(requests)


class TestTopics:
    def test_channel_and_symbols(self, protocol: BybitPublicProtocol) -> None:
        assert protocol.topics("tickers", ["AUSDT", "BUSDT"]) == ("tickers.AUSDT", "tickers.BUSDT")

    def test_repeats_are_dropped_and_order_kept(self, linear: BybitPublicProtocol) -> None:
        assert linear.topics("kline.5", ["B", "A", "B", "C", "A"]) == ("kline.5.B", "kline.5.A", "kline.5.C")

    def test_channel_alone(self, linear: BybitPublicProtocol) -> None:
        assert linear.topics("system.status", ()) == ("system.status",)

    def test_whole_topic(self, linear: BybitPublicProtocol) -> None:
        assert linear.topics("orderbook.50.ABCUSDT", ()) == ("orderbook.50.ABCUSDT",)

    @pytest.mark.parametrize("symbol", ["ABCUSDT_ABC/USDT", "XYZ-25DEC99-0.4-P-USDT", "ABC-25DEC99", "BTC", "測試USDT"])
    def test_symbols_of_all_shapes(self, linear: BybitPublicProtocol, symbol: str) -> None:
        assert linear.topics("publicTrade", [symbol]) == (f"publicTrade.{symbol}",)

    @pytest.mark.parametrize("channel", [
        "", " ", "orderbook.", ".50", "orderbook..50", "tick ers", "tickers\n", "tickers\x00", "a\u2003b",
    ])
    def test_bad_channel(self, linear: BybitPublicProtocol, channel: str) -> None:
        with pytest.raises(ValueError, match="channel"):
            linear.topics(channel, ["ABCUSDT"])
        with pytest.raises(ValueError, match="channel"):
            linear.topics(channel, ())

    @pytest.mark.parametrize("channel", [None, 50, b"tickers", ["tickers"]])
    def test_channel_of_another_type(self, linear: BybitPublicProtocol, channel: Any) -> None:
        with pytest.raises(TypeError, match="channel"):
            linear.topics(channel, ())

    def test_topics_of_whole_parts(self, linear: BybitPublicProtocol) -> None:
        topics = [
            "orderbook.50.A", "orderbook.500.A", "orderbook.1.A", "orderbook.50", "orderbook.rpi.A", "tickers.A", "tickers_lt.A",
        ]
        assert linear.topics_of("orderbook.50", topics) == ("orderbook.50.A", "orderbook.50")
        assert linear.topics_of("orderbook", topics) == (
            "orderbook.50.A", "orderbook.500.A", "orderbook.1.A", "orderbook.50", "orderbook.rpi.A",
        )
        assert linear.topics_of("order", topics) == ()
        assert linear.topics_of("tickers", topics) == ("tickers.A",)
        assert linear.topics_of("orderbook.50.A", topics) == ("orderbook.50.A",)

    def test_capacity_by_characters(self, protocol: BybitPublicProtocol) -> None:
        exact = [f"{n:05d}" + "x" * 95 for n in range(210)]
        protocol.check_capacity(exact)
        with pytest.raises(ValueError, match="21000 characters.*211 have 21001"):
            protocol.check_capacity([*exact, "y"])

    def test_capacity_of_options_by_count(self, option: BybitPublicProtocol, linear: BybitPublicProtocol) -> None:
        topics = [f"t.{n}" for n in range(2001)]
        option.check_capacity(topics[:2000])
        linear.check_capacity(topics)
        with pytest.raises(ValueError, match="symbols.*2000 topics, these are 2001"):
            option.check_capacity(topics)


BOOK = {"s": "ABCUSDT", "b": [["10", "1"]], "a": [["11", "2"]], "u": 5, "seq": 6}
TRADE = {"T": 1700000000001, "s": "ABCUSDT", "S": "Buy", "v": "1", "p": "10", "i": "t-1"}
KLINE = {
    "start": 1, "end": 2, "interval": "5", "open": "1", "close": "1", "high": "1", "low": "1", "volume": "1", "turnover": "1",
    "confirm": False, "timestamp": 2,
}
LIQUIDATION = {"T": 1, "s": "ABCUSDT", "S": "Buy", "v": "1", "p": "1"}
POOL = {"coin": "USDT", "symbols": "ABCUSDT", "balance": "1", "updateTime": "1"}
ALERT = {"c": "USDT", "s": "ABCUSDT", "b": 1, "mb": "", "i_pr": -0.3, "pr": 0.5, "adl_tt": 10, "adl_sr": -0.2}
LIMIT = {"symbol": "ABCUSDT", "buyLmt": "2", "sellLmt": "1"}
STATUS = {"id": "1", "title": "t", "state": "ongoing"}


class TestPush:
    @pytest.mark.parametrize("topic, type_, data, channel, symbol, kind, model", [
        ("orderbook.1.ABCUSDT", "snapshot", BOOK, "orderbook.1", "ABCUSDT", "snapshot", models.OrderBookUpdate),
        ("orderbook.50.ABCUSDT", "snapshot", BOOK, "orderbook.50", "ABCUSDT", "snapshot", models.OrderBookUpdate),
        ("orderbook.200.ABCUSDT", "delta", BOOK, "orderbook.200", "ABCUSDT", "delta", models.OrderBookUpdate),
        ("orderbook.1000.ABCUSDT", "delta", BOOK, "orderbook.1000", "ABCUSDT", "delta", models.OrderBookUpdate),
        ("orderbook.full.ABCUSDT", "delta", BOOK, "orderbook.full", "ABCUSDT", "delta", models.OrderBookUpdate),
        ("publicTrade.ABCUSDT", "snapshot", [TRADE, TRADE], "publicTrade", "ABCUSDT", "update", models.Trade),
        ("kline.5.ABCUSDT", "snapshot", [KLINE], "kline.5", "ABCUSDT", "update", models.Kline),
        ("kline.D.ABCUSDT", "snapshot", [KLINE], "kline.D", "ABCUSDT", "update", models.Kline),
        ("allLiquidation.ABCUSDT", "snapshot", [LIQUIDATION], "allLiquidation", "ABCUSDT", "update", models.Liquidation),
        ("insurance.USDT", "snapshot", [POOL], "insurance", "USDT", "snapshot", models.InsurancePool),
        ("insurance.inverse", "delta", [POOL], "insurance", "inverse", "delta", models.InsurancePool),
        ("adlAlert.USDC", "snapshot", [ALERT], "adlAlert", "USDC", "update", models.AdlAlert),
        ("priceLimit.ABCUSDT", None, LIMIT, "priceLimit", "ABCUSDT", "update", models.PriceLimit),
        ("system.status", None, [STATUS], "system.status", "", "update", models.SystemStatus),
    ])
    def test_channels(
        self, protocol: BybitPublicProtocol, topic: str, type_: Optional[str], data: Any, channel: str, symbol: str, kind: str,
        model: Any,
    ) -> None:
        document = {"topic": topic, "ts": 1700000000000, "data": data}
        if type_ is not None:
            document["type"] = type_
        for _ in range(2):  # the second time along the remembered route
            inbound = receive(protocol, document)
            assert (inbound.topic, inbound.channel, inbound.symbol, inbound.kind) == (topic, channel, symbol, kind)
            assert inbound.venue_time_ms == 1700000000000
            assert inbound.document == document
            value = typed(inbound)
            if isinstance(data, list):
                assert isinstance(value, tuple) and len(value) == len(data)
                assert all(isinstance(item, model) for item in value)
            else:
                assert isinstance(value, model)

    def test_rpi_book(self) -> None:
        data = {**BOOK, "b": [["1", "2", "3"]], "a": []}
        inbound = push({"topic": "orderbook.rpi.ABCUSDT", "type": "delta", "ts": 1, "cts": 2, "data": data}, "spot")
        assert (inbound.channel, inbound.symbol, inbound.kind) == ("orderbook.rpi", "ABCUSDT", "delta")
        assert typed(inbound).bids == ((D(1), D(2), D(3)),)

    def test_retired_liquidation(self) -> None:
        inbound = push({"topic": "liquidation.ABCUSDT", "type": "snapshot", "ts": 1, "data": {
            "updatedTime": 1, "symbol": "ABCUSDT", "side": "Buy", "size": "1", "price": "2"}})
        assert isinstance(typed(inbound), models.LatestLiquidation)
        assert inbound.kind == "update"

    def test_matching_time_is_the_envelopes(self) -> None:
        stamps = {"cts": 1699999999000, "ts": 1700000000000}
        inbound = push({"topic": "orderbook.50.ABCUSDT", "type": "delta", **stamps, "data": BOOK})
        assert (typed(inbound).matching_time_ms, inbound.venue_time_ms) == (1699999999000, 1700000000000)

    @pytest.mark.parametrize("category, topic, model", [
        ("linear", "tickers.ABCUSDT", ticker_models.ContractTicker),
        ("inverse", "tickers.ABCUSD", ticker_models.ContractTicker),
        ("spot", "tickers.ABCUSDT", ticker_models.SpotTicker),
        ("option", "tickers.ABC-25DEC99-0.4-P-USDT", ticker_models.OptionTicker),
        ("spread", "tickers.ABCUSDT_ABC/USDT", ticker_models.SpreadTicker),
        ("spread", "tickers.ABC-25DEC99_ABCUSDT", ticker_models.SpreadTicker),
    ])
    def test_tickers_of_each_category(self, category: str, topic: str, model: Any) -> None:
        symbol = topic.split(".", 1)[1]
        inbound = push(ticker_frame("snapshot", topic, cs=3, lastPrice="7"), category)
        assert (inbound.channel, inbound.symbol, inbound.kind) == ("tickers", symbol, "snapshot")
        ticker = typed(inbound)
        assert isinstance(ticker, model)
        assert (ticker.last_price, ticker.cross_sequence, ticker.changed) == (D(7), 3, ("last_price",))

    def test_event_contracts(self) -> None:
        symbol = "ETHUSDT-28AUG26-2450-2570-OUT"
        data = {"s": symbol, "r": [["1.85", "500"], ["1.8", "1200"]], "u": 77, "seq": 880011}
        inbound = push({"topic": f"orderbook.25.{symbol}", "ts": 3, "type": "snapshot", "data": data, "cts": 2}, "event")
        book = typed(inbound)
        assert (inbound.channel, inbound.symbol, inbound.kind) == ("orderbook.25", symbol, "snapshot")
        assert (book.ratios, book.update_id, book.matching_time_ms) == (((D("1.85"), D(500)), (D("1.8"), D(1200))), 77, 2)
        row = {"T": 5, "s": symbol, "r": "1.85", "a": "50", "i": "t1", "seq": 6}
        (trade,) = typed(push({"topic": f"publicTrade.{symbol}", "ts": 3, "type": "snapshot", "data": [row]}, "event"))
        assert (trade.payout_ratio, trade.value, trade.sequence) == (D("1.85"), D(50), 6)

    def test_option_trades_of_a_coin(self) -> None:
        prices = {"mP": "1", "iP": "2", "mIv": "0.1", "iv": "0.2"}
        data = [{**TRADE, **prices, "s": f"ABC-25DEC99-{strike}-C-USDT"} for strike in ("0.4", "5")]
        inbound = push({"id": "x", "topic": "publicTrade.ABC", "type": "snapshot", "ts": 1, "data": data}, "option")
        assert inbound.symbol == "ABC"
        assert [trade.symbol for trade in typed(inbound)] == ["ABC-25DEC99-0.4-C-USDT", "ABC-25DEC99-5-C-USDT"]

    @pytest.mark.parametrize("topic, channel, symbol", [
        ("orderbook.25.XYZ-25DEC99-0.4-P-USDT", "orderbook.25", "XYZ-25DEC99-0.4-P-USDT"),
        ("kline.60.XYZ-0.4.5", "kline.60", "XYZ-0.4.5"),
        ("publicTrade.A.B.C", "publicTrade", "A.B.C"),
        ("orderbook.rpi.A.B", "orderbook.rpi", "A.B"),
        ("tickers_lt.ABC3LUSDT", "tickers_lt", "ABC3LUSDT"),
        ("kline_lt.5.ABC3LUSDT", "kline_lt.5", "ABC3LUSDT"),
        ("lt.ABC3LUSDT", "lt", "ABC3LUSDT"),
        # Not the form of the channel that they begin like, or of none that is known.
        ("tickers", "tickers", ""),
        ("tickers.", "tickers.", ""),
        ("orderbook", "orderbook", ""),
        ("orderbook.50", "orderbook.50", ""),
        ("orderbook.50.", "orderbook.50.", ""),
        ("orderbook..X", "orderbook..X", ""),
        ("order.spot", "order.spot", ""),
        ("system.status.x", "system.status.x", ""),
        ("rfq.open.public.trades", "rfq.open.public.trades", ""),
        (".", ".", ""),
        ("", "", ""),
    ])
    def test_topics_are_cut_by_the_channels_parts(self, topic: str, channel: str, symbol: str) -> None:
        inbound = push({"topic": topic, "ts": 1, "data": {}})
        assert (inbound.topic, inbound.channel, inbound.symbol) == (topic, channel, symbol)

    def test_overlong_topic_is_no_documented_one(self) -> None:
        topic = "tickers." + "X" * 300
        assert push({"topic": topic, "type": "snapshot", "data": {"symbol": "X"}}).channel == topic

    @pytest.mark.parametrize("type_, kind", [
        ("snapshot", "snapshot"), ("delta", "delta"), (None, "update"), ("new", "update"), ([], "update"),
    ])
    def test_unknown_topics_are_plain(self, type_: Any, kind: str) -> None:
        inbound = push({"topic": "brand.new.thing", "type": type_, "data": {"any": [1, "x", None]}})
        assert (inbound.kind, inbound.venue_time_ms) == (kind, None)
        assert typed(inbound) == {"any": [1, "x", None]}

    def test_unknown_topics_are_cut_as_the_user_spelled_them(self, linear: BybitPublicProtocol) -> None:
        assert linear.topics("brand.new", ["A.B"]) == ("brand.new.A.B",)
        inbound = receive(linear, {"topic": "brand.new.A.B", "data": 1})
        assert (inbound.channel, inbound.symbol) == ("brand.new", "A.B")

    def test_documented_topics_are_cut_alike_however_spelled(self, linear: BybitPublicProtocol) -> None:
        linear.topics("orderbook", ["50.ABCUSDT"])
        inbound = receive(linear, {"topic": "orderbook.50.ABCUSDT", "type": "delta", "data": BOOK})
        assert (inbound.channel, inbound.symbol) == ("orderbook.50", "ABCUSDT")

    @pytest.mark.parametrize("ts, time_ms", [
        (1700000000000, 1700000000000), ("1700000000000", 1700000000000), ("", None), (None, None), (1.5, None), (True, None),
        ([], None), ("x", None),
    ])
    def test_time(self, ts: Any, time_ms: Optional[int]) -> None:
        assert push({"topic": "publicTrade.A", "ts": ts, "data": []}).venue_time_ms == time_ms

    @pytest.mark.parametrize("document", [
        {"topic": "orderbook.50.A", "type": "delta"},
        {"topic": "orderbook.50.A", "data": BOOK},
        {"topic": "orderbook.50.A", "type": "delta", "data": [BOOK]},
        {"topic": "orderbook.50.A", "type": "delta", "data": {**BOOK, "u": None}},
        {"topic": "orderbook.rpi.A", "type": "delta", "data": BOOK},
        {"topic": "publicTrade.A", "type": "snapshot"},
        {"topic": "publicTrade.A", "type": "snapshot", "data": TRADE},
        {"topic": "publicTrade.A", "type": "snapshot", "data": [{**TRADE, "p": "dear"}]},
        {"topic": "tickers.A", "type": "delta"},
        {"topic": "tickers.A", "type": "delta", "data": []},
        {"topic": "tickers.A", "type": "delta", "data": {"lastPrice": "1"}},
        {"topic": "tickers.A", "data": {"symbol": "A"}},
        {"topic": "kline.5.A", "data": [{}]},
        {"topic": "allLiquidation.A", "data": LIQUIDATION},
        {"topic": "insurance.USDT", "data": None},
        {"topic": "adlAlert.USDT", "data": [{**ALERT, "b": "NaN"}]},
        {"topic": "priceLimit.A", "data": [LIMIT]},
        {"topic": "system.status", "data": "down"},
    ])
    def test_unreadable_data_is_told_to_those_who_read_it(self, document: Dict[str, Any]) -> None:
        inbound = push(document)
        assert inbound.document == document  # who wants it raw gets it
        with pytest.raises(ProtocolError):
            typed(inbound)
        with pytest.raises(ProtocolError):
            typed(inbound)


def ticker_frame(type_: Any = "delta", topic: str = "tickers.ABCUSDT", cs: Any = None, **data: Any) -> Dict[str, Any]:
    document = {"topic": topic, "type": type_, "ts": 1, "data": {"symbol": topic.split(".", 1)[1], **data}}
    return document if cs is None else {**document, "cs": cs}


class TestTickerMerge:
    def test_delta_changes_what_it_names(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", cs=1, lastPrice="10", bid1Price="9", fundingRate="0.1"))
        inbound = receive(linear, ticker_frame(cs=2, lastPrice="11", ask1Price="12"))
        ticker = typed(inbound)
        assert inbound.kind == "delta"
        assert (ticker.last_price, ticker.bid1_price, ticker.ask1_price, ticker.funding_rate) == (D(11), D(9), D(12), D("0.1"))
        assert (ticker.changed, ticker.cross_sequence) == (("last_price", "ask1_price"), 2)

    def test_raw_document_stays_as_it_came(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10", bid1Price="9"))
        assert receive(linear, ticker_frame(lastPrice="11")).document == ticker_frame(lastPrice="11")

    def test_snapshot_replaces_everything(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10", bid1Price="9"))
        ticker = typed(receive(linear, ticker_frame("snapshot", lastPrice="20")))
        assert (ticker.last_price, ticker.bid1_price) == (D(20), None)

    def test_delta_without_a_snapshot_has_what_it_has(self, linear: BybitPublicProtocol) -> None:
        inbound = receive(linear, ticker_frame(markPrice="5"))
        assert (inbound.kind, typed(inbound).mark_price, typed(inbound).last_price) == ("delta", D(5), None)
        assert typed(receive(linear, ticker_frame(lastPrice="6"))).mark_price == D(5)

    def test_empty_and_null_are_values(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", preOpenPrice="10", preQty="3", curPreListingPhase="CallAuction"))
        ticker = typed(receive(linear, ticker_frame(preOpenPrice="", preQty=None, curPreListingPhase="")))
        assert (ticker.pre_open_price, ticker.pre_qty, ticker.cur_pre_listing_phase) == (None, None, "")
        assert ticker.changed == ("pre_open_price", "pre_qty", "cur_pre_listing_phase")

    def test_topics_are_apart(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10"))
        assert typed(receive(linear, ticker_frame(topic="tickers.XYZUSDT", markPrice="1"))).last_price is None
        assert typed(receive(linear, ticker_frame(markPrice="2"))).last_price == D(10)

    def test_reset_forgets(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10"))
        linear.reset()
        assert typed(receive(linear, ticker_frame(markPrice="2"))).last_price is None

    @pytest.mark.parametrize("category", CATEGORIES)
    def test_deltas_are_merged_in_every_category(self, category: str) -> None:
        protocol = BybitPublicProtocol(category)
        receive(protocol, ticker_frame("snapshot", lastPrice="10", volume24h="5"))
        ticker = typed(receive(protocol, ticker_frame(lastPrice="11")))
        assert (ticker.last_price, ticker.volume_24h) == (D(11), D(5))

    def test_what_was_handed_out_is_never_changed(self, linear: BybitPublicProtocol) -> None:
        handed = [receive(linear, ticker_frame("snapshot", lastPrice="0", bid1Price="9"))]
        handed += [receive(linear, ticker_frame(lastPrice=str(n))) for n in range(1, 20)]
        handed.append(receive(linear, ticker_frame("snapshot", lastPrice="20")))
        # Read late, as a slow callbacks thread does.
        assert [typed(inbound).last_price for inbound in handed] == [D(n) for n in range(21)]
        assert [typed(inbound).bid1_price for inbound in handed] == [D(9)] * 20 + [None]

    def test_a_changed_raw_document_changes_no_ticker(self, linear: BybitPublicProtocol) -> None:
        inbound = receive(linear, ticker_frame("snapshot", lastPrice="10"))
        inbound.document["data"]["lastPrice"] = "666"
        assert typed(inbound).last_price == D(10)
        assert typed(receive(linear, ticker_frame(markPrice="1"))).last_price == D(10)

    @pytest.mark.parametrize("bad", [
        ticker_frame(lastPrice="cheap"), ticker_frame(None, lastPrice="1"), ticker_frame("other", lastPrice="1"),
        {**ticker_frame(), "data": {"lastPrice": "1"}}, {**ticker_frame(), "data": None},
    ])
    def test_a_bad_frame_spoils_itself_alone(self, linear: BybitPublicProtocol, bad: Dict[str, Any]) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10"))
        inbound = receive(linear, bad)
        for _ in range(2):
            with pytest.raises(ProtocolError):
                typed(inbound)
        ticker = typed(receive(linear, ticker_frame(markPrice="2")))
        assert (ticker.last_price, ticker.mark_price) == (D(10), D(2))

    def test_invented_topics_do_not_fill_the_memory(self, linear: BybitPublicProtocol) -> None:
        for n in range(ticker_merge.LIMIT + 100):
            receive(linear, ticker_frame("snapshot", topic=f"tickers.S{n}", lastPrice="1"))
            receive(linear, {"topic": f"brand.new.{n}", "data": None})
        assert len(linear._tickers._last) == ticker_merge.LIMIT
        assert len(linear._routes) <= bybit.REMEMBERED_TOPICS
        receive(linear, {"topic": "x" * (channels.LONGEST_TOPIC + 1), "data": None})
        assert max(map(len, linear._routes)) <= channels.LONGEST_TOPIC

    def test_invented_fields_do_not_fill_the_memory(self, linear: BybitPublicProtocol) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10"))
        for n in range(50):
            receive(linear, ticker_frame(markPrice=str(n), **{f"invented{n}.{m}": ["x" * 1000] for m in range(100)}))
        assert len(json.dumps(linear._tickers._last)) < 1000
        ticker = typed(receive(linear, ticker_frame(bid1Price="9", **{"invented": "x"})))
        assert (ticker.last_price, ticker.mark_price, ticker.changed) == (D(10), D(49), ("bid1_price",))

    @pytest.mark.parametrize("field", ["deliveryTime", "lastPrice", "symbol"])
    def test_a_long_value_is_not_kept(self, linear: BybitPublicProtocol, field: str) -> None:
        receive(linear, ticker_frame("snapshot", lastPrice="10"))
        inbound = receive(linear, ticker_frame(**{"data": None, field: "1" * 100_000}))
        assert len(json.dumps(linear._tickers._last)) < 1000
        if field != "symbol":
            with pytest.raises(ProtocolError, match=f"{field}.* has 100000 characters"):
                typed(inbound)

    def test_invented_spellings_do_not_fill_the_memory(self, linear: BybitPublicProtocol) -> None:
        for n in range(bybit.REMEMBERED_TOPICS + 100):
            linear.topics("brand.new", [f"S{n}"])
        assert len(linear._spelled) <= bybit.REMEMBERED_TOPICS


class TestBadFrames:
    @pytest.mark.parametrize("payload", [
        b"", b" ", b"{", b"nope", b"\xff\xfe", b'{"topic":"tickers.A\xc3"}', b'{"a":NaN}', b"[]", b"1", b'"x"', b"null", b"true",
        b'[{"topic":"tickers.A"}]', b"[" * 100_000, b'{"a":' * 100_000, b"{}", b'{"data":[]}', b'{"topic":null}', b'{"topic":5}',
        b'{"topic":["tickers.A"]}', b'{"topic":{}}',
    ])
    def test_are_protocol_errors(self, protocol: BybitPublicProtocol, payload: bytes) -> None:
        with pytest.raises(ProtocolError):
            protocol.receive(payload, False)

    def test_binary(self, protocol: BybitPublicProtocol) -> None:
        with pytest.raises(ProtocolError, match="binary"):
            protocol.receive(b'{"topic":"tickers.A","data":{}}', True)

    def test_spots_word_for_bad_json(self, protocol: BybitPublicProtocol) -> None:
        with pytest.raises(ProtocolError, match="Invalid JSON!"):
            receive(protocol, {"ret_code": "400", "type": "error", "ret_msg": "Invalid JSON!"})

    @pytest.mark.parametrize("document", [
        {"type": "error"},
        {"ret_code": 1},
        {"success": False, "ret_msg": "Failed to decode incoming data:readObjectStart", "req_id": "", "conn_id": CONN},
        {"success": True, "ret_msg": "", "conn_id": CONN, "request": {"op": "subscribe"}},
        {"success": "true", "op": "subscribe"},
        {"success": None, "op": "subscribe", "req_id": "1"},
        {"success": True, "op": 5},
        {"success": True, "op": "subscribe", "req_id": 7},
        {"success": True, "op": "subscribe", "req_id": ["1"]},
        {"op": "pong", "req_id": {}},
        {"op": "subscribe"},
        {"retCode": 0},
        {"retCode": 10404, "op": "", "reqId": ""},
        {"type": "COMMAND_RESP", "success": True, "data": "x"},
        {"type": "COMMAND_RESP", "success": True, "data": {"successTopics": "x"}},
        {"type": "COMMAND_RESP", "success": True, "data": {"failTopics": [1]}},
        {"type": "COMMAND_RESP", "success": True, "data": {"failTopics": [["x"]], "successTopics": []}},
    ])
    def test_answers_to_nobody_knows_what(self, protocol: BybitPublicProtocol, document: Any) -> None:
        with pytest.raises(ProtocolError):
            receive(protocol, document)


class TestReplies:
    @pytest.mark.parametrize("document, key", [
        ({"success": True, "ret_msg": "pong", "conn_id": CONN, "op": "ping"}, None),  # spot
        ({"success": True, "ret_msg": "pong", "conn_id": CONN, "req_id": "", "op": "ping"}, None),  # linear, inverse
        ({"op": "ping", "success": True, "req_id": "k-1", "conn_id": CONN, "ret_msg": "pong"}, "k-1"),
        ({"args": ["1700000000000"], "op": "pong"}, None),  # option, spread
        ({"req_id": "k-2", "op": "pong", "args": ["1700000000000"], "conn_id": CONN}, "k-2"),  # private
        ({"op": "pong", "args": ["1700000000000"], "conn_id": CONN}, None),
        ({"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1700000000000"], "connId": CONN}, None),  # order entry
    ])
    def test_pongs(self, protocol: BybitPublicProtocol, document: Dict[str, Any], key: Optional[str]) -> None:
        inbound = reply(protocol, document)
        assert (inbound.key, inbound.kind, inbound.topics, inbound.document) == (key, "ping", None, document)
        assert inbound.ordered
        assert protocol.conclude(protocol.heartbeat(), inbound) == document

    @pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
    @pytest.mark.parametrize("category, text, req_id, key", [
        ("spot", "MSG", None, None), ("spot", "MSG", "k-1", "k-1"), ("linear", "", "", None), ("linear", "", "k-1", "k-1"),
        ("inverse", "", "k-1", "k-1"),
    ])
    def test_acknowledgements(self, op: str, category: str, text: str, req_id: Optional[str], key: Optional[str]) -> None:
        protocol = BybitPublicProtocol(category)
        document = {"success": True, "ret_msg": op if text else "", "conn_id": CONN, "op": op}
        if req_id is not None:
            document["req_id"] = req_id
        inbound = reply(protocol, document)
        assert (inbound.key, inbound.kind, inbound.topics, inbound.ordered) == (key, op, None, False)
        request = protocol.request(op, ["tickers.A"])
        assert protocol.conclude(request, inbound) == document
        assert protocol.acknowledge(request, inbound) == Acknowledgement(accepted=("tickers.A",))

    def test_option_answers_by_topics(self, option: BybitPublicProtocol) -> None:
        document = {"success": True, "conn_id": CONN, "type": "COMMAND_RESP",
                    "data": {"failTopics": ["nope.X"], "successTopics": ["tickers.A", "orderbook.25.B"]}}
        inbound = reply(option, document)
        assert (inbound.key, inbound.kind) == (None, "command")
        assert inbound.topics == frozenset(["nope.X", "tickers.A", "orderbook.25.B"])
        (request,) = option.subscribe(["tickers.A", "nope.X", "orderbook.25.B"], ())
        assert request.kind == inbound.kind and frozenset(request.topics) == inbound.topics
        assert option.conclude(request, inbound) == document

    @pytest.mark.parametrize("data", [None, {}, {"failTopics": [], "successTopics": []}, {"failTopics": None}])
    def test_option_answer_that_names_nothing(self, option: BybitPublicProtocol, data: Any) -> None:
        inbound = reply(option, {"success": False, "type": "COMMAND_RESP", "data": data, "ret_msg": "no"})
        assert (inbound.kind, inbound.topics) == ("command", None)

    def test_option_requests_are_of_one_kind(self, option: BybitPublicProtocol) -> None:
        assert option.request("subscribe", ["a"]).kind == option.request("unsubscribe", ["a"]).kind == "command"
        assert option.request("ping", None).kind == "ping"

    @pytest.mark.parametrize("text, kind", [
        ("error:invalid op", "nonsense"), ("args size >10", "subscribe"), ("Params Error", "auth"),
    ])
    def test_refusals_without_an_id(self, linear: BybitPublicProtocol, text: str, kind: str) -> None:
        inbound = reply(linear, {"success": False, "ret_msg": text, "conn_id": CONN, "op": kind})
        assert (inbound.key, inbound.kind) == (None, kind)

    def test_refusal_with_an_id_and_no_op(self, linear: BybitPublicProtocol) -> None:
        inbound = reply(linear, {"success": False, "ret_msg": "error:invalid op", "req_id": "k-1"})
        assert (inbound.key, inbound.kind) == ("k-1", None)

    def test_order_entrys_envelope_at_a_wrong_address(self, linear: BybitPublicProtocol) -> None:
        document = {"op": "subscribe", "reqId": "r", "retCode": 10404, "retMsg": "", "connId": CONN}
        assert reply(linear, document).key == "r"
        inbound = reply(linear, {**document, "reqId": ""})
        assert (inbound.key, inbound.kind) == (None, "subscribe")
        request = linear.request("subscribe", ["a", "b"])
        with pytest.raises(VenueError) as caught:
            linear.conclude(request, inbound)
        assert caught.value.code == 10404
        said = linear.acknowledge(request, inbound)
        assert set(said.refused) == {"a", "b"} and not said.retry

    def test_conclude_raises_the_venues_words(self, linear: BybitPublicProtocol) -> None:
        document = {"success": False, "ret_msg": "error:invalid op", "conn_id": CONN, "req_id": "k", "op": "nonsense"}
        with pytest.raises(VenueError, match="error:invalid op") as caught:
            linear.conclude(linear.request("nonsense", []), reply(linear, document))
        assert (caught.value.message, caught.value.code, caught.value.reply) == ("error:invalid op", None, document)

    @pytest.mark.parametrize("text", [None, "", 5, []])
    def test_conclude_without_words(self, linear: BybitPublicProtocol, text: Any) -> None:
        with pytest.raises(VenueError, match="no reason"):
            linear.conclude(linear.heartbeat(), reply(linear, {"success": False, "op": "ping", "ret_msg": text}))

    def test_data_first(self, linear: BybitPublicProtocol) -> None:
        inbound = receive(linear, {"topic": "x", "type": "COMMAND_RESP", "op": "pong", "success": True, "data": 1})
        assert isinstance(inbound, Push)


def refuse(text: Any, op: str = "subscribe") -> Reply:
    return Reply("k", {"success": False, "ret_msg": text, "conn_id": CONN, "req_id": "k", "op": op}, op)


ONE_BAD = ("orderbook.50.GOOD", "orderbook.50.NOPE", "tickers.GOOD")


class TestRefusals:
    @pytest.mark.parametrize("category, text", [
        ("linear", "error:handler not found,topic:orderbook.50.NOPE"),
        ("inverse", "error:handler not found,topic:orderbook.50.NOPE"),
        ("spot", "Invalid symbol :[orderbook.50.NOPE]"),
        ("spot", "Invalid topic :[orderbook.50.NOPE]"),
    ])
    def test_one_bad_topic_of_many(self, category: str, text: str) -> None:
        protocol = BybitPublicProtocol(category)
        (request,) = protocol.subscribe(ONE_BAD, ())
        answer = refuse(text)
        said = protocol.acknowledge(request, answer)
        assert said.accepted == ()
        assert list(said.refused) == ["orderbook.50.NOPE"]
        error = said.refused["orderbook.50.NOPE"]
        assert isinstance(error, SubscribeError)
        assert (error.topics, error.message, error.reply, error.code) == (("orderbook.50.NOPE",), text, answer.document, None)
        (again,) = said.retry
        assert again.topics == ("orderbook.50.GOOD", "tickers.GOOD") and again.key != request.key
        assert json.loads(again.frame)["op"] == "subscribe" and args(again) == list(again.topics)

    def test_already_subscribed_is_a_yes(self, linear: BybitPublicProtocol) -> None:
        (request,) = linear.subscribe(("a.X", "a.Y"), ())
        said = linear.acknowledge(request, refuse("error:already subscribed,topic:a.X"))
        assert (said.accepted, said.refused, [again.topics for again in said.retry]) == (("a.X",), {}, [("a.Y",)])

    def test_already_subscribed_alone(self, linear: BybitPublicProtocol) -> None:
        (request,) = linear.subscribe(("a.X",), ())
        assert linear.acknowledge(request, refuse("error:already subscribed,topic:a.X")) == Acknowledgement(accepted=("a.X",))

    @pytest.mark.parametrize("text", [
        "error:handler not found,topic:a.X", "error:handler not found,topic:other", "error:already subscribed,topic:other",
        "args size >10", "anything", "", None, 7, ["topic:a.X"], {}, "topic:", "[", "]", "[]", "][", "]a.X[",
        "Invalid symbol :[a.X",
    ])
    def test_a_single_topic_is_refused_whatever_the_text(self, protocol: BybitPublicProtocol, text: Any) -> None:
        said = protocol.acknowledge(protocol.request("subscribe", ["a.X"]), refuse(text))
        assert (said.accepted, list(said.refused), said.retry) == ((), ["a.X"], ())
        error = said.refused["a.X"]
        assert isinstance(error, SubscribeError)
        assert error.topics == ("a.X",) and str(error)

    @pytest.mark.parametrize("text", [
        "args size >10", "error:handler not found,topic:other", "Invalid symbol :[other]", "Failed to decode incoming data:...",
        "", None, "error:already subscribed,topic:", "[[[[", 12,
    ])
    def test_many_topics_and_no_offender_are_tried_one_by_one(self, linear: BybitPublicProtocol, text: Any) -> None:
        said = linear.acknowledge(linear.request("subscribe", ["a.X", "a.Y", "a.Z"]), refuse(text))
        assert (said.accepted, said.refused) == ((), {})
        assert [again.topics for again in said.retry] == [("a.X",), ("a.Y",), ("a.Z",)]
        assert len({again.key for again in said.retry}) == 3

    def test_retries_are_split_again(self) -> None:
        spot = BybitPublicProtocol("spot")
        topics = [f"a.{n}" for n in range(25)]
        said = spot.acknowledge(spot.request("subscribe", topics), refuse("Invalid symbol :[a.3]"))
        assert [len(again.topics) for again in said.retry] == [10, 10, 4]

    def test_long_hostile_text_is_quick(self, linear: BybitPublicProtocol) -> None:
        said = linear.acknowledge(linear.request("subscribe", ["a.X"]), refuse("[" * 2_000_000))
        assert list(said.refused) == ["a.X"]

    def test_options_by_topic(self, option: BybitPublicProtocol) -> None:
        (request,) = option.subscribe(("tickers.A", "nope.B", "tickers.C"), ())
        document = {"success": True, "conn_id": CONN, "type": "COMMAND_RESP",
                    "data": {"failTopics": ["nope.B"], "successTopics": ["tickers.A"]}}
        said = option.acknowledge(request, Reply(None, document, "command"))
        assert (said.accepted, list(said.refused), said.retry) == (("tickers.A",), ["nope.B", "tickers.C"], ())
        assert "among the topics that failed" in str(said.refused["nope.B"])
        assert "says nothing about it" in str(said.refused["tickers.C"])

    def test_options_topic_on_both_lists_has_failed(self, option: BybitPublicProtocol) -> None:
        document = {"success": True, "type": "COMMAND_RESP", "data": {"failTopics": ["a"], "successTopics": ["a"]}}
        said = option.acknowledge(option.request("subscribe", ["a"]), Reply(None, document, "command"))
        assert (said.accepted, list(said.refused)) == ((), ["a"])

    @pytest.mark.parametrize("data", [None, 5, [], ["a"], {"successTopics": 1}, {"successTopics": [{}], "failTopics": [None]}])
    def test_options_unreadable_lists(self, option: BybitPublicProtocol, data: Any) -> None:
        document = {"success": True, "type": "COMMAND_RESP", "data": data}
        said = option.acknowledge(option.request("subscribe", ["a"]), Reply(None, document, "command"))
        assert (said.accepted, list(said.refused), said.retry) == ((), ["a"], ())


class AllOrNothing:
    """A venue that refuses a whole request for its first bad topic, in the words of linear or of spot."""

    def __init__(self, category: str, bad: Set[str], live: Set[str], lies: Sequence[str] = ()) -> None:
        self.category = category
        self.bad = bad
        self.live = set(live)
        self.lies = list(lies)
        self.requests = 0

    def answer(self, request: Request) -> Dict[str, Any]:
        self.requests += 1
        topics = args(request)
        document = {"success": False, "conn_id": CONN, "op": "subscribe", "req_id": request.key}
        if self.lies:
            return {**document, "ret_msg": self.lies.pop()}
        if self.category == "spot" and len(topics) > 10:
            return {**document, "ret_msg": "args size >10"}
        for topic in topics:
            if topic in self.bad:
                spot = self.category == "spot"
                return {**document, "ret_msg": f"Invalid symbol :[{topic}]" if spot else f"error:handler not found,topic:{topic}"}
            if topic in self.live:
                return {**document, "ret_msg": f"error:already subscribed,topic:{topic}"}
        self.live.update(topics)
        return {**document, "success": True, "ret_msg": ""}


def settle(protocol: BybitPublicProtocol, venue: AllOrNothing, first: Sequence[Request]) -> Tuple[List[str], List[str]]:
    """Plays a subscribe to its end, as the session does."""
    accepted: List[str] = []
    refused: List[str] = []
    waiting = list(first)
    while waiting:
        request = waiting.pop(0)
        said = protocol.acknowledge(request, reply(protocol, venue.answer(request)))
        retried = [topic for again in said.retry for topic in again.topics]
        assert sorted([*said.accepted, *said.refused, *retried]) == sorted(request.topics)
        assert all(len(again.topics) < len(request.topics) for again in said.retry)
        accepted += said.accepted
        refused += said.refused
        waiting += said.retry
    return accepted, refused


def name_topic(n: int) -> str:
    # Some names look like the venue's own words.
    return f"tickers.S{n}-0.{n}[{n}],topic:{n}" if n % 7 == 0 else f"tickers.S{n}"


topic_names = st.lists(st.integers(0, 60).map(name_topic), unique=True)


class TestTermination:
    @given(topics=topic_names, bad=st.sets(st.integers(0, 60)), live=st.sets(st.integers(0, 60)),
           category=st.sampled_from(["spot", "linear", "inverse"]))
    @settings(deadline=None)
    def test_every_topic_ends_accepted_or_refused_as_it_deserves(
        self, topics: List[str], bad: Set[int], live: Set[int], category: str
    ) -> None:
        protocol = BybitPublicProtocol(category)
        wrong = {topic for n, topic in enumerate(topics) if n in bad}
        # Only topics whose own name is not mistaken for the venue's words count as live beforehand.
        there = {topic for n, topic in enumerate(topics) if n in live and topic not in wrong and "," not in topic}
        venue = AllOrNothing(category, wrong, there)
        accepted, refused = settle(protocol, venue, protocol.subscribe(topics, ()))
        assert sorted(accepted) == sorted(set(topics) - wrong)
        assert sorted(refused) == sorted(wrong)
        assert venue.live >= set(accepted)

    def test_cost_of_many_bad_topics(self) -> None:
        protocol = BybitPublicProtocol("linear")
        topics = [f"tickers.S{n}" for n in range(300)]
        venue = AllOrNothing("linear", set(topics[::10]), set())
        accepted, refused = settle(protocol, venue, protocol.subscribe(topics, ()))
        assert (len(accepted), len(refused), venue.requests) == (270, 30, 31)

    @given(topics=topic_names, lies=st.lists(st.one_of(st.text(), st.sampled_from([
        "error:already subscribed,topic:tickers.S1", "Invalid symbol :[tickers.S2]", "args size >10", "topic:tickers.S3",
    ])), max_size=80))
    @settings(deadline=None)
    def test_ends_whatever_the_venue_says(self, topics: List[str], lies: List[str]) -> None:
        protocol = BybitPublicProtocol("linear")
        accepted, refused = settle(protocol, AllOrNothing("linear", set(), set(), lies), protocol.subscribe(topics, ()))
        assert sorted(accepted + refused) == sorted(topics)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.sampled_from([
        "snapshot", "delta", "COMMAND_RESP", "error", "ping", "pong", "subscribe", "unsubscribe", "auth", "1", "", "0.5",
        "error:handler not found,topic:t.A", "Invalid topic :[t.A]", "1e999999999", "-Infinity", "tickers.A",
    ]),
)
inner_keys = st.one_of(st.text(max_size=4), st.sampled_from([
    "s", "b", "a", "u", "seq", "T", "S", "v", "p", "i", "symbol", "lastPrice", "successTopics", "failTopics", "coin", "id",
]))
anything = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(inner_keys, inner, max_size=6)), max_leaves=20
)
TOPICS = [
    "orderbook.1.A", "orderbook.rpi.A", "orderbook.full.A", "publicTrade.A", "tickers.A", "tickers.A_B", "kline.1.A",
    "allLiquidation.A", "liquidation.A", "insurance.USDT", "adlAlert.USDT", "priceLimit.A", "system.status", "lt.A",
    "nothing.known",
]
documents = st.fixed_dictionaries({}, optional={
    "topic": st.one_of(st.sampled_from(TOPICS), anything), "type": anything, "ts": anything, "cts": anything, "cs": anything,
    "data": anything, "op": anything, "success": st.one_of(st.booleans(), anything), "req_id": anything, "ret_msg": anything,
    "retCode": anything, "retMsg": anything, "reqId": anything, "ret_code": anything, "args": anything, "id": anything,
})


class TestWhateverComes:
    @given(document=st.one_of(documents, anything), category=st.sampled_from(CATEGORIES))
    @settings(max_examples=100, deadline=None)
    def test_only_protocol_errors(self, document: Any, category: str) -> None:
        protocol = BybitPublicProtocol(category)
        for _ in range(2):
            try:
                (inbound,) = protocol.receive(wire(document), False)
            except ProtocolError:
                continue
            if isinstance(inbound, Push):
                assert inbound.kind in ("snapshot", "delta", "update")
                assert inbound.venue_time_ms is None or type(inbound.venue_time_ms) is int
                try:
                    hash((inbound.topic, inbound.channel, inbound.symbol))
                    typed(inbound)
                except ProtocolError:
                    pass
            else:
                hash((inbound.key, inbound.kind, inbound.topics))
                assert inbound.key is not None or inbound.kind

    @given(payload=st.binary(max_size=60), binary=st.booleans())
    def test_only_protocol_errors_for_noise(self, payload: bytes, binary: bool) -> None:
        try:
            BybitPublicProtocol("spot").receive(payload, binary)
        except ProtocolError:
            pass

    @given(
        document=st.one_of(documents, anything),
        category=st.sampled_from(CATEGORIES),
        topics=st.lists(st.sampled_from(TOPICS), unique=True),
    )
    @settings(max_examples=100, deadline=None)
    def test_acknowledge_never_raises(self, document: Any, category: str, topics: List[str]) -> None:
        protocol = BybitPublicProtocol(category)
        request = protocol.request("subscribe", topics)
        said = protocol.acknowledge(request, Reply(request.key, document, request.kind))
        decided = [*said.accepted, *said.refused, *(topic for again in said.retry for topic in again.topics)]
        assert sorted(decided) == sorted(topics)
        assert all(isinstance(error, SubscribeError) and error.topics == (topic,) for topic, error in said.refused.items())

    @given(document=documents, category=st.sampled_from(CATEGORIES))
    @settings(deadline=None)
    def test_conclude_gives_a_result_or_a_venue_error(self, document: Any, category: str) -> None:
        protocol = BybitPublicProtocol(category)
        request = protocol.heartbeat()
        try:
            assert protocol.conclude(request, Reply(request.key, document, "ping")) is document
        except VenueError as error:
            assert str(error) and error.reply is document

    @pytest.mark.parametrize("topic", TOPICS)
    def test_deep_nesting(self, linear: BybitPublicProtocol, topic: str) -> None:
        deep = b"[" * 900 + b"]" * 900
        for type_ in (b"snapshot", b"delta"):
            head = b'{"topic":"' + topic.encode() + b'","type":"' + type_ + b'","data":'
            try:
                (inbound,) = linear.receive(head + deep + b"}", False)
                typed(inbound)  # type: ignore[arg-type]
            except ProtocolError:
                pass
