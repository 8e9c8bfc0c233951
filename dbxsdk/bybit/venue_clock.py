"""The venue's clock as its replies tell it: the time to sign with, and how far this machine's clock is off."""

from __future__ import annotations

import collections
import logging
import time
from typing import Callable, Deque, Hashable, Optional, Tuple

from dbxsdk.clock_skew import bounds, in_words
from dbxsdk.runtime.clock import monotonic

logger = logging.getLogger(__name__)

_DRIFT = 0.0005
"""Seconds in a second by which two clocks may come apart: as fast as NTP moves one at most."""

_MOST_AHEAD_MS = 500
"""The venue refuses orders whose time is 1,000 ms ahead of its own, so that the time given is never further ahead."""

NOTABLE_MS = 1000
"""From here on a difference is told: the venue takes less for the time on the way."""

_PINGS_KEPT = 1000

steady = monotonic
"""Seconds by a clock that nobody sets and that goes on while the machine sleeps."""


def wall() -> float:
    return time.time()


class VenueClock:
    """What time it is for the venue. Until a reply has told it, that is this machine's wall clock.

    The venue reads its clock after the request was made and before the answer is here, so each reply gives two bounds.
    What lies within those of all replies is kept, whereby the quickest counts most. Where a reply contradicts the
    earlier ones, a clock was set, and it alone counts. The bounds are kept against a clock that nobody sets: once one
    reply has come, the wall clock may be set to whatever it will.

    The reader thread measures; any thread may ask.
    """

    def __init__(self, wall: Callable[[], float] = wall, steady: Callable[[], float] = steady) -> None:
        """``wall()``: seconds since 1970 by this machine's clock. ``steady()``: seconds by one that is never set."""
        self._wall = wall
        self._steady = steady
        # In ms, the venue's clock minus the steady one: at least, at most, and the steady time of that. Replaced whole.
        self._bounds: Optional[Tuple[float, float, float]] = None
        self._pings: Deque[Tuple[Hashable, float]] = collections.deque(maxlen=_PINGS_KEPT)
        self._told_ms = 0

    # -- measuring -----------------------------------------------------------------------------------

    def moment(self) -> float:
        """The steady clock: what ``heard`` and ``error_ms`` are given later on."""
        return self._steady()

    def heard(self, venue_ms: Optional[int], asked: float) -> None:
        """An answer that has just come says that it was ``venue_ms``; its request was made at the moment ``asked``."""
        if venue_ms is None:
            return
        now = self._steady()
        low, high = bounds(venue_ms, 1, asked * 1000, now * 1000)
        if self._bounds is not None:
            known_low, known_high, since = self._bounds
            slack = _DRIFT * (now - since) * 1000
            both_low, both_high = max(low, known_low - slack), min(high, known_high + slack)
            if both_low <= both_high:
                low, high = both_low, both_high
        self._bounds = low, high, now
        self._tell()

    def ping_made(self, key: Hashable) -> None:
        self._pings.append((key, self._steady()))

    def pong_came(self, key: Optional[Hashable], venue_ms: Optional[int]) -> None:
        """``key`` is None where pongs do not say which ping they answer; they come in the order of the pings."""
        while self._pings:
            made, asked = self._pings.popleft()
            if key is None or key == made:
                self.heard(venue_ms, asked)
                return

    def connection_lost(self) -> None:
        """What was not answered will not be. What is known of the venue's clock stays."""
        self._pings.clear()

    # -- asking --------------------------------------------------------------------------------------

    @property
    def is_known(self) -> bool:
        """Whether the venue's clock was measured."""
        return self._bounds is not None

    def now_ms(self) -> int:
        """The venue's time in ms since 1970; this machine's where it was not measured."""
        if self._bounds is None:
            return int(self._wall() * 1000)
        return int(self._steady() * 1000 + self._offset_ms())

    def error_ms(self, given_ms: int, moment: float) -> int:
        """How far ``given_ms``, taken at ``moment``, was from the venue's time as it is known now; below 0: behind."""
        return 0 if self._bounds is None else round(given_ms - moment * 1000 - self._offset_ms())

    def _offset_ms(self) -> float:
        assert self._bounds is not None
        low, high, _ = self._bounds
        return min((low + high) / 2, low + _MOST_AHEAD_MS)

    def skew_ms(self) -> int:
        """The venue's clock minus this machine's wall clock; 0 where that is within what is known of the venue's."""
        if self._bounds is None:
            return 0
        low, high, _ = self._bounds
        here = (self._wall() - self._steady()) * 1000
        return 0 if low <= here <= high else round((low + high) / 2 - here)

    @property
    def is_off(self) -> bool:
        """Whether this machine's clock is so wrong that the venue would not take its time."""
        return abs(self.skew_ms()) >= NOTABLE_MS

    def told(self) -> str:
        """How far this machine's clock is off, in words."""
        return in_words(self.skew_ms() if self.is_known else None, NOTABLE_MS)

    def _tell(self) -> None:
        skew_ms = self.skew_ms()
        if abs(skew_ms - self._told_ms) >= NOTABLE_MS:
            self._told_ms = skew_ms
            logger.warning("bybit: %s; the venue's time is used for what is signed", self.told())
