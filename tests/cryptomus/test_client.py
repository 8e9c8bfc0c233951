"""The client against the local venue: tokens, subscriptions, HTTP requests, arguments, and what must stay secret."""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Tuple

import pytest

import dbxsdk.cryptomus
from dbxsdk import Options, State, Update
from dbxsdk.cryptomus import CryptomusClient, http
from dbxsdk.errors import (
    AuthError,
    ConnectError,
    DbxError,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    SubscribeError,
    VenueError,
)
from dbxsdk.events import BadFrame, Connected, ConnectFailed, Disconnected, Gap
from dbxsdk.sim.cryptomus.venue import CryptomusVenue
from dbxsdk.transport import parse_url
from dbxsdk.transport.http import HttpAnswer
from tests.waiting import PATIENCE, Background, Recorder, drained, eventually

FAST = Options(backoff_initial=0.01, backoff_max=0.05, connect_timeout=5, request_timeout=5)


@pytest.fixture
def venue() -> Iterator[CryptomusVenue]:
    with CryptomusVenue(rate=0) as made:
        yield made


@pytest.fixture
def client(venue: CryptomusVenue) -> Iterator[CryptomusClient]:
    made = venue.client(options=FAST)
    yield made
    made.close()


def methods(venue: CryptomusVenue) -> List[Tuple[str, List[str]]]:
    """What was asked over the WebSocket, pings left out."""
    asked = [(frame.document["method"], frame.document["params"]) for frame in venue.requests]
    return [(method, params) for method, params in asked if method != "ping"]


def drop(venue: CryptomusVenue) -> None:
    # A client is ready before the venue's own thread has the connection in its list.
    assert venue.wait_until(lambda: venue.connections == 1)
    venue.drop_connections()


# -- tokens ----------------------------------------------------------------------------------------------------------------


def test_sign_is_the_md5_of_the_body_in_base64_and_the_key() -> None:
    assert http.signature("my-key") == hashlib.md5(b"my-key").hexdigest()
    assert http.signature("my-key", b'{"a":1}') == hashlib.md5(b"eyJhIjoxfQ==my-key").hexdigest()


def test_every_connection_has_its_own_token(venue: CryptomusVenue, client: CryptomusClient) -> None:
    events = Recorder()
    client.on_event(events)
    client.open()
    client.subscribe("ticker", "BTC_USDT", callback=lambda update: None)
    for number in range(2, 5):
        venue.drop_connections()
        events.wait_for(Connected, number)
        assert venue.wait_until(lambda: venue.subscriptions() == ("ticker.BTC_USDT",))
    assert len(set(venue.tokens_used)) == len(venue.tokens_used) == venue.connection_count == venue.token_requests == 4


@pytest.mark.parametrize("wrong", [{"user_id": "somebody-else"}, {"api_key": "another-key"}])
def test_a_refused_key_is_final(venue: CryptomusVenue, wrong: Dict[str, str]) -> None:
    with venue.client(options=FAST) as good:
        assert good.state is State.READY
    client = venue.client(options=FAST, **wrong)
    with pytest.raises(AuthError) as raised:
        client.open()
    assert raised.value.code == (404 if "user_id" in wrong else 401)
    assert client.state is State.FAILED
    count = venue.token_requests
    with pytest.raises(AuthError):
        client.call("ping")
    assert venue.token_requests == count
    client.close()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_refused_at_a_reconnect_is_final(venue: CryptomusVenue, client: CryptomusClient, status: int) -> None:
    client.open()
    venue.answer_http("token", status)
    drop(venue)
    with pytest.raises(AuthError, match=str(status)):
        client.wait(PATIENCE)
    assert venue.connection_count == 1


