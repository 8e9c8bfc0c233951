"""The swap socket's rules: requests to frames, frames to replies and pushes. No clock, no network."""

from __future__ import annotations

import json
import zlib
from typing import Any, Dict, List, Tuple

import pytest

from dbxsdk import AuthError, ProtocolError, VenueError
from dbxsdk.digifinex import swap
from dbxsdk.digifinex.swap.channels import CHANNELS, KINDS, channel_of, split
from dbxsdk.digifinex.swap.protocol import CODES, MOST_CHANNELS, DigiFinexSwapProtocol
from dbxsdk.protocol import Push, Reply, Request, TooLong
from tests.digifinex.swap.frames import ACCOUNT, BTC, CHANGE, MS, ORDER, POSITION, PRICES, TICKER, TRADE, UPDATES, WHOLE, update

NOW = 1_700_000_000_000


@pytest.fixture
def protocol() -> DigiFinexSwapProtocol:
    return DigiFinexSwapProtocol("key", "secret")


def document(request: Request) -> Dict[str, Any]:
    decoded = json.loads(request.frame)
    assert decoded["id"] == request.key and decoded["event"] == request.kind
    return {name: value for name, value in decoded.items() if name not in ("id", "event")}


def sent(requests: Any) -> List[Tuple[Any, ...]]:
    return [(request.kind, document(request), request.topics) for request in requests]


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode(), 9)


def receive(value: Any, protocol: Any = None) -> List[Any]:
    return list((protocol or DigiFinexSwapProtocol()).receive(packed(value), True))


def pushed(value: Any, protocol: Any = None) -> Push:
    (push,) = receive(value, protocol)
    assert isinstance(push, Push)
    return push


def reply(code: int = 1, **more: Any) -> Reply:
    return Reply(1, {"id": 1, "event": "e", "code": code, "msg": CODES[code], **more})


# -- requests ------------------------------------------------------------------------------------------


def test_requests_are_numbered_and_their_parameters_stand_beside_the_event(protocol: DigiFinexSwapProtocol) -> None:
    requests = [protocol.request("server.time", None), protocol.request("x", {"a": [1]}), protocol.heartbeat()]
    assert [request.frame for request in requests] == [
        '{"id":1,"event":"server.time"}', '{"id":2,"event":"x","a":[1]}', '{"id":3,"event":"server.ping"}',
    ]


@pytest.mark.parametrize(
    "params, error", [([], TypeError), ("x", TypeError), (5, TypeError), ({"id": 1}, ValueError), ({"event": ""}, ValueError),
                      ({5: 1}, ValueError), ({"a": object()}, TypeError), ({"a": float("nan")}, ValueError)]
)
def test_parameters_that_cannot_be_sent(protocol: DigiFinexSwapProtocol, params: Any, error: Any) -> None:
    with pytest.raises(error):
        protocol.request("server.time", params)


@pytest.mark.parametrize(
    "channel, symbols, frames",
    [
        ("ticker", ["btcusdtperp", "ETHUSDTPERP", "BTCUSDTPERP"],
         [("ticker.{}", {"instrument_ids": ["BTCUSDTPERP", "ETHUSDTPERP"]}, ("ticker.BTCUSDTPERP", "ticker.ETHUSDTPERP"))]),
        ("depth.20", [BTC], [("depth.{}", {"instrument_ids": [BTC], "level": 20}, (f"depth.20.{BTC}",))]),
        ("cur_candle.1m", [BTC], [("cur_candle.{}", {"instrument_ids": [BTC], "granularity": "1m"}, (f"cur_candle.1m.{BTC}",))]),
        ("mark_candle.1w", ["A"], [("mark_candle.{}", {"instrument_ids": ["A"], "granularity": "1w"}, ("mark_candle.1w.A",))]),
        ("estimated_settle_price", ["BTC2-MOVE-20220909"],
         [("estimated_settle_price.{}", {"instrument_ids": ["BTC2-MOVE-20220909"]},
           ("estimated_settle_price.BTC2-MOVE-20220909",))]),
        ("all_ticker", [], [("all_ticker.{}", {}, ("all_ticker",))]),
        ("account", [], [("account.{}", {}, ("account",))]),
        ("order", ["A", "B"],
         [("order.{}", {"instrument_id": "A"}, ("order.A",)), ("order.{}", {"instrument_id": "B"}, ("order.B",))]),
        ("position", ["A"], [("position.{}", {"instrument_id": "A"}, ("position.A",))]),
    ],
)
def test_subscriptions(protocol: DigiFinexSwapProtocol, channel: str, symbols: List[str], frames: Any) -> None:
    topics = protocol.topics(channel, symbols)
    for verb, requests in (("subscribe", protocol.subscribe(topics, ())), ("unsubscribe", protocol.unsubscribe(topics, topics))):
        assert sent(requests) == [(event.format(verb), params, names) for event, params, names in frames]
    assert protocol.topics_of(channel, [*topics, "trades.OTHER", "depth.100.X"]) == topics
    assert {channel_of(topic) for topic in topics} == {channel}


