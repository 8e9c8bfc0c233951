"""What one channel has subscribed at the venue, and the steps that change it.

The page says: repeated subscription of the same data type will be cancelled. No page says whether the repeat replaces the
earlier subscription (as at the sibling venue whose pages have the same sentence), is refused, or adds to it, nor whether a
refused request ends what was subscribed before it. What is done here is right in all these cases:

* Every subscribe request names all that the channel is to have, the new and the old. Replaced or added to, nothing is
  silent for a moment.
* If it is refused, the old list alone is asked for: this brings back what the refused request may have ended. Once more
  asked for while the venue certainly has it, it shows whether the venue takes repeats. If it does, the fault lies with the
  new names; they are halved until it is found, and the old ones are subscribed again after each refusal.
* If the venue takes no repeats, everything of the channel is unsubscribed, and upon the venue's answer to that the whole
  list is subscribed. For this moment the channel is silent.

Requests of one channel go out one at a time, so that the last answer says what the venue has. After each answer the
topics that are live (accepted, and not dropped since) are topics that the venue has.
"""

from __future__ import annotations

import enum
import threading
from types import MappingProxyType
from typing import Any, Callable, Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.errors import SubscribeError, VenueError
from dbxsdk.protocol import Acknowledgement, Request

ALL = "all"

Groups = Tuple[Tuple[str, ...], ...]


class Action(enum.Enum):
    SUBSCRIBE = enum.auto()
    CLEAR = enum.auto()
    """Unsubscribes everything, on the way to a new subscription."""
    LEAVE = enum.auto()
    """Unsubscribes what nobody wants any more."""
    NOTHING = enum.auto()
    """Changes nothing at the venue: a ping, whose answer leads to the next step."""


@attrs.frozen
class Step(Request):
    """A request on the way to what is wanted.

    Attributes:
        union: all topics that a SUBSCRIBE names, or that a LEAVE ends.
        groups: the topics to be decided: the first group by this request, the others by those after it.
        probe: True for a SUBSCRIBE of nothing new, which finds out why the one before was refused.
        sound: True if what was accepted before has been accepted once more in the meantime: the fault lies with the new names.
    """

    channel: str = ""
    action: Action = Action.NOTHING
    union: Tuple[str, ...] = ()
    groups: Groups = ()
    probe: bool = False
    sound: bool = False


Make = Callable[..., Step]
"""``make(channel, action, names, **fields)``, with the other fields of ``Step``, gives it an id and a frame. Ids grow."""


