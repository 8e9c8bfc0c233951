"""What became of each order: told by the answer or, where none came, asked of the venue."""

from __future__ import annotations

import collections
from typing import Callable, List, Optional, Sequence, Set, Tuple

from dbxsdk.cli.demo.report import OutcomeAsked
from dbxsdk.errors import OutcomeUnknown


class Outcomes:
    """The orders of one connection. ``place`` is one thread's; ``ask`` and ``disagreements`` follow when that has ended.

    Args:
        known: the venue's own orders, each as its id and its state. In a program for the live venue this is a REST request.
        tell: called with each ``OutcomeAsked``.
    """

    def __init__(self, known: Callable[[], Sequence[Tuple[str, str]]], tell: Callable[[OutcomeAsked], None]) -> None:
        self.placed = 0
        self.accepted = 0
        self.asked = 0
        self.found = 0
        self._known = known
        self._tell = tell
        self._told: Set[str] = set()
        self._unanswered: List[Optional[str]] = []

    @property
    def unknown(self) -> int:
        """Those that had no answer, and about which the venue was not asked yet."""
        return len(self._unanswered)

    def place(self, send: Callable[[], str]) -> None:
        """Places one order: ``send`` returns its id, and raises ``OutcomeUnknown``, with its ``order_link_id`` if it has
        one, where no answer came. Whatever is raised is raised on."""
        # Only now, and not at once: what was sent before the connection ended may have been carried out after.
        self.ask()
        self.placed += 1
        try:
            self._told.add(send())
        except OutcomeUnknown as error:
            # Never again by itself: it may have been carried out.
            self._unanswered.append(getattr(error, "order_link_id", None))
            raise
        self.accepted += 1

    def ask(self) -> None:
        """Asks the venue about the orders that had no answer."""
        while self._unanswered:
            name = self._unanswered.pop(0)
            states = dict(self._known())
            # Without a name of its own it can only be the one that nobody was told of.
            key = next((key for key in states if key not in self._told), None) if name is None else name
            found = key in states
            self.asked += 1
            self.found += found
            if found and key is not None:
                self._told.add(key)
            self._tell(OutcomeAsked(name, found, states.get(key or "", None)))

    def disagreements(self) -> int:
        """Orders that the venue does not have, has twice, or has although it was said that there is none."""
        there = collections.Counter(key for key, _ in self._known())
        return sum(there[key] != 1 for key in self._told) + sum(key not in self._told for key in there)
