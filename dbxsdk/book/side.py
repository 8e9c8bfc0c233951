"""One side of an order book: sizes by price, kept sorted at a cost that grows with the changes, not with the depth."""

from __future__ import annotations

import functools
import operator
from bisect import bisect_left
from decimal import Decimal, InvalidOperation
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from dbxsdk.errors import ProtocolError
from dbxsdk.fields import decimal

Level = Tuple[Decimal, Decimal]
"""One price of a book: (price, size)."""

_Size = Union[str, int, float, Decimal, None]
"""As it came, or read; None: the level is dead."""

_INFINITE = float("inf")

_NUMBERS = (int, float)
_LARGE = 10**300
"""A size that is larger is read at once: ``decimal`` might refuse it."""

_FEW_DEAD = 100
"""Not worth the work of removing them."""

_LONG = 100
"""Characters of a price or size. The longest that venues write have some 40."""


class Side:
    """Bids or asks. Whoever uses it holds the book's lock: reading it changes it, too, though not what it says.

    Three things make a change cheap, in the order of what they save. A deleted level stays in its place, dead, since
    most come back at once: only a price that is new to the side is looked up in the sorted list and put into it.
    Levels are found by the text of their price, which is cheaper to hash than a new ``Decimal``. A size stays as it
    came, once ``float`` has found it to be a number above 0, until somebody reads it.
    """

    __slots__ = ("_end", "_sizes", "_prices", "_texts", "_most", "_room", "_shown", "_size", "best")

    def __init__(self, rows: Any, *, bids: bool, most: int) -> None:
        """A whole side, from the wire's ``[[price, size], ...]`` in any order. Raises ``ProtocolError``, also if it has more
        than ``most`` levels, at the latest when they are twice as many."""
        self._most = most
        self._end = -1 if bids else 0
        """Where the best price is in the lists."""
        self._prices: List[Decimal] = []
        """Ascending."""
        self._texts: List[str] = []
        """The same prices in the same order, as they were first written."""
        self._sizes: Dict[str, _Size] = {}
        """By such a text; None: dead."""
        self._room = 0
        """So many levels, dead or alive, and the dead are removed before another one comes."""
        self.best: Optional[Level] = None
        """The best level."""
        self._shown = ""
        """The text of its price."""
        self._size: Any = None
        """Its size; what is no size: it has to be looked for."""
        self.apply(rows)

    def apply(self, rows: Any) -> int:
        """Sets the size of each price that ``rows`` name; a size of 0 deletes. Returns how many of the deleted
        were not there. Raises ``ProtocolError`` in the middle of its work: the side is of no use then."""
        if type(rows) is not list:
            raise ProtocolError(f"{type(rows).__name__} in place of the levels of a book")
        sizes = self._sizes
        unknown = 0
        try:
            if not sizes and self._fill(rows):
                self._look()
                return len(rows) - len(sizes)
            for row in rows:
                text, size = row
                # A price that is known was a good text in a good row before.
                if text not in sizes:
                    unknown += self._find(row)
                elif type(size) is str and 0.0 < float(size) < _INFINITE and len(size) <= _LONG:
                    sizes[text] = size
                elif size == "0":
                    if sizes[text] is None:
                        unknown += 1
                    sizes[text] = None
                else:
                    unknown += self._set(text, _size(size))
        except ProtocolError:
            raise
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"the levels of a book cannot be read: {error}") from error
        # Where it is as it was it is still the best: none that is dead is better, and a better one that is new has seen to this.
        if sizes.get(self._shown) is not self._size:
            self._look()
        return unknown

    def levels(self) -> Iterator[Level]:
        """The levels, best first. The side must not change meanwhile."""
        prices, texts, sizes = self._prices, self._texts, self._sizes
        # zip() with its strict is of Python 3.10.
        for price, text in zip(reversed(prices), reversed(texts)) if self._end else zip(prices, texts):  # noqa: B905
            size = sizes[text]
            if size is not None:
                if type(size) is not Decimal:
                    size = sizes[text] = Decimal(size) if type(size) is str else decimal(size)
                yield price, size

    def _look(self) -> None:
        """Finds the best level, and removes the dead that are better."""
        texts, end = self._texts, self._end
        while texts:
            text = self._shown = texts[end]
            size = self._sizes[text]
            if size is not None:
                if type(size) is not Decimal:
                    size = self._sizes[text] = Decimal(size) if type(size) is str else decimal(size)
                self.best = self._prices[end], size
                self._size = size
                return
            del texts[end], self._prices[end], self._sizes[text]
        self.best = self._size = None

    def _fill(self, rows: List[Any]) -> bool:
        """Takes in the first rows at once, if they name each price once, as whole books do: else it does nothing, and returns
        False. There is nothing to delete."""
        sizes, texts, prices = self._sizes, self._texts, self._prices
        gone = []
        for row in rows:
            text, size = row
            if type(text) is not str or type(row) is not list and type(row) is not tuple:
                break
            if type(size) is not str or not 0.0 < float(size) < _INFINITE or len(size) > _LONG:
                size = _size(size)
                if not size:
                    gone.append(_price_of_text(text))
                    continue
            prices.append(_price_of_text(text))
            texts.append(text)
            sizes[text] = size
        else:
            if len(prices) <= self._most and (len(prices) < 2 or _ascend(prices) or self._sort()):
                if not gone or set(gone).isdisjoint(prices):
                    return True
        sizes.clear()
        texts.clear()
        prices.clear()
        return False

    def _sort(self) -> bool:
        """Sorts the levels. Returns False if some are of one price."""
        prices, texts = self._prices, self._texts
        # Most come with the best bid first.
        prices.reverse()
        texts.reverse()
        if not _ascend(prices):
            texts.sort(key=_price_of_text)
            prices.sort()
        return _ascend(prices)

    def _find(self, row: Any) -> int:
        """Takes in a row whose price is in a text that is not known. Returns 1 where it deletes what is not there."""
        price = _price(row)
        text, size = row
        if type(size) is not str or not 0.0 < float(size) < _INFINITE or len(size) > _LONG:
            size = _size(size)
        prices = self._prices
        at = bisect_left(prices, price)
        if at < len(prices) and prices[at] == price:
            return self._set(self._texts[at], size)
        if not size:
            return 1
        if len(prices) >= self._room:
            self._bury()
            at = bisect_left(prices, price)
        text = str(text)
        if at == (len(prices) if self._end else 0):
            self._size = ""  # it may be the best: see ``apply``
        prices.insert(at, price)
        self._texts.insert(at, text)
        self._sizes[text] = size
        return 0

    def _set(self, text: str, size: _Size) -> int:
        """Sets the size of a level that is there, dead or alive; 0 deletes. Returns 1 if it was deleted before."""
        unknown = not size and self._sizes[text] is None
        self._sizes[text] = size or None
        return int(unknown)

    def _bury(self) -> None:
        """Removes the dead, and makes room for as many more as are left. Raises ``ProtocolError`` if those are too many."""
        # All in place: the callers are in the middle of it.
        sizes = self._sizes
        living = [(text, price) for text, price in zip(self._texts, self._prices) if sizes[text] is not None]  # noqa: B905
        self._texts[:], self._prices[:] = [text for text, _ in living], [price for _, price in living]
        for text in [text for text, size in sizes.items() if size is None]:
            del sizes[text]
        if len(living) > self._most:
            raise ProtocolError(f"more than {self._most} levels on one side of a book")
        self._room = min(2 * len(living) + _FEW_DEAD, 2 * self._most)