@pytest.mark.parametrize("status, headers, retry_after", [
    (500, {}, None), (503, {"Retry-After": "7"}, 7.0), (429, {"Retry-After": "2"}, 2.0), (302, {"Location": "/x"}, None),
    (503, {"Retry-After": "soon"}, None), (503, {"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0), (400, {}, None),
])
def test_a_token_endpoint_that_fails(
    venue: CryptomusVenue, client: CryptomusClient, status: int, headers: Dict[str, str], retry_after: Any
) -> None:
    venue.answer_http("token", status, 1, headers=headers)
    with pytest.raises(ConnectError, match=str(status)) as raised:
        client.open()
    assert raised.value.retry_after == retry_after
    assert client.state is State.NEW
    client.open()  # the failure was not final


def test_a_token_that_was_too_old_at_a_reconnect_is_followed_by_another(
    venue: CryptomusVenue, client: CryptomusClient
) -> None:
    # The token endpoint has just accepted the key: 401 is about the token.
    events = Recorder()
    client.on_event(events)
    client.open()
    venue.refuse_connections(401, times=2)
    drop(venue)
    events.wait_for(Connected, 2)
    assert venue.token_requests == 4
    assert [("401" in each.reason, each.attempt) for each in events.of(ConnectFailed)] == [(True, 1), (True, 2)]
    venue.refuse_connections(403, times=1)
    drop(venue)
    with pytest.raises(AuthError, match="403"):
        client.wait(PATIENCE)


def test_a_token_endpoint_that_fails_at_a_reconnect(venue: CryptomusVenue, client: CryptomusClient) -> None:
    events = Recorder()
    client.on_event(events)
    updates = Recorder()
    client.subscribe("ticker", "BTC_USDT", callback=updates)
    venue.answer_http("token", 503, 3)
    venue.drop_connections()
    events.wait_for(Connected, 2)
    assert len(events.of(Disconnected)) == 1
    assert [("503" in each.reason, each.attempt) for each in events.of(ConnectFailed)] == [(True, 1), (True, 2), (True, 3)]
    assert venue.wait_until(lambda: venue.subscriptions() == ("ticker.BTC_USDT",))
    venue.step(10)
    updates.wait()
    events.wait_for(Gap)
    assert len(set(venue.tokens_used)) == 2 and venue.token_requests == 5


def test_retry_after_is_honoured(venue: CryptomusVenue, client: CryptomusClient) -> None:
    events = Recorder()
    client.on_event(events)
    client.open()
    venue.answer_http("token", 503, headers={"Retry-After": "60"})
    drop(venue)
    assert events.wait_for(ConnectFailed).retry_in == 60


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"no JSON", b'{"token":null}', b'{"token":5}', b'{"token":""}',
                                  b'{"token":"a\\nb"}', b'{"result":{"token":"x"}}'])
def test_an_answer_without_a_token(venue: CryptomusVenue, client: CryptomusClient, body: bytes) -> None:
    venue.answer_http("token", 200, 1, body=body)
    with pytest.raises(ConnectError, match="no usable token"):
        client.open()
    client.open()


def test_a_token_endpoint_that_cannot_be_reached(venue: CryptomusVenue) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        client = venue.client(token_url=url, markets_url=url, depth_scales_url=url, options=FAST)
        for step in (client.open, client.markets, lambda: client.depth_scales("BTC_USDT")):
            with pytest.raises(ConnectError, match="127.0.0.1"):
                step()
        client.close()
    assert venue.connection_count == 0


def test_a_failed_handshake_uses_up_the_token(venue: CryptomusVenue, client: CryptomusClient) -> None:
    events = Recorder()
    client.on_event(events)
    client.open()
    venue.refuse_connections(503, times=2)
    drop(venue)
    events.wait_for(Connected, 2)
    assert venue.token_requests == 4  # one for each attempt
    assert len(set(venue.tokens_used)) == len(venue.tokens_used) == 2


def test_close_interrupts_the_wait_for_a_token() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        client = CryptomusClient("user", "key", url="ws://127.0.0.1:1/", token_url=f"http://127.0.0.1:{port}/")
        opening = Background(client.open)
        connection, _ = mute.accept()
        with connection:
            connection.recv(1)
            client.close()
            assert isinstance(opening.error(2), DbxError)


