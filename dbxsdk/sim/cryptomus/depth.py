"""The local Cryptomus venue's books at coarser price steps, and the changes of each."""

from __future__ import annotations

from typing import Dict, List, Tuple

from dbxsdk.sim.market.book import Book, DepthFeed, Level, Side

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


class ScaledFeed(DepthFeed):
    """What subscribers of one book at one scale are sent: a whole book, then changes that always sum to it."""

    def __init__(self, book: Book, step: int) -> None:
        self._step = step
        super().__init__(book)

    def _window(self) -> Levels:
        return scaled(self._book, self._step)
