"""Heartbeats that stay unanswered for ``silence_timeout`` end a connection, whatever else comes in; and nothing else does that is
not the venue's silence.

Once an edge's WebSocket pings, or one byte of a frame every half second, kept a dead connection "alive".
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator

import pytest

from dbxsdk import Disconnected, State
from dbxsdk.sim import BybitVenue
from tests.promises.venues import (
    AT_ONCE,
    Clock,
    Flood,
    Held,
    Link,
    ScriptedVenue,
    bybit_yes,
    dbot_yes,
    later,
    listening,
    trade,
)
from tests.transport.servers import PING, TEXT, frame
from tests.waiting import PATIENCE, Recorder, eventually

INTERVAL, SILENCE = 0.15, 0.5
WATCHFUL = {"heartbeat_interval": INTERVAL, "silence_timeout": SILENCE}
ENDS_BY = INTERVAL + SILENCE + 0.1 + AT_ONCE
"""Seconds: a heartbeat's turn, the time for its answer, the second look, and some for the machine."""


@contextlib.contextmanager
def every(seconds: float, action: Callable[[], Any]) -> Iterator[None]:
    """Does something again and again meanwhile, until it fails."""
    over = threading.Event()

    def run() -> None:
        with contextlib.suppress(OSError):
            while not over.wait(seconds):
                action()

    thread = threading.Thread(target=run, name="test-every", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


class Trickle:
    """One byte at a time of a frame that never comes to its end."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._bytes = iter(frame(TEXT, "x" * 60_000))

    def __call__(self) -> None:
        self._link.send_bytes(bytes([next(self._bytes)]))


class Fragments:
    """The small fragments of a message that never comes to its end."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._opcode = TEXT

    def __call__(self) -> None:
        self._link.send_bytes(frame(self._opcode, " ", fin=False))
        self._opcode = 0


SIGNS_OF_LIFE: Dict[str, Callable[[Link], Callable[[], Any]]] = {
    "WebSocket pings": lambda link: lambda: link.send_bytes(frame(PING, "edge")),
    "single bytes": Trickle,
    "fragments": Fragments,
    "updates": lambda link: lambda: link.send(trade("BTCUSDT", 1)),
    "nothing": lambda link: lambda: None,
}


# -- what ends a connection --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", list(SIGNS_OF_LIFE))
def test_heartbeats_that_are_not_answered_end_the_connection_in_time(signs: str, tls: Dict[str, Any]) -> None:
    with ScriptedVenue(Held(bybit_yes, "ping"), **tls) as venue, listening(venue.bybit(**WATCHFUL)) as (client, seen):
        client.subscribe("publicTrade", "BTCUSDT", callback=seen)
        clock = Clock()
        with every(0.05, SIGNS_OF_LIFE[signs](venue.link())):
            lost = seen.wait_for(Disconnected, timeout=3 * ENDS_BY)
        assert clock.seconds < ENDS_BY + 0.3, "in time"
        assert "heartbeat" in lost.reason or "nothing was received" in lost.reason
        venue.answer = bybit_yes
        venue.link(2)
        eventually(lambda: client.state is State.READY)


@pytest.mark.parametrize("signs", ["WebSocket pings", "single bytes", "fragments"])
def test_heartbeats_that_are_websocket_pings_too(signs: str) -> None:
    class Deaf(ScriptedVenue):
        answers_pings = False

    with Deaf(dbot_yes) as venue, listening(venue.dbot(**WATCHFUL)) as (client, seen):
        clock = Clock()
        with every(0.05, SIGNS_OF_LIFE[signs](venue.link())):
            assert "heartbeat" in seen.wait_for(Disconnected, timeout=3 * ENDS_BY).reason
        assert clock.seconds < ENDS_BY + 0.3


@pytest.mark.parametrize("subscribed", [False, True], ids=["before any message", "after one"])
def test_requests_alone_do_not_keep_up_the_appearance_of_life(subscribed: bool) -> None:
    with ScriptedVenue(Held(bybit_yes, "ping", "echo")) as venue:
        with listening(venue.bybit(**WATCHFUL)) as (client, seen):
            if subscribed:
                client.subscribe("publicTrade", "BTCUSDT", callback=print)
            clock = Clock()
            with every(0.05, lambda: client.submit("echo", [])):
                with every(0.05, SIGNS_OF_LIFE["WebSocket pings"](venue.link())):
                    seen.wait_for(Disconnected, timeout=3 * ENDS_BY)
            assert clock.seconds < ENDS_BY + 0.3


# -- what does not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_a_slow_callback_is_not_a_silent_venue(dispatch: str) -> None:
    slept = Recorder()

    def slow(_: Any) -> None:
        if len(slept.items) < 2:
            time.sleep(2 * SILENCE)
        slept(None)

    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(**WATCHFUL, dispatch=dispatch)) as (client, seen):
        client.subscribe("publicTrade", "BTCUSDT", callback=slow)
        with Flood(lambda number: venue.link().send(trade("BTCUSDT", number)) or time.sleep(0.02)):
            slept.wait(20)
        assert not seen.of(Disconnected) and len(venue.links) == 1
        assert client.state is State.READY


def test_a_reader_held_by_its_own_full_queue_is_not_a_silent_venue() -> None:
    go_on = threading.Event()
    updates = Recorder(lambda _: go_on.wait(PATIENCE))

    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(**WATCHFUL, queue_size=2)) as (client, seen):
        client.subscribe("publicTrade", "BTCUSDT", callback=updates, raw=True)
        for number in range(12):
            venue.link().send(trade("BTCUSDT", number))
        updates.wait()
        eventually(lambda: client.stats().queued >= 2)
        time.sleep(3 * SILENCE)
        go_on.set()
        assert [update["n"] for update in updates.wait(12)] == list(range(12))
        # Long enough for what lay unread to be judged.
        time.sleep(SILENCE)
        assert not seen.of(Disconnected) and len(venue.links) == 1


PROGRAM = """
import json, os, sys, threading, time, dbxsdk
options = dbxsdk.Options(heartbeat_interval=0.15, silence_timeout=0.5, proxy="", backoff_initial=0.01)
client = dbxsdk.BybitPublicClient("linear", url=sys.argv[1], options=options)
events, updates = [], threading.Semaphore(0)
client.on_event(lambda event: events.append(repr(event)))
client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: updates.release())
for word in sys.stdin:
    while updates.acquire(blocking=False):
        pass
    assert updates.acquire(timeout=5) and updates.acquire(timeout=5)
    print(json.dumps([events, client.stats().reconnects]), flush=True)
client.close()
"""


def test_a_process_that_was_stopped_keeps_its_healthy_connection() -> None:
    with BybitVenue(rate=20) as venue:
        program = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, venue.url("/v5/public/linear")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).parents[2],
        )
        assert program.stdin is not None and program.stdout is not None
        with program:
            program.stdin.write("ready\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())[1] == 0
            os.kill(program.pid, signal.SIGSTOP)
            time.sleep(2 * SILENCE)
            os.kill(program.pid, signal.SIGCONT)
            time.sleep(SILENCE)
            program.stdin.write("go on\n")
            program.stdin.close()
            events, reconnects = json.loads(program.stdout.readline())
        assert reconnects == 0 and len(events) == 1, events
        assert program.returncode == 0 and venue.connection_count == 1


def test_a_heartbeat_that_is_answered_late_but_in_time_ends_nothing() -> None:
    with ScriptedVenue(later(0.5 * SILENCE, bybit_yes, "ping")) as venue, listening(venue.bybit(**WATCHFUL)) as (client, seen):
        venue.wait_asked("ping", 6)
        assert not seen.of(Disconnected)
