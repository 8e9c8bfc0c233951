"""``python -m tests.chaos [--calls N] [--threads N] [--seed N]``: many rounds, and a table of the outcomes."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from typing import Optional, Sequence

from tests.chaos.rounds import OUTCOMES, RESULT, Verdict, play
from tests.chaos.venues import VENUES

ROUND = 1_500
"""Calls. Each round has an address of its own: the client keeps to the venues' limits of new connections."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Exactly one outcome for each request.")
    parser.add_argument("--calls", type=int, default=20_000, help="in all, over all venues (default: 20000)")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--venues", nargs="+", choices=list(VENUES), default=list(VENUES))
    wanted = parser.parse_args(arguments)
    seed = random.randrange(1_000_000) if wanted.seed is None else wanted.seed
    logging.getLogger("dbxsdk").addHandler(logging.NullHandler())
    print(f"seed {seed}", flush=True)
    started = time.monotonic()
    verdicts = {kind: Verdict() for kind in wanted.venues}
    left, number = wanted.calls, 0
    while left > 0:
        kind = wanted.venues[number % len(wanted.venues)]
        calls = min(ROUND, left)
        # Every fourth round of a venue is closed in the middle.
        close_after = calls // 2 if number // len(wanted.venues) % 4 == 3 else None
        verdicts[kind].add(play(kind, calls, wanted.threads, f"{seed}.{number}", close_after))
        left, number = left - calls, number + 1
    for kind, verdict in verdicts.items():
        print(f"\n{kind}, {verdict.connections} connections")
        show(verdict)
    total = Verdict()
    for verdict in verdicts.values():
        total.add(verdict)
    print(f"\nall, {number} rounds, {wanted.threads} threads, {time.monotonic() - started:.0f} s")
    show(total)
    for violation in total.violations:
        print(f"VIOLATION: {violation}")
    print(f"\n{sum(total.table.values())} calls, {len(total.violations)} violations")
    return 1 if total.violations else 0


def show(verdict: Verdict) -> None:
    """Outcome by how often the venue carried it out."""
    print(f"{'outcome':<18}{'executed 0':>12}{'1':>9}{'2+':>9}")
    others = sorted({name for name, _ in verdict.table} - {RESULT, *OUTCOMES})
    for name in (RESULT, *OUTCOMES, *others):
        print(f"{name:<18}{verdict.table[name, 0]:>12}{verdict.table[name, 1]:>9}{verdict.table[name, 2]:>9}")


if __name__ == "__main__":
    sys.exit(main())
