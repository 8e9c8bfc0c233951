"""Calls that are given up in the middle: by a signal's exception, or just when their connection ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Dict, Iterator

import pytest

from dbxsdk import ConnectError, Connected, Options, State
from dbxsdk.sim import DigiFinexVenue
from dbxsdk.transport import NotSent
from tests.connections import noted
from tests.faults.conftest import authority, client_context, digifinex, server_context, tls  # noqa: F401
from tests.session.fake import FakeConnection, Gate, Network
from tests.waiting import Background, Recorder, eventually, held


class TimeLimit(Exception):
    """What a task queue raises in a task that takes too long; Ctrl-C does the same."""


@pytest.fixture
def interrupt() -> Iterator[Any]:
    """Called by another thread: raises ``TimeLimit`` in the main one."""

    def raise_it(*_: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGUSR1, raise_it)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_call_that_was_interrupted_is_not_pending_and_holds_nothing_open(interrupt: Any) -> None:
    go_on = threading.Event()
    updates = Recorder(lambda document: go_on.wait(10.0))
    with DigiFinexVenue(rate=0, symbols=["BTC_USDT"]) as venue:
        with venue.client(options=Options(queue_size=2)) as client:
            client.subscribe("trades", "BTC_USDT", callback=updates, raw=True)
            updates.wait()
            venue.go_silent()
            interrupting = Background(lambda: venue.wait_until(lambda: _asked(venue)) and interrupt())
            with pytest.raises(TimeLimit):
                client.call("server.time", timeout=20.0)
            interrupting.result()
            assert client.stats().pending == 0
            venue.resume()
            # Nobody waits for an answer now: a full queue holds the reader, and does not grow.
            eventually(lambda: venue.step() or held(client))
            assert client.stats().queued == 2
            go_on.set()
            assert client.server_time() > 0


def _asked(venue: DigiFinexVenue) -> bool:
    return any(each.document["method"] == "server.time" for each in venue.requests)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_call_that_was_interrupted_before_it_was_sent_is_not_sent_later(interrupt: Any) -> None:
    network = Network()
    with network.client() as client:
        first = network.now
        first.stopped = True  # it is ending: the call waits for the next one
        interrupting = Background(lambda: eventually(lambda: client.stats().pending == 1) and interrupt())
        with pytest.raises(TimeLimit):
            client.call("order", timeout=20.0)
        interrupting.result()
        assert client.stats().pending == 0
        first.end()
        network.connection(2)
        assert client.call("echo", 1) == 1
        assert network.now.asked("order") == []


class Ending(FakeConnection):
    """It ends while the reader sends on it what had waited for it; and whoever looks, does not get on for a while."""

    _ends = False
    looked: threading.Event

    @property
    def stopped(self) -> bool:
        if self._ends and threading.get_ident() == self._reader and not self.looked.is_set():
            self.looked.set()
            time.sleep(0.3)  # longer than the call waits
        return self._ends

    @stopped.setter
    def stopped(self, value: bool) -> None:
        self._ends = value

    def offer(self, text: str, *, ping: bool = False) -> bool:
        if "order" in text:
            self._ends = True
            raise NotSent("it is ending")
        return super().offer(text, ping=ping)


def test_a_call_that_times_out_while_its_request_goes_from_one_connection_to_the_next_ends() -> None:
    network = Network()
    with network.client() as client:
        first = network.now
        first.stopped = True
        waiting = Background(client.call, "order", timeout=0.15)
        eventually(lambda: client.stats().pending == 1)
        gate, looked = Gate(), threading.Event()
        made = network.connect

        def connect(*arguments: Any) -> FakeConnection:
            connection = made(*arguments)
            if len(network.connections) == 2:
                connection.__class__ = Ending
                connection.looked = looked
            return connection

        network.connect = connect  # type: ignore[method-assign]
        network.plans.extend([None, gate])  # and there is no third
        first.end()
        assert looked.wait(5.0)
        try:
            assert isinstance(waiting.error(timeout=2.0), ConnectError)
            assert client.stats().pending == 0
        finally:
            network.connections[1].end()
            gate.open.set()
    assert client.state is State.CLOSED


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_half_a_frame_is_followed_by_nothing(
    interrupt: Any, tls: Dict[str, Any], monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    network = noted(monkeypatch)
    with digifinex(tls, rate=0) as scene, scene.client() as client:
        scene.proxy.stop_reading()
        connection = network.now
        # When the write stands still, at the end of what all buffers take.
        waiting = Background(lambda: eventually(lambda: connection.stuck_since) and threading.Event().wait(0.3) or interrupt())
        with pytest.raises(TimeLimit):
            client.call("server.time", ["x" * (1 << 23)], timeout=20.0)
        waiting.result()
        scene.proxy.behave()
        scene.seen.wait_for(Connected, 2)
        assert client.call("server.time", timeout=5.0) > 0
        assert client.stats().reconnects == 1
