"""Compares what callbacks got with the venue's own record: trade by trade, and book by book.

The record is read from the local venue itself, not over the network, so that it knows what the network lost.
"""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

Sides = Dict[str, Dict[Decimal, Decimal]]

PATIENCE = 10.0
"""Seconds within which a callback must have got what the venue did: far more than a loaded machine takes."""


class TradeAudit:
    """Every trade that the venue made since the subscription has to reach the callback, but for announced gaps."""

    def __init__(self) -> None:
        # Guards all below, and wakes who waits for a trade. Callbacks write, the demo's main thread checks.
        self._arrived = threading.Condition()
        self._seen: Set[int] = set()
        self._highest = 0
        self._expected: Set[int] = set()
        self._recorded_to = 0
        self._broken_off = False
        self._announced = False
        self._gaps: List[Tuple[int, int]] = []
        self.checked = 0
        self.in_gap = 0

    def subscribed(self, recorded: Iterable[int]) -> None:
        """The venue has acknowledged: what it makes from now on has to arrive. ``recorded`` is what it made so far."""
        with self._arrived:
            newest = max(recorded, default=0)
            self._recorded_to = newest
            self._highest = max(self._highest, newest)
            self._seen = {number for number in self._seen if number > newest}

    def received(self, numbers: Iterable[int]) -> None:
        """The numbers of one update's trades. A history that repeats older ones is passed over."""
        with self._arrived:
            new = sorted(number for number in numbers if number > self._highest)
            if not new:
                return
            if self._announced:
                # Between the last trade before the announced gap and the first one after it, anything may be missing.
                self._gaps.append((self._highest, new[0]))
            self._broken_off = self._announced = False
            self._seen.update(new)
            self._highest = new[-1]
            self._arrived.notify_all()

    def disconnected(self) -> None:
        """The connection ended: nothing arrives until the next one."""
        with self._arrived:
            self._broken_off = True
            self._arrived.notify_all()

    def gap(self) -> None:
        """A gap was announced, in order with the updates. One that is not announced is a loss."""
        with self._arrived:
            self._announced = True

    def compare(self, recorded: Iterable[int]) -> None:
        """Takes the venue's recent record in. To be called more often than that record forgets."""
        with self._arrived:
            new = [number for number in recorded if number > self._recorded_to]
            self._expected.update(new)
            self._recorded_to = max(new, default=self._recorded_to)
            arrived = self._expected & self._seen
            self.checked += len(arrived)
            self._expected -= arrived
            self._seen -= arrived
            missed = {number for number in self._expected if any(after < number < to for after, to in self._gaps)}
            self.in_gap += len(missed)
            self._expected -= missed

    def settle(self) -> int:
        """Waits until everything compared so far has arrived, and returns how much of it was lost."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._broken_off or self._highest >= self._recorded_to, PATIENCE)
        self.compare(())
        with self._arrived:
            if self._broken_off:
                # Ended in the middle of a recovery: what came after the last trade belongs to a gap that is not over.
                return sum(number < self._highest for number in self._expected)
            return len(self._expected)


class BookAudit:
    """The book that snapshot and deltas sum to has to become what the venue's book was at any moment looked at."""

    def __init__(self) -> None:
        # Guards all below, and wakes who waits for the book to get there.
        self._moved = threading.Condition()
        self._sides: Sides = {"bids": {}, "asks": {}}
        self._usable = False
        self._target: Optional[Sides] = None
        self._target_since = 0.0
        self.checked = 0
        self.wrong = 0
        self.best: Tuple[Optional[Decimal], Optional[Decimal]] = (None, None)

    def apply(self, kind: str, bids: Iterable[Tuple[Any, Any]], asks: Iterable[Tuple[Any, Any]]) -> None:
        """One update of the channel."""
        with self._moved:
            if kind == "snapshot":
                self._sides = {"bids": {}, "asks": {}}
                self._usable = True
            for name, levels in (("bids", bids), ("asks", asks)):
                side = self._sides[name]
                for price, size in levels:
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
            self.best = max(self._sides["bids"], default=None), min(self._sides["asks"], default=None)
            self._look()

    def disconnected(self) -> None:
        """The book is worth nothing until the next snapshot."""
        with self._moved:
            self._usable = False
            self._target = None
            self._moved.notify_all()

    def compare(self, true_book: Callable[[], Mapping[str, Sequence[Tuple[Decimal, Decimal]]]]) -> None:
        """Looks at the venue's book now: this one has to be equal to it, at once or soon. To be called again
        and again."""
        with self._moved:
            if self._target is not None and time.monotonic() - self._target_since > PATIENCE:
                self.wrong += 1
                self._target = None
            if self._usable and self._target is None:
                # Under the lock, so that this book cannot get ahead of the venue's before they are compared.
                self._target = {name: dict(levels) for name, levels in true_book().items()}
                self._target_since = time.monotonic()
                self._look()

    def settle(self) -> None:
        """Waits for the last comparison's outcome."""
        with self._moved:
            if not self._moved.wait_for(lambda: self._target is None, PATIENCE):
                self.wrong += 1
                self._target = None

    def _look(self) -> None:
        if self._target is not None and self._sides == self._target:
            self.checked += 1
            self._target = None
            self._moved.notify_all()
