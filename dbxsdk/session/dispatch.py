"""From the reader thread to user code: a bounded queue and its overflow policies.

The queue has three lanes, each in arrival order; the consumer takes the oldest head. So each policy can drop its
own oldest update at once, whatever else is queued.

======== ====================================================== ==============================
lane     holds                                                  bound
======== ====================================================== ==============================
kept     events, and updates under ``block`` and ``disconnect``  ``size`` updates
oldest   updates under ``drop_oldest``                           ``size``
latest   updates under ``latest``, one a topic                   the number of topics
======== ====================================================== ==============================

The lock is taken once a batch, not once an update: the reader puts in all that one read of the network brought, and
the consumer takes out all kept updates at once where no other lane and no event has to be minded. What it has
taken so counts as queued until its turn comes.
"""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple, Union

from dbxsdk.events import BadFrame, Dropped, Event

if TYPE_CHECKING:
    from dbxsdk.session.subscription import Subscription

Delivery = Tuple["Subscription", str, Any, int]
"""One update on its way to one subscription: with its topic, the ``Push`` or the raw document, and a number that grows
from update to update. An event in the kept lane has None for its subscription, and the number of the update before it."""


class _Slot:
    """A place in the ``latest`` lane; a newer update of the topic takes it over."""

    __slots__ = ("order", "key", "delivery")

    def __init__(self, key: Any, delivery: Delivery) -> None:
        self.order = delivery[3]
        self.key = key
        self.delivery = delivery


