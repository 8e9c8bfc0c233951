"""Bybit's rule for ``orderbook.full.{symbol}``: numbered deltas without a snapshot, joined with one that REST gives. Pure.

Source: websocket/public/full-ob, market/full-ob.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence

import attrs

from dbxsdk.book.rule import APPLY, BROKEN, REPLACE, BookRule, Change
from dbxsdk.errors import ProtocolError
from dbxsdk.fields import integer
from dbxsdk.protocol import Push

LEVELS = 10_000
"""Levels a side that REST gives. Deltas also touch prices beyond."""

MOST_KEPT = 3_000
"""Deltas that wait for a snapshot, 200 ms each."""

_RESTART = 1


@attrs.frozen
class Snapshot:
    """The whole book as REST gives it: ``u``, ``seq``, and both sides as the wire's ``[[price, size], ...]``."""

    update_id: int
    sequence: int
    bids: Sequence[Any] = attrs.field(repr=False)
    asks: Sequence[Any] = attrs.field(repr=False)

    @property
    def is_empty(self) -> bool:
        """True if there is no book: the symbol is delisted, or its trading has not begun."""
        return not self.bids and not self.asks


_Delta = Snapshot


def read_snapshot(data: Any) -> Snapshot:
    """Read the ``data`` of a delta, or REST's ``result``. Raises ``ProtocolError``."""
    try:
        update_id, sequence, bids, asks = data["u"], data["seq"], data["b"], data["a"]
        if type(bids) is not list or type(asks) is not list:
            raise TypeError("a side is not a list")
        return Snapshot(integer(update_id), integer(sequence), bids, asks)
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"not an update of a full book: {error!r}") from error


def _read_delta(payload: Any) -> _Delta:
    if type(payload) is dict:
        return read_snapshot(payload.get("data"))
    try:  # of a typed frame
        return Snapshot(integer(payload.update_id), integer(payload.sequence), payload.bids, payload.asks)
    except (TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"not an update of a full book: {error!r}") from error


class FullBookRule(BookRule):
    """The rule of one full book. It keeps the deltas that came since the book was last whole.

    ``fetch()`` is called when a snapshot is needed, with each delta until ``offer`` has brought one that fits: it must not
    block, and decides how often it asks. ``offer`` may be called by any thread; the book takes the snapshot with the next delta.
    ``end()`` is called when no more are needed.
    """

    most_levels = 4 * LEVELS

    def __init__(self, fetch: Callable[[], None], end: Callable[[], None] = lambda: None) -> None:
        self._fetch = fetch
        self._end = end
        self._kept: List[_Delta] = []
        self._offered: Optional[Snapshot] = None
        self._sequence = 0
        self._restarted = 0
        """The sequence of the last restart: the numbers of a snapshot from before it are of another count."""

    def offer(self, snapshot: Snapshot) -> None:
        """Take a snapshot from REST."""
        self._offered = snapshot

    def ask(self) -> bool:
        self._fetch()
        return True

    def end(self) -> None:
        self._end()

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        delta = _read_delta(push.payload)
        if last is None:
            return self._join(delta)
        if delta.update_id == last + 1 and delta.sequence >= self._sequence and delta.update_id != _RESTART:
            self._sequence = delta.sequence
            return APPLY, delta.bids, delta.asks, delta.update_id
        # One from before has neither a greater number nor a greater sequence: else a restart was missed.
        if _RESTART != delta.update_id <= last and delta.sequence <= self._sequence:
            return None
        self._keep_from(delta)
        return BROKEN, delta.bids, delta.asks, delta.update_id

    def _keep_from(self, delta: _Delta) -> None:
        """Begin again with ``delta``; after a restart with the next one, since what came before it is void."""
        self._kept, self._offered = [delta], None
        if delta.update_id == _RESTART:
            self._kept, self._restarted = [], delta.sequence

    def _join(self, delta: _Delta) -> Optional[Change]:
        kept = self._kept
        if delta.update_id == _RESTART or len(kept) >= MOST_KEPT:
            self._keep_from(delta)
        elif not kept or delta.update_id == kept[-1].update_id + 1:
            if not kept or delta.sequence >= kept[-1].sequence:  # else dropped: the numbers will show the hole
                kept.append(delta)
        elif delta.update_id > kept[-1].update_id or delta.sequence > kept[-1].sequence:
            self._keep_from(delta)
        snapshot, kept = self._offered, self._kept
        if snapshot is None or snapshot.is_empty or not kept:
            self._offered = None
            self._fetch()
            return None
        if snapshot.sequence > kept[-1].sequence:
            return None  # it is ahead of the stream
        start = self._after(snapshot)
        if start is None:
            self._offered = None
            self._fetch()
            return None
        newer, last = kept[start:], kept[-1]
        self._kept, self._offered, self._sequence = [], None, last.sequence
        bids = _merged(snapshot.bids, [each.bids for each in newer])
        asks = _merged(snapshot.asks, [each.asks for each in newer])
        return REPLACE, bids, asks, last.update_id

    def _after(self, snapshot: Snapshot) -> Optional[int]:
        """Return where the deltas begin that follow ``snapshot``; None if it does not fit between them."""
        if snapshot.sequence < self._restarted:
            return None
        if snapshot.update_id + 1 == self._kept[0].update_id and snapshot.sequence <= self._kept[0].sequence:
            return 0
        pair = snapshot.update_id, snapshot.sequence
        return next((place + 1 for place, each in enumerate(self._kept) if (each.update_id, each.sequence) == pair), None)


def _merged(rows: Sequence[Any], changes: Sequence[Sequence[Any]]) -> List[Any]:
    """Return one side of the snapshot with what changed since."""
    try:
        levels: Dict[Any, Any] = {price: size for price, size in rows}
        for change in changes:
            for price, size in change:
                levels[price] = size
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"a level of a full book cannot be read: {error!r}") from error
    # Those that are gone are passed over where the book is made of them.
    return [[price, size] for price, size in levels.items()]