@pytest.mark.parametrize("url, expected", [
    ("wss://h/ws", "wss://h/ws?token=a%2Bb"),
    ("ws://h:1", "ws://h:1?token=a%2Bb"),
    ("ws://h/ws?region=eu&x", "ws://h/ws?region=eu&x&token=a%2Bb"),
    ("ws://h/ws?a=1#part", "ws://h/ws?a=1&token=a%2Bb"),
])
def test_the_token_goes_into_the_query(monkeypatch: pytest.MonkeyPatch, url: str, expected: str) -> None:
    asked: List[Any] = []

    def get(*args: Any, **kwargs: Any) -> HttpAnswer:
        asked.append((args, kwargs))
        return HttpAnswer(200, {"token": "a+b"})

    monkeypatch.setattr(http, "get", get)
    source = http.TokenSource("https://t/x", FAST, "me", "key")
    assert source(parse_url("url", url), print).url == expected
    ((args, kwargs),) = asked
    assert args == ("https://t/x", FAST)
    assert kwargs == {
        "timeout": 5, "publish": print, "headers": {"userId": "me", "sign": hashlib.md5(b"key").hexdigest()},
    }


# -- the WebSocket ---------------------------------------------------------------------------------------------------------


def test_ping_and_raw_requests(venue: CryptomusVenue, client: CryptomusClient) -> None:
    assert 0 < client.ping() < PATIENCE
    assert client.call("ping") is None  # a pong without data is no failure
    assert client.call("ticker_unsubscribe", ["all"]) == {"status": "success"}
    with pytest.raises(VenueError) as raised:
        client.call("no_such_method", [])
    assert raised.value.code == 2 and raised.value.reply["data"] is None
    with pytest.raises(VenueError) as raised:
        client.call("ticker_subscribe", [5])
    assert raised.value.code == 1
    assert client.submit("ping").result(PATIENCE) is None
    ids = [frame.document["id"] for frame in venue.requests]
    assert len(set(ids)) == len(ids) and all(type(each) is int and each > 0 for each in ids)


def test_heartbeats_keep_an_idle_connection(venue: CryptomusVenue) -> None:
    with venue.client(options=Options(heartbeat_interval=0.05)) as client:
        assert venue.wait_until(lambda: len(venue.requests) >= 3)
        assert {frame.document["method"] for frame in venue.requests} == {"ping"}
        assert client.stats().bad_frames == 0


def test_pongs_are_no_requests() -> None:
    """A venue that pings often is still sent heartbeats: it counts requests alone."""
    with CryptomusVenue(rate=0) as venue, venue.client(options=Options(heartbeat_interval=0.1)):
        assert venue.wait_until(lambda: venue.connections == 1)
        (connection,) = venue._connections.values()
        deadline = time.monotonic() + PATIENCE
        while not venue.requests and time.monotonic() < deadline:
            connection.wire.ping().wait(0.02)
            venue.wait_until(lambda: bool(venue.requests), 0.02)
        assert venue.requests


@pytest.mark.parametrize("channel, symbol, model", [
    ("lastprice", "BTC_USDT", dbxsdk.cryptomus.LastPrice),
    ("depth", "BTC_USDT:0", dbxsdk.cryptomus.Depth),
    ("depth", "BTC_USDT:2", dbxsdk.cryptomus.Depth),
    ("ticker", "BTC_USDT", dbxsdk.cryptomus.Ticker),
    ("trade", "BTC_USDT", tuple),
    ("order", "BTC_USDT", dbxsdk.cryptomus.Order),
    ("balance", "USDT", dbxsdk.cryptomus.Balance),
    ("deal", "BTC_USDT", dbxsdk.cryptomus.Deal),
])
def test_channels(venue: CryptomusVenue, client: CryptomusClient, channel: str, symbol: str, model: Any) -> None:
    updates = Recorder()
    events = Recorder()
    client.on_event(events)
    subscription = client.subscribe(channel, symbol, callback=updates)
    assert venue.subscriptions() == (f"{channel}.{symbol}",) == subscription.topics
    venue.step(60)
    for update in updates.wait(2):
        assert isinstance(update, Update) and isinstance(update.data, model)
        assert (update.venue, update.channel, update.symbol) == ("cryptomus", channel, symbol.partition(":")[0])
        assert (update.venue_time_ms is None) is (channel == "balance")
    subscription.unsubscribe()
    assert venue.wait_until(lambda: venue.subscriptions() == ())
    assert methods(venue)[-1] == (f"{channel}_unsubscribe", ["all"])
    everything = client.subscribe(channel, "all", callback=updates)
    assert venue.subscriptions() == (f"{channel}.all",)
    everything.unsubscribe()
    assert venue.wait_until(lambda: venue.subscriptions() == ())
    client.ping()
    assert events.of(BadFrame) == []


