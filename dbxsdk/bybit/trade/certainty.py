"""When it is certain that an order request was carried out, or that it was not and cannot be any more. Pure.

The argument, in one place. The venue refuses a request once its clock shows more than the request's time plus the receive
window (``closes_ms``). What it took before that moment, it shows: an open order in ``order/realtime``, a closed one there or
in ``order/history``, which may lag, and its fills in ``execution/list``. So:

* A row that fits proves that the request was taken, whenever it is seen. It fits if it has the id that was asked for: a list that
  answers with rows of other orders has not answered, and its silence does not count either.
* No row proves nothing, until each of the three lists was asked **after** ``closes_ms`` plus ``MARGIN_MS`` (by the venue's
  clock, read before asking), ``order/realtime`` before the others, and none knows the order. The margin is for what the venue
  shows late; in that sequence, since an order may leave ``order/realtime`` for the others between two questions, and never
  comes back. Then the request was not taken, and cannot be.
* After ``KEPT_MS`` that is no proof any more: orders that ended without a fill are forgotten.
* An order that has ended cannot be cancelled or changed: then nothing has to be waited for.
* An amendment of the size to what was filled, or less, may end the order, and no page says what size it shows then.
* The answer itself, if it comes late, settles it at once.
* Of a request that names no order nothing can be found out but by its answer.

It rests on two assumptions: that from the margin on, what the venue took is in one of the lists at any moment (it would not be if
``order/realtime`` forgot an order that the history does not show yet), and, for amendments and cancellations, that nobody else
changes the order meanwhile.

Source: guide (the receive window), order/open-order, order/order-list, order/execution.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Dict, FrozenSet, Mapping, Optional, Tuple

import attrs

from dbxsdk.bybit.private.models import OPEN, Execution, Order
from dbxsdk.resolution import Outcome

REALTIME, EXECUTIONS, HISTORY = "order/realtime", "execution/list", "order/history"
SOURCES = (REALTIME, EXECUTIONS, HISTORY)

MARGIN_MS = 3000
AHEAD_MS = 1000
"""A request's time may be so far ahead of the venue's clock."""
KEPT_MS = 24 * 3600 * 1000 - 60_000
"""How long ended orders without a fill are shown at least."""

_CANCELLED = frozenset(("Cancelled", "PartiallyFilledCanceled", "Deactivated"))
_SILENT = frozenset((None, "", "UNKNOWN", "EC_NoError"))

# What an amendment may change, as the order shows it.
_NUMBERS = {
    "qty": "qty",
    "price": "price",
    "orderIv": "order_iv",
    "triggerPrice": "trigger_price",
    "takeProfit": "take_profit",
    "stopLoss": "stop_loss",
    "tpLimitPrice": "tp_limit_price",
    "slLimitPrice": "sl_limit_price",
}
_WORDS = {"triggerBy": "trigger_by", "tpTriggerBy": "tp_trigger_by", "slTriggerBy": "sl_trigger_by", "tpslMode": "tpsl_mode"}


@attrs.frozen(kw_only=True)
class Question:
    """What is asked about.

    Attributes:
        kind: ``"create"``, ``"amend"`` or ``"cancel"``.
        order_id, order_link_id: of both the venue goes by ``order_id``.
        wanted: the fields of an amendment, as they were sent.
        sent_ms: the request's own time, by the venue's clock as it was known; None: not known, before now.
        closes_ms: the last ms at which the venue may take it; None: not known yet.
    """

    kind: str
    category: str
    symbol: str = ""
    order_id: str = ""
    order_link_id: str = ""
    wanted: Mapping[str, Any] = attrs.field(factory=dict)
    sent_ms: Optional[int] = None
    closes_ms: Optional[int] = None

    @property
    def names_order(self) -> bool:
        """True if there is something to ask for."""
        return bool(self.order_id or self.order_link_id)

    @property
    def certain_ms(self) -> Optional[int]:
        """Return the time of the venue's clock after which a list has to be asked for its silence to count."""
        return None if self.closes_ms is None else self.closes_ms + MARGIN_MS


@attrs.frozen(kw_only=True)
class Evidence:
    """What is known so far. Times are the venue's, in ms, read before the list was asked.

    Attributes:
        accepted, refused: the late answer: whether it was a yes, and the words of a no.
        order: the newest row that fits.
        order_asked_ms: when ``order`` was asked for; None: not known.
        earlier: a row of the same id that is older than the request.
        filled: true if there are fills of it.
        silent_ms: when each list knew nothing that fits, as far as that counts.
    """

    accepted: bool = False
    refused: Optional[str] = None
    order: Optional[Order] = None
    order_asked_ms: Optional[int] = None
    earlier: Optional[Order] = None
    filled: bool = False
    silent_ms: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Verdict:
    """``outcome`` is ``"unknown"`` if nothing more can be found out by asking."""

    outcome: Outcome
    reason: str


