"""Waiting that a signal handler which raises cannot break.

Python's ``Condition`` and ``Event`` are written in Python: an exception out of a signal handler may leave their inner lock
locked, or release it for a thread that does not hold it. Here the waiting is done by a ``SimpleQueue``, each of whose methods is
one step, and never with a lock held.
"""

from __future__ import annotations

import collections
import contextlib
from queue import Empty, SimpleQueue
from typing import Any, List, Optional


class Flag:
    """Set once, waited for by any number of threads."""

    def __init__(self) -> None:
        self._set = False
        self._wake: "SimpleQueue[None]" = SimpleQueue()

    def is_set(self) -> bool:
        """True once it was set."""
        return self._set

    def set(self) -> None:
        """Wake all that wait, now or later."""
        self._set = True
        self._wake.put(None)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until it is set, for ``timeout`` seconds at most. Return True if it is."""
        if not self._set:
            block = timeout is None or timeout > 0
            taken = map(self._wake.get, (block,), (timeout if block else None,))
            with contextlib.suppress(Empty):
                # Taken, and put back for the next one, in one step: no signal handler runs in between.
                collections.deque(map(self._wake.put, taken), maxlen=0)
        return self._set


class Alarm:
    """Wakes one thread, again and again."""

    def __init__(self) -> None:
        self._wake: "SimpleQueue[None]" = SimpleQueue()

    def set(self) -> None:
        """Wake the thread, or have its next ``wait`` return at once."""
        if self._wake.empty():
            self._wake.put(None)

    def wait(self, timeout: float) -> None:
        """Wait for ``set``, for ``timeout`` seconds at most."""
        ring(self._wake, timeout)
        while ring(self._wake, 0):
            pass


class Bells:
    """What is a condition elsewhere. ``hang`` a bell with the lock held, and wait for it without: ``ring(bell, timeout)``."""

    def __init__(self) -> None:
        self._bells: "List[SimpleQueue[None]]" = []

    def hang(self) -> "SimpleQueue[None]":
        """A bell that the next ``ring_all`` rings. With the lock held."""
        bell: "SimpleQueue[None]" = SimpleQueue()
        self._bells.append(bell)
        return bell

    def ring_all(self) -> None:
        """Wake all that wait. With the lock held."""
        if self._bells:
            bells, self._bells = self._bells, []
            for bell in bells:
                bell.put(None)


def ring(bell: "SimpleQueue[Any]", timeout: Optional[float]) -> bool:
    """Wait for a bell; False after ``timeout`` seconds."""
    try:
        if timeout is not None and timeout <= 0:
            bell.get_nowait()
        else:
            bell.get(True, timeout)
        return True
    except Empty:
        return False
