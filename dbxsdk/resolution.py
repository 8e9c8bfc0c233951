"""What became of a request whose answer did not come: the result of ``resolve``."""

from __future__ import annotations

from typing import Any, Literal, Tuple

import attrs

Outcome = Literal["executed", "not_executed", "unknown"]


@attrs.frozen(kw_only=True)
class Resolution:
    """What the venue knows of one request that ended as ``OutcomeUnknown``.

    Attributes:
        outcome: ``"executed"``: the venue took it. ``"not_executed"``: certain, it did not happen and cannot any more.
            ``"unknown"``: neither could be found out, so that a retry is not safe.
        order: the venue's own word on the order or task, in the model of the channel, or None. It says what became of it: an
            order that was taken may be filled, cancelled or rejected since.
        candidates: what may be it, if that cannot be told.
        reason: what the outcome rests on, or why there is none, in one sentence.
        checked_ns: when the last answer came, in ns since 1970 by this machine's clock.
    """

    outcome: Outcome
    order: Any = None
    candidates: Tuple[Any, ...] = ()
    reason: str
    checked_ns: int
