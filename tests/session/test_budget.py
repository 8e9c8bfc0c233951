"""The budget of connections that a process shares."""

from __future__ import annotations

import threading
from typing import List

from dbxsdk.session.budget import ConnectionBudget


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
