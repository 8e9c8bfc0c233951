"""Delays between the attempts of one client: exponential, with full jitter."""

from __future__ import annotations

from typing import Callable


class Backoff:
    """Delays between the attempts of one client."""

    def __init__(self, initial: float, maximum: float, uniform: Callable[[float, float], float]) -> None:
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

    def spread(self, seconds: float) -> float:
        """Return a part of ``seconds``, by the same chance."""
        return self._uniform(0.0, seconds)

    def lasted(self, seconds: float) -> None:
        """A connection lived for ``seconds``. One that fell at once is no reason to start over."""
        if seconds > self._ceiling:
            self._ceiling = self._initial