def test_each_channel_has_requests_of_its_own(protocol: DigiFinexSwapProtocol) -> None:
    topics = [topic for channel in ("depth.10", "depth.20", "trades") for topic in protocol.topics(channel, ["A", "B"])]
    assert sent(protocol.subscribe(topics, ())) == [
        ("depth.subscribe", {"instrument_ids": ["A", "B"], "level": 10}, ("depth.10.A", "depth.10.B")),
        ("depth.subscribe", {"instrument_ids": ["A", "B"], "level": 20}, ("depth.20.A", "depth.20.B")),
        ("trades.subscribe", {"instrument_ids": ["A", "B"]}, ("trades.A", "trades.B")),
    ]


@pytest.mark.parametrize(
    "channel, symbols, words",
    [
        ("depth", ["A"], "channel must be one of depth.10, depth.20, depth.100, not 'depth'"),
        ("depth.5", ["A"], "depth.10, depth.20, depth.100, not 'depth.5'"),
        ("cur_candle", ["A"], "cur_candle.1m, .*cur_candle.1w, not 'cur_candle'"),
        ("mark_candle.2m", ["A"], "mark_candle.1m, .*not 'mark_candle.2m'"),
        ("ticker.1m", ["A"], "channel must be one of ticker, all_ticker, depth.LEVEL, trades, cur_candle.GRANULARITY,"),
        ("order_algo", ["A"], "account, position, order, not 'order_algo'"),
        ("balance", [], "not 'balance'"),
        ("ticker", [], "symbols must name a contract"),
        ("all_ticker", ["A"], "symbols must be left out for the channel 'all_ticker'"),
        ("account", ["A"], "symbols must be left out for the channel 'account'"),
        ("ticker", ["A.B"], "symbols must be contracts, like BTCUSDTPERP, not 'A.B'"),
    ],
)
def test_wrong_arguments_are_named(protocol: DigiFinexSwapProtocol, channel: str, symbols: List[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        protocol.topics(channel, symbols)


def test_topics_of_an_unknown_channel(protocol: DigiFinexSwapProtocol) -> None:
    with pytest.raises(ValueError, match="channel"):
        protocol.topics_of("depth", ["depth.10.A"])


@pytest.mark.parametrize("channel", ["account", "position", "order"])
def test_private_channels_need_a_key(channel: str) -> None:
    with pytest.raises(ValueError, match=f"channel {channel!r} is private: the client needs api_key and api_secret"):
        DigiFinexSwapProtocol().topics(channel, [] if channel == "account" else ["A"])


@pytest.mark.parametrize("level", [5, 0, 1000, -10])
def test_levels_that_the_venue_has_not(level: int) -> None:
    with pytest.raises(ValueError, match="level must be one of 10, 20, 100"):
        swap.depth(level)


def test_typed_channels_are_named_as_the_plain_ones() -> None:
    typed = [swap.depth(20), swap.cur_candle("1m"), swap.mark_candle("1d"), *(
        kind for kind in KINDS.values() if not kind.parameter
    )]
    assert {channel.name for channel in typed} <= set(CHANNELS) and len(typed) == len(KINDS)
    with pytest.raises(TypeError, match="level"):
        swap.depth("20")  # type: ignore[arg-type]
    for wrong in (swap.cur_candle, swap.mark_candle):
        with pytest.raises(ValueError, match="granularity must be one of 1m, 5m"):
            wrong("1M")


@pytest.mark.parametrize("topic", ["ticker.A", "depth.20.A", "cur_candle.1m.BTC2-MOVE-20220909", "all_ticker", "account"])
def test_topics_come_apart(topic: str) -> None:
    kind, part, contract = split(topic)
    assert ".".join(filter(None, (kind, str(part), contract))) == topic


# -- thirty channels -----------------------------------------------------------------------------------


def names(count: int, channel: str = "ticker") -> List[str]:
    return [f"{channel}.C{number}" for number in range(count)]


def test_a_connection_holds_thirty_public_channels(protocol: DigiFinexSwapProtocol) -> None:
    protocol.check_capacity(names(MOST_CHANNELS))
    protocol.check_capacity([*names(MOST_CHANNELS - 1), "all_ticker", "account", "order.A", "position.A", "order.B"])
    protocol.check_capacity([f"depth.{level}.C{number}" for level in (10, 20, 100) for number in range(10)])
    for too_many in (names(31), [*names(30), "all_ticker"], [*names(30), "depth.10.A"], names(16) + names(16, "depth.20")):
        with pytest.raises(ValueError, match=f"symbols: a connection holds 30 public channels.* these make {len(too_many)}"):
            protocol.check_capacity(too_many)


# -- login ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret, now, signature",
    [
        ("secret", 123, "d9445LUOYYoOu5XbYeL0Jpc5FlnYLAZKX4G59I2FzNU="),
        ("test-secret", 1_700_000_000_000, "hbU2bDZcT5Mp0enUjcEEAiD6lC1jCwtVIcuLXZTSoEI="),
        ("swap-test-secret", 1_790_134_702_000, "NXcSvTM86dELA7yvBVpfOCmedlrWaP9LP0OVrV/i11E="),
    ],
)
def test_the_signature(secret: str, now: int, signature: str) -> None:
    (request,) = DigiFinexSwapProtocol("key", secret).login(now)
    assert document(request) == {"apikey": "key", "timestamp": now, "signature": signature}
    assert request.secret and signature not in repr(request) and secret not in repr(request)
    assert DigiFinexSwapProtocol().login(now) == ()


@pytest.mark.parametrize("arguments", [("key", None), (None, "secret"), ("k\n", "s"), ("", "s"), (5, "s")])
def test_bad_credentials(arguments: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="api_key|api_secret"):
        DigiFinexSwapProtocol(*arguments)


@pytest.mark.parametrize("skew_ms", [3_600_000, -90_000, 600])
def test_a_failed_login_is_tried_once_more_with_the_venues_time(protocol: DigiFinexSwapProtocol, skew_ms: int) -> None:
    (login,) = protocol.login(NOW)
    (question,) = protocol.login_answered(login, reply(3, msg="auth fail"), NOW)
    assert (question.kind, document(question), question.secret) == ("server.time", {}, False)
    (again,) = protocol.login_answered(question, reply(data=NOW + skew_ms), NOW)
    assert document(again)["timestamp"] == NOW + skew_ms and again.secret
    with pytest.raises(AuthError, match="auth fail.*set this machine's clock"):
        protocol.login_answered(again, reply(3, msg="auth fail"), NOW)
    assert document(protocol.login(NOW + 5)[0])["timestamp"] == NOW + 5 + skew_ms


@pytest.mark.parametrize(
    "answer, words",
    [(NOW + 300, "clock agrees"), (str(NOW), "clock agrees"), *((odd, "could not be measured") for odd in (None, 1.5, True, 5))],
)
def test_a_failed_login_where_the_clock_is_not_why(protocol: DigiFinexSwapProtocol, answer: Any, words: str) -> None:
    (question,) = protocol.login_answered(protocol.login(NOW)[0], reply(3), NOW)
    with pytest.raises(AuthError, match=words):
        protocol.login_answered(question, reply(data=answer), NOW)


@pytest.mark.parametrize("code", [2, 4, 8])
def test_other_refusals_of_the_key_are_final_at_once(protocol: DigiFinexSwapProtocol, code: int) -> None:
    with pytest.raises(AuthError, match=f"the login was refused: {CODES[code]}") as raised:
        protocol.login_answered(protocol.login(NOW)[0], reply(code), NOW)
    assert raised.value.code == code


def test_logged_in_already_is_logged_in_and_an_odd_answer_is_not_final(protocol: DigiFinexSwapProtocol) -> None:
    (login,) = protocol.login(NOW)
    assert protocol.login_answered(login, reply(1), NOW) == protocol.login_answered(login, reply(9), NOW) == ()
    for odd in (reply(6), Reply(1, {"id": 1}), Reply(1, {"id": 1, "code": True})):
        with pytest.raises(VenueError) as raised:
            protocol.login_answered(login, odd, NOW)
        assert not isinstance(raised.value, AuthError)


def test_credentials_that_the_venue_repeats_are_not_shown() -> None:
    protocol = DigiFinexSwapProtocol("the-api-key-4711", "the-secret-0815")
    (login,) = protocol.login(NOW)
    text = f"no such key the-api-key-4711 {document(login)['signature']}"
    with pytest.raises(AuthError, match=r"no such key \*\*\* \*\*\*"):
        protocol.login_answered(login, reply(8, msg=text), NOW)


# -- replies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, key, kind",
    [
        ({"id": 7, "event": "server.ping", "code": 1, "msg": "success", "data": "pong"}, 7, None),
        ({"event": "", "code": 2, "msg": "invalid param"}, None, None),
        ({"event": "ticker.subscribe", "code": 2, "msg": "invalid param"}, None, "ticker.subscribe"),
        ({"id": None, "code": 2}, None, None),
        ({"id": 3}, 3, None),
    ],
)
def test_replies(value: Any, key: Any, kind: Any) -> None:
    assert receive(value) == [Reply(key, value, kind)]
    assert list(DigiFinexSwapProtocol().receive(json.dumps(value).encode(), False)) == [Reply(key, value, kind)]


