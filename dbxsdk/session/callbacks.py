"""User code: event callbacks, update callbacks and the thread that they run on."""

from __future__ import annotations

import collections
import logging
import threading
from typing import Any, Callable, Deque, Optional, Tuple

from dbxsdk.errors import ProtocolError
from dbxsdk.events import BadFrame, CallbackFailed, Event
from dbxsdk.options import Options
from dbxsdk.session.dispatch import Delivery, Received, UpdateQueue
from dbxsdk.session.subscription import Subscription

logger = logging.getLogger(__name__)


class Callbacks:
    """Runs callbacks one at a time, in the order of arrival: on the callbacks thread, or inline on the reader's."""

    def __init__(self, venue: str, options: Options, must_flow: Callable[[], bool]) -> None:
        self._venue = venue
        self._options = options
        self._must_flow = must_flow
        self.inline = options.dispatch == "inline"
        self.delivered = 0
        self.bad_frames = 0
        self.callback_errors = 0
        self._dropped_before = 0
        self._event_callbacks: Tuple[Callable[[Event], Any], ...] = ()
        # Replaced, never changed: other threads walk through it without the lock.
        self._iterators: Tuple[UpdateQueue, ...] = ()
        self.reset_for_process()

    def reset_for_process(self) -> None:
        """Makes anew what threads of the parent may hold or have half changed."""
        self._lock = threading.Lock()  # guards the counters that several threads count up, and the tuple of callbacks
        self.queue = self._new_queue()
        self.reader_id: Optional[int] = None
        self._from_other_threads: Deque[Event] = collections.deque()
        for queue in self._iterators:
            queue.after_fork_in_child()

    def new_queue(self) -> UpdateQueue:
        """The queue for a new life of the threads."""
        self._dropped_before += self.queue.total_dropped
        self.queue = self._new_queue()
        return self.queue

    def new_iterator_queue(self) -> UpdateQueue:
        queue = self._new_queue()
        with self._lock:
            self._dropped_before += sum(old.total_dropped for old in self._iterators if old.is_over)
            self._iterators = (*(old for old in self._iterators if not old.is_over), queue)
        return queue

    def _new_queue(self) -> UpdateQueue:
        return UpdateQueue(self._options.queue_size, self._must_flow)

    def all_queues(self) -> Tuple[UpdateQueue, ...]:
        return (self.queue, *self._iterators)

    @property
    def dropped(self) -> int:
        return self._dropped_before + sum(queue.total_dropped for queue in self.all_queues())

    @property
    def queued(self) -> int:
        """Updates that wait for their callback."""
        return sum(len(queue) for queue in self.all_queues())

    @property
    def idle(self) -> bool:
        """Whether every update that came has been through its callback."""
        # The length first: what is taken out in between is at work.
        return not self.queued and not self.queue.at_work

    def poke(self) -> None:
        """Somebody waits for an answer now: a reader that stands still must go on."""
        for queue in self.all_queues():
            if queue.holding:
                queue.poke()

    # -- the reader thread ---------------------------------------------------------------------------

    def dispatch(self, subscription: Subscription, received: Received) -> bool:
        """Hands an update over. False where there is no room and the policy is to disconnect."""
        delivery = Delivery(subscription, received)
        if subscription.queue is not None:
            return subscription.queue.put(delivery, subscription.overflow)
        if self.inline:
            self.deliver(delivery)
            return True
        return self.queue.put(delivery, subscription.overflow)

    def deliver_waiting_events(self) -> None:
        """With inline dispatch: the events that other threads had to tell."""
        while self._from_other_threads:
            self._deliver_event(self._from_other_threads.popleft())

    # -- any thread ----------------------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], Any]) -> None:
        with self._lock:
            self._event_callbacks += (callback,)

    def emit(self, event: Event) -> None:
        if not self.inline:
            self.queue.put_event(event)
        elif threading.get_ident() == self.reader_id:
            self._deliver_event(event)
        else:
            # Callbacks run one at a time: the reader delivers it with its next frame.
            self._from_other_threads.append(event)

    def bad_frame(self, error: ProtocolError, *, tell: bool = True) -> None:
        """Counts it, and tells of it."""
        with self._lock:
            self.bad_frames += 1
        if tell:
            logger.warning("%s: bad frame: %s", self._venue, error)
            self.emit(BadFrame(error))

    def count_delivered(self) -> None:
        with self._lock:
            self.delivered += 1

    # -- the callbacks thread ------------------------------------------------------------------------

    def run(self, queue: UpdateQueue) -> None:
        while True:
            item = queue.get()
            if item is None:
                return
            if isinstance(item, Delivery):
                self.deliver(item)
            else:
                self._deliver_event(item)

    def deliver(self, delivery: Delivery) -> None:
        subscription, received = delivery
        argument = self.argument(subscription, received)
        if argument is None:
            return
        try:
            subscription.callback(argument)
        except BaseException as error:  # noqa: B036 - also SystemExit: it would end the thread in silence
            with self._lock:
                self.callback_errors += 1
            topic = received.push.topic
            logger.error("%s: a callback for %s raised", self._venue, topic, exc_info=error)
            self._deliver_event(CallbackFailed(topic, error))
        else:
            self.count_delivered()

    def argument(self, subscription: Subscription, received: Received) -> Any:
        """What the callback gets; None where it ended in the meantime, or where the document lacks what the
        model needs (told as ``BadFrame``)."""
        if not subscription.active or (subscription.ended_topics and received.push.topic in subscription.ended_topics):
            return None
        if subscription.raw:
            return received.push.document
        try:
            return received.update()
        except ProtocolError as error:
            problem = error
        except Exception as error:
            logger.exception("%s: an update of %s could not be read", self._venue, received.push.topic)
            problem = ProtocolError(f"unexpected error: {error!r}")
        if not received.bad:  # several callbacks may want it: it is one bad frame
            received.bad = True
            self.bad_frame(problem)
        return None

    def _deliver_event(self, event: Event) -> None:
        for callback in self._event_callbacks:
            try:
                callback(event)
            except BaseException as error:  # noqa: B036 - as above
                with self._lock:
                    self.callback_errors += 1
                logger.error("%s: an event callback raised", self._venue, exc_info=error)
