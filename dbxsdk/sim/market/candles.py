"""Candles of several intervals at once, built from trades."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone
from decimal import Decimal
from typing import Deque, Dict, Iterable, List, Optional, Tuple

import attrs

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_WEEK_MS = 7 * _DAY_MS
_KEPT = 200
_FIRST_MONDAY_MS = 4 * _DAY_MS  # 1970-01-01 was a Thursday


@attrs.define
class Candle:
    """One candle; ``end_ms`` is its last millisecond, ``time_ms`` the time of its last trade (or its start)."""

    start_ms: int
    end_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    time_ms: int


def bounds(interval: str, now_ms: int) -> Tuple[int, int]:
    """Return the first and last millisecond of the candle of ``interval`` (minutes, or D, W, M) that holds ``now_ms``."""
    if interval == "M":
        now = datetime.fromtimestamp(now_ms / 1000, timezone.utc)
        start = datetime(now.year, now.month, 1, tzinfo=timezone.utc)
        following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=timezone.utc)
        return int(start.timestamp() * 1000), int(following.timestamp() * 1000) - 1
    if interval == "W":
        start_ms = now_ms - (now_ms - _FIRST_MONDAY_MS) % _WEEK_MS
        return start_ms, start_ms + _WEEK_MS - 1
    length = _DAY_MS if interval == "D" else int(interval) * _MINUTE_MS
    start_ms = now_ms - now_ms % length
    return start_ms, start_ms + length - 1


class Candles:
    """The open candle of each interval, and those that closed before it."""

    def __init__(self, intervals: Iterable[str]) -> None:
        intervals = tuple(intervals)
        self._open: Dict[str, Optional[Candle]] = {interval: None for interval in intervals}
        self._closed: Dict[str, Deque[Candle]] = {interval: deque(maxlen=_KEPT) for interval in intervals}

    def add(self, now_ms: int, price: Decimal, size: Decimal) -> None:
        """Count one trade into every interval."""
        for interval in self._open:
            candle = self.at(interval, now_ms, price)
            candle.high = max(candle.high, price)
            candle.low = min(candle.low, price)
            candle.close = price
            candle.volume += size
            candle.turnover += price * size
            candle.time_ms = now_ms

    def at(self, interval: str, now_ms: int, price: Decimal) -> Candle:
        """Return the candle open at ``now_ms``; a new one opens at the last close, or else at ``price``."""
        candle = self._open[interval]
        if candle is not None and now_ms <= candle.end_ms:
            return candle
        if candle is not None:
            self._closed[interval].append(candle)
            price = candle.close
        start_ms, end_ms = bounds(interval, now_ms)
        zero = Decimal(0)
        fresh = Candle(start_ms, end_ms, price, price, price, price, zero, zero, start_ms)
        self._open[interval] = fresh
        return fresh

    def closed(self, interval: str) -> Optional[Candle]:
        """Return the last candle of ``interval`` that closed."""
        return self._closed[interval][-1] if self._closed.get(interval) else None

    def keeps(self, interval: str) -> bool:
        return interval in self._closed

    def history(self, interval: str) -> List[Candle]:
        """Return the closed candles of ``interval`` that are kept and the open one, oldest first."""
        latest = self._open[interval]
        return [*self._closed[interval], *(() if latest is None else (latest,))]
