"""Futures of users' requests: they survive a fork, and a callback that raises is logged."""

from __future__ import annotations

import threading
from concurrent.futures import Future, TimeoutError
from concurrent.futures._base import FINISHED, RUNNING
from typing import Any, Callable, List, Optional

from dbxsdk.errors import ConnectionLost
from dbxsdk.runtime.log import ClientLog
from dbxsdk.runtime.reentrancy import calls_user_code
from dbxsdk.runtime.waiting import Flag


class _Condition(type(threading.RLock())):  # type: ignore[misc]
    """What a future needs of a condition. To enter and leave it is the lock's own: a signal handler that raises must not leave it
    locked, or the reader waits for ever. So it is ``over`` that is waited for, without the lock."""

    def __init__(self) -> None:
        super().__init__()
        self.over = Flag()

    def notify_all(self) -> None:
        """The outcome is there, and no callback has run yet."""
        self.over.set()


class RequestFuture(Future):  # type: ignore[type-arg]
    """A future that can be completed in a forked child, whichever thread held its lock in the parent."""

    _condition: Any

    def __init__(self, log: ClientLog, request_id: Any) -> None:
        # Not ``Future.__init__``, whose condition is made for nothing. A request cannot be taken back: it is running, and
        # ``cancel`` says so.
        self._condition = _Condition()
        self._state = RUNNING
        self._result: Any = None
        self._exception: Optional[BaseException] = None
        self._waiters: List[Any] = []
        self._done_callbacks: List[Any] = []
        self._log = log
        self.request_id = request_id

    def result(self, timeout: Optional[float] = None) -> Any:
        """Return the result, or raise the exception; wait for it for ``timeout`` seconds at most."""
        error = self.exception(timeout)
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del self, error  # or its traceback would be a circle

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """Return the exception, or None; wait for it for ``timeout`` seconds at most."""
        if self._state != FINISHED and not self._condition.over.wait(timeout):
            raise TimeoutError
        return self._exception

    def add_done_callback(self, fn: Callable[["Future[Any]"], object]) -> None:
        @calls_user_code
        def guarded(future: "Future[Any]") -> None:
            try:
                fn(future)
            except BaseException as error:  # noqa: B036 - also SystemExit: it would end the reader thread
                self._log.exception("a done-callback of a request raised")
                self._log.nobody_saw(error)

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
        return True

    def run_callbacks(self) -> None:
        """Run the callbacks that were added before ``decide``. Those added since have run at once."""
        self._invoke_callbacks()  # type: ignore[attr-defined]

    def end_in_child(self) -> None:
        """In a forked child, where its answer cannot come."""
        self._condition = _Condition()
        if not self.done():
            reason = "the process was forked before the answer came"
            self.set_exception(ConnectionLost(reason, request_id=self.request_id))
