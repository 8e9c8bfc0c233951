"""Delays between the attempts of one client."""

from __future__ import annotations

from typing import List, Tuple

from dbxsdk.runtime.fork import uniform
from dbxsdk.session.core.backoff import Backoff


class Asked:
    """In place of ``random.uniform``: notes what it is asked for."""

    def __init__(self, share: float = 1.0) -> None:
        self.ranges: List[Tuple[float, float]] = []
        self._share = share

    def __call__(self, low: float, high: float) -> float:
        self.ranges.append((low, high))
        return low + (high - low) * self._share


def test_ceiling_doubles_up_to_the_maximum_and_jitter_is_full() -> None:
    asked = Asked()
    backoff = Backoff(1.0, 5.0, asked)
    assert [backoff.next() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert asked.ranges == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 5.0), (0.0, 5.0)]


def test_initial_above_the_maximum_is_the_maximum() -> None:
    assert Backoff(60.0, 5.0, Asked()).next() == 5.0


def test_delays_are_random() -> None:
    delays = {Backoff(1.0, 5.0, uniform).next() for _ in range(20)}
    assert len(delays) > 1
    assert all(0.0 <= delay <= 1.0 for delay in delays)


def test_a_connection_that_fell_at_once_does_not_start_over() -> None:
    backoff = Backoff(1.0, 60.0, Asked())
    assert [backoff.next(), backoff.next()] == [1.0, 2.0]
    backoff.lasted(3.9)
    assert backoff.next() == 4.0


def test_a_connection_that_lived_starts_over() -> None:
    backoff = Backoff(1.0, 60.0, Asked())
    assert [backoff.next(), backoff.next()] == [1.0, 2.0]
    backoff.lasted(4.1)
    assert backoff.next() == 1.0