def test_the_test_vector_of_the_reference() -> None:
    vector = bytes.fromhex(
        "78daab564a2d4bcd2b51b2522a4e2d2a4b2dd22bc8cc4b57d251ca4c51b232d7514ace4f4955b232d451ca2d4e07a9294d4e4e2d2e06caa7"
        "24962402050af281aa6b01072e15de"
    )
    value = {"event": "server.ping", "id": 7, "code": 1, "msg": "success", "data": "pong"}
    assert list(DigiFinexSwapProtocol().receive(vector, True)) == [Reply(7, value)]


@pytest.mark.parametrize("code", [code for code in CODES if code != 1])
def test_what_a_code_means(protocol: DigiFinexSwapProtocol, code: int) -> None:
    request = protocol.request("ticker.subscribe", {"instrument_ids": []})
    with pytest.raises(VenueError) as raised:
        protocol.conclude(request, reply(code, msg="the venue's words"))
    assert (raised.value.code, raised.value.message) == (code, "the venue's words")
    with pytest.raises(VenueError, match=CODES[code]):
        protocol.conclude(request, reply(code, msg=""))


def test_results(protocol: DigiFinexSwapProtocol) -> None:
    request = protocol.request("server.time", None)
    assert protocol.conclude(request, reply(data=5)) == 5 and protocol.conclude(request, reply()) is None
    for odd in ({"id": 1}, {"id": 1, "code": "1"}, {"id": 1, "code": None}, {"id": 1, "code": True}, {"id": 1, "code": 77}):
        with pytest.raises(VenueError, match="has no code|not documented"):
            protocol.conclude(request, Reply(1, odd))


