"""How long the fuzzing runs, and what it has run.

As part of the suite: few examples, the same each time. With ``DBXSDK_FUZZ_EXAMPLES=N``: N examples of what takes least
time, fewer of the rest, from a new seed each time; the figures are in pytest's summary.
"""

from __future__ import annotations

import collections
import os
from typing import Any, Callable, Counter, Dict

from hypothesis import HealthCheck, settings

from tests.fuzz.budgets import each_bounded

EXAMPLES = int(os.environ.get("DBXSDK_FUZZ_EXAMPLES", "0"))
_IN_SUITE = 30

ran: Dict[str, Counter[str]] = collections.defaultdict(collections.Counter)
"""What was run, by subject."""


def count(subject: str, what: str = "examples", number: int = 1) -> None:
    ran[subject][what] += number


def limits(share: float = 1.0) -> Callable[[Any], Any]:
    """A decorator above ``given``: the test runs ``share`` of the examples, and each of them keeps to its budget."""

    def limited(test: Any) -> Any:
        test.hypothesis.inner_test = each_bounded(test.hypothesis.inner_test)
        return plan(share)(test)

    return limited


def plan(share: float, **more: Any) -> settings:
    """hypothesis's settings. No deadline: pytest's limit ends what hangs, and a shared machine may be slow."""
    return settings(
        max_examples=max(int((EXAMPLES or _IN_SUITE) * share), 1),
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **more,
    )
