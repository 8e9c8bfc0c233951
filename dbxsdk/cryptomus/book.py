"""Cryptomus's rule for ``depth``: ``full_reload`` tells a whole book from a change; a book a market and scale. Nothing is
numbered, so nothing tells a lost update but a crossed book.

Source: doc.cryptomus.com, "exchange/websockets". What comes first after a subscription is not on the page.
"""

from __future__ import annotations

from typing import Optional

from dbxsdk.arguments import check_int
from dbxsdk.book.rule import Action, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push


LARGEST_INDEX = 10**9 - 1
"""No page limits them; the venue's own are 0 and a few more."""


def check_scale_index(scale_index: object) -> int:
    """``scale_index``, or a ``TypeError``/``ValueError``, naming it, where it cannot be one."""
    return check_int("scale_index", scale_index, least=0, most=LARGEST_INDEX)


class CryptomusBookRule(BookRule):
    """The rule of the books at one scale: ``full_reload`` (which made ``Push.kind``) true: the whole book; false: a
    change. Updates at other scales are other books. The rows come in no documented order."""

    def __init__(self, scale_index: int) -> None:
        self._scale_index = scale_index

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        depth = push.payload
        if not isinstance(depth, dict):
            raise ProtocolError(f"{type(depth).__name__} in place of a book")
        if depth.get("scale_index") != self._scale_index:
            return None
        bids, asks = depth.get("bids"), depth.get("asks")
        action = Action.REPLACE if push.kind == "snapshot" else Action.APPLY
        return action, [] if bids is None else bids, [] if asks is None else asks, None