def test_acknowledgements(protocol: DigiFinexSwapProtocol) -> None:
    (two,) = protocol.subscribe(["ticker.A", "ticker.B"], ())
    (one,) = protocol.subscribe(["depth.20.A"], ())
    assert protocol.acknowledge(two, reply()).accepted == two.topics
    assert protocol.acknowledge(one, reply(5)).accepted == one.topics, "the first subscription goes on"
    for code in (2, 5, 6):  # of several: which one is not said
        again = protocol.acknowledge(two, reply(code))
        assert (again.accepted, again.refused) == ((), {})
        assert sent(again.retry) == [
            ("ticker.subscribe", {"instrument_ids": ["A"]}, ("ticker.A",)),
            ("ticker.subscribe", {"instrument_ids": ["B"]}, ("ticker.B",)),
        ]
    for code in (2, 3, 4, 6):
        refused = protocol.acknowledge(one, reply(code)).refused
        assert list(refused) == ["depth.20.A"] and refused["depth.20.A"].code == code
    assert list(protocol.acknowledge(one, Reply(1, {"id": 1})).refused) == ["depth.20.A"]


# -- updates -------------------------------------------------------------------------------------------


def test_every_documented_update_is_read() -> None:
    seen = set()
    for value in UPDATES:
        push = pushed(value)
        data = push.read(push.payload)
        rows = data if isinstance(data, tuple) else (data,)
        assert rows and all(type(row).__module__ == "dbxsdk.digifinex.swap.models" for row in rows)
        assert push.document == (update("all_ticker", value) if isinstance(value, list) else value)
        assert channel_of(push.topic) == push.channel and push.channel in CHANNELS
        assert push.venue_time_ms is not None or push.channel in ("fund_rate", "cur_candle.1m", "mark_candle.1m")
        seen.add(push.channel.partition(".")[0])
    assert seen == set(KINDS)


