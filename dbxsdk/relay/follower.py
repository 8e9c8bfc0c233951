"""The follower: what a relayed client reads from the streams, where it stands in each, and whether anything is missing."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

import attrs

from dbxsdk.errors import ProtocolError
from dbxsdk.relay.entries import FORMAT, Entry, Id, decode, in_order, parse_id, text_id
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import Link, Server, check_version
from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport import Message

BLOCK_MS = 1000
_COUNT, _BYTES = 512, 1 << 20
"""Entries of each stream that are read at once, and bytes, as far as the last read lets guess: what callbacks have not had is
bounded by their queue, and what is read beside that by this."""
_FEW = 16
"""What is read at first; more where there is more, and it is small."""


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
    """When the last entry was written."""


class Follower:
    """One client's, over its connections. The reader thread's own, but for ``interrupt``."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server, self.keys = server, keys
        self.link: Optional[Link] = None
        self.control: Optional[Id] = None
        """The last entry of the control stream that was taken; None: where it stands has to be looked up."""
        self.topics: Dict[str, Followed] = {}
        self.heard_at = monotonic()
        """When the serving process gave its last sign of life."""
        self._control_key = keys.control.encode()
        self._checked = False
        self._count = _FEW

    def connect(self) -> None:
        """Connect, unless there is a connection. Raises what that raises."""
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
            self.heard_at = monotonic()

    def drop_link(self) -> None:
        """The connection has failed; positions stay."""
        link, self.link = self.link, None
        if link is not None:
            link.close()

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
        answer = self.link.call("XREAD", "COUNT", self._count, "BLOCK", block_ms, "STREAMS", *by_key, *ids)
        if not answer:
            return []
        streams: List[Tuple[List[Entry], bool]] = []
        owners: Dict[int, Optional[Followed]] = {}
        largest = 0
        for key, rows in answer:
            entries = [decode(id_, fields) for id_, fields in rows if fields is not None]
            owners.update((id(entry), by_key[key]) for entry in entries)
            streams.append((entries, len(rows) >= self._count))
            largest = max(largest, len(rows[-1][1][1]) if rows[-1][1] else 0)
        more = 2 if any(more for _, more in streams) else 1
        self._count = max(1, min(more * self._count, _COUNT, _BYTES // (largest + 1)))
        return [(owners[id(entry)], entry) for entry in in_order(streams)]

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

    def durable_positions(self, consumer: str, names: Sequence[str]) -> Dict[str, Id]:
        """The positions that a durable reader has stored."""
        assert self.link is not None
        found: Any = self.link.call("HMGET", self.keys.durable(consumer), *names)
        positions = {name: parse_id(value) for name, value in zip(names, found) if value is not None}  # noqa: B905
        return {name: position for name, position in positions.items() if position is not None}
