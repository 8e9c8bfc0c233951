"""Runs from a seed, one after the other, and the shortest sequence that breaks what a run has broken."""

from __future__ import annotations

import collections
import random
import time
from typing import Any, Callable, Counter, List, Optional, Sequence

import attrs

from dbxsdk.session.core.machine import Machine
from tests.machine.acts import Step, draw, play
from tests.machine.broken import Broken
from tests.machine.driver import Driver
from tests.machine.setting import Setting
from tests.machine.settling import settle

assert Machine

LENGTH = 120
"""Acts of one run."""


@attrs.frozen
class Found:
    """A broken promise, and how it came to be broken."""

    setting: Setting
    steps: Sequence[Step]
    promise: str
    message: str

    def __str__(self) -> str:
        lines = [f"{self.message}", f"with {self.setting.differences()}", f"after {len(self.steps)} acts:"]
        return "\n".join(lines + [f"    {step}" for step in self.steps])


@attrs.define
class Totals:
    """What was done."""

    steps: int = 0
    runs: int = 0
    holes: int = 0
    gaps: int = 0
    updates: int = 0
    effects: Counter[str] = attrs.Factory(collections.Counter)
    outcomes: Counter[str] = attrs.Factory(collections.Counter)

    def add(self, driver: Driver) -> None:
        self.steps += driver.steps
        self.runs += 1
        self.holes += driver.promises.holes
        self.gaps += driver.promises.gaps
        self.updates += driver.promises.updates
        self.effects.update(driver.effects)
        self.outcomes.update(driver.promises.outcomes)


def perform(setting: Setting, steps: Sequence[Step], totals: Optional[Totals] = None) -> Optional[Found]:
    """Play a run; what it has broken, if anything."""
    driver = Driver(setting)
    played = 0
    try:
        for step in steps:
            played += 1
            play(driver, step)
            if driver.machine.link.state.is_over and driver.threads is None:
                break
        settle(driver)
    except Exception as error:
        promise = error.promise if isinstance(error, Broken) else f"no {type(error).__name__}"
        return Found(setting, list(steps[:played]), promise, str(error) if isinstance(error, Broken) else repr(error))
    finally:
        dispose(driver)
        if totals is not None:
            totals.add(driver)
    return None


def dispose(driver: Driver) -> None:
    """What its calls would do at their end is not to be done any more."""
    for call in driver.calls:
        call.orphaned = True


def random_run(chance: random.Random, length: int = LENGTH) -> Any:
    """The circumstances and acts of one run."""
    setting = Setting.draw(chance)
    return setting, draw(chance, length)


def shorten(found: Found, seconds: float = 60.0) -> Found:
    """The same promise broken by fewer acts, and as usual a setting as will do."""
    until = time.monotonic() + seconds
    size = max(len(found.steps) // 2, 1)
    while size:
        position = 0
        while position < len(found.steps) and time.monotonic() < until:
            shorter = perform(found.setting, [*found.steps[:position], *found.steps[position + size:]])
            if shorter is not None and shorter.promise == found.promise:
                found = shorter
            else:
                position += size
        size //= 2
    usual = Setting()
    for name in attrs.asdict(usual):
        plainer = attrs.evolve(found.setting, **{name: getattr(usual, name)})
        if plainer != found.setting and time.monotonic() < until:
            shorter = perform(plainer, found.steps)
            if shorter is not None and shorter.promise == found.promise:
                found = shorter
    for index, step in enumerate(found.steps):
        for place in (1, 2, 3):
            for smaller in range(step[place]):
                simpler = (*step[:place], smaller, *step[place + 1:])
                steps = [*found.steps[:index], simpler, *found.steps[index + 1:]]
                shorter = perform(found.setting, steps) if time.monotonic() < until else None
                if shorter is not None and shorter.promise == found.promise and len(shorter.steps) == len(steps):
                    found, step = shorter, simpler
                    break
    return found


def search(
    seed: int, steps: int, totals: Totals, tell: Callable[[Totals], None] = lambda totals: None, length: int = LENGTH
) -> Optional[Found]:
    """Play runs until so many calls of the machine were made, or a promise was broken."""
    number = 0
    while totals.steps < steps:
        chance = random.Random(f"{seed}/{number}")
        number += 1
        found = perform(*random_run(chance, length), totals)
        if found is not None:
            return found
        tell(totals)
    return None


def steps_to_find(seed: int, limit: int) -> Optional[int]:
    """After how many calls of the machine a promise is broken; None if it is not within ``limit``."""
    totals = Totals()
    return totals.steps if search(seed, limit, totals) is not None else None


def history(found: Found) -> List[str]:
    """The acts as lines."""
    return [" ".join(map(str, step)) for step in found.steps]