_ACCEPTED = Verdict("executed", "the venue's answer came late: it was accepted")
_NAMELESS = Verdict("unknown", "the request names no order, neither by orderId nor by orderLinkId: there is nothing to ask for")


def judge(question: Question, evidence: Evidence) -> Optional[Verdict]:
    """Return what is certain by now; None if it is worth asking again."""
    if evidence.refused is not None:
        return Verdict("not_executed", f"the venue refused it: {evidence.refused}")
    if not question.names_order:
        return _ACCEPTED if evidence.accepted else _NAMELESS
    if question.kind == "create":
        if evidence.order is not None:
            return Verdict("executed", "the venue has the order")
        if evidence.filled:
            return Verdict("executed", "the venue has fills of the order")
        if evidence.accepted:
            return _ACCEPTED
    elif evidence.order is not None:
        found = (_judge_cancel if question.kind == "cancel" else _judge_amend)(question, evidence.order, evidence)
        if found is not None:
            return found
        if evidence.accepted:
            return _ACCEPTED
        if _is_late(question, evidence.order_asked_ms):
            return Verdict("not_executed", "the order is open and as it was, after the venue's time to take the request")
        return None
    elif evidence.accepted:
        return _ACCEPTED
    return _judge_silence(question, evidence)


def _judge_silence(question: Question, evidence: Evidence) -> Optional[Verdict]:
    if not all(source in evidence.silent_ms for source in SOURCES):
        return None
    if evidence.earlier is not None:
        return Verdict("unknown", "an earlier order has the same orderLinkId, and hides what became of this one")
    if question.sent_ms is not None and max(evidence.silent_ms.values()) > question.sent_ms + KEPT_MS:
        return Verdict("unknown", "it was sent too long ago: the venue shows orders that ended without a fill for 24 hours")
    since = "" if question.sent_ms is not None else ", if it was sent within the last 24 hours"
    return Verdict("not_executed", f"no list of the venue knows it, after its time to take the request{since}")


def _is_late(question: Question, asked_ms: Optional[int]) -> bool:
    certain_ms = question.certain_ms
    return asked_ms is not None and certain_ms is not None and asked_ms > certain_ms


def _judge_cancel(question: Question, order: Order, evidence: Evidence) -> Optional[Verdict]:
    if order.order_status in OPEN:
        return None
    if order.order_status not in _CANCELLED:
        return Verdict("not_executed", f"the order had ended otherwise: {order.order_status}")
    if not _is_of_request(question, order.updated_time):
        return Verdict("not_executed", "the order had been cancelled before")
    if order.cancel_type == "CancelByUser" or order.reject_reason == "EC_PerCancelRequest" or evidence.accepted:
        return Verdict("executed", "the order is cancelled on request")
    if order.cancel_type in _SILENT and order.reject_reason in _SILENT:
        return Verdict("unknown", "the order is cancelled, and the venue does not say why")
    return Verdict("not_executed", f"the order was cancelled for another reason: {order.reject_reason} {order.cancel_type}")


def _judge_amend(question: Question, order: Order, evidence: Evidence) -> Optional[Verdict]:
    differing = differences(question.wanted, order)
    ended = order.order_status not in OPEN
    if differing is None:
        late = ended or _is_late(question, evidence.order_asked_ms)
        return Verdict("unknown", "orders do not show the fields that were to change") if late and not evidence.accepted else None
    if not differing and _is_of_request(question, order.updated_time):
        return Verdict("executed", "the order has what was asked for")
    if not differing and ended:
        return Verdict("not_executed", "the order had these values before, and has ended")
    if differing and (ended or _is_late(question, evidence.order_asked_ms)) and not evidence.accepted:
        if differing == {"qty"} and order.reduce_only:
            return Verdict("unknown", "the venue shrinks reduce-only orders itself: the size says nothing")
        if ended and "qty" in differing and _may_end_it(question, order):
            return Verdict("unknown", "no more than what was filled was wanted: a change may have ended the order, or missed it")
        if ended:
            return Verdict("not_executed", f"the order ended as {order.order_status} without the change")
    return None


