"""DigiFinex's rule for ``depth``: ``clean`` distinguishes a whole book from a change. Updates are not numbered, so the only
sign of a lost one is a crossed book.

Source: the venue's spot WebSocket pages, "depth.update"; that an amount of 0 deletes and that asks come best last is known
from captured frames only.
"""

from __future__ import annotations

from typing import Any, List, Optional

from dbxsdk.book.rule import APPLY, REPLACE, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push


class DigiFinexBookRule(BookRule):
    """``clean`` (which made ``Push.kind``) true: the whole book, also in mid-stream; false: a change. A side that did
    not change may be missing. Do not rely on the order of the rows: asks come best last, deletions after all others."""

    # The page's example of a whole book: bid 8000.00, ask 8000.00.
    shows_locked = True

    def whole(self, document: Any, bids: List[List[str]], asks: List[List[str]]) -> Any:
        return {**document, "params": [True, {"asks": asks[::-1], "bids": bids}, document["params"][2]]}

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        depth = push.payload
        if not isinstance(depth, dict):
            raise ProtocolError(f"expected a book, not {type(depth).__name__}")
        bids, asks = depth.get("bids"), depth.get("asks")
        action = REPLACE if push.kind == "snapshot" else APPLY
        return action, [] if bids is None else bids, [] if asks is None else asks, None
