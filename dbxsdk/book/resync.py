"""Decides when the venue is asked for a whole book, and how far a crossed book is believed. Plain values in and out."""

from __future__ import annotations

from typing import Optional

PATIENCE = 5.0
"""Seconds between two requests for a whole book; doubled with each request, up to ``LONGEST_PATIENCE``, and back to
this when for twice that long there was none."""

LONGEST_PATIENCE = 60.0

EQUAL, ACROSS = 1, 2
"""How far a book is crossed: best bid and ask are equal, or the bid is above the ask."""


class Resync:
    """One book's requests for a whole one. The caller holds the book's lock; ``due`` alone may be read without it."""

    __slots__ = ("due", "requests", "tolerated", "_asked_at", "_patience", "_asked_since_crossed")

    def __init__(self) -> None:
        self.due: Optional[float] = None
        """When the next update that finds the book stale asks for a whole one. None: ``PATIENCE`` after that update."""
        self.requests = 0
        """How many were made."""
        self.tolerated = 0
        """How far crossed the book may be and still be believed: 0 not at all, else ``EQUAL`` or ``ACROSS``."""
        self._asked_at = float("-inf")
        self._patience = PATIENCE
        self._asked_since_crossed = False

    def lost(self, now: float) -> None:
        """An update is missing or cannot be read: ask at once, or as soon as the pause since the last request allows."""
        self.due = max(now, self._asked_at + self._patience)

    def ignored(self, now: float) -> None:
        """A change came while the book waits for a whole one. Where none was asked for, it comes by itself; it has a while."""
        if self.due is None:
            self.due = now + self._patience

    def dropped(self) -> None:
        """The connection ended: the next one begins with a whole book."""
        self.due = None
        self._asked_since_crossed = False

    def renewed(self, is_crossed: bool) -> None:
        """Somebody else is about to ask for a whole book. One that was believed though crossed is not asked for again."""
        self._asked_since_crossed = is_crossed

    def replaced(self, shows_locked: bool) -> None:
        """A whole book has come. Crossed, it is believed if it was asked for because of that; ``shows_locked``: if the
        venue's own page shows books whose best prices are equal."""
        self.due = None
        self.tolerated = ACROSS if self._asked_since_crossed else EQUAL if shows_locked else 0
        self._asked_since_crossed = False

    def crossed(self, how_far: int, now: float) -> bool:
        """Return True if a book that is crossed so far is believed; else a whole one is due."""
        if how_far <= self.tolerated:
            self.tolerated = how_far
            return True
        self._asked_since_crossed = True
        self.lost(now)
        return False

    def ask(self, now: float) -> bool:
        """Return True if the time for a request has come, and count it as made. A market in which updates are lost again
        and again must not make the client subscribe without a pause: the venue would end it."""
        if self.due is None or now < self.due:
            return False
        if now - self._asked_at > 2 * LONGEST_PATIENCE:
            self._patience = PATIENCE
        else:
            self._patience = min(self._patience * 2, LONGEST_PATIENCE)
        self._asked_at = now
        self.due = now + self._patience
        self.requests += 1
        return True