@pytest.mark.parametrize(
    "value, told",
    [
        (update("ticker", TICKER), (f"ticker.{BTC}", "ticker", BTC, "update", MS)),
        (update("all_ticker", [TICKER]), ("all_ticker", "all_ticker", "", "snapshot", MS)),
        ([TICKER], ("all_ticker", "all_ticker", "", "snapshot", MS)),
        ([], ("all_ticker", "all_ticker", "", "snapshot", None)),
        (update("depth", WHOLE, full_data=True), (f"depth.10.{BTC}", "depth.10", BTC, "snapshot", WHOLE["timestamp"])),
        (update("depth", CHANGE), (f"depth.10.{BTC}", "depth.10", BTC, "delta", CHANGE["timestamp"])),
        (update("depth", {**CHANGE, "level": "10"}), (f"depth.10.{BTC}", "depth.10", BTC, "delta", CHANGE["timestamp"])),
        (update("depth", CHANGE, full_data=False), (f"depth.10.{BTC}", "depth.10", BTC, "delta", CHANGE["timestamp"])),
        (update("trades", [TRADE]), (f"trades.{BTC}", "trades", BTC, "update", MS)),
        (update("account", ACCOUNT), ("account", "account", "", "update", MS)),
        (update("position", [POSITION]), (f"position.{BTC}", "position", BTC, "update", MS)),
        (update("order", ORDER), (f"order.{BTC}", "order", BTC, "update", MS)),
        (update("order", [{**ORDER, "time_stamp": str(MS)}]), (f"order.{BTC}", "order", BTC, "update", MS)),
    ],
)
def test_topics_kinds_and_times(value: Any, told: Any) -> None:
    push = pushed(value)
    assert (push.topic, push.channel, push.symbol, push.kind, push.venue_time_ms) == told


@pytest.mark.parametrize("name, row", [("order", ORDER), ("position", POSITION), ("trades", TRADE)])
def test_rows_of_several_contracts_come_apart(name: str, row: Dict[str, Any]) -> None:
    rows = [row, {**row, "instrument_id": "BTCPERP"}, row]
    pushes = receive(update(name, rows))
    assert [(push.topic, len(push.payload)) for push in pushes] == [(f"{name}.{BTC}", 2), (f"{name}.BTCPERP", 1)]
    assert receive(update(name, [])) == []


def test_until_a_mark_was_seen_the_first_update_of_a_book_is_the_whole_of_it(protocol: DigiFinexSwapProtocol) -> None:
    (request,) = protocol.subscribe(protocol.topics("depth.10", [BTC]), ())

    def kinds(*frames: Any) -> List[str]:
        return [pushed(frame, protocol).kind for frame in frames]

    whole, change = update("depth", WHOLE), update("depth", CHANGE)
    marked = update("depth", WHOLE, full_data=True)
    assert kinds(change) == ["delta"], "not subscribed"
    protocol.acknowledge(request, reply())
    assert kinds(whole, change) == ["snapshot", "delta"]
    protocol.acknowledge(request, reply())
    protocol.reset()
    assert kinds(change) == ["delta"], "of another connection"
    protocol.acknowledge(request, reply())
    assert kinds(marked, change) == ["snapshot", "delta"]
    protocol.acknowledge(request, reply())
    assert kinds(change, marked) == ["delta", "snapshot"], "this venue marks them"


@pytest.mark.parametrize(
    "value",
    [
        5, "x", None, True, {}, {"id": "7"}, {"id": True}, {"id": 1.5}, {"event": "ticker.update"}, {"event": 5},
        {"event": "orderbook.update", "data": {}}, {"event": "token.update", "data": []},
        update("ticker", []), update("ticker", None), update("ticker", {}), update("ticker", {"instrument_id": 5}),
        update("all_ticker", "x"), update("trades", "x"), update("trades", [5]), update("trades", [{}]),
        *(update("depth", {**WHOLE, "level": level}) for level in (5, None, [1], True, 10.0, "10.x")),
        update("depth", None), {"event": "depth.update"}, update("depth", {**WHOLE, "instrument_id": None}),
        update("cur_candle", {"instrument_id": BTC, "granularity": "2m"}), update("account", "x"), update("order", [None]),
    ],
)
def test_what_cannot_be_read_is_a_protocol_error(value: Any) -> None:
    with pytest.raises(ProtocolError):
        receive(value)


@pytest.mark.parametrize(
    "payload", [b"", b"\x78\xda", b"nonsense", zlib.compress(b"{"), zlib.compress(b"\xff"), packed({})[:-3]]
)
def test_frames_that_are_broken(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        DigiFinexSwapProtocol().receive(payload, True)


def test_a_frame_that_inflates_without_end() -> None:
    with pytest.raises(TooLong):
        DigiFinexSwapProtocol().inflate(zlib.compress(b"[" * 10_000), 5_000)


def test_prices_have_both_keys_of_the_page() -> None:
    mark = {"instrument_id": BTC, "index_price": "5", "timestamp": MS}
    push = pushed(update("mark_price", mark))
    assert push.read(push.payload).mark_price == 5
    assert set(PRICES) <= set(KINDS)