class CutSide(Side):
    """A side that keeps its best levels only: the venue's window has no others, though it may forget to delete one."""

    __slots__ = ("_kept",)

    def __init__(self, rows: Any, *, bids: bool, most: int, kept: int) -> None:
        """As ``Side``; levels beyond the best ``kept`` are deleted after each change."""
        self._kept = kept
        super().__init__(rows, bids=bids, most=most)

    def apply(self, rows: Any) -> int:
        unknown = super().apply(rows)
        sizes, kept = self._sizes, self._kept
        # Counted without a loop in Python: mostly there are no more.
        if len(sizes) > kept and len([*filter(None, sizes.values())]) > kept:
            living = [text for text in self._texts if sizes[text] is not None]
            for text in living[:-kept] if self._end else living[kept:]:
                sizes[text] = None
        return unknown


def _ascend(prices: List[Decimal]) -> bool:
    """True if each is above the one before."""
    return all(map(operator.lt, prices, prices[1:]))


def _price(row: Any) -> Decimal:
    # A text or an object would come apart in two as well.
    if type(row) is not list and type(row) is not tuple or len(row) != 2:
        raise ProtocolError("a row of a book is no [price, size]")
    wire = row[0]
    return _price_of_text(wire) if type(wire) is str else _decimal("price", wire)


@functools.lru_cache(maxsize=8192)
def _price_of_text(text: str) -> Decimal:
    """A market comes back to the same few hundred prices over and over. 2 MB at some 10 characters each."""
    return _decimal("price", text)


def _size(wire: Any) -> Union[Decimal, int, float]:
    """Returns a size, read if it is written in another way than most."""
    if type(wire) in _NUMBERS and 0 < wire < _LARGE:
        return wire  # type: ignore[no-any-return]
    size = _decimal("size", wire)
    if size < 0:
        raise ProtocolError(f"a size of a book is below 0: {wire!r}")
    return size


def _decimal(what: str, wire: Any) -> Decimal:
    if type(wire) is str and len(wire) > _LONG:
        raise ProtocolError(f"a {what} of a book has {len(wire)} characters")
    try:
        return decimal(wire)
    except (TypeError, ValueError, InvalidOperation) as error:
        raise ProtocolError(f"a {what} of a book cannot be read: {error}") from error
