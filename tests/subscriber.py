"""A session's side of subscribing, without threads and connections, for tests of what protocols acknowledge.

It keeps the statuses of topics, sends requests, and hands the answers of a model of the venue to the protocol. After each
answer whatever counts as live is there: no update of it is missed without a gap, and no book of it is fresh by mistake. And
whatever does not is decided by a request that is on its way: nothing is forgotten.
"""

from __future__ import annotations

import abc
import collections
import enum
import json
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.errors import VenueError
from dbxsdk.protocol import Acknowledgement, Protocol, Reply, Request

Sent = Tuple[Request, Callable[[Request, Any], None]]


class ModelVenue(abc.ABC):
    """What a venue has subscribed, and what it answers."""

    bad: Tuple[str, ...] = ()
    """The topics that it refuses."""

    @abc.abstractmethod
    def answer(self, request: Request) -> Any:
        """Carry a request out. Returns the document of the answer, or None if it has none."""

    @abc.abstractmethod
    def reaches(self, topic: str) -> bool:
        """True if the updates of ``topic`` are sent."""

    @abc.abstractmethod
    def forget(self) -> None:
        """The connection is gone."""


class Status(enum.Enum):
    ASKED = enum.auto()
    LIVE = enum.auto()
    LEAVING = enum.auto()


@attrs.define
class Call:
    """One ``subscribe``: what became of its topics."""

    undecided: Set[str]
    refused: List[str] = attrs.field(factory=list)


