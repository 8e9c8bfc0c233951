"""Atoll's rule for ``book``: whole books, and changes that are numbered."""

from __future__ import annotations

from typing import Optional

from dbxsdk.book.rule import Action, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Push


class AtollBookRule(BookRule):
    """``no`` grows by one with each change; a whole book begins anywhere."""

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        document = push.payload
        number = document.get("no") if isinstance(document, dict) else None
        if type(number) is not int:
            raise ProtocolError("a book without its number")
        bids, asks = document.get("bids", []), document.get("asks", [])
        if push.kind == "snapshot":
            return Action.REPLACE, bids, asks, number
        return (Action.APPLY if last is None or number == last + 1 else Action.BROKEN), bids, asks, number
