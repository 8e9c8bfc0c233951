"""Bybit's rule for ``orderbook.{depth}.{symbol}``: snapshots, numbered deltas, and the repeats of depth 1.

Source: websocket/public/orderbook.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Tuple

from dbxsdk.arguments import check_int
from dbxsdk.book.rule import APPLY, BROKEN, REPEAT, REPLACE, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.fields import integer
from dbxsdk.protocol import Push

DEPTHS: Mapping[str, Tuple[int, ...]] = {
    "spot": (1, 50, 200, 1000),
    "linear": (1, 50, 200, 1000),
    "inverse": (1, 50, 200, 1000),
    "option": (25, 100),
    "spread": (25,),
}
"""The documented depths of each category, in levels per side."""

_RESTART = 1


def check_depth(category: str, depth: object) -> int:
    """Return ``depth``. Raises ``TypeError``/``ValueError``, naming it, if the venue has no such book."""
    depths, checked = DEPTHS.get(category), check_int("depth", depth)
    if depths is None:
        raise ValueError(f"category {category!r} has no order books of bids and asks")
    if checked not in depths:
        raise ValueError(f"depth must be one of {', '.join(map(str, depths))} for {category}, not {depth}")
    return checked


class BybitBookRule(BookRule):
    """The rule of the books of one depth.

    * ``u`` counts the updates of a topic: a delta that is not the next one means that some were lost. (The page
      promises that for the full book only; captures of depths 50 and 200 have shown no exception.)
    * A snapshot replaces the book, regardless of its ``u``; so does anything with a ``u`` of 1, the sign of a restart.
    * Depth 1 has snapshots only, and repeats the last one, with its ``u``, when nothing changed for 3 s.
    """

    def __init__(self, depth: int) -> None:
        self._repeats = depth == 1
        self.most_levels = 4 * depth

    def whole(self, document: Any, bids: List[List[str]], asks: List[List[str]]) -> Any:
        return {**document, "type": "snapshot", "data": {**document["data"], "b": bids, "a": asks}}

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        try:
            payload = push.payload
            if type(payload) is dict:
                data = payload["data"]
                update_id, bids, asks = data["u"], data["b"], data["a"]
            else:  # of a typed frame
                update_id, bids, asks = payload.update_id, payload.bids, payload.asks
            if type(update_id) is not int:
                update_id = integer(update_id)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProtocolError(f"not an update of a book: {error!r}") from error
        if push.kind == "delta" and update_id != _RESTART:
            if last is None or update_id == last + 1:
                return APPLY, bids, asks, update_id
            return BROKEN, bids, asks, update_id
        if push.kind != "snapshot" and update_id != _RESTART:
            raise ProtocolError("an update of a book that is neither a snapshot nor a delta")
        if self._repeats and update_id == last and update_id != _RESTART:
            return REPEAT, bids, asks, update_id
        return REPLACE, bids, asks, update_id
