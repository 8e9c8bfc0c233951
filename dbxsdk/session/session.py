"""The session: one client's background life, and the face of it that the client calls.

One frame's journey: the connection (reader thread) -> ``Intake.messages`` -> ``Protocol.receive``, or the topic's
``FrameReader`` -> ``Dispatcher.take`` -> with all else that the same read brought, an ``UpdateQueue`` -> the callback
(callbacks thread). An answer goes by way of ``Guard.do(Machine.answered)`` to the future of its request.

One request's journey: ``Calls.call`` -> ``Guard.do(Machine.request)`` files it and puts its frame into the ``Outbox`` -> the
calling thread writes it, if the way is free -> it waits for its future.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, Mapping, Optional, Sequence, Tuple, Type

from dbxsdk.book.rule import BookRule
from dbxsdk.errors import DbxError, VenueError
from dbxsdk.events import Event
from dbxsdk.models import Update
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Request
from dbxsdk.runtime import exit
from dbxsdk.runtime.fork import ForkAware, uniform
from dbxsdk.runtime.log import ClientLog
from dbxsdk.session.calls import Calls
from dbxsdk.session.connector import NETWORK, Connector, Prepare
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.core.requests import Entry
from dbxsdk.session.core.topics import Status
from dbxsdk.session.delivery.book_feed import BookFeed
from dbxsdk.session.delivery.dispatcher import Dispatcher, Notice
from dbxsdk.session.delivery.queue import UpdateQueue
from dbxsdk.session.guard import Guard
from dbxsdk.session.intake import Intake
from dbxsdk.session.lives import Lives
from dbxsdk.session.reader import Reader
from dbxsdk.session.recorded import Recorded
from dbxsdk.session.shared import Shared
from dbxsdk.session.state import State, Stats
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.supervisor import Threads
from dbxsdk.session.updates import Updates
from dbxsdk.transport import Address

if TYPE_CHECKING:
    from dbxsdk.backfill.filler import Filler
    from dbxsdk.backfill.twin import Twin


class Session(ForkAware):
    """One client's background life. ``client.Client`` documents the public side of the methods."""

    def __init__(
        self,
        protocol: Protocol,
        address: Address,
        options: Options,
        *,
        prepare: Optional[Prepare] = None,
        connector: Connector = NETWORK,
    ) -> None:
        """``prepare`` makes the address of each single connection out of ``address`` (see ``Prepare``)."""
        self.name = options.name or protocol.name
        self.client: Callable[[], Any] = lambda: None
        """The client that it belongs to; None once nobody holds that any more."""
        self.address = connector.address(address)
        self._protocol = protocol
        self._prepare = prepare
        self._options = options
        self._connector = connector
        self._log = ClientLog("dbxsdk.session", protocol.venue, self.name)
        self._dispatcher = Dispatcher(
            protocol.venue, self.name, options, self._log, self._must_flow, self.unsubscribe
        )
        backoff = Backoff(options.backoff_initial, options.backoff_max, uniform)
        self._machine = Machine(protocol, options, self.address.endpoint, self.name, backoff, connector.live, connector.lasting)
        self._received_before = 0  # by processes that this one was forked from
        self._entries: "weakref.WeakSet[Entry]" = weakref.WeakSet()
        self._reset_for_process()
        self._follow_forks()
        exit.sessions.add(self)

    def _reset_for_process(self) -> None:
        """Make all that a process has for itself: locks, threads, the connection and what belongs to it."""
        shared = self._shared = Shared(
            name=self.name,
            protocol=self._protocol,
            address=self.address,
            options=self._options,
            prepare=self._prepare,
            connector=self._connector,
            machine=self._machine,
            dispatcher=self._dispatcher,
            guard=Guard(self._machine, self._dispatcher, self._log, self._entries),
            recorded=self._new_recorded(),
            log=self._log,
        )
        self._guard = shared.guard
        self._intake = Intake(shared)
        reader = Reader(shared, self._intake)
        self._lives = Lives(shared, reader)
        self._calls = Calls(shared, self._lives, self._entries)
        self._updates = Updates(shared, self._lives)
        self._connector.bind(reader, lambda: self._must_flow(self._dispatcher.queue, False))

    def _new_recorded(self) -> Recorded:
        dispatcher = self._dispatcher
        return Recorded(
            self._options.recorder,
            self._protocol,
            self.address,
            self,
            dispatcher.emit,
            lambda call: dispatcher.put(Notice(call)),
            self._log,
            self.name,
        )

    # -- opening and closing -------------------------------------------------------------------------

    def open(self, timeout: Optional[float]) -> None:
        """Return when the connection is ready. Raise what stopped it."""
        self._check_process()
        self._lives.open(timeout)

    def guard_blocking(self, method: str) -> None:
        """Raise ``WrongThreadError`` on the reader thread."""
        self._lives.guard_blocking(method)

    def wait(self, timeout: Optional[float]) -> bool:
        """Block until the client has ended. Raise what ended it."""
        self._check_process()
        return self._lives.wait(timeout)

    def close(self, timeout: float) -> None:
        """End the connection and the threads."""
        exit.close([self], timeout)
        self._dispatcher.join_fillers()

    def begin_closing(self) -> Tuple[Optional[Threads], Any]:
        """Do the part of ``exit.close`` that waits for nothing. Returns the threads that have to end now, and the connection
        to be closed, if there are any."""
        self._check_process()
        return self._lives.begin_closing()

    @property
    def has_outcomes(self) -> bool:
        """True if the watch thread has not run all callbacks of futures: it had ended before, or is in one."""
        return self._guard.has_callbacks

    def settle(self) -> None:
        """Run the done-callbacks of what ``begin_closing`` has ended, if no other thread does."""
        self._guard.settle()

    def finish_closing(self) -> None:
        """The reader has ended, or was waited for long enough."""
        self._lives.finish_closing()

    @property
    def threads(self) -> Sequence[threading.Thread]:
        """Those of the present life, or of the last one."""
        return self._lives.threads

    @property
    def is_open(self) -> bool:
        """True if there are threads of it, in this process."""
        return self._lives.is_running and self._pid == os.getpid()

    # -- requests ------------------------------------------------------------------------------------

    def call(self, request: Request, timeout: Optional[float]) -> Any:
        """Return the venue's result of ``request``."""
        self._check_process()
        return self._calls.call(request, timeout)

    def ping(self, timeout: Optional[float]) -> float:
        """Return the round trip in seconds."""
        self._check_process()
        return self._calls.ping(timeout)

    def submit(self, request: Request) -> "Future[Any]":
        """Return a future with the venue's result."""
        self._check_process()
        return self._calls.submit(request)

    # -- updates -------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription, timeout: Optional[float], renew: bool = False) -> None:
        """Return when the venue has acknowledged every topic."""
        self._check_process()
        self._updates.subscribe(subscription, timeout, renew)

    def subscribe_all(self, subscriptions: Sequence[Subscription], timeout: float) -> Dict[str, Optional[VenueError]]:
        """Subscribe them together. Return the topics that are not subscribed: the venue's refusal, or None if it has not
        answered."""
        self._check_process()
        return self._updates.subscribe_all(subscriptions, timeout)

    def is_whole(self, topic: str) -> bool:
        """True if the venue has the topic, and no gap of it has still to be reported."""
        found = self._machine.topics.get(topic)
        return found is not None and found.status is Status.LIVE and found.hole is None

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription. Waits for nothing."""
        self._check_process()
        self._updates.unsubscribe(subscription)

    def unsubscribe_topics(self, pick: Callable[[Sequence[str]], Sequence[str]]) -> None:
        """End every subscription to the wanted topics that ``pick`` picks. Waits for nothing."""
        self._check_process()
        self._updates.unsubscribe_topics(pick)

    def new_iterator_queue(self) -> UpdateQueue:
        """Make the queue of an iterator."""
        self._check_process()
        return self._dispatcher.new_iterator_queue()

    def next_update(self, subscription: Subscription, queue: UpdateQueue) -> Any:
        """The next update or ``Gap`` out of an iterator's queue."""
        self._check_process()
        return self._updates.next_update(subscription, queue)

    def fill(
        self, subscription: Subscription, twin: Twin, channel: str, topics: Mapping[str, str], *, always: bool
    ) -> Filler:
        """Have a subscription that is not subscribed yet fetch what was before it, and, if ``always``, what it misses later.
        ``topics`` by symbol."""
        from dbxsdk.backfill.filler import Filler  # most clients never need it

        dispatcher, options, callback = self._dispatcher, self._options, subscription.callback

        def give(topic: str, update: Update[Any]) -> None:
            if subscription.active and topic not in subscription.ended_topics:
                dispatcher.run_callback(callback, topic, update)

        def post(call: Callable[[], None]) -> None:
            dispatcher.put(Notice(call))
            if dispatcher.inline:  # the reader runs it once something comes: the answer to a heartbeat, if nothing else
                with contextlib.suppress(DbxError):
                    self._calls.submit(self._protocol.heartbeat())

        filler = subscription.filler = Filler(
            twin,
            topics,
            self._protocol.venue,
            channel,
            seconds=options.backfill_timeout,
            room=options.queue_size,
            room_bytes=options.queue_bytes,
            post=post,
            callback=callback,
            give=give,
            tell=dispatcher.emit,
            log=self._log,
            name=self.name,
        )
        filler.passes = lambda: subscription.passes
        subscription.callback = filler.take_with_history if twin.begins_with_history else filler.take
        if always:
            dispatcher.add_filler(filler)
        return filler

    def book_feed(
        self, channel: str, topics: Tuple[str, ...], symbol: str, rule: BookRule, kind: Type[BookFeed] = BookFeed
    ) -> BookFeed:
        """Make an order book and its subscription, which is not subscribed yet."""
        return kind(self, self._dispatcher, self._log, self._connector.clock, channel, topics, symbol, rule)

    def renew(self, topics: Sequence[str]) -> None:
        """Have the venue send what it sends first of these topics. Waits for nothing."""
        self._updates.renew(topics)

    def watch_book(self) -> None:
        """A book is stale: the watch sees to it that a whole one is asked for, if no update does."""
        self._guard.wake_watch()

    def waiting_for_book(self, timeout: Optional[float], must_flow: bool) -> ContextManager[None]:
        """Around the wait for an update of a book."""
        self._check_process()
        return self._updates.waiting_for_book(timeout, must_flow)

    def _must_flow(self, queue: UpdateQueue, stalled: bool) -> bool:
        return self._updates.must_flow(queue, stalled)

    # -- looking in ----------------------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], Any]) -> None:
        """Register a callback for lifecycle events."""
        self._check_process()
        self._dispatcher.on_event(callback)

    def watch_events(self, watcher: Callable[[Event], Any]) -> Callable[[], None]:
        """Have something of the library's own called with each event, until what is returned is called."""
        return self._dispatcher.watch_events(watcher)

    @property
    def event_callbacks(self) -> Tuple[Callable[[Event], Any], ...]:
        """Those that were registered."""
        return self._dispatcher.event_callbacks

    def emit(self, event: Event) -> None:
        """Deliver an event behind all that came before it."""
        self._dispatcher.emit(event)

    @property
    def state(self) -> State:
        """What the client is doing."""
        state = self._machine.link.state
        return State.NEW if self._pid != os.getpid() and not state.is_over else state

    @property
    def venue(self) -> str:
        """The venue's name."""
        return self._protocol.venue

    @property
    def topics(self) -> Tuple[str, ...]:
        """The venue's names of what is wanted."""
        self._check_process()
        with self._guard.lock:
            return self._machine.topics.names()

    def stats(self) -> Stats:
        """Counters and ages."""
        self._check_process()
        dispatcher, now = self._dispatcher, self._connector.clock.monotonic()
        with self._guard.lock:
            connection = self._guard.connection
            pending = self._machine.requests.count()
        received = connection.last_received if connection is not None else None
        sent = connection.last_sent if connection is not None else None
        return Stats(
            received=self._received_before + self._intake.received,
            delivered=dispatcher.delivered,
            dropped=dispatcher.dropped,
            bad_frames=dispatcher.bad_frames,
            callback_errors=dispatcher.callback_errors,
            reconnects=self._machine.link.reconnects,
            pending=pending,
            queued=dispatcher.queued,
            last_received_age=None if received is None else now - received,
            last_sent_age=None if sent is None else now - sent,
        )

    # -- processes -----------------------------------------------------------------------------------

    check_process = ForkAware._check_process

    def _after_fork(self) -> None:
        # Forgets what belongs to the parent: the threads are not here, the connection is not ours, the locks may be held by
        # threads that do not exist. What users want stays.
        lives, connection = self._lives, self._guard.connection
        entries = list(self._entries)  # first: the tables that hold them go
        self._received_before += self._intake.received
        self._dispatcher.reset_for_process()
        self._machine.after_fork_in_child()
        for sink in self._machine.topics.sinks():
            if isinstance(sink, BookFeed):
                sink.after_fork_in_child()
        self._reset_for_process()
        with self._guard.lock:
            self._guard.carry_out()
        if connection is not None:
            connection.forget()
        for entry in entries:
            entry.future.end_in_child()
        lives.leave_behind()
