"""Waiting for what other threads do: always for something, and never for ever."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable, List, Optional

PATIENCE = 5.0


def eventually(predicate: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """The first true value of ``predicate()``; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.002)


class Recorder:
    """A callback that keeps what it gets, and waits for more."""

    def __init__(self, action: Optional[Callable[[Any], Any]] = None) -> None:
        self._changed = threading.Condition()
        self._action = action
        self.items: List[Any] = []

    def __call__(self, item: Any) -> None:
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()
        if self._action is not None:
            self._action(item)

    def wait(self, count: int = 1, timeout: float = PATIENCE) -> List[Any]:
        """The items, once there are ``count``."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.items) >= count, timeout), (
                f"{len(self.items)} of {count} came"
            )
            return list(self.items)

    def wait_for(self, kind: type, count: int = 1, timeout: float = PATIENCE) -> Any:
        """The ``count``-th item of this type, once it is there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, timeout), (
                f"no {kind.__name__}: {self.items}"
            )
            return self.of(kind)[count - 1]

    def of(self, kind: type) -> List[Any]:
        return [item for item in self.items if isinstance(item, kind)]


class Background:
    """A call on a thread of its own; ``result`` returns or raises what it did."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._outcome: List[Any] = []

        def run() -> None:
            try:
                self._outcome = [True, function(*args, **kwargs)]
            except BaseException as error:  # noqa: B036 - raised again in result()
                self._outcome = [False, error]

        self.thread = threading.Thread(target=run, name="test-background", daemon=True)
        self.thread.start()

    @property
    def waits(self) -> bool:
        """True while it waits for another thread."""
        return is_in("wait", self.thread) or is_in("ring", self.thread)

    def result(self, timeout: float = PATIENCE) -> Any:
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the call did not return in time"
        good, value = self._outcome
        if good:
            return value
        raise value

    def error(self, timeout: float = PATIENCE) -> BaseException:
        """What it raised."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the call did not return in time"
        good, value = self._outcome
        assert not good, f"it returned {value!r}"
        return value


def drained(client: Any) -> None:
    """Waits until every update that has come has been through its callback."""
    seen = [-1]

    def settled() -> bool:
        # Twice in a row: between the queue and its callback an update is in no number.
        stats, before = client.stats(), seen[0]
        seen[0] = stats.delivered + stats.dropped + stats.callback_errors + stats.bad_frames if not stats.queued else -1
        return before == seen[0] >= 0 and not _thread_is_in("deliver", f"dbxsdk-{client.name}-callbacks")

    eventually(settled)


def held(client: Any) -> bool:
    """True while the client's reader stands still before a full queue."""
    return _thread_is_in("_hold", f"dbxsdk-{client.name}-reader")


def is_in(function: str, thread: threading.Thread) -> bool:
    """True while a thread is inside a function of that name."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False


def _thread_is_in(function: str, thread_name: str) -> bool:
    return any(is_in(function, thread) for thread in threading.enumerate() if thread.name == thread_name)
