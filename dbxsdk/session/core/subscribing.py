"""Subscribing: brings the venue in line with what is wanted. The requests for topics, and what their answers lead to."""

from __future__ import annotations

import collections
import logging
from typing import Deque, Dict, Optional, Sequence, Set

from dbxsdk.errors import SubscribeError, VenueError
from dbxsdk.events import Gap, Refused
from dbxsdk.options import Options
from dbxsdk.protocol import Acknowledgement, Protocol, Reply, Request
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import FLOW, Abort, Changed, End
from dbxsdk.session.core.requests import SUBSCRIBE, UNSUBSCRIBE, Entry, Role
from dbxsdk.session.core.topics import Hole, Status, Topic, Topics, Waiter
from dbxsdk.session.core.work import Work
from dbxsdk.session.subscription import Subscription

RENEWAL_PATIENCE = 2.0
"""Seconds that an unsubscription may go unanswered (Bybit's option socket is said not to answer any) before a topic that
is wanted still is subscribed again. A late answer does no harm."""


class Subscribing(Work):
    """The machine's part that knows topics."""

    def __init__(self, protocol: Protocol, options: Options, endpoint: str, name: str, backoff: Backoff) -> None:
        super().__init__(protocol, options, endpoint, name, backoff)
        self.topics = Topics(self.protocol.carries_state, self.effects.append)
        # Requests that must be alone of their kind, each kind's behind the one that is under way.
        self._alone: Dict[str, Deque[Entry]] = {}
        self.heard_at = 0.0
        """Monotonic time of the last frame. The reader stores it here, and the next one, without asking anybody."""
        self.heard_ns = 0
        """The same by the wall clock."""

    def check_capacity(self, names: Sequence[str]) -> None:
        """Raise ``ValueError`` if one connection cannot hold these and what is wanted besides."""
        self.protocol.check_capacity({*self.topics.names(), *names})

    def want(self, subscription: Subscription, waiter: Waiter, now: float, deadline: float, renew: bool) -> None:
        """A user subscribes. ``renew``: topics that are live are subscribed again, for what the venue sends first."""
        self.link.raise_if_ended()
        names = subscription.topics
        self.check_capacity(names)
        if renew:
            self._renew(names, now)
        # Before the request is sent: the first update may come before the acknowledgement.
        self.topics.add(names, subscription, waiter, now)
        # Holes that were there before. One before whose gap updates may still come is this subscription's, too.
        holes = [topic.hole for topic in map(self.topics.get, names) if topic is not None and topic.resumed]
        subscription.passes = frozenset(hole.last_received_ns for hole in holes if hole is not None)
        self._time_silence(names)
        self._ask(now, deadline)
        self._hurry(names, now, deadline)
        self.effects.append(FLOW)

    def want_all(self, subscriptions: Sequence[Subscription], waiter: Waiter, now: float, deadline: float) -> None:
        """Several subscriptions begin together; ``unwant`` ends what is refused or undecided."""
        self.link.raise_if_ended()
        self.check_capacity([name for each in subscriptions for name in each.topics])
        for each in subscriptions:
            self.topics.add(each.topics, each, waiter, now)
        self._ask(now, deadline)
        self._hurry([name for each in subscriptions for name in each.topics], now, deadline)
        self.effects.append(FLOW)

    def conclude(self, subscription: Subscription, waiter: Waiter, now: float) -> None:
        """The ``subscribe`` call ends: what is refused or undecided by now is not subscribed."""
        if waiter.undecided:
            self.topics.forget_waiter(waiter)
            self._drop(subscription, subscription.topics)
        elif waiter.refused:
            self._drop(subscription, tuple(waiter.refused))
        self._leave_unwanted(now)

    def unwant(self, subscription: Subscription, names: Sequence[str], now: float) -> None:
        """A user wants nothing more of ``names`` for this subscription."""
        self._drop(subscription, names)
        self._leave_unwanted(now)

    def unwant_topics(self, names: Sequence[str], now: float) -> None:
        """A user wants nothing more of ``names`` at all."""
        for name in names:
            topic = self.topics.get(name)
            for subscription in topic.subscriptions if topic is not None else ():
                self._drop(subscription, (name,))
        self._leave_unwanted(now)

    def renew(self, names: Sequence[str], now: float) -> None:
        """Have the venue send what it sends first of these topics, as far as they are live. They are unsubscribed; the
        answer to that, or its absence, leads to the subscribe request."""
        self._renew(names, now)
        self._ask(now)

    def first_update(self, topic: Topic, now: float) -> None:
        """An update of a topic with a hole is about to be delivered: the gap comes before it."""
        if topic.hole is not None and topic.resumed and not self.link.state.is_over:
            self._report(self.topics.close_holes(now, self._hole(now), topic))

    def _report(self, gaps: Sequence[Gap]) -> None:
        for gap in gaps:
            self._log(logging.WARNING, "updates of %d topics may be missing from %.3f s", len(gap.topics), gap.seconds)
            self._emit(Gap(gap.topics, gap.seconds, gap.last_received_ns, client=self.name))

    def _ask(self, now: float, deadline: float = 0.0) -> None:
        if self.link.ready:
            names = self.topics.take_unasked()
            # Without these names' own: they are asked for, not there.
            for request in self.protocol.subscribe(names, self.topics.live()) if names else ():
                self._decide(request, SUBSCRIBE, now, deadline=deadline)

    def _hurry(self, names: Sequence[str], now: float, deadline: float) -> None:
        """Where the answer to an unsubscription is waited for, it is waited for no longer than somebody can wait for what
        follows."""
        patience = now + min(RENEWAL_PATIENCE, max((deadline - now) / 2, 0.0))
        for entry in self.requests.of_role(UNSUBSCRIBE):
            if not set(entry.request.topics).isdisjoint(names) and entry.deadline > patience:
                entry.deadline = patience
                self._arm(patience)

    def _time_silence(self, names: Sequence[str]) -> None:
        """From now on it counts how long live topics are silent."""
        for topic in map(self.topics.get, names):
            if topic is not None and topic.max_silence is not None and topic.status is Status.LIVE:
                self._arm(topic.updated_at + topic.max_silence)

    def _subscribe_answered(self, request: Request, reply: Reply, now: float) -> None:
        # In one step with what follows: a request made meanwhile must not overtake what is to be sent again.
        self._acknowledged(self.protocol.acknowledge(request, reply), request.topics, now)

    def _acknowledged(self, acknowledgement: Acknowledgement, decided: Sequence[str], now: float) -> None:
        unheard = self.topics.acknowledge(acknowledgement, now, self._hole(now))
        self.topics.decided(decided)
        self.topics.interrupt(acknowledgement.interrupted, self._hole(now), "another request may end it")
        self._time_silence(acknowledgement.accepted)
        for again in acknowledgement.retry if self.link.ready else ():
            self._decide(again, SUBSCRIBE, now)
        self._leave_unwanted(now)
        if unheard:
            refusal = subscribe_error(unheard, None)
            self._log(logging.WARNING, "refused when subscribed again: %s", refusal)
            self._emit(Refused(tuple(unheard), refusal, client=self.name))
        if not acknowledgement.retry:
            self._report(self.topics.close_holes(now, self._hole(now)))
        self.effects.append(Changed())

    def take_asked(self, now: float) -> Sequence[str]:
        """Nobody answers requests for topics: take them back. Return the topics that are asked for, until ``settled``."""
        while True:
            entries = [*self.requests.of_role(UNSUBSCRIBE), *self.requests.of_role(SUBSCRIBE)]
            if not entries:
                return self.topics.asked()
            for entry in entries:
                request = entry.request
                self.requests.withdraw(entry)
                if entry.role is UNSUBSCRIBE:
                    self._unsubscribed(request, now)
                else:
                    # For what the protocol has to know of it to read updates.
                    reply = Reply(request.key, dict(self.protocol.granted))
                    for again in self.protocol.acknowledge(request, reply).retry:
                        self._decide(again, SUBSCRIBE, now)
                    self.topics.decided(request.topics)
                self._next_alone(request, now)

    def settled(self, acknowledgement: Acknowledgement, hole: Optional[Hole], now: float) -> None:
        """Topics that were asked for are decided about. ``hole``: since when updates of the accepted ones are missing."""
        if hole is not None:
            self.topics.interrupt(acknowledgement.accepted, hole, "updates are missing")
        self._acknowledged(acknowledgement, (), now)

    def interrupted(self, names: Sequence[str], hole: Hole, reason: str) -> None:
        """Updates of ``names`` are missing: they are asked for until ``settled``."""
        self.topics.interrupt(names, hole, reason)

    def _subscribe_unanswered(self, request: Request, now: float) -> None:
        lost = self.topics.unanswered(request.topics, self._hole(now))
        if lost:
            # A thread that waits in subscribe() gets it there. Of topics that were live before nobody would notice that they do
            # not flow: they get a new connection.
            self.effects.append(Abort("a subscribe request was not answered"))
        else:
            self._ask(now)  # for those who came later and wait still

    def _unsubscribed(self, request: Request, now: float, answered: bool = True) -> None:
        # Refused, or unanswered: there is nothing to be done about it.
        self.topics.left(request.topics, answered)
        self._ask(now)

    def _leave_unwanted(self, now: float) -> None:
        if self.link.ready:
            self._leave(self.topics.take_unwanted(), now, self.options.request_timeout)

    def _renew(self, names: Sequence[str], now: float) -> None:
        if self.link.ready:
            together = dict.fromkeys(each for name in names for each in self.protocol.renewed_with(name))
            patience = min(self.options.request_timeout, RENEWAL_PATIENCE)
            self._leave(self.topics.renew(together, self._hole(now)), now, patience)

    def _leave(self, names: Sequence[str], now: float, patience: float) -> None:
        if not names:
            return
        asked: Set[str] = set()
        for request in self.protocol.unsubscribe(names, self.topics.live()):
            # One that names topics that stay subscribes them again: the venue may end more than is asked.
            stays = not set(request.topics) <= set(names)
            if stays:
                self.topics.interrupt(request.topics, self._hole(now), "the venue may have ended it together with another")
            self._decide(request, SUBSCRIBE if stays else UNSUBSCRIBE, now, patience=patience)
            asked.update(request.topics)
        # What the venue has no word to end is over at once.
        self.topics.left([name for name in names if name not in asked])

    def _drop(self, subscription: Subscription, names: Sequence[str]) -> None:
        ended = frozenset(names)
        subscription.ended_topics |= ended
        subscription.topics = tuple(name for name in subscription.topics if name not in ended)
        subscription.active = bool(subscription.topics)
        # While the table has it still: see ``Topics.rebuild``. To an account the loss of one topic is the end.
        if subscription.on_end is not None or (not subscription.active and subscription.has_end):
            self.effects.append(End(subscription, None, "it was unsubscribed"))
        self.topics.remove(names, subscription)

    def _hole(self, now: float) -> Hole:
        return Hole(self.heard_at or now, self.heard_ns)

    def _decide(
        self, request: Request, role: Role, now: float, *, deadline: float = 0.0, patience: Optional[float] = None
    ) -> None:
        patience = self.options.request_timeout if patience is None else patience
        entry = Entry(request, role, max(deadline, now + patience))
        if request.alone:
            if request.kind in self._alone:
                self._alone[request.kind].append(entry)
                return
            self._alone[request.kind] = collections.deque()
        self._file(entry)

    def _file(self, entry: Entry) -> None:
        super()._file(entry)
        if entry.role is SUBSCRIBE:
            self.topics.filed(entry.request.topics, self._hole(entry.deadline), not entry.request.ends)

    def _next_alone(self, request: Request, now: float) -> None:
        """The next of its kind goes out, whatever the answer was."""
        if not request.alone:
            return
        waiting = self._alone.get(request.kind)
        if waiting:
            entry = waiting.popleft()
            entry.deadline = max(entry.deadline, now + self.options.request_timeout)
            self._file(entry)
        else:
            self._alone.pop(request.kind, None)


def subscribe_error(refused: Dict[str, VenueError], subscription: Optional[Subscription]) -> SubscribeError:
    """The error of a ``subscribe`` call some of whose topics were refused."""
    first = next(iter(refused.values()))
    messages = list(dict.fromkeys(refusal.message for refusal in refused.values()))
    return SubscribeError(
        f"refused: {', '.join(refused)}: {'; '.join(messages[:3])}",
        topics=tuple(refused),
        subscription=subscription if subscription is not None and subscription.active else None,
        code=first.code,
        reply=first.reply,
    )