def _may_end_it(question: Question, order: Order) -> bool:
    """True if an order that has ended may have ended by a change of its size to what was filled, or less: then it shows what the
    venue makes of that. Only if it ended since the request."""
    filled = order.qty if order.cum_exec_qty is None else order.cum_exec_qty
    try:
        return _is_of_request(question, order.updated_time) and Decimal(str(question.wanted["qty"])) <= filled
    except InvalidOperation:
        return False


def _is_of_request(question: Question, time_ms: Optional[int]) -> bool:
    """False if a row of that time cannot be the request's doing, which came later."""
    return question.sent_ms is None or time_ms is None or time_ms >= question.sent_ms - AHEAD_MS


def differences(wanted: Mapping[str, Any], order: Order) -> Optional[FrozenSet[str]]:
    """Return the fields in which ``order`` is not as ``wanted``; None if it shows none of them. 0 removes a price."""
    shown = [name for name in wanted if name in _NUMBERS or name in _WORDS]
    if not shown:
        return None
    return frozenset(name for name in shown if not _is_same(name, wanted[name], order))


def _is_same(name: str, wanted: Any, order: Order) -> bool:
    if name in _WORDS:
        return bool(wanted == getattr(order, _WORDS[name]))
    try:
        return Decimal(str(wanted)) == (getattr(order, _NUMBERS[name]) or 0)
    except InvalidOperation:
        return False


class Inquiry:
    """Collects the evidence on one question."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.evidence = Evidence()
        self.failures: Dict[str, str] = {}
        """Why a list could not be asked the last time, by list."""
        self.final: Optional[str] = None
        """Why it is of no use to ask any more."""
        self._order_id = question.order_id

    @property
    def verdict(self) -> Optional[Verdict]:
        return judge(self.question, self.evidence)

    def clock_read(self, now_ms: int, window_ms: int) -> None:
        """Take in the venue's time. A request whose time is not known was made before now, by a clock that was right."""
        if self.question.closes_ms is None:
            self.question = attrs.evolve(self.question, closes_ms=now_ms + AHEAD_MS + window_ms)

    def answered(self, accepted: bool, words: str) -> None:
        """Take in the venue's late answer."""
        self.evidence = attrs.evolve(self.evidence, accepted=accepted, refused=None if accepted else words)

    def failed(self, source: str, reason: str) -> None:
        self.failures[source] = reason

    def observed(self, source: str, asked_ms: Optional[int], rows: Tuple[Any, ...]) -> None:
        """Take in what a list knows of the order: ``Order`` or ``Execution`` rows."""
        self.failures.pop(source, None)
        question, known = self.question, self.evidence
        created = question.kind == "create"
        fitting = [row for row in rows if self._fits(row)]
        if rows and not fitting:
            self.failures[source] = "it answers with rows of other orders"
            return
        orders = [row for row in fitting if isinstance(row, Order)]
        own = [row for row in orders if not created or _is_of_request(question, row.created_time)]
        fills = [row for row in fitting if isinstance(row, Execution) and _is_of_request(question, row.exec_time)]
        earlier = next((row for row in orders if row not in own), known.earlier)
        silent = known.silent_ms
        if not own and not fills and asked_ms is not None and _counts(question, source, asked_ms, silent):
            silent = {**silent, source: asked_ms}
        newest, newest_ms = known.order, known.order_asked_ms
        for row in own:
            if newest is None or _version(row) >= _version(newest):
                newest, newest_ms = row, asked_ms
        filled = known.filled or bool(fills)
        if newest is not None:
            self._order_id = newest.order_id
        self.evidence = attrs.evolve(
            known, order=newest, order_asked_ms=newest_ms, earlier=earlier, filled=filled, silent_ms=silent
        )

    def _fits(self, row: Any) -> bool:
        """True if it is a row of the order in question. The venue's id of it is known once a row has it."""
        question = self.question
        if question.order_id or not row.order_link_id:  # of both the venue goes by its own; fills may lack the other
            return bool(self._order_id and row.order_id == self._order_id)
        return bool(row.order_link_id == question.order_link_id)


def _counts(question: Question, source: str, asked_ms: int, silent: Mapping[str, int]) -> bool:
    """True if the silence of a list that was asked then proves something: the sequence is that of the argument above."""
    return _is_late(question, asked_ms) and (REALTIME in silent if source != REALTIME else REALTIME not in silent)


def _version(order: Order) -> Tuple[int, bool]:
    """Of two rows of one time the one that ended is the newer."""
    return order.updated_time or 0, order.order_status not in OPEN
