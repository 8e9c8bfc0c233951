"""What is said of a request is never wrong: the argument against every course of a venue that keeps its two assumptions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk.bybit import from_rest
from dbxsdk.bybit.trade.certainty import (
    AHEAD_MS,
    EXECUTIONS,
    HISTORY,
    KEPT_MS,
    MARGIN_MS,
    REALTIME,
    SOURCES,
    Inquiry,
    Question,
    differences,
)

T, WINDOW = 1_700_000_000_000, 5000
CERTAIN = T + WINDOW + MARGIN_MS


def order(status: str = "New", *, created: int = T, updated: Optional[int] = None, **more: Any) -> Any:
    row = {
        "symbol": "S",
        "orderId": "o",
        "orderLinkId": "l",
        "side": "Buy",
        "orderStatus": status,
        "qty": "1",
        "price": "10",
        "createdTime": str(created),
        "updatedTime": str(created if updated is None else updated),
    }
    return from_rest("order", {**row, **more}, "linear")


def fill(at: int = T, **more: Any) -> Any:
    row = {"symbol": "S", "side": "Buy", "orderId": "o", "orderLinkId": "l", "execId": "e", "execPrice": "1", "execQty": "1"}
    return from_rest("execution", {**row, "execTime": at, **more}, "linear")


def inquiry(kind: str = "create", wanted: Any = None, **more: Any) -> Inquiry:
    fields: Dict[str, Any] = {"sent_ms": T, "closes_ms": T + WINDOW, **more}
    return Inquiry(Question(kind=kind, category="linear", order_link_id="l", wanted=wanted or {}, **fields))


def outcome(asked: Inquiry) -> Optional[str]:
    return None if asked.verdict is None else asked.verdict.outcome


def silent(asked: Inquiry, at: int = CERTAIN + 1) -> Inquiry:
    for source in SOURCES:
        asked.observed(source, at, ())
    return asked


# -- a venue's course, drawn ---------------------------------------------------------------------------------


@attrs.frozen
class Course:
    """What became of a new order: when it came (None: never, or too late), when it ended, and when what was shown."""

    arrived: Optional[int]
    ended: Optional[int]
    filled: bool
    shown_late: int
    lag: int
    forgets: int
    """So long after its end ``order/realtime`` knows it no more: not before the history shows it."""

    def shows(self, source: str, now: int) -> Tuple[Any, ...]:
        if self.arrived is None or now < self.arrived + self.shown_late:
            return ()
        ended = self.ended is not None and self.ended <= now
        row = order("New", created=self.arrived)
        if ended:
            row = order("Filled" if self.filled else "Cancelled", created=self.arrived, updated=self.ended)
        if source == EXECUTIONS:
            return (fill(self.ended or 0),) if ended and self.filled and now >= (self.ended or 0) + self.lag else ()
        if source == REALTIME:
            return (row,) if not ended or now < (self.ended or 0) + self.lag + self.forgets else ()
        return (row,) if ended and now >= (self.ended or 0) + self.lag else ()


@st.composite
def courses(draw: st.DrawFn) -> Course:
    arrived = draw(st.none() | st.integers(T - AHEAD_MS + 1, T + WINDOW))
    ended = None if arrived is None else draw(st.none() | st.integers(arrived, arrived + 20_000))
    lags = st.integers(0, MARGIN_MS)
    return Course(arrived, ended, draw(st.booleans()), draw(lags), draw(lags), draw(st.integers(0, 5000)))


QUESTIONS = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 300), st.sets(st.sampled_from(SOURCES))), max_size=12)
"""Rounds: the pause before each, the time that each question takes, and the lists that do not answer."""


@given(courses(), QUESTIONS)
def test_no_course_makes_it_wrong(course: Course, rounds: List[Any]) -> None:
    asked, now = inquiry(), T
    for pause, slow, failing in rounds:
        now += pause
        clock = now  # read once a round, before the questions
        for source in SOURCES:
            now += slow
            if source in failing:
                asked.failed(source, "down")
            else:
                asked.observed(source, clock, course.shows(source, now))
            said = outcome(asked)
            assert said in (None, "executed" if course.arrived is not None else "not_executed"), (said, course)


@given(courses(), st.integers(0, 300))
def test_two_rounds_are_enough(course: Course, slow: int) -> None:
    asked, now = inquiry(), CERTAIN + 1
    for source in SOURCES:
        now += slow
        asked.observed(source, CERTAIN + 1, course.shows(source, now))
    assert outcome(asked) == ("executed" if course.arrived is not None else "not_executed")


@given(st.lists(st.tuples(st.sampled_from(SOURCES), st.integers(CERTAIN - 2, CERTAIN + 2)), max_size=8))
def test_silence_counts_after_the_margin_in_sequence_and_of_all_three(questions: List[Tuple[str, int]]) -> None:
    asked, now = inquiry(), 0
    counted: List[str] = []
    for source, at in questions:
        now = max(now, at)
        asked.observed(source, now, ())
        if now > CERTAIN:
            counted.append(source)
    after = counted[counted.index(REALTIME):] if REALTIME in counted else []
    assert (outcome(asked) == "not_executed") is ({EXECUTIONS, HISTORY} <= set(after))


# -- rules one by one ----------------------------------------------------------------------------------------


def test_without_the_venues_clock_silence_proves_nothing() -> None:
    asked = inquiry()
    for source in SOURCES:
        asked.observed(source, None, ())
    assert outcome(asked) is None


def test_an_id_alone_is_certain_a_window_after_it_was_asked_for() -> None:
    asked = inquiry(sent_ms=None, closes_ms=None)
    assert outcome(silent(asked, T + 10**6)) is None
    asked.clock_read(T, WINDOW)
    asked.clock_read(T + 9000, WINDOW)
    assert outcome(silent(asked, T + AHEAD_MS + WINDOW + MARGIN_MS)) is None
    assert outcome(silent(asked, T + AHEAD_MS + WINDOW + MARGIN_MS + 1)) == "not_executed"
    assert asked.verdict is not None and "24 hours" in asked.verdict.reason


def test_a_day_later_silence_proves_nothing() -> None:
    assert outcome(silent(inquiry(), T + KEPT_MS)) == "not_executed"
    late = silent(inquiry(), T + KEPT_MS + 1).verdict
    assert late is not None and late.outcome == "unknown" and "24 hours" in late.reason


def test_an_earlier_order_of_the_same_id_is_not_this_one() -> None:
    asked = inquiry()
    asked.observed(REALTIME, CERTAIN + 1, (order("Filled", created=T - AHEAD_MS - 1),))
    asked.observed(EXECUTIONS, CERTAIN + 1, (fill(T - AHEAD_MS - 1),))
    assert outcome(asked) is None
    asked.observed(HISTORY, CERTAIN + 1, ())
    assert outcome(asked) == "unknown" and asked.evidence.earlier is not None and asked.evidence.order is None


@pytest.mark.parametrize("kind", ["create", "amend", "cancel"])
def test_the_answer_settles_it(kind: str) -> None:
    asked = inquiry(kind, {"qty": "2"})
    asked.answered(True, "")
    assert outcome(asked) == "executed"
    asked = inquiry(kind, {"qty": "2"})
    asked.observed(REALTIME, T, (order("New", created=T - 9999),))
    asked.answered(False, "no balance")
    assert asked.verdict is not None and asked.verdict.outcome == "not_executed" and "no balance" in asked.verdict.reason


CANCELLED = {"cancelType": "CancelByUser", "rejectReason": "EC_PerCancelRequest"}


@pytest.mark.parametrize(
    "row, said",
    [
        (order("New", created=T - 9999), None),
        (order("PartiallyFilled", created=T - 9999), None),
        (order("Filled", created=T - 9999), "not_executed"),
        (order("Rejected", created=T - 9999), "not_executed"),
        (order("Cancelled", created=T - 9999, updated=T + 1, **CANCELLED), "executed"),
        (order("Deactivated", created=T - 9999, updated=T + 1, **CANCELLED), "executed"),
        (order("PartiallyFilledCanceled", created=T - 9999, updated=T + 1, **CANCELLED), "executed"),
        (order("Cancelled", created=T - 9999, updated=T - AHEAD_MS - 1, **CANCELLED), "not_executed"),
        (order("Cancelled", created=T - 9999, updated=T + 1, cancelType="CancelByReduceOnly"), "not_executed"),
        (order("Cancelled", created=T - 9999, updated=T + 1, cancelType="UNKNOWN", rejectReason="EC_NoError"), "unknown"),
    ],
    ids=range(10),
)
def test_a_cancellation_is_judged_by_the_order(row: Any, said: Optional[str]) -> None:
    asked = inquiry("cancel")
    asked.observed(REALTIME, CERTAIN, (row,))
    assert outcome(asked) == said, "at once, if the order has ended"
    asked.observed(REALTIME, CERTAIN + 1, (row,))
    assert outcome(asked) == (said or "not_executed")


@pytest.mark.parametrize(
    "wanted, row, at_once, late",
    [
        ({"qty": "2"}, order("New", updated=T + 1, qty="2"), "executed", "executed"),
        ({"qty": "2.0", "price": "10"}, order("Filled", updated=T + 1, qty="2"), "executed", "executed"),
        ({"qty": "2"}, order("New", updated=T + 1, qty="1"), None, "not_executed"),
        ({"qty": "2"}, order("Filled", updated=T + 1, qty="1"), "not_executed", "not_executed"),
        ({"qty": "1"}, order("New", created=T - 9999), None, "not_executed"),
        ({"qty": "1"}, order("Cancelled", created=T - 9999), "not_executed", "not_executed"),
        ({"takeProfit": "0"}, order("New", updated=T + 1, takeProfit=""), "executed", "executed"),
        ({"takeProfit": "5"}, order("New", updated=T + 1, takeProfit=""), None, "not_executed"),
        ({"triggerBy": "MarkPrice"}, order("New", updated=T + 1, triggerBy="MarkPrice"), "executed", "executed"),
        ({"new": "x"}, order("New", updated=T + 1), None, "unknown"),
        ({"qty": "2"}, order("New", updated=T + 1, reduceOnly=True), None, "unknown"),
        ({"qty": "2", "price": "9"}, order("New", updated=T + 1, reduceOnly=True), None, "not_executed"),
    ],
    ids=range(12),
)
def test_an_amendment_is_judged_by_the_order(wanted: Any, row: Any, at_once: Optional[str], late: str) -> None:
    asked = inquiry("amend", wanted)
    asked.observed(REALTIME, CERTAIN, (row,))
    assert outcome(asked) == at_once
    asked.observed(REALTIME, CERTAIN + 1, (row,))
    assert outcome(asked) == late


@pytest.mark.parametrize("kind", ["amend", "cancel"])
def test_an_order_that_nobody_knows_was_not_changed(kind: str) -> None:
    asked = inquiry(kind, {"qty": "2"})
    assert outcome(silent(asked, CERTAIN)) is None
    assert outcome(silent(asked)) == "not_executed"


FOREIGN: Any = {"orderId": "another", "orderLinkId": "another's"}


@pytest.mark.parametrize("kind", ["create", "amend", "cancel"])
@pytest.mark.parametrize("foreign", [FOREIGN, {**FOREIGN, "orderLinkId": ""}], ids=["named", "nameless"])
def test_rows_of_other_orders_are_neither_proof_nor_silence(kind: str, foreign: Any) -> None:
    asked = inquiry(kind, {"qty": "1"})
    for source in SOURCES:
        row = fill(**foreign) if source == EXECUTIONS else order("Filled", **foreign)
        asked.observed(source, CERTAIN + 1, (row,))
        assert outcome(asked) is None and "other orders" in asked.failures[source]
    assert outcome(silent(asked)) == "not_executed" and asked.failures == {}, "once they answer"
    asked = inquiry(kind, {"qty": "1"})
    asked.observed(REALTIME, T, (order("New", **foreign), order("New", updated=T + 1)))
    assert asked.evidence.order is not None and asked.evidence.order.order_id == "o" and asked.failures == {}


def test_of_both_ids_the_venues_own_counts() -> None:
    asked = inquiry("cancel", order_id="o")
    asked.observed(REALTIME, T, (order("Filled", orderId="another"),))
    assert asked.evidence.order is None
    asked.observed(REALTIME, T, (order("Filled", orderLinkId=""),))
    assert asked.evidence.order is not None
    by_link = inquiry()
    by_link.observed(EXECUTIONS, T, (fill(orderLinkId=""),))
    assert not by_link.evidence.filled, "of which order is not known yet"
    by_link.observed(REALTIME, T, (order(),))
    by_link.observed(EXECUTIONS, T, (fill(orderLinkId=""),))
    assert by_link.evidence.filled


@pytest.mark.parametrize("kind", ["create", "amend", "cancel"])
def test_without_an_id_only_the_answer_says_anything(kind: str) -> None:
    asked = Inquiry(Question(kind=kind, category="linear", sent_ms=T, closes_ms=T + WINDOW))
    assert asked.verdict is not None and asked.verdict.outcome == "unknown" and "names no order" in asked.verdict.reason
    asked.answered(True, "")
    assert outcome(asked) == "executed"
    asked.answered(False, "no")
    assert outcome(asked) == "not_executed"


@pytest.mark.parametrize(
    "wanted, status, row, said",
    [
        ({"qty": "0.5"}, "Filled", {"cumExecQty": "1"}, "unknown"),
        ({"qty": "0.5"}, "Filled", {}, "unknown"),
        ({"qty": "0.5"}, "Cancelled", {"cumExecQty": "0.5"}, "unknown"),
        ({"qty": "0.5"}, "PartiallyFilledCanceled", {"cumExecQty": "0.6"}, "unknown"),
        ({"qty": "0.5", "price": "9"}, "Filled", {"cumExecQty": "1"}, "unknown"),
        ({"qty": "0.5"}, "Cancelled", {"cumExecQty": "0.4"}, "not_executed"),
        ({"qty": "2"}, "Filled", {"cumExecQty": "1"}, "not_executed"),
        ({"qty": "1", "price": "9"}, "Filled", {"cumExecQty": "1"}, "not_executed"),
        ({"qty": "0.5"}, "Filled", {"cumExecQty": "1", "updatedTime": str(T - AHEAD_MS - 1)}, "not_executed"),
        ({"qty": "0.5"}, "Filled", {"cumExecQty": "0.5", "qty": "0.5"}, "executed"),
        ({"qty": "many"}, "Filled", {"cumExecQty": "1"}, "not_executed"),
        ({"qty": "0.5"}, "PartiallyFilled", {"cumExecQty": "0.7"}, "not_executed"),
    ],
)
def test_a_size_of_no_more_than_was_filled_may_have_ended_the_order(wanted: Any, status: str, row: Any, said: Any) -> None:
    asked = inquiry("amend", wanted)
    asked.observed(REALTIME, CERTAIN + 1, (order(status, **{"created": T - 9999, "updated": T + 1, **row}),))
    assert outcome(asked) == said
    if said == "unknown":
        asked.answered(True, "")
        assert outcome(asked) == "executed"


def test_the_newest_row_counts_and_the_end_after_an_equal_time() -> None:
    asked = inquiry("cancel")
    asked.observed(HISTORY, T, (order("Filled", updated=T + 5),))
    asked.observed(REALTIME, CERTAIN + 1, (order("New", updated=T + 5), order("New", updated=T + 4)))
    assert asked.evidence.order is not None and asked.evidence.order.order_status == "Filled"


def test_what_is_no_number_differs() -> None:
    assert differences({"qty": "many", "price": Decimal(10)}, order()) == {"qty"}
    assert differences({"symbol": "S", "orderId": "o"}, order()) is None
