"""A bounded queue between the reader thread and user code, and its overflow policies.

The queue has three lanes, each in arrival order; the consumer takes the oldest head. So each policy can drop its
own oldest update at once, whatever else is queued.

======== ======================================================= ==============================
lane     holds                                                   bound, beside ``max_bytes``
======== ======================================================= ==============================
kept     events, and updates under ``block`` and ``disconnect``  ``size`` updates
oldest   updates under ``drop_oldest``                           ``size``
latest   updates under ``latest``, one a topic                   the number of topics
======== ======================================================= ==============================

An update weighs the bytes of its frame's text. A lane that weighs ``max_bytes`` is full: the last update may pass that.

The lock is taken once a batch, not once an update: the reader puts in all that one read of the network brought, and
the consumer takes out all kept updates at once if no other lane and no event has to be minded. What it has
taken so counts as queued until its turn comes.

A full queue holds the reader under ``block``, unless somebody waits for what only the reader can bring. Then the queue may
grow to twice its bounds and one read more; beyond that the connection is dropped, and a ``Gap`` reports what is missing.
"""

from __future__ import annotations

import collections
import enum
import itertools
import operator
import threading
import time
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple, Union

from dbxsdk.events import BadFrame, Dropped, Event
from dbxsdk.runtime.waiting import Bells, ring
from dbxsdk.session.subscription import Subscription

STALLED = 1.0
"""Seconds for which a held reader waits at most before it looks again whether it must go on."""

Delivery = Tuple[Subscription, str, Any, int, int]
"""One update on its way to one subscription: with its topic, the ``Push`` or the raw document, a number that grows
from update to update, and its bytes. An event in the kept lane has None for its subscription, and the number of the update
before it."""

_bytes_of = operator.itemgetter(4)


class Room(enum.IntEnum):
    """What became of the updates of one read."""

    ENOUGH = 0
    FULL = 1
    """All were taken in, and there is no room for more: the connection has to end."""
    REFUSED = 2
    """Some were refused: the connection has to end."""


MustFlow = Callable[["UpdateQueue", bool], bool]
"""``must_flow(queue, stalled)``: True if the reader has to go on although ``queue`` is full. ``stalled``: its consumer has taken
nothing for a second."""


class _Slot:
    """A place in the ``latest`` lane; a newer update of the topic takes it over."""

    __slots__ = ("order", "key", "delivery")

    def __init__(self, key: Any, delivery: Delivery) -> None:
        self.order = delivery[3]
        self.key = key
        self.delivery = delivery


