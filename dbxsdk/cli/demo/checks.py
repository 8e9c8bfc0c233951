"""Compares what callbacks got with the local venue's own record of what it did: item by item, and book by book.

The record is read from the venue itself, not over the network, so that it knows what the network lost.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Hashable, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from dbxsdk.book.order_book import OrderBook

Put = Callable[[Any, Any], None]
"""``put(source, item)``, in callbacks: the main thread passes the item on to the source's ``received``."""

Compared = Tuple[int, int, int]
"""How much was right, was lost, and was missed in an announced gap."""


class Stream:
    """A channel whose items, trades or fills, all have to reach the callback, but for announced gaps.

    Args:
        kind: "trades" or "fills".
        record: the venue's own recent items, oldest first, each as a key that distinguishes it.
        keys: the same of the items of an update.
        backfill: True if what is missed in a gap is fetched over REST.
    """

    book: Optional[OrderBook] = None

    def __init__(
        self,
        kind: str,
        channel: str,
        symbol: str,
        record: Callable[[], Iterable[Hashable]],
        keys: Callable[[Any], Iterable[Hashable]],
        backfill: bool = False,
    ) -> None:
        self.kind = kind
        self.topic = f"{channel}.{symbol}" if symbol else channel
        self._channel, self._symbol, self._read_record, self._keys, self._backfill = channel, symbol, record, keys, backfill
        self._record: Dict[Hashable, int] = {}
        self._first = 0
        self._runs: List[Set[Hashable]] = [set()]
        """What arrived, cut at announced gaps."""
        self._is_broken = False

    def subscribe(self, client: Any, put: Put) -> None:
        more = {"backfill": True} if self._backfill else {}
        client.subscribe(self._channel, self._symbol or (), callback=lambda update: put(self, update.data), **more)
        # What the venue makes from now on has to arrive.
        self._first = self.note()

    def note(self) -> int:
        """Take in the venue's record, which forgets what is old, and return how long it is by now."""
        for key in self._read_record():
            self._record.setdefault(key, len(self._record))
        return len(self._record)

    def received(self, data: Any) -> None:
        self._runs[-1].update(self._keys(data))
        self._is_broken = False

    def disconnected(self) -> None:
        """Nothing arrives until the next connection. Unless a gap is announced then, what is missing is lost."""
        self._is_broken = True

    def gap(self) -> None:
        self._runs.append(set())

    def compare(self, until: int) -> Compared:
        """Compare with the first ``until`` items of the record."""
        arrived: Set[int] = set()
        in_gap: Set[int] = set()
        end = 0
        is_open = False
        for number, run in enumerate(self._runs):
            places = {self._record[key] for key in run if key in self._record}
            # A history repeats items of before the gap, and may begin within it.
            new = min((place for place in places if place >= end), default=None)
            is_open = number > 0 and new is None
            in_gap.update(range(end, new) if number and new is not None else ())
            arrived |= places
            end = max(arrived, default=-1) + 1
        if is_open or self._is_broken:
            in_gap.update(range(end, until))
        expected = set(range(self._first, until))
        missing = expected - arrived
        return len(expected & arrived), len(missing - in_gap), len(missing & in_gap)


class Book:
    """An order book that the SDK keeps, which has to become equal to the venue's own."""

    kind = "books"
    book: OrderBook

    def __init__(
        self, topic: str, open_: Callable[[Any], OrderBook], truth: Callable[[], Mapping[str, Sequence[Tuple[Any, Any]]]]
    ) -> None:
        self.topic = topic
        self._open, self._truth = open_, truth
        self._agreed = 0

    def subscribe(self, client: Any, put: Put) -> None:
        self.book = self._open(client)
        self.book.on_update(lambda book: put(self, book))

    def note(self) -> int:
        """Return how often the two books were equal so far."""
        return self._agreed

    def received(self, book: OrderBook) -> None:
        truth = {name: tuple(levels) for name, levels in self._truth().items()}
        now = book.snapshot()
        self._agreed += not now.is_stale and truth == {"bids": now.bids, "asks": now.asks}

    def disconnected(self) -> None: ...

    def gap(self) -> None: ...

    def compare(self, until: int) -> Compared:
        """Look once more whether the two are equal, and whether they ever were since ``note`` returned ``until``: if the
        book is right, it is what the venue's was a moment ago. A book that is stale says so, and loses nothing."""
        self.received(self.book)
        return self._agreed, int(self._agreed <= until and not self.book.is_stale), 0
