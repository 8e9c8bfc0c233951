"""Requests: each with one outcome, in time, and the venue's record agrees with it."""

from __future__ import annotations

import collections
import threading
import time
from typing import Any, Callable, Dict, Optional

from dbxsdk.errors import ClientClosed, ConnectError, DbxError, OutcomeUnknown, VenueError
from tests.soak.ledger import Ledger

RESULT, REFUSED, UNKNOWN, UNSENT = "result", "refused", "unknown", "unsent"
OUTCOMES = (RESULT, REFUSED, UNKNOWN, UNSENT)
GRACE = 5.0
"""Seconds beyond its timeout that a call may take on a loaded machine."""


def outcome_of(error: Optional[BaseException]) -> Optional[str]:
    """Which of the outcomes it is; None where it is none."""
    if error is None:
        return RESULT
    if isinstance(error, OutcomeUnknown):
        return UNKNOWN
    if isinstance(error, VenueError):
        return REFUSED
    if isinstance(error, (ConnectError, ClientClosed)):
        return UNSENT
    return None


class Calls:
    """The requests to one venue. An order has a mark, which is in no other frame of any client."""

    def __init__(self, ledger: Ledger, tell: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._tell = tell
        self._lock = threading.Lock()
        self._marks: Dict[str, Optional[str]] = {}
        self.outcomes: Dict[str, int] = collections.Counter()
        self.orders = self.executed = 0

    def make(self, what: str, call: Callable[[], Any], timeout: float, mark: Optional[str] = None) -> bool:
        """Makes one blocking call. Whether it was answered with a result."""
        self.begin(mark)
        started = time.monotonic()
        error: Optional[BaseException] = None
        try:
            call()
        except Exception as problem:
            error = problem
        elapsed = time.monotonic() - started
        if elapsed > timeout + GRACE:
            self._tell(f"{what} took {elapsed:.1f} s, its timeout is {timeout:g} s")
        self.end(what, error, mark)
        return error is None

    def begin(self, mark: Optional[str]) -> None:
        if mark is not None:
            with self._lock:
                self._marks[mark] = None

    def end(self, what: str, error: Optional[BaseException], mark: Optional[str] = None) -> None:
        outcome = outcome_of(error)
        if outcome is None:
            self._tell(f"{what} ended in {type(error).__name__}: {error}, which is no outcome of a request")
            outcome = UNKNOWN if isinstance(error, DbxError) else UNSENT
        with self._lock:
            self.outcomes[outcome] += 1
            if mark is None:
                return
            twice = self._marks.get(mark, "") is not None
            self._marks[mark] = outcome
        if twice:
            self._tell(f"{what} {mark} had two outcomes")

    def reconcile(self) -> None:
        """Compares with the venue's record; while no request is made and nothing is on its way."""
        with self._lock:
            marks, self._marks = self._marks, {}
        for mark, outcome in marks.items():
            arrived, executed = self._ledger.take(mark)
            self.orders += 1
            self.executed += executed
            if arrived > 1 or executed > 1:
                self._tell(f"order {mark} ({outcome}) arrived {arrived} times and was carried out {executed} times")
            elif outcome is None:
                self._tell(f"order {mark} had no outcome")
            elif (outcome == RESULT and not executed) or (outcome == UNSENT and arrived) or (outcome == REFUSED and executed):
                self._tell(f"order {mark} ended as {outcome}, arrived {arrived} times, was carried out {executed} times")
        for mark in list(self._ledger.arrived):
            self._tell(f"order {mark} arrived after it was over")
            self._ledger.take(mark)
