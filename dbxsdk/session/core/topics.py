"""Topics as state: what users want is the truth, and each connection is brought in line with it.

======= ===========================================================
status  meaning
======= ===========================================================
WANTED  not asked for on this connection
ASKED   a subscribe request is under way
LIVE    the venue acknowledged it on this connection
REFUSED the venue refused it on this connection, though it had
        acknowledged it before
LEAVING an unsubscribe request is under way; if it is wanted (again,
        or still: it is being renewed), WANTED comes next
======= ===========================================================

A topic's epoch grows whenever it leaves LIVE, for whatever reason. Updates that come while it is ASKED or LIVE are of
its present epoch, all others of none. LIVE to not LIVE to LIVE is a hole, for which there is one ``Gap``.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import attrs

from dbxsdk.errors import VenueError
from dbxsdk.events import Gap
from dbxsdk.protocol import Acknowledgement
from dbxsdk.session.core.effects import Effects, End, Live, Sink, Stale

if TYPE_CHECKING:
    from dbxsdk.session.subscription import Subscription


class Status(enum.Enum):
    """How far the venue is from what is wanted. See the module."""

    WANTED = enum.auto()
    ASKED = enum.auto()
    LIVE = enum.auto()
    REFUSED = enum.auto()
    LEAVING = enum.auto()


@attrs.frozen
class Hole:
    """Since when updates of a topic may be missing: monotonic seconds, and the wall clock (ns) of the last frame before."""

    since: float
    last_received_ns: int


class Waiter:
    """One ``subscribe`` call: what the venue has said so far about each of its topics."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.undecided = set(topics)
        self.refused: Dict[str, VenueError] = {}
        self.sent = False
        """True once a request for one of the topics was made."""
        self.leaving = False
        """True if an earlier unsubscribe of one of the topics had to be answered first."""

    def decide(self, topic: str, refusal: Optional[VenueError]) -> None:
        """Note the venue's word on ``topic``."""
        self.undecided.discard(topic)
        if refusal is not None:
            self.refused[topic] = refusal


