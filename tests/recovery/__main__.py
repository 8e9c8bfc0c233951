"""``python -m tests.recovery [--orders N] [--holes N] [--threads N] [--seed N]``: what was said of lost answers and of holes,
and the truth."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from typing import Optional, Sequence

from tests.recovery import bybit, dbot, holes
from tests.recovery.claims import Verdict

VENUES = {"bybit": bybit.play, "dbot": dbot.play}
ROUND = 500
"""Orders. Each round has a venue of its own."""
HOLES = 50
"""The same of holes."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recovery", description="resolve is never wrong.")
    parser.add_argument("--orders", type=int, default=1_000, help="in all, over all venues (default: 1000)")
    parser.add_argument("--holes", type=int, default=100, help="in a stream of trades of each venue (default: 100)")
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    every = list(dict.fromkeys((*VENUES, *holes.CASES)))
    parser.add_argument("--venues", nargs="+", choices=every, default=every)
    wanted = parser.parse_args(arguments)
    seed = random.randrange(1_000_000) if wanted.seed is None else wanted.seed
    logging.getLogger("dbxsdk").addHandler(logging.NullHandler())
    logging.getLogger("dbxsdk").propagate = False
    print(f"seed {seed}", flush=True)
    begun = time.monotonic()
    wrong = 0
    ordering = [name for name in wanted.venues if name in VENUES and wanted.orders]
    for name in ordering:
        verdict, left, number = Verdict(), wanted.orders // len(ordering), 0
        while left > 0:
            verdict.add(VENUES[name](min(ROUND, left), wanted.threads, f"{seed}.{number}"))
            left, number = left - ROUND, number + 1
        print(f"\n{name}")
        show(verdict)
        wrong += len(verdict.wrong)
    for name in [name for name in wanted.venues if name in holes.CASES and wanted.holes]:
        print(f"\nholes, {name}", flush=True)
        wrong += play_holes(wanted.holes, seed, name)
    print(f"\n{time.monotonic() - begun:.0f} s, {wrong} wrong")
    return 1 if wrong else 0


def play_holes(count: int, seed: int, venue: str) -> int:
    """Return how many things are wrong."""
    outcome, number = holes.Outcome(), 0
    while number < count:
        more = min(HOLES, count - number)
        outcome.add(holes.play(more, f"{seed}.{number}", venue))
        number += more
    print(f"complete {outcome.complete}, with a span {outcome.partial}; of up to {outcome.most} trades")
    print(f"trades filled {outcome.filled}, in spans {outcome.missed}")
    for each in outcome.wrong:
        print(f"WRONG: {each}")
    return len(outcome.wrong)


def show(verdict: Verdict) -> None:
    print(f"{'request':<18}{'said':<14}{'was executed':>14}{'was not':>10}")
    for kind, said in sorted({key[:2] for key in verdict.table}):
        print(f"{kind:<18}{said:<14}{verdict.table[kind, said, True]:>14}{verdict.table[kind, said, False]:>10}")
    for reason, count in verdict.reasons.most_common():
        print(f"unknown {count:>6}  {reason[:150]}")
    for each in verdict.wrong:
        print(f"WRONG: {each}")


if __name__ == "__main__":
    sys.exit(main())
