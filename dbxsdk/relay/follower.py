"""The follower: what a relayed client reads from the streams, where it stands in each, and whether anything is missing."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.errors import ProtocolError
from dbxsdk.relay.entries import FORMAT, Entry, Id, decode, decode_all, in_order, parse_id, text_id
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import Link, Server, check_version
from dbxsdk.runtime.clock import monotonic
from dbxsdk.session import Subscription
from dbxsdk.transport import Message

BLOCK_MS = 1000
_COUNT, _BYTES = 512, 1_000_000
"""Entries of each stream that are read at once, at most; fewer where these have more bytes together."""


@attrs.define(eq=False)
class Followed:
    """One topic."""

    name: str
    key: bytes
    position: Optional[Id] = None
    """The last entry that was taken; None until it is known where to begin."""
    settled: bool = False
    """True while what comes is delivered."""
    state: bool = False
    """True if a late reader needs more than the next update."""
    wall_ns: int = 0
    """When the last entry was written, by the serving process' clock; and its network read."""
    read: int = 0
    joined: Id = (0, 0)
    """What came before was told of when it was joined."""
    passed: Id = (0, 0)
    """The last entry that could not be read: nothing is read before it again."""
    gone: Set[Optional[Id]] = attrs.field(factory=set)
    """Entries that a group has lost, which was told."""
    takers: Sequence[Subscription] = ()
    """The subscriptions that got the last update."""
    missed: bool = False
    """True if something was taken in that no subscription got."""
    behind: bool = False
    """True if something was taken in whose subscription ended before its callback: the callbacks thread says so."""


class Follower:
    """One client's, over its connections. The reader thread's own, but for ``interrupt``."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server, self.keys = server, keys
        self.link: Optional[Link] = None
        self.control: Optional[Id] = None
        """The last entry of the control stream that was taken; None: where it stands has to be looked up."""
        self.topics: Dict[str, Followed] = {}
        self.unheard = 0.0
        """Seconds of waiting since the serving process gave its last sign of life. Time that callbacks took does not count, nor
        does that of a process that was stopped."""
        self._control_key = keys.control.encode()
        self._checked = False
        self._count = 16  # at first: nothing is known of their size
        self._in_use = self._ended = False

    def connect(self) -> None:
        """Connect, unless there is a connection. Raises what that raises."""
        self._in_use = True
        if self.link is None:
            link = self._server.connect()
            if not self._checked:
                check_version(link, self._server.endpoint)
                self._checked = True
            self.link = link
        if self.control is None:
            self.reset()
            newest = self.link.call("XREVRANGE", self.keys.control, "+", "-", "COUNT", 1)
            found = parse_id(newest[0][0]) if newest else None
            # The server's own error, if it is one that must not be written to, comes here, and at once.
            self.link.call("RPUSH", self.keys.calls, "")
            self.control = found or (0, 0)
            self.unheard = 0.0

    def drop_link(self) -> None:
        """The connection has failed; positions stay."""
        link, self.link = self.link, None
        if link is not None:
            link.close()

    def left_alone(self) -> None:
        """The reader thread has done with it, for now."""
        self._in_use = False
        if self._ended:
            self.drop_link()

    def end(self) -> None:
        """Nothing will be read any more. By any thread: a reader that is at work closes the connection itself."""
        self._ended = True
        if self._in_use:
            self.interrupt()
        else:
            self.drop_link()

    def forget(self) -> None:
        """Nothing that is known of the streams can be relied on."""
        self.control = None
        self.reset()

    def reset(self) -> None:
        """No topic is followed."""
        self.topics.clear()

    def interrupt(self) -> None:
        """End a wait. By any thread."""
        link = self.link
        if link is not None:
            link.interrupt()

    def begin(self, followed: Followed, at: Id) -> Id:
        """Where to begin in a topic's stream that may be read from ``at`` on."""
        return at

    def follow(self, name: str) -> Followed:
        """Return a topic, to be followed once its position is known."""
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = Followed(name, self.keys.topic(name).encode())
        return found

    def read(self, block_ms: int = BLOCK_MS) -> List[Tuple[Optional[Followed], Entry]]:
        """Return what is new in all streams, in the order in which it happened; None stands for the control stream. Waits for
        something. Raises ``ProtocolError`` for entries of another edition."""
        assert self.link is not None and self.control is not None
        by_key: Dict[bytes, Optional[Followed]] = {self._control_key: None}
        ids = [text_id(self.control)]
        for each in self.topics.values():
            if each.position is not None:
                by_key[each.key] = each
                ids.append(text_id(each.position))
        answer = self._wait(("XREAD", "COUNT", self._count, "BLOCK", block_ms, "STREAMS", *by_key, *ids))
        streams: List[Tuple[List[Entry], bool]] = []
        owners: Dict[int, Optional[Followed]] = {}
        for key, rows in answer:
            followed = by_key[key]
            entries = self._control(rows) if followed is None else decode_all(rows, followed.read)
            owners.update((id(entry), followed) for entry in entries)
            streams.append((entries, len(rows) >= self._count))
        self._fit(sum(len(part) for _, rows in answer for _, fields in rows for part in fields or ()))
        return [(owners[id(entry)], entry) for entry in in_order(streams)]

    def _fit(self, size: int) -> None:
        if size > _BYTES:
            self._count = max(self._count * _BYTES // size, 1)
        elif size < _BYTES // 4:
            self._count = min(self._count * 2, _COUNT)

    def _wait(self, command: Tuple[Any, ...]) -> Any:
        """Return the answer to an ``XREAD``, and note whether the serving process was heard."""
        assert self.link is not None
        began = monotonic()
        answer = self.link.call(*command) or ()
        self.unheard += min(monotonic() - began, 2 * BLOCK_MS / 1000)
        return answer

    def _control(self, rows: Any) -> List[Entry]:
        self.unheard = 0.0
        # Not one by one: these are of another edition, which has to be said.
        return [decode(id_, fields) for id_, fields in rows if fields is not None]

    def wall_at(self, followed: Followed, position: Id) -> int:
        """When the entry at ``position`` was written (ns), if it is there still; else when its epoch began, about."""
        assert self.link is not None
        rows = self.link.call("XRANGE", followed.key, text_id(position), text_id(position))
        return next((entry.wall_ns for entry in decode_all(rows) if entry.wall_ns), position[0] * 1_000_000)

    def whole(self, topic: str) -> Optional[Tuple[Id, Message, int]]:
        """The state with which a late reader begins: position, frame and wall clock (ns); None if there is none."""
        assert self.link is not None
        value = self.link.call("GET", self.keys.whole(topic))
        if value is None:
            return None
        at, _, rest = value.partition(b" ")
        position = parse_id(at)
        entry = decode(at, (FORMAT, rest))
        if position is None or not entry.body:
            raise ProtocolError("not the state of a relay's topic")
        return position, entry.body[0][1], entry.wall_ns

    def kept(self, consumer: str, name: str) -> Tuple[bool, Optional[Id]]:
        """Whether a durable reader has stored a position in a topic, and which; None: one that is none."""
        assert self.link is not None
        found = self.link.call("HGET", self.keys.durable(consumer), name)
        return found is not None, parse_id(found)

    def oldest_ns(self, followed: Followed) -> int:
        """When the oldest entry that is there was written (ns); 0 if there is none."""
        assert self.link is not None
        rows = self.link.call("XRANGE", followed.key, "-", "+", "COUNT", 1)
        return next((entry.wall_ns for entry in decode_all(rows)), 0)
