"""When the next connection may be tried: exponential back-off with full jitter, and a budget per host."""

from __future__ import annotations

import collections
import random
import threading
import time
from typing import Callable, Deque, Dict, Tuple

from dbxsdk.runtime.fork import ForkAware

# By the system's chance: where fork hooks are skipped, the children of one process share ``random``'s.
_uniform = random.SystemRandom().uniform


class Backoff:
    """Delays between the attempts of one client."""

    def __init__(self, initial: float, maximum: float, uniform: Callable[[float, float], float] = _uniform) -> None:
        self._initial = initial
        self._maximum = maximum
        self._uniform = uniform
        self._ceiling = initial

    def next(self) -> float:
        """Seconds to wait before the next attempt: anywhere between 0 and a ceiling that doubles each time, so
        that many clients cut off together do not come back together."""
        ceiling = min(self._ceiling, self._maximum)
        self._ceiling = min(self._ceiling * 2, self._maximum)
        return self._uniform(0.0, ceiling)

    def lasted(self, seconds: float) -> None:
        """A connection lived for ``seconds``. One that fell at once is no reason to start over."""
        if seconds > self._ceiling:
            self._ceiling = self._initial


class ConnectionBudget(ForkAware):
    """Connections made to each host by the whole process, within a sliding window."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: Dict[str, Deque[float]] = {}
        self._lock = threading.Lock()  # guards _made
        self._follow_forks()

    def reserve(self, host: str, limit: Tuple[int, float]) -> float:
        """Takes one connection to ``host`` out of the budget and returns 0, or returns the seconds until there is one."""
        count, window = limit
        self._check_process()
        with self._lock:
            now = self._clock()
            made = self._made.setdefault(host, collections.deque())
            while made and made[0] <= now - window:
                made.popleft()
            if len(made) >= count:
                return made[0] + window - now
            made.append(now)
            return 0.0

    def _after_fork(self) -> None:
        # The lock may have been held by a thread that the child does not have. What the parent used still
        # counts: the venue counts addresses, not processes.
        self._lock = threading.Lock()


budget = ConnectionBudget()
"""The process's own."""
