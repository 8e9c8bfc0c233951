"""Lives: from an opening to the end, one after the other. Starts and ends the threads, and waits for the connection."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar

from dbxsdk.errors import ConnectError, DbxError, WrongThreadError, fresh
from dbxsdk.runtime import exit
from dbxsdk.runtime.hosting import threads_survive_forks, warn_where_threads_cannot_run
from dbxsdk.runtime.waiting import Flag, ring
from dbxsdk.session.core.link import Life
from dbxsdk.session.reader import Reader
from dbxsdk.session.shared import Shared
from dbxsdk.session.supervisor import Loop, Supervisor, Threads
from dbxsdk.session.watch import Watch

T = TypeVar("T")


class _NotEnded(ConnectError):
    """An opening that was abandoned has not ended yet."""


class Lives:
    """``client.Client`` documents the public side of the methods."""

    def __init__(self, shared: Shared, reader: Reader) -> None:
        self._shared = shared
        self._reader = reader
        self._watch = Watch(shared)
        self._supervisor = Supervisor(shared.name, shared.log, self._thread_died)
        self.ended = Flag()
        self._threads: Optional[Threads] = None
        self._last_threads: Optional[Threads] = None  # the ones before: their callbacks may still be at work
        if shared.machine.link.state.is_over:
            self.ended.set()

    def open(self, timeout: Optional[float]) -> None:
        """Return when the connection is ready. Raise what stopped it."""
        self.guard_blocking("open")
        limit = self._shared.machine.opening_limit if timeout is None else timeout
        self.wait_ready(time.monotonic() + limit)

    def wait(self, timeout: Optional[float]) -> bool:
        """Block until the client has ended. Raise what ended it."""
        self.guard_blocking("wait")
        ended = self.ended.wait(timeout)
        with self._shared.guard.lock:
            failure = self._shared.machine.link.failure
        if failure is not None:
            raise fresh(failure)
        return ended

    def begin_closing(self) -> Tuple[Optional[Threads], Any]:
        """Do the part of ``exit.close`` that waits for nothing. Returns the threads that have to end now, and the connection
        to be closed, if there are any. Done-callbacks run on the watch thread, or by ``settle``."""

        def close() -> Tuple[Optional[Threads], Any]:
            self._shared.machine.close()
            threads = self._threads or self._last_threads
            if threads is not None:
                # Under the lock: the reader makes no connection after this one that would not be closed.
                threads.stop.set()
            return threads, self._shared.guard.connection

        threads, connection = self._shared.guard.do_quietly(close)
        for queue in self._shared.dispatcher.all_queues():
            queue.discard()
        if threads is not None:
            threads.wake_watch.set()
        return threads, connection

    def finish_closing(self) -> None:
        """The reader has ended, or was waited for long enough."""
        for queue in self._shared.dispatcher.all_queues():
            queue.drain()
        self._shared.connector.ended()
        self.ended.set()

    @property
    def threads(self) -> Sequence[threading.Thread]:
        """Those of the present life, or of the last one."""
        threads = self._threads or self._last_threads
        return () if threads is None else threads.started

    @property
    def is_running(self) -> bool:
        """True if there are threads."""
        return self._threads is not None

    def wait_ready(self, deadline: float) -> None:
        """Return when the connection is ready; open it if there is none. Raise what stopped it."""
        guard, link = self._shared.guard, self._shared.machine.link
        if link.ready:
            return
        if self._threads is None:
            warn_where_threads_cannot_run()
        threads, opening = self.when_begun(self._begin_opening)
        life = threads.life
        try:
            while True:
                with guard.lock:
                    # Or it was ready, and lost before this thread came to see it: reconnects have begun.
                    if link.ready or (opening and life.was_ready):
                        return
                    if life.error is not None:
                        break
                    link.raise_if_ended()
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    bell = guard.changed.hang()
                ring(bell, left)
        finally:
            with guard.lock:
                life.openers -= 1
                ready = opening and life.was_ready  # perhaps at the last moment
                unused = life.error is None and not (life.was_ready or life.openers or self._shared.machine.requests.unsent)
                if unused:
                    threads.stop.set()  # under the lock, as in close()
                    life.stopped = True
                connection = guard.connection
            if unused:
                threads.wake_watch.set()
                if connection is not None:
                    connection.abort("not ready in time")
        if life.error is not None or unused:
            threads.join(exit.JOIN_TIMEOUT)
        if life.error is not None and not unused:
            with guard.lock:
                link.raise_if_ended()  # closed in the meantime: that says more
            raise fresh(life.error)
        if not ready:
            raise ConnectError(f"{self._shared.endpoint}: the connection was not ready in time; nothing was sent")

    def _begin_opening(self) -> Tuple[Threads, bool]:
        threads = self.ensure_threads()
        threads.life.openers += 1
        return threads, not threads.life.was_ready

    def when_begun(self, decide: Callable[..., T], *arguments: Any) -> T:
        """Have the machine decide by ``decide``, which calls ``ensure_threads`` first. An earlier opening that was abandoned is
        waited for a moment."""
        guard, deadline = self._shared.guard, 0.0
        while True:
            try:
                return guard.do(decide, *arguments)
            except _NotEnded:
                deadline = deadline or time.monotonic() + exit.JOIN_TIMEOUT
                with guard.lock:
                    if self._threads is None or not self._threads.stop.is_set():
                        continue
                    bell = guard.changed.hang()
                if not ring(bell, deadline - time.monotonic()):
                    raise

    def ensure_threads(self) -> Threads:
        """The threads of the present life, started if there is none. The caller holds the lock."""
        assert self._shared.guard.lock.locked()
        link = self._shared.machine.link
        link.raise_if_ended()
        if self._threads is not None:
            if self._threads.stop.is_set():
                raise _NotEnded(f"{self._shared.endpoint}: an earlier opening that was abandoned has not ended yet")
            return self._threads
        threads = Threads(Life(), self._shared.dispatcher.new_queue())
        self._shared.guard.wake_watch = threads.wake_watch.set
        loops: List[Tuple[str, Loop]] = []
        if self._shared.connector.live:
            loops.append(("heartbeat", self._watch.run))
        if not self._shared.dispatcher.inline:
            loops.append(("callbacks", lambda threads: self._shared.dispatcher.run(threads.queue)))
        loops.append(("reader", self._read))
        before = link.state
        try:
            self._threads = threads
            self._shared.machine.begin(threads.life)
            self._supervisor.start(threads, loops)
        except BaseException:
            self._threads, link.life, link.state = None, None, before
            raise
        return threads

    def _read(self, threads: Threads) -> None:
        error = self._reader.run(threads)
        if not threads.inherited:
            self._end_life(threads, error)

    def _end_life(self, threads: Threads, error: Optional[DbxError]) -> None:
        """The last that the reader does."""
        threads.end()

        def end() -> None:
            # In one step: a done-callback may open the client again.
            self._shared.machine.ended(error)
            self._threads, self._last_threads = None, threads

        self._shared.guard.do(end)
        threads.queue.drain()
        if self._shared.machine.link.state.is_over:
            for queue in self._shared.dispatcher.all_queues():
                queue.drain()
            self._shared.connector.ended()
            self.ended.set()

    def _thread_died(self, threads: Threads, error: DbxError) -> None:
        """An unexpected error has ended one of the threads: so ends the client."""
        self._shared.guard.do(self._shared.machine.failed, error)
        threads.end()
        if threading.current_thread() is threads.reader:
            self._end_life(threads, error)

    # -- processes and threads -----------------------------------------------------------------------

    def guard_blocking(self, method: str) -> None:
        """Raise ``WrongThreadError`` on the reader thread."""
        threads = self._threads
        if threads is not None and threads.started and threading.get_ident() == threads.reader.ident:
            raise WrongThreadError(f"{method} would wait for an answer on the thread that has to read it; use another thread")

    def leave_behind(self) -> None:
        """In a forked child: these are the parent's."""
        threads = self._threads
        if threads is not None and threads_survive_forks():
            threads.end()
            threads.queue.drain()