class UpdateQueue:
    """Updates and events between one producer, the reader, and one consumer. Events may come from any thread."""

    def __init__(
        self, size: int, max_bytes: int, must_flow: MustFlow = lambda queue, stalled: False, client: str = ""
    ) -> None:
        """``client`` is the client's name, for events."""
        self._size = size
        self._max_bytes = max_bytes
        self._client = client
        self._must_flow = must_flow
        self._lock = threading.Lock()  # guards all below, but for the note at _taken
        self._bells = Bells()
        self._kept: Deque[Any] = collections.deque()
        self._kept_events = 0
        self._kept_bytes = self._oldest_bytes = self._latest_bytes = 0
        # Filled under the lock when it is empty; the consumer takes from it without. Each of its methods is one step.
        self._taken: Deque[Delivery] = collections.deque()
        self._taken_bytes = 0
        """When it was filled."""
        self._taken_sums: Optional[List[int]] = None
        """The bytes of its last 0, 1, 2 ... updates, once they were asked for: the consumer, which takes without the lock,
        does not count."""
        self._oldest: Deque[Delivery] = collections.deque()
        self._latest: Deque[_Slot] = collections.deque()
        self._slots: Dict[Any, _Slot] = {}
        self._dropped: Dict[str, int] = {}
        self._newest = 0
        self._last_event = 0
        self._draining = False
        self._closed = False
        self.abandoned = False
        """Set, without the lock, when the consumer is gone for good."""
        self.discarding = False
        """True once updates are thrown away."""
        self.holding = False
        """True while the reader thread is blocked on this full queue."""
        self.at_work = False
        """True while the consumer may be busy with an item: until it has to wait for the next."""
        self.consumer: Optional[threading.Thread] = None
        """The thread that takes from it, as far as that is known."""
        self.takes_gaps = False
        """True once an iterator's subscription is wanted: gaps that are reported from then on may be its own."""
        self.allowance = self.allowed_bytes = 0
        """How many updates of the read in hand may pass the ceiling, and how many bytes."""
        self.total_dropped = 0
        self.delivered = 0
        """Updates that reached their callback; the consumer's to count."""
        self.staged: List[Delivery] = []
        """The reader's own: what it has not put in yet."""
        self.lossy = False
        """True if updates under ``drop_oldest`` or ``latest`` may be among those that are put in."""

    def __len__(self) -> int:
        return self._kept_updates() + len(self._oldest) + len(self._latest)

    @property
    def idle(self) -> bool:
        """True if all that was put in has been through its callback."""
        # What is queued first: an item that is taken out in between is at work.
        return not (self._kept or self._taken or self._oldest or self._latest or self._dropped) and not self.at_work

    def put(self, deliveries: Sequence[Delivery], hold: bool = True) -> Room:
        """Take in updates, one at least, in their order. Without ``hold``, what would have to wait for room stays
        ``staged``, with all behind it."""
        outcome = Room.ENOUGH
        with self._lock:
            room, over = self._size - self._kept_updates(), self._is_closing()
            if not (self.lossy or over) and room >= len(deliveries):
                # A sum of C's, once a batch; the other way to know is to count each update twice, in and out.
                load = self._kept_bytes + sum(map(_bytes_of, deliveries))
                if load + self._taken_bytes <= self._max_bytes:  # there is room, whatever has been taken of the latter
                    self._kept.extend(deliveries)
                    self._kept_bytes = load
                    self._newest = deliveries[-1][3]
                    deliveries = ()
            left = 0
            for index, delivery in enumerate(deliveries):
                if over:
                    self.total_dropped += 1
                    continue
                self._newest = delivery[3]
                policy = delivery[0].overflow
                if policy == "latest":
                    self._put_latest(delivery)
                    continue
                if policy == "drop_oldest":
                    self._put_oldest(delivery)
                    continue
                if room <= 0 or left <= 0:
                    room, left = self._room()
                    full = room <= 0 or left <= 0
                    if full and policy == "block":
                        if not hold:
                            self.staged = list(deliveries[index:])
                            break
                        self._hold()
                        (room, left), over = self._room(), self._is_closing()
                        if over:
                            self.total_dropped += 1
                            continue
                        if room <= -self._size - self.allowance or left <= -self._max_bytes - self.allowed_bytes:
                            outcome = self._refuse(delivery)
                            continue
                        if room - 1 <= -self._size or left - delivery[4] <= -self._max_bytes:
                            outcome = max(outcome, Room.FULL)
                    elif full:
                        outcome = self._refuse(delivery)
                        continue
                room -= 1
                left -= delivery[4]
                self._kept.append(delivery)
                self._kept_bytes += delivery[4]
            self._bells.ring_all()
        return outcome

    def _refuse(self, delivery: Delivery) -> Room:
        # Behind what came before it, unlike updates that a policy drops: those are the oldest.
        self.total_dropped += 1
        topic = delivery[1]
        last = self._kept[-1] if self._kept else None
        if last is not None and last[0] is None and isinstance(last[2], Dropped) and last[2].topic == topic:
            self._kept[-1] = (None, "", Dropped(topic, last[2].count + 1, client=self._client), last[3])
        else:
            self._put_event(Dropped(topic, 1, client=self._client))
        return Room.REFUSED

    def put_event(self, event: Event) -> None:
        """Take in an event, or another thing that is neither dropped nor counted. By any thread; never waits for room."""
        with self._lock:
            if isinstance(event, BadFrame) and self._kept_events >= self._size:
                return  # a venue gone mad must not fill the memory; the counter goes on
            if not self._closed:
                self._put_event(event)
                self._bells.ring_all()

    def _put_event(self, event: Event) -> None:
        self._last_event = self._newest
        self._kept.append((None, "", event, self._newest))
        self._kept_events += 1

    def get(self, timeout: Optional[float] = None) -> Union[Delivery, Event, None]:
        """Take out the oldest item. None when the queue has ended, or after ``timeout`` seconds (``ended`` says which)."""
        try:
            item = self._taken.popleft()
        except IndexError:
            return self._refill(timeout)
        if self.holding:
            self.poke()
        return item

    def _refill(self, timeout: Optional[float]) -> Union[Delivery, Event, None]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                item = self._take_next()
                if item is not None or self._closed:
                    return item
                bell = self._bells.hang()
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return None
            ring(bell, remaining)

    def _take_next(self) -> Union[Delivery, Event, None]:
        if self._dropped:
            # Before anything newer of the topic: what is missing lies before it.
            topic = next(iter(self._dropped))
            return Dropped(topic, self._dropped.pop(topic), client=self._client)
        if self._kept and not (self._kept_events or self._oldest or self._latest):
            # One after the other below would find the same order.
            self._taken, self._kept = self._kept, self._taken
            self._taken_bytes, self._kept_bytes, self._taken_sums = self._kept_bytes, 0, None
            self.at_work = True
            item: Union[Delivery, Event, None] = self._taken.popleft()
        else:
            self.at_work = True  # before it is taken: ``idle`` looks at the length first
            item = self._take()
            self.at_work = item is not None
            self._taken_bytes = 0
        if item is None:
            self._closed = self._closed or self._draining
        elif self.holding:
            self.holding = False
            self._bells.ring_all()
        return item

    @property
    def ended(self) -> bool:
        return self._closed

    @property
    def is_over(self) -> bool:
        """True if nothing will come out of it any more."""
        return self.abandoned or (self.discarding and self._draining)

    def poke(self) -> None:
        """Make a reader that is held up look again whether it must go on."""
        with self._lock:
            self.holding = False  # once is enough: it says so again where it stays
            self._bells.ring_all()

    def drain(self) -> None:
        """Take nothing in any more; end when all that is queued has been taken out."""
        with self._lock:
            self._draining = True
            self._bells.ring_all()

    def discard(self) -> None:
        """Throw away the updates that are still queued and those still to come, and count them. Events stay."""
        with self._lock:
            # Without those taken out: the consumer may take one between a look at their number and the next line.
            self.total_dropped += len(self._kept) - self._kept_events + len(self._oldest) + len(self._latest)
            self._kept = collections.deque(item for item in self._kept if item[0] is None)
            self._kept_bytes = self._oldest_bytes = self._latest_bytes = 0
            self._oldest.clear()
            self._latest.clear()
            self._slots.clear()
            self._dropped.clear()
            self.discarding = True
            while True:  # one by one: the consumer may take from it at the same time
                try:
                    self._taken.popleft()
                except IndexError:
                    break
                self.total_dropped += 1
            self._bells.ring_all()

    def count_discarded(self) -> None:
        """One that was taken out before ``discard`` was thrown away, too."""
        with self._lock:
            self.total_dropped += 1

    def after_fork_in_child(self) -> None:
        """The lock may have been held by a thread that the child does not have, in the middle of a change. What was
        queued is the parent's; what was over stays so."""
        over = (self.abandoned, self.discarding, self._draining, self.takes_gaps, self.delivered, self.total_dropped)
        self.__init__(self._size, self._max_bytes, self._must_flow, self._client)  # type: ignore[misc]
        self.abandoned, self.discarding, self._draining, self.takes_gaps, self.delivered, self.total_dropped = over

    def _kept_updates(self) -> int:
        return len(self._kept) - self._kept_events + len(self._taken)

    def _room(self) -> Tuple[int, int]:
        """Return the updates and the bytes for which the kept lane has room; 0 or less where it has none."""
        if self._taken and self._taken_sums is None:
            self._taken_sums = list(itertools.accumulate(map(_bytes_of, reversed(self._taken.copy())), initial=0))
        # After the look at it: the consumer takes from its left end.
        taken = self._taken_sums[len(self._taken)] if self._taken_sums else 0
        return self._size - self._kept_updates(), self._max_bytes - self._kept_bytes - taken

    def _is_full(self) -> bool:
        return min(self._room()) <= 0

    def _is_closing(self) -> bool:
        return self.discarding or self._draining or self.abandoned

    def _hold(self) -> None:
        """Wait until there is room, as long as that may be waited for."""
        self._bells.ring_all()  # what was put in before is the consumer's to take
        stalled = False
        while self._is_full() and not self._is_closing():
            # Set before must_flow() looks: a thread that files a request looks at it afterwards. Set before the consumer
            # is looked at, too: it takes, then looks whether to wake.
            self.holding = True
            waiting = self._kept_updates()
            if self._must_flow(self, stalled) or not self._is_full():
                break
            # With a limit, because nothing wakes the reader when a queue is abandoned: that happens in a destructor.
            bell = self._bells.hang()
            self._lock.release()  # the reader's own lock, round which no signal handler runs
            try:
                woken = ring(bell, STALLED)
            finally:
                self._lock.acquire()
            stalled = not woken and self._kept_updates() >= waiting
        self.holding = False

    def _put_oldest(self, delivery: Delivery) -> None:
        while self._oldest and (len(self._oldest) >= self._size or self._oldest_bytes + delivery[4] > self._max_bytes):
            self._count_dropped(self._take_of(self._oldest))
        self._oldest.append(delivery)
        self._oldest_bytes += delivery[4]

    def _put_latest(self, delivery: Delivery) -> None:
        key = delivery[:2]
        slot = self._slots.get(key)
        if slot is not None:
            self._count_dropped(slot.delivery)
            self._latest_bytes += delivery[4] - slot.delivery[4]
            # It keeps its turn, so that a busy topic is not put off for ever; but it must not pass an event.
            if slot.order > self._last_event and self._latest_bytes <= self._max_bytes:
                slot.delivery = delivery
                return
            self._latest.remove(slot)
        else:
            self._latest_bytes += delivery[4]
        while self._latest and self._latest_bytes > self._max_bytes:
            self._count_dropped(self._take_of(self._latest))
        slot = self._slots[key] = _Slot(key, delivery)
        self._latest.append(slot)

    def _count_dropped(self, delivery: Delivery) -> None:
        topic = delivery[1]
        self._dropped[topic] = self._dropped.get(topic, 0) + 1
        self.total_dropped += 1

    def _take(self) -> Union[Delivery, Event, None]:
        lane: Optional[Deque[Any]] = None
        order = 0
        if self._oldest:
            lane, order = self._oldest, self._oldest[0][3]
        if self._latest and (lane is None or self._latest[0].order < order):
            lane, order = self._latest, self._latest[0].order
        # An event's order is that of the update before it: at a draw the update goes first.
        if self._kept and (lane is None or self._kept[0][3] < order):
            lane = self._kept
        if lane is None:
            return None
        item: Union[Delivery, Event] = self._take_of(lane)
        return item

    def _take_of(self, lane: Deque[Any]) -> Any:
        item = lane.popleft()
        if lane is self._latest:
            del self._slots[item.key]
            self._latest_bytes -= item.delivery[4]
            return item.delivery
        if lane is self._oldest:
            self._oldest_bytes -= item[4]
        elif item[0] is None:
            self._kept_events -= 1
            return item[2]
        else:
            self._kept_bytes -= item[4]
        return item
