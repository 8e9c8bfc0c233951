"""``DigiFinexClient`` against the local venue: every channel, every kind of answer, over real sockets."""

from __future__ import annotations

import logging
import ssl
import re
import time
import zlib
from decimal import Decimal
from typing import Any, Dict, Iterator, List

import pytest
import trustme

from dbxsdk import (
    AuthError,
    BadFrame,
    ConnectError,
    Connected,
    ConnectionLost,
    DbxError,
    DigiFinexClient,
    Disconnected,
    Gap,
    Options,
    OutcomeUnknown,
    RequestTimeout,
    State,
    SubscribeError,
    VenueError,
)
from dbxsdk.digifinex.client import MAINLAND_URL, URL
from dbxsdk.digifinex.models import AlgoOrder, Balance, Depth, Order, Ticker, Trade
from dbxsdk.sim import DigiFinexVenue
from tests.conftest import library_threads
from tests.waiting import Background, Recorder, eventually

FAST = Options(backoff_initial=0.01, backoff_max=0.05, connect_timeout=5, request_timeout=5)


@pytest.fixture(params=[{}, {"compress_replies": False, "nested_tickers": True}], ids=["zlib replies", "text replies"])
def venue(request: Any) -> Iterator[DigiFinexVenue]:
    with DigiFinexVenue(rate=50, symbols=["BTC_USDT", "ETH_USDT"], **request.param) as venue:
        yield venue


@pytest.fixture
def client(venue: DigiFinexVenue) -> Iterator[Any]:
    with venue.client(options=FAST) as client:
        yield client


def test_the_documented_addresses() -> None:
    assert DigiFinexClient()._address.endpoint == "openapi.digifinex.com:443"
    assert (URL, MAINLAND_URL) == ("wss://openapi.digifinex.com/ws/v1/", "wss://openapi.digifinex.vip/ws/v1/")


def test_requests(client: Any) -> None:
    assert abs(client.server_time() - time.time()) < 5
    assert 0 < client.ping() < 5
    assert client.call("server.ping") == "pong"
    assert client.call("server.ping", []) == "pong"
    assert client.submit("server.time").result(5) == pytest.approx(time.time(), abs=5)


def test_a_refused_request(client: Any) -> None:
    with pytest.raises(VenueError, match="method not found") as caught:
        client.call("server.nothing")
    assert caught.value.code == 4
    assert caught.value.reply["result"] is None


