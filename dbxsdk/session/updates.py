"""Updates: subscriptions, iterators and order books, and when the reader must not stand still before a full queue."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

from dbxsdk.errors import ConnectError, DbxError, RequestTimeout, VenueError, fresh
from dbxsdk.events import Gap
from dbxsdk.runtime.waiting import ring
from dbxsdk.session.core.subscribing import subscribe_error
from dbxsdk.session.core.topics import Waiter
from dbxsdk.session.delivery.queue import UpdateQueue
from dbxsdk.session.lives import Lives
from dbxsdk.session.shared import Shared
from dbxsdk.session.subscription import Subscription


class Updates:
    """``client.Client`` documents the public side of the methods."""

    def __init__(self, shared: Shared, lives: Lives) -> None:
        self._shared = shared
        self._lives = lives
        self._book_waiters = 0
        """Threads that wait for a book and must not wait for callbacks. Guarded by the session's lock."""
        self._iterating: Dict[int, UpdateQueue] = {}
        """The queue at which a thread waits for an iterator's next update."""

    def subscribe(self, subscription: Subscription, timeout: Optional[float], renew: bool = False) -> None:
        """Return when the venue has acknowledged every topic. Raise ``SubscribeError`` for those that it refused. ``renew``:
        topics that are live are subscribed again, for what the venue sends first."""
        self._lives.guard_blocking("subscribe")
        self._shared.connector.subscribing(subscription)
        seconds = self._shared.options.request_timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        with self._shared.guard.lock:
            self._shared.machine.check_capacity(subscription.topics)
        self._lives.wait_ready(deadline)
        waiter = Waiter(subscription.topics)
        try:
            now = self._shared.clock.monotonic()
            self._shared.guard.do(self._want, subscription, waiter, now, now + deadline - time.monotonic(), renew)
            self._shared.connector.wake()
            self._wait_acknowledged(waiter, deadline)
        finally:
            self._shared.guard.do(self._shared.machine.conclude, subscription, waiter, self._shared.clock.monotonic())
        if subscription.max_silence is not None:
            self._shared.guard.wake_watch()
        if waiter.undecided:
            raise self._unacknowledged(waiter)
        if waiter.refused:
            raise subscribe_error(waiter.refused, subscription)

    def subscribe_all(self, subscriptions: Sequence[Subscription], timeout: float) -> Dict[str, Optional[VenueError]]:
        """Subscribe them together. Return the topics that are not subscribed: the refusal, or None if there was no answer."""
        deadline = time.monotonic() + timeout
        guard, machine = self._shared.guard, self._shared.machine
        self._lives.wait_ready(deadline)
        waiter = Waiter(topic for each in subscriptions for topic in each.topics)
        try:
            now = self._shared.clock.monotonic()
            guard.do(machine.want_all, subscriptions, waiter, now, now + deadline - time.monotonic())
            self._wait_acknowledged(waiter, deadline)
        finally:
            for each in subscriptions:
                left = [topic for topic in each.topics if topic in waiter.undecided or topic in waiter.refused]
                if left:
                    guard.do(machine.unwant, each, left, self._shared.clock.monotonic())
            guard.do(machine.topics.forget_waiter, waiter)
        return {**dict.fromkeys(waiter.undecided), **waiter.refused}

    def _want(self, subscription: Subscription, waiter: Waiter, now: float, deadline: float, renew: bool) -> None:
        self._shared.machine.want(subscription, waiter, now, deadline, renew)
        if subscription.queue is not None:
            subscription.queue.takes_gaps = True  # in one step: those before are none of its own

    def _wait_acknowledged(self, waiter: Waiter, deadline: float) -> None:
        while True:
            with self._shared.guard.lock:
                if not waiter.undecided:
                    return
                self._shared.machine.link.raise_if_ended()
                bell = self._shared.guard.changed.hang()
            if not ring(bell, deadline - time.monotonic()):
                return

    def _unacknowledged(self, waiter: Waiter) -> DbxError:
        names = ", ".join(sorted(waiter.undecided)[:5])
        end = "nothing of this call is subscribed"
        if waiter.sent:
            return RequestTimeout(f"no acknowledgement of {names} in time; {end}")
        if waiter.leaving:
            return RequestTimeout(f"the venue has not answered an earlier unsubscribe of {names} in time; {end}")
        return ConnectError(f"the connection did not come back in time; {end}")

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription. Waits for nothing."""
        machine, now = self._shared.machine, self._shared.clock.monotonic()
        self._shared.guard.do(lambda: machine.unwant(subscription, subscription.topics, now))

    def unsubscribe_topics(self, pick: Callable[[Sequence[str]], Sequence[str]]) -> None:
        """End every subscription to the wanted topics that ``pick`` picks. Waits for nothing."""
        self._shared.guard.do(
            lambda: self._shared.machine.unwant_topics(pick(self._shared.machine.topics.names()), self._shared.clock.monotonic())
        )

    def next_update(self, subscription: Subscription, queue: UpdateQueue) -> Any:
        """The next update or ``Gap`` out of an iterator's queue. Raise ``StopIteration`` at its end."""
        while True:
            self._lives.guard_blocking("the iterator")
            if not self._lives.is_running and not self._shared.machine.link.state.is_over:
                self._lives.open(None)  # in a forked child its first step may be the first use of the client
            item = self._take(queue)
            if item is None:
                failure = self._shared.machine.link.failure
                if failure is not None and subscription.active:
                    raise fresh(failure)
                raise StopIteration
            if isinstance(item, tuple):
                argument = self._shared.dispatcher.argument(*item[:3])
                if argument is not None:
                    queue.delivered += 1
                    return argument
            elif isinstance(item, Gap):
                missed = item.last_received_ns not in subscription.passes
                if missed and not set(subscription.topics).isdisjoint(item.topics):
                    return item
            else:  # how many of its updates were dropped
                self._shared.dispatcher.emit(item)

    def _take(self, queue: UpdateQueue) -> Any:
        queue.consumer = threading.current_thread()
        if len(queue) or queue.ended:
            return queue.get()
        # It may be this very thread that a held reader waits for: in a callback, or with another iterator.
        own = threading.get_ident()
        self._iterating[own] = queue
        try:
            self._shared.dispatcher.poke()
            self._shared.connector.wake()
            return queue.get()
        finally:
            self._iterating.pop(own, None)

    # -- books ---------------------------------------------------------------------------------------

    def renew(self, topics: Sequence[str]) -> None:
        """Have the venue send what it sends first of these topics. Waits for nothing."""
        self._shared.guard.do(self._shared.machine.renew, topics, self._shared.clock.monotonic())

    @contextlib.contextmanager
    def waiting_for_book(self, timeout: Optional[float], must_flow: bool) -> Iterator[None]:
        """A thread waits for an update of a book. If it is the one that runs the callbacks, and if
        ``must_flow``, the reader goes on although a queue is full: that may be the waiting thread's to empty."""
        self._lives.guard_blocking("waiting for an order book")
        if not self._lives.is_running and not self._shared.machine.link.state.is_over:
            self._lives.open(timeout)  # in a forked child
        must_flow = must_flow or threading.current_thread() in self._lives.threads
        with self._shared.guard.lock:
            self._book_waiters += must_flow
        if must_flow:
            self._shared.dispatcher.poke()
            self._shared.connector.wake()
        try:
            yield
        finally:
            with self._shared.guard.lock:
                self._book_waiters -= must_flow

    def must_flow(self, queue: UpdateQueue, stalled: bool) -> bool:
        """True if the reader must not stand still: somebody waits for an answer, or for another queue's updates, or the next
        connection is to be made."""
        connection = self._shared.guard.connection
        requests = self._shared.machine.requests
        if connection is None or connection.stopped or requests.awaited > 0 or requests.unsent or self._book_waiters > 0:
            return True
        if not self._iterating:
            return False
        consumer = queue.consumer
        if stalled or consumer is None or not consumer.is_alive():
            return True
        # One that waits at this very queue, which is full, is about to take from it.
        return self._iterating.get(consumer.ident or 0, queue) is not queue
