"""What must hold, and is looked at while it happens and after each act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set, Tuple

from dbxsdk.errors import OutcomeUnknown, ProtocolError, VenueError
from dbxsdk.events import ConnectFailed, Disconnected, Gap, LateReply, Silent
from dbxsdk.protocol import Reply, Request
from dbxsdk.session.core.effects import Effect, Live, Send
from dbxsdk.session.core.requests import Entry, Role
from dbxsdk.session.core.topics import Status, Topic
from dbxsdk.session.state import State
from dbxsdk.session.subscription import Subscription
from tests.machine.broken import Broken
from tests.machine.users import Asked, Follower, Subscriber, UserCall
from tests.machine.wire import Wire

if TYPE_CHECKING:
    from tests.machine.driver import Driver

_LATE = 0.35
"""Seconds: two second looks of the watch, and a little."""


class Promises:
    """Looks over the driver's shoulder. Each method says what has just happened, and raises ``Broken``."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self._undecided: Dict[Asked, None] = {}
        self._by_key: Dict[Any, Asked] = {}
        self._by_subscription: Dict[Subscription, Subscriber] = {}
        self._not_followed: List[Tuple[Subscriber, str]] = []
        self._told_epochs: Dict[Topic, int] = {}
        """The epoch of each topic at its last ``Gap``, if it was live then."""
        self.in_hand: Optional[Asked] = None
        """The machine has handed out its answer, and the reader is about to tell it."""
        self._told_late: Set[Any] = set()
        self._last_sent: Dict[Optional[Wire], int] = {}
        """Which of the users' requests went out last, by connection."""
        self.unanswered: Dict[Entry, Wire] = {}
        """Subscribe requests whose answer the machine has not got, and on which connection they went out."""
        self._last_beat: Optional[Tuple[Wire, float]] = None
        self._late: Optional[Request] = None
        self._is_closed = False
        self.outcomes: Dict[str, int] = {}
        self.holes = self.gaps = self.updates = 0

    @staticmethod
    def check(good: bool, promise: str, detail: str) -> None:
        if not good:
            raise Broken(promise, detail)

    # -- requests ------------------------------------------------------------------------------------

    def asked(self, asked: Asked) -> None:
        asked.told = self._told
        self._undecided[asked] = None
        self._by_key[asked.request.key] = asked

    def undecided(self) -> List[Asked]:
        return [asked for asked in self._undecided if not asked.forgotten and asked is not self.in_hand]

    def _told(self, asked: Asked, source: str, outcome: Any) -> None:
        self._undecided.pop(asked, None)
        what = f"{asked.what} {asked.request.key}"
        self.check(len(asked.outcomes) == 1, "one outcome", f"{what} was told {asked.outcomes}")
        self.check(not asked.forgotten, "one outcome", f"{what} was told {outcome!r} though it was given up")
        written = asked.request.frame in self._driver.written
        if source == "venue":
            kind = self._answer(asked, what, outcome, written)
        elif source == "fork":
            kind = "forked"  # whether it was sent is the parent's to know
        elif isinstance(outcome, OutcomeUnknown):
            kind = "unknown"
            self.check(written, "unknown only if written", f"{what}: {outcome!r}")
        else:
            kind = "not sent"
            self.check(not written, "not sent only if not written", f"{what}: {outcome!r}")
            self._driver.given_up.add(asked.request.frame)
        self.outcomes[kind] = self.outcomes.get(kind, 0) + 1

    def _answer(self, asked: Asked, what: str, outcome: Any, written: bool) -> str:
        key = asked.request.key
        if asked.what == "ping" and self._driver.setting.pings == "ordered":
            return "answered"  # whichever it is that was answered, it proves life
        self.check(written, "one's own answer", f"{what} was answered before it was written")
        if isinstance(outcome, ProtocolError):
            return "unreadable"
        if isinstance(outcome, VenueError):
            self.check(outcome.message == f"no to {key}", "one's own answer", f"{what} got {outcome!r}")
            return "refused"
        number = outcome["number"] if isinstance(outcome, dict) else key if outcome is None else outcome
        self.check(number == key, "one's own answer", f"{what} got that of {number}")
        return "answered"

    def answered(self, reply: Reply, entry: Optional[Entry], late: Optional[Request]) -> None:
        """The machine has looked for the request of an answer."""
        driver = self._driver
        if entry is not None:
            self.unanswered.pop(entry, None)
        asked = self._by_key.get(reply.key)
        if entry is not None or asked is None or asked.filed_on is not driver.wire or driver.machine.link.state.is_over:
            return
        unknown = asked.forgotten or any(isinstance(outcome, OutcomeUnknown) for _, outcome in asked.outcomes)
        if unknown and not any(source == "venue" for source, _ in asked.outcomes) and reply.key not in self._told_late:
            self._told_late.add(reply.key)
            self.check(late is not None, "a late answer is told", f"that to {asked.what} {reply.key} was not")

    # -- effects -------------------------------------------------------------------------------------

    def decided(self, effect: Effect) -> None:
        """An effect is about to be carried out."""
        if self._is_closed:
            self.check(not isinstance(effect, (Send, Live)), "nothing after close", f"{effect}")
        if isinstance(effect, Send):
            self._sends(effect.entry)

    def _sends(self, entry: Entry) -> None:
        driver, wire = self._driver, self._driver.wire
        self.check(not entry.written, "written once", f"{entry.request} is to be written again")
        if entry.role is Role.USER:
            asked = entry.future
            last = self._last_sent.get(wire, 0)
            self.check(asked.number > last, "in the order of asking", f"{asked.what} {asked.number} behind {last}")
            self._last_sent[wire] = asked.number
            asked.filed_on = wire
        elif entry.role is Role.SUBSCRIBE and wire is not None:
            self.unanswered[entry] = wire
        elif entry.role is Role.HEARTBEAT and wire is not None:
            last, self._last_beat = self._last_beat, (wire, driver.now)
            if last is not None and last[0] is wire and driver.setting.honest:
                apart = driver.now - last[1]
                interval = driver.machine.liveness.interval
                self.check(apart >= interval * 0.99, "heartbeats keep their interval", f"two within {apart:.2f} s")

    def emitted(self, event: Any) -> None:
        if self._is_closed:
            ends = (Disconnected, ConnectFailed, LateReply)
            self.check(isinstance(event, ends), "nothing after close", f"{event}")
        if isinstance(event, Gap):
            self._gap(event)
        elif isinstance(event, Silent):
            topic = self._driver.machine.topics.get(event.topic)
            self.check(topic is not None and topic.max_silence is not None, "silence is told of live topics", f"{event}")

    def _gap(self, gap: Gap) -> None:
        driver = self._driver
        self.check(gap.seconds >= 0, "a gap has a length", f"{gap}")
        for name in gap.topics:
            self.gaps += 1
            topic = driver.machine.topics.get(name)
            self.check(topic is not None, "a gap is of a topic", f"{gap}")
            assert topic is not None
            told = self._told_epochs.get(topic, 1)
            self.check(topic.epoch > told, "no gap without a hole", f"{gap} though {name} was live since the last")
            # One that was told before the acknowledgement: the hole may go on.
            self._told_epochs[topic] = topic.epoch if topic.status is Status.LIVE else topic.epoch - 1
            for subscriber in self._by_subscription.values():
                for (followed, _), follower in subscriber.followers.items():
                    if followed == name:
                        follower.gaps.append((gap, driver.now))

    def stepped(self) -> None:
        """The machine made a step, and its effects were carried out."""
        driver = self._driver
        link = driver.machine.link
        self.check(link.ready == (link.state is State.READY), "the link is one", "ready without being so")
        if link.ready:
            good = link.life is not None and link.connected and link.ready_since is not None
            self.check(good, "the link is one", "ready without a connection")
        if link.life is None:
            self.check(not link.connected and link.ready_since is None, "the link is one", "connected without threads")
        if self._not_followed:
            self._follow()

    # -- updates -------------------------------------------------------------------------------------

    def subscribes(self, subscriber: Subscriber) -> None:
        self._by_subscription[subscriber.subscription] = subscriber
        if subscriber.book is None:
            self._not_followed += [(subscriber, name) for name in subscriber.topics]

    def _follow(self) -> None:
        """Expect updates from the acknowledgement on: the first is that after what the venue had when it sent it."""
        driver = self._driver
        waiting = []
        for subscriber, name in self._not_followed:
            if not subscriber.subscription.active or name in subscriber.subscription.ended_topics:
                continue
            if name in subscriber.waiter.undecided or name in subscriber.waiter.refused:
                waiting.append((subscriber, name))
                continue
            truth = driver.wire.truth if driver.wire is not None else {}
            for market in driver.venue.markets_of(name):
                subscriber.followers[name, market] = Follower(truth.get(market))
        self._not_followed = waiting

    def forked(self) -> None:
        """Of the calls that were under way nobody sees the end."""
        self._not_followed.clear()
        for subscriber in self._by_subscription.values():
            if not subscriber.returned:
                subscriber.followers.clear()

    def delivered(self, subscription: Subscription, topic: str, market: str, number: int) -> None:
        """An update goes to a callback, or to an iterator."""
        if self._is_closed:
            return  # its queue throws away what comes
        self.updates += 1
        wanted = subscription.active and topic in subscription.topics
        self.check(wanted, "nothing after unsubscribe", f"{topic} {number}")
        follower = self._by_subscription[subscription].followers.get((topic, market))
        if follower is None:
            return  # not acknowledged yet
        last = follower.last
        if last is not None and number > last + 1:
            self.holes += 1
            for missing in range(last + 1, number):
                self._covered(follower, topic, market, missing, f"{last} and {number}")
        follower.gaps.clear()
        follower.last = number if last is None else max(last, number)

    def _covered(self, follower: Follower, topic: str, market: str, missing: int, between: str) -> None:
        driver = self._driver
        visible = driver.venue.moments[market, missing].visible
        hole = f"between {between} of {market}"
        self.check(bool(follower.gaps), "each hole has its gap", f"{hole} as {topic} no gap was told")
        for gap, at in follower.gaps:
            begins = at - gap.seconds <= visible + 1e-6 and gap.last_received_ns <= driver.wall(visible) + 1000
            if begins and visible <= at + 1e-6:
                return
        told = "; ".join(f"{gap} at {at:.3f}" for gap, at in follower.gaps)
        self.check(False, "a gap covers its hole", f"{hole}: {missing} came at {visible:.3f}; told: {told}")

    def read(self, wire: Wire) -> None:
        """A message was read and taken in."""
        self._look_at_books()

    def _look_at_books(self) -> None:
        driver = self._driver
        for subscriber in driver.subscribers:
            book = subscriber.book
            if book is None or not book.fresh:
                continue
            name = subscriber.topics[0]
            topic, wire = driver.machine.topics.get(name), driver.wire
            live = topic is not None and topic.status is Status.LIVE and book in topic.sinks
            self.check(live, "fresh only if live", f"{name} is {topic and topic.status}")
            self.check(wire is not None, "fresh only if live", f"{name} without a connection")
            assert wire is not None
            number = wire.truth.get(book.market)
            if number is None:
                self.check(self._is_owed(book.market), "fresh only if live", f"the venue does not have {name}")
                continue
            self.check(book.state.update_id == number, "fresh is current", f"{name}: {book.state.update_id}, not {number}")
            self.check(not book.missed, "fresh is whole", f"{name}: updates before {number} are missing")

    def _is_owed(self, market: str) -> bool:
        """True if the venue has not said yet what it did upon a request that is under way."""
        driver = self._driver
        frame = driver.venue.owed.get(market)
        entries = [entry for role in Role for entry in driver.machine.requests.of_role(role)]
        return frame is not None and any(entry.request.frame == frame for entry in entries)

    # -- time ----------------------------------------------------------------------------------------

    def ticked(self) -> None:
        """The watch has looked."""
        self._look_at_arms()

    def _look_at_arms(self) -> None:
        driver, machine, threads = self._driver, self._driver.machine, self._driver.threads
        if threads is None or threads.stop:
            return
        at = threads.watch_at
        flying = [entry for role in Role for entry in machine.requests.of_role(role)]
        for entry in (*machine.requests.unsent, *flying):
            if entry.role is not Role.HEARTBEAT:
                what = f"{entry.request.kind} {entry.request.key}"
                armed = at <= max(entry.deadline, driver.now) + 0.01
                self.check(armed, "what waits is armed", f"{what}: {entry.deadline:.3f}, armed {at:.3f}")
                late = driver.now - max(entry.deadline, driver.resumed_at)
                self.check(late <= _LATE, "in time", f"{what} is {late:.2f} s late")
        link = machine.link
        if link.connected and not link.ready:
            limit = link.connecting_since + machine.opening_limit
            stopped = driver.wire is None or driver.wire.stopped
            self.check(stopped or at <= max(limit, driver.now + _LATE), "what waits is armed", f"an opening: armed {at:.3f}")
            late = driver.now - max(limit, driver.resumed_at)
            self.check(stopped or late <= _LATE, "in time", f"the opening is {late:.2f} s late")
        for topic in machine.topics.watched():
            if not topic.silent and topic.max_silence is not None and driver.setting.honest:
                limit = max(topic.updated_at + topic.max_silence, driver.now) + _LATE
                self.check(at <= limit, "what waits is armed", f"silence of {topic.name}: {limit:.3f}, armed {at:.3f}")

    def acted(self) -> None:
        """An act is over, and every thread that could run has run."""
        driver, machine = self._driver, self._driver.machine
        for call in driver.calls:
            self.check(not call.decided(), "who waits is woken", f"{call.what} waits for nothing")
        if machine.link.state.is_over:
            self.check(not self.undecided(), "one outcome", "the client has ended, and a request has none")
        self._look_at_books()
        self._look_at_arms()
        self._look_at_tables()
        if driver.setting.honest:
            self._look_at_life()

    def _look_at_tables(self) -> None:
        machine = self._driver.machine
        requests = machine.requests
        flying = [entry for role in Role for entry in requests.of_role(role)]
        awaited = sum(entry.role is not Role.HEARTBEAT for entry in flying)
        self.check(requests.awaited == awaited, "the tables are one", f"{requests.awaited} awaited, {awaited} there")
        for asked in self._undecided:
            if asked is not self.in_hand and not asked.forgotten and asked.entry is not None:
                there = requests.holds(asked.entry) or asked.entry in requests.unsent
                self.check(there, "none is lost", f"{asked.what} {asked.request.key} is in no table")

    def _look_at_life(self) -> None:
        """On a connection of which nothing comes, or no answer to heartbeats."""
        driver, machine, wire = self._driver, self._driver.machine, self._driver.wire
        if wire is None or wire.stopped or wire.closing or not machine.link.ready or wire.busy_since is not None:
            return
        begun = max(driver.resumed_at, wire.free_since)
        silence = machine.liveness.silence
        assert wire.last_byte is not None
        silent = driver.now - max(wire.last_byte, begun)
        self.check(silent <= silence + _LATE, "silence ends a connection", f"nothing came for {silent:.2f} s")
        for entry in machine.requests.of_role(Role.HEARTBEAT):
            late = driver.now - max(entry.deadline, begun)
            self.check(late <= _LATE, "an unanswered heartbeat ends a connection", f"it is {late:.2f} s late")
        beaten = self._last_beat[1] if self._last_beat is not None and self._last_beat[0] is wire else 0.0
        idle = driver.now - max(wire.last_sent or 0.0, beaten, machine.link.ready_since or 0.0, begun)
        interval = machine.liveness.interval
        self.check(idle <= interval + _LATE, "heartbeats keep their interval", f"none for {idle:.2f} s")

    # -- the end -------------------------------------------------------------------------------------

    def closed(self) -> None:
        """``close`` has done what waits for nothing."""
        self._is_closed = True
        self.check(not self.undecided(), "one outcome", "the client is closed, and a request has none")
        for subscriber in self._driver.subscribers:
            if subscriber.book is not None and subscriber.returned and subscriber.subscription.active:
                self.check(subscriber.book.ends > 0, "the end is told", f"not to the book of {subscriber.topics[0]}")

    def returned(self, call: UserCall) -> None:
        """A blocking call has returned, or raised."""
