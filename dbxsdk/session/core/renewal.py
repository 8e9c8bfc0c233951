"""Renewal: when a connection that the venue ends at a certain age is replaced, at a quiet moment before that."""

from __future__ import annotations

from typing import Callable, Optional, Tuple

from dbxsdk.session.core.liveness import Look

# Parts of the age at which the venue ends it. Of 24 hours: from 23 h 2 min (some clients: up to 23 h 38 min) to 23 h 53 min.
_EARLIEST, _SPREAD, _LATEST = 0.96, 0.025, 0.995

_QUIET = 10.0
"""Seconds without a byte that are waited for at first; ever fewer are, and none at the end."""

_SOON = 0.05
"""Seconds between two looks at least."""


class Renewal:
    """One connection after another, each with its time."""

    def __init__(self, longest: Optional[float], spread: Callable[[float], float]) -> None:
        """``longest`` is that age in seconds, None if there is none; ``spread`` gives a part of so many seconds, another one
        for each client: those that began together must not be renewed together."""
        self._longest = longest
        self._spread = spread
        self._earliest = self._latest = float("inf")

    def begin(self, now: float) -> None:
        """A new connection is ready."""
        if self._longest is not None:
            self._earliest = now + self._longest * _EARLIEST + self._spread(self._longest * _SPREAD)
            self._latest = now + self._longest * _LATEST

    def due_or_next(self, look: Look, busy: bool, now: float) -> Tuple[bool, float]:
        """True if this is the moment; when to look again. ``busy``: somebody waits for an answer of this connection."""
        if now < self._earliest:
            return False, self._earliest
        if busy:
            return False, now + _SOON  # an order in flight would end as an unknown outcome
        quiet = _QUIET * (self._latest - now) / (self._latest - self._earliest)
        # What the network has not brought for so long; a reader that is busy has more to come.
        missing = quiet - look.silent_for
        return missing <= 0, now + max(min(missing, self._latest - now), _SOON)
