"""Delays between attempts, and the budget of connections that a process shares."""

from __future__ import annotations

import threading
from typing import List, Tuple

from dbxsdk.session.backoff import Backoff, ConnectionBudget


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


def test_delays_are_random_by_default() -> None:
    delays = {Backoff(1.0, 5.0).next() for _ in range(20)}
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


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_budget_says_how_long_to_wait() -> None:
    clock = Clock()
    budget = ConnectionBudget(clock)
    limit = (2, 300.0)
    assert budget.reserve("a:443", limit) == 0.0
    clock.now += 100
    assert budget.reserve("a:443", limit) == 0.0
    assert budget.reserve("a:443", limit) == 200.0
    assert budget.reserve("b:443", limit) == 0.0, "each host has its own"
    clock.now += 200
    assert budget.reserve("a:443", limit) == 0.0
    assert budget.reserve("a:443", limit) == 100.0


def test_budget_is_never_exceeded_by_threads() -> None:
    budget = ConnectionBudget(Clock())
    granted: List[float] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        for _ in range(50):
            granted.append(budget.reserve("a:443", (100, 300.0)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.count(0.0) == 100
    assert len(granted) == 400


def test_budget_works_in_a_child_forked_while_its_lock_was_held() -> None:
    budget = ConnectionBudget(Clock())
    budget.reserve("a:443", (1, 300.0))
    budget._lock.acquire()
    budget._pid = 0  # the parent's
    assert budget.reserve("a:443", (1, 300.0)) == 300.0, "what the parent used counts on"
