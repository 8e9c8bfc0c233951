"""When each record of a recording is due, at the speed that was asked for."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

import attrs

from dbxsdk.arguments import MAX_SECONDS


def check_speed(value: Any) -> Optional[float]:
    """``value``, or a ``TypeError``/``ValueError`` naming ``speed``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"speed must be a number, or None, not {type(value).__name__}")
    if not 0 < value < float("inf"):  # NaN is neither
        raise ValueError(f"speed must be above 0, or None for as fast as possible, not {value}")
    return float(value)


@attrs.define(eq=False)
class Pace:
    """Counts the recorded time that has passed, and waits for the machine's to follow. For one thread. ``wait(seconds)`` may
    return early; ``now()`` is in seconds."""

    _speed: Optional[float]
    _wait: Callable[[float], Any]
    _now: Callable[[], float] = time.monotonic
    _begun: Optional[float] = attrs.field(default=None, init=False)
    _recording: str = attrs.field(default="", init=False)
    _latest_ns: int = attrs.field(default=0, init=False)
    elapsed_ns: int = attrs.field(default=0, init=False)
    """Recorded time played. Between two recordings none passes: their clocks cannot be compared."""

    def advance(self, recording: str, monotonic_ns: int) -> float:
        """A record of that time is next. Returns for how many seconds it is to be waited for: 0 or less, where it is due."""
        if recording != self._recording:
            self._recording, self._latest_ns = recording, monotonic_ns
        # Records of several threads may stand in the other order: time does not go back.
        if monotonic_ns > self._latest_ns:
            self.elapsed_ns += monotonic_ns - self._latest_ns
            self._latest_ns = monotonic_ns
        if self._speed is None:
            return 0.0
        now = self._now()
        if self._begun is None:
            self._begun = now
        return self._begun + self.elapsed_ns / 1e9 / self._speed - now

    def wait(self, seconds: float) -> None:
        self._wait(min(seconds, MAX_SECONDS))
