"""Requests: those in flight, those that wait for a connection, and those whose answer may still come too late."""

from __future__ import annotations

import collections
import enum
import itertools
from typing import Any, Deque, Dict, Hashable, List, Optional, Tuple

from dbxsdk.errors import OutcomeUnknown, ProtocolError, UnreadableReply
from dbxsdk.protocol import Protocol, Reply, Request

_LATE_KEPT = 10_000


class Role(enum.Enum):
    """Who waits for the answer."""

    USER = enum.auto()
    LOGIN = enum.auto()
    SUBSCRIBE = enum.auto()
    UNSUBSCRIBE = enum.auto()
    HEARTBEAT = enum.auto()


USER, LOGIN, SUBSCRIBE, UNSUBSCRIBE, HEARTBEAT = Role  # by these names: a look at the enumeration takes longer than most else

_numbers = itertools.count()


class Entry:
    """One request on its way.

    ``written`` and ``outbox`` belong to the outbox that writes it: True from the moment at which a byte may have left.
    """

    __slots__ = ("number", "request", "role", "future", "deadline", "written", "abandoned", "outbox", "__weakref__")

    def __init__(self, request: Request, role: Role, deadline: float, future: Any = None) -> None:
        self.number = next(_numbers)
        """In the order of asking."""
        self.request = request
        self.role = role
        self.future = future
        """A user's; the machine never touches it."""
        self.deadline = deadline
        """Monotonic time at which the machine gives the request its end, if nothing else has."""
        self.written = False
        self.abandoned = False
        """True once nobody waits for it: it must not be written any more."""
        self.outbox: Any = None


