"""What one channel has subscribed at the venue, and the steps that change it.

The page says: repeated subscription of the same data type will be cancelled. Whether the repeat replaces the earlier
subscription (so in the sibling venue whose pages have the same sentence), is refused, or adds to it, no page says.
What is done here is right in all three cases:

* Every subscribe request names all that the channel is to have, the new and the old. Replaced or added to, nothing is
  silent for a moment.
* Where it is refused, the old list alone is asked for once more. If that is taken, repeats are, and the fault lies with
  the new names; they are halved until it is found, the old ones in every request.
* If that is refused, too, repeats are: everything of the channel is unsubscribed, and with the venue's answer to that
  the whole list is subscribed. For this moment the channel is silent.

Requests of one channel go out one at a time, so that the last answer tells what the venue has.
"""

from __future__ import annotations

import enum
import threading
from typing import Any, Callable, Collection, Dict, Iterable, List, Optional, Sequence, Tuple

import attrs

from dbxsdk.protocol import Request

ALL = "all"

Groups = Tuple[Tuple[str, ...], ...]


class Action(enum.Enum):
    SUBSCRIBE = enum.auto()
    CLEAR = enum.auto()
    """Unsubscribes everything, on the way to a new subscription."""
    LEAVE = enum.auto()
    """Unsubscribes what nobody wants any more."""
    NOTHING = enum.auto()
    """The venue has to be told nothing; a ping is asked so that there is an answer."""


@attrs.frozen
class Step(Request):
    """A request on the way to what is wanted.

    Attributes:
        union: all topics that a SUBSCRIBE names, or that a LEAVE ends.
        groups: the topics to be decided: the first group by this request, the others by those after it.
        probe: a SUBSCRIBE, of nothing new, that finds out why the one before was refused.
        sound: what was accepted before has been accepted once more in the meantime: the fault lies with what is new.
    """

    channel: str = ""
    action: Action = Action.NOTHING
    union: Tuple[str, ...] = ()
    groups: Groups = ()
    probe: bool = False
    sound: bool = False


@attrs.frozen
class Outcome:
    """What an answer decided, and what is to be asked next."""

    accepted: Tuple[str, ...] = ()
    refused: Tuple[str, ...] = ()
    next: Tuple[Step, ...] = ()


Make = Callable[..., Step]
"""``make(channel, action, names, **fields)``, with the other fields of ``Step``, gives it an id and a frame."""


