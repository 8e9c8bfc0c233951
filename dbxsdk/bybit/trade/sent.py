"""What a client's order requests were about: the orders in them, and the questions that ``resolve`` asks about these."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from dbxsdk.bybit.trade.certainty import Question
from dbxsdk.bybit.trade.protocol import BATCHES
from dbxsdk.sent_requests import SentRequest, SentRequests


def is_batch(sent: SentRequest) -> bool:
    return sent.operation in BATCHES


def orders_of(sent: SentRequest) -> Tuple[Mapping[str, Any], ...]:
    """Return the single orders, each with its category."""
    if not is_batch(sent):
        return (sent.params,)
    given = sent.params.get("request")
    orders = given if isinstance(given, (list, tuple)) else ()
    return tuple({"category": sent.params.get("category"), **order} for order in orders if isinstance(order, Mapping))


def questions_of(sent: SentRequest, window_ms: int) -> Tuple[Question, ...]:
    """Return what is to be asked about each of the orders, in their order."""
    kind = sent.operation[len("order.") :].replace("-batch", "")
    return tuple(
        Question(
            kind=kind,
            category=_text(order, "category"),
            symbol=_text(order, "symbol"),
            order_id=_text(order, "orderId") if kind != "create" else "",
            order_link_id=_text(order, "orderLinkId"),
            wanted=order if kind == "amend" else {},
            sent_ms=sent.time_ms,
            closes_ms=sent.time_ms + window_ms,
        )
        for order in orders_of(sent)
    )


def by_link_id(requests: SentRequests, link_id: str) -> Optional[Tuple[SentRequest, int]]:
    """Return the newest request that names this order of the caller's, and the order's place in it."""
    for sent in requests.newest_first():
        for place, order in enumerate(orders_of(sent)):
            if order.get("orderLinkId") == link_id:
                return sent, place
    return None


def _text(order: Mapping[str, Any], name: str) -> str:
    value = order.get(name)
    return value if isinstance(value, str) else ""
