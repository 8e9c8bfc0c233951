"""DigiFinex's rules: requests to frames, frames to replies and pushes. No clock, no network."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any, Dict, List, Sequence

import pytest

import dbxsdk
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import AuthError, ProtocolError, RateLimited, SubscribeError, VenueError
from dbxsdk.digifinex.models import AlgoOrder, Balance, Depth, Order, Ticker, Trade
from dbxsdk.digifinex.protocol import CHANNELS, PRIVATE_CHANNELS, DigiFinexProtocol
from dbxsdk.protocol import Push, Reply, Request


@pytest.fixture
def protocol() -> DigiFinexProtocol:
    return DigiFinexProtocol("key", "secret")


def document(request: Request) -> Dict[str, Any]:
    decoded = json.loads(request.frame)
    assert decoded["id"] == request.key
    assert decoded["method"] == request.kind
    return decoded  # type: ignore[no-any-return]


def sent(requests: Any) -> List[Any]:
    return [(document(request)["method"], document(request)["params"], request.topics) for request in requests]


def packed(value: Any) -> bytes:
    return zlib.compress((value if isinstance(value, str) else json.dumps(value)).encode())


def receive(value: Any) -> List[Any]:
    return list(DigiFinexProtocol().receive(packed(value), True))


def update(channel: str, *params: Any) -> Any:
    return {"method": f"{channel}.update", "params": list(params), "id": None}


def data(push: Push) -> Any:
    return push.read(push.payload)


# -- requests ------------------------------------------------------------------------------------------


def test_requests_are_numbered_and_have_a_list_of_params(protocol: DigiFinexProtocol) -> None:
    requests = [
        protocol.request("server.time", None),
        protocol.request("trades.subscribe", ("BTC_USDT",)),
        protocol.heartbeat(),
    ]
    assert [document(request) for request in requests] == [
        {"id": 1, "method": "server.time", "params": []},
        {"id": 2, "method": "trades.subscribe", "params": ["BTC_USDT"]},
        {"id": 3, "method": "server.ping", "params": []},
    ]


@pytest.mark.parametrize("params", ["text", 5, {"a": 1}, {1}, b"x"])
def test_params_that_are_no_list(protocol: DigiFinexProtocol, params: Any) -> None:
    with pytest.raises(TypeError, match="params"):
        protocol.request("server.time", params)


@pytest.mark.parametrize("params", [[object()], [float("nan")], [Decimal(1)], [b"x"]])
def test_params_that_json_has_no_word_for(protocol: DigiFinexProtocol, params: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        protocol.request("server.time", params)


def test_the_signature(protocol: DigiFinexProtocol) -> None:
    (request,) = protocol.login(1_589_873_858_597)
    # printf 1589873858597 | openssl dgst -sha256 -hmac secret -binary | base64
    expected = "p4HoO//JMWxmxT4qdvP1I7QOhw7j0aR21iJpIynx4iM="
    assert document(request)["method"] == "server.auth"
    assert document(request)["params"] == ["key", "1589873858597", expected]
    assert "secret" not in repr(request) and expected not in repr(request)


def refused(protocol: DigiFinexProtocol, request: Any, now_ms: int) -> Sequence[Any]:
    return protocol.login_answered(request, reply(error={"code": 6, "message": "sign"}), now_ms)


NOW = 1_700_000_000_000


@pytest.mark.parametrize("skew_s, words", [(3600, "3,600.5 s behind the venue's"), (-90, "89.5 s ahead of the venue's")])
def test_a_refused_login_is_tried_once_more_with_the_venues_time(protocol: DigiFinexProtocol, skew_s: int, words: str) -> None:
    (login,) = protocol.login(NOW)
    (question,) = refused(protocol, login, NOW)
    assert document(question) == {"id": question.key, "method": "server.time", "params": []} and not question.secret
    (again,) = protocol.login_answered(question, reply(result=NOW // 1000 + skew_s), NOW)
    # The answer has whole seconds: half of one is added.
    assert document(again)["params"][1] == str(NOW + skew_s * 1000 + 500) and again.secret
    with pytest.raises(AuthError, match=f"refused: sign.*{words}.*set this machine's clock") as caught:
        refused(protocol, again, NOW + 100)
    assert caught.value.code == 6
    # The next connection signs with it at once.
    (login,) = protocol.login(NOW + 10_000)
    assert document(login)["params"][1] == str(NOW + 10_000 + skew_s * 1000 + 500)
    assert protocol.login_answered(login, reply(result={"status": "success"}), NOW + 10_050) == ()


@pytest.mark.parametrize("seconds", [NOW // 1000, str(NOW // 1000)])
def test_a_refused_login_where_the_clocks_agree(protocol: DigiFinexProtocol, seconds: Any) -> None:
    (question,) = refused(protocol, protocol.login(NOW + 900)[0], NOW + 1000)
    with pytest.raises(AuthError, match="sign.*clock agrees with the venue's: check the key and the secret"):
        protocol.login_answered(question, reply(result=seconds), NOW + 1100)


@pytest.mark.parametrize("answer", [
    {"result": None}, {"result": True}, {"result": "now"}, {"result": 5}, {"result": "9" * 5000}, {"result": NOW},
    {"error": {"code": 200005, "message": "slow"}}, {"result": ["1"]}, {"result": 1.5},
], ids=lambda answer: "answer")
def test_a_refused_login_where_the_time_is_not_told(protocol: DigiFinexProtocol, answer: Any) -> None:
    (question,) = refused(protocol, protocol.login(NOW)[0], NOW)
    with pytest.raises(AuthError, match="could not be measured: check this machine's clock, the key and the secret"):
        protocol.login_answered(question, reply(**answer), NOW)


@pytest.mark.parametrize("stepped_s", [-7200, 3600, 7200])
def test_a_clock_that_is_set_after_it_was_measured(protocol: DigiFinexProtocol, stepped_s: int) -> None:
    (question,) = refused(protocol, protocol.login(NOW)[0], NOW)
    (again,) = protocol.login_answered(question, reply(result=NOW // 1000 + 3600), NOW)
    assert protocol.login_answered(again, reply(result={"status": "success"}), NOW) == ()
    there, here = NOW + 3_600_000 + 60_000, NOW + 60_000 + stepped_s * 1000  # an hour ahead of it is right again
    (question,) = refused(protocol, protocol.login(here)[0], here)
    (again,) = protocol.login_answered(question, reply(result=there // 1000), here)
    assert abs(int(document(again)["params"][1]) - there) <= 500
    assert protocol.login_answered(again, reply(result={"status": "success"}), here) == ()


def test_a_venue_that_hangs_up_on_the_question_has_refused_the_login(protocol: DigiFinexProtocol) -> None:
    assert protocol.login_refusal() is None
    refused(protocol, protocol.login(NOW)[0], NOW)
    refusal = protocol.login_refusal()
    assert refusal is not None and "could not be measured" in str(refusal)
    assert protocol.login(NOW)[0].kind == "server.auth" and protocol.login_refusal() is None
    assert DigiFinexProtocol().login_refusal() is None


def test_without_a_key_nobody_logs_in() -> None:
    assert DigiFinexProtocol().login(5) == ()


# -- topics --------------------------------------------------------------------------------------------


def test_topics_are_upper_case_and_without_repeats(protocol: DigiFinexProtocol) -> None:
    assert protocol.topics("trades", ["btc_usdt", "BTC_USDT", "eth_usdt"]) == ("trades.BTC_USDT", "trades.ETH_USDT")
    assert protocol.topics("balance", ["usdt"]) == ("balance.USDT",)
    assert protocol.topics("all_ticker", []) == ("all_ticker",)


@pytest.mark.parametrize(
    "channel, symbols, message",
    [
        ("kline", ["A"], "channel"),
        ("trades", [], "symbols"),
        ("balance", [], "currency"),
        ("all_ticker", ["A"], "symbols"),
    ],
)
def test_topics_that_do_not_exist(protocol: DigiFinexProtocol, channel: str, symbols: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        protocol.topics(channel, symbols)


@pytest.mark.parametrize("channel", PRIVATE_CHANNELS)
def test_private_channels_need_a_key(channel: str) -> None:
    with pytest.raises(ValueError, match="api_key"):
        DigiFinexProtocol().topics(channel, ["A"])
    assert DigiFinexProtocol("k", "s").topics(channel, ["A"]) == (f"{channel}.A",)


def test_topics_of_a_channel(protocol: DigiFinexProtocol) -> None:
    wanted = ["ticker.A", "all_ticker", "order.A", "order_algo.A"]
    assert protocol.topics_of("order", wanted) == ("order.A",)
    assert protocol.topics_of("all_ticker", wanted) == ("all_ticker",)
    with pytest.raises(ValueError, match="channel"):
        protocol.topics_of("orders", wanted)


def test_one_subscribe_request_a_channel(protocol: DigiFinexProtocol) -> None:
    requests = protocol.subscribe(["trades.A", "depth.A", "trades.B", "all_ticker"], ())
    assert sent(requests) == [
        ("trades.subscribe", ["A", "B"], ("trades.A", "trades.B")),
        ("depth.subscribe", ["A"], ("depth.A",)),
        ("all_ticker.subscribe", [], ("all_ticker",)),
    ]


def test_unsubscribe_names_symbols_only_while_others_of_the_channel_stay(protocol: DigiFinexProtocol) -> None:
    assert sent(protocol.unsubscribe(["trades.A", "trades.B"], ["depth.A", "all_ticker"])) == [
        ("trades.unsubscribe", [], ("trades.A", "trades.B"))
    ]
    assert sent(protocol.unsubscribe(["trades.A", "depth.A"], ["trades.B"])) == [
        ("trades.unsubscribe", ["A"], ("trades.A",)),
        ("depth.unsubscribe", [], ("depth.A",)),
    ]
    # "ticker" is another channel than "all_ticker", and "order" than "order_algo".
    assert sent(protocol.unsubscribe(["all_ticker"], ["ticker.A"])) == [("all_ticker.unsubscribe", [], ("all_ticker",))]
    assert sent(protocol.unsubscribe(["order.A"], ["order_algo.A"])) == [("order.unsubscribe", [], ("order.A",))]


# -- frames --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [{"error": None, "result": "pong", "id": 7}, {"id": 7, "error": {"code": 1, "message": "x"}, "result": None}],
)
def test_a_frame_is_inflated_by_its_opcode(reply: Any) -> None:
    protocol = DigiFinexProtocol()
    text = json.dumps(reply).encode()
    for payload, binary in ((text, False), (zlib.compress(text), True), (zlib.compress(text, 0), True), (text, True)):
        assert protocol.receive(payload, binary) == (Reply(7, reply),)


def test_each_frame_is_a_stream_of_its_own() -> None:
    protocol = DigiFinexProtocol()
    for number in range(3):
        (reply,) = protocol.receive(packed({"id": number, "error": None, "result": 1}), True)
        assert isinstance(reply, Reply) and reply.key == number


GOOD = packed({"id": 1, "error": None, "result": "pong"})


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"garbage",
        GOOD[:-1],
        GOOD[:-4],
        GOOD[: len(GOOD) // 2],
        GOOD[:2],
        GOOD[:-4] + b"\0\0\0\0",
        GOOD[2:],
        b"\x78",
    ],
    ids=[
        "empty",
        "zero",
        "garbage",
        "1 short",
        "no checksum",
        "half",
        "header",
        "bad checksum",
        "raw deflate",
        "1 byte",
    ],
)
def test_what_is_no_whole_zlib_stream(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="zlib"):
        DigiFinexProtocol().receive(payload, True)


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = zlib.compress(b"[" + b" " * (40 << 20), 9)
    assert len(bomb) < 1 << 16
    with pytest.raises(ProtocolError, match="max_message_size"):
        DigiFinexProtocol().receive(bomb, True)


def test_a_large_book_is_no_bomb() -> None:
    side = [[str(n), "1.00000000"] for n in range(100_000)]
    (push,) = receive(update("depth", True, {"asks": side, "bids": []}, "A"))
    assert len(data(push).asks) == 100_000


@pytest.mark.parametrize("payload", [packed("\x80"), zlib.compress(b"\xff\xfe"), zlib.compress(b'{"id":"\x80"}')])
def test_what_is_not_utf8_or_json_inside(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        DigiFinexProtocol().receive(payload, True)


@pytest.mark.parametrize(
    "value",
    [
        [],
        5,
        None,
        "text",
        {},
        {"id": None},
        {"id": True, "result": 1},
        {"id": "7", "result": 1},
        {"id": 7.0, "result": 1},
        {"id": [7]},
        {"id": None, "method": "trades"},
        {"id": None, "method": 5, "params": []},
        {"id": None, "method": "kline.update", "params": []},
        {"id": None, "method": ".update", "params": []},
        {"id": None, "method": "trades.update"},
        {"id": None, "method": "trades.update", "params": {}},
        update("trades"),
        update("trades", True, []),
        update("trades", 1, [], "A"),
        update("trades", True, [], 5),
        update("trades", True, [], "A", "B"),
        update("depth", None, {}, "A"),
        update("ticker", 5),
        update("ticker", {"last": "1"}),
        update("ticker", [[{"symbol": "A"}]]),
        update("order", {"symbol": 5}),
        update("balance", {"symbol": "A"}),
    ],
)
def test_what_is_neither_reply_nor_update(value: Any) -> None:
    with pytest.raises(ProtocolError):
        receive(value)


def test_an_error_without_an_id_is_a_reply_to_nobody_in_particular() -> None:
    value = {"error": {"code": 1, "message": "bad JSON"}, "result": None, "id": None}
    assert receive(value) == [Reply(None, value)]


# -- pushes --------------------------------------------------------------------------------------------

TRADES = [
    {"id": 7172173, "time": 1523339279.761838, "price": "398.59", "amount": "0.027", "type": "buy"},
    {"id": 7172172, "time": 1523339278, "price": "398.50", "amount": "1", "type": "sell", "new": "field"},
]


@pytest.mark.parametrize("clean, kind", [(True, "snapshot"), (False, "update")])
def test_trades(clean: bool, kind: str) -> None:
    value = update("trades", clean, TRADES, "ETH_USDT")
    (push,) = receive(value)
    assert (push.topic, push.channel, push.symbol, push.kind) == ("trades.ETH_USDT", "trades", "ETH_USDT", kind)
    assert push.document == value
    assert push.venue_time_ms == 1523339279761
    assert data(push) == (
        Trade(7172173, Decimal("1523339279.761838"), Decimal("398.59"), Decimal("0.027"), "buy"),
        Trade(7172172, Decimal("1523339278"), Decimal("398.50"), Decimal("1"), "sell"),
    )


@pytest.mark.parametrize(
    "time, milliseconds",
    [(1597419159.001, 1597419159001), (1597419159.289, 1597419159289), (1597419159, 1597419159000)],
)
def test_the_time_of_trades_is_exact_to_the_millisecond(time: Any, milliseconds: int) -> None:
    (push,) = receive(update("trades", False, [{**TRADES[0], "time": time}], "A"))
    assert push.venue_time_ms == milliseconds


@pytest.mark.parametrize(
    "trades", [[], [{}], [{"time": "x"}], [{"time": True}], [{"time": -5}], [{"time": 1e300}], ["x"], None, {}]
)
def test_the_time_of_trades_where_there_is_none(trades: Any) -> None:
    (push,) = receive(update("trades", False, trades, "A"))
    assert push.venue_time_ms is None


def test_depth_keeps_the_order_of_the_wire() -> None:
    book = {"asks": [["8001.00", "1.5"], ["8000.10", "0.0000"]], "bids": [["7999", "2"]]}
    (push,) = receive(update("depth", True, book, "BTC_USDT"))
    assert (push.topic, push.kind, push.venue_time_ms) == ("depth.BTC_USDT", "snapshot", None)
    assert data(push) == Depth(
        asks=((Decimal("8001.00"), Decimal("1.5")), (Decimal("8000.10"), Decimal("0.0000"))),
        bids=((Decimal(7999), Decimal(2)),),
    )


@pytest.mark.parametrize(
    "book", [{"bids": [["1", "0"]]}, {"asks": None, "bids": [["1", "0"]]}, {"asks": [], "bids": [["1", "0"]]}]
)
def test_a_side_may_be_absent_in_a_delta(book: Any) -> None:
    (push,) = receive(update("depth", False, book, "A"))
    assert push.kind == "delta"
    assert data(push) == Depth((), ((Decimal(1), Decimal(0)),))


TICKER = {
    "symbol": "ETH_USDT", "open_24h": "1760", "low_24h": "1000", "base_volume_24h": "5000", "quote_volume_24h": "80000000.1",
    "last": "1900.80", "last_qty": "0.5", "best_bid": "1900", "best_bid_size": "1", "best_ask": "1901", "best_ask_size": "2",
    "timestamp": 1589873858597,
}  # fmt: skip


@pytest.mark.parametrize("nested", [False, True])
def test_both_shapes_of_tickers(nested: bool) -> None:
    rows: List[Any] = [TICKER, {**TICKER, "symbol": "BTC_USDT", "high_24h": "2"}, {**TICKER, "last": "5"}]
    eth, btc = receive(update("ticker", rows) if nested else update("ticker", *rows))
    assert (eth.topic, eth.symbol, eth.kind, eth.venue_time_ms) == (
        "ticker.ETH_USDT",
        "ETH_USDT",
        "update",
        1589873858597,
    )
    assert btc.topic == "ticker.BTC_USDT"
    first, third = data(eth)
    assert isinstance(first, Ticker)
    assert (first.last, third.last, first.high_24h, data(btc)[0].high_24h) == (
        Decimal("1900.80"),
        Decimal(5),
        None,
        Decimal(2),
    )
    assert first.quote_volume_24h == Decimal("80000000.1")


@pytest.mark.parametrize("nested", [False, True])
def test_all_ticker_is_one_topic(nested: bool) -> None:
    rows = [TICKER, {**TICKER, "symbol": "BTC_USDT"}]
    (push,) = receive(update("all_ticker", rows) if nested else update("all_ticker", *rows))
    assert (push.topic, push.channel, push.symbol) == ("all_ticker", "all_ticker", "")
    assert [ticker.symbol for ticker in data(push)] == ["ETH_USDT", "BTC_USDT"]


def test_an_empty_ticker_update_is_no_update() -> None:
    assert receive(update("ticker")) == []


ORDER = {
    "amount": "0.1", "filled": "0.05", "id": "dd3164b333a4afa9d5730bb87f6db8b3", "mode": 1, "notional": "50", "price": "1000",
    "price_avg": "999.5", "side": "buy", "status": 1, "symbol": "BTC_USDT", "timestamp": 1589873858597, "type": "limit",
}  # fmt: skip


def test_orders() -> None:
    (push,) = receive(update("order", ORDER))
    assert (push.topic, push.venue_time_ms) == ("order.BTC_USDT", 1589873858597)
    (order,) = data(push)
    assert isinstance(order, Order)
    assert (order.id, order.status, order.filled, order.price_avg) == (
        ORDER["id"],
        1,
        Decimal("0.05"),
        Decimal("999.5"),
    )


def test_conditional_orders() -> None:
    row = {
        "algo_price": "1",
        "amount": "2",
        "id": "x",
        "mode": 2,
        "side": "sell",
        "status": -2,
        "symbol": "A",
        "timestamp": 5,
        "trigger_price": "3",
    }
    (push,) = receive(update("order_algo", row))
    assert push.topic == "order_algo.A"
    assert data(push) == (AlgoOrder("x", "A", "sell", -2, Decimal(1), Decimal(3), Decimal(2), 5, 2),)


def test_balances_go_by_currency() -> None:
    rows = [
        {"currency": "USDT", "free": "99.9", "total": "100", "used": "0.1"},
        {"currency": "BTC", "free": "0", "total": "0", "used": "0"},
    ]
    usdt, btc = receive(update("balance", *rows))
    assert (usdt.topic, btc.topic) == ("balance.USDT", "balance.BTC")
    assert data(usdt) == (Balance("USDT", Decimal(100), Decimal("99.9"), Decimal("0.1")),)


@pytest.mark.parametrize("name", ["price", "amount", "filled", "id", "side", "type", "status", "timestamp"])
def test_an_order_without_a_required_field_is_a_protocol_error_when_it_is_read(name: str) -> None:
    (push,) = receive(update("order", {key: value for key, value in ORDER.items() if key != name}))
    with pytest.raises(ProtocolError, match=name):
        data(push)


# -- replies -------------------------------------------------------------------------------------------


def reply(**fields: Any) -> Reply:
    return Reply(1, {"id": 1, "error": None, "result": None, **fields})


@pytest.mark.parametrize("result", ["pong", 1589873858, {"status": "success"}, None, [1]])
def test_results(protocol: DigiFinexProtocol, result: Any) -> None:
    assert protocol.conclude(protocol.request("server.time", None), reply(result=result)) == result


@pytest.mark.parametrize(
    "error, code, message",
    [
        ("no such symbol", None, "no such symbol"),
        ({"code": 1, "message": "invalid argument"}, 1, "invalid argument"),
        ({"code": "E1", "message": "x"}, "E1", "x"),
        ({"message": "x"}, None, "x"),
        ({}, None, "{}"),
        ({"code": None, "message": None}, None, "{'code': None, 'message': None}"),
        (5, None, "5"),
        ("", None, ""),
    ],
)
def test_errors_as_text_and_as_objects(protocol: DigiFinexProtocol, error: Any, code: Any, message: str) -> None:
    with pytest.raises(VenueError) as caught:
        protocol.conclude(protocol.request("server.time", None), reply(error=error))
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.reply["error"] == error


@pytest.mark.parametrize("said", ['"error": %s', '"error": {"code": %s}', '"result": {"status": %s}'])
def test_a_refusal_nested_as_deep_as_json_goes(protocol: DigiFinexProtocol, said: str) -> None:
    request = protocol.request("server.time", None)
    deep = "[" * 1000 + "]" * 1000
    try:
        (deep_reply,) = protocol.receive(f'{{"id": {request.key}, {said % deep}}}'.encode(), False)
    except ProtocolError:
        return  # the standard library's decoder does not go so deep
    assert isinstance(deep_reply, Reply)
    with pytest.raises(VenueError) as raised:
        protocol.conclude(request, deep_reply)
    assert len(str(raised.value)) < 500


def test_kinds_of_refusals(protocol: DigiFinexProtocol) -> None:
    with pytest.raises(RateLimited):
        protocol.conclude(protocol.request("server.time", None), reply(error={"code": 200005, "message": "slow"}))
    with pytest.raises(AuthError, match="login was refused: sign") as caught:
        protocol.conclude(protocol.login(5)[0], reply(error={"code": 6, "message": "sign"}))
    assert caught.value.code == 6
    with pytest.raises(VenueError, match="failed"):
        protocol.conclude(protocol.request("trades.subscribe", ["A"]), reply(result={"status": "failed"}))


def test_acknowledgements(protocol: DigiFinexProtocol) -> None:
    both = protocol.subscribe(["trades.A", "trades.B"], ())[0]
    assert protocol.acknowledge(both, reply(result={"status": "success"})).accepted == ("trades.A", "trades.B")
    refused = protocol.acknowledge(both, reply(error={"code": 1, "message": "B"}))
    assert (refused.accepted, dict(refused.refused)) == ((), {})
    assert [request.topics for request in refused.retry] == [("trades.A",), ("trades.B",)]
    alone = protocol.acknowledge(refused.retry[1], reply(error="unknown symbol"))
    assert list(alone.refused) == ["trades.B"]
    refusal = alone.refused["trades.B"]
    assert isinstance(refusal, SubscribeError)
    assert (refusal.message, refusal.topics) == ("unknown symbol", ("trades.B",))


# -- anything at all -----------------------------------------------------------------------------------

keys = st.sampled_from(
    [
        "id",
        "method",
        "params",
        "error",
        "result",
        "symbol",
        "currency",
        "time",
        "timestamp",
        "code",
        "message",
        "status",
    ]
)
words = st.sampled_from(
    [f"{channel}.update" for channel in CHANNELS] + ["x.update", "BTC_USDT", "success", "1.5", ""]
) | st.text(max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)
updates = st.fixed_dictionaries(
    {
        "id": st.none(),
        "method": st.sampled_from([f"{channel}.update" for channel in CHANNELS]),
        "params": st.lists(json_values, max_size=4),
    }
)


@given(json_values | updates)
def test_any_document_is_read_or_a_protocol_error(value: Any) -> None:
    protocol = DigiFinexProtocol()
    try:
        inbound = protocol.receive(json.dumps(value).encode(), False)
    except ProtocolError:
        return
    for item in inbound:
        if isinstance(item, Push):
            hash(item.topic)
            try:
                data(item)
            except ProtocolError:
                pass
        else:
            request = protocol.subscribe(["trades.A", "trades.B"], ())[0]
            acknowledgement = protocol.acknowledge(request, item)
            told = {
                *acknowledgement.accepted,
                *acknowledgement.refused,
                *(t for again in acknowledgement.retry for t in again.topics),
            }
            assert told == {"trades.A", "trades.B"}, "something is said of every topic"
            try:
                protocol.conclude(request, item)
            except VenueError:
                pass


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_read_or_a_protocol_error(payload: bytes, binary: bool) -> None:
    for variant in (payload, zlib.compress(payload), zlib.compress(payload)[:-2]):
        try:
            DigiFinexProtocol().receive(variant, binary)
        except ProtocolError:
            pass


def test_a_heartbeat_that_would_come_too_late_is_refused() -> None:
    with pytest.raises(ValueError, match="heartbeat_interval must be at most 55 s for digifinex, not 56"):
        dbxsdk.DigiFinexClient(options=dbxsdk.Options(heartbeat_interval=56))
    dbxsdk.DigiFinexClient(options=dbxsdk.Options(heartbeat_interval=55))
