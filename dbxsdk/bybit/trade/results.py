"""What the order entry methods return: accepted orders, batches in which single orders may have failed, rate limits."""

from __future__ import annotations

import sys
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.bybit.envelope import whole_number
from dbxsdk.credentials import redacted
from dbxsdk.errors import OutcomeUnknown, VenueError


@attrs.frozen(kw_only=True)
class RateLimit:
    """The rate limit that a reply states: requests (batches: orders) per second, counted for the account.

    Attributes:
        limit: how many are allowed (``X-Bapi-Limit``).
        remaining: how many are left (``X-Bapi-Limit-Status``).
        reset_ms: when the count starts again, in ms since 1970 (``X-Bapi-Limit-Reset-Timestamp``).

    Source: rate-limit/rate-limit.
    """

    limit: Optional[int] = None
    remaining: Optional[int] = None
    reset_ms: Optional[int] = None


@attrs.frozen(kw_only=True)
class OrderResult:
    """The venue accepted the request for processing. The private client's ``order`` channel reports what becomes of the
    order, which may still be rejected.

    Attributes:
        order_id: the venue's id of the order.
        order_link_id: the caller's own id of it; the one that was sent if the venue does not repeat it.
        rate_limit: None if the reply has none.
        raw: the whole decoded reply.
    """

    order_id: str
    order_link_id: str
    rate_limit: Optional[RateLimit] = None
    raw: Any = attrs.field(repr=False, hash=False)


@attrs.frozen(kw_only=True)
class BatchOrder:
    """What became of one order of a batch.

    Attributes:
        ok: the venue accepted it for processing: its code for the order is 0, and nothing else.
        order_id: the venue's id, ``""`` if the order was refused.
        order_link_id: the caller's own id, or ``""``.
        code: the venue's code; None if the reply says nothing about this order: then ask the venue before trying again.
        message: the venue's text.
        category, symbol: as the venue repeats them; those of the request if it does not.
        created_ms: ms since 1970; for ``place_batch_order`` only.
    """

    ok: bool
    order_id: str
    order_link_id: str
    code: Optional[int]
    message: str
    category: str
    symbol: str
    created_ms: Optional[int] = None


class ServerFailed(VenueError, OutcomeUnknown):
    """The venue reported an internal error (10016), without saying whether the request was carried out.
    A retry is not safe: ask for the order first."""


class BatchFailed(VenueError):
    """Some orders of a batch failed; the others were accepted. Do not send the whole batch again, and ask the venue for
    those in ``result.unknown`` before sending them again.

    Attributes:
        result: the ``BatchResult``.
        failed: its orders that failed, as in ``BatchResult.failed``.
        code, message: those of the first one.
    """

    def __init__(self, message: str, *, result: Optional["BatchResult"] = None, code: Any = None, reply: Any = None) -> None:
        super().__init__(message, code=code, reply=reply)
        self.result = result
        self.failed: Tuple[BatchOrder, ...] = () if result is None else result.failed


@attrs.frozen(kw_only=True, repr=False)
class BatchResult:
    """What became of each order of a batch, in the order of the request.

    The venue accepts a batch even if it refused every order in it. Failures show in ``ok``, in ``failed``, in the truth
    value (``if not result:``) and in the ``repr``, and each batch with failures is logged as a warning;
    ``raise_for_failures()`` makes them an exception.

    Attributes:
        orders: one ``BatchOrder`` for each order of the request. The result itself is iterable, too, and has a length.
        rate_limit: None if the reply has none.
        raw: the whole decoded reply.
    """

    orders: Tuple[BatchOrder, ...]
    rate_limit: Optional[RateLimit] = None
    raw: Any = attrs.field(hash=False)

    @property
    def ok(self) -> bool:
        """True if every order was accepted."""
        return not self.failed

    @property
    def failed(self) -> Tuple[BatchOrder, ...]:
        """The orders that were not accepted, or about which the reply says nothing."""
        return tuple(order for order in self.orders if not order.ok)

    @property
    def unknown(self) -> Tuple[BatchOrder, ...]:
        """The failed orders about which the reply says nothing: they may have been placed. Ask the venue."""
        return tuple(order for order in self.orders if order.code is None)

    def raise_for_failures(self) -> None:
        """Raise ``BatchFailed``, a ``VenueError``, if orders failed; it has them in ``failed``."""
        failed = self.failed
        if failed:
            raise BatchFailed(failures(self), result=self, code=failed[0].code, reply=self.raw)

    def __bool__(self) -> bool:
        return self.ok

    def __len__(self) -> int:
        return len(self.orders)

    def __iter__(self) -> Iterator[BatchOrder]:
        return iter(self.orders)

    def __repr__(self) -> str:
        failed = len(self.failed)
        state = f"{failed} of {len(self.orders)} FAILED" if failed else f"{len(self.orders)} accepted"
        return f"BatchResult({state}, orders={self.orders!r}, rate_limit={self.rate_limit!r})"


