"""Groups: workers that share a name share the updates. Each entry goes to one of them, and to another if that one dies.

By Redis' consumer groups: an entry is pending from its reading to its acknowledgement, which follows its callbacks. A worker says
every few seconds that it is still at work on what it has; what nobody has said so of is another's.
"""

from __future__ import annotations

import os
import threading
import uuid
from typing import Any, Dict, List, Optional, Sequence, Tuple

from dbxsdk.errors import DbxError
from dbxsdk.relay.entries import EPOCH, UNREADABLE, Entry, Id, decode_all, parse_id, text_id, when
from dbxsdk.relay.follower import BLOCK_MS, Followed, Follower
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import CommandRefused, Server
from dbxsdk.runtime.clock import monotonic

CLAIM_AFTER = 10.0
"""Seconds after which what a worker has read, and has not said that it is at work on, is another's."""
KEEP = 2.0
"""Seconds between a worker's signs that it is at work."""
_COUNT = 16
"""Entries of each topic that one worker takes at once: few, so that the others get their share."""
_MOST = 64
"""Entries whose callbacks have not returned with which a worker takes no more, for the same reason."""
_SATED = 0.05
"""Seconds after which one that has so many looks at the control stream again."""
_FORGOTTEN_MS = 3_600_000
"""Idle time after which a worker that has nothing pending is forgotten."""


