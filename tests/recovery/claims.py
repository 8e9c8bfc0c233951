"""What was said of requests, and how it is compared with the venue's record at the end."""

from __future__ import annotations

import collections
import re
import threading
from typing import Any, Callable, Counter, List, Tuple

import attrs

from dbxsdk import Resolution


@attrs.frozen
class Claim:
    """``said`` of one order: ``"executed"``, ``"not_executed"`` or ``"unknown"``; ``true()`` looks it up."""

    kind: str
    said: str
    reason: str
    true: Callable[[], bool]


class Claims:
    """Those of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: List[Claim] = []

    def add(self, kind: str, said: str, true: Callable[[], bool], reason: str = "") -> None:
        with self._lock:
            self._claims.append(Claim(kind, said, reason, true))

    def resolved(self, kind: str, resolution: Resolution, true: Callable[[], bool]) -> None:
        self.add(f"{kind}, resolved", resolution.outcome, true, resolution.reason)

    def verdict(self) -> Verdict:
        """Compare all with the truth, once nothing moves any more."""
        verdict = Verdict()
        for claim in self._claims:
            happened = claim.true()
            verdict.table[claim.kind, claim.said, happened] += 1
            if claim.said == "unknown":
                verdict.reasons[re.sub(r"[0-9]+(\.[0-9]+)?", "N", claim.reason)] += 1
            elif (claim.said == "executed") is not happened:
                verdict.wrong.append(f"{claim.kind}: said {claim.said} ({claim.reason}); executed: {happened}")
        return verdict


@attrs.define
class Verdict:
    table: Counter[Tuple[str, str, bool]] = attrs.field(factory=collections.Counter)
    reasons: Counter[str] = attrs.field(factory=collections.Counter)
    wrong: List[str] = attrs.field(factory=list)

    def add(self, other: Any) -> None:
        self.table.update(other.table)
        self.reasons.update(other.reasons)
        self.wrong += other.wrong
