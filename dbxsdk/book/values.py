"""``BookSnapshot`` and ``BookStats``: what an order book gives away as frozen values."""

from __future__ import annotations

from typing import Optional, Tuple

import attrs

from dbxsdk.book.side import Level


@attrs.frozen
class BookSnapshot:
    """An order book at one moment. A value: it never changes.

    Attributes:
        symbol: the venue's symbol.
        bids, asks: tuples of (price, size), best first; empty if the venue has sent none.
        update_id: the venue's number of the last update in it, or None where the venue has none.
        venue_time_ms: the venue's time of that update in ms since 1970, or None where it sends none.
        version: grows with each change of the book in this process; for ``OrderBook.wait_update``.
        is_stale, is_crossed: as they were in the book.
    """

    symbol: str
    bids: Tuple[Level, ...] = attrs.field(repr=False)
    asks: Tuple[Level, ...] = attrs.field(repr=False)
    update_id: Optional[int]
    venue_time_ms: Optional[int]
    version: int
    is_stale: bool
    is_crossed: bool

    @property
    def best_bid(self) -> Optional[Level]:
        """(price, size), or None where there is no bid."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Optional[Level]:
        """(price, size), or None where there is no ask."""
        return self.asks[0] if self.asks else None


@attrs.frozen
class BookStats:
    """Counters since the book was made.

    Attributes:
        updates: whole books and changes that went into the book.
        repeats: updates that said again what the book held.
        ignored: changes that came while the book waited for a whole one.
        gaps: updates that did not follow the one before, or could not be read.
        crossed: times that the best bid came to reach the best ask, other than the venue's page shows it.
        unknown_deletes: deletions of prices that the book did not have; they are passed over.
        resynchronisations: times that the venue was asked for a whole book because of all these.
    """

    updates: int
    repeats: int
    ignored: int
    gaps: int
    crossed: int
    unknown_deletes: int
    resynchronisations: int
