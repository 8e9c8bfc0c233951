"""The venue's clock, measured from its replies: the time to sign with, and how far this machine's clock is off."""

from __future__ import annotations

import collections
import time
from typing import Callable, Deque, Hashable, Optional, Tuple

from dbxsdk.clock_skew import bounds, in_words
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

_DRIFT = 0.0005
"""Seconds per second by which two clocks may drift apart: as fast as NTP slews one at most."""

_MOST_AHEAD_MS = 500
"""The venue refuses orders whose time is 1,000 ms ahead of its own: the time used is never further ahead than this."""

NOTABLE_MS = 1000
"""A difference from here on is reported: the venue tolerates less, as the time that a request takes to arrive."""

_PINGS_KEPT = 1000

steady = monotonic
"""Seconds by a clock that is never set and that runs while the machine sleeps."""


def wall() -> float:
    return time.time()


class VenueClock:
    """The venue's time. Until a reply has stated it, that is this machine's wall clock.

    The venue reads its clock after the request was made and before the answer arrives, so each reply gives two bounds.
    Their intersection is kept, to which the quickest reply contributes most. If a reply contradicts the earlier ones, a
    clock was set, and that reply alone counts. The bounds refer to a clock that is never set: once one reply has come,
    setting the wall clock changes nothing.

    The reader thread measures; any thread may ask.
    """

    def __init__(self, wall: Callable[[], float] = wall, steady: Callable[[], float] = steady) -> None:
        """``wall()``: seconds since 1970 by this machine's clock. ``steady()``: seconds by one that is never set."""
        self._wall = wall
        self._steady = steady
        # In ms, the venue's clock minus the steady one: at least, at most, and the steady time of that. Replaced whole.
        self._bounds: Optional[Tuple[float, float, float]] = None
        self._pings: Deque[Tuple[Hashable, float]] = collections.deque(maxlen=_PINGS_KEPT)
        self._reported_ms = 0

    # -- measuring -----------------------------------------------------------------------------------

    def moment(self) -> float:
        """Return the time of the steady clock, for ``heard`` and ``error_ms`` later on."""
        return self._steady()

    def heard(self, venue_ms: Optional[int], asked: float) -> None:
        """Take in an answer that has just come and says ``venue_ms``; its request was made at the moment ``asked``."""
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
        self._report()

    def ping_made(self, key: Hashable) -> None:
        self._pings.append((key, self._steady()))

    def pong_came(self, key: Optional[Hashable], venue_ms: Optional[int]) -> None:
        """Take in a pong. ``key`` is None if pongs do not say which ping they answer; they come in the order of the pings."""
        while self._pings:
            made, asked = self._pings.popleft()
            if key is None or key == made:
                self.heard(venue_ms, asked)
                return

    def connection_lost(self) -> None:
        """Forget the pings that were not answered. The bounds of the venue's clock stay."""
        self._pings.clear()

    # -- asking --------------------------------------------------------------------------------------

    @property
    def is_known(self) -> bool:
        """True once the venue's clock was measured."""
        return self._bounds is not None

    def now_ms(self) -> int:
        """Return the venue's time in ms since 1970; this machine's before the venue's was measured."""
        if self._bounds is None:
            return int(self._wall() * 1000)
        return int(self._steady() * 1000 + self._offset_ms())

    def error_ms(self, given_ms: int, moment: float) -> int:
        """Return how far ``given_ms``, taken at ``moment``, was off the venue's time as it is known now; below 0: behind."""
        return 0 if self._bounds is None else round(given_ms - moment * 1000 - self._offset_ms())

    def _offset_ms(self) -> float:
        assert self._bounds is not None
        low, high, _ = self._bounds
        return min((low + high) / 2, low + _MOST_AHEAD_MS)

    def skew_ms(self) -> Optional[int]:
        """Return the venue's clock minus this machine's wall clock; 0 if that is within the bounds of the venue's, None if
        they are not known."""
        if self._bounds is None:
            return None
        low, high, _ = self._bounds
        here = (self._wall() - self._steady()) * 1000
        return 0 if low <= here <= high else round((low + high) / 2 - here)

    def in_words(self) -> str:
        """Return how far this machine's clock is off, as the beginning of a sentence."""
        return in_words(self.skew_ms(), NOTABLE_MS)

    def _report(self) -> None:
        skew_ms = self.skew_ms() or 0
        if abs(skew_ms - self._reported_ms) >= NOTABLE_MS:
            self._reported_ms = skew_ms
            logger.warning("bybit: %s; the venue's time is used for signatures", self.in_words())
