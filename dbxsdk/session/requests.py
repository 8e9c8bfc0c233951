"""Users' requests: sent once, answered at most once, and never without an outcome."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import weakref
from typing import Any, Callable, Iterable, List, Optional, Tuple

from dbxsdk.errors import ConnectError, ConnectionLost, DbxError, RequestTimeout, fresh
from dbxsdk.protocol import Request
from dbxsdk.session.pending import Entry, PendingRequests, RequestFuture
from dbxsdk.transport import NotSent, SendFailed

SEND_TIMEOUT = 5.0
"""Seconds: a peer that does not take a frame for so long is as good as gone."""


class Requests:
    """Requests in flight, and those that wait for a connection. ``lock`` is the session's; it guards both."""

    def __init__(self, lock: threading.Lock, endpoint: str, ready_connection: Callable[[], Any]) -> None:
        """``ready_connection()``, under the lock, is the connection to send on, or None; it raises when all is over."""
        self._lock = lock
        self._endpoint = endpoint
        self._ready_connection = ready_connection
        self.pending = PendingRequests()
        self._unsent: List[Entry] = []
        # Of all users' requests: between two tables, or on its way to its future, an entry is in neither.
        self._futures: "weakref.WeakSet[RequestFuture]" = weakref.WeakSet()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def count(self) -> int:
        """Users' requests without an outcome. Under the lock."""
        return self.pending.requests() + len(self._unsent)

    # -- any thread ----------------------------------------------------------------------------------

    def start(self, entry: Entry, deadline: float) -> None:
        """Sends the request, or keeps it until there is a connection to send it on."""
        if entry.future is not None:
            entry.future.request_id = entry.request.key
            self._futures.add(entry.future)
        failed: Any = None
        while True:
            with self._lock:
                connection = self._ready_connection()
                if connection is None or connection is failed:
                    self._unsent.append(entry)
                    return
                # Before the frame is written: a fast venue answers before send() returns.
                self.pending.file(entry)
            if self._send(entry, connection, max(deadline - time.monotonic(), 0.001)):
                return
            failed = connection

    def wait(self, entry: Entry, deadline: float) -> Any:
        """The outcome: returned, or raised."""
        future = entry.future
        assert future is not None
        try:
            return future.result(max(deadline - time.monotonic(), 0.0))
        except concurrent.futures.TimeoutError:
            # RequestTimeout, an outcome like others, is a TimeoutError too.
            if future.done():
                return future.result()
        except BaseException:  # noqa: B036 - Ctrl-C, or a framework's own time limit: nobody waits for it any more
            if not future.done():
                self.give_up(entry)
            raise
        sent, unsent = self.give_up(entry)
        if sent:
            raise no_answer(entry.request)
        if unsent:
            raise not_connected(self._endpoint)
        return future.result()  # decided at the last moment

    def give_up(self, entry: Entry) -> Tuple[bool, bool]:
        """Removes it, so that it is not sent from now on. Whether it was sent, and whether it still waited to be; neither
        where its outcome is decided."""
        with self._lock:
            sent = self.pending.give_up(entry)
            unsent = not sent and entry in self._unsent
            if unsent:
                self._unsent.remove(entry)
        return sent, unsent

    # -- the reader thread ---------------------------------------------------------------------------

    def take_unsent(self) -> List[Entry]:
        """Those that waited for a connection, filed. Under the lock; ``send_all`` follows, without it."""
        entries, self._unsent = self._unsent, []
        for entry in entries:
            self.pending.file(entry)
        return entries

    def send_all(self, entries: List[Entry], connection: Any) -> None:
        for entry in entries:
            self._send(entry, connection, SEND_TIMEOUT, keep=True)

    def end(self) -> Tuple[List[Entry], List[Entry]]:
        """All that were sent, and all that were not, removed. Under the lock."""
        unsent, self._unsent = self._unsent, []
        return self.pending.drain(), unsent

    def after_fork_in_child(self) -> None:
        """Instead of ``end``: the parent may have been in the middle of anything."""
        for future in list(self._futures):
            future.renew_lock()
            if not future.done():
                reason = "the process was forked before the answer came"
                future.set_exception(ConnectionLost(reason, request_id=future.request_id))

    # -- the heartbeat thread ------------------------------------------------------------------------

    def expire(self, now: float) -> Callable[[], None]:
        """Removes what nobody waits for any more. Under the lock; what it returns is to be called without it."""
        expired = self.pending.expired(now)
        late = [entry for entry in self._unsent if entry.deadline is not None and entry.deadline <= now]
        self._unsent = [entry for entry in self._unsent if entry not in late]

        def tell() -> None:
            for entry in expired:
                if entry.handler is not None:
                    entry.handler(entry.request, None)
            failures: List[Tuple[Entry, DbxError]] = [(entry, no_answer(entry.request)) for entry in expired]
            fail_all([*failures, *((entry, not_connected(self._endpoint)) for entry in late)])

        return tell

    def next_deadline(self) -> Optional[float]:
        """Under the lock."""
        moments = [self.pending.next_deadline(), *(entry.deadline for entry in self._unsent)]
        return min((moment for moment in moments if moment is not None), default=None)

    # -- below ---------------------------------------------------------------------------------------

    def _send(self, entry: Entry, connection: Any, timeout: float, keep: bool = False) -> bool:
        """Sends a filed request. False where not a byte left and there will be another connection: with ``keep`` it waits
        for that one."""
        if keep:
            with self._lock:
                if not self.pending.holds(entry):
                    return True  # given up while those before it were written
        try:
            send(entry.request, connection, timeout)
        except SendFailed:
            pass  # the connection is ending, and its end decides what becomes of the request
        except NotSent as error:
            with self._lock:
                if not self.pending.withdraw(entry):
                    return True  # the connection's end was quicker and has decided it
                if connection.stopped or error.broken:
                    if keep:
                        # In the same step: whoever gives it up has to find it, here or there.
                        self._unsent.append(entry)
                    return False
            fail(entry, ConnectError(f"{self._endpoint}: the request could not be sent: {error}"))
        except BaseException:  # noqa: B036 - as in ``wait``
            if self.give_up(entry)[0]:
                fail(entry, no_answer(entry.request))
            raise
        return True


def send(request: Request, connection: Any, timeout: float) -> None:
    """Writes a request's frame. Raises ``NotSent`` or ``SendFailed``."""
    if request.is_ping:
        connection.ping(request.frame, timeout)
    else:
        connection.send(request.frame, timeout)


def new_future() -> RequestFuture:
    future = RequestFuture()
    # A request cannot be taken back: cancel() has to say so.
    future.set_running_or_notify_cancel()
    return future


def fail(entry: Entry, error: DbxError) -> None:
    if entry.future is not None:
        entry.future.set_exception(error if error.__traceback__ is None else fresh(error))


def fail_all(failures: Iterable[Tuple[Entry, DbxError]]) -> None:
    """First those that nobody's code hangs on: a thread in ``call`` must not wait for another's done-callback."""
    for entry, error in sorted(failures, key=lambda each: bool(getattr(each[0].future, "_done_callbacks", None))):
        fail(entry, error)


def no_answer(request: Request) -> RequestTimeout:
    return RequestTimeout(f"no answer to {request.kind} in time; it may have been carried out", request_id=request.key)


def not_connected(endpoint: str) -> ConnectError:
    return ConnectError(f"{endpoint}: no connection in time; nothing was sent")