class Requests:
    """The tables. Each entry is in one of them at most, and in none once its outcome is decided."""

    def __init__(self) -> None:
        self._by_key: Dict[Hashable, Entry] = {}
        # For replies without an id: the oldest request of the kind comes first.
        self._by_kind: Dict[str, Deque[Entry]] = {}
        self.unsent: Dict[Entry, None] = {}
        """Users' requests that wait for a connection, oldest first."""
        # Requests that were written and abandoned: the answer may still come on this connection.
        self._late: Dict[Hashable, Request] = {}
        self.awaited = 0
        """Requests in flight that somebody waits for: all but heartbeats. May be read without the lock."""

    def file(self, entry: Entry) -> None:
        """File a request that is about to be written. First: a fast venue answers before the write returns."""
        self.awaited += entry.role is not HEARTBEAT
        self._by_key[entry.request.key] = entry
        self._by_kind.setdefault(entry.request.kind, collections.deque()).append(entry)

    def knows(self, key: Hashable) -> bool:
        """True if an answer with this id belongs to a request of this connection."""
        return key in self._by_key or key in self._late

    def holds(self, entry: Entry) -> bool:
        """True if ``entry`` is in flight."""
        return self._by_key.get(entry.request.key) is entry

    def take(self, reply: Reply) -> Optional[Entry]:
        """Remove and return the request that ``reply`` answers; None if there is none, or it is not certain which."""
        if reply.key is not None:
            entry = self._by_key.get(reply.key)
        else:
            entry = self._without_id(reply)
        if entry is not None:
            self.withdraw(entry)
        return entry

    def take_late(self, reply: Reply) -> Optional[Request]:
        """Remove and return the abandoned request that ``reply`` answers, as ``take`` does."""
        key = reply.key
        if key is None:
            of_kind = [key for key, request in self._late.items() if reply.kind in (None, request.kind)]
            if len(of_kind) != 1 or self._candidates(reply):
                return None
            key = of_kind[0]
        return self._late.pop(key, None)

    def _candidates(self, reply: Reply) -> List[Entry]:
        if reply.kind is None:
            return [entry for entry in self._by_key.values() if entry.role is not HEARTBEAT]
        return list(self._by_kind.get(reply.kind, ()))

    def _without_id(self, reply: Reply) -> Optional[Entry]:
        candidates = self._candidates(reply)
        if reply.topics is not None:
            return next((entry for entry in candidates if frozenset(entry.request.topics) == reply.topics), None)
        if reply.ordered:
            return candidates[0] if candidates else None
        # Guessing would give one caller the answer of another, or of one that was abandoned.
        if len(candidates) != 1 or (candidates[0].role is USER and self._is_late(reply.kind)):
            return None
        return candidates[0]

    def _is_late(self, kind: Optional[str]) -> bool:
        return any(kind in (None, request.kind) for request in self._late.values())

    def withdraw(self, entry: Entry) -> bool:
        """Remove ``entry`` from those in flight; False if it is not there any more."""
        if not self.holds(entry):
            return False
        self.awaited -= entry.role is not HEARTBEAT
        del self._by_key[entry.request.key]
        same = self._by_kind[entry.request.kind]
        same.remove(entry)
        if not same:
            del self._by_kind[entry.request.kind]
        return True

    def abandon(self, entry: Entry) -> bool:
        """Remove one that nobody waits for any more; False if its outcome was decided before."""
        # An unsubscription is still sent, however late.
        entry.abandoned = entry.role is not UNSUBSCRIBE
        if entry in self.unsent:
            del self.unsent[entry]
            return True
        if not self.withdraw(entry):
            return False
        self._late[entry.request.key] = entry.request
        if len(self._late) > _LATE_KEPT:
            del self._late[next(iter(self._late))]
        return True

    def take_unsent(self) -> List[Entry]:
        """Remove and return those that wait for a connection."""
        entries = list(self.unsent)
        self.unsent.clear()
        return entries

    def drain(self) -> List[Entry]:
        """Remove and return all that are in flight: the connection is gone."""
        entries = list(self._by_key.values())
        self._by_key.clear()
        self._by_kind.clear()
        self._late.clear()
        self.awaited = 0
        return entries

    def expired(self, now: float) -> List[Entry]:
        """Remove and return those whose deadline has passed, heartbeats excepted."""
        entries = (*self._by_key.values(), *self.unsent)
        late = [entry for entry in entries if entry.deadline <= now and entry.role is not HEARTBEAT]
        for entry in late:
            self.abandon(entry)
        return late

    def of_role(self, role: Role) -> List[Entry]:
        """Those in flight, oldest first."""
        return [entry for entry in self._by_key.values() if entry.role is role]

    def count(self) -> int:
        """Users' requests without an outcome."""
        return sum(entry.role is USER for entry in self._by_key.values()) + len(self.unsent)

    def next_deadline(self) -> Optional[float]:
        """The earliest deadline of all that wait, heartbeats excepted."""
        entries = (*self._by_key.values(), *self.unsent)
        return min((entry.deadline for entry in entries if entry.role is not HEARTBEAT), default=None)


def outcome(protocol: Protocol, request: Request, reply: Reply) -> Tuple[Any, Optional[BaseException]]:
    """Return the result that ``reply`` brings to ``request``, or the error."""
    try:
        return protocol.conclude(request, reply), None
    except ProtocolError as error:
        # It was carried out, or it was not: the venue knows.
        unreadable = UnreadableReply(f"the answer to {request.kind} cannot be read: {error}")
        name_orders(unreadable, request)
        return None, unreadable
    except Exception as error:
        if isinstance(error, OutcomeUnknown):
            name_orders(error, request)
        return None, error


def link_ids(request: Request) -> Tuple[Optional[str], Tuple[str, ...]]:
    """The caller's own id of what the request is about, if it is about one thing, and all such ids."""
    ids = request.order_link_ids
    return (ids[0] if len(ids) == 1 else None), ids


def name_orders(error: OutcomeUnknown, request: Request) -> None:
    """Say in an error which request it is about, and which orders of the caller's."""
    error.request_id = request.key
    error.order_link_id, error.order_link_ids = link_ids(request)
