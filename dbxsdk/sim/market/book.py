"""A limit order book in whole ticks and lots, and the depth feeds that are cut from it.

Prices are integers of ticks and sizes integers of lots, so that nothing is ever rounded; venues multiply
by the tick and lot size once, when they show them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Dict, List, Optional, Tuple

Level = Tuple[int, int]
"""``(tick, lots)``."""

Changes = Tuple[List[Level], List[Level]]
"""Changed bids and changed asks, best first; 0 lots mean that the level is gone."""


class Side:
    """The bids or the asks: lots by tick, and the ticks sorted best first."""

    def __init__(self, bids: bool) -> None:
        self._sign = -1 if bids else 1
        self._keys: List[int] = []  # sign * tick, ascending: the best is always the first
        self._lots: Dict[int, int] = {}
        self._pinned: Dict[int, int] = {}  # of these lots, those that set() leaves alone

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, tick: int) -> bool:
        return tick in self._lots

    def tick(self, index: int) -> int:
        """Return the tick of the level at ``index``, 0 being the best."""
        return self._sign * self._keys[index]

    def lots(self, tick: int) -> int:
        """Return the size at ``tick``, 0 if there is none."""
        return self._lots.get(tick, 0)

    def set(self, tick: int, lots: int) -> None:
        """Make ``lots`` the size at ``tick``, or what is pinned there, if that is more; 0 removes the level."""
        lots = max(lots, self._pinned.get(tick, 0))
        old = self._lots.get(tick, 0)
        if lots == old:
            return
        key = self._sign * tick
        if lots == 0:
            del self._lots[tick]
            del self._keys[bisect_left(self._keys, key)]
            return
        if old == 0:
            insort(self._keys, key)
        self._lots[tick] = lots

    def pin(self, tick: int, lots: int) -> None:
        """Add ``lots`` (below 0: takes them away) at ``tick`` that ``set`` does not change."""
        total, pinned = self.lots(tick) + lots, self._pinned.pop(tick, 0) + lots
        if pinned:
            self._pinned[tick] = pinned
        self.set(tick, total)

    def pinned(self, tick: int) -> int:
        """Return how much of the size at ``tick`` is pinned."""
        return self._pinned.get(tick, 0)

    @property
    def loose(self) -> int:
        """The levels with nothing pinned."""
        return len(self._keys) - len(self._pinned)

    @property
    def far(self) -> int:
        """The farthest tick with nothing pinned."""
        return next(self._sign * key for key in reversed(self._keys) if self._sign * key not in self._pinned)

    def levels(self, depth: Optional[int] = None) -> List[Level]:
        """Return the best ``depth`` levels (None: all), best first."""
        lots, sign = self._lots, self._sign
        return [(sign * key, lots[sign * key]) for key in self._keys[:depth]]


class Book:
    """Both sides. The caller keeps the best bid below the best ask."""

    def __init__(self) -> None:
        self.bids = Side(bids=True)
        self.asks = Side(bids=False)


class DepthFeed:
    """What subscribers of one depth of one book are sent: a snapshot, then the changes of a window.

    The window is the best ``depth`` levels a side. A level that falls out of it is reported gone and one that
    moves into it is reported with its size, so the changes always sum to the book, cut at ``depth``. A feed that
    was not advanced for a while reports all changes since then at once.
    """

    def __init__(self, book: Book, depth: Optional[int] = None) -> None:
        self._book = book
        self._depth = depth
        self._bids: Dict[int, int] = {}
        self._asks: Dict[int, int] = {}
        self.advance()

    def snapshot(self) -> Tuple[List[Level], List[Level]]:
        """Return the bids and asks, best first, as of the last ``advance``: the state to which the next changes apply."""
        return list(self._bids.items()), list(self._asks.items())

    def advance(self) -> Changes:
        """Move on to the book's present state and return what that changes."""
        bids, asks = map(dict, self._window())
        changes = _difference(self._bids, bids, best_is_high=True), _difference(self._asks, asks, best_is_high=False)
        self._bids, self._asks = bids, asks
        return changes

    def _window(self) -> Tuple[List[Level], List[Level]]:
        """Return what is shown of the present book, best first."""
        return self._book.bids.levels(self._depth), self._book.asks.levels(self._depth)


def _difference(old: Dict[int, int], new: Dict[int, int], best_is_high: bool) -> List[Level]:
    changed = [(tick, lots) for tick, lots in new.items() if old.get(tick) != lots]
    changed += [(tick, 0) for tick in old if tick not in new]
    changed.sort(reverse=best_is_high)
    return changed
