"""The end of clients: of one, and of all that are left when the interpreter exits.

What holds at the interpreter's exit:

* Python first waits for the threads that are not daemons: until then all clients work, though the main thread has ended.
* Then it calls ``atexit`` functions, the last registered first. Those registered after ``import dbxsdk`` find every open
  client at work, and may cancel orders with it; those registered before find all clients closed (``ClientClosed``). That
  is why the hook below is registered at import, and not with the first connection. From Python 3.12 on no thread can be
  started there: a client that is not open cannot be opened any more (``ConnectError``).
* The hook closes all clients at once, within ``AT_EXIT`` seconds together: requests in flight end (their done-callbacks run
  on the clients' heartbeat threads), close frames are sent, threads are joined. What has not ended by then, a callback
  that does not return, is reported in one line of the log and left to end with the process: it runs on daemon threads.
* Then recorders write what they have.

Where ``atexit`` is skipped (a signal's default action, ``os._exit``, children of ``multiprocessing``) the process ends
at once: the operating system closes the connections, without a close frame.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import weakref
from typing import Any, Callable, Iterable, List, Optional, Protocol, Sequence, Tuple, TypeVar

from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

AT_EXIT = 2.0
"""Seconds for all clients together."""
_GOODBYE = 0.3
"""Seconds that peers have to answer our close frames."""
JOIN_TIMEOUT = 1.0
"""Seconds to wait for a stopped thread to exit."""

_Member = TypeVar("_Member")


class Run(Protocol):
    """One life of a client's threads."""

    @property
    def reader(self) -> threading.Thread:
        """The thread that reads."""

    def join(self, timeout: float) -> None:
        """Wait for the end of all."""


class Session(Protocol):
    """What has to be closed."""

    name: str
    client: Callable[[], Any]
    """The client that it belongs to; None once nobody holds that any more."""

    @property
    def venue(self) -> str:
        """The venue's name."""

    @property
    def is_open(self) -> bool:
        """True if there are threads of it, in this process."""

    @property
    def state(self) -> Any:
        """What the client is doing."""

    def stats(self) -> Any:
        """Counters and ages."""

    def begin_closing(self) -> Tuple[Optional[Run], Any]:
        """Do what waits for nothing. Returns the threads that have to end now, and the connection to be closed."""

    @property
    def has_outcomes(self) -> bool:
        """True if there are futures whose callbacks have not begun to run."""

    def settle(self) -> None:
        """Run them."""

    def finish_closing(self) -> None:
        """The reader has ended, or was waited for long enough."""

    @property
    def threads(self) -> Sequence[threading.Thread]:
        """The threads of the present life, or of the last one."""


sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()
_afterwards: List[Callable[[], None]] = []


def close(ending: Iterable[Session], timeout: float) -> None:
    """Ends them together, in the time that one takes. What of their threads has not ended within ``timeout`` seconds ends
    later, by itself: it makes no connection any more, and runs no callback but the one that is running."""
    begun = time.monotonic()
    deadline = begun + timeout
    closed = [(session, *session.begin_closing()) for session in ending]
    runs = [run for _, run, _ in closed if run is not None]
    connected = [(run, connection) for _, run, connection in closed if run is not None and connection is not None]
    for _, connection in connected:
        if time.monotonic() < begun + _GOODBYE:
            connection.close()
        else:  # many, whose peers do not read: each close frame takes its time
            connection.abort("closed")
    _join_readers([run for run, _ in connected], min(begun + _GOODBYE, deadline))
    telling, untold = _tell([session for session, _, _ in closed if session.has_outcomes])
    for run, connection in connected:
        if run.reader.is_alive():
            connection.abort("closed")
    _join_readers(runs, min(time.monotonic() + JOIN_TIMEOUT, deadline))
    # Where a reader could not be woken (name look-up) it ends later, by itself and alone.
    for session, _, _ in closed:
        session.finish_closing()
    for run in runs:
        run.join(max(deadline - time.monotonic(), 0.0))
    for thread in telling:
        thread.join(max(deadline - time.monotonic(), 0.0))
    for session in untold:
        session.settle()


def _tell(ending: Iterable[Session]) -> Tuple[List[threading.Thread], List[Session]]:
    """Each by a thread of its own. Returns these, and the sessions for which none is to be had: the interpreter is shutting
    down. Almost always their heartbeat threads have run them all."""
    telling, untold = [], []
    for session in ending:
        thread = threading.Thread(target=session.settle, name="dbxsdk-closing", daemon=True)
        try:
            thread.start()
            telling.append(thread)
        except RuntimeError:
            untold.append(session)
    return telling, untold


def _join_readers(runs: Sequence[Run], until: float) -> None:
    for run in runs:
        if threading.current_thread() is not run.reader:
            run.reader.join(max(until - time.monotonic(), 0.0))


def afterwards(work: Callable[[], None]) -> None:
    """At the interpreter's exit, has ``work`` called when the clients are closed."""
    _afterwards.append(work)


def members(which: "weakref.WeakSet[_Member]") -> List[_Member]:
    """All that are there, while other threads make more."""
    while True:
        try:
            return list(which)
        except RuntimeError:  # one was made meanwhile
            pass


def _at_exit() -> None:
    ending = members(sessions)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # who presses Ctrl-C again does not want to wait
            close(ending, AT_EXIT)
            left = [thread.name for session in ending for thread in session.threads if thread.is_alive()]
            if left:
                logger.warning("threads that have not ended in time are left to the process's end: %s", ", ".join(left))
    finally:
        for work in _afterwards:
            work()


atexit.register(_at_exit)
