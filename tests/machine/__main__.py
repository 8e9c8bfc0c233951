"""``python -m tests.machine [--steps N] [--seed N] [--breaks]``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from typing import List, Optional

from tests.machine.breaks import BREAKS, broken
from tests.machine.course import Totals, search, shorten

_MOST_STEPS = 200_000
"""Within which each of the breaks has to be found."""


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.machine",
        description="Drives the session's machine beside a model venue, and looks whether it keeps its promises. Exit code 1 "
        "where it does not, with the shortest sequence that is found.",
    )
    parser.add_argument("--steps", type=int, default=1_000_000, metavar="N", help="calls of the machine (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which runs (default 1)")
    parser.add_argument("--breaks", action="store_true", help="put defects in, and say when each is found")
    wanted = parser.parse_args(arguments)
    if wanted.steps < 1:
        parser.error("--steps must be positive")
    logging.getLogger("dbxsdk.book.state").setLevel(logging.CRITICAL)
    return find_breaks() if wanted.breaks else play(wanted.seed, wanted.steps)


def play(seed: int, steps: int) -> int:
    totals, begun = Totals(), time.monotonic()
    told = [begun]

    def tell(totals: Totals) -> None:
        now = time.monotonic()
        if now - told[0] >= 60.0:
            told[0] = now
            minutes = (now - begun) / 60
            print(f"{minutes:5.1f} min  {totals.steps:,} steps, {totals.runs:,} runs, {totals.holes:,} holes", flush=True)

    found = search(seed, steps, totals, tell)
    print(table(totals, time.monotonic() - begun))
    if found is None:
        return 0
    print(f"seed {seed}, run {totals.runs - 1}: {found.message}\nlooking for a shorter way ...", flush=True)
    print(shorten(found, 120.0))
    return 1


def table(totals: Totals, seconds: float) -> str:
    rows = {
        "steps": totals.steps,
        "runs": totals.runs,
        "updates": totals.updates,
        "holes": totals.holes,
        "gaps": totals.gaps,
        **{f"effects {name}": count for name, count in sorted(totals.effects.items())},
        **{f"requests {name}": count for name, count in sorted(totals.outcomes.items())},
    }
    lines = [f"{name:<22}{count:>14,}" for name, count in rows.items()]
    return "\n".join([*lines, f"{'seconds':<22}{seconds:>14,.1f}"])


def find_breaks() -> int:
    missed = 0
    for each in BREAKS:
        totals = Totals()
        with broken(each):
            found = search(each.seed, _MOST_STEPS, totals)
        if found is None:
            missed += 1
            print(f"{each.name:<28} NOT FOUND in {totals.steps:,} steps: {each.what}", flush=True)
        else:
            print(f"{each.name:<28} {totals.steps:>9,} steps  {found.promise}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