class ChannelUnion:
    """One channel's topics on one connection. Used by several threads."""

    def __init__(self, channel: str, make: Make) -> None:
        self._channel = channel
        self._make = make
        self._everything = f"{channel}.{ALL}"
        # Guards all below: steps are made under the session's lock, answers are taken in without it.
        self._lock = threading.Lock()
        # Dicts for their order.
        self._wanted: Dict[str, None] = {}
        """Asked for or subscribed."""
        self._accepted: Dict[str, None] = {}
        """Those of them that the venue has acknowledged."""
        self._held: Dict[str, None] = {}
        """What the venue has by its last answer."""
        self._certain = True
        """Whether it has that; else no more than that."""
        self._takes_repeats: Optional[bool] = None
        """Whether it takes a subscribe request while it has a subscription; None where that is not known yet."""

    def route(self, topic: str) -> List[str]:
        """The topics to which an update of ``topic`` goes."""
        routes = [topic] if topic in self._wanted else []
        # Unsubscribed, but on its way still: for nobody, and no surprise.
        if self._everything in self._wanted or self._everything in self._held:
            routes.append(self._everything)
        return routes or [topic]

    def add(self, topics: Sequence[str], live: Collection[str]) -> Step:
        with self._lock:
            self._keep({*topics, *live})
            self._wanted.update(dict.fromkeys(topics))
            if self._everything in self._accepted:
                return self._nothing((tuple(topics),), topics)
            # Those that other requests ask for now are in it: where it replaces, they must not be lost.
            return self._change((tuple(topics),), tuple(self._wanted))

    def remove(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Step, ...]:
        with self._lock:
            self._keep(live)
            if not self._wanted:
                return (self._leave(topics, (ALL,)),)
            if self._everything in self._wanted:
                # Taking one market out of "all" could leave a hole in it.
                return (self._nothing((), topics),)
            names = (ALL,) if self._everything in topics else tuple(map(_name, topics))
            # And the rest once more: the sibling venue ends everything, whatever an unsubscribe request names.
            rest = tuple(self._wanted)
            return self._leave(topics, names), self._subscribe(((),), rest, topics=rest)

    def left(self, step: Step, success: bool) -> None:
        """The answer to one of ``remove``'s steps."""
        with self._lock:
            if not success or step.action is Action.NOTHING:
                return
            if step.action is Action.SUBSCRIBE:
                self._held, self._certain = dict.fromkeys(step.union), True
            elif self._everything in step.union:
                self._held.clear()
            else:
                self._certain = False
                for topic in step.union:
                    self._held.pop(topic, None)

    def answered(self, step: Step, success: bool) -> Outcome:
        """The answer to one of ``add``'s steps, or of those after it."""
        with self._lock:
            if step.action is Action.LEAVE or not step.groups:
                return Outcome()
            first, rest = step.groups[0], step.groups[1:]
            if step.action is Action.CLEAR:
                self._held.clear()
                return Outcome(next=self._next(step.groups, step.sound))
            if step.action is Action.NOTHING:
                if success and self._everything in self._accepted:
                    return self._accept(first, rest)
                return Outcome(next=self._next(step.groups))
            if not success:
                return self._refused(step, first, rest)
            # Others without anything new may follow a refusal, which may have ended what the venue had.
            if self._held and self._certain and (first or step.probe):
                self._takes_repeats = True
            self._held, self._certain = dict.fromkeys(step.union), True
            return self._accept(first, rest)

    # -- under the lock ------------------------------------------------------------------------------

    def _accept(self, first: Tuple[str, ...], rest: Groups) -> Outcome:
        self._accepted.update(dict.fromkeys(topic for topic in first if topic in self._wanted))
        if not rest and not self._has(self._accepted):
            rest = ((),)  # an older list, sent later, has replaced a newer one
        return Outcome(accepted=first, next=self._next(rest, sound=True))

    def _refused(self, step: Step, first: Tuple[str, ...], rest: Groups) -> Outcome:
        if self._held and not self._takes_repeats:
            # Perhaps only because it is a repeat.
            if step.probe:
                self._takes_repeats = False
                return Outcome(next=self._next(rest))
            if self._takes_repeats is None and self._accepted:
                return Outcome(next=(self._probe(step.groups),))
            if self._takes_repeats is False and self._has(step.union):
                return self._accept(first, rest)
            return Outcome(next=(self._clear(step.groups, step.sound),))
        # The venue does not take one of the names.
        if any(topic not in self._accepted and topic not in first for topic in step.union):
            return Outcome(next=self._next(step.groups, step.sound))  # perhaps another request's: without those
        if first and self._accepted and not step.sound:
            return Outcome(next=(self._probe(step.groups),))
        if not first:
            # One of those that it took before, or had under "all". Each of them is in doubt now.
            first, self._accepted = tuple(self._accepted), {}
        if len(first) > 1:
            half = len(first) // 2
            groups: Groups = (first[:half], first[half:], *rest)
        else:
            for topic in first:
                self._forget(topic)
            groups = rest
        # At once what it took before: the refused request may have ended it.
        return Outcome(refused=first if len(first) == 1 else (), next=self._next(((), *groups), sound=True))

    def _next(self, groups: Groups, sound: bool = False) -> Tuple[Step, ...]:
        # Without those that nobody wants any more; an empty group stands for what is accepted.
        wanted = [(group, tuple(topic for topic in group if topic in self._wanted)) for group in groups]
        groups = tuple(still for group, still in wanted if still or not group)
        while groups and not groups[0] and not self._accepted:
            groups = groups[1:]
        return (self._change(groups, self._with_accepted(groups[0]), sound),) if groups else ()

    def _change(self, groups: Groups, union: Tuple[str, ...], sound: bool = False) -> Step:
        surplus = self._everything in self._held and self._everything not in self._wanted
        if surplus or (self._held and self._takes_repeats is False and not self._has(union)):
            return self._clear(groups, sound)
        return self._subscribe(groups, union, sound=sound)

    def _probe(self, groups: Groups) -> Step:
        return self._subscribe(((), *groups), tuple(self._accepted), probe=True)

    def _subscribe(self, groups: Groups, union: Tuple[str, ...], **fields: Any) -> Step:
        names = (ALL,) if self._everything in union else tuple(map(_name, union))
        return self._step(Action.SUBSCRIBE, names, groups, union=union, **fields)

    def _clear(self, groups: Groups, sound: bool) -> Step:
        return self._step(Action.CLEAR, (ALL,), groups, sound=sound)

    def _leave(self, topics: Sequence[str], names: Sequence[str]) -> Step:
        ended = (self._everything,) if names == (ALL,) else tuple(topics)
        return self._step(Action.LEAVE, names, (), topics=tuple(topics), union=ended)

    def _nothing(self, groups: Groups, topics: Sequence[str]) -> Step:
        return self._step(Action.NOTHING, (), groups, topics=tuple(topics))

    def _step(self, action: Action, names: Sequence[str], groups: Groups, **fields: Any) -> Step:
        fields.setdefault("topics", tuple(topic for group in groups for topic in group))
        return self._make(self._channel, action, names, groups=groups, **fields)

    def _with_accepted(self, topics: Iterable[str]) -> Tuple[str, ...]:
        return tuple(dict.fromkeys((*self._accepted, *topics)))

    def _has(self, topics: Iterable[str]) -> bool:
        return self._everything in self._held or all(topic in self._held for topic in topics)

    def _keep(self, topics: Collection[str]) -> None:
        """Forgets all others: those that leave, and those whose request was not answered."""
        for topic in [topic for topic in self._wanted if topic not in topics]:
            self._forget(topic)

    def _forget(self, topic: str) -> None:
        self._wanted.pop(topic, None)
        self._accepted.pop(topic, None)


def _name(topic: str) -> str:
    return topic.partition(".")[2]
