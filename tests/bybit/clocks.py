"""This machine's clocks, moved by hand and exact."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Dict

from dbxsdk.bybit.venue_clock import VenueClock


class Clocks:
    """``ms`` is the true time, ``wrong_ms`` how far ahead this machine's wall clock is of it."""

    def __init__(self, ms: int, wrong_ms: int = 0) -> None:
        self.ms = ms
        self.wrong_ms = wrong_ms
        self._started_ms = ms - 5_000

    def wall(self) -> Any:
        return Fraction(self.ms + self.wrong_ms, 1000)

    def steady(self) -> Any:
        return Fraction(self.ms - self._started_ms, 1000)

    def options(self) -> Dict[str, Any]:
        """What the protocols take."""
        return {"clock": VenueClock(self.wall, self.steady)}
