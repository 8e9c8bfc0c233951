"""Futures of users' requests: they survive a fork, and a callback that raises is logged."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures._base import FINISHED
from typing import Any, Callable, Optional

from dbxsdk.errors import ConnectionLost
from dbxsdk.runtime.reentrancy import calls_user_code
from dbxsdk.runtime.log import ClientLog
from dbxsdk.runtime.waiting import Bells, Flag, ring


class _Condition(type(threading.RLock())):  # type: ignore[misc]
    """What a future needs of a condition. To enter and leave it is the lock's own: a signal handler that raises in a thread that
    waits for its future must not leave it locked, or the reader waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._bells = Bells()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait to be notified; False after ``timeout`` seconds. With the lock held, once."""
        bell = self._bells.hang()
        self.release()
        try:
            return ring(bell, timeout)
        finally:
            self.acquire()

    def notify_all(self) -> None:
        """Wake all that wait. With the lock held."""
        self._bells.ring_all()


class RequestFuture(Future):  # type: ignore[type-arg]
    """A future that can be completed in a forked child, whichever thread held its lock in the parent."""

    def __init__(self, log: ClientLog, request_id: Any) -> None:
        super().__init__()
        self._condition = _Condition()
        self._over = Flag()
        self._log = log
        self.request_id = request_id
        # A request cannot be taken back: cancel() has to say so.
        self.set_running_or_notify_cancel()

    def result(self, timeout: Optional[float] = None) -> Any:
        """Return the result, or raise the exception; wait for it for ``timeout`` seconds at most."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """Return the exception, or None; wait for it for ``timeout`` seconds at most."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: Optional[float]) -> None:
        # Without the condition, which a signal handler that raises in the middle of its ``wait`` would leave too often.
        if not self.done():
            self._over.wait(timeout)

    def set_result(self, result: Any) -> None:
        """Set the result, and run callbacks."""
        super().set_result(result)
        self._over.set()

    def set_exception(self, exception: Optional[BaseException]) -> None:
        """Set the exception, and run callbacks."""
        super().set_exception(exception)
        self._over.set()

    def add_done_callback(self, fn: Callable[["Future[Any]"], object]) -> None:
        @calls_user_code
        def guarded(future: "Future[Any]") -> None:
            try:
                fn(future)
            except BaseException:  # noqa: B036 - also SystemExit: it would end the reader thread
                self._log.exception("a done-callback of a request raised")

        super().add_done_callback(guarded)

    def decide(self, error: BaseException) -> bool:
        """Set an exception, but do not run callbacks: ``run_callbacks`` follows. False if there is an outcome already."""
        with self._condition:
            if self._state == FINISHED:
                return False
            self._exception = error
            self._state = FINISHED
            for waiter in self._waiters:
                waiter.add_exception(self)
            self._condition.notify_all()
        self._over.set()
        return True

    def run_callbacks(self) -> None:
        """Run the callbacks that were added before ``decide``. Those added since have run at once."""
        self._invoke_callbacks()  # type: ignore[attr-defined]

    def end_in_child(self) -> None:
        """In a forked child, where its answer cannot come."""
        self._condition, self._over = _Condition(), Flag()
        if not self.done():
            reason = "the process was forked before the answer came"
            self.set_exception(ConnectionLost(reason, request_id=self.request_id))
