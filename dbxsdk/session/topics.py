"""Wanted topics as state: what users wish for is the truth, and each connection is brought in line with it.

======= ========================================================
status  meaning
======= ========================================================
WANTED  not asked for on this connection
ASKED   a subscribe request is under way
LIVE    the venue acknowledged it on this connection
REFUSED the venue refused it on this connection, though it had
        acknowledged it on an earlier one
LEAVING an unsubscribe request is under way; if it is wished for
        (again, or still: it is renewed), WANTED comes next
======= ========================================================
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from dbxsdk.errors import VenueError
from dbxsdk.protocol import Acknowledgement

if TYPE_CHECKING:
    from dbxsdk.session.subscription import Subscription


class Status(enum.Enum):
    WANTED = enum.auto()
    ASKED = enum.auto()
    LIVE = enum.auto()
    REFUSED = enum.auto()
    LEAVING = enum.auto()


class Waiter:
    """One ``subscribe`` call: what the venue has said so far about each of its topics."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.undecided = set(topics)
        self.refused: Dict[str, VenueError] = {}
        self.sent = False

    def decide(self, topic: str, refusal: Optional[VenueError]) -> None:
        self.undecided.discard(topic)
        if refusal is not None:
            self.refused[topic] = refusal


class Topic:
    """One topic of the venue and those who want it."""

    __slots__ = ("name", "status", "subscriptions", "waiters", "established", "max_silence", "updated_at", "silent")

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = Status.WANTED
        # Replaced, never changed: the reader thread walks through it without a lock.
        self.subscriptions: Tuple["Subscription", ...] = ()
        self.waiters: List[Waiter] = []
        self.established = False
        """Whether the venue has ever acknowledged it: then it is asked for again after each reconnect."""
        self.max_silence: Optional[float] = None
        self.updated_at = 0.0
        self.silent = False