class Subscriber:
    def __init__(self, protocol: Protocol, venue: ModelVenue) -> None:
        self.protocol = protocol
        self.venue = venue
        protocol.reset()
        self.wanted: Dict[str, None] = {}
        self.statuses: Dict[str, Status] = {}
        """Of those that were asked for."""
        self.established: Set[str] = set()
        self.calls: List[Call] = []
        self.wire: Deque[Sent] = collections.deque()
        """What was sent and is not answered."""
        self.held: Dict[str, Deque[Sent]] = {}
        """What waits behind a request that has to be alone of its kind."""
        self.refused: List[str] = []
        self.dropped: List[str] = []
        self.lost = 0
        self.connections = 1

    # What users do.

    def subscribe(self, channel: str, *names: str) -> Call:
        topics = self.protocol.topics(channel, names)
        self.wanted.update(dict.fromkeys(topics))
        self.calls.append(Call({topic for topic in topics if self.statuses.get(topic) is not Status.LIVE}))
        self._ask()
        return self.calls[-1]

    def unsubscribe(self, channel: str, *names: str) -> None:
        for topic in self.protocol.topics(channel, names):
            self.wanted.pop(topic, None)
        self._leave()

    # What the session does.

    def _asked(self) -> Set[str]:
        return {topic for topic, status in self.statuses.items() if status is not Status.LEAVING}

    def _ask(self) -> None:
        names = [topic for topic in self.wanted if topic not in self.statuses]
        self.statuses.update(dict.fromkeys(names, Status.ASKED))
        if names:
            self._file(self.protocol.subscribe(names, self._asked()), self._subscribed)

    def _leave(self) -> None:
        names = [topic for topic, status in self.statuses.items() if status is Status.LIVE and topic not in self.wanted]
        self.statuses.update(dict.fromkeys(names, Status.LEAVING))
        for request in self.protocol.unsubscribe(names, self._asked()) if names else ():
            if set(request.topics) <= set(names):
                self._file([request], self._unsubscribed)
            else:  # for topics that stay: a subscribe request
                self._drop(request.topics)
                self._file([request], self._subscribed)

    def _file(self, requests: Sequence[Request], handler: Callable[[Request, Any], None]) -> None:
        for request in requests:
            if request.alone and request.kind in self.held:
                self.held[request.kind].append((request, handler))
                continue
            if request.alone:
                self.held[request.kind] = collections.deque()
            self.wire.append((request, handler))

    def _after(self, request: Request) -> None:
        """Send the next one of its kind."""
        held = self.held.get(request.kind)
        if request.alone and held:
            self.wire.append(held.popleft())
        elif request.alone:
            self.held.pop(request.kind, None)

    def _drop(self, topics: Sequence[str]) -> None:
        for topic in topics:
            if self.statuses.get(topic) is Status.LIVE:
                self.statuses[topic] = Status.ASKED

    def _subscribed(self, request: Request, reply: Optional[Reply]) -> None:
        if reply is not None:
            self._take(self.protocol.acknowledge(request, reply))
        elif self.established & set(request.topics) & set(self.wanted):
            self.reconnect()
        else:
            for topic in request.topics:
                if self.statuses.get(topic) is Status.ASKED:
                    self._end(topic)

    def _take(self, said: Acknowledgement) -> None:
        self.dropped += said.dropped
        self._drop(said.dropped)
        for topic in said.accepted:
            if self.statuses.get(topic) is Status.ASKED:
                self.statuses[topic] = Status.LIVE
                self.established.add(topic)
                for call in self.calls:
                    call.undecided.discard(topic)
        self._drop(said.interrupted)
        self.refused += said.refused
        assert all(isinstance(error, VenueError) for error in said.refused.values())
        for topic in said.refused:
            if self.statuses.get(topic) in (Status.ASKED, Status.LIVE):
                self._end(topic)
                for call in self.calls:
                    if topic in call.undecided:
                        call.undecided.discard(topic)
                        call.refused.append(topic)
        self._file(said.retry, self._subscribed)
        self._leave()

    def _end(self, topic: str) -> None:
        self.statuses.pop(topic, None)
        self.wanted.pop(topic, None)
        self.established.discard(topic)

    def _unsubscribed(self, request: Request, reply: Optional[Reply]) -> None:
        for topic in request.topics:
            if self.statuses.get(topic) is Status.LEAVING:
                del self.statuses[topic]
        self._ask()

    # What the venue does.

    def answer_one(self) -> bool:
        """The oldest request is answered. False if there is none."""
        if not self.wire:
            return False
        request, handler = self.wire.popleft()
        document = self.venue.answer(request)
        if handler == self._unsubscribed:
            self.check_live()  # what it ends has been dropped before
        if request.is_ping:
            handler(request, Reply(request.key, None))
        elif document is not None:
            (reply,) = self.protocol.receive(json.dumps(document).encode(), False)
            assert isinstance(reply, Reply) and reply.key in (request.key, None)
            handler(request, reply)
        self._after(request)
        self.check()
        return True

    def lose_one(self, done: bool) -> None:
        """No answer comes to the oldest request, whether the venue has ``done`` it or not."""
        if not self.wire:
            return
        self.lost += 1
        request, handler = self.wire.popleft()
        if done:
            self.venue.answer(request)
        connections = self.connections
        handler(request, None)
        if connections == self.connections:
            self._after(request)
        self.check()

    def reconnect(self) -> None:
        self.connections += 1
        self.venue.forget()
        self.protocol.reset()
        self.wire.clear()
        self.held.clear()
        self.statuses.clear()
        self._ask()

    def settle(self, limit: int = 2000) -> "Subscriber":
        while self.answer_one():
            limit -= 1
            assert limit, "it does not come to an end"
        return self

    # What must hold.

    def live(self) -> Set[str]:
        return {topic for topic, status in self.statuses.items() if status is Status.LIVE}

    def check(self) -> None:
        self.check_live()
        on_their_way = [*self.wire, *(sent for held in self.held.values() for sent in held)]
        decided = {topic for request, _ in on_their_way for topic in request.topics}
        assert {topic for topic in self.wanted if self.statuses.get(topic) is not Status.LIVE} <= decided

    def check_live(self) -> None:
        assert not [topic for topic in self.live() if not self.venue.reaches(topic)], self.live()

    def check_end(self) -> None:
        """Everything is answered: what is wanted is live, and nothing was refused that the venue takes."""
        assert self.live() == {*self.wanted}
        assert {*self.refused} <= {*self.venue.bad}
