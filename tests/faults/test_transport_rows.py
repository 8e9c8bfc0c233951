"""How other SDKs break when the transport fails (experiments E1 to E13, and the complaints of the same cause), and that this
one does not."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List

import pytest

from dbxsdk import (
    AuthError,
    BadFrame,
    CallbackFailed,
    ClientClosed,
    ConnectError,
    Connected,
    ConnectFailed,
    DBotTradeClient,
    DigiFinexClient,
    Disconnected,
    Gap,
    Options,
    OutcomeUnknown,
    State,
    TransportError,
    Update,
)
from dbxsdk.sim import DigiFinexVenue
from tests.connections import noted
from tests.conftest import library_threads
from tests.faults.conftest import PLAIN, QUICK, WATCHFUL, Scene, bybit, digifinex
from tests.faults.proxy import answer, garbage, hang_up, say_nothing
from tests.transport.servers import Peer, Server
from tests.waiting import Background, Recorder, eventually

AT_ONCE = 1.0
"""Seconds. What waits for a timeout of its own takes longer, in every row below."""


def ours() -> List[str]:
    """The client's threads; a local venue's are named otherwise."""
    return [thread.name for thread in library_threads() if not thread.name.startswith("dbxsdk-sim-")]


class Clock:
    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


# -- connecting ------------------------------------------------------------------------------------------------------------


def test_e1_complaint_13_a_handshake_that_is_never_answered(tls: Dict[str, Any]) -> None:
    with Server(say_nothing, **tls["server"]) as server:
        client = DigiFinexClient(url=server.url, options=Options(connect_timeout=0.3, **tls["client"]))
        clock = Clock()
        with pytest.raises(ConnectError, match="not answered in time"):
            client.open()
        assert 0.25 < clock.seconds < 0.3 + AT_ONCE
        assert (ours(), client.state) == ([], State.NEW)
        client.close()


REFUSED: Dict[str, Any] = {
    "200": (answer("200 OK"), ConnectError, "HTTP 200"),
    "401": (answer("401 Unauthorized"), AuthError, "HTTP 401"),
    "403": (answer("403 Forbidden"), AuthError, "HTTP 403"),
    "429": (answer("429 Too Many Requests", "Retry-After: 7"), ConnectError, "HTTP 429"),
    "503": (answer("503 Service Unavailable"), ConnectError, "HTTP 503"),
    "garbage": (garbage(7), ConnectError, "handshake"),
    "nothing": (hang_up, ConnectError, "closed the connection during"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_complaint_25_a_refused_handshake_is_told_without_the_key(
    tls: Dict[str, Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    script, error, words = REFUSED[kind]
    caplog.set_level(logging.DEBUG)
    with Server(script, **tls["server"]) as server:
        client = DBotTradeClient("the-key-of-a-user", url=server.url, options=Options(**QUICK, **tls["client"]))
        with pytest.raises(error, match=words) as raised:
            client.open()
        final = error is AuthError
        assert client.state is (State.FAILED if final else State.NEW)
        assert getattr(raised.value, "retry_after", None) == (7.0 if kind == "429" else None)
        client.close()
    told = [repr(raised.value), repr(client), *(each.getMessage() + str(each.exc_info) for each in caplog.records)]
    assert "the-key-of-a-user" not in "\n".join(told)


@pytest.mark.parametrize("refusal", ["p3", "p3b"])
def test_p3_p3b_complaint_2_refused_handshakes_are_no_storm(refusal: str) -> None:
    ready = threading.Event()
    refuse = {"p3": hang_up, "p3b": answer("503 Service Unavailable")}[refusal]

    def script(peer: Peer) -> None:
        if ready.is_set():
            refuse(peer)
        else:
            peer.upgrade()
            ready.wait(5.0)

    with Server(script) as server:
        client = DigiFinexClient(url=server.url, options=Options(backoff_initial=0.05, backoff_max=0.2))
        client.open()
        ready.set()
        watched = Clock()
        threading.Event().wait(0.4)
        client.close()
        # At 0.1 s in the mean there are about 6; 25 would take more luck than there is.
        assert 3 <= server.accepted <= 25 * max(watched.seconds / 0.4, 1.0)


def test_complaint_2_reconnects_stay_within_the_venues_limit(plain: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = plain.client(), plain.client()
    monkeypatch.setattr(type(first._protocol), "connection_budget", (5, 60.0))
    for client in (first, second):
        client.open()
    for number in (2, 3):
        plain.proxy.cut()
        plain.seen.wait_for(Disconnected, 2 * number - 2)
        if number == 2:
            plain.seen.wait_for(Connected, 4)
    eventually(lambda: plain.venue.connection_count == 5)
    assert not threading.Event().wait(0.2), "time for many more, at back-offs of 0.02 s"
    assert plain.proxy.accepted == 5, "one budget for both clients"
    third = plain.client()
    with pytest.raises(ConnectError, match="limit of new connections") as raised:
        third.open()
    assert raised.value.retry_after is not None and raised.value.retry_after > 30
    for client in (first, second, third):
        client.close()


def test_e11_complaint_19_a_429_is_left_alone_for_as_long_as_it_says_and_close_does_not_wait(scene: Scene) -> None:
    with scene.client() as client:
        scene.venue.refuse_connections(429, headers={"Retry-After": "60"})
        scene.proxy.cut()
        assert scene.seen.wait_for(ConnectFailed).retry_in >= 60
        clock = Clock()
        client.close()
        assert clock.seconds < AT_ONCE and ours() == []


# -- callbacks and heartbeats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_e2_a_slow_callback_is_no_silent_venue(plain: Scene, dispatch: str) -> None:
    held = threading.Event()

    def slow(_: Update) -> None:
        if not held.is_set():
            held.set()
            clock, beats = Clock(), plain.asked("server.ping")
            if plain.venue.wait_until(lambda: clock.seconds > 0.6 and plain.asked("server.ping") > beats + 5):
                done.set()

    done = threading.Event()
    with plain.client(options={**QUICK, "heartbeat_interval": 0.05, "silence_timeout": 0.4, "dispatch": dispatch}) as client:
        client.subscribe("trades", "BTC_USDT", callback=slow)
        assert done.wait(5.0), "heartbeats go on while a callback runs"
        beats = plain.asked("server.ping")
        assert plain.venue.wait_until(lambda: plain.asked("server.ping") > beats + 3)
        assert client.state is State.READY
        assert plain.venue.connection_count == 1 and not plain.seen.of(Disconnected)


STOPPABLE = """
import sys, threading, dbxsdk
options = dbxsdk.Options(heartbeat_interval=0.1, silence_timeout=0.2)
client = dbxsdk.DigiFinexClient(url=sys.argv[1], options=options)
client.subscribe("trades", "BTC_USDT", callback=lambda update: None)
print("ready", flush=True)
threading.Event().wait(20)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
def test_e2_a_process_that_was_stopped_for_a_while_is_no_silent_venue() -> None:
    # What came in the meantime lies unread in the kernel.
    with DigiFinexVenue(rate=50, symbols=["BTC_USDT"]) as venue:
        child = subprocess.Popen([sys.executable, "-c", STOPPABLE, venue.url()], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            for _ in range(3):
                os.kill(child.pid, signal.SIGSTOP)
                threading.Event().wait(0.25)
                asked = len(venue.requests)
                os.kill(child.pid, signal.SIGCONT)
                assert venue.wait_until(lambda asked=asked: len(venue.requests) >= asked + 2)
            assert venue.connection_count == 1
        finally:
            child.kill()
            child.communicate()


def test_e3_p2_a_callback_that_raises_costs_no_connection_and_no_update(plain: Scene) -> None:
    def fail(_: Update) -> None:
        raise ZeroDivisionError

    updates = Recorder(fail)
    with plain.client() as client:
        client.subscribe("trades", "BTC_USDT", callback=updates)
        updates.wait(5)
        failed = plain.seen.wait_for(CallbackFailed, 5)
        assert isinstance(failed.error, ZeroDivisionError) and failed.topic == "trades.BTC_USDT"
        assert not plain.seen.of(Disconnected) and plain.venue.connection_count == 1
        assert client.server_time() > 0


def test_e9_complaint_9_the_first_heartbeat_comes_after_one_interval(quiet: Scene) -> None:
    with quiet.client(options={**QUICK, "heartbeat_interval": 0.4}):
        clock = Clock()
        assert quiet.venue.wait_until(lambda: quiet.asked("server.ping") == 1)
        assert 0.35 < clock.seconds < 0.78


def test_e12_a_healthy_connection_without_updates_is_not_cut_and_large_frames_pass(tls: Dict[str, Any]) -> None:
    documents = Recorder()
    with digifinex(tls, rate=0) as scene, scene.client(options={**WATCHFUL, "silence_timeout": 0.4}) as client:
        client.subscribe("trades", "BTC_USDT", callback=documents, raw=True)
        clock = Clock()
        assert scene.venue.wait_until(lambda: scene.asked("server.ping") >= 5 and clock.seconds > 0.55)
        scene.venue.send_frame('{"method":"trades.update","params":[false,[],"BTC_USDT"],"id":null,"x":"%s"}' % ("y" * 2_000_000))
        eventually(lambda: any(len(each.get("x", "")) == 2_000_000 for each in documents.items))
        assert not scene.seen.of(Disconnected) and scene.venue.connection_count == 1


# -- connections that end --------------------------------------------------------------------------------------------------


def test_e4_complaint_11_every_reset_is_told_and_followed_by_a_connection(scene: Scene) -> None:
    with scene.client() as client:
        client.subscribe("trades", "BTC_USDT", callback=scene.seen)
        for number in (1, 2, 3):
            scene.proxy.reset()
            scene.seen.wait_for(Gap, number)
        told = [type(event) for event in scene.seen.items if isinstance(event, (Connected, Disconnected))]
        assert told == [Connected] + [Disconnected, Connected] * 3
        scene.seen.wait_for(Update, len(scene.seen.of(Update)) + 2)
        assert client.stats().reconnects == 3


ENDINGS: Dict[str, Callable[[Scene], Any]] = {
    "1000": lambda scene: scene.proxy.close(1000, "bye"),
    "1001": lambda scene: scene.proxy.close(1001, "bye"),
    "1008": lambda scene: scene.proxy.close(1008, "bye"),
    "1012": lambda scene: scene.proxy.close(1012, "bye"),
    "no code": lambda scene: scene.proxy.close(),
    "no frame": lambda scene: scene.proxy.cut(),
    "half": lambda scene: scene.proxy.half_close(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_e4b_p1_complaints_3_22_23_only_our_own_close_ends_a_session(scene: Scene, ending: str) -> None:
    with scene.client() as client:
        client.subscribe("trades", "BTC_USDT", callback=scene.seen)
        scene.seen.wait_for(Update)
        ENDINGS[ending](scene)
        gap = scene.seen.wait_for(Gap)
        known = len(scene.seen.items)
        scene.seen.wait(known + 2)
        told = scene.seen.items
    dropped, place = scene.seen.wait_for(Disconnected), told.index(gap)
    assert dropped.code == (int(ending) if ending.isdigit() else None)
    assert ("bye" in dropped.reason) == ending.isdigit()
    assert gap.topics == ("trades.BTC_USDT",) and gap.last_received_ns > 0
    # Data, the end of it, what is missing, data: in this order.
    assert [type(each) for each in told[place - 2 : place + 3]] == [Disconnected, Connected, Gap, Update, Update]
    assert scene.asked("trades.subscribe") == 2


def test_complaint_1_errors_while_subscribing_again_lead_to_the_next_try(scene: Scene) -> None:
    with scene.client() as client:
        client.subscribe("trades", "BTC_USDT", callback=scene.seen)
        # A masked frame's header has 6 bytes, or 8: in the header, behind it, in the middle of the requests.
        for up in (1, 6, 9, 50):
            scene.proxy.cut_new(1, up=up)
        scene.proxy.reset()
        scene.seen.wait_for(Gap)
        assert scene.proxy.accepted == 6
        scene.seen.wait_for(Update, len(scene.seen.of(Update)) + 2)
        assert client.stats().pending == 0 and len(ours()) == 3


def test_complaint_3_a_subscription_that_is_not_acknowledged_again_is_asked_for_on_a_new_connection() -> None:
    # Bybit's public sockets have no login: the venue falls silent between the handshake and the acknowledgement.
    options = {**QUICK, "request_timeout": 0.2}
    with bybit(PLAIN, "/v5/public/linear") as scene, scene.client("linear", options=options) as client:
        client.subscribe("publicTrade.BTCUSDT", callback=scene.seen, timeout=5)
        scene.venue.go_silent()
        scene.proxy.cut()
        scene.seen.wait_for(Connected, 3)
        scene.venue.resume()
        scene.seen.wait_for(Gap)
        scene.seen.wait_for(Update, len(scene.seen.of(Update)) + 2)
        assert scene.venue.subscriptions() == ("publicTrade.BTCUSDT",)


def test_complaints_8_14_many_reconnects_leave_nothing_behind(plain: Scene) -> None:
    depths: List[int] = []

    def measure(_: Update) -> None:
        frame, depth = inspect.currentframe(), 0
        while frame is not None:
            frame, depth = frame.f_back, depth + 1
        depths.append(depth)

    client = plain.client(options={**QUICK, "backoff_initial": 1e-4, "backoff_max": 1e-4, "dispatch": "inline"})
    client.subscribe("trades", "BTC_USDT", callback=measure)
    for number in range(1, 41):
        plain.proxy.cut()
        eventually(lambda number=number: client.stats().reconnects >= number)
    known = len(depths)
    eventually(lambda: len(depths) > known + 1)
    assert depths[-1] == depths[0], "the reader's stack does not grow"
    assert sorted(ours()) == ["dbxsdk-digifinex-heartbeat", "dbxsdk-digifinex-reader"]
    eventually(lambda: plain.proxy.open_connections == 1)
    client.close()
    assert ours() == []


# -- peers that fall silent ------------------------------------------------------------------------------------------------


def test_e5_p8_complaint_12_close_of_a_mute_peer_is_at_once(scene: Scene) -> None:
    client = scene.client()
    client.subscribe("trades", "BTC_USDT", callback=lambda _: None)
    scene.proxy.vanish()
    clock = Clock()
    Background(client.close).result()
    assert clock.seconds < AT_ONCE and ours() == []


def test_p8_exit_of_a_mute_peer_is_at_once() -> None:
    with bybit(PLAIN, "/v5/public/linear") as scene:
        client = scene.client("linear")
        client.trade_stream("BTCUSDT", lambda _: None)
        scene.proxy.vanish()
        clock = Clock()
        client.exit()
        assert clock.seconds < AT_ONCE and ours() == [] and not client.is_connected()


def test_complaint_12_a_close_with_requests_in_flight_is_no_bad_frame(quiet: Scene) -> None:
    for _ in range(12):
        client = quiet.client()
        client.open()
        for _ in range(3):
            client.submit("server.time")
        client.close()
        assert client.stats().bad_frames == 0


def test_e6_complaint_12_a_close_in_the_middle_of_opening_is_not_lost(scene: Scene) -> None:
    pause = threading.Event()
    for number in range(20):
        client = scene.client()
        opening = Background(client.open)
        pause.wait(number * 0.0007)
        client.close()
        try:
            opening.result()
        except (ClientClosed, ConnectError):
            pass  # it was in time
        assert client.state is State.CLOSED and ours() == []
    assert scene.venue.wait_until(lambda: scene.venue.connections == 0)


def test_e7_complaint_13_a_peer_that_stalls_in_the_middle_of_a_frame(scene: Scene) -> None:
    with scene.client(options=WATCHFUL) as client:
        client.subscribe("trades", "BTC_USDT", callback=scene.seen)
        scene.seen.wait_for(Update)
        scene.proxy.stall()
        assert "nothing was received" in scene.seen.wait_for(Disconnected).reason
        scene.seen.wait_for(Gap)
        scene.seen.wait_for(Update, len(scene.seen.of(Update)) + 2)
        assert not scene.seen.of(BadFrame)
        assert client.server_time() > 0


def test_e8_complaint_13_a_request_to_a_peer_that_stops_reading_is_bounded(scene: Scene) -> None:
    with scene.client() as client:
        scene.proxy.stop_reading()
        clock = Clock()
        with pytest.raises(OutcomeUnknown):
            client.call("server.time", ["x" * (1 << 23)], timeout=0.25)
        assert clock.seconds < 0.25 + AT_ONCE
        scene.proxy.behave()  # what was written in part goes on, and the venue does not want so much
        scene.seen.wait_for(Connected, 2)
        assert client.server_time() > 0
        assert client.stats().reconnects == 1


def test_e8_close_while_a_request_is_written_to_a_peer_that_stops_reading(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = noted(monkeypatch)
    client = scene.client()
    client.open()
    scene.proxy.stop_reading()
    blocked = Background(client.call, "server.time", ["x" * (1 << 23)], timeout=30)
    eventually(lambda: network.now.stuck_since)
    clock = Clock()
    client.close()
    assert clock.seconds < AT_ONCE and ours() == []
    assert isinstance(blocked.error(), TransportError)


def test_e8_heartbeats_find_a_peer_that_stops_reading_and_goes_on_talking(scene: Scene) -> None:
    with scene.client(options={**WATCHFUL, "silence_timeout": 0.6}) as client:
        client.subscribe("trades", "BTC_USDT", callback=scene.seen)
        scene.proxy.stop_reading()
        blocked = Background(client.call, "server.time", ["x" * (1 << 23)], timeout=30)
        assert "heartbeat" in scene.seen.wait_for(Disconnected).reason
        assert isinstance(blocked.error(), OutcomeUnknown)
        scene.proxy.behave()
        scene.seen.wait_for(Gap)


def test_e1_complaints_13_18_a_venue_that_vanishes_is_noticed_told_and_found_again(scene: Scene) -> None:
    with scene.client(options={**WATCHFUL, "connect_timeout": 0.2}) as client:
        client.subscribe("trades", "BTC_USDT", callback=scene.seen)
        scene.proxy.vanish()
        eventually(lambda: (client.stats().last_received_age or 0) > 0.2)
        assert "nothing was received" in scene.seen.wait_for(Disconnected).reason
        with pytest.raises(ConnectError, match="not ready in time"):
            client.call("server.time", timeout=0.05)
        assert client.state is State.RECONNECTING
        # The proxy takes new connections, and answers no handshake.
        assert "not answered in time" in scene.seen.wait_for(ConnectFailed, 2).reason
        scene.proxy.behave()
        scene.seen.wait_for(Gap)
        assert client.server_time() > 0
        # slack#1940: half-open connections pile up at the venue.
        eventually(lambda: scene.proxy.open_connections == 1)


def test_complaint_18_what_ended_a_client_for_good_is_raised_by_every_call(scene: Scene) -> None:
    client = scene.client(options={**QUICK, "max_reconnects": 2})
    client.open()
    scene.venue.refuse_connections(503)
    scene.proxy.cut()
    for call in (client.wait, client.server_time, lambda: client.subscribe("trades", "BTC_USDT", callback=print)):
        with pytest.raises(ConnectError, match="503"):
            Background(call).result()
    assert client.state is State.FAILED
    client.close()
    eventually(lambda: ours() == [])
    told = [event for event in scene.seen.items if isinstance(event, (Disconnected, ConnectFailed))]
    assert [type(event) for event in told] == [Disconnected, ConnectFailed, ConnectFailed]
    assert [event.retry_in is None for event in told] == [False, False, True]


def test_complaint_20_close_waits_for_the_callback_of_a_client_that_ended_by_itself(plain: Scene) -> None:
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slow(_: Update) -> None:
        inside.set()
        assert go_on.wait(5.0)
        done.set()

    client = plain.client(options={**QUICK, "max_reconnects": 0})
    client.subscribe("trades", "BTC_USDT", callback=slow)
    assert inside.wait(5.0)
    plain.proxy.cut()
    with pytest.raises(ConnectError):
        client.wait(5.0)
    closing = Background(client.close)
    assert closing.thread.is_alive()
    go_on.set()
    closing.result()
    assert done.is_set() and ours() == []
