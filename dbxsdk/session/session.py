"""The session: owns the threads and the connection, and brings each new connection in line with what users wish.

One frame's journey: ``Connection`` (reader thread) -> ``Intake`` -> ``Protocol.receive`` -> a ``Push`` goes through
``Callbacks`` and, with all else that the same read of the network brought, its ``UpdateQueue`` to the callbacks
thread; a ``Reply`` completes the future of its request.

One request's journey: ``call`` -> ``Requests.start`` files it and writes its frame (the caller's thread) -> the
caller waits on its future.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from dbxsdk.errors import (
    AuthError,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DbxError,
    WrongThreadError,
    fresh,
)
from dbxsdk.events import Connected, Disconnected, Event
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Request
from dbxsdk.runtime import exit as at_exit
from dbxsdk.runtime.clock import MACHINE, Clock
from dbxsdk.runtime.fork import first_use
from dbxsdk.runtime.hosting import threads_survive_forks, warn_where_threads_cannot_run
from dbxsdk.session.backoff import Backoff, budget
from dbxsdk.session.books import BookFeed, feeds
from dbxsdk.session.callbacks import Callbacks
from dbxsdk.session.dispatch import UpdateQueue
from dbxsdk.session.heartbeat import Heartbeat
from dbxsdk.session.intake import Intake
from dbxsdk.session.login import Login
from dbxsdk.session.pending import Entry
from dbxsdk.session.recorded import Recorded
from dbxsdk.session.requests import Requests, fail_all, new_future
from dbxsdk.session.state import State, Stats
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.subscriptions import Subscriptions
from dbxsdk.session.topics import WantedTopics
from dbxsdk.transport import Address, Connection, Ending

logger = logging.getLogger(__name__)

_END = 1.0
"""Seconds that threads told to end, and woken, may take."""


Prepare = Callable[[Address, Callable[[Any], None]], Address]
"""Called on the reader thread before each connection, with the client's address and a ``publish`` that takes each
socket as soon as there is one, so that it can be shut down. Returns the address of this connection, or raises
``ConnectError`` (to be tried again) or ``AuthError`` (final)."""


class _Run:
    """One life of the background threads: from an opening to the end."""

    def __init__(self, queue: UpdateQueue) -> None:
        self.queue = queue
        self._pid = os.getpid()
        self.stop = threading.Event()
        self.wake_heartbeat = threading.Event()
        self.threads: List[threading.Thread] = []
        self.openers = 0
        self.was_ready = False
        self.error: Optional[DbxError] = None
        """Why it ended."""

    @property
    def inherited(self) -> bool:
        """Whether it is the parent's: under gevent, threads live on in a forked child."""
        return self._pid != os.getpid()

    @property
    def reader(self) -> threading.Thread:
        return self.threads[-1]

    def join(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0.0))


