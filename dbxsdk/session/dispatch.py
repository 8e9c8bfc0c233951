"""From the reader thread to user code: a bounded queue, its overflow policies, and the callbacks thread's loop.

The queue has three lanes, each in arrival order; the consumer takes the oldest head. So each policy can drop its
own oldest update at once, whatever else is queued.

======== ====================================================== ==============================
lane     holds                                                  bound
======== ====================================================== ==============================
kept     events, and updates under ``block`` and ``disconnect``  ``size`` updates
oldest   updates under ``drop_oldest``                           ``size``
latest   updates under ``latest``, one a topic                   the number of topics
======== ====================================================== ==============================
"""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, NamedTuple, Optional, Union

from dbxsdk.events import BadFrame, Dropped, Event
from dbxsdk.models import Update
from dbxsdk.protocol import Push

if TYPE_CHECKING:
    from dbxsdk.session.subscription import Subscription


class Received:
    """One update off the wire. The typed form is made once, for the first who wants it."""

    __slots__ = ("push", "venue", "received_ns", "bad", "_update")

    def __init__(self, push: Push, venue: str, received_ns: int) -> None:
        self.push = push
        self.venue = venue
        self.received_ns = received_ns
        self.bad = False
        """Whether it was found to be unreadable, and told."""
        self._update: Optional[Update] = None

    def update(self) -> Update:
        """The typed form. Raises ``ProtocolError`` where the document lacks what the model needs."""
        if self._update is None:
            push = self.push
            self._update = Update(
                self.venue,
                push.channel,
                push.symbol,
                push.kind,
                push.read(push.payload),
                push.venue_time_ms,
                self.received_ns,
                push.document,
            )
        return self._update


class Delivery(NamedTuple):
    """One update on its way to one subscription."""

    subscription: "Subscription"
    received: Received


class _Slot:
    """A place in the ``latest`` lane; a newer update of the topic takes it over."""

    __slots__ = ("order", "key", "delivery")

    def __init__(self, order: int, key: Any, delivery: Delivery) -> None:
        self.order = order
        self.key = key
        self.delivery = delivery


class UpdateQueue:
    """Updates and events between one producer, the reader, and one consumer. Events may come from any thread."""

    def __init__(self, size: int, must_flow: Callable[[], bool] = lambda: False) -> None:
        """``must_flow`` tells whether the reader has to go on although the queue is full: somebody waits for an
        answer that only the reader can read."""
        self._size = size
        self._must_flow = must_flow
        self._changed = threading.Condition(threading.Lock())  # its lock guards all below
        self._kept: Deque[Any] = collections.deque()
        self._oldest: Deque[Any] = collections.deque()
        self._latest: Deque[_Slot] = collections.deque()
        self._slots: Dict[Any, _Slot] = {}
        self._dropped: Dict[str, int] = {}
        self._order = 0
        self._last_event = 0
        self._kept_updates = 0
        self._discarding = False
        self._draining = False
        self._closed = False
        self.abandoned = False
        """Set, without the lock, when whoever takes from the queue is gone for good."""
        self.holding = False
        """Whether the reader stands still because of this queue."""
        self.at_work = False
        """Whether the consumer is busy with an update: until it comes for the next."""
        self.total_dropped = 0

    def __len__(self) -> int:
        return self._kept_updates + len(self._oldest) + len(self._latest)

    def put(self, delivery: Delivery, policy: str) -> bool:
        """Takes one update in. False where it was refused: the policy is ``disconnect`` and there is no room."""
        with self._changed:
            if self._discarding or self._draining or self.abandoned:
                self.total_dropped += 1
                return True
            if policy == "block":
                self._hold()
            elif policy == "disconnect" and self._kept_updates >= self._size:
                self._count_dropped(delivery)
                return False
            self._order += 1
            if policy == "latest":
                self._put_latest(delivery)
            elif policy == "drop_oldest":
                if len(self._oldest) >= self._size:
                    self._count_dropped(self._oldest.popleft()[1])
                self._oldest.append((self._order, delivery))
            else:
                self._kept_updates += 1
                self._kept.append((self._order, delivery))
            self._changed.notify_all()
            return True

    def put_event(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, BadFrame) and len(self._kept) - self._kept_updates >= self._size:
                return  # a venue gone mad must not fill the memory; the counter goes on
            if not self._closed:
                self._order += 1
                self._last_event = self._order
                self._kept.append((self._order, event))
                self._changed.notify_all()

    def get(self, timeout: Optional[float] = None) -> Union[Delivery, Event, None]:
        """The oldest item. None when the queue has ended, or after ``timeout`` seconds (``ended`` tells which)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self.at_work = False
            while True:
                if self._dropped:
                    # Before anything newer of the topic: what is missing lies before it.
                    topic = next(iter(self._dropped))
                    return Dropped(topic, self._dropped.pop(topic))
                item = self._take()
                if item is not None:
                    self.at_work = isinstance(item, Delivery)
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
        return self.abandoned or (self._discarding and self._draining)

    def poke(self) -> None:
        """Makes a reader that is held up look again whether it must go on."""
        with self._changed:
            self._changed.notify_all()

    def drain(self) -> None:
        """Takes nothing in any more; ends when all that is queued has been taken out."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Throws away the updates that are still queued and those still to come, and counts them. Events stay."""
        with self._changed:
            self.total_dropped += len(self)
            self._kept = collections.deque(item for item in self._kept if not isinstance(item[1], Delivery))
            self._oldest.clear()
            self._latest.clear()
            self._slots.clear()
            self._dropped.clear()
            self._kept_updates = 0
            self._discarding = True
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """The lock may have been held by a thread that the child does not have, in the middle of a change."""
        self.__init__(self._size, self._must_flow)  # type: ignore[misc]

    def _hold(self) -> None:
        while self._kept_updates >= self._size and not (self._discarding or self._draining or self.abandoned):
            # Set before must_flow() looks: whoever files a request looks at it afterwards.
            self.holding = True
            if self._must_flow():
                break
            # With a limit, because nobody can tell when a queue is abandoned: that happens in a destructor.
            self._changed.wait(1.0)
        self.holding = False

    def _put_latest(self, delivery: Delivery) -> None:
        key = (delivery.subscription, delivery.received.push.topic)
        slot = self._slots.get(key)
        if slot is not None:
            self._count_dropped(slot.delivery)
            # It keeps its turn, so that a busy topic is not put off for ever; but it must not pass an event.
            if slot.order > self._last_event:
                slot.delivery = delivery
                return
            self._latest.remove(slot)
        slot = self._slots[key] = _Slot(self._order, key, delivery)
        self._latest.append(slot)

    def _count_dropped(self, delivery: Delivery) -> None:
        topic = delivery.received.push.topic
        self._dropped[topic] = self._dropped.get(topic, 0) + 1
        self.total_dropped += 1

    def _take(self) -> Union[Delivery, Event, None]:
        lane, order = None, None
        if self._kept:
            lane, order = self._kept, self._kept[0][0]
        if self._oldest and (order is None or self._oldest[0][0] < order):
            lane, order = self._oldest, self._oldest[0][0]
        if self._latest and (order is None or self._latest[0].order < order):
            slot = self._latest.popleft()
            del self._slots[slot.key]
            return slot.delivery
        if lane is None:
            return None
        item = lane.popleft()[1]
        if lane is self._kept and isinstance(item, Delivery):
            self._kept_updates -= 1
        return item  # type: ignore[no-any-return]