class WantedTopics:
    """The table. Not safe by itself: the session's lock guards it, but for the reader's look-ups by ``get`` and in
    ``raw``."""

    def __init__(self, carries_state: Callable[[str], bool]) -> None:
        """``carries_state``: see ``Protocol``."""
        self._topics: Dict[str, Topic] = {}
        self._carries_state = carries_state
        self.get = self._topics.get
        self.raw: Dict[str, Tuple["Subscription", ...]] = {}
        """The subscriptions of the topics whose updates everybody takes raw, and by callback."""

    def names(self) -> Tuple[str, ...]:
        """All that users wish for, in the order of their wishes."""
        return tuple(name for name, topic in self._topics.items() if topic.subscriptions)

    def established(self) -> Tuple[str, ...]:
        return tuple(name for name, topic in self._topics.items() if topic.established and topic.subscriptions)

    def subscriptions(self) -> List["Subscription"]:
        """Each once."""
        return list(dict.fromkeys(each for topic in self._topics.values() for each in topic.subscriptions))

    def watched(self) -> List[Topic]:
        return [t for t in self._topics.values() if t.max_silence is not None and t.status is Status.LIVE]

    def live(self) -> Tuple[str, ...]:
        return tuple(name for name, topic in self._topics.items() if topic.status in (Status.LIVE, Status.ASKED))

    def add(self, names: Sequence[str], subscription: "Subscription", waiter: Waiter, now: float) -> None:
        for name in names:
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = Topic(name)
            topic.subscriptions += (subscription,)
            if topic.max_silence is None:
                topic.updated_at, topic.silent = now, False  # nobody has kept the time until now
            self._changed(topic)
            if topic.status is Status.LIVE:
                waiter.decide(name, None)
            else:
                topic.waiters.append(waiter)
                waiter.sent = waiter.sent or topic.status is Status.ASKED

    def remove(self, names: Sequence[str], subscription: "Subscription") -> None:
        """Ends the wish. What the venue has to be told of is found by ``unwanted``."""
        for name in names:
            topic = self._topics.get(name)
            if topic is None or subscription not in topic.subscriptions:
                continue
            topic.subscriptions = tuple(s for s in topic.subscriptions if s is not subscription)
            self._changed(topic)
            if not topic.subscriptions and topic.status in (Status.WANTED, Status.REFUSED):
                del self._topics[name]

    def unwanted(self) -> List[str]:
        """Those that the venue acknowledged and nobody wants any more; they count as leaving now. One whose
        acknowledgement is under way is found when it has come."""
        names = [n for n, t in self._topics.items() if t.status is Status.LIVE and not t.subscriptions]
        for name in names:
            self._topics[name].status = Status.LEAVING
        return names

    def renewed(self, names: Iterable[str]) -> List[Topic]:
        """Those of these that the venue acknowledged; they count as leaving now, wished for as they are."""
        topics = [topic for topic in map(self.get, names) if topic is not None and topic.status is Status.LIVE]
        for topic in topics:
            topic.status = Status.LEAVING
        return topics

    def forget_waiter(self, waiter: Waiter) -> None:
        for name in waiter.undecided:
            topic = self._topics.get(name)
            if topic is not None and waiter in topic.waiters:
                topic.waiters.remove(waiter)

    def to_ask(self) -> List[str]:
        """Those wished for and not asked for on this connection; they count as asked now."""
        names = [
            name
            for name, topic in self._topics.items()
            if (topic.status is Status.WANTED and topic.subscriptions) or (topic.status is Status.REFUSED and topic.waiters)
        ]
        for name in names:
            topic = self._topics[name]
            topic.status = Status.ASKED
            for waiter in topic.waiters:
                waiter.sent = True
        return names

    def acknowledged(self, acknowledgement: Acknowledgement, now: float) -> Dict[str, VenueError]:
        """Takes in what the venue said. Returns the refusals that no ``subscribe`` call waits for: those of
        topics that were live on an earlier connection."""
        unheard: Dict[str, VenueError] = {}
        for name in acknowledgement.accepted:
            topic = self._topics.get(name)
            if topic is None or topic.status is not Status.ASKED:
                continue
            topic.status = Status.LIVE
            topic.established = True
            topic.updated_at, topic.silent = now, False
            self._decide(topic, None)
        for name, refusal in acknowledgement.refused.items():
            topic = self._topics.get(name)
            # A live one is among them where a venue takes only whole lists, and refused the longer one.
            if topic is None or topic.status not in (Status.ASKED, Status.LIVE):
                continue
            if topic.established and topic.subscriptions:
                # Wished for still: the next connection asks again.
                topic.status = Status.REFUSED
                unheard[name] = refusal
            else:
                self._forget(name)
            self._decide(topic, refusal)
        return unheard

    def unanswered(self, names: Iterable[str]) -> bool:
        """The venue did not answer a subscribe request for these. Whether one of them was live, now or on an earlier
        connection, and may have fallen silent with nobody waiting for it."""
        established = False
        for name in names:
            topic = self._topics.get(name)
            if topic is not None and topic.subscriptions and topic.established:
                established = True
            if topic is None or topic.status is not Status.ASKED:
                continue
            if topic.subscriptions:
                topic.status = Status.WANTED
            else:
                del self._topics[name]
        return established

    def left(self, names: Iterable[str]) -> None:
        """The venue has ended these, or was given long enough to."""
        for name in names:
            topic = self._topics.get(name)
            if topic is None or topic.status is not Status.LEAVING:
                continue
            if topic.subscriptions:
                topic.status = Status.WANTED  # wished for again in the meantime
            else:
                del self._topics[name]

    def disconnected(self) -> None:
        """The connection is gone: nothing is subscribed, everything wished for is to be asked for again."""
        for name, topic in list(self._topics.items()):
            if topic.subscriptions:
                topic.status = Status.WANTED
            else:
                del self._topics[name]

    def after_fork_in_child(self) -> None:
        """Another thread of the parent may have been in the middle of a change: of a topic and of what follows from who
        wishes for it."""
        for topic in list(self._topics.values()):
            topic.subscriptions = tuple(s for s in topic.subscriptions if s.active and topic.name not in s.ended_topics)
            self._changed(topic)
        for name in [name for name in self.raw if name not in self._topics]:
            del self.raw[name]
        self.disconnected()

    def _forget(self, name: str) -> None:
        del self._topics[name]
        self.raw.pop(name, None)

    def _changed(self, topic: Topic) -> None:
        """Others wish for it than before."""
        subscriptions = topic.subscriptions
        # The strictest wish counts.
        topic.max_silence = min((s.max_silence for s in subscriptions if s.max_silence is not None), default=None)
        raw = all(s.raw and s.queue is None for s in subscriptions) and topic.max_silence is None
        if raw and subscriptions and not self._carries_state(topic.name):
            self.raw[topic.name] = subscriptions
        else:
            self.raw.pop(topic.name, None)

    def _decide(self, topic: Topic, refusal: Optional[VenueError]) -> None:
        for waiter in topic.waiters:
            waiter.decide(topic.name, refusal)
        topic.waiters.clear()
