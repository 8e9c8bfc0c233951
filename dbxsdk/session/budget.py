"""How many connections may be made: a budget per host, of the whole process."""

from __future__ import annotations

import collections
import threading
from typing import Callable, Deque, Dict, Tuple

from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import ForkAware


class ConnectionBudget(ForkAware):
    """Connections made to each host by the whole process, within a sliding window."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
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
