"""One side of an order book: sizes by price, kept sorted at a cost that grows with the changes, not with the depth."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal, InvalidOperation
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from dbxsdk.errors import ProtocolError
from dbxsdk.fields import decimal

Level = Tuple[Decimal, Decimal]
"""One price of a book: (price, size)."""

_INFINITE = float("inf")
_ZERO = Decimal(0)
_ZEROS = frozenset(["0", *("0." + "0" * places for places in range(1, 19))])
"""How a deletion is written. Other ways are understood, too, but take longer."""

_FEW_DEAD = 100
"""Not worth the work of removing them."""

_LONG = 100
"""Characters of a price or size. The longest that venues write have some 40."""


class Side:
    """Bids or asks. Whoever uses it holds the book's lock: reading it changes it, too, though not what it says.

    Three things make a change cheap, in the order of what they save. A deleted level stays in its place, dead, since
    most come back at once: only a price that is new to the side is looked up in the sorted list and put into it.
    Levels are found by the text of their price, which is cheaper to hash than a new ``Decimal``. A size stays the
    text that it came as, once ``float`` has found it to be a number above 0, until somebody reads it.
    """

    __slots__ = ("_best", "_sizes", "_prices", "_texts", "_dead", "_most")

    def __init__(self, rows: Any, *, bids: bool, most: int) -> None:
        """A whole side, from the wire's ``[[price, size], ...]`` in any order. Raises ``ProtocolError``, also if it has more
        than ``most`` levels, at the latest when they are twice as many."""
        self._most = most
        self._best = -1 if bids else 0
        """Where the best price is in the lists."""
        self._prices: List[Decimal] = []
        """Ascending."""
        self._texts: List[str] = []
        """The same prices in the same order, as they were first written."""
        self._sizes: Dict[str, Union[Decimal, str, None]] = {}
        """By such a text; None: dead."""
        self._dead = 0
        """How many have died since all dead ones were removed; some may have come back."""
        self.apply(rows)

    def apply(self, rows: Any) -> int:
        """Sets the size of each price that ``rows`` name; a size of 0 deletes. Returns how many of the deleted
        were not there. Raises ``ProtocolError`` in the middle of its work: the side is of no use then."""
        if type(rows) is not list:
            raise ProtocolError(f"{type(rows).__name__} in place of the levels of a book")
        sizes = self._sizes
        unknown = 0
        try:
            for row in rows:
                text, size = row
                if type(size) is not str or not 0.0 < float(size) < _INFINITE or len(size) > _LONG:
                    # 0; or too small or too large for a float, below 0, too long, no number: looked at in detail.
                    size = _ZERO if size in _ZEROS else _size(size)
                if text not in sizes:
                    # Only here, because a price that is known was a good text in a good row before.
                    text = self._find(row, size)
                    if text is None:
                        unknown += not size
                        continue
                if size:
                    sizes[text] = size
                elif sizes[text] is not None:
                    sizes[text] = None
                    self._dead += 1
                else:
                    unknown += 1
        except ProtocolError:
            raise
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"the levels of a book cannot be read: {error}") from error
        if self._dead > _FEW_DEAD and self._dead * 2 > len(sizes):
            self._bury()
        return unknown

    def best(self) -> Optional[Level]:
        """The best level, or None."""
        texts, sizes, best = self._texts, self._sizes, self._best
        while texts:
            text = texts[best]
            size = sizes[text]
            if size is not None:
                if type(size) is str:
                    size = sizes[text] = Decimal(size)
                return self._prices[best], size  # type: ignore[return-value]  # mypy does not see through type()
            del texts[best], self._prices[best], sizes[text]
        return None

    def levels(self) -> Iterator[Level]:
        """The levels, best first. The side must not change meanwhile."""
        prices, texts, sizes = self._prices, self._texts, self._sizes
        # zip() with its strict is of Python 3.10.
        for price, text in zip(reversed(prices), reversed(texts)) if self._best else zip(prices, texts):  # noqa: B905
            size = sizes[text]
            if size is not None:
                if type(size) is str:
                    size = sizes[text] = Decimal(size)
                yield price, size  # type: ignore[misc]  # as above

    def _find(self, row: Any, size: Union[Decimal, str]) -> Optional[str]:
        """For a row whose price is in a text that is not known: the text under which the side has it, or None where it
        is a new one. That goes in, unless ``size`` is 0."""
        price = _price(row)
        at = bisect_left(self._prices, price)
        if at < len(self._prices) and self._prices[at] == price:
            return self._texts[at]
        if size:
            text = str(row[0])
            if len(self._texts) >= 2 * self._most:
                self._bury()
                if len(self._texts) > self._most:  # of which few are dead, or they had been removed
                    raise ProtocolError(f"more than {self._most} levels on one side of a book")
                at = bisect_left(self._prices, price)
            self._prices.insert(at, price)
            self._texts.insert(at, text)
            self._sizes[text] = size
        return None

    def _bury(self) -> None:
        """Removes the dead where they are many; those that came back are not."""
        sizes = self._sizes
        self._dead = list(sizes.values()).count(None)
        if self._dead * 4 > len(sizes):
            living = [at for at, text in enumerate(self._texts) if sizes[text] is not None]
            self._prices = [self._prices[at] for at in living]
            self._texts = [self._texts[at] for at in living]
            # In place: ``apply`` is in the middle of it.
            for text in [text for text, size in sizes.items() if size is None]:
                del sizes[text]
            self._dead = 0


class CutSide(Side):
    """A side that keeps its best levels only: the venue's window has no others, though it may forget to delete one."""

    __slots__ = ("_kept",)

    def __init__(self, rows: Any, *, bids: bool, most: int, kept: int) -> None:
        """As ``Side``; levels beyond the best ``kept`` are deleted after each change."""
        self._kept = kept
        super().__init__(rows, bids=bids, most=most)

    def apply(self, rows: Any) -> int:
        unknown = super().apply(rows)
        if len(self._texts) > self._kept:
            sizes = self._sizes
            living = [text for text in self._texts if sizes[text] is not None]
            extra = len(living) - self._kept
            if extra > 0:
                for text in living[:extra] if self._best else living[-extra:]:
                    sizes[text] = None
                self._dead += extra
        return unknown


def _price(row: Any) -> Decimal:
    # A text or an object would come apart in two as well.
    if type(row) not in (list, tuple) or len(row) != 2:
        raise ProtocolError("a row of a book is no [price, size]")
    return _decimal("price", row[0])


def _size(wire: Any) -> Decimal:
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
