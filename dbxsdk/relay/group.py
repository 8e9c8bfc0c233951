"""Groups: workers that share a name share the updates. Each entry goes to one of them, and to another if that one dies.

By Redis' consumer groups: an entry is pending from its reading to its acknowledgement, which follows its callbacks. A worker says
every few seconds that it is still at work on what it has; what nobody has said so of is another's.
"""

from __future__ import annotations

import os
import uuid
from typing import Any, Dict, List, Optional, Sequence, Tuple

from dbxsdk.errors import DbxError
from dbxsdk.relay.entries import Entry, Id, decode, parse_id, text_id
from dbxsdk.relay.follower import BLOCK_MS, Followed, Follower
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import CommandRefused, Server
from dbxsdk.runtime.clock import monotonic

CLAIM_AFTER = 10.0
"""Seconds after which what a worker has read, and has not said that it is at work on, is another's."""
KEEP = 2.0
"""Seconds between a worker's signs that it is at work."""
_COUNT = 16
"""Entries that one worker takes at once: few, so that the others get their share."""
_FORGOTTEN_MS = 3_600_000
"""Idle time after which a worker that has nothing pending is forgotten."""


class GroupFollower(Follower):
    """One worker of a group."""

    def __init__(self, server: Server, keys: Keys, group: str) -> None:
        super().__init__(server, keys)
        self.group = group
        self.consumer = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._busy = False
        self._peek: Dict[bytes, str] = {}
        self._claim_at = monotonic() + CLAIM_AFTER / 4

    def begin(self, followed: Followed, at: Id) -> Id:
        """Where the group stands in a topic's stream; a new one begins at ``at``."""
        assert self.link is not None
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
        """Return what is new in the control stream, and this worker's share of the topics. ``Entry.claimed`` marks what another
        worker has left."""
        assert self.link is not None and self.control is not None
        topics = [each for each in self.topics.values() if each.position is not None]
        # Only to be woken: what comes is read once more, as the group's.
        wait = () if self._busy else ("BLOCK", block_ms)
        keys = [self._control_key, *(each.key for each in topics)]
        ids = [text_id(self.control), *(self._peek.get(each.key, text_id(each.position or (0, 0))) for each in topics)]
        answer = self.link.call("XREAD", "COUNT", _COUNT, *wait, "STREAMS", *keys, *ids)
        steps: List[Tuple[Optional[Followed], Entry]] = []
        for key, rows in answer or ():
            if key == self._control_key:
                steps = [(None, decode(id_, fields)) for id_, fields in rows]
        self._busy = False
        for each in topics:
            steps += [(each, entry) for entry in self._share(each)]
        if monotonic() >= self._claim_at:
            self._claim_at = monotonic() + CLAIM_AFTER / 4
            for each in topics:
                steps += [(each, entry) for entry in self._claim(each)]
        return steps

    def _share(self, followed: Followed) -> List[Entry]:
        assert self.link is not None
        answers = self.link.call_all([
            ("MULTI",),
            ("XINFO", "GROUPS", followed.key),
            ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", _COUNT, "STREAMS", followed.key, ">"),
            ("EXEC",),
        ])
        for each in (answers[-1], *(answers[-1] if isinstance(answers[-1], list) else ())):
            if isinstance(each, Exception):
                raise each if isinstance(each, DbxError) else CommandRefused(str(each), str(each).partition(" ")[0])
        groups, found = answers[-1]
        standing = self._standing(groups)
        if standing is not None:
            followed.position = standing  # of the whole group: what is missing behind it is missing to all
        entries = [decode(id_, fields) for _, rows in found or () for id_, fields in rows]
        if followed.position is not None:
            self._peek[followed.key] = text_id(entries[-1].id if entries else followed.position)
        self._busy = self._busy or len(entries) == _COUNT
        return entries

    def _claim(self, followed: Followed) -> List[Entry]:
        """Take over what nobody is at work on any more."""
        assert self.link is not None
        answer = self.link.call(
            "XAUTOCLAIM", followed.key, self.group, self.consumer, int(CLAIM_AFTER * 1000), "0-0", "COUNT", _COUNT
        )
        entries = [decode(id_, fields) for id_, fields in answer[1] if fields is not None]
        for entry in entries:
            entry.claimed = True
        return entries


def keep_commands(group: str, consumer: str, pending: Dict[bytes, Sequence[str]]) -> List[Tuple[Any, ...]]:
    """The commands that say that a worker is at work on what it has."""
    return [("XCLAIM", key, group, consumer, 0, *ids, "JUSTID") for key, ids in pending.items() if ids]
