"""The local Cryptomus venue's books at coarser price steps, and the changes of each."""

from __future__ import annotations

from typing import Dict, List, Tuple

from dbxsdk.sim.market.book import Book, Level, Side

SCALES = (1, 10, 100)
"""Price steps in ticks, by scale index. The venue's own are not documented but for one example, 0.01."""

Levels = Tuple[List[Level], List[Level]]
"""Bids and asks, best first; prices in ticks, sizes in lots."""


def scaled(book: Book, step: int) -> Levels:
    """Return the whole book in price steps of so many ticks: bids rounded down and asks up, so that they never cross."""
    return _merged(book.bids, step, 0), _merged(book.asks, step, step - 1)


def _merged(side: Side, step: int, above: int) -> List[Level]:
    merged: Dict[int, int] = {}
    for tick, lots in side.levels():
        price = (tick + above) // step * step
        merged[price] = merged.get(price, 0) + lots
    return list(merged.items())


class ScaledFeed:
    """What subscribers of one book at one scale are sent: a whole book, then changes that always sum to it."""

    def __init__(self, book: Book, step: int) -> None:
        self._book = book
        self._step = step
        self._known = scaled(book, step)

    def snapshot(self) -> Levels:
        """Return the book as of the last ``advance``: the state to which the next changes apply."""
        return self._known

    def advance(self) -> Levels:
        """Move on to the present book and return what that changes; 0 lots mean that the price is gone."""
        before, self._known = self._known, scaled(self._book, self._step)
        return _changes(before[0], self._known[0]), _changes(before[1], self._known[1])


def _changes(before: List[Level], after: List[Level]) -> List[Level]:
    old, new = dict(before), dict(after)
    changed = [level for level in after if old.get(level[0]) != level[1]]
    return changed + [(price, 0) for price, _ in before if price not in new]
