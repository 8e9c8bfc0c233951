"""The supervisor: starts the threads of one life, and sees to it that none of them dies unnoticed."""

from __future__ import annotations

import os
import threading
import time
from typing import Callable, List, Tuple

from dbxsdk.errors import ConnectError, DbxError
from dbxsdk.runtime.hosting import threads_survive_forks
from dbxsdk.runtime.log import ClientLog
from dbxsdk.runtime.waiting import Alarm, Flag
from dbxsdk.session.core.link import Life
from dbxsdk.session.delivery.queue import UpdateQueue

Loop = Callable[["Threads"], None]

_NEVER = threading.Event()


class Threads:
    """The threads of one life, and what makes them end."""

    def __init__(self, life: Life, queue: UpdateQueue) -> None:
        self.life = life
        self.queue = queue
        self.stop = Flag()
        self.wake_watch = Alarm()
        self.started: List[threading.Thread] = []
        self._pid = os.getpid()

    @property
    def inherited(self) -> bool:
        """True if they are the parent's: under gevent, threads live on in a forked child."""
        return self._pid != os.getpid()

    @property
    def reader(self) -> threading.Thread:
        """The thread that reads."""
        return self.started[-1]

    def end(self) -> None:
        """Have all of them end as soon as they can."""
        self.life.stopped = True
        self.stop.set()
        self.wake_watch.set()

    def join(self, timeout: float) -> None:
        """Wait for their end."""
        deadline = time.monotonic() + timeout
        for thread in self.started:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0.0))

    @property
    def alive(self) -> bool:
        """True while one of them has not ended."""
        return any(thread.is_alive() for thread in self.started)


class Supervisor:
    """Starts the threads of one client."""

    def __init__(self, name: str, log: ClientLog, failed: Callable[[Threads, DbxError], None]) -> None:
        """``failed`` is called on a thread that an unexpected error has ended."""
        self._name = name
        self._log = log
        self._failed = failed

    def start(self, threads: Threads, loops: List[Tuple[str, Loop]]) -> None:
        """Start a thread for each of ``loops``, the reader last: where another cannot be started it has not begun to
        connect, and has nothing to report. Raises ``ConnectError``; then none of them stays."""
        try:
            for kind, loop in loops:
                name = f"dbxsdk-{self._name}-{kind}"
                thread = threading.Thread(target=self._run, args=(threads, kind, loop), name=name, daemon=True)
                threads.started.append(thread)
                thread.start()
        except BaseException as error:  # Ctrl-C, too: no thread may be left that nobody can end
            threads.end()
            threads.queue.drain()
            if isinstance(error, RuntimeError):  # the interpreter is shutting down, or there are too many threads
                raise ConnectError(f"the background threads could not be started: {error}") from error
            raise

    def _run(self, threads: Threads, kind: str, loop: Loop) -> None:
        try:
            loop(threads)
        except BaseException as error:  # noqa: B036 - whatever it is, the client must not look as if it worked
            if not threads.inherited:
                # First, and not after the log, whose handlers are users' code.
                self._failed(threads, _death_of(kind, error))
                self._log.error("the %s thread ended by an unexpected error", kind, exc_info=error)
        if threads.inherited and threads_survive_forks():
            _NEVER.wait()  # Python has forgotten this thread, and would complain of its end


def _death_of(kind: str, error: BaseException) -> DbxError:
    death = DbxError(f"unexpected error in the {kind} thread: {error!r}")
    death.__cause__ = error
    return death
