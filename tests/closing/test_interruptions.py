"""``close()`` in the middle of the SDK's own code: by a signal handler, or by a destructor that the garbage collector runs.

Both can come between any two lines of any thread, also of one that holds a lock which ``close`` needs.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import signal
import sys
import threading
from types import FrameType
from typing import Any, Callable, Dict, Optional

import pytest

from dbxsdk import ClientClosed, ConnectionLost, Recorder, State
from dbxsdk.recording import read
from dbxsdk.sim import BybitVenue, DigiFinexVenue
from tests.conftest import library_threads
from tests.session.fake import FakeProtocol, Network
from tests.waiting import Background, eventually
from tests.waiting import Recorder as Updates

STRIDE = int(os.environ.get("DBXSDK_STRIDE", "47"))
"""Of so many lines one is interrupted. With 1 it takes minutes."""
LINES = (
    "dbxsdk.session.", "dbxsdk.runtime.exit", "dbxsdk.transport.", "dbxsdk.recording.", "dbxsdk.client", "threading",
    "concurrent.futures._base",
)


class Interruption:
    """Calls ``action`` before the line of the SDK that has this number among all that the traced thread runs."""

    def __init__(self, number: int, action: Callable[[], Any], thread: str = "") -> None:
        self._left = number
        self._action = action
        self._thread = thread
        self.came = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_globals.get("__name__", "").startswith(LINES) or self.came:
            return None
        if event == "line" and self._is_inside(frame):
            self._left -= 1
            if self._left == 0:
                self.came = True
                self._action()
        return self

    def _is_inside(self, frame: Optional[FrameType]) -> bool:
        # Not in what runs before the SDK is reached, or after: those lines of the standard library are no concern of ours.
        while frame is not None:
            if frame.f_globals.get("__name__", "").startswith("dbxsdk."):
                return threading.current_thread().name.endswith(self._thread)
            frame = frame.f_back
        return False


def traced(interruption: Interruption, use: Callable[[Any], Any], client: Any) -> Any:
    sys.settrace(interruption)
    try:
        return use(client)
    finally:
        sys.settrace(None)


def ended(client: Any) -> bool:
    return client.state is State.CLOSED and not [each for each in library_threads() if "-sim-" not in each.name]


def wait_until_ended(client: Any) -> None:
    eventually(lambda: ended(client))


USES: Dict[str, Callable[[Any], Any]] = {
    "open": lambda client: client.open(),
    "call": lambda client: client.call("echo", 1),
    "submit": lambda client: client.submit("echo", 1).result(5.0),
    "subscribe": lambda client: client.subscribe("trades", "A", callback=print).unsubscribe(),
    "messages": lambda client: client.messages("trades", "A").close(),
    "stats": lambda client: client.stats(),
    "wait": lambda client: client.wait(0.01),
    "close": lambda client: client.close(),
}


@pytest.mark.parametrize("name", USES)
def test_close_between_any_two_lines_of_a_call(name: str) -> None:
    number, more = 1 + len(name) % STRIDE, True
    while more:
        network = Network()
        client = network.client()
        if name != "open":
            client.open()
        interruption = Interruption(number, client.close)
        using = Background(traced, interruption, USES[name], client)
        try:
            using.result()
        except (ClientClosed, ConnectionLost):
            assert interruption.came
        more = interruption.came
        if not more:
            client.close()
        wait_until_ended(client)
        assert all(each.ended.is_set() for each in network.connections if each.opened.is_set())
        number += STRIDE


@pytest.mark.parametrize("thread", ["-reader", "-heartbeat", "-callbacks"])
def test_close_between_any_two_lines_of_a_thread(thread: str) -> None:
    for number in range(7, 800, 3 * STRIDE):
        network, updates = Network(), Updates()
        client = network.client(heartbeat_interval=0.01)
        client.on_event(updates)
        interruption = Interruption(number, client.close, thread)
        threading.settrace(interruption)  # type: ignore[arg-type]
        try:
            Background(use_a_little, client, network, updates).result()
        except (ClientClosed, ConnectionLost):
            assert interruption.came
        finally:
            threading.settrace(None)  # type: ignore[arg-type]
        client.close()
        wait_until_ended(client)


def use_a_little(client: Any, network: Network, updates: Updates) -> None:
    client.subscribe("trades", "A", callback=updates)
    network.now.push({"topic": "trades.A", "n": 1})
    client.call("echo", 1)
    network.now.end()
    with contextlib.suppress(ConnectionLost):  # where it was quicker than the news of the end
        client.call("echo", 2)
    client.call("echo", 3)


def test_close_between_any_two_lines_of_the_transport() -> None:
    with DigiFinexVenue(rate=0, symbols=["BTC_USDT"]) as venue:
        number, more = 5, True
        while more:
            client: Any = venue.client()
            client.open()
            interruption = Interruption(number, client.close)
            using = Background(traced, interruption, lambda client: client.server_time(), client)
            try:
                using.result()
            except (ClientClosed, ConnectionLost):
                assert interruption.came
            more = interruption.came
            client.close()
            wait_until_ended(client)
            number += STRIDE


def came_or_written(interruption: Interruption, path: pathlib.Path) -> bool:
    eventually(lambda: interruption.came or (path.exists() and path.stat().st_size))
    return interruption.came


def test_a_recorder_thrown_away_between_any_two_lines_of_its_thread(tmp_path: pathlib.Path) -> None:
    number, more = 2, True
    while more:
        path = tmp_path / f"{number}.gz"
        kept = [Recorder(path, flush_interval=0.001)]
        interruption = Interruption(number, kept.clear, "-recorder")
        threading.settrace(interruption)  # type: ignore[arg-type]
        try:
            connection = kept[0].connection(venue="any", client="", settings={}, endpoint="")
        finally:
            threading.settrace(None)  # type: ignore[arg-type]
        connection.received([(b"{}", False)], 1, 1)
        more = came_or_written(interruption, path)
        kept.clear()
        eventually(lambda: not library_threads())
        assert list(read(path))
        number += STRIDE


def silent(connection: Any, request: Any) -> None:
    """No answer: whoever asks waits, until the client is closed."""


class Meeting(FakeProtocol):
    """Does something while the session holds its lock."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__()
        self.action = action

    def check_capacity(self, topics: Any) -> None:
        self.action()


