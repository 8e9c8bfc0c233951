"""The dispatcher: takes updates and events to user code, on the callbacks thread or inline on the reader's."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any, Callable, Deque, List, Optional, Tuple

from dbxsdk.errors import ProtocolError, UnreadableField
from dbxsdk.events import BadFrame, CallbackFailed, Event, Gap
from dbxsdk.models import Draft, Update
from dbxsdk.options import Options
from dbxsdk.protocol import Push
from dbxsdk.runtime.log import ClientLog
from dbxsdk.runtime.reentrancy import calls_user_code
from dbxsdk.session.delivery.queue import MustFlow, Room, UpdateQueue
from dbxsdk.session.subscription import Subscription

if TYPE_CHECKING:
    from dbxsdk.backfill.filler import Filler


class Notice:
    """Something of the library's own that has to be called on the callbacks thread, behind what was delivered before."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call


class Dispatcher:
    """Runs callbacks one at a time, in the order of arrival: on the callbacks thread, or inline on the reader's."""

    def __init__(
        self,
        venue: str,
        name: str,
        options: Options,
        log: ClientLog,
        must_flow: MustFlow,
        abandoned: Callable[[Subscription], None],
    ) -> None:
        """``must_flow``: see ``UpdateQueue``. ``abandoned`` is called with a subscription whose iterator is gone."""
        self._venue = venue
        self._name = name
        self._options = options
        self._log = log
        self._must_flow = must_flow
        self._abandoned = abandoned
        self.inline = options.dispatch == "inline"
        self.bad_frames = 0
        self.callback_errors = 0
        self._delivered_before = 0
        self._dropped_before = 0
        self._event_callbacks: Tuple[Callable[[Event], Any], ...] = ()
        self._watchers: Tuple[Callable[[Event], Any], ...] = ()
        self._fillers: Tuple[Filler, ...] = ()
        # Replaced, never changed: other threads walk through it without the lock.
        self._iterators: Tuple[UpdateQueue, ...] = ()
        self.queue = self._new_queue()
        self.reset_for_process()

    def reset_for_process(self) -> None:
        """Make again what threads of the parent may hold or have half changed."""
        self._lock = threading.Lock()  # guards the counters that several threads count up, and the tuple of callbacks
        # A fork in a callback: in the child the thread that came from there finds the end of its queue, and ends.
        self.queue.after_fork_in_child()
        self.queue.drain()
        self.new_queue()
        self.reader_id: Optional[int] = None
        self._runner_id: Optional[int] = None
        self._from_other_threads: Deque[Any] = collections.deque()
        # The reader's own: the number of the last update, and the queues that have to be given something.
        self._order = 0
        self._staged: List[UpdateQueue] = []
        self._outcome = Room.ENOUGH
        for queue in self._iterators:
            queue.after_fork_in_child()
        for filler in self._fillers:
            filler.after_fork_in_child()

    def new_queue(self) -> UpdateQueue:
        """Make the queue for a new life of the threads."""
        self._retire(self.queue)
        self.queue = self._new_queue()
        return self.queue

    def _retire(self, queue: UpdateQueue) -> None:
        self._delivered_before += queue.delivered
        self._dropped_before += queue.total_dropped

    def new_iterator_queue(self) -> UpdateQueue:
        """Make the queue of an iterator."""
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
        return UpdateQueue(self._options.queue_size, self._options.queue_bytes, self._must_flow, self._name)

    def all_queues(self) -> Tuple[UpdateQueue, ...]:
        """The client's own and those of iterators."""
        return (self.queue, *self._iterators)

    @property
    def delivered(self) -> int:
        """Updates that reached their callback."""
        return self._delivered_before + sum(queue.delivered for queue in self.all_queues())

    @property
    def dropped(self) -> int:
        """Updates that were thrown away before."""
        return self._dropped_before + sum(queue.total_dropped for queue in self.all_queues())

    @property
    def queued(self) -> int:
        """Updates that wait for their callback."""
        return sum(len(queue) for queue in self.all_queues())

    @property
    def idle(self) -> bool:
        """True if every update and event that came has been through its callback."""
        return self.queue.idle and not any(map(len, self._iterators))

    def poke(self) -> None:
        """Somebody waits for an answer now: a reader that is held must look again whether it has to go on."""
        if self.queue.holding:
            self.queue.poke()
        for queue in self._iterators:
            if queue.holding:
                queue.poke()

    # -- the reader thread ---------------------------------------------------------------------------

    def take(self, subscriptions: Tuple[Subscription, ...], topic: str, what: Any, size: int) -> None:
        """Stage an update (a ``Push``, or the document alone if every subscriber is raw) of ``size`` bytes. Inline dispatch
        runs the callbacks now; otherwise ``flush`` moves staged updates to their queues."""
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
            staged.append((subscription, topic, what, order, size))

    def flush(self) -> Room:
        """Put what was staged into the queues. Returns the worst that has happened to any of it since the last flush."""
        self.put_staged()
        if self._iterators and any(queue.is_over for queue in self._iterators):
            self._retire_iterators()
        outcome, self._outcome = self._outcome, Room.ENOUGH
        return outcome

    def put_staged(self) -> None:
        """Put what was staged into the queues; ``flush`` returns what came of it."""
        queues, self._staged = self._staged, []
        if not queues:
            return
        # First to all that have room, so that nothing waits for room in another queue.
        for queue in queues:
            deliveries, queue.staged = queue.staged, []
            if deliveries:
                self._outcome = max(self._outcome, queue.put(deliveries, hold=False))
        # Then the others in their order: a queue that waits for room keeps back only what came later.
        held = [(queue, delivery) for queue in queues for delivery in queue.staged]
        for queue in queues if held else ():
            queue.allowance, queue.allowed_bytes = len(queue.staged), sum(delivery[4] for delivery in queue.staged)
            queue.staged = []
        for queue, delivery in sorted(held, key=lambda each: each[1][3]):
            self._outcome = max(self._outcome, queue.put([delivery]))

    def deliver_waiting(self) -> None:
        """With inline dispatch, on the reader thread: the events that were emitted since."""
        while self._from_other_threads:
            self._deliver_item(self._from_other_threads.popleft())

    # -- any thread ----------------------------------------------------------------------------------

    def add_filler(self, filler: Filler) -> None:
        """Have it told of each gap, in order with the updates."""
        with self._lock:
            self._fillers = (*(each for each in self._fillers if not each.ended), filler)

    def join_fillers(self) -> None:
        """Wait a moment for the threads of those that have ended."""
        for filler in self._fillers:
            filler.join()

    def on_event(self, callback: Callable[[Event], Any]) -> None:
        """Register a callback for lifecycle events."""
        with self._lock:
            self._event_callbacks += (callback,)

    def watch_events(self, watcher: Callable[[Event], Any]) -> Callable[[], None]:
        """Have something of the library's own called with each event, before the users' callbacks, until what is returned is
        called."""
        def end() -> None:
            with self._lock:
                self._watchers = tuple(each for each in self._watchers if each is not watcher)

        with self._lock:
            self._watchers += (watcher,)
        return end

    @property
    def event_callbacks(self) -> Tuple[Callable[[Event], Any], ...]:
        """Those that were registered."""
        return self._event_callbacks

    def put(self, item: Any) -> None:
        """Queue an ``Event`` or a ``Notice`` behind all that was flushed before. Runs nothing."""
        if isinstance(item, Gap):
            for queue in self._iterators:
                if queue.takes_gaps:
                    queue.put_event(item)
        if self.inline:
            # Callbacks run one at a time: the reader delivers it as soon as it can.
            self._from_other_threads.append(item)
        else:
            self.queue.put_event(item)

    def emit(self, item: Any) -> None:
        """Emit an ``Event`` or a ``Notice`` that no decision of the machine's leads to. Not with the session's lock held."""
        if isinstance(item, CallbackFailed):  # an account's, which runs callbacks on its own thread, too
            self._note_failed(item)
        own = threading.get_ident()
        if own == self._runner_id:
            self._deliver_item(item)  # of the update that is at work now, not of those that wait
            return
        if own == self.reader_id:
            self.put_staged()  # what came before it
        self.put(item)
        if self.inline and own == self.reader_id:
            self.deliver_waiting()

    def bad_frame(self, error: ProtocolError, *, report: bool = True) -> None:
        """Count it, log it and emit the event."""
        # A traceback holds the frame, which may be large, for as long as the event waits.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        with self._lock:
            self.bad_frames += 1
        if report:
            self._log.warning("bad frame: %s", error)
            self.emit(BadFrame(error, client=self._name))

    # -- the callbacks thread ------------------------------------------------------------------------

    def run(self, queue: UpdateQueue) -> None:
        """Run callbacks until ``queue`` ends."""
        self._runner_id, queue.consumer = threading.get_ident(), threading.current_thread()
        get, deliver = queue.get, self.deliver
        while True:
            item = get()
            if type(item) is tuple:
                subscription, topic, what, _, _ = item
                deliver(queue, subscription, topic, what)
            elif item is None:
                return
            else:
                self._deliver_item(item)

    @calls_user_code
    def deliver(self, queue: UpdateQueue, subscription: Subscription, topic: str, what: Any) -> None:
        """Run the callback of one update."""
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

    def run_callback(self, callback: Callable[[Update[Any]], Any], topic: str, update: Update[Any]) -> None:
        """Run it for an update that does not come from a queue."""
        try:
            callback(update)
        except BaseException as error:  # noqa: B036 - as above
            self._callback_failed(topic, update, error)

    def _callback_failed(self, topic: str, what: Any, error: BaseException) -> None:
        if isinstance(error, UnreadableField):
            # Fields are read when they are looked at: the fault is the frame's.
            if type(what) is Push and _is_of(what.update, error.model):
                self._unreadable(what, error)
                return
            if type(what) is Update and _is_of(what, error.model):
                if not getattr(what, "_told", False):  # several callbacks may want it: it is one bad frame
                    object.__setattr__(what, "_told", True)
                    self.bad_frame(error)
                return
        self.callback_raised(topic, error)

    def callback_raised(self, topic: str, error: BaseException) -> None:
        """Count, log and report a callback that raised, on the thread on which it did."""
        failed = CallbackFailed(topic, error, client=self._name)
        self._note_failed(failed)
        self._deliver_item(failed)

    def _note_failed(self, failed: CallbackFailed) -> None:
        with self._lock:
            self.callback_errors += 1
        self._log.error("a callback for %s raised", failed.topic, exc_info=failed.error)
        if not self._event_callbacks:
            self._log.nobody_saw(failed.error)

    def argument(self, subscription: Subscription, topic: str, what: Any) -> Any:
        """What an iterator gives out; None if it ended in the meantime, or if the document lacks what the model needs
        (reported as ``BadFrame``)."""
        if not subscription.active or (subscription.ended_topics and topic in subscription.ended_topics):
            return None
        if type(what) is Push:
            return what.document if subscription.raw else self._typed(what)
        return what

    def _typed(self, push: Push) -> Optional[Update[Any]]:
        """The typed form, made once; None if the document lacks what the model needs."""
        if push.update is not None or push.bad:
            return push.update
        try:
            made: Any = Draft()
            made.venue, made.channel, made.symbol, made.kind = self._venue, push.channel, push.symbol, push.kind
            made.data = push.read(push.payload)
            made.venue_time_ms, made.received_ns, made.raw = push.venue_time_ms, push.received_ns, push.document
            made.__class__ = Update
            push.update = made
            return push.update
        except ProtocolError as error:
            self._unreadable(push, error)
        except Exception as error:
            self._log.exception("an update of %s could not be read", push.topic)
            self._unreadable(push, ProtocolError(f"unexpected error: {error!r}"))
        return None

    def _unreadable(self, push: Push, error: ProtocolError) -> None:
        if not push.bad:  # several callbacks may want it: it is one bad frame
            push.bad = True
            self.bad_frame(error)

    @calls_user_code
    def _deliver_item(self, item: Any) -> None:
        if isinstance(item, Notice):
            item.call()
            return
        for callback in (*self._watchers, *self._event_callbacks):
            try:
                callback(item)
            except BaseException as error:  # noqa: B036 - as above
                with self._lock:
                    self.callback_errors += 1
                self._log.error("an event callback raised", exc_info=error)
                self._log.nobody_saw(error)
        if isinstance(item, Gap):
            for filler in self._fillers:
                filler.gap(item)


def _is_of(update: Optional[Update[Any]], model: Any) -> bool:
    """True if it is this update's model, not that of one which the callback has kept."""
    data = update.data if update is not None else None
    return any(each is model for each in (data if isinstance(data, tuple) else (data,)))