def failures(result: BatchResult) -> str:
    """Describe the orders of a batch that failed."""
    failed = result.failed
    first = ", ".join(f"{order.order_link_id or order.symbol}: {order.message} ({order.code})" for order in failed[:3])
    more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    unknown = f" ({len(result.unknown)} of them without an answer: ask for them)" if result.unknown else ""
    return f"{len(failed)} of {len(result.orders)} orders failed{unknown}: {first}{more}"


def read_order(document: Mapping[str, Any], sent: Mapping[str, Any]) -> OrderResult:
    """Read the result of an order request that the venue accepted. Never raises: the acceptance must not get lost."""
    data = _object(document.get("data"))
    return OrderResult(
        order_id=_text(data, "orderId") or _text(sent, "orderId"),
        order_link_id=_text(data, "orderLinkId") or _text(sent, "orderLinkId"),
        rate_limit=read_rate_limit(document),
        raw=document,
    )


def read_batch(document: Mapping[str, Any], category: str, sent: Sequence[Mapping[str, Any]]) -> BatchResult:
    """Read the result of a batch request that the venue accepted. Never raises: the orders are made.

    The reply has two parallel lists: the orders, and what became of them, both in the order of the request as far as is known.
    A row that names another order than the one sent in its place is not taken for it.
    """
    rows = _objects(_object(document.get("data")).get("list"))
    verdicts = _objects(_object(document.get("retExtInfo")).get("list"))
    orders = []
    for index, order in enumerate(sent):
        place = _place(rows, order, index)
        row = rows[place] if place < len(rows) else {}
        verdict = verdicts[place] if place < len(verdicts) else {}
        code = whole_number(verdict.get("code"))
        message = redacted(_text(verdict, "msg"))
        if code is None:
            message = message or "the reply says nothing about this order"
        orders.append(
            BatchOrder(
                ok=code == 0,
                order_id=_text(row, "orderId"),
                order_link_id=_text(row, "orderLinkId") or _text(order, "orderLinkId"),
                code=code,
                message=message,
                category=_text(row, "category") or category,
                symbol=_text(row, "symbol") or _text(order, "symbol"),
                created_ms=whole_number(row.get("createAt")),
            )
        )
    return BatchResult(orders=tuple(orders), rate_limit=read_rate_limit(document), raw=document)


def _place(rows: Sequence[Mapping[str, Any]], order: Mapping[str, Any], index: int) -> int:
    """Return the place of the row about an order: ``index``, unless that row has another order's id; beyond all places if none
    is about it."""
    if index >= len(rows) or _agree(rows[index], order) is not False:
        return index
    return next((place for place, row in enumerate(rows) if _agree(row, order)), sys.maxsize)


def _agree(row: Mapping[str, Any], order: Mapping[str, Any]) -> Optional[bool]:
    """Return whether a row has an order's ids; None if it has none, or the order has not."""
    pairs = [(_text(row, name), _text(order, name)) for name in ("orderId", "orderLinkId")]
    known = [has == wanted for has, wanted in pairs if has and wanted]
    return all(known) if known else None


def read_rate_limit(document: Mapping[str, Any]) -> Optional[RateLimit]:
    header = _object(document.get("header"))
    limit = RateLimit(
        limit=whole_number(header.get("X-Bapi-Limit")),
        remaining=whole_number(header.get("X-Bapi-Limit-Status")),
        reset_ms=whole_number(header.get("X-Bapi-Limit-Reset-Timestamp")),
    )
    return None if limit == RateLimit() else limit


def _object(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> List[Dict[str, Any]]:
    return [_object(item) for item in value] if isinstance(value, list) else []


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