@pytest.mark.parametrize("index", [0, 1, 2])
def test_depth_sums_to_the_truth(venue: CryptomusVenue, client: CryptomusClient, index: int) -> None:
    updates = Recorder()
    client.subscribe("depth", [f"BTC_USDT:{index}", "ETH_USDT:0"], callback=updates)
    venue.step(50)
    client.ping()  # its answer comes behind all updates
    drained(client)
    sides: Tuple[Dict[Decimal, Decimal], Dict[Decimal, Decimal]] = ({}, {})
    own = [update for update in updates.items if update.symbol == "BTC_USDT"]
    assert [update.kind for update in own][:2] == ["snapshot", "delta"]
    for update in own:
        assert update.data.scale_index == index and update.data.full_reload is (update.kind == "snapshot")
        for side, levels in ((sides[0], update.data.bids), (sides[1], update.data.asks)):
            for price, amount in levels:
                if amount:
                    side[price] = amount
                else:
                    del side[price]
    truth = venue.book("BTC_USDT", index)
    assert sorted(sides[0].items(), reverse=True) == truth["bids"]
    assert sorted(sides[1].items()) == truth["asks"]


@pytest.mark.parametrize("repeat", ["replace", "refuse", "add"])
def test_a_repeated_subscription(repeat: str) -> None:
    with CryptomusVenue(rate=0, repeat=repeat) as venue, venue.client(options=FAST) as client:
        first, second = Recorder(), Recorder()
        client.subscribe("ticker", "BTC_USDT", callback=first)
        client.subscribe("ticker", "ETH_USDT", callback=second)
        assert venue.subscriptions() == ("ticker.BTC_USDT", "ticker.ETH_USDT")
        with pytest.raises(SubscribeError) as raised:
            client.subscribe("ticker", ["NO_SUCH", "TRX_USDT", "NOR_THIS"], callback=second)
        assert sorted(raised.value.topics) == ["ticker.NOR_THIS", "ticker.NO_SUCH"]
        assert raised.value.code == 2 and "Unknown" in str(raised.value)
        assert raised.value.subscription.topics == ("ticker.TRX_USDT",)
        assert venue.wait_until(
            lambda: venue.subscriptions() == ("ticker.BTC_USDT", "ticker.ETH_USDT", "ticker.TRX_USDT")
        )
        venue.step(20)
        assert {update.symbol for update in first.wait()} == {"BTC_USDT"}
        eventually(lambda: {update.symbol for update in second.items} == {"ETH_USDT", "TRX_USDT"})
        client.unsubscribe("ticker", "ETH_USDT")
        assert venue.wait_until(lambda: venue.subscriptions() == ("ticker.BTC_USDT", "ticker.TRX_USDT"))
        client.ping()
        if repeat != "refuse":
            assert ("ticker_unsubscribe", ["all"]) not in methods(venue)  # nothing has paused
        assert client.stats().bad_frames == 0


