"""DigiFinex's rule for ``depth``: ``clean`` tells a whole book from a change. Nothing is numbered, so nothing tells a
lost update but a crossed book.

Source: the venue's spot WebSocket pages, "depth.update"; that an amount of 0 deletes and that asks come best last is
in captured frames alone.
"""

from __future__ import annotations

from typing import Optional

from dbxsdk.book.rule import Action, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push


class DigiFinexBookRule(BookRule):
    """``clean`` (which made ``Push.kind``) true: the whole book, also in mid-stream; false: a change. A side that did
    not change may be missing. The rows come in no order to rely on: asks best last, deletions after all others."""

    # The page's example of a whole book: bid 8000.00, ask 8000.00.
    shows_locked = True

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        depth = push.payload
        if not isinstance(depth, dict):
            raise ProtocolError(f"{type(depth).__name__} in place of a book")
        bids, asks = depth.get("bids"), depth.get("asks")
        action = Action.REPLACE if push.kind == "snapshot" else Action.APPLY
        return action, [] if bids is None else bids, [] if asks is None else asks, None
