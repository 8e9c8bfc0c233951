"""A session whose connections are recorded ones: they open, bring frames and end as they once did, and grant all."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from typing import Any, Callable, Iterator, Optional, Set

import attrs

from dbxsdk.errors import ConnectError, DbxError
from dbxsdk.events import Connected, Disconnected, Event, Silent
from dbxsdk.options import Options
from dbxsdk.playback.handoff import Ended, Feed, Marker, Moment, Received
from dbxsdk.protocol import Protocol, Reply, Request
from dbxsdk.runtime.clock import Clock
from dbxsdk.session.books import BookFeed
from dbxsdk.session.callbacks import Callbacks
from dbxsdk.session.dispatch import UpdateQueue
from dbxsdk.session.intake import Intake
from dbxsdk.session.requests import new_future
from dbxsdk.session.session import Session
from dbxsdk.session.state import Stats
from dbxsdk.session.subscription import Subscription
from dbxsdk.transport import Address, Ending


class ReplaySession(Session):
    """The real one but for what a recording must decide: connections, times, and answers."""

    _callbacks: "_Callbacks"

    def __init__(self, protocol: Protocol, options: Options, number: int, begin: Moment) -> None:
        """``begin`` is when the recorded client connected first; ``number`` tells it from others in messages."""
        self._now = begin
        self._first = True
        self._begun = False
        self._retry_in: Optional[float] = None
        self._watched: Optional[Set[str]] = None
        self._in_step = False
        self._markers = 0
        clock = Clock(monotonic=lambda: self._now.monotonic_ns / 1e9, wall_ns=lambda: self._now.wall_ns)
        super().__init__(protocol, Address("", "replay", number, False), options, connect=self._replayed, clock=clock)

    @staticmethod
    def _new_callbacks(*arguments: Any) -> Callbacks:
        return _Callbacks(*arguments)

    @staticmethod
    def _new_intake(*arguments: Any) -> Intake:
        return _Intake(*arguments)

    def _reset_for_process(self) -> None:
        super()._reset_for_process()
        self.feed = Feed(self._must_flow)
        self._heartbeat = _NoHeartbeat()  # type: ignore[assignment]

    # -- what users call -----------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription, timeout: Optional[float], afresh: bool = False) -> None:
        # Whatever is dropped would depend on how fast it is played.
        subscription.overflow, subscription.lossy = "block", False
        if subscription.max_silence is not None and self._watched is None:
            self._watched = set()
        # Callbacks that look at a book must find it where it was.
        self._in_step = self._in_step or isinstance(subscription.queue, BookFeed)
        super().subscribe(subscription, timeout, afresh)

    def call(self, request: Request, timeout: Optional[float]) -> Any:
        raise self._no_answer(request)

    def ping(self, timeout: Optional[float]) -> float:
        raise self._no_answer(self._protocol.heartbeat())

    def submit(self, request: Request) -> "Future[Any]":
        future = new_future()
        future.set_exception(self._no_answer(request))
        return future

    @contextlib.contextmanager
    def waiting_for_book(self, timeout: Optional[float], must_flow: bool) -> Iterator[None]:
        with super().waiting_for_book(timeout, must_flow):
            self.feed.wake()
            yield

    def _no_answer(self, request: Request) -> DbxError:
        return ConnectError(f"{request.kind}: a replay answers no requests; nothing was sent")

    def stats(self) -> Stats:
        stats = super().stats()
        return attrs.evolve(stats, delivered=stats.delivered - self._markers)

    def end_iterators(self) -> None:
        for queue in self._callbacks.all_queues()[1:]:
            queue.drain()

    # -- the reader thread ---------------------------------------------------------------------------

    def _replayed(self, address: Any, options: Any, on_open: Callable[[], None], *_: Any) -> "ReplayConnection":
        at_once, self._first = self._first, False
        return ReplayConnection(self, self.feed, on_open, at_once)

    def _keep_connected(self, run: Any) -> Optional[DbxError]:
        while True:
            ending = self._connect_once(run)
            if run.stop.is_set():
                if self._ready_since:
                    self._disconnected(Disconnected("closed", None, None))
                return None
            self._disconnected(Disconnected(ending.reason, ending.code, self._retry_in))

    def _reserve(self, run: Any) -> None:
        """No venue is asked for anything."""

    def _opened(self, run: Any, connection: Any) -> None:
        self._protocol.reset()
        self._ready(run, connection)

    def _end_run(self, run: Any, error: Optional[DbxError]) -> None:
        super()._end_run(run, error)
        self.feed.end()

    def begin(self, moment: Moment, connection: "ReplayConnection") -> None:
        """A connection opens."""
        self._keep_step(connection)
        self._now = moment
        if not self._begun:
            self._begun = True
            self._connected(Connected(0))
        if self._watched is not None:
            self._watched.clear()

    def _connected(self, event: Connected) -> None:
        if self._begun:  # the first was open before it was played
            super()._connected(event)

    def end(self, ended: Ended, connection: "ReplayConnection") -> Ending:
        self._keep_step(connection)
        self._now, self._retry_in = ended, ended.retry_in
        return ended.ending

    def receive(self, received: Received, connection: "ReplayConnection") -> None:
        self._now = received
        if self._watched is not None:
            self._check_silences(self._watched)
        if not self._in_step:
            self._intake.messages(received.messages)
            return
        for message in received.messages:
            self._keep_step(connection)
            self._intake.messages((message,))

    def _keep_step(self, connection: "ReplayConnection") -> None:
        """Where there is a book: waits for the callbacks of all that went before. They look at it."""
        if self._in_step and (self._callbacks.told or not self._callbacks.idle):
            self._callbacks.told = False
            marker = Marker()
            self.pass_on(marker)
            self.feed.wait_passed(marker, lambda: connection.stopped)

    def pass_on(self, marker: Marker) -> None:
        """Sends the marker through the callbacks thread, behind all that it has to do."""

        def reached(_: Any) -> None:
            self._markers += 1
            self.feed.pass_(marker)

        subscription = Subscription(
            self, "", (), reached, raw=True, overflow="block", max_silence=None, queue=None
        )
        self._callbacks.take((subscription,), "", None)
        self._intake.flush()

    def _check_silences(self, known: Set[str]) -> None:
        """By the recording's time: what the heartbeat thread does by the machine's."""
        now = self._clock.monotonic()
        with self._lock:
            topics = self._topics.watched()
        for topic in topics:
            if topic.name not in known:
                known.add(topic.name)
                topic.updated_at, topic.silent = now, False
            elif not topic.silent and topic.max_silence is not None and now >= topic.updated_at + topic.max_silence:
                topic.silent = True
                self._callbacks.emit(Silent(topic.name, now - topic.updated_at))

    # -- any thread ----------------------------------------------------------------------------------

    def grant(self) -> None:
        """Says yes to all that is asked for: subscriptions and their ends, there is nothing else."""
        with self._lock:
            entries = self._requests.pending.drain()
        for entry in entries:
            if entry.handler is not None:
                entry.handler(entry.request, Reply(entry.request.key, dict(self._protocol.granted)))


class _Intake(Intake):
    def _reply(self, reply: Reply) -> None:
        """To what was asked then, not now."""

    def _unknown_topic(self, topic: str) -> None:
        """It was subscribed then, and is not now."""


class ReplayConnection:
    """Stands in for ``transport.Connection``. The client's first one opens at once, so that users can subscribe before
    anything is played; the others when the recorded ones did."""

    last_sent: Optional[float] = None

    def __init__(self, session: ReplaySession, feed: Feed, on_open: Callable[[], None], at_once: bool) -> None:
        self._session = session
        self._feed = feed
        self._on_open = on_open
        self._at_once = at_once
        self._stopped: Optional[str] = None
        self.last_received: Optional[float] = None

    def run(self) -> Ending:
        is_open = self._at_once
        if is_open:
            self._on_open()
        while True:
            item = self._feed.get(lambda: self._stopped)
            if item is None:
                return Ending(self._stopped or "closed")
            if isinstance(item, Marker):
                self._session.pass_on(item)
            elif isinstance(item, list):
                for received in item:
                    if self._stopped is None and is_open:
                        self.last_received = received.monotonic_ns / 1e9
                        self._session.receive(received, self)
            elif not isinstance(item, Ended):
                self._session.begin(item, self)
                if not is_open:
                    is_open = True
                    self._on_open()
            elif is_open:
                if item.received_ns is not None:
                    self.last_received = item.received_ns / 1e9
                return self._session.end(item, self)

    def send(self, text: str, timeout: float) -> None:
        self._session.grant()

    ping = send

    def close(self) -> None:
        self.abort("closed")

    def abort(self, reason: str) -> None:
        self._stopped = self._stopped or reason
        self._feed.wake()

    def fail(self, code: int, reason: str) -> None:
        """The recorded connection's end follows."""

    def forget(self) -> None:
        """In a forked child: there is nothing to be closed."""

    @property
    def stopped(self) -> bool:
        return self._stopped is not None


class _Callbacks(Callbacks):
    """Those of a replay, whose order must not hang on how far the reader is ahead."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._runner: Optional[int] = None
        self.told = False
        """Whether an event is on its way, maybe."""

    def run(self, queue: UpdateQueue) -> None:
        self._runner = threading.get_ident()
        super().run(queue)

    def emit(self, event: Event) -> None:
        if threading.get_ident() == self._runner:
            self._deliver_event(event)  # of the update that is at work now, not of those that wait
        else:
            self.told = True
            super().emit(event)


class _NoHeartbeat:
    """Nothing has to be kept alive, and nothing is due by the machine's clock."""

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Ends at once."""
