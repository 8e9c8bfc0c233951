"""What went against a promise, and when."""

from __future__ import annotations

import threading
import time
from typing import Callable, List, Tuple

KEPT = 100


class Problems:
    """Violations with the seconds at which they were seen; the first ``KEPT`` of them in words."""

    def __init__(self, say: Callable[[float, str], None] = lambda at, text: None) -> None:
        """``say`` is called with each of those that are kept, at once."""
        self._say = say
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self.count = 0
        self.told: List[Tuple[float, str]] = []

    def add(self, text: str) -> None:
        with self._lock:
            at = round(time.monotonic() - self._started, 2)
            self.count += 1
            kept = len(self.told) < KEPT
            if kept:
                self.told.append((at, text))
        if kept:
            self._say(at, text)