class Session:
    """One client's background life. ``client.Client`` documents the public side of the methods."""

    _new_callbacks: Callable[..., Callbacks] = Callbacks
    _new_intake: Callable[..., Intake] = Intake

    def __init__(
        self,
        protocol: Protocol,
        address: Address,
        options: Options,
        *,
        prepare: Optional[Prepare] = None,
        connect: Callable[..., Any] = Connection,
        clock: Clock = MACHINE,
    ) -> None:
        """``prepare`` makes the address of each single connection out of ``address`` (see ``Prepare``). ``clock`` has the
        times that users are told of; what is waited for is waited for by the machine's."""
        self._protocol = protocol
        self._address = address
        self._prepare = prepare
        self._options = options
        self._connect = connect
        # Preparing, connecting and logging in have limits of their own; this is all of them together.
        steps = 1 if prepare is None else 2
        self._opening_limit = steps * options.connect_timeout + options.request_timeout
        self._clock = clock
        self._callbacks = self._new_callbacks(protocol.venue, options, self._must_flow, self._abandoned)
        self._topics = WantedTopics(protocol.carries_state)
        self._state = State.NEW
        self._failure: Optional[DbxError] = None
        self._inherited = threading.Event()  # never set
        self._received_before = 0  # by processes that this one was forked from
        self._reconnects = 0
        self._reset_for_process()
        at_exit.sessions.add(self)

    def _reset_for_process(self) -> None:
        """All that a process has for itself: locks, threads, the connection and what belongs to it."""
        # The one lock: guards the state, the topics, the requests and what is below. Never held while sending,
        # waiting for the network, or running user code.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._ended = threading.Event()
        self._run: Optional[_Run] = None
        self._last_run: Optional[_Run] = None  # the one before: its callbacks may still be at work
        self._connection: Any = None
        self._connecting_since = 0.0
        self._book_waiters = 0
        # What a closing has to tell, as one call: whichever thread takes it makes it.
        self._outcomes: "SimpleQueue[Callable[[], None]]" = SimpleQueue()
        self._requests = Requests(self._lock, self._address.endpoint, self._connection_to_send)
        self._subscriptions = Subscriptions(
            self._protocol,
            self._options,
            self._topics,
            self._changed,
            self._requests.pending,
            self._ready_connection,
            self._raise_if_ended,
            self._callbacks.emit,
            self._about_to_ask,
            self._resubscribed,
        )
        self._heartbeat = Heartbeat(
            self._protocol,
            self._options,
            self._lock,
            self._requests,
            self._topics,
            lambda: (self._connection, self._state is State.READY, self._connecting_since),
            self._opening_limit,
            self._callbacks.emit,
        )
        # The reader thread's own:
        self._ready_since = 0.0
        self._prepared = False
        self._last_byte: Optional[float] = None
        """Monotonic time of the last byte of the last connection."""
        self._login = Login(
            self._protocol,
            self._options,
            self._address.endpoint,
            self._lock,
            self._requests,
            self._clock,
            self.wake_heartbeat,
        )
        self._recorded = Recorded(
            self._options.recorder, self._protocol, self._address, self, self._callbacks.emit
        )
        self._intake = self._new_intake(
            self._protocol,
            self._options,
            self._topics,
            self._callbacks,
            self._recorded,
            self._lock,
            self._requests.pending,
            self._clock,
            lambda: self._state.is_over,
            self.wake_heartbeat,
        )
        self._pid = os.getpid()  # last: whoever finds its own process here takes all the rest as it is

    # -- opening and closing -------------------------------------------------------------------------

    def open(self, timeout: Optional[float]) -> None:
        self._guard_blocking("open")
        self._wait_ready(_deadline(timeout, self._opening_limit))

    def close(self, timeout: float) -> None:
        at_exit.close([self], timeout)

    def begin_closing(self) -> Tuple[Optional[_Run], Any]:
        """The part of ``at_exit.close`` that waits for nothing. Returns the threads that have to end now, and the connection
        to be closed, where there are any. Requests get their outcome on the heartbeat thread, or by ``tell_outcomes``: it
        runs users' done-callbacks, and one that blocks must not hold up anybody else's end."""
        self._check_process()
        with self._lock:
            if not self._state.is_over:
                self._state = State.CLOSED
            run, connection = self._run or self._last_run, self._connection
            sent, unsent = self._requests.end()
            if sent or unsent:
                self._outcomes.put(lambda: _tell_closed(sent, unsent))  # before the thread is told to stop
            if run is not None:
                # Under the lock: the reader makes no connection after this one that would not be closed below.
                run.stop.set()
            self._changed.notify_all()
            books = self._books()
        for book in books:
            book.end(None, "the client is closed")
        for queue in self._callbacks.all_queues():
            queue.discard()
        if run is not None:
            run.wake_heartbeat.set()
        return run, connection

    @property
    def has_outcomes(self) -> bool:
        """Whether the heartbeat thread has not begun to tell them: it had ended already, or is in a callback."""
        return not self._outcomes.empty()

    def tell_outcomes(self) -> None:
        """Runs the done-callbacks of what ``begin_closing`` has ended, where no other thread does."""
        with contextlib.suppress(Empty):
            self._outcomes.get_nowait()()

    def finish_closing(self) -> None:
        """When the reader has ended, or was waited for long enough."""
        for queue in self._callbacks.all_queues():
            queue.drain()
        self._ended.set()

    @property
    def threads(self) -> Sequence[threading.Thread]:
        run = self._run or self._last_run
        return () if run is None else run.threads

    @property
    def is_open(self) -> bool:
        """Whether there are threads of it, in this process."""
        return self._run is not None and self._pid == os.getpid()

    def wait(self, timeout: Optional[float]) -> bool:
        self._guard_blocking("wait")
        ended = self._ended.wait(timeout)
        with self._lock:
            failure = self._failure
        if failure is not None:
            raise fresh(failure)
        return ended

    def _wait_ready(self, deadline: float) -> None:
        """Returns when the connection is ready; opens it where there is none. Raises what stopped it."""
        if self._run is None:
            warn_where_threads_cannot_run()
        with self._lock:
            if self._ready_connection() is not None:
                return
            run = self._ensure_run()
            opening = not run.was_ready
            run.openers += 1
            try:
                while run.error is None:
                    self._raise_if_ended()
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        break
                    self._changed.wait(remaining)
                    # Or it was ready, and lost before this thread came to see it: reconnects have begun.
                    if self._ready_connection() is not None or (opening and run.was_ready):
                        return
            finally:
                run.openers -= 1
            abandoned = run.error is None and not (run.was_ready or run.openers or self._requests.has_unsent)
            if abandoned:
                run.stop.set()  # under the lock, as in close()
            connection = self._connection
        if run.error is not None:
            run.join(_END)
            with self._lock:
                self._raise_if_ended()  # closed in the meantime: that says more
            raise fresh(run.error)
        if abandoned:
            run.wake_heartbeat.set()
            if connection is not None:
                connection.abort("not ready in time")
            run.join(_END)
        raise ConnectError(f"{self._address.endpoint}: the connection was not ready in time; nothing was sent")

    def _ensure_run(self) -> _Run:
        """The threads' present life, begun where there is none. Under the lock."""
        self._raise_if_ended()
        patience = time.monotonic() + _END
        while self._run is not None and self._run.stop.is_set() and self._changed.wait(patience - time.monotonic()):
            pass  # an opening that was given up is ending
        self._raise_if_ended()
        if self._run is not None:
            if self._run.stop.is_set():
                raise ConnectError(f"{self._address.endpoint}: an earlier opening that was given up has not ended yet")
            return self._run
        run = _Run(self._callbacks.new_queue())
        loops: List[Tuple[str, Callable[[], None]]] = [
            ("heartbeat", lambda: self._run_heartbeat(run)),
        ]
        if not self._callbacks.inline:
            loops.append(("callbacks", lambda: self._callbacks.run(run.queue)))
        # Last: where another cannot be started it has not begun to connect, and has nothing to tell.
        loops.append(("reader", lambda: self._run_reader(run)))
        try:
            for name, loop in loops:
                name = f"dbxsdk-{self._protocol.venue}-{name}"
                thread = threading.Thread(target=self._run_loop, args=(run, loop), name=name, daemon=True)
                run.threads.append(thread)
                thread.start()
            self._run, self._state = run, State.CONNECTING
            return run
        except BaseException as error:  # Ctrl-C, too: no thread may be left that nobody can end
            self._run = None
            run.stop.set()
            run.wake_heartbeat.set()
            run.queue.drain()
            if isinstance(error, RuntimeError):  # the interpreter is shutting down, or there are too many threads
                raise ConnectError(f"the background threads could not be started: {error}") from error
            raise

    def _run_loop(self, run: _Run, loop: Callable[[], None]) -> None:
        loop()
        if run.inherited and threads_survive_forks():
            self._inherited.wait()  # Python has forgotten this thread, and would complain of its end

    def _run_heartbeat(self, run: _Run) -> None:
        self._heartbeat.run(run.stop, run.wake_heartbeat)
        self.tell_outcomes()

    # Under the lock:

    def _raise_if_ended(self) -> None:
        if self._failure is not None:
            raise fresh(self._failure)
        if self._state is State.CLOSED:
            raise ClientClosed("the client is closed")

    def _ready_connection(self) -> Any:
        return self._connection if self._state is State.READY else None

    def _connection_to_send(self) -> Any:
        # In one step with what the caller files: a request must not be left with threads that have ended.
        self._ensure_run()
        return self._ready_connection()

    # -- requests ------------------------------------------------------------------------------------

    def call(self, request: Request, timeout: Optional[float]) -> Any:
        self._guard_blocking("call")
        deadline = _deadline(timeout, self._options.request_timeout)
        self._wait_ready(deadline)
        return self._ask_venue(request, deadline)

    def ping(self, timeout: Optional[float]) -> float:
        self._guard_blocking("ping")
        deadline = _deadline(timeout, self._options.request_timeout)
        self._wait_ready(deadline)
        started = time.monotonic()
        self._ask_venue(self._protocol.heartbeat(), deadline)
        return time.monotonic() - started

    def _ask_venue(self, request: Request, deadline: float) -> Any:
        entry = Entry(request, future=new_future())
        try:
            self._requests.start(entry, deadline)
            self._callbacks.poke()
        except BaseException:  # noqa: B036 - Ctrl-C: nobody waits for it any more
            self._requests.give_up(entry)
            raise
        return self._requests.wait(entry, deadline)

    def submit(self, request: Request) -> "Future[Any]":
        self._check_process()
        future = new_future()
        deadline = time.monotonic() + self._options.request_timeout
        self._requests.start(Entry(request, future=future, deadline=deadline), deadline)
        self._callbacks.poke()
        # Nobody waits who would keep the time.
        self.wake_heartbeat()
        return future

    # -- subscriptions -------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription, timeout: Optional[float], afresh: bool = False) -> None:
        self._guard_blocking("subscribe")
        deadline = _deadline(timeout, self._options.request_timeout)
        self._subscriptions.check_capacity(subscription.topics)
        self._wait_ready(deadline)
        self._subscriptions.subscribe(subscription, deadline, afresh)
        if subscription.max_silence is not None:
            self.wake_heartbeat()

    def unsubscribe(self, subscription: Subscription) -> None:
        self._check_process()
        self._subscriptions.unsubscribe(subscription)

    def unsubscribe_topics(self, pick: Callable[[Sequence[str]], Sequence[str]]) -> None:
        self._check_process()
        self._subscriptions.unsubscribe_topics(pick)

    def new_iterator_queue(self) -> UpdateQueue:
        self._check_process()
        return self._callbacks.new_iterator_queue()

    def about_to_iterate(self) -> None:
        self._guard_blocking("the iterator")
        if self._run is None and not self._state.is_over:
            self.open(None)  # in a forked child its first step may be the first use of the client

    # -- books ---------------------------------------------------------------------------------------

    def renew(self, topics: Sequence[str]) -> None:
        """Has the venue send what it sends at the beginning of these topics. Does not wait for it."""
        self._subscriptions.renew(topics)

    @contextlib.contextmanager
    def waiting_for_book(self, timeout: Optional[float], must_flow: bool) -> Iterator[None]:
        """A thread waits for an update of a book. Where that is the one that runs the callbacks, and where
        ``must_flow``, the reader goes on although a queue is full: that may be the waiting thread's to empty."""
        self._guard_blocking("waiting for an order book")
        if self._run is None and not self._state.is_over:
            self.open(timeout)  # in a forked child
        run = self._run
        must_flow = must_flow or (run is not None and threading.current_thread() in run.threads)
        with self._lock:
            self._book_waiters += must_flow
        if must_flow:
            self._callbacks.poke()
        try:
            yield
        finally:
            with self._lock:
                self._book_waiters -= must_flow

    def _books(self) -> List[BookFeed]:
        """Under the lock."""
        return feeds(self._topics.subscriptions())

    def _resubscribed(self, request: Request, retries: Sequence[Request]) -> None:
        if self._intake.gap.answered(request.key, [again.key for again in retries]):
            self._intake.announce_gap()

    # -- the reader thread: connections --------------------------------------------------------------

    def _run_reader(self, run: _Run) -> None:
        self._callbacks.reader_id = threading.get_ident()
        error: Optional[DbxError] = None
        try:
            error = self._keep_connected(run)
        except BaseException as problem:  # noqa: B036 - whatever it is, callers must hear of it
            logger.exception("%s: the reader thread ended by an unexpected error", self._protocol.venue)
            error = DbxError(f"unexpected error in the reader thread: {problem!r}")
        finally:
            if not run.inherited:
                self._end_run(run, error)

    def _keep_connected(self, run: _Run) -> Optional[DbxError]:
        """Connects again and again. Returns why it gave up; None where it was told to stop."""
        backoff = Backoff(self._options.backoff_initial, self._options.backoff_max)
        failed = 0
        while True:
            ending = self._connect_once(run)
            if run.inherited:
                return None
            if run.stop.is_set():
                self._disconnected(Disconnected("closed", ending.code, None))
                return None
            undecided = None if self._ready_since else self._protocol.login_refusal()
            error = self._login.error or undecided or ending.error
            if self._ready_since:
                failed = 0
                backoff.lasted(self._clock.monotonic() - self._ready_since)
            else:
                failed += 1
            limit = self._options.max_reconnects
            refused = isinstance(error, AuthError) and not self._is_about_the_address(error)
            if refused or not run.was_ready or (limit is not None and failed >= limit):
                self._disconnected(Disconnected(ending.reason, ending.code, None))
                return error or ConnectError(f"{self._address.endpoint}: {ending.reason}")
            delay = max(backoff.next(), getattr(error, "retry_after", None) or 0.0)
            logger.warning("%s: disconnected: %s; next try in %.1f s", self._protocol.venue, ending.reason, delay)
            self._disconnected(Disconnected(ending.reason, ending.code, delay))
            run.stop.wait(delay)

    def _connect_once(self, run: _Run) -> Ending:
        """One connection, from its making to its end."""
        self._ready_since = 0.0
        self._login.error = None
        self._prepared = False
        refused = self._reserve(run)
        if refused is not None:
            return Ending(str(refused), error=refused)
        connection: Any = self._connect(
            self._address,
            self._options,
            lambda: self._opened(run, connection),
            self._intake.messages,
            self._intake.pong,
            self._prepare and self._prepare_address,
        )
        with self._lock:
            if run.stop.is_set():
                return Ending("closed")
            self._connection = connection
            self._connecting_since = time.monotonic()
        self._intake.begin(connection)
        run.wake_heartbeat.set()
        ending: Ending = connection.run()
        if not run.inherited:
            self._lost(connection, ending)
        return ending

    def _prepare_address(self, address: Address, publish: Callable[[Any], None]) -> Address:
        assert self._prepare is not None
        prepared = self._prepare(address, publish)
        self._prepared = True
        return prepared

    def _is_about_the_address(self, error: AuthError) -> bool:
        """Whether a refusal says nothing of the key, which has just been accepted: the token in the prepared address was
        too old when it came. The next try has another."""
        return self._prepared and self._login.error is None and error.code == 401

    def _reserve(self, run: _Run) -> Optional[ConnectError]:
        """Waits until the venue's limit of new connections allows one more; not for long where a caller waits, too."""
        while not run.stop.is_set():
            wait = budget.reserve(self._address.endpoint, self._protocol.connection_budget)
            if not wait:
                break
            if not run.was_ready and wait > self._options.connect_timeout:
                reason = f"{self._address.endpoint}: the venue's limit of new connections is used up for {wait:.0f} s"
                return ConnectError(reason, retry_after=wait)
            run.stop.wait(wait)
        return None

    def _connected(self, event: Connected) -> None:
        self._callbacks.emit(event)

    def _disconnected(self, event: Disconnected) -> None:
        self._recorded.end(event.reason, event.code, event.retry_in, self._last_byte)
        self._callbacks.emit(event)

    def _opened(self, run: _Run, connection: Any) -> None:
        self._recorded.begin(connection)
        self._protocol.reset()
        self._login.begin(connection, lambda: self._ready(run, connection))

    def _ready(self, run: _Run, connection: Any) -> None:
        logger.info("%s: connected to %s", self._protocol.venue, self._address.endpoint)
        if run.was_ready:
            self._reconnects += 1
        self._ready_since = self._clock.monotonic()
        # Before anything that this connection brings.
        self._connected(Connected(self._reconnects))
        with self._lock:
            if run.stop.is_set() or self._state.is_over:
                return
            self._state = State.READY
            run.was_ready = True
            established = self._topics.established()
            asked = self._subscriptions.ask()
            unsent = self._requests.take_unsent()
            self._changed.notify_all()
        self._intake.gap.connection_ready(established, [request.key for request in asked])
        run.wake_heartbeat.set()
        self._subscriptions.flush()
        self._requests.send_all(unsent, connection)

    def _lost(self, connection: Any, ending: Ending) -> None:
        with self._lock:
            self._connection = None
            self._last_byte = connection.last_received
            connection.recorded = None  # for senders that have not seen the end yet
            if self._state is State.READY:
                self._state = State.RECONNECTING
            entries = self._requests.pending.drain()
            self._subscriptions.connection_lost()
            self._changed.notify_all()
            books = self._books()
        for book in books:
            book.stale(f"the connection was lost: {ending.reason}")
        if self._ready_since:
            self._intake.gap.connection_lost(self._last_byte or self._ready_since, self._intake.last_received_ns)

        def lost(request: Request) -> ConnectionLost:
            reason = f"the connection ended ({ending.reason}) before the answer to {request.kind} came"
            return ConnectionLost(f"{reason}; it may have been carried out", request_id=request.key)

        fail_all((entry, lost(entry.request)) for entry in entries)

    def _end_run(self, run: _Run, error: Optional[DbxError]) -> None:
        """The last that the reader thread does."""
        self._recorded.end(str(error), None, None, self._last_byte)  # where an unexpected error has left it open
        run.stop.set()
        run.wake_heartbeat.set()
        with self._lock:
            if self._run is run:
                self._run, self._last_run = None, run
                if self._state is not State.CLOSED:
                    final = run.was_ready or isinstance(error, AuthError)
                    self._state = State.FAILED if error is not None and final else State.NEW
                    self._failure = error if self._state is State.FAILED else None
            run.error = error or ConnectError(f"{self._address.endpoint}: given up before it was ready")
            sent, unsent = self._requests.end() if self._run is None else ([], [])
            over = self._state.is_over
            self._changed.notify_all()
            books = self._books() if over else []
        for book in books:
            book.end(self._failure, f"the client has ended: {run.error}")
        fail_all((entry, fresh(run.error)) for entry in sent + unsent)
        run.queue.drain()
        if over:
            for queue in self._callbacks.all_queues():
                queue.drain()
            self._ended.set()

    def _abandoned(self, subscription: Subscription) -> None:
        """Its iterator was thrown away without being closed."""
        self._subscriptions.unsubscribe(subscription)

    def _must_flow(self) -> bool:
        """Whether the reader must not stand still: somebody waits for an answer, or the next connection is to be made."""
        connection = self._connection
        over = connection is None or connection.stopped
        return over or self._requests.pending.awaited > 0 or self._requests.has_unsent or self._book_waiters > 0

    # -- looking in ----------------------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], Any]) -> None:
        self._check_process()
        self._callbacks.on_event(callback)

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def callbacks(self) -> Callbacks:
        return self._callbacks

    @property
    def endpoint(self) -> str:
        return self._address.endpoint

    @property
    def state(self) -> State:
        in_child = self._pid != os.getpid()
        return State.NEW if in_child and not self._state.is_over else self._state

    @property
    def failure(self) -> Optional[DbxError]:
        """What ended it, or None."""
        return self._failure

    def stats(self) -> Stats:
        self._check_process()
        now = self._clock.monotonic()
        with self._lock:
            connection = self._connection
            pending = self._requests.count()
        received = connection.last_received if connection is not None else None
        sent = connection.last_sent if connection is not None else None
        return Stats(
            received=self._received_before + self._intake.received,
            delivered=self._callbacks.delivered,
            dropped=self._callbacks.dropped,
            bad_frames=self._callbacks.bad_frames,
            callback_errors=self._callbacks.callback_errors,
            reconnects=self._reconnects,
            pending=pending,
            queued=self._callbacks.queued,
            last_received_age=None if received is None else now - received,
            last_sent_age=None if sent is None else now - sent,
        )

    def _about_to_ask(self) -> None:
        self._callbacks.poke()
        self.wake_heartbeat()  # there is a new deadline

    def wake_heartbeat(self) -> None:
        run = self._run
        if run is not None:
            run.wake_heartbeat.set()

    # -- processes and threads -----------------------------------------------------------------------

    def _check_process(self) -> None:
        # Fork hooks are skipped by some servers (uWSGI): then the first call in the child finds out here.
        if self._pid != os.getpid():
            self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """Forgets what belongs to the parent: the threads are not here, the connection is not ours, the locks may
        be held by threads that do not exist. What users wish for stays."""
        with first_use():
            if self._pid != os.getpid():
                self._begin_in_child()

    def _begin_in_child(self) -> None:
        run, connection = self._run, self._connection
        requests = self._requests
        self._received_before += self._intake.received
        self._callbacks.reset_for_process()
        self._topics.after_fork_in_child()
        for book in self._books():
            book.after_fork_in_child()
        if not self._state.is_over:
            self._state = State.NEW
        self._reset_for_process()
        if self._state.is_over:
            self._ended.set()
        if connection is not None:
            connection.forget()
        requests.after_fork_in_child()
        if run is not None and threads_survive_forks():
            run.stop.set()
            run.wake_heartbeat.set()
            run.queue.drain()

    def _guard_blocking(self, method: str) -> None:
        self._check_process()
        run = self._run
        if run is not None and threading.current_thread() is run.reader:
            raise WrongThreadError(f"{method} would wait for an answer on the thread that has to read it; use another thread")


def _tell_closed(sent: Sequence[Entry], unsent: Sequence[Entry]) -> None:
    lost, closed = "the client was closed before the answer came", "the client was closed before the request was sent"
    failures: List[Tuple[Entry, DbxError]] = [(each, ConnectionLost(lost, request_id=each.request.key)) for each in sent]
    fail_all([*failures, *((each, ClientClosed(closed)) for each in unsent)])


def _deadline(timeout: Optional[float], default: float) -> float:
    return time.monotonic() + (default if timeout is None else timeout)


def _after_fork_in_child() -> None:
    for session in list(at_exit.sessions):
        session.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    # Once for all sessions, which it finds by weak references: a hook cannot be taken back.
    os.register_at_fork(after_in_child=_after_fork_in_child)