@pytest.mark.parametrize("repeat", ["replace", "refuse", "add"])
def test_a_reconnect_asks_for_everything_at_once(repeat: str) -> None:
    with CryptomusVenue(rate=0, repeat=repeat) as venue, venue.client(options=FAST) as client:
        for symbol in ("BTC_USDT", "ETH_USDT"):
            client.subscribe("trade", symbol, callback=lambda update: None)
            client.subscribe("depth", [f"{symbol}:0", f"{symbol}:1"], callback=lambda update: None)
        before, count = venue.subscriptions(), len(methods(venue))
        venue.drop_connections()
        assert venue.wait_until(lambda: venue.connection_count == 2 and venue.subscriptions() == before)
        assert methods(venue)[count:] == [
            ("trade_subscribe", ["BTC_USDT", "ETH_USDT"]),
            ("depth_subscribe", ["BTC_USDT:0", "BTC_USDT:1", "ETH_USDT:0", "ETH_USDT:1"]),
        ]


def test_all_and_single_symbols_together(venue: CryptomusVenue, client: CryptomusClient) -> None:
    single, everything, both, raw, events = Recorder(), Recorder(), Recorder(), Recorder(), Recorder()
    client.on_event(events)
    client.subscribe("ticker", "BTC_USDT", callback=single)
    of_all = client.subscribe("ticker", "all", callback=everything)
    client.subscribe("ticker", ["ETH_USDT", "all"], callback=both)
    client.subscribe("ticker", "TRX_USDT", callback=raw, raw=True)
    assert venue.subscriptions() == ("ticker.all",)
    venue.step(5)
    client.ping()
    drained(client)
    symbols = [update.symbol for update in everything.items]
    assert set(symbols) == set(venue.symbols)
    assert [update.symbol for update in both.items] == symbols  # each once
    assert [update.data for update in single.items] == [u.data for u in everything.items if u.symbol == "BTC_USDT"]
    assert len(raw.items) == symbols.count("TRX_USDT")
    of_all.unsubscribe()
    client.unsubscribe("ticker", "all")
    assert venue.wait_until(lambda: venue.subscriptions() == ("ticker.BTC_USDT", "ticker.TRX_USDT"))
    count = len(everything.items)
    venue.step(20)
    client.ping()
    drained(client)
    assert len(everything.items) == count and len(single.items) > 5
    assert events.of(BadFrame) == []


def test_many_threads_subscribe_at_once(venue: CryptomusVenue, client: CryptomusClient) -> None:
    names = [f"{symbol}:{index}" for symbol in venue.symbols for index in (0, 1, 2)]
    calls = [Background(client.subscribe, "depth", [name], callback=lambda update: None) for name in [*names, "NO_SUCH:0"]]
    for call in calls[:-1]:
        call.result()
    assert isinstance(calls[-1].error(), SubscribeError)
    assert venue.wait_until(lambda: venue.subscriptions() == tuple(sorted(f"depth.{name}" for name in names)))


def test_an_unanswered_subscription_times_out(venue: CryptomusVenue, client: CryptomusClient) -> None:
    client.subscribe("ticker", "BTC_USDT", callback=lambda update: None)
    venue.go_silent()
    with pytest.raises(RequestTimeout):
        client.subscribe("ticker", "ETH_USDT", callback=lambda update: None, timeout=0.05)
    venue.resume()


def test_the_account_adds_up(venue: CryptomusVenue, client: CryptomusClient) -> None:
    orders, deals, balances = Recorder(), Recorder(), Recorder()
    client.subscribe("order", "all", callback=orders)
    client.subscribe("deal", "all", callback=deals)
    client.subscribe("balance", "all", callback=balances)
    before = venue.balances()
    venue.step(5 * 40)
    client.ping()
    drained(client)
    change = {currency: after - before[currency] for currency, after in venue.balances().items()}
    for currency, total in change.items():
        assert total == sum(update.data.change for update in balances.items if update.symbol == currency)
    by_id: Dict[str, List[Any]] = {}
    for update in orders.items:
        by_id.setdefault(update.data.id, []).append(update.data)
    finished = [history for history in by_id.values() if history[-1].type == "finished"]
    assert len(finished) > 5 and {history[-1].state for history in finished} == {"completed", "cancelled"}
    for history in finished:
        assert [order.type for order in history][0] == "created"
        assert [order.filled_quantity for order in history] == sorted(order.filled_quantity for order in history)
    filled = sum(history[-1].filled_value for history in by_id.values())
    assert filled == sum(update.data.filled_value for update in deals.items)