class Topic:
    """One topic of the venue and those who want it."""

    __slots__ = (
        "name",
        "status",
        "epoch",
        "present",
        "unsure",
        "doubt",
        "subscriptions",
        "queued",
        "sinks",
        "typed",
        "plan",
        "waiters",
        "established",
        "begun",
        "hole",
        "resumed",
        "max_silence",
        "updated_at",
        "silent",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = Status.WANTED
        self.epoch = 1
        self.present = 0
        """The epoch of updates that come now; 0 if they belong to none."""
        # These are replaced, never changed: the reader thread walks through them without a lock.
        self.subscriptions: Tuple["Subscription", ...] = ()
        self.queued: Tuple["Subscription", ...] = ()
        """Those that take updates by a callback or an iterator."""
        self.sinks: Tuple[Sink, ...] = ()
        self.typed: Tuple["Subscription", ...] = ()
        """All of them, if every one takes models and there is nothing else to mind with an update."""
        self.plan: Optional[Tuple[Tuple["Subscription", ...], Tuple[Sink, ...]]] = None
        """``queued`` and ``sinks``, as one value, if none of them takes documents and a frame needs no ``Push``."""
        self.waiters: List[Waiter] = []
        self.unsure = False
        """True if updates of an earlier subscription on this connection may come until the venue's word on the present one."""
        self.established = False
        """True once the venue has acknowledged it for those who want it now: it is asked for again by each connection."""
        self.begun = False
        """True once those who want it now got an update of it, though it is not established."""
        self.doubt: Optional[Hole] = None
        """Set while a request is under way whose answer may end it, though it is live: since when updates may be missing then."""
        self.hole: Optional[Hole] = None
        """Set from the moment at which it stopped to be live until its ``Gap``."""
        self.resumed = False
        """True if what comes now comes behind the hole; else it may be the last of what came before."""
        self.max_silence: Optional[float] = None
        self.updated_at = 0.0
        self.silent = False

    @property
    def on_silence(self) -> str:
        """What is done when it is silent: the strongest that one of its subscriptions wants."""
        wanted = {each.on_silence for each in self.subscriptions if each.max_silence is not None}
        return next((each for each in ("reconnect", "resubscribe") if each in wanted), "tell")


class Topics:
    """The table. Guarded by the session's lock, except for the reader's look-ups by ``get`` and in ``raw``."""

    def __init__(self, carries_state: Callable[[str], bool], effects: Effects) -> None:
        """``carries_state``: see ``Protocol``."""
        self._topics: Dict[str, Topic] = {}
        self._carries_state = carries_state
        self._effects = effects
        self.get = self._topics.get
        self.raw: Dict[str, Tuple["Subscription", ...]] = {}
        """The subscriptions of topics without a hole whose updates everybody takes raw, and by callback."""

    # -- looking in ----------------------------------------------------------------------------------

    def names(self) -> Tuple[str, ...]:
        """All that users want, in the order in which they asked."""
        return tuple(name for name, topic in self._topics.items() if topic.subscriptions)

    def subscriptions(self) -> List["Subscription"]:
        """Unique subscriptions, in insertion order."""
        return list(dict.fromkeys(each for topic in self._topics.values() for each in topic.subscriptions))

    def sinks(self) -> List[Sink]:
        """Unique sinks, in insertion order."""
        return list(dict.fromkeys(sink for topic in self._topics.values() for sink in topic.sinks))

    def asked(self) -> List[str]:
        """Those that wait for the venue's word."""
        return [name for name, topic in self._topics.items() if topic.status is Status.ASKED]

    def watched(self) -> List[Topic]:
        """The live topics that have a ``max_silence``."""
        return [t for t in self._topics.values() if t.max_silence is not None and t.status is Status.LIVE]

    def live(self) -> Tuple[str, ...]:
        """What the venue has, or is being asked for."""
        return tuple(name for name, topic in self._topics.items() if topic.status in (Status.LIVE, Status.ASKED))

    # -- what users want -----------------------------------------------------------------------------

    def add(self, names: Sequence[str], subscription: "Subscription", waiter: Waiter, now: float) -> None:
        """Add a subscription; ``waiter`` is decided by the venue's acknowledgements."""
        for name in names:
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = Topic(name)
            topic.subscriptions += (subscription,)
            if topic.max_silence is None:
                topic.updated_at, topic.silent = now, False  # nobody has kept the time until now
            live = topic.status is Status.LIVE
            topic.established = topic.established or live
            self._update(topic)
            if subscription.sink is not None:
                sink = subscription.sink
                self._effects(Live(sink, topic.epoch) if live else Stale(sink, topic.epoch, "it is not subscribed", True))
            if live:
                waiter.decide(name, None)
            else:
                topic.waiters.append(waiter)
                waiter.sent = waiter.sent or topic.status is Status.ASKED
                waiter.leaving = waiter.leaving or topic.status is Status.LEAVING

    def remove(self, names: Sequence[str], subscription: "Subscription") -> None:
        """Remove a subscription. What the venue has to be asked to end is found by ``take_unwanted``."""
        for name in names:
            topic = self._topics.get(name)
            if topic is None or subscription not in topic.subscriptions:
                continue
            topic.subscriptions = tuple(s for s in topic.subscriptions if s is not subscription)
            if not topic.subscriptions:
                # Whoever wants it next has missed nothing.
                topic.hole, topic.established, topic.begun = None, False, False
            self._update(topic)
            if not topic.subscriptions and topic.status in (Status.WANTED, Status.REFUSED):
                self._forget(topic)

    def forget_waiter(self, waiter: Waiter) -> None:
        """Nobody waits for it any more."""
        for name in waiter.undecided:
            topic = self._topics.get(name)
            if topic is not None and waiter in topic.waiters:
                topic.waiters.remove(waiter)

    # -- what is asked of the venue ------------------------------------------------------------------

    def take_unasked(self) -> List[str]:
        """The topics that are wanted and not asked for on this connection; they count as asked from now on."""
        topics = [
            topic
            for topic in self._topics.values()
            if (topic.status is Status.WANTED and topic.subscriptions) or (topic.status is Status.REFUSED and topic.waiters)
        ]
        for topic in topics:
            self._set(topic, Status.ASKED)
            for waiter in topic.waiters:
                waiter.sent = True
        return [topic.name for topic in topics]

    def filed(self, names: Iterable[str], hole: Hole, asks: bool) -> None:
        """A subscribe request goes out: what comes from now on is of the new epoch. What waited for an answer before has had
        it, and with it all that the venue sent before. A live topic among ``names`` is in doubt."""
        for topic in map(self.get, names):
            if topic is None:
                continue
            if asks and topic.status is Status.ASKED:
                topic.resumed = True
                topic.present = 0 if topic.unsure else topic.epoch
            elif topic.status is Status.LIVE:
                topic.doubt = topic.doubt or hole

    def decided(self, names: Iterable[str]) -> None:
        """The request that put these in doubt was answered."""
        for topic in map(self.get, names):
            if topic is not None:
                topic.doubt = None

    def take_unwanted(self) -> List[str]:
        """The topics that the venue acknowledged and nobody wants any more; they count as leaving from now on. One whose
        acknowledgement is under way is found once it has come."""
        topics = [topic for topic in self._topics.values() if topic.status is Status.LIVE and not topic.subscriptions]
        for topic in topics:
            self._set(topic, Status.LEAVING)
        return [topic.name for topic in topics]

    def renew(self, names: Iterable[str], hole: Hole) -> List[str]:
        """The topics among ``names`` that are live; they count as leaving from now on, wanted as they are."""
        topics = [topic for topic in map(self.get, names) if topic is not None and topic.status is Status.LIVE]
        for topic in topics:
            self._interrupt(topic, Status.LEAVING, hole, "it is subscribed again", renewed=True)
        return [topic.name for topic in topics]

    def interrupt(self, names: Iterable[str], hole: Hole, reason: str) -> None:
        """The venue may have ended these, and is being asked for them again."""
        for topic in map(self.get, names):
            if topic is None:
                continue
            if topic.status is Status.ASKED and topic.present:
                topic.epoch += 1  # it had begun, and is ended before its answer counts
                self._interrupt(topic, Status.ASKED, hole, reason)
            elif topic.status is Status.LIVE:
                self._interrupt(topic, Status.ASKED, hole, reason)

    # -- what the venue answered ---------------------------------------------------------------------

    def acknowledge(self, acknowledgement: Acknowledgement, now: float, hole: Hole) -> Dict[str, VenueError]:
        """Take in an answer to a subscribe request. Returns the refusals of topics that were live before and for which
        no ``subscribe`` call waits."""
        self.interrupt(acknowledgement.dropped, hole, "the venue ended it")
        for name in acknowledgement.accepted:
            topic = self._topics.get(name)
            # A refused one, too, where it was among others that are asked for as one list.
            if topic is not None and topic.status in (Status.ASKED, Status.REFUSED):
                self._live(topic, now)
        unheard: Dict[str, VenueError] = {}
        for name, refusal in acknowledgement.refused.items():
            topic = self._topics.get(name)
            # A live one is among them if a venue takes whole lists only, and refused the longer one.
            if topic is None or topic.status not in (Status.ASKED, Status.LIVE):
                continue
            if topic.established and topic.subscriptions:
                # Wanted still: the next connection asks again.
                self._interrupt(topic, Status.REFUSED, hole, f"the venue refused it: {refusal.message}")
                unheard[name] = refusal
            else:
                self._forget(topic)
            self._decide(topic, refusal)
        return unheard

    def unanswered(self, names: Iterable[str], hole: Hole) -> bool:
        """The venue did not answer a subscribe request for these. True if one of them was live before: it may have fallen
        silent, and nobody waits who would notice."""
        established = False
        for topic in map(self.get, names):
            # A live one is in doubt as long as a request for a whole list with it is not answered.
            if topic is None or topic.status not in (Status.ASKED, Status.LIVE):
                continue
            established = established or (topic.established and bool(topic.subscriptions))
            if topic.subscriptions:
                self._interrupt(topic, Status.WANTED, hole, "the venue did not answer")
            else:
                self._forget(topic)
        return established

    def left(self, names: Iterable[str], answered: bool = True) -> None:
        """The venue has ended these, or has had the time to."""
        if not answered:
            for each in self._topics.values():
                # Those behind it, too, which it may have ended as well.
                if each.name in names or (each.status is Status.ASKED and not each.present):
                    each.unsure = True
        for topic in map(self.get, names):
            if topic is None or topic.status is not Status.LEAVING:
                continue
            if topic.subscriptions:
                self._set(topic, Status.WANTED)  # wanted still, or again
            else:
                self._forget(topic)

    def disconnected(self, hole: Hole, reason: str) -> None:
        """The connection is gone: nothing is subscribed, all that is wanted has to be asked for again."""
        for topic in list(self._topics.values()):
            topic.unsure = False
            if topic.subscriptions:
                self._interrupt(topic, Status.WANTED, hole, reason)
                topic.doubt, topic.resumed = None, True
            else:
                self._forget(topic)

    # -- holes ---------------------------------------------------------------------------------------

    def close_holes(self, now: float, again: Hole, first: Optional[Topic] = None) -> List[Gap]:
        """The gaps to be reported now: of ``first``, whose first update has come, and of the live topics that have a hole
        like it. Without ``first``: of all live ones, once nothing more is asked for that has a hole. ``again`` is the hole of
        those that may be interrupted once more."""
        asked = [topic for topic in self._topics.values() if topic.hole is not None and topic.status is Status.ASKED]
        if first is None and asked:
            return []
        by_hole: Dict[Hole, List[Topic]] = {}
        for topic in self._topics.values():
            hole = topic.hole
            if hole is not None and (topic is first or topic.status is Status.LIVE) and (first is None or hole == first.hole):
                by_hole.setdefault(hole, []).append(topic)
        gaps = []
        for hole, topics in by_hole.items():
            gaps.append(Gap(tuple(topic.name for topic in topics), max(now - hole.since, 0.0), hole.last_received_ns))
            for topic in topics:
                if topic.present:
                    topic.hole = None
                else:
                    # Of what subscription the update is nobody knows: there may be a hole behind it, too.
                    topic.hole, topic.resumed = again, topic.unsure
                self._update(topic)
        return gaps

    # -- within --------------------------------------------------------------------------------------

    def _set(self, topic: Topic, status: Status) -> None:
        if topic.status is Status.LIVE:
            topic.epoch += 1
        topic.status = status
        topic.present = topic.epoch if status is Status.LIVE else 0

    def _interrupt(self, topic: Topic, status: Status, hole: Hole, reason: str, renewed: bool = False) -> None:
        """Updates of ``topic`` may be missing from now on."""
        self._set(topic, status)
        if (topic.established or topic.begun) and topic.hole is None and topic.subscriptions:
            topic.hole, topic.resumed = topic.doubt or hole, False
            self._update(topic)
        for sink in topic.sinks:
            self._effects(Stale(sink, topic.epoch, reason, renewed))

    def _live(self, topic: Topic, now: float) -> None:
        self._set(topic, Status.LIVE)
        topic.unsure, topic.doubt, topic.resumed = False, None, True
        topic.established = bool(topic.subscriptions)
        self._update(topic)
        topic.updated_at, topic.silent = now, False
        for sink in topic.sinks:
            self._effects(Live(sink, topic.epoch))
        self._decide(topic, None)

    def _forget(self, topic: Topic) -> None:
        del self._topics[topic.name]
        self.raw.pop(topic.name, None)
        # A request for it may be under way, and somebody may want it again meanwhile: its table entry is another then.
        topic.status, topic.present, topic.typed, topic.plan = Status.WANTED, 0, (), None

    def _update(self, topic: Topic) -> None:
        """Recompute what depends on the topic's subscriptions and its hole."""
        subscriptions = topic.subscriptions
        topic.queued = tuple(each for each in subscriptions if each.sink is None)
        topic.sinks = tuple(each.sink for each in subscriptions if each.sink is not None)
        # The strictest limit counts.
        topic.max_silence = min((s.max_silence for s in subscriptions if s.max_silence is not None), default=None)
        whole = topic.established and topic.hole is None and bool(subscriptions)
        plain = whole and topic.max_silence is None and not topic.sinks
        typed = whole and not any(each.raw for each in subscriptions)
        topic.plan = (topic.queued, topic.sinks) if typed else None
        topic.typed = subscriptions if typed and plain else ()
        raw = plain and all(each.raw and each.queue is None for each in subscriptions)
        if raw and not self._carries_state(topic.name):
            self.raw[topic.name] = subscriptions
        else:
            self.raw.pop(topic.name, None)

    def _decide(self, topic: Topic, refusal: Optional[VenueError]) -> None:
        for waiter in topic.waiters:
            waiter.decide(topic.name, refusal)
        topic.waiters.clear()

    # -- what is half changed ------------------------------------------------------------------------

    def rebuild(self, hole: Hole, reason: str) -> None:
        """A change may have been left half-way, in the parent of this process or by a signal handler that raised."""
        for each in self.subscriptions():
            each.topics = tuple(name for name in each.topics if name not in each.ended_topics)
            each.active = each.active and bool(each.topics)
            if not each.active and each.has_end:
                self._effects(End(each, None, "it was unsubscribed"))
        for topic in list(self._topics.values()):
            topic.subscriptions = tuple(s for s in topic.subscriptions if s.active and topic.name not in s.ended_topics)
            topic.waiters = [waiter for waiter in topic.waiters if topic.name in waiter.undecided]
            self._update(topic)
        for name in [name for name in self.raw if name not in self._topics]:
            del self.raw[name]
        self.disconnected(hole, reason)
