"""What a local venue sent to each client, update by update; what it was asked, and what it carried out."""

from __future__ import annotations

import collections
import threading
from typing import Any, Callable, Collection, Deque, Dict, Iterable, List, Optional, Tuple
from urllib.parse import parse_qs

import attrs

from dbxsdk.codec import encode
from dbxsdk.sim import Venue
from tests.soak.stream import Stream

NAME = "soak"
"""The query parameter by which the venue's connections are told apart: ``...?soak=<client's name>``."""

_KEPT = 300
"""So many of a topic's last updates are remembered."""


@attrs.frozen
class Wire:
    """How a venue's documents are read.

    Attributes:
        topic_of: the SDK's name of the topic of an update; None where nobody compares it.
        asked_for: the topics that a client's frame asks for.
        mark_of: the mark by which an order is known, in a client's frame.
    """

    topic_of: Callable[[Any], Optional[str]]
    asked_for: Callable[[Any], Collection[str]]
    mark_of: Callable[[Any], Optional[str]]


def digest_of(document: Any) -> int:
    """A number that two documents share only where they are the same."""
    return hash(encode(document))


class Ledger:
    """Written by the venue's own threads. ``begin`` before a subscription is made, ``end`` when it is over."""

    def __init__(self, venue: Venue, wire: Wire) -> None:
        self._venue = venue
        self.wire = wire
        # Guards the table of streams and the counters. Taken under the venue's lock, never the other way round.
        self._lock = threading.Lock()
        self._streams: Dict[Tuple[str, str], List[Stream]] = {}
        self._sent_before: Dict[Tuple[str, str], Deque[int]] = {}
        self.arrived: Dict[str, int] = collections.Counter()
        self.executed: Dict[str, int] = collections.Counter()
        tapped: Any = venue
        push = tapped._push

        def tap(connections: Iterable[Any], document: Any) -> None:
            receivers = list(connections)
            self._sent(receivers, document)
            push(receivers, document)

        tapped._push = tap
        tapped._requests = _Requests(self._asked, tapped._requests.maxlen)

    def begin(self, who: str, stream: Stream) -> None:
        with self._lock:
            stream.earlier = frozenset(self._sent_before.get((who, stream.topic), ()))
            self._streams.setdefault((who, stream.topic), []).append(stream)

    def end(self, who: str, stream: Stream) -> None:
        with self._lock:
            streams = self._streams[who, stream.topic]
            streams.remove(stream)
            if not streams:
                del self._streams[who, stream.topic]
        stream.end()

    def forget(self, who: str) -> None:
        """A client that is closed."""
        with self._lock:
            for key in [key for key in self._sent_before if key[0] == who]:
                del self._sent_before[key]

    def count_executions(self, owner: Any, method: str, mark_of: Callable[..., Optional[str]]) -> None:
        """From now on, counts the calls of ``owner.method`` that return, by the mark in their arguments."""
        carry_out = getattr(owner, method)

        def counted(*arguments: Any, **keywords: Any) -> Any:
            result = carry_out(*arguments, **keywords)
            mark = mark_of(*arguments, **keywords)
            if mark is not None:
                with self._lock:
                    self.executed[mark] += 1
            return result

        setattr(owner, method, counted)

    def take(self, mark: str) -> Tuple[int, int]:
        """How often the request arrived and how often it was carried out; forgets it."""
        with self._lock:
            return self.arrived.pop(mark, 0), self.executed.pop(mark, 0)

    # -- under the venue's lock --------------------------------------------------------------------------------------

    def _sent(self, connections: List[Any], document: Any) -> None:
        topic = self.wire.topic_of(document)
        if topic is None:
            return
        digest: Optional[int] = None
        for connection in connections:
            who = _name(connection)
            if not who:
                continue
            if digest is None:
                digest = digest_of(document)
            with self._lock:  # one step, so that a stream that begins now has it in one place or in the other
                before = self._sent_before.setdefault((who, topic), collections.deque(maxlen=_KEPT))
                before.append(digest)
                streams = list(self._streams.get((who, topic), ()))
            for stream in streams:
                stream.was_sent(connection.number, digest)

    def _asked(self, frame: Any) -> None:
        if not isinstance(frame.document, dict):
            return
        mark = self.wire.mark_of(frame.document)
        if mark is not None:
            with self._lock:
                self.arrived[mark] += 1
        topics = self.wire.asked_for(frame.document)
        venue: Any = self._venue
        connection = venue._connections.get(frame.connection) if topics else None
        if connection is not None:
            for topic in topics:
                for stream in self._of(_name(connection), topic):
                    stream.was_asked_for(connection.number)

    def _of(self, who: str, topic: str) -> List[Stream]:
        with self._lock:
            return list(self._streams.get((who, topic), ()))


class _Requests(Deque[Any]):
    """In place of the venue's list of the frames that came: each one is looked at, and few are kept."""

    def __init__(self, look: Callable[[Any], None], kept: Optional[int]) -> None:
        super().__init__(maxlen=min(kept or 200, 200))
        self._look = look

    def append(self, frame: Any) -> None:
        self._look(frame)
        super().append(frame)


def _name(connection: Any) -> str:
    name = connection.state.get(NAME)
    if name is None:
        name = connection.state[NAME] = parse_qs(connection.query).get(NAME, [""])[0]
    return str(name)
