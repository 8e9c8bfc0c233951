"""The gap that a dropped connection leaves, and the right moment to announce it. The reader thread's own."""

from __future__ import annotations

from typing import Any, Iterable, Optional, Set, Tuple

from dbxsdk.events import Gap


class GapTracker:
    """Announces one ``Gap`` a reconnect: when the first new update has come, or, where none comes, when the last
    topic was acknowledged again. Whichever is first tells best how long the gap was."""

    def __init__(self) -> None:
        self._start: Optional[Tuple[float, int]] = None
        self._topics: Tuple[str, ...] = ()
        self._unanswered: Set[Any] = set()
        self.due = False
        """Whether a gap waits to be announced."""

    def connection_lost(self, last_received: float, last_received_ns: int) -> None:
        """``last_received`` (monotonic seconds) and ``last_received_ns`` (wall clock) are of the last frame."""
        # Of several drops without an announcement between them the first is where the gap begins.
        if self._start is None:
            self._start = (last_received, last_received_ns)
        self.due = False

    def connection_ready(self, topics: Tuple[str, ...], requests: Iterable[Any]) -> None:
        """``topics`` were live before and are asked for again, by ``requests`` (their keys)."""
        self._topics = topics
        self._unanswered = set(requests)
        self.due = self._start is not None and bool(topics)
        if not topics:
            self._start = None

    def answered(self, request: Any, retries: Iterable[Any]) -> bool:
        """A subscribe request was answered and led to ``retries``. Whether the gap is to be announced now."""
        if request not in self._unanswered:
            return False
        self._unanswered.discard(request)
        self._unanswered.update(retries)
        return self.due and not self._unanswered

    def announce(self, now: float) -> Gap:
        """The event; only where it is ``due``."""
        assert self._start is not None
        since, last_received_ns = self._start
        self._start, self.due = None, False
        return Gap(self._topics, now - since, last_received_ns)