# -- HTTP ------------------------------------------------------------------------------------------------------------------


def test_markets_and_depth_scales_need_no_connection(venue: CryptomusVenue, client: CryptomusClient) -> None:
    markets = client.markets()
    assert [market.symbol for market in markets] == list(venue.symbols)
    assert (markets[0].base_currency, markets[0].quote_currency) == ("BTC", "USDT")
    assert isinstance(markets[0].base_min_size, Decimal) and isinstance(markets[0].quote_prec, int)
    scales = client.depth_scales("btc_usdt", timeout=5)
    assert [scale.index for scale in scales] == [0, 1, 2]
    assert scales[1].scale == 10 * scales[0].scale
    assert client.state is State.NEW and venue.connection_count == venue.token_requests == 0
    with pytest.raises(VenueError, match="symbol not found") as raised:
        client.depth_scales("NO_SUCH")
    assert raised.value.code == 404


@pytest.mark.parametrize("status, body, kind, code", [
    (200, b"", ProtocolError, None),
    (200, b"no JSON", ProtocolError, None),
    (200, [], ProtocolError, None),
    (200, {"result": [{"id": "x"}], "data": [{"index": 0}]}, ProtocolError, None),
    (200, {"message": "Minimum is more", "state": 1}, VenueError, 200),
    (200, {"status": "error", "message": "no"}, VenueError, 200),
    (400, {"code": 6, "message": "not enough"}, VenueError, 6),
    (404, b"nothing here", VenueError, 404),
    (302, b"", VenueError, 302),
    (401, {"message": "who?"}, AuthError, 401),
    (403, b"", AuthError, 403),
    (429, b"", RateLimited, 429),
    (500, {"code": 500, "message": "Server error."}, ConnectError, None),
    (503, b"", ConnectError, None),
])
def test_what_a_status_means(
    venue: CryptomusVenue, client: CryptomusClient, status: int, body: Any, kind: type, code: Any
) -> None:
    for endpoint, ask in (("markets", client.markets), ("depth_scales", lambda: client.depth_scales("BTC_USDT"))):
        venue.answer_http(endpoint, status, 1, body=body, headers={"Retry-After": "3"})
        with pytest.raises(DbxError) as raised:
            ask()
        assert type(raised.value) is kind
        if isinstance(raised.value, VenueError):
            assert raised.value.code == code
        if kind is ConnectError:
            assert getattr(raised.value, "retry_after", None) == 3
        ask()


def test_a_mute_http_host_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        client = CryptomusClient("user", "key", markets_url=url)
        with pytest.raises(ConnectError, match="in time|does not end"):
            client.markets(timeout=0.05)


# -- arguments -------------------------------------------------------------------------------------------------------------


def test_the_documented_addresses() -> None:
    client = CryptomusClient("user", "key")
    assert client._address.url == "wss://api-ws.cryptomus.com/ws"
    source: Any = client._prepare
    assert source.url == "https://api.cryptomus.com/v2/user-api/exchange/account/web-socket/token"
    assert client._markets_url == "https://api-app.cryptomus.com/v1/exchange/market"
    assert client._depth_scales_url == "https://exchange-ws.cryptomus.com/api/v2/symbol-scales"


