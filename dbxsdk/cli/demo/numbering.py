"""Numbers that put a venue's trades in order: sent with them, or found in the venue's own record."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Callable, List, Sequence, Tuple

SURE = 4
"""So many trades in a row are like no others of the record."""


class Numbered:
    """Trades that carry a number, by the same name in the SDK's model and in the venue's own record."""

    def __init__(self, name: str) -> None:
        self._number = attrgetter(name)

    def begin(self, newest: int) -> None:
        """Numbers up to ``newest`` are over."""

    def broken(self) -> None:
        """Trades are missing from here on."""

    def numbers(self, trades: Sequence[Any]) -> List[int]:
        return [self._number(trade) for trade in trades]

    def newest(self, trades: Sequence[Any]) -> Any:
        return max(trades, key=self._number)


class Found(Numbered):
    """Trades that carry none. They come in the record's order, so each is looked for behind the one before.

    After a break the next few are kept until there are enough of them to tell where in the record they are: one
    alone may be like another that was missed.
    """

    def __init__(
        self, name: str, recorded: Callable[[], Sequence[Any]], sent: Callable[[Any], Any], own: Callable[[Any], Any]
    ) -> None:
        """``sent`` and ``own`` make the same of a trade as it was sent and as it was recorded."""
        super().__init__(name)
        self._recorded = recorded
        self._sent = sent
        self._own = own
        self._newest = 0
        self._kept: List[Any] = []
        self._keeping = True

    def begin(self, newest: int) -> None:
        self._newest = newest

    def broken(self) -> None:
        self._kept.clear()
        self._keeping = True

    def numbers(self, trades: Sequence[Any]) -> List[int]:
        looks = [self._sent(trade) for trade in trades]
        if self._keeping:
            self._kept += looks
            if len(self._kept) < SURE:
                return []
            looks, self._kept, self._keeping = self._kept, [], False
        record = [(self._number(trade), self._own(trade)) for trade in self._recorded() if self._number(trade) > self._newest]
        found = _run(record, looks)
        self._newest = max(found, default=self._newest)
        return found

    def newest(self, trades: Sequence[Any]) -> Any:
        return trades[-1]


def _run(record: Sequence[Tuple[int, Any]], looks: Sequence[Any]) -> List[int]:
    """The numbers of the first trades in a row that look so; where there are none, of as many as can be found."""
    for first in range(len(record) - len(looks) + 1):
        if all(record[first + at][1] == look for at, look in enumerate(looks)):
            return [number for number, _ in record[first:first + len(looks)]]
    numbers: List[int] = []
    place = 0
    for look in looks:
        at = next((at for at in range(place, len(record)) if record[at][1] == look), None)
        if at is not None:
            numbers.append(record[at][0])
            place = at + 1
    return numbers