class UpdateQueue:
    """Updates and events between one producer, the reader, and one consumer. Events may come from any thread."""

    def __init__(self, size: int, must_flow: Callable[[], bool] = lambda: False) -> None:
        """``must_flow`` tells whether the reader has to go on although the queue is full: somebody waits for an
        answer that only the reader can read."""
        self._size = size
        self._must_flow = must_flow
        self._changed = threading.Condition(threading.Lock())  # its lock guards all below, but for the note at _taken
        self._kept: Deque[Any] = collections.deque()
        self._kept_events = 0
        # Filled under the lock when it is empty; the consumer takes from it without. Each of its methods is one step.
        self._taken: Deque[Delivery] = collections.deque()
        self._oldest: Deque[Delivery] = collections.deque()
        self._latest: Deque[_Slot] = collections.deque()
        self._slots: Dict[Any, _Slot] = {}
        self._dropped: Dict[str, int] = {}
        self._newest = 0
        self._last_event = 0
        self._draining = False
        self._closed = False
        self.abandoned = False
        """Set, without the lock, when whoever takes from the queue is gone for good."""
        self.discarding = False
        """Whether updates are thrown away."""
        self.holding = False
        """Whether the reader stands still because of this queue."""
        self.at_work = False
        """Whether the consumer may be busy with an update: until it has to wait for the next."""
        self.total_dropped = 0
        self.delivered = 0
        """Updates that reached their callback; the consumer's to count."""
        self.staged: List[Delivery] = []
        """The reader's own: what it has not put in yet."""
        self.lossy = False
        """Whether updates under ``drop_oldest`` or ``latest`` may be among those that are put in."""

    def __len__(self) -> int:
        return self._kept_updates() + len(self._oldest) + len(self._latest)

    def put(self, deliveries: Sequence[Delivery], hold: bool = True) -> bool:
        """Takes updates, one at least, in, in their order. False where one was refused: its policy is ``disconnect``
        and there is no room. Without ``hold``, what would have to wait for room stays ``staged``, with all behind it."""
        accepted = True
        with self._changed:
            room, refused = self._size - self._kept_updates(), self._refuses()
            if not (self.lossy or refused) and room >= len(deliveries):
                self._kept.extend(deliveries)
                self._newest = deliveries[-1][3]
                deliveries = ()
            for index, delivery in enumerate(deliveries):
                if refused:
                    self.total_dropped += 1
                    continue
                self._newest = delivery[3]
                policy = delivery[0].overflow
                if policy == "latest":
                    self._put_latest(delivery)
                    continue
                if policy == "drop_oldest":
                    if len(self._oldest) >= self._size:
                        self._count_dropped(self._oldest.popleft())
                    self._oldest.append(delivery)
                    continue
                if room <= 0:
                    room = self._size - self._kept_updates()
                    if room <= 0 and policy == "block":
                        if not hold:
                            self.staged = list(deliveries[index:])
                            break
                        self._hold()
                        room, refused = self._size - self._kept_updates(), self._refuses()
                        if refused:
                            self.total_dropped += 1
                            continue
                    elif room <= 0:
                        self._count_dropped(delivery)
                        accepted = False
                        continue
                room -= 1
                self._kept.append(delivery)
            self._changed.notify_all()
        return accepted

    def put_event(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, BadFrame) and self._kept_events >= self._size:
                return  # a venue gone mad must not fill the memory; the counter goes on
            if not self._closed:
                self._last_event = self._newest
                self._kept.append((None, "", event, self._newest))
                self._kept_events += 1
                self._changed.notify_all()

    def get(self, timeout: Optional[float] = None) -> Union[Delivery, Event, None]:
        """The oldest item. None when the queue has ended, or after ``timeout`` seconds (``ended`` tells which)."""
        try:
            item = self._taken.popleft()
        except IndexError:
            return self._refill(timeout)
        if self.holding:
            self.poke()
        return item

    def _refill(self, timeout: Optional[float]) -> Union[Delivery, Event, None]:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while True:
                if self._dropped:
                    # Before anything newer of the topic: what is missing lies before it.
                    topic = next(iter(self._dropped))
                    return Dropped(topic, self._dropped.pop(topic))
                if self._kept and not (self._kept_events or self._oldest or self._latest):
                    # One after the other below would find the same order.
                    self._taken, self._kept = self._kept, self._taken
                    self.at_work = True
                    item: Union[Delivery, Event, None] = self._taken.popleft()
                else:
                    self.at_work = True  # before it is taken: ``idle`` looks at the length first
                    item = self._take()
                    self.at_work = item is not None
                if item is not None:
                    if self.holding:
                        self.holding = False
                        self._changed.notify_all()
                    return item
                if self._closed or self._draining:
                    self._closed = True
                    return None
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return None
                self._changed.wait(remaining)

    @property
    def ended(self) -> bool:
        return self._closed

    @property
    def is_over(self) -> bool:
        """Whether nothing will come out of it any more."""
        return self.abandoned or (self.discarding and self._draining)

    def poke(self) -> None:
        """Makes a reader that is held up look again whether it must go on."""
        with self._changed:
            self.holding = False  # once is enough: it says so again where it stays
            self._changed.notify_all()

    def drain(self) -> None:
        """Takes nothing in any more; ends when all that is queued has been taken out."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Throws away the updates that are still queued and those still to come, and counts them. Events stay."""
        with self._changed:
            # Without those taken out: the consumer may take one between a look at their number and the next line.
            self.total_dropped += len(self._kept) - self._kept_events + len(self._oldest) + len(self._latest)
            self._kept = collections.deque(item for item in self._kept if item[0] is None)
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
            self._changed.notify_all()

    def count_discarded(self) -> None:
        """One that was taken out before ``discard`` was thrown away, too."""
        with self._changed:
            self.total_dropped += 1

    def after_fork_in_child(self) -> None:
        """The lock may have been held by a thread that the child does not have, in the middle of a change. What was
        queued is the parent's; what was over stays so."""
        over = (self.abandoned, self.discarding, self._draining, self.delivered, self.total_dropped)
        self.__init__(self._size, self._must_flow)  # type: ignore[misc]
        self.abandoned, self.discarding, self._draining, self.delivered, self.total_dropped = over

    def _kept_updates(self) -> int:
        return len(self._kept) - self._kept_events + len(self._taken)

    def _refuses(self) -> bool:
        return self.discarding or self._draining or self.abandoned

    def _hold(self) -> None:
        """Waits until there is room, as long as that may be waited for."""
        self._changed.notify_all()  # what was put in before is the consumer's to take
        while self._kept_updates() >= self._size and not self._refuses():
            # Set before must_flow() looks: whoever files a request looks at it afterwards. Set before the consumer
            # is looked at, too: it takes, then looks whether to wake.
            self.holding = True
            if self._must_flow() or self._kept_updates() < self._size:
                break
            # With a limit, because nobody can tell when a queue is abandoned: that happens in a destructor.
            self._changed.wait(1.0)
        self.holding = False

    def _put_latest(self, delivery: Delivery) -> None:
        key = delivery[:2]
        slot = self._slots.get(key)
        if slot is not None:
            self._count_dropped(slot.delivery)
            # It keeps its turn, so that a busy topic is not put off for ever; but it must not pass an event.
            if slot.order > self._last_event:
                slot.delivery = delivery
                return
            self._latest.remove(slot)
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
        item = lane.popleft()
        if isinstance(item, _Slot):
            del self._slots[item.key]
            return item.delivery
        if item[0] is None:
            self._kept_events -= 1
            event: Event = item[2]
            return event
        delivery: Delivery = item
        return delivery
