"""User code: event callbacks, update callbacks and the thread that they run on."""

from __future__ import annotations

import collections
import logging
import threading
from typing import Any, Callable, Deque, List, Optional, Tuple

from dbxsdk.errors import ProtocolError, UnreadableField
from dbxsdk.events import BadFrame, CallbackFailed, Event, Gap
from dbxsdk.models import Update
from dbxsdk.options import Options
from dbxsdk.protocol import Push
from dbxsdk.runtime.reentrancy import calls_user_code
from dbxsdk.session.dispatch import UpdateQueue
from dbxsdk.session.subscription import Subscription

logger = logging.getLogger(__name__)


class Callbacks:
    """Runs callbacks one at a time, in the order of arrival: on the callbacks thread, or inline on the reader's."""

    def __init__(
        self,
        venue: str,
        options: Options,
        must_flow: Callable[[], bool],
        abandoned: Callable[[Subscription], None],
    ) -> None:
        """``must_flow``: see ``UpdateQueue``. ``abandoned`` is told of a subscription whose iterator is gone."""
        self._venue = venue
        self._options = options
        self._must_flow = must_flow
        self._abandoned = abandoned
        self.inline = options.dispatch == "inline"
        self.bad_frames = 0
        self.callback_errors = 0
        self._delivered_before = 0
        self._dropped_before = 0
        self._event_callbacks: Tuple[Callable[[Event], Any], ...] = ()
        # Replaced, never changed: other threads walk through it without the lock.
        self._iterators: Tuple[UpdateQueue, ...] = ()
        self.queue = self._new_queue()
        self.reset_for_process()

    def reset_for_process(self) -> None:
        """Makes anew what threads of the parent may hold or have half changed."""
        self._lock = threading.Lock()  # guards the counters that several threads count up, and the tuple of callbacks
        # A fork in a callback: in the child the thread that came from there finds the end of its queue, and ends.
        self.queue.after_fork_in_child()
        self.queue.drain()
        self.new_queue()
        self.reader_id: Optional[int] = None
        self._from_other_threads: Deque[Event] = collections.deque()
        # The reader's own: the number of the last update, and the queues that have to be given something.
        self._order = 0
        self._staged: List[UpdateQueue] = []
        self._refused = False
        for queue in self._iterators:
            queue.after_fork_in_child()

    def new_queue(self) -> UpdateQueue:
        """The queue for a new life of the threads."""
        self._retire(self.queue)
        self.queue = self._new_queue()
        return self.queue

    def _retire(self, queue: UpdateQueue) -> None:
        self._delivered_before += queue.delivered
        self._dropped_before += queue.total_dropped

    def new_iterator_queue(self) -> UpdateQueue:
        queue = self._new_queue()
        with self._lock:
            self._iterators += (queue,)
        return queue

    def _retire_iterators(self) -> None:
        """Only on the reader thread: it may be about to put something into a queue that is over, and count it there."""
        with self._lock:
            over = [queue for queue in self._iterators if queue.is_over]
            for queue in over:
                self._retire(queue)
            self._iterators = tuple(queue for queue in self._iterators if queue not in over)

    def _new_queue(self) -> UpdateQueue:
        return UpdateQueue(self._options.queue_size, self._must_flow)

    def all_queues(self) -> Tuple[UpdateQueue, ...]:
        return (self.queue, *self._iterators)

    @property
    def delivered(self) -> int:
        return self._delivered_before + sum(queue.delivered for queue in self.all_queues())

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

    def take(self, subscriptions: Tuple[Subscription, ...], topic: str, what: Any) -> None:
        """Takes an update, a ``Push`` or the document alone where all want it raw, for these subscriptions. With inline
        dispatch runs the callbacks; else they are run when the next ``flush`` has handed all over."""
        self._order = order = self._order + 1
        for subscription in subscriptions:
            queue = subscription.queue
            if queue is None:
                queue = self.queue
                if self.inline:
                    self.deliver(queue, subscription, topic, what)
                    continue
            elif queue.abandoned:
                self._abandoned(subscription)
                continue
            if subscription.lossy:
                queue.lossy = True
            staged = queue.staged
            if not staged:
                self._staged.append(queue)
            staged.append((subscription, topic, what, order))

    def flush(self) -> bool:
        """Puts into the queues what was handed over. False where something was refused since the last flush: there was no
        room, and the policy is to disconnect."""
        self._put_staged()
        if self._iterators and any(queue.is_over for queue in self._iterators):
            self._retire_iterators()
        refused, self._refused = self._refused, False
        return not refused

    def _put_staged(self) -> None:
        queues, self._staged = self._staged, []
        # First to all what there is room for, so that none of it waits for room in another queue.
        for queue in queues:
            deliveries, queue.staged = queue.staged, []
            if deliveries and not queue.put(deliveries, hold=False):
                self._refused = True
        # Then the others in their order: who waits for room keeps back only what came later.
        held = [(queue, delivery) for queue in queues for delivery in queue.staged]
        for queue in queues if held else ():
            queue.staged = []
        for queue, delivery in sorted(held, key=lambda each: each[1][3]):
            if not queue.put([delivery]):
                self._refused = True

    def deliver_waiting_events(self) -> None:
        """With inline dispatch: the events that other threads had to tell."""
        while self._from_other_threads:
            self._deliver_event(self._from_other_threads.popleft())

    # -- any thread ----------------------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], Any]) -> None:
        with self._lock:
            self._event_callbacks += (callback,)

    def emit(self, event: Event) -> None:
        if self._staged and threading.get_ident() == self.reader_id:
            self._put_staged()  # what came before it
        if isinstance(event, Gap):
            for queue in self._iterators:
                queue.put_event(event)
        if not self.inline:
            self.queue.put_event(event)
        elif threading.get_ident() == self.reader_id:
            self.deliver_waiting_events()  # told before this one
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

    # -- the callbacks thread ------------------------------------------------------------------------

    def run(self, queue: UpdateQueue) -> None:
        get, deliver = queue.get, self.deliver
        while True:
            item = get()
            if isinstance(item, tuple):
                deliver(queue, item[0], item[1], item[2])
            elif item is None:
                return
            else:
                self._deliver_event(item)

    @calls_user_code
    def deliver(self, queue: UpdateQueue, subscription: Subscription, topic: str, what: Any) -> None:
        if not subscription.active or (subscription.ended_topics and topic in subscription.ended_topics):
            return
        if queue.discarding:  # closed, inside a callback maybe, while more was at hand
            queue.count_discarded()
            return
        argument = what
        if type(what) is Push:
            argument = what.document if subscription.raw else self._typed(what)
            if argument is None:
                return
        try:
            subscription.callback(argument)
        except BaseException as error:  # noqa: B036 - also SystemExit: it would end the thread in silence
            self._callback_failed(topic, what, error)
        else:
            queue.delivered += 1

    def _callback_failed(self, topic: str, what: Any, error: BaseException) -> None:
        if isinstance(error, UnreadableField) and type(what) is Push and _is_of(what.update, error.model):
            # Fields are read when they are looked at: the fault is the frame's.
            self._unreadable(what, error)
            return
        with self._lock:
            self.callback_errors += 1
        logger.error("%s: a callback for %s raised", self._venue, topic, exc_info=error)
        self._deliver_event(CallbackFailed(topic, error))

    def argument(self, subscription: Subscription, topic: str, what: Any) -> Any:
        """What an iterator gives out; None where it ended in the meantime, or where the document lacks what the
        model needs (told as ``BadFrame``)."""
        if not subscription.active or (subscription.ended_topics and topic in subscription.ended_topics):
            return None
        if type(what) is Push:
            return what.document if subscription.raw else self._typed(what)
        return what

    def _typed(self, push: Push) -> Optional[Update[Any]]:
        """The typed form, made once; None where the document lacks what the model needs."""
        if push.update is not None or push.bad:
            return push.update
        try:
            update = push.update = Update(
                self._venue,
                push.channel,
                push.symbol,
                push.kind,
                push.read(push.payload),
                push.venue_time_ms,
                push.received_ns,
                push.document,
            )
            return update
        except ProtocolError as error:
            self._unreadable(push, error)
        except Exception as error:
            logger.exception("%s: an update of %s could not be read", self._venue, push.topic)
            self._unreadable(push, ProtocolError(f"unexpected error: {error!r}"))
        return None

    def _unreadable(self, push: Push, error: ProtocolError) -> None:
        if not push.bad:  # several callbacks may want it: it is one bad frame
            push.bad = True
            self.bad_frame(error)

    @calls_user_code
    def _deliver_event(self, event: Event) -> None:
        for callback in self._event_callbacks:
            try:
                callback(event)
            except BaseException as error:  # noqa: B036 - as above
                with self._lock:
                    self.callback_errors += 1
                logger.error("%s: an event callback raised", self._venue, exc_info=error)


def _is_of(update: Optional[Update[Any]], model: Any) -> bool:
    """Whether it is this update's, not that of one which the callback has kept."""
    data = update.data if update is not None else None
    return any(each is model for each in (data if isinstance(data, tuple) else (data,)))
