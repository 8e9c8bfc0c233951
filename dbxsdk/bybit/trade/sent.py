"""The order requests that a client has made, and what is known of their answers: what ``resolve`` looks up."""

from __future__ import annotations

import collections
import threading
from typing import Any, Dict, Mapping, Optional, Tuple

import attrs

from dbxsdk.bybit.trade.certainty import Question

_KEPT = 10_000
_KEPT_ANSWERED = 1000


@attrs.define(eq=False)
class SentRequest:
    """One request.

    Attributes:
        operation: ``"order.create"`` ...; batches end with ``-batch``.
        params: the one object of the venue's ``args``.
        time_ms: the time that stands in it.
        answers: for each of its orders whether the venue accepted it (None: it does not say), and its words; empty before the
            answer came.
        wake: set when the answer comes, if somebody waits for it.
    """

    operation: str
    params: Mapping[str, Any] = attrs.field(repr=False)
    time_ms: int
    answers: Tuple[Tuple[Optional[bool], str], ...] = ()
    wake: Optional[threading.Event] = attrs.field(default=None, repr=False)

    @property
    def is_batch(self) -> bool:
        return self.operation.endswith("-batch")

    @property
    def orders(self) -> Tuple[Mapping[str, Any], ...]:
        """Return the single orders, each with its category."""
        if not self.is_batch:
            return (self.params,)
        given = self.params.get("request")
        orders = given if isinstance(given, (list, tuple)) else ()
        return tuple({"category": self.params.get("category"), **order} for order in orders if isinstance(order, Mapping))

    def questions(self, window_ms: int) -> Tuple[Question, ...]:
        """Return what is to be asked about each of its orders, in their order."""
        kind = self.operation[len("order.") :].replace("-batch", "")
        return tuple(
            Question(
                kind=kind,
                category=_text(order, "category"),
                symbol=_text(order, "symbol"),
                order_id=_text(order, "orderId") if kind != "create" else "",
                order_link_id=_text(order, "orderLinkId"),
                wanted=order if kind == "amend" else {},
                sent_ms=self.time_ms,
                closes_ms=self.time_ms + window_ms,
            )
            for order in self.orders
        )


class SentRequests:
    """The last 10,000 without an answer, and the last 1,000 with one. Requests are made by any thread, answered by the reader.

    Each step is one operation on a dict, which no other thread can split: no lock.
    """

    def __init__(self) -> None:
        self._open: "collections.OrderedDict[str, SentRequest]" = collections.OrderedDict()
        self._answered: "collections.OrderedDict[str, SentRequest]" = collections.OrderedDict()

    def made(self, key: str, operation: str, params: Mapping[str, Any], time_ms: int) -> None:
        self._open[key] = SentRequest(operation, params, time_ms)
        _trim(self._open, _KEPT)

    def answered(self, key: Any, answers: Tuple[Tuple[Optional[bool], str], ...]) -> None:
        """Take in an answer, in time or late."""
        sent = self._open.pop(key, None)
        if sent is not None:
            sent.answers = answers
            self._answered[key] = sent
            _trim(self._answered, _KEPT_ANSWERED)
            if sent.wake is not None:
                sent.wake.set()

    def by_key(self, key: Any) -> Optional[SentRequest]:
        """Return the request with this id, if it is known."""
        return self._open.get(key) or self._answered.get(key)

    def by_link_id(self, link_id: str) -> Optional[Tuple[SentRequest, int]]:
        """Return the newest request that names this order of the caller's, and the order's place in it."""
        found: Dict[int, Tuple[SentRequest, int]] = {}
        for table in (self._answered, self._open):
            for sent in reversed(tuple(table.values())):
                place = next((at for at, order in enumerate(sent.orders) if order.get("orderLinkId") == link_id), None)
                if place is not None:
                    found.setdefault(sent.time_ms, (sent, place))
                    break
        return found[max(found)] if found else None


def _trim(table: "collections.OrderedDict[str, SentRequest]", most: int) -> None:
    while len(table) > most:
        try:
            table.popitem(last=False)
        except KeyError:  # others trim, too
            return


def _text(order: Mapping[str, Any], name: str) -> str:
    value = order.get(name)
    return value if isinstance(value, str) else ""
