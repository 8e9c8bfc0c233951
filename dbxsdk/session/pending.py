"""Requests in flight, each with the future that its reply completes."""

from __future__ import annotations

import collections
import functools
import logging
import threading
from concurrent.futures import Future
from typing import Any, Callable, Deque, Dict, Hashable, List, Optional

from dbxsdk.protocol import Reply, Request
from dbxsdk.runtime.reentrancy import calls_user_code

logger = logging.getLogger(__name__)


_LATE_KEPT = 10_000


class RequestFuture(Future):  # type: ignore[type-arg]
    """A future that can be completed in a forked child, whoever held its lock in the parent."""

    def add_done_callback(self, fn: Callable[["Future[Any]"], object]) -> None:
        super().add_done_callback(functools.partial(_guarded, fn))

    request_id: Any = None

    def renew_lock(self) -> None:
        self._condition = threading.Condition()


@calls_user_code
def _guarded(callback: Callable[["Future[Any]"], object], future: "Future[Any]") -> None:
    try:
        callback(future)
    except BaseException:  # noqa: B036 - also SystemExit: it would end the reader thread
        logger.exception("a done-callback of a request raised")


class Entry:
    """One request and what becomes of its reply: it completes ``future``, or goes to ``handler``, which gets
    None in place of a reply when the deadline has passed."""

    __slots__ = ("request", "future", "handler", "deadline", "awaited")

    def __init__(
        self,
        request: Request,
        *,
        future: Optional[RequestFuture] = None,
        handler: Optional[Callable[[Request, Optional[Reply]], None]] = None,
        deadline: Optional[float] = None,
        awaited: bool = True,
    ) -> None:
        self.request = request
        self.future = future
        self.handler = handler
        self.deadline = deadline
        """Monotonic time at which nobody waits any more; None where the waiting thread itself keeps the time."""
        self.awaited = awaited


class PendingRequests:
    """The table. Not safe by itself: the session's lock guards it."""

    def __init__(self) -> None:
        self._by_key: Dict[Hashable, Entry] = {}
        # For replies without an id: the oldest request of the kind comes first.
        self._by_kind: Dict[str, Deque[Entry]] = {}
        # The kinds of users' requests that were given up without an answer: it may still come on this connection.
        self._late: Dict[Hashable, str] = {}
        self.awaited = 0
        """How many have somebody waiting: all but heartbeats. May be read without the lock."""

    def file(self, entry: Entry) -> None:
        """Must happen before the frame is written: a fast venue answers before ``send`` returns."""
        self.awaited += entry.awaited
        self._by_key[entry.request.key] = entry
        self._by_kind.setdefault(entry.request.kind, collections.deque()).append(entry)

    def has(self, reply: Reply) -> bool:
        return reply.key in self._by_key

    def holds(self, entry: Entry) -> bool:
        return self._by_key.get(entry.request.key) is entry

    def take(self, reply: Reply) -> Optional[Entry]:
        """The request that ``reply`` answers, removed; None where there is none, or it cannot be told which."""
        if reply.key is not None:
            entry = self._by_key.get(reply.key)
            self._late.pop(reply.key, None)
        else:
            entry = self._without_id(reply)
        if entry is not None:
            self.withdraw(entry)
        return entry

    def _without_id(self, reply: Reply) -> Optional[Entry]:
        if reply.kind is None:
            candidates = [entry for entry in self._by_key.values() if entry.awaited]
        else:
            candidates = list(self._by_kind.get(reply.kind, ()))
        if reply.topics is not None:
            return next((entry for entry in candidates if frozenset(entry.request.topics) == reply.topics), None)
        if reply.ordered:
            return candidates[0] if candidates else None
        # Guessing would give one caller the answer of another: also of one who has given up waiting.
        if len(candidates) != 1 or (candidates[0].future is not None and self._is_late(reply.kind)):
            return None
        return candidates[0]

    def _is_late(self, kind: Optional[str]) -> bool:
        return bool(self._late) if kind is None else kind in self._late.values()

    def give_up(self, entry: Entry) -> bool:
        """Removes one that nobody waits for any more; False where its outcome is decided."""
        if not self.withdraw(entry):
            return False
        if entry.future is not None:
            self._late[entry.request.key] = entry.request.kind
            if len(self._late) > _LATE_KEPT:
                del self._late[next(iter(self._late))]
        return True

    def withdraw(self, entry: Entry) -> bool:
        """Removes ``entry``; False where it is not there any more: its outcome is decided."""
        if self._by_key.get(entry.request.key) is not entry:
            return False
        self.awaited -= entry.awaited
        del self._by_key[entry.request.key]
        same = self._by_kind[entry.request.kind]
        same.remove(entry)
        if not same:
            del self._by_kind[entry.request.kind]
        return True

    def drain(self) -> List[Entry]:
        """All of them, removed."""
        entries = list(self._by_key.values())
        self._by_key.clear()
        self._by_kind.clear()
        self._late.clear()
        self.awaited = 0
        return entries

    def expired(self, now: float) -> List[Entry]:
        """Those whose deadline has passed, removed."""
        late = [entry for entry in self._by_key.values() if entry.deadline is not None and entry.deadline <= now]
        for entry in late:
            self.give_up(entry)
        return late

    def requests(self) -> int:
        """How many of them are users' requests."""
        return sum(entry.future is not None for entry in self._by_key.values())

    def next_deadline(self) -> Optional[float]:
        deadlines = [entry.deadline for entry in self._by_key.values() if entry.deadline is not None]
        return min(deadlines) if deadlines else None