def test_a_destructor_that_the_garbage_collector_runs_under_the_lock() -> None:
    class Strategy:
        def __init__(self, client: Any) -> None:
            self.client, self.me = client, self

        def __del__(self) -> None:
            self.client.close()

    network = Network(silent)
    client = network.client(Meeting(gc.collect))
    client.open()
    Strategy(client)
    # Not collected before it is time: nothing is made in between that would lead to a collection.
    subscribing = Background(client.subscribe, "trades", "A", callback=print)
    assert isinstance(subscribing.error(), ClientClosed)
    wait_until_ended(client)


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="there is no such signal here")
def test_a_signal_handler_under_the_lock() -> None:
    network = Network(silent)
    client = network.client(Meeting(lambda: signal.raise_signal(signal.SIGTERM)))
    client.open()
    seen: Any = []

    def handler(*_: Any) -> None:
        client.close()
        asking = Background(client.stats)  # on a thread that waits for the lock
        asking.thread.join(0.1)
        seen.append(asking.thread.is_alive())

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(ClientClosed):
            client.subscribe("trades", "A", callback=print)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen and all(seen), "close() returned although its thread held the lock"
    wait_until_ended(client)


def test_outside_of_our_code_close_ends_all_before_it_returns() -> None:
    network = Network()
    client = network.client()
    client.open()
    threading.Thread(target=client.close)  # never run: only a reference

    class Owner:
        def __del__(self) -> None:
            client.close()

    Owner()
    assert ended(client)


def test_a_destructor_when_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    client = network.client(Meeting(lambda: client.close()))
    client.open()

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", fail)
    client.subscribe("trades", "A", callback=print)
    monkeypatch.undo()
    client.close()
    assert ended(client)


def test_ctrl_c_while_the_threads_are_started_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    client = network.client()
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.open()
    monkeypatch.undo()
    eventually(lambda: not library_threads())
    client.open()
    client.close()


def within(lock: Any, action: Callable[[], Any]) -> Any:
    """``action`` in the middle of the SDK's own code, on a thread that holds ``lock``: by a signal, or a destructor."""
    names: Dict[str, Any] = {"__name__": "dbxsdk.session.somewhere"}
    exec("def step(lock, action):\n    with lock:\n        action()\n", names)
    thread = threading.Thread(target=names["step"], args=(lock, action), daemon=True)
    thread.start()
    thread.join(5.0)
    return not thread.is_alive()


def test_a_subscription_and_a_book_may_be_ended_in_the_middle_of_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    with BybitVenue(rate=0) as venue, venue.client("linear") as client:
        subscription = client.subscribe("publicTrade", "BTCUSDT", callback=print)
        book = client.order_book("BTCUSDT")
        assert book.wait_ready(5.0)
        with monkeypatch.context() as patch:
            # Which the session calls with its lock held.
            patch.setattr(client._protocol, "check_capacity", lambda topics: subscription.unsubscribe())
            Background(client.subscribe, "publicTrade", "BTCUSDT", callback=print).result().unsubscribe()
        assert within(book._state.lock, book.close), "it waits for its own thread"
        assert venue.wait_until(lambda: venue.subscriptions() == ())
        eventually(lambda: not subscription.active and book.is_stale)
        eventually(lambda: not [each for each in threading.enumerate() if each.name == "dbxsdk-closing"])
