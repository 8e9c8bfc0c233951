"""``DigiFinexSwapClient`` against the local venue: channels, answers, books, drops and renewals, over real sockets."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any, Iterator

import attrs
import pytest

import dbxsdk
from dbxsdk import Connected, Disconnected, Gap, Options, Update
from dbxsdk.digifinex import swap
from dbxsdk.digifinex.swap.channels import CHANNELS, KINDS
from dbxsdk.digifinex.swap.protocol import DigiFinexSwapProtocol
from dbxsdk.recording import read
from dbxsdk.sim import DigiFinexVenue
from dbxsdk.sim.digifinex.swap import PATH
from tests.digifinex.swap.frames import BTC, CHANGE, WHOLE, update
from tests.waiting import Recorder, drained, eventually

FAST = Options(backoff_initial=0.01, backoff_max=0.05, connect_timeout=5, request_timeout=5)
ETH, DATED = "ETHUSDTPERP", "BTC2-MOVE-20271231"


@pytest.fixture
def venue() -> Iterator[DigiFinexVenue]:
    with DigiFinexVenue(rate=0) as venue:
        yield venue
        assert venue.handler_errors == 0


@pytest.fixture
def client(venue: DigiFinexVenue) -> Iterator[dbxsdk.DigiFinexSwapClient]:
    with venue.client("swap", options=FAST) as client:
        yield client
        assert client.stats().bad_frames == 0


def test_the_documented_address_and_the_name() -> None:
    client = dbxsdk.DigiFinexSwapClient()
    assert swap.URL == "wss://openapi.digifinex.com/swap_ws/v2/" and client._address.url == swap.URL
    assert client.name == "digifinex:swap" and "digifinex:swap openapi.digifinex.com:443" in repr(client)


def test_requests(venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient) -> None:
    assert abs(client.server_time() - venue._now_ms()) < 5000 and client.server_time() > 1_600_000_000_000
    assert 0 < client.ping() < 5
    assert client.call("server.ping") == client.submit("server.ping", {}).result(5) == "pong"
    with pytest.raises(dbxsdk.VenueError, match="invalid param") as raised:
        client.call("server.nothing")
    assert raised.value.code == 2
    with pytest.raises(TypeError, match="params must be a dict"):
        client.call("server.time", [])


def test_every_channel(venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient) -> None:
    updates = Recorder()
    wanted = [next(name for name in CHANNELS if name.startswith(kind)) if KINDS[kind].parameter else kind for kind in KINDS]
    for channel in wanted:
        client.subscribe(channel, () if KINDS[channel.partition(".")[0]].whole else [BTC.lower(), DATED], callback=updates)
    venue.step(60)  # twelve seconds of the market's clock, whose account acts once in each
    eventually(lambda: {each.channel for each in updates.items} == set(wanted))
    for each in updates.items:
        rows = each.data if isinstance(each.data, tuple) else (each.data,)
        assert each.venue == "digifinex" and all(type(row).__module__.endswith("swap.models") for row in rows)
        # Each field can be read.
        assert each.records() and each.raw["event"] == f"{each.channel.partition('.')[0]}.update"


def test_typed_channels_bring_their_models(venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient) -> None:
    with client.messages(swap.depth(20), BTC) as messages:
        venue.step()
        whole, change = next(messages), next(messages)
    assert (whole.kind, change.kind) == ("snapshot", "delta") and len(whole.data.bids) == 20
    assert (whole.data.level, whole.channel, whole.symbol) == (20, "depth.20", BTC)


def test_a_refused_contract_costs_the_others_nothing(venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient) -> None:
    updates = Recorder()
    with pytest.raises(dbxsdk.SubscribeError, match="invalid param") as raised:
        client.subscribe("ticker", [BTC, "BTC_USDT", ETH], callback=updates)
    assert raised.value.topics == ("ticker.BTC_USDT",) and raised.value.code == 2
    assert venue.subscriptions(PATH) == (f"ticker.{BTC}", f"ticker.{ETH}")
    assert raised.value.subscription.topics == (f"ticker.{BTC}", f"ticker.{ETH}")


def test_what_is_subscribed_already_at_the_venue_is_subscribed(
    venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient
) -> None:
    client.call("ticker.subscribe", {"instrument_id": BTC})  # behind the client's back
    updates = Recorder()
    subscription = client.subscribe("ticker", [BTC, ETH], callback=updates)
    venue.step(5)
    eventually(lambda: {each.symbol for each in updates.items} == {BTC, ETH})
    subscription.unsubscribe()
    assert venue.wait_until(lambda: venue.subscriptions(PATH) == ())


def test_the_31st_channel_is_refused_before_any_io() -> None:
    symbols = [f"C{number}USDTPERP" for number in range(31)]
    idle = dbxsdk.DigiFinexSwapClient(url="ws://127.0.0.1:1/")
    with pytest.raises(ValueError, match="symbols: a connection holds 30 public channels"):
        idle.subscribe("ticker", symbols, callback=print)
    assert idle.state == "new"
    with DigiFinexVenue(rate=0, swap_symbols=symbols) as venue, venue.client("swap", options=FAST) as client:
        first = client.subscribe("ticker", symbols[:30], callback=print)
        asked = len(venue.requests)
        for channel, names in (("trades", symbols[:1]), ("all_ticker", ())):
            with pytest.raises(ValueError, match="30 public channels.* these make 31"):
                client.subscribe(channel, names, callback=print)
        with pytest.raises(ValueError, match="30 public channels"):
            client.order_book(symbols[0])
        assert len(venue.requests) == asked
        client.subscribe("account", callback=print)
        # Room is made, and used at once: the venue carries requests out in their order.
        client.unsubscribe("ticker", symbols[0])
        client.subscribe("all_ticker", callback=print)
        assert venue.connection_count == 1 and first.active


def test_a_wrong_key_is_final_and_in_no_text(venue: DigiFinexVenue) -> None:
    client = venue.client("swap", options=FAST, api_key=venue.api_key, api_secret="wrong-secret")
    with pytest.raises(dbxsdk.AuthError, match="the login was refused: auth fail.*clock agrees") as raised:
        client.open()
    assert client.state == "failed" and raised.value.code == 3
    assert "wrong-secret" not in f"{raised.value!r} {client!r}" and venue.api_key not in str(raised.value)
    client.close()


def test_a_wrong_clock_is_made_good() -> None:
    with DigiFinexVenue(rate=0, auth_tolerance=5, clock=lambda: time.time() + 60) as venue:
        with venue.client("swap", options=FAST) as client:
            client.subscribe("account", callback=print)
        assert [frame.document["event"] for frame in venue.requests][:3] == ["server.auth", "server.time", "server.auth"]


# -- books ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [10, 100])
def test_a_book_is_the_venues_and_comes_back_after_a_drop(
    venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient, depth: int
) -> None:
    book = client.order_book(BTC.lower(), depth=depth)
    assert book.wait_ready(5)

    def agrees() -> bool:
        found, truth = book.snapshot(), venue.swap.book(BTC, depth)
        return not found.is_stale and {"bids": list(found.bids), "asks": list(found.asks)} == truth

    eventually(agrees)
    venue.step(40)
    eventually(agrees)
    assert book.update_id is not None and len(book.bids()) == depth
    version = book.snapshot().version
    venue.drop_connections()
    eventually(lambda: book.snapshot().version > version and agrees())
    assert book.stats().unknown_deletes == 0


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({**CHANGE, "timestamp": 1}, "does not follow"),
        ({**CHANGE, "timestamp": 2 * WHOLE["timestamp"], "bids": [["99999999", 1]]}, "crossed"),
        ({**CHANGE, "timestamp": "x"}, "could not be read"),
    ],
)
def test_a_book_that_went_wrong_is_asked_for_again(
    venue: DigiFinexVenue, caplog: pytest.LogCaptureFixture, wrong: Any, words: str
) -> None:
    with venue.client("swap", options=FAST) as client:
        book = client.order_book(BTC, depth=10)
        assert book.wait_ready(5)
        venue.send_frame(update("depth", wrong), PATH)
        # Not by the book itself: it may be right again before anyone looks.
        eventually(lambda: re.search(f"asking for a whole book: .*{words}", caplog.text))
        eventually(lambda: not book.is_stale and book.bids()[0][0] < Decimal(9999999))
        asked = [frame.document["event"] for frame in venue.requests]
        assert (asked.count("depth.subscribe"), asked.count("depth.unsubscribe")) == (2, 1)


@pytest.mark.parametrize("depth, error", [(50, ValueError), ("10", TypeError), (True, TypeError), (None, TypeError)])
def test_depths_that_the_venue_has_not(depth: Any, error: Any) -> None:
    with pytest.raises(error, match="depth must be"):
        dbxsdk.DigiFinexSwapClient().order_book(BTC, depth=depth)


# -- the end of a connection ---------------------------------------------------------------------------


def test_a_connection_is_renewed_before_the_venue_ends_it(venue: DigiFinexVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DigiFinexSwapProtocol, "longest_connection", 0.3)
    happened = Recorder()
    with venue.client("swap", options=FAST) as client:
        client.on_event(happened)
        client.subscribe("trades", BTC, callback=happened)
        gone, gap = happened.wait_for(Disconnected), happened.wait_for(Gap)
        assert "renewed" in gone.reason and gone.retry_in == 0.0
        assert gap.topics == (f"trades.{BTC}",)
        eventually(lambda: venue.step() or happened.of(Update))
        kinds = [type(each) for each in happened.items]
        kinds = kinds[kinds.index(Disconnected):]
        assert kinds.index(Connected) < kinds.index(Gap) < kinds.index(Update)


def test_a_drop_is_made_good_with_its_login_and_its_gap(venue: DigiFinexVenue, client: dbxsdk.DigiFinexSwapClient) -> None:
    happened = Recorder()
    client.on_event(happened)
    client.subscribe("account", callback=happened)
    client.subscribe("order", [BTC, ETH], callback=happened)
    venue.drop_connections()
    topics = ("account", f"order.{BTC}", f"order.{ETH}")
    eventually(lambda: {topic for gap in happened.of(Gap) for topic in gap.topics} == set(topics))
    assert [frame.document["event"] for frame in venue.requests if "auth" in frame.document["event"]] == ["server.auth"] * 2
    venue.step(30)
    eventually(lambda: {each.channel for each in happened.of(Update)} >= {"account", "order"})


def test_a_recording_holds_no_secret_and_brings_the_same_again(venue: DigiFinexVenue, tmp_path: Any) -> None:
    lived, again = Recorder(), Recorder()

    def wish(client: Any, keep: Any) -> Any:
        client.on_event(lambda event: keep(event) if isinstance(event, Gap) else None)
        client.subscribe("account", callback=keep)
        client.subscribe("depth.20", [BTC, ETH], callback=keep)
        client.subscribe("all_ticker", callback=keep)
        return client.order_book(BTC, depth=10)

    with dbxsdk.Recorder(tmp_path) as recorder:
        with venue.client("swap", options=attrs.evolve(FAST, recorder=recorder)) as client:
            book = wish(client, lived)
            venue.step(20)
            eventually(lambda: len(lived.of(Update)) > 40)
            venue.drop_connections()
            eventually(lambda: len(venue.subscriptions(PATH)) == 5 and lived.of(Gap))
            venue.step(20)
            eventually(lambda: book.bids() == venue.swap.book(BTC, 10)["bids"])
            drained(client)
            levels = book.bids(), book.asks(), book.update_id
    text = "".join(repr(record) for record in read(tmp_path))
    assert BTC in text and venue.api_key not in text and venue.api_secret not in text and "signature" not in text
    with dbxsdk.replay(tmp_path, speed=None) as replay:
        client = replay.client(dbxsdk.DigiFinexSwapClient)
        copy = wish(client, again)
        assert replay.run().complete
        assert (copy.bids(), copy.asks(), copy.update_id) == levels
    assert again.of(Update) == lived.of(Update) and len(again.items) > 60
    assert {topic for gap in again.of(Gap) for topic in gap.topics} == {topic for gap in lived.of(Gap) for topic in gap.topics}
