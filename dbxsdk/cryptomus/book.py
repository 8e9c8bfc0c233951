"""Cryptomus's rule for ``depth``: ``full_reload`` distinguishes a whole book from a change; each market has a book for each
scale. Updates are not numbered, so the only sign of a lost one is a crossed book.

Source: doc.cryptomus.com, "exchange/websockets". The page does not say what comes first after a subscription.
"""

from __future__ import annotations

from typing import Any, List, Optional

from dbxsdk.arguments import check_int
from dbxsdk.book.rule import APPLY, REPLACE, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push


LARGEST_INDEX = 10**9 - 1
"""No page has a limit; the venue's own indexes are 0 and a few more."""


def check_scale_index(scale_index: object) -> int:
    """Return ``scale_index``. Raises ``TypeError``/``ValueError``, naming it, if it cannot be one."""
    return check_int("scale_index", scale_index, least=0, most=LARGEST_INDEX)


class CryptomusBookRule(BookRule):
    """The rule of the books at one scale: ``full_reload`` (which made ``Push.kind``) true: the whole book; false: a
    change. Updates at other scales belong to other books. The order of the rows is not documented."""

    def __init__(self, scale_index: int) -> None:
        self._scale_index = scale_index

    def whole(self, document: Any, bids: List[List[str]], asks: List[List[str]]) -> Any:
        return {**document, "data": {**document["data"], "full_reload": True, "bids": bids, "asks": asks}}

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        depth = push.payload
        if not isinstance(depth, dict):
            raise ProtocolError(f"expected a book, not {type(depth).__name__}")
        if depth.get("scale_index") != self._scale_index:
            return None
        bids, asks = depth.get("bids"), depth.get("asks")
        action = REPLACE if push.kind == "snapshot" else APPLY
        return action, [] if bids is None else bids, [] if asks is None else asks, None