@pytest.mark.parametrize(
    "channel, symbols, model",
    [
        ("trades", "BTC_USDT", Trade),
        ("trades", ["btc_usdt", "eth_usdt"], Trade),
        ("ticker", "BTC_USDT", Ticker),
        ("all_ticker", (), Ticker),
        ("order", ["BTC_USDT", "ETH_USDT"], Order),
        ("order_algo", ["BTC_USDT", "ETH_USDT"], AlgoOrder),
        ("balance", ["USDT", "BTC", "ETH"], Balance),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_every_channel_of_tuples(channel: str, symbols: Any, model: Any, nested: bool) -> None:
    updates = Recorder()
    with (
        DigiFinexVenue(rate=0, symbols=["BTC_USDT", "ETH_USDT"], nested_tickers=nested) as venue,
        venue.client(options=FAST) as client,
    ):
        client.subscribe(channel, symbols, callback=updates)
        for _ in range(100):  # twenty seconds of the market's clock, whose account acts once in each
            venue.step()
        update = updates.wait()[0]
        assert (update.venue, update.channel) == ("digifinex", channel)
        assert isinstance(update.data, tuple)
        assert all(isinstance(row, model) for row in update.data)
        assert update.raw["method"] == f"{channel}.update"
        assert client.stats().bad_frames == 0


def test_a_book_that_is_kept_from_depth_is_the_venues(venue: DigiFinexVenue, client: Any) -> None:
    updates = Recorder()
    client.subscribe("depth", "BTC_USDT", callback=updates)
    updates.wait(10)
    assert [update.kind for update in updates.items[:3]] == ["snapshot", "delta", "delta"]
    book: Dict[str, Dict[Decimal, Decimal]] = {"asks": {}, "bids": {}}

    def matches() -> bool:
        truth = venue.book("BTC_USDT")
        for side in book.values():
            side.clear()
        for update in list(updates.items):
            assert isinstance(update.data, Depth)
            for name, side in book.items():
                for price, amount in getattr(update.data, name):
                    side.pop(price, None) if amount == 0 else side.__setitem__(price, amount)
        return (
            sorted(book["asks"].items()) == truth["asks"]
            and sorted(book["bids"].items(), reverse=True) == truth["bids"]
        )

    eventually(matches)


def test_trades_begin_with_the_history_newest_first(client: Any) -> None:
    updates = Recorder()
    client.subscribe("trades", "BTC_USDT", callback=updates)
    first, second = updates.wait(2)[:2]
    assert (first.kind, second.kind) == ("snapshot", "update")
    ids = [trade.id for trade in first.data]
    assert ids == sorted(ids, reverse=True)
    assert second.data[-1].id > (ids[0] if ids else 0)


def test_a_wrong_key_is_told_by_open_and_by_everything_after_it(venue: DigiFinexVenue) -> None:
    for wrong in (
        {"api_key": "wrong", "api_secret": venue.api_secret},
        {"api_key": venue.api_key, "api_secret": "wrong"},
    ):
        client = venue.client(options=FAST, **wrong)
        for attempt in (client.open, client.server_time, lambda client=client: client.wait(1.0)):
            with pytest.raises(AuthError, match="the login was refused") as caught:
                attempt()
            assert venue.api_secret not in str(caught.value) + repr(caught.value)
        assert client.state is State.FAILED
        client.close()
    assert venue.connection_count == 2, "final: no second try"


def test_a_clock_that_is_an_hour_off(caplog: pytest.LogCaptureFixture) -> None:
    with DigiFinexVenue(rate=0, clock=lambda: time.time() + 3600) as venue:
        with venue.client(options=FAST):
            asked = [request.document["method"] for request in venue.requests]
            assert asked == ["server.auth", "server.time", "server.auth"]
        assert re.search(r"3,(599|600)\.\d s", caplog.text) and "behind the venue's" in caplog.text
        client = venue.client(options=FAST, api_key=venue.api_key, api_secret="wrong")
        with pytest.raises(AuthError, match=r"3,(599|600)\.\d s behind"):
            client.open()
        client.close()


def test_without_a_key_public_channels_work_and_private_ones_are_refused_at_once(venue: DigiFinexVenue) -> None:
    updates = Recorder()
    with venue.client(options=FAST, api_key=None) as client:
        client.subscribe("trades", "BTC_USDT", callback=updates)
        updates.wait()
        with pytest.raises(ValueError, match="private"):
            client.subscribe("order", "BTC_USDT", callback=print)
    assert not [request for request in venue.requests if request.document["method"] == "server.auth"]


def test_an_unknown_symbol_is_refused_by_name_and_the_others_stay(venue: DigiFinexVenue, client: Any) -> None:
    updates = Recorder()
    with pytest.raises(SubscribeError) as caught:
        client.subscribe("trades", ["BTC_USDT", "NO_COIN", "ETH_USDT"], callback=updates)
    assert caught.value.topics == ("trades.NO_COIN",)
    assert caught.value.code == 1
    assert venue.subscriptions() == ("trades.BTC_USDT", "trades.ETH_USDT")
    updates.wait()
    caught.value.subscription.unsubscribe()
    assert venue.wait_until(lambda: venue.subscriptions() == ())


def test_unsubscribing_some_and_all(venue: DigiFinexVenue, client: Any) -> None:
    client.subscribe("trades", ["BTC_USDT", "ETH_USDT"], callback=print)
    client.subscribe("ticker", "BTC_USDT", callback=print)
    client.unsubscribe("trades", "btc_usdt")
    assert venue.wait_until(lambda: venue.subscriptions() == ("ticker.BTC_USDT", "trades.ETH_USDT"))
    client.unsubscribe("trades")
    assert venue.wait_until(lambda: venue.subscriptions() == ("ticker.BTC_USDT",))
    unsubscribes = [r.document["params"] for r in venue.requests if r.document["method"] == "trades.unsubscribe"]
    assert unsubscribes == [["BTC_USDT"], []]


@pytest.mark.parametrize("code", [None, 1001, 1012])
def test_a_dropped_connection_comes_back_with_login_and_all_topics(venue: DigiFinexVenue, code: Any) -> None:
    everything = Recorder()
    client = venue.client(options=FAST)
    client.on_event(everything)
    with client:
        client.subscribe("trades", ["BTC_USDT", "ETH_USDT"], callback=everything)
        client.subscribe("order", "BTC_USDT", callback=everything)
        venue.drop_connections(code, "maintenance")
        wanted = {"trades.BTC_USDT", "trades.ETH_USDT", "order.BTC_USDT"}
        eventually(lambda: {topic for gap in everything.of(Gap) for topic in gap.topics} == wanted)
        assert sum(len(gap.topics) for gap in everything.of(Gap)) == len(wanted), "each topic once"
        assert venue.wait_until(lambda: len(venue.subscriptions()) == 3)
        assert everything.wait_for(Disconnected).code == code
        assert everything.wait_for(Connected, 2).reconnects == 1
        again = everything.items.index(Connected(1))
        assert not [item for item in everything.items[:again] if isinstance(item, Gap)]
        assert isinstance(everything.items[again + 1], Gap)
        assert client.server_time() > 0
        assert client.stats().reconnects == 1


def test_a_venue_that_goes_silent_is_left_and_found_again(venue: DigiFinexVenue) -> None:
    events = Recorder()
    client = venue.client(
        options=Options(heartbeat_interval=0.1, silence_timeout=0.4, backoff_initial=0.01, request_timeout=1)
    )
    client.on_event(events)
    with client:
        venue.go_silent()
        with pytest.raises(OutcomeUnknown):
            client.call("server.time", timeout=5)
        assert "nothing was received" in events.wait_for(Disconnected, timeout=5).reason
        venue.resume()
        events.wait_for(Connected, 2)
        assert client.server_time() > 0


def test_requests_that_the_venue_never_answers(venue: DigiFinexVenue, client: Any) -> None:
    venue.go_silent()
    with pytest.raises(RequestTimeout) as caught:
        client.call("server.time", timeout=0.1)
    waiting = Background(client.call, "server.time")
    assert venue.wait_until(lambda: [r.document["method"] for r in venue.requests].count("server.time") == 2)
    venue.drop_connections()
    assert isinstance(waiting.error(), ConnectionLost)
    assert caught.value.request_id != waiting.error().request_id
    venue.resume()


def test_refused_connections(venue: DigiFinexVenue) -> None:
    client = venue.client(options=FAST)
    venue.refuse_connections(503, times=1)
    with pytest.raises(ConnectError, match="HTTP 503"):
        client.open()
    assert library_threads_of("digifinex") == []
    venue.refuse_connections(429, times=1, headers={"Retry-After": "7"})
    with pytest.raises(ConnectError) as caught:
        client.open()
    assert caught.value.retry_after == 7.0
    client.open()
    venue.refuse_connections(403)
    venue.drop_connections()
    with pytest.raises(AuthError, match="403"):
        client.wait(5.0)
    client.close()


def library_threads_of(venue: str) -> List[str]:
    return [thread.name for thread in library_threads() if thread.name.startswith(f"dbxsdk-{venue}")]


BAD_FRAMES: Any = [
    b"\x00garbage",
    zlib.compress(b"{"),
    zlib.compress(b'{"id": 99999, "error": null, "result": 1}'),
    zlib.compress(b'{"method":"trades.update","params":[true,[],"XYZ_USDT"],"id":null}'),
    zlib.compress(b'{"method":"kline.update","params":[],"id":null}'),
    zlib.compress(b'{"method":"trades.update","params":[false,[{"id":1}],"BTC_USDT"],"id":null}'),
    "not json",
    "[]",
]


def test_bad_frames_are_told_and_counted_and_the_connection_lives(venue: DigiFinexVenue) -> None:
    events, updates = Recorder(), Recorder()
    client = venue.client(options=FAST)
    client.on_event(events)
    with client:
        client.subscribe("trades", "BTC_USDT", callback=updates)
        updates.wait()
        for frame in BAD_FRAMES:
            venue.send_frame(frame)
        told = [events.wait_for(BadFrame, number + 1) for number in range(len(BAD_FRAMES))]
        assert all(isinstance(event.error, DbxError) for event in told)
        assert client.stats().bad_frames == len(BAD_FRAMES)
        updates.wait(len(updates.items) + 2)
        assert client.server_time() > 0
        assert venue.connection_count == 1


def test_over_tls(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    updates = Recorder()
    with DigiFinexVenue(rate=50, symbols=["BTC_USDT"], ssl_context=context) as venue:
        assert venue.url().startswith("wss://")
        with venue.client(options=Options(ssl_context=trust)) as client:
            client.subscribe("depth", "BTC_USDT", callback=updates)
            updates.wait(5)
            assert client.server_time() > 0
        with pytest.raises(ConnectError, match="certificate was refused"):
            venue.client(options=FAST).open()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


def test_no_secret_in_any_log_line_text_or_representation(
    venue: DigiFinexVenue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: List[str] = []
    client = venue.client(options=FAST)
    client.on_event(lambda event: texts.append(repr(event)))
    with client:
        client.subscribe("order", "BTC_USDT", callback=print)
        texts += [repr(client), repr(client._protocol), repr(client._options), repr(client.stats())]
        venue.drop_connections()
        eventually(lambda: client.stats().reconnects == 1)
        venue.send_frame(b"garbage")
        with pytest.raises(VenueError) as caught:
            client.call("server.nothing")
        texts.append(repr(caught.value) + repr(vars(caught.value)))
    wrong = venue.client(options=FAST, api_key="the-wrong-key", api_secret="the-wrong-secret")
    with pytest.raises(AuthError) as refused:
        wrong.open()
    wrong.close()
    texts.append(repr(refused.value) + repr(vars(refused.value)))
    ours = [record for record in caplog.records if not record.name.startswith(("websockets", "dbxsdk.sim"))]
    assert ours, "there is something to look at"
    everything = "\n".join([record.getMessage() + str(record.exc_info or "") for record in ours] + texts)
    signatures = [r.document["params"][2] for r in venue.requests if r.document["method"] == "server.auth"]
    assert len(signatures) == 3
    for secret in [venue.api_key, venue.api_secret, "the-wrong-key", "the-wrong-secret", *signatures]:
        assert secret not in everything


def test_server_time_that_is_no_time_is_a_protocol_error(monkeypatch: pytest.MonkeyPatch) -> None:
    client = DigiFinexClient(url="ws://127.0.0.1:1/")
    for answer, outcome in ((1589873858, 1589873858), ("1589873858", 1589873858)):
        monkeypatch.setattr(client, "call", lambda *_, answer=answer, **__: answer)
        assert client.server_time() == outcome
    for wrong in (None, True, 1.5, "soon", "-5", {}, "\u00b2"):
        monkeypatch.setattr(client, "call", lambda *_, wrong=wrong, **__: wrong)
        with pytest.raises(DbxError):
            client.server_time()