class ChannelUnion:
    """One channel's topics on one connection. Used by several threads."""

    def __init__(self, channel: str, make: Make) -> None:
        self._channel = channel
        self._make = make
        self._everything = f"{channel}.{ALL}"
        # Guards all below: steps are made under the session's lock, some answers are taken in without it.
        self._lock = threading.Lock()
        # Dicts for their order.
        self._wanted: Dict[str, None] = {}
        """Asked for or subscribed."""
        self._accepted: Dict[str, None] = {}
        """The wanted topics that the venue has taken, and may have ended since: see ``_is_sure``."""
        self._held: Dict[str, None] = {}
        """What the venue has by its last answer."""
        self._certain = True
        """True if the venue has all of ``_held``; else it may have less, or nothing."""
        self._takes_repeats: Optional[bool] = None
        """True if it takes a subscribe request while it has a subscription; None if that is not known yet."""
        self._ending: Dict[str, None] = {}
        """What a request is to end, and may be wanted again, until its answer: updates go there."""
        self._open: Dict[Any, Step] = {}
        """The requests without an answer by id, in order."""

    def route(self, topic: str) -> List[str]:
        """Return the topics to which an update of ``topic`` goes."""
        routes = [topic] if topic in self._wanted or topic in self._ending else []
        # Unsubscribed, but on its way still: for nobody, and no surprise.
        if self._everything in self._wanted or self._everything in self._held:
            routes.append(self._everything)
        return routes or [topic]

    def add(self, topics: Sequence[str], live: Collection[str]) -> Step:
        """Make the request for ``topics`` beside those that are ``live``."""
        with self._lock:
            self._keep({*topics, *live})
            self._wanted.update(dict.fromkeys(topics))
            if self._must_clear() or (self._everything in self._accepted and self._is_sure((self._everything,))):
                # Nothing is cleared before an answer has dropped what is live; and "all" has the others in it.
                return self._nothing((tuple(topics),), topics)
            # Those that other requests ask for now are in it: if it replaces, they must not be lost.
            return self._subscribe((tuple(topics),), tuple(self._wanted))

    def remove(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Step, ...]:
        """Make the requests that end ``topics`` while those that are ``live`` stay."""
        with self._lock:
            self._keep(live)
            self._ending.update(dict.fromkeys(topics))
            if not self._wanted:
                return (self._leave(topics, (ALL,)),)
            if self._everything in self._wanted:
                # Taking one market out of "all" could leave a hole in it.
                return (self._nothing((), topics),)
            # A venue that takes no repeats would refuse the rest, unless everything has ended.
            whole = self._everything in topics or self._takes_repeats is False
            names = (ALL,) if whole else tuple(map(_name, topics))
            # And the rest once more: at the sibling venue an unsubscribe request ends everything, also what it does not name.
            return self._leave(topics, names), self._subscribe(((),), tuple(self._wanted))

    def left(self, step: Step, success: bool) -> None:
        """Take in the answer to a LEAVE, or to the ping in its place."""
        with self._lock:
            self._close(step)
            for topic in step.topics:
                self._ending.pop(topic, None)
            if step.action is Action.NOTHING:
                return
            self._certain = False
            for topic in step.union if success else ():
                self._held.pop(topic, None)
            if success and self._everything in step.union:
                self._held, self._certain = {}, True

    def answered(self, step: Step, refusal: Optional[VenueError]) -> Acknowledgement:
        """Take in the answer to a SUBSCRIBE, to a CLEAR, or to the ping before one: a ``refusal``, or None for a yes."""
        with self._lock:
            self._close(step)
            if step.action is Action.LEAVE or not step.groups:
                return Acknowledgement()
            if step.action is Action.SUBSCRIBE:
                return self._taken(step) if refusal is None else self._refused(step, refusal)
            sure: Tuple[str, ...] = ()
            if step.action is Action.CLEAR:
                self._held, self._certain = {}, True
            else:
                sure = tuple(topic for topic in step.groups[0] if topic in self._wanted and self._is_sure((topic,)))
                self._accepted.update(dict.fromkeys(sure))
            return self._outcome(self._next(step.groups, step.sound), accepted=sure)

    # -- under the lock ------------------------------------------------------------------------------

    def _close(self, step: Step) -> None:
        """Note that ``step`` is answered. Answers come in order: it is unknown what an older request did that has none."""
        self._open.pop(step.key, None)
        for older in [older for older in self._open.values() if older.key < step.key]:  # type: ignore[operator]  # ids of ours
            del self._open[older.key]
            self._certain = False
            self._held.update(dict.fromkeys(older.union if older.action is Action.SUBSCRIBE else ()))

    def _taken(self, step: Step) -> Acknowledgement:
        if self._held and self._certain:
            self._takes_repeats = True
        self._held, self._certain = dict.fromkeys(step.union), True
        # All that it names, since an earlier answer may have dropped some of it.
        accepted = (*step.groups[0], *(topic for topic in step.union if topic in self._wanted))
        self._accepted.update(dict.fromkeys(topic for topic in accepted if topic in self._wanted))
        # And all that it has by "all", which an earlier answer may have dropped: no request names them any more.
        accepted = (*step.groups[0], *self._accepted)
        rest = self._undecided(step.groups[1:])
        if step.probe and rest and self._takes_repeats is None and self._accepted:
            # Now it certainly has something: if it takes that again, it takes repeats.
            return self._outcome((self._probe(rest),), accepted=accepted)
        return self._outcome(self._next(rest, sound=self._is_sure(self._accepted)), accepted=accepted)

    def _refused(self, step: Step, refusal: VenueError) -> Acknowledgement:
        first, rest = step.groups[0], step.groups[1:]
        # The refused request may have ended all that the venue had.
        self._certain, dropped = False, tuple(self._accepted)
        if self._held and not self._takes_repeats:
            # Perhaps only because it is a repeat.
            if step.probe:
                self._takes_repeats = False
                return self._outcome(self._next(rest), dropped=dropped)
            if self._takes_repeats is None and self._accepted:
                return self._outcome((self._probe(step.groups),), dropped=dropped)
            return self._outcome((self._clear(step.groups, step.sound),), dropped=dropped)
        # The venue does not take one of the names.
        if any(topic not in self._accepted and topic not in first for topic in step.union):
            # Perhaps another request's: without those.
            return self._outcome(self._next(step.groups, step.sound), dropped=dropped)
        if first and self._accepted and not step.sound:
            return self._outcome((self._probe(step.groups),), dropped=dropped)
        if not first:
            # One of those that it took before, or had under "all". Each of them is in doubt now.
            first, self._accepted = tuple(self._accepted), {}
            self._takes_repeats = self._takes_repeats or None  # that name may have been the reason
        if len(first) > 1:
            half = len(first) // 2
            return self._outcome(self._next(((), first[:half], first[half:], *rest), sound=True), dropped=dropped)
        for topic in first:
            self._forget(topic)
        error = SubscribeError(refusal.message, topics=first, code=refusal.code, reply=refusal.reply)
        # At once what it took before.
        return self._outcome(self._next(((), *rest), sound=True), refused=dict.fromkeys(first, error), dropped=dropped)

    def _outcome(
        self,
        next_: Tuple[Step, ...],
        accepted: Sequence[str] = (),
        refused: Mapping[str, VenueError] = MappingProxyType({}),
        dropped: Tuple[str, ...] = (),
    ) -> Acknowledgement:
        doubtful = tuple(topic for topic in self._accepted if not self._is_sure((topic,)))
        accepted = tuple(dict.fromkeys(topic for topic in accepted if topic not in doubtful))
        # What a request on its way may end is live until then: the request behind it names it.
        ending = any(step.action in (Action.CLEAR, Action.LEAVE) for step in self._open.values())
        interrupted = tuple(topic for topic in self._accepted if topic not in doubtful) if ending else ()
        return Acknowledgement(accepted, refused, next_, tuple(dict.fromkeys((*dropped, *doubtful))), interrupted)

    def _next(self, groups: Groups, sound: bool = False) -> Tuple[Step, ...]:
        """Make the request for the first group. An empty one stands for what the venue has taken before."""
        groups = self._undecided(groups)
        while groups and not groups[0] and self._is_sure(self._accepted):
            groups = groups[1:]
        if not groups:
            if self._is_sure(self._accepted) or self._is_asked(self._accepted):
                return ()
            groups = ((),)
        if self._must_clear():
            return (self._clear(groups, sound),)
        return (self._subscribe(groups, tuple(dict.fromkeys((*self._accepted, *groups[0]))), sound=sound),)

    def _undecided(self, groups: Groups) -> Groups:
        """Return ``groups`` without the topics that are not wanted any more, and without those that the venue has."""
        decided = {topic for topic in self._accepted if self._is_sure((topic,))}
        both = [(group, tuple(t for t in group if t in self._wanted and t not in decided)) for group in groups]
        return tuple(still for group, still in both if still or not group)

    def _must_clear(self) -> bool:
        surplus = self._everything in self._held and self._everything not in self._wanted
        return surplus or (bool(self._held) and self._takes_repeats is False)

    def _is_sure(self, topics: Collection[str]) -> bool:
        """True if the venue certainly has them."""
        has_all = self._everything in self._held or all(topic in self._held for topic in topics)
        return not topics or (self._certain and has_all)

    def _is_asked(self, topics: Collection[str]) -> bool:
        """True if a request on its way decides them."""
        steps = [step for step in self._open.values() if step.action in (Action.SUBSCRIBE, Action.CLEAR)]
        return any(all(topic in step.topics for topic in topics) for step in steps)

    def _probe(self, groups: Groups) -> Step:
        return self._subscribe(((), *groups), tuple(self._accepted), probe=True)

    def _subscribe(self, groups: Groups, union: Tuple[str, ...], **fields: Any) -> Step:
        names = (ALL,) if self._everything in union else tuple(map(_name, union))
        return self._step(Action.SUBSCRIBE, names, groups, self._wanted, union=union, **fields)

    def _clear(self, groups: Groups, sound: bool) -> Step:
        return self._step(Action.CLEAR, (ALL,), groups, self._wanted, sound=sound)

    def _leave(self, topics: Sequence[str], names: Sequence[str]) -> Step:
        ended = (self._everything,) if names == (ALL,) else tuple(topics)
        return self._step(Action.LEAVE, names, (), topics, union=ended)

    def _nothing(self, groups: Groups, topics: Sequence[str]) -> Step:
        return self._step(Action.NOTHING, (), groups, topics)

    def _step(self, action: Action, names: Sequence[str], groups: Groups, topics: Iterable[str], **fields: Any) -> Step:
        """Make a step. ``topics`` are those that it may end, beside those that it asks for."""
        decides = tuple(dict.fromkeys((*topics, *(topic for group in groups for topic in group))))
        step = self._make(self._channel, action, names, groups=groups, topics=decides, **fields)
        self._open[step.key] = step
        return step

    def _keep(self, topics: Collection[str]) -> None:
        """Forget all others: those that leave, and those whose request was not answered."""
        for topic in [topic for topic in self._wanted if topic not in topics]:
            self._forget(topic)

    def _forget(self, topic: str) -> None:
        self._wanted.pop(topic, None)
        self._accepted.pop(topic, None)


def _name(topic: str) -> str:
    return topic.partition(".")[2]
