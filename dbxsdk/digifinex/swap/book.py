"""DigiFinex's rule for ``depth`` of swaps: ``full_data`` marks the whole window, everything else changes it.

Updates are not numbered: the signs of a lost one are a crossed book and a time that goes back.

Source: the venue's swap WebSocket pages for the shapes; the mark, the order of the rows and the window as they were measured
on live sockets by others.
"""

from __future__ import annotations

from typing import Any, List, Optional

from dbxsdk.book.rule import APPLY, BROKEN, REPLACE, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.fields import integer
from dbxsdk.protocol import Push


class SwapBookRule(BookRule):
    """The rule of the books of one level. The venue's time (ms) stands for the number that it does not send: it may repeat,
    and never goes back."""

    def __init__(self, level: int) -> None:
        self.kept_levels = level  # a row that leaves the window is deleted, though one was once seen to stay
        self.most_levels = 4 * level

    def whole(self, document: Any, bids: List[List[str]], asks: List[List[str]]) -> Any:
        return {**document, "full_data": True, "data": {**document["data"], "bids": bids, "asks": asks}}

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        depth = push.payload
        try:
            moment = integer(depth["timestamp"])
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"not an update of a book: {error!r}") from error
        bids, asks = depth.get("bids"), depth.get("asks")
        action = REPLACE if push.kind == "snapshot" else APPLY
        if last is not None and moment < last and action is APPLY:
            action = BROKEN
        return action, [] if bids is None else bids, [] if asks is None else asks, moment