class GroupFollower(Follower):
    """One worker of a group."""

    def __init__(self, server: Server, keys: Keys, group: str) -> None:
        super().__init__(server, keys)
        self.group = group
        self.consumer = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self.taken = 0
        """Entries that the reader has taken in."""
        self._finished = 0
        """Those of them whose callbacks have returned: the callbacks thread counts."""
        self._some_finished = threading.Event()
        self._busy = False
        self._peek: Dict[bytes, str] = {}
        self._claim_at = monotonic() + CLAIM_AFTER / 4

    def finish(self, count: int) -> None:
        """The callbacks of so many have returned. By the callbacks thread."""
        self._finished += count
        self._some_finished.set()

    def begin(self, followed: Followed, at: Id) -> Id:
        """Where the group stands in a topic's stream; a new one begins at ``at``."""
        assert self.link is not None
        self._claim_at = min(self._claim_at, monotonic())
        try:
            self.link.call("XGROUP", "CREATE", followed.key, self.group, text_id(at), "MKSTREAM")
        except CommandRefused as error:
            if error.code != "BUSYGROUP":
                raise
        self._forget_workers(followed.key)
        return self._standing(self.link.call("XINFO", "GROUPS", followed.key)) or at

    def _forget_workers(self, key: bytes) -> None:
        assert self.link is not None
        for each in self.link.call("XINFO", "CONSUMERS", key, self.group):
            about = dict(zip(each[::2], each[1::2]))  # noqa: B905
            if about[b"pending"] == 0 and about[b"idle"] > _FORGOTTEN_MS:
                self.link.call("XGROUP", "DELCONSUMER", key, self.group, about[b"name"])

    def _standing(self, groups: Any) -> Optional[Id]:
        for each in groups:
            about = dict(zip(each[::2], each[1::2]))  # noqa: B905
            if about.get(b"name") == self.group.encode():
                return parse_id(about.get(b"last-delivered-id"))
        return None

    def read(self, block_ms: int = BLOCK_MS) -> List[Tuple[Optional[Followed], Entry]]:
        """Return what is new in the control stream, and this worker's share of the live topics, in the order in which it
        happened. ``Entry.claimed`` marks what another worker has left."""
        assert self.link is not None and self.control is not None
        topics = {each.key: each for each in self.topics.values() if each.position is not None and each.settled}
        if self._sated():
            self._some_finished.clear()
            if self._sated():
                self._some_finished.wait(_SATED)
        wait: Tuple[object, ...] = () if self._busy else ("BLOCK", block_ms)
        if self._sated():
            topics, wait = {}, ()
        # Only to be woken: what comes is read once more, as the group's.
        ids = [text_id(self.control), *(self._peek.get(each.key, text_id(each.position or (0, 0))) for each in topics.values())]
        answer = dict(self._wait(("XREAD", "COUNT", _COUNT, *wait, "STREAMS", self._control_key, *topics, *ids)))
        control = self._control(answer.pop(self._control_key)) if self._control_key in answer else []
        steps: List[Tuple[Optional[Followed], Entry]] = []
        if monotonic() >= self._claim_at and topics:
            self._claim_at = monotonic() + CLAIM_AFTER / 4
            steps += [(each, entry) for each in topics.values() for entry in self._claim(each)]
        self._busy = False
        shares = self._shares([topics[key] for key in answer])
        if not self._busy:
            shares += [(None, entry) for entry in control]  # else it waits: what came before it has not been read
            shares.sort(key=lambda step: when(step[1]))
        return steps + shares

    def _sated(self) -> bool:
        return self.taken - self._finished >= _MOST

    def _shares(self, topics: Sequence[Followed]) -> List[Tuple[Optional[Followed], Entry]]:
        assert self.link is not None
        answers = self.link.call_all([command for each in topics for command in (
            ("MULTI",),
            ("XINFO", "GROUPS", each.key),
            ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", _COUNT, "STREAMS", each.key, ">"),
            ("EXEC",),
        )]) if topics else ()
        shares: List[Tuple[Optional[Followed], Entry]] = []
        for followed, done in zip(topics, answers[3::4]):  # noqa: B905
            for each in (done, *(done if isinstance(done, list) else ())):
                if isinstance(each, Exception):
                    raise each if isinstance(each, DbxError) else CommandRefused(str(each), str(each).partition(" ")[0])
            groups, found = done
            standing = self._standing(groups)
            if standing is not None:
                followed.position = standing  # of the whole group: what is missing behind it is missing to all
            entries = decode_all([row for _, rows in found or () for row in rows], followed.read)
            if followed.position is not None:
                self._peek[followed.key] = text_id(entries[-1].id if entries else followed.position)
            self._busy = self._busy or len(entries) == _COUNT
            shares += [(followed, entry) for entry in entries]
        return shares

    def _claim(self, followed: Followed) -> List[Entry]:
        """Take over what nobody is at work on any more."""
        assert self.link is not None
        entries: List[Entry] = []
        cursor: Any = b"0-0"
        while len(entries) < _MOST:
            # Looked through to the end: what others are at work on may stand before it.
            cursor, rows, *deleted = self.link.call(
                "XAUTOCLAIM", followed.key, self.group, self.consumer, int(CLAIM_AFTER * 1000), cursor, "COUNT", _COUNT
            )
            entries += decode_all([row for row in rows if row is not None])
            # Trimmed or deleted before anybody was done with them. Redis 6.2 does not say which.
            gone = [*(deleted[0] if deleted else ()), *(self._forget_deleted(followed) if None in rows else ())]
            if gone:  # one stands for all
                entries.append(Entry(parse_id(gone[0]) or (0, 0), UNREADABLE, 0, 0, "it is there no more"))
                followed.gone.update(parse_id(id_) for id_ in gone)
            if cursor == b"0-0":
                break
        entries.sort(key=lambda entry: entry.id)
        known = {entry.id for entry in entries} | followed.gone
        for entry in entries:
            entry.claimed = True
            # Whoever noticed that entries are missing may have died before it was told.
            before = _previous(entry)
            if entry.kind == UNREADABLE or before is not None and before not in known and not self._is_there(followed, before):
                entry.hole_ns = self._before(followed, entry)
        return entries

    def _forget_deleted(self, followed: Followed) -> List[bytes]:
        assert self.link is not None
        mine = self.link.call("XPENDING", followed.key, self.group, "-", "+", 1000, self.consumer)
        gone: List[bytes] = [row[0] for row in mine if not self.link.call("XRANGE", followed.key, row[0], row[0])]
        if gone:
            self.link.call("XACK", followed.key, self.group, *gone)
        return gone

    def _is_there(self, followed: Followed, id_: Id) -> bool:
        assert self.link is not None
        return bool(self.link.call("XRANGE", followed.key, text_id(id_), text_id(id_)))

    def _before(self, followed: Followed, entry: Entry) -> int:
        """When the last entry that is there before ``entry`` was written (ns); if there is none, when its epoch began."""
        assert self.link is not None
        rows = self.link.call("XREVRANGE", followed.key, f"({text_id(entry.id)}", "-", "COUNT", 1)
        return next((each.wall_ns for each in decode_all(rows) if each.wall_ns), entry.id[0] * 1_000_000)


def _previous(entry: Entry) -> Optional[Id]:
    epoch, number = entry.id
    if number > 0:
        return epoch, number - 1
    return parse_id(entry.body.get("previous")) if entry.kind == EPOCH else None


def keep_commands(group: str, consumer: str, pending: Dict[bytes, Sequence[str]]) -> List[Tuple[Any, ...]]:
    """The commands that say that a worker is at work on what it has."""
    return [("XCLAIM", key, group, consumer, 0, *ids, "JUSTID") for key, ids in pending.items() if ids]


def give_back_command(group: str, consumer: str, key: bytes, ids: Sequence[str]) -> Tuple[Any, ...]:
    """The command that lets others claim entries at once: as if nobody had been at work on them for long."""
    return ("XCLAIM", key, group, consumer, 0, *ids, "IDLE", int(CLAIM_AFTER * 1000), "JUSTID")
