"""Passes updates from callbacks to the main thread, which alone prints: it notices Ctrl-C and a closed pipe."""

from __future__ import annotations

import collections
import threading
from typing import Any, Deque, List, Optional, Tuple

import attrs

from dbxsdk.book.order_book import OrderBook

LIMIT = 10_000

Item = Tuple[str, Any]
"""Its source, as named on the command line, and the item: an ``Update``, an event, or a ``BookTop``."""

Level = Tuple[Any, Any]


@attrs.frozen
class BookTop:
    """The best prices of an order book, right after a change. Taken by the callback: the book moves on."""

    symbol: str
    stale_reason: Optional[str]
    best_bid: Optional[Level]
    best_ask: Optional[Level]

    @classmethod
    def of(cls, book: OrderBook) -> "BookTop":
        now = book.snapshot()
        return cls(book.symbol, book.stale_reason if now.is_stale else None, now.best_bid, now.best_ask)


class Inbox:
    """A queue. Callbacks wait if the main thread is slow, so that the client's overflow policy decides."""

    def __init__(self, limit: int = LIMIT) -> None:
        # Guards all below. Never held while printing.
        self._changed = threading.Condition()
        self._items: Deque[Item] = collections.deque()
        self._limit = limit
        self._closed = False

    def put(self, source: str, item: Any) -> None:
        """Add an item, from any thread but the main one."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if not self._closed:
                self._items.append((source, item))
                self._changed.notify_all()

    def take(self, timeout: float) -> List[Item]:
        """Return all items, as soon as there are any; none after ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._items, timeout)
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
        return items

    def close(self) -> None:
        """Stop taking items: threads that wait in ``put`` go on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