@pytest.mark.parametrize("arguments, error, name", [
    ({"user_id": ""}, ValueError, "user_id"),
    ({"user_id": "a b"}, ValueError, "user_id"),
    ({"user_id": None}, TypeError, "user_id"),
    ({"api_key": ""}, ValueError, "api_key"),
    ({"api_key": "secret\n"}, ValueError, "api_key"),
    ({"api_key": "secret\r\nX-Header: 1"}, ValueError, "api_key"),
    ({"api_key": " secret"}, ValueError, "api_key"),
    ({"api_key": "sécret"}, ValueError, "api_key"),
    ({"api_key": b"secret"}, TypeError, "api_key"),
    ({"url": "https://example.org"}, ValueError, "url"),
    ({"url": 5}, TypeError, "url"),
    ({"url": ""}, ValueError, "url"),
    ({"token_url": "wss://example.org"}, ValueError, "token_url"),
    ({"token_url": "https://exam ple.org"}, ValueError, "token_url"),
    ({"markets_url": "example.org"}, ValueError, "markets_url"),
    ({"markets_url": 5}, TypeError, "markets_url"),
    ({"depth_scales_url": ""}, ValueError, "depth_scales_url"),
    ({"options": {}}, TypeError, "options"),
    ({"options": {"a": 1}}, TypeError, "options"),
])
def test_wrong_arguments(arguments: Dict[str, Any], error: Any, name: str) -> None:
    with pytest.raises(error, match=name) as raised:
        CryptomusClient(**{"user_id": "user", "api_key": "key", **arguments})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("channel, symbols, name", [
    ("depth", "BTC_USDT", "symbols"),
    ("depth", "BTC_USDT:first", "symbols"),
    ("ticker", "BTC_USDT:0", "symbols"),
    ("ticker", (), "symbols"),
    ("ticker", "", "symbols"),
    ("ticker", "BTC USDT", "symbols"),
    ("candles", "BTC_USDT", "channel"),
    ("", "BTC_USDT", "channel"),
])
def test_wrong_subscriptions_before_any_io(channel: str, symbols: Any, name: str) -> None:
    client = CryptomusClient("user", "key", url="ws://127.0.0.1:1", token_url="http://127.0.0.1:1")
    with pytest.raises(ValueError, match=name):
        client.subscribe(channel, symbols, callback=print)
    assert client.state is State.NEW


@pytest.mark.parametrize("symbol, error", [("", ValueError), ("A B", ValueError), ("A\n", ValueError), (None, TypeError)])
def test_wrong_symbols_of_depth_scales(symbol: Any, error: Any) -> None:
    with pytest.raises(error, match="symbol"):
        CryptomusClient("user", "key", depth_scales_url="http://127.0.0.1:1").depth_scales(symbol)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", 0])
def test_wrong_timeouts(timeout: Any) -> None:
    client = CryptomusClient("user", "key", markets_url="http://127.0.0.1:1", depth_scales_url="http://127.0.0.1:1")
    for ask in (client.markets, lambda timeout: client.depth_scales("BTC_USDT", timeout)):
        with pytest.raises((TypeError, ValueError), match="timeout"):
            ask(timeout=timeout)


# -- secrets ---------------------------------------------------------------------------------------------------------------


def test_nothing_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: List[str] = []
    with CryptomusVenue(rate=0, api_key="the-secret-key", user_id="the-secret-user") as venue:
        client = venue.client(options=FAST)
        client.on_event(lambda event: texts.append(repr(event)))
        client.open()
        texts += [repr(client), repr(client._prepare), repr(client._address), str(client.stats())]
        venue.refuse_connections(503, times=1)
        venue.answer_http("token", 503, 1)
        drop(venue)
        assert venue.wait_until(lambda: venue.connection_count == 2)
        client.markets()
        client.close()
        for status in (200, 401, 500):
            venue.answer_http("token", status, 1)
            with pytest.raises(DbxError) as raised:
                venue.client(options=FAST).open()
            error: Any = raised.value
            while error is not None:
                texts += [str(error), repr(error)]
                error = error.__cause__
        venue.refuse_connections(401, times=1)
        with pytest.raises(AuthError) as raised:
            venue.client(options=FAST).open()
        texts.append(repr(raised.value))
        secrets = ["the-secret-key", "the-secret-user", http.signature(venue.api_key), *venue._tokens.issued]
    # What the local venue itself logs is the server's side of the same talk.
    texts += [record.getMessage() for record in caplog.records if not record.name.startswith("dbxsdk.sim")]
    assert len(texts) > 10 and len(secrets) > 5
    assert [text for text in texts if any(secret in text for secret in secrets)] == []
