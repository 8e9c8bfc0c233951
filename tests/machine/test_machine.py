"""The short form: the acts as rules of ``hypothesis``, and some runs from a seed."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.machine.acts import ACTS, Act, play
from tests.machine.course import Totals, dispose, perform, search, shorten
from tests.machine.driver import Driver
from tests.machine.setting import CHOICES, Setting
from tests.machine.settling import settle

SHORT = settings(
    max_examples=60,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class History(RuleBasedStateMachine):
    """One client's history beside a model venue. Its rules are added below."""

    driver: Optional[Driver] = None
    """None in a run that hypothesis ends before it has begun."""

    @initialize(values=st.tuples(*map(st.sampled_from, CHOICES)))
    def begin(self, values: Any) -> None:
        self.driver = Driver(Setting(*values))

    def teardown(self) -> None:
        if self.driver is not None:
            try:
                settle(self.driver)
            finally:
                dispose(self.driver)


def _rule(name: str, act: Act) -> Callable[..., None]:
    def run(self: History, numbers: Any) -> None:
        assert self.driver is not None
        play(self.driver, (name, *numbers))

    run.__name__ = name
    return rule(numbers=st.tuples(*(st.integers(0, limit - 1) for limit in act.limits)))(run)


_RARE = ("close", "close_between", "fork", "fork_in_step", "die")
"""Few of them: they are the end of most that goes on."""


def _rules(names: Any) -> Any:
    rules: Dict[str, Any] = {name: _rule(name, ACTS[name]) for name in names}
    return type("History", (History,), rules)


@pytest.mark.parametrize("rare", ["nothing", *_RARE])
def test_the_machine_keeps_its_promises(rare: str) -> None:
    common = [name for name in ACTS if name not in _RARE]
    kind = _rules([*common, rare] if rare != "nothing" else common)
    examples = 30 if rare == "nothing" else 6
    run_state_machine_as_test(kind, settings=settings(SHORT, max_examples=examples))


def test_runs_from_a_seed_keep_them_too() -> None:
    totals = Totals()
    found = search(3, 4_000, totals)
    assert found is None, str(shorten(found, 10.0))
    assert totals.holes > 10 and totals.gaps > totals.holes / 2
    for kind in ("answered", "refused", "unknown", "not sent"):
        assert totals.outcomes[kind], f"no request was {kind}: the runs see too little"
    assert set(totals.effects) >= {"Send", "Fail", "Emit", "Live", "Stale", "End", "Abort", "Arm", "Changed"}


def test_a_run_can_be_played_again() -> None:
    steps = [("subscribe", 1, 0, 1), ("accept", 0, 0, 0), ("agree", 0, 0, 0), ("cut", 0, 0, 0), ("trade", 0, 2, 0)]
    first, second = Totals(), Totals()
    assert perform(Setting(), steps, first) is None and perform(Setting(), steps, second) is None
    assert first == second and first.holes == 1 and first.gaps == 1
