"""Finds out over REST what became of order requests: asks, never sends again."""

from __future__ import annotations

import threading
from typing import Any, List, Optional, Sequence, Tuple

from dbxsdk.bybit import rest
from dbxsdk.bybit.rest import BybitRest, order_filter
from dbxsdk.bybit.rest_rows import from_rest
from dbxsdk.bybit.trade.certainty import EXECUTIONS, HISTORY, REALTIME, SOURCES, Inquiry, Question
from dbxsdk.cleaning import clean
from dbxsdk.errors import AuthError, DbxError
from dbxsdk.resolution import Resolution
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.sent_requests import SentRequest

_PATHS = {REALTIME: rest.OPEN_ORDERS, EXECUTIONS: rest.EXECUTIONS, HISTORY: rest.ORDER_HISTORY}
_PAUSES = (0.25, 0.5, 1.0)
"""Seconds between the first rounds; then the last of them."""

_ROW_TIME = 2.0
"""Seconds that may be spent to find the order's own row once the outcome is known."""


class Resolver:
    """One ``resolve``: rounds of questions until all is decided or time is up."""

    def __init__(self, side: BybitRest, questions: Sequence[Question], window_ms: int, timeout: float) -> None:
        self._side = side
        self._window_ms = window_ms
        self._deadline = monotonic() + timeout
        self._inquiries = [Inquiry(question) for question in questions]
        self._now_ms: Optional[int] = None
        """The venue's time at the beginning of this round, if it could be read."""
        self._last_ms: Optional[int] = None
        self._checked_ns = wall_ns()
        self._sent: Optional[SentRequest] = None
        self._places: Sequence[int] = ()
        self._answered = False

    def run(self, sent: Optional[SentRequest], places: Sequence[int]) -> Tuple[Resolution, ...]:
        """Return what became of each order. ``sent``: the request, whose answer may still come; ``places``: where in it the
        orders stand. Raises nothing that has to do with the venue."""
        self._sent, self._places = sent, places
        if sent is None:
            return self._run(None)
        with sent.awaited() as wake:
            return self._run(wake)

    def _run(self, wake: Optional[threading.Event]) -> Tuple[Resolution, ...]:
        rounds = 0
        while True:
            self._take_answers()
            undecided = self._undecided()
            if not undecided:
                break
            failure = self._read_clock(undecided)
            if isinstance(failure, AuthError):
                break
            for inquiry in undecided:
                self._ask(inquiry, full=not rounds or self._is_certain_time(inquiry))
            undecided = self._undecided()
            if not undecided or all(inquiry.final for inquiry in undecided) or monotonic() >= self._deadline:
                break
            seconds = min(self._next_round(rounds, undecided), self._deadline - monotonic())
            rounds += 1
            rest.pause(seconds, None if self._answered else wake)
        self._take_answers()
        for inquiry in self._inquiries:
            self._find_row(inquiry)
        return tuple(self._resolution(inquiry) for inquiry in self._inquiries)

    def _undecided(self) -> List[Inquiry]:
        return [inquiry for inquiry in self._inquiries if inquiry.verdict is None]

    @property
    def _news(self) -> bool:
        """True if the venue's answer came, and was not taken in yet."""
        return self._sent is not None and bool(self._sent.answers) and not self._answered

    def _take_answers(self) -> None:
        if self._news:
            self._answered = True
            answers = self._sent.answers if self._sent is not None else ()
            for inquiry, place in zip(self._inquiries, self._places):  # noqa: B905 - as many, by construction
                accepted, words = answers[place] if place < len(answers) else (None, "")
                if accepted is not None:
                    inquiry.answered(accepted, words)

    def _read_clock(self, undecided: Sequence[Inquiry]) -> Optional[DbxError]:
        """Read the venue's clock: what is asked next is asked later than that."""
        self._now_ms = None
        try:
            self._now_ms = self._last_ms = self._side.server_ms(self._deadline)
        except DbxError as error:
            for inquiry in undecided:
                self._note_failure(inquiry, "market/time", error)
            return error
        self._checked_ns = wall_ns()
        for inquiry in undecided:
            inquiry.failures.pop("market/time", None)
            inquiry.clock_read(self._now_ms, self._window_ms)
        return None

    def _is_certain_time(self, inquiry: Inquiry) -> bool:
        certain_ms = inquiry.question.certain_ms
        return self._now_ms is not None and certain_ms is not None and self._now_ms > certain_ms

    def _ask(self, inquiry: Inquiry, full: bool) -> None:
        # In this order: an order that is not open any more when it is asked for is in the history when that is asked.
        for source in SOURCES if full else (REALTIME,):
            if inquiry.verdict is not None or inquiry.final or self._news:
                return
            self._ask_list(inquiry, source, self._deadline)

    def _ask_list(self, inquiry: Inquiry, source: str, deadline: float) -> None:
        question = inquiry.question
        named = dict(order_filter(question.category, question.symbol, question.order_id, question.order_link_id))
        channel = "execution" if source == EXECUTIONS else "order"
        try:
            rows = tuple(from_rest(channel, row, question.category) for row in self._side.rows(_PATHS[source], named, deadline))
        except DbxError as error:
            self._note_failure(inquiry, source, error)
            return
        self._checked_ns = wall_ns()
        inquiry.observed(source, self._now_ms, rows)

    def _note_failure(self, inquiry: Inquiry, source: str, error: DbxError) -> None:
        if isinstance(error, AuthError):
            inquiry.final = f"the key was refused: {error}"
        if monotonic() < self._deadline:  # else only time is up, which says less than what is known
            inquiry.failed(source, str(error))

    def _next_round(self, rounds: int, undecided: Sequence[Inquiry]) -> float:
        seconds = _PAUSES[min(rounds, len(_PAUSES) - 1)]
        for inquiry in undecided:
            certain_ms = inquiry.question.certain_ms
            if self._now_ms is not None and certain_ms is not None and certain_ms >= self._now_ms:
                seconds = min(seconds, (certain_ms + 1 - self._now_ms) / 1000)
        return seconds

    def _find_row(self, inquiry: Inquiry) -> None:
        """Look for the row of an order of which only the outcome is known yet, for a moment."""
        verdict = inquiry.verdict
        evidence, kind = inquiry.evidence, inquiry.question.kind
        if verdict is None or evidence.order is not None or evidence.silent_ms.keys() == set(SOURCES):
            return
        if not inquiry.question.names_order:
            return
        if kind == "create" and evidence.refused is not None:
            return  # an order of that id would be another
        deadline = min(self._deadline, monotonic() + _ROW_TIME)
        for source in (REALTIME, HISTORY):
            if inquiry.evidence.order is None and monotonic() < deadline:
                self._ask_list(inquiry, source, deadline)

    def _resolution(self, inquiry: Inquiry) -> Resolution:
        verdict, evidence = inquiry.verdict, inquiry.evidence
        outcome = "unknown" if verdict is None else verdict.outcome
        reason = self._why_unknown(inquiry) if verdict is None else verdict.reason
        candidates: Tuple[Any, ...] = ()
        if outcome == "unknown":
            candidates = tuple(row for row in (evidence.order, evidence.earlier) if row is not None)
        own = inquiry.question.kind != "create" or evidence.refused is None
        order = evidence.order if own else None
        # A venue's words may be in it.
        return Resolution(
            outcome=outcome, order=order, candidates=candidates, reason=clean(reason), checked_ns=self._checked_ns
        )

    def _why_unknown(self, inquiry: Inquiry) -> str:
        if inquiry.final:
            return inquiry.final
        if inquiry.failures:
            source, reason = next(iter(inquiry.failures.items()))
            return f"{source} could not be asked: {reason}"
        certain_ms, last_ms = inquiry.question.certain_ms, self._last_ms
        if certain_ms is not None and last_ms is not None and last_ms <= certain_ms:
            return f"not found, and the venue may still take or show it for {(certain_ms - last_ms) / 1000:.1f} s: ask again"
        return "time was up before all lists had been asked"
