"""What a venue's update means for an order book: the interface between the venues and ``OrderBook``. Pure."""

from __future__ import annotations

import abc
import enum
from typing import Any, List, Optional, Tuple

from dbxsdk.protocol import Push


class Action(enum.Enum):
    """What becomes of the book."""

    REPLACE = "replace"
    """It is all of the book."""
    APPLY = "apply"
    """It changes the book: a size for each price that it names, 0 deletes."""
    REPEAT = "repeat"
    """It says again what the book holds already."""
    BROKEN = "broken"
    """Something between the last update and this one is missing."""


# As names of the module, since looking a member up takes a third of all that a rule does for an update in older Pythons.
APPLY, REPLACE, REPEAT, BROKEN = Action.APPLY, Action.REPLACE, Action.REPEAT, Action.BROKEN

Change = Tuple[Action, Any, Any, Optional[int]]
"""(action, bids, asks, update id): both sides as the wire's ``[[price, size], ...]``, of which nothing is checked
yet. A plain tuple, because one is made for every update."""


class BookRule(abc.ABC):
    """One venue's rule for one kind of book."""

    shows_locked = False
    """True if the venue's own page shows a whole book whose best bid equals its best ask."""

    kept_levels: Optional[int] = None
    """Levels that a side keeps: worse ones are deleted after each update. None: what the venue does not delete stays."""

    most_levels = 10_000
    """Levels that a side may have. A book with more is no book, or one whose deletions are not seen; four times the depth
    leaves room for an update that names all of it anew before it deletes the rest."""

    def ask(self) -> bool:
        """Ask for a whole book, if it does not come with a new subscription; return False if it does. Must not block."""
        return False

    def end(self) -> None:
        """Do nothing more for a book that has ended. Must not block."""

    def whole(self, document: Any, bids: List[List[str]], asks: List[List[str]]) -> Any:
        """Return ``document``, the last update of a book, as it would be if the venue had sent the whole book in it: both sides,
        best first. None if the venue has no such form."""
        return None

    @abc.abstractmethod
    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        """What ``push`` means for a book whose last update had the id ``last``: None where the venue numbers nothing,
        or the book waits for a whole one. None where the update is about another book. A typed frame may stand for a
        push: read its ``kind`` and ``payload`` alone.

        Raises ``ProtocolError`` for a document that is no update of a book.
        """
