"""Delivery: what was read of the streams goes to the callbacks; once these have returned, it is noted as done.

Nothing counts as done that no callback had: what was queued for a subscription that has ended is the next reader's.
"""

from __future__ import annotations

import typing
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

from dbxsdk.relay.entries import Entry, Id, text_id
from dbxsdk.relay.follower import Followed, Follower
from dbxsdk.relay.group import GroupFollower
from dbxsdk.relay.wants import Wants
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.session import Receiver, Subscription
from dbxsdk.transport import Message


class Reading(typing.Protocol):
    """The connector, as a delivery sees it."""

    durable: Optional[str]
    group: Optional[str]
    follower: Follower
    wants: Optional[Wants]
    kept: Dict[str, Id]
    behind: bool
    now_ns: Optional[int]


class Delivery:
    """One connection's. The reader thread's own."""

    def __init__(self, connector: Reading, receiver: Receiver) -> None:
        self._connector, self._receiver = connector, receiver
        self._shares = connector.group is not None
        self._frames: Dict[int, Message] = {}
        self._frames_at: Id = (0, 0)
        self._frames_ns = 0
        self._delivered_at: Id = (0, 0)
        self._delivered: Set[int] = set()
        """Frames of the read ``_delivered_at`` that were delivered already."""
        self._read: List[Tuple[Followed, Id]] = []
        """What was taken in since ``after_callbacks``, for those that say what they have done."""
        self.last: float = 0.0
        """When something was delivered last (monotonic)."""

    def note(self, followed: Followed, entry: Entry) -> None:
        """An entry is taken in: something has to be said of it once its callbacks have returned."""
        if not entry.claimed:
            followed.position, followed.read = entry.id, entry.read
            followed.wall_ns = entry.wall_ns or followed.wall_ns
        if self._shares:
            follower, wants = self._connector.follower, self._connector.wants
            assert isinstance(follower, GroupFollower) and wants is not None
            follower.taken += 1
            wants.at_work(followed.key, text_id(entry.id))
        if self._shares or self._connector.durable is not None:
            self._read.append((followed, entry.id))

    def collect(self, followed: Followed, entry: Entry) -> None:
        """Gather frames of one network read: one that concerns several topics is in the streams of all."""
        if self._shares:
            # Of a frame that is another worker's, too, each gives its own topic's updates.
            self._connector.now_ns = entry.wall_ns
            self._receiver.share(followed.name, [message for _, message in entry.body])
            self._after_delivery(entry.wall_ns)
            return
        at = entry.at
        if at != self._frames_at:
            self.flush()
            self._frames_at, self._frames_ns = at, entry.wall_ns
            if at != self._delivered_at:
                self._delivered.clear()
        if self._frames or self._delivered:
            frames, delivered = self._frames, self._delivered
            for place, message in entry.body:
                if place not in delivered:
                    frames[place] = message
        else:
            self._frames = dict(entry.body)

    def flush(self) -> None:
        """Deliver what was gathered."""
        if not (frames := self._frames):
            return
        self._frames = {}
        self._delivered_at = self._frames_at
        self._delivered.update(frames)
        self._connector.now_ns = self._frames_ns
        self._receiver.messages([frames[place] for place in sorted(frames)] if len(frames) > 1 else list(frames.values()))
        self._after_delivery(self._frames_ns)

    def _after_delivery(self, written_ns: int) -> None:
        self.last = monotonic()
        if self._connector.wants is not None:
            self._connector.wants.lag_ns = wall_ns() - written_ns

    def read_again(self) -> None:
        """Entries that were delivered come once more, and are to be delivered."""
        self._delivered.clear()

    def leave(self, steps: Iterable[Tuple[Followed, Entry]]) -> None:
        """These are not taken in: in a group another worker may have them at once."""
        if self._shares and self._connector.wants is not None:
            self._connector.wants.give_back([(followed.key, text_id(entry.id)) for followed, entry in steps])

    def after_callbacks(self) -> None:
        """Have all that was taken in counted as done, once its callbacks have returned."""
        if not (read := self._read):
            return
        self._read, connector, receiver = [], self._connector, self._receiver
        takers: Dict[str, Sequence[Subscription]] = {}
        for followed in {id(followed): followed for followed, _ in read}.values():
            found = takers[followed.name] = receiver.takers(followed.name)
            followed.takers = found or followed.takers
            followed.missed = followed.missed or not found

        def returned() -> None:
            if receiver.closing or connector.wants is None:
                return  # what was queued is thrown away, and not done
            had = {name for name, each in takers.items() if any(had_all(one, name) for one in each)}
            self._done([each for each in read if each[0].name in had], [each for each in read if each[0].name not in had])

        receiver.notice(returned)

    def _done(self, done: Sequence[Tuple[Followed, Id]], not_done: Sequence[Tuple[Followed, Id]]) -> None:
        """On the callbacks thread."""
        connector, wants = self._connector, self._connector.wants  # there may have been another connection meanwhile
        assert wants is not None
        if connector.durable is not None:
            for followed, _ in not_done:
                followed.behind = connector.behind = True
            positions = {followed.name: id_ for followed, id_ in done if not followed.behind}
            connector.kept.update(positions)
            wants.keep(connector.durable, {name: text_id(id_) for name, id_ in positions.items()})
        elif isinstance(connector.follower, GroupFollower):
            wants.done([(followed.key, text_id(id_)) for followed, id_ in done])
            wants.give_back([(followed.key, text_id(id_)) for followed, id_ in not_done])
            connector.follower.finish(len(done) + len(not_done))


def had_all(subscription: Subscription, topic: str) -> bool:
    """True if a subscription got all that was queued for it: it did not end meanwhile."""
    return subscription.active and topic not in subscription.ended_topics
