"""Subscriptions: what users wish for, the requests that bring the venue in line with it, and the answers."""

from __future__ import annotations

import collections
import logging
import threading
import time
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

from dbxsdk.errors import ConnectError, RequestTimeout, SubscribeError, VenueError
from dbxsdk.events import Event, Refused
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Reply, Request
from dbxsdk.session.books import feeds
from dbxsdk.session.pending import Entry, PendingRequests
from dbxsdk.session.requests import SEND_TIMEOUT, send
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.topics import Waiter, WantedTopics
from dbxsdk.transport import NotSent, SendFailed

logger = logging.getLogger(__name__)

RENEWAL_PATIENCE = 2.0
"""Seconds that an unsubscription may go unanswered (Bybit's option socket is said not to answer any) before the topic,
wished for still, is subscribed again. A late answer does no harm."""

Handler = Callable[[Request, Optional[Reply]], None]


class Subscriptions:
    """``changed`` is a condition on the session's lock, which guards all of this."""

    def __init__(
        self,
        protocol: Protocol,
        options: Options,
        topics: WantedTopics,
        changed: threading.Condition,
        pending: PendingRequests,
        connection: Callable[[], Any],
        raise_if_ended: Callable[[], None],
        emit: Callable[[Event], None],
        about_to_send: Callable[[], None],
        resubscribed: Callable[[Request, Sequence[Request]], None],
    ) -> None:
        """``connection()`` is the one that is ready, or None, and ``raise_if_ended()`` says so when all is over; both
        are called under the lock. ``about_to_send()`` is called before a request is written. ``resubscribed`` hears
        of every answer to a subscribe request, on the reader thread."""
        self._protocol = protocol
        self._options = options
        self.topics = topics
        self._lock = changed
        self._pending = pending
        self._connection = connection
        self._raise_if_ended = raise_if_ended
        self._emit = emit
        self._about_to_send = about_to_send
        self._resubscribed = resubscribed
        self._commands: Deque[Tuple[Entry, Any]] = collections.deque()
        # Requests that must be alone of their kind, each kind's behind the one that is under way.
        self._waiting: Dict[str, Deque[Tuple[Entry, Any]]] = {}
        # Held while the requests in _commands are sent, so that they leave in the order in which they were decided.
        # Nobody waits for it: whoever holds it sends the others' too.
        self._sending = threading.Lock()

    # -- any thread ----------------------------------------------------------------------------------

    def check_capacity(self, names: Sequence[str]) -> None:
        """Raises ``ValueError`` where one connection cannot hold these and the others wished for."""
        with self._lock:
            self._protocol.check_capacity({*self.topics.names(), *names})

    def subscribe(self, subscription: Subscription, deadline: float, afresh: bool = False) -> None:
        """Returns when the venue has acknowledged every topic of it. Raises ``SubscribeError`` for the refused.
        ``afresh``: topics that are live already are subscribed anew, for what the venue sends at the beginning."""
        names = subscription.topics
        waiter = Waiter(names)
        with self._lock:
            self._raise_if_ended()
            self._protocol.check_capacity({*self.topics.names(), *names})
            if afresh:
                self._renew(names)
            # Before the request is sent: the first update may come before the acknowledgement.
            self.topics.add(names, subscription, waiter, time.monotonic())
            self.ask(deadline)
        try:
            self.flush()
            self._wait(waiter, deadline)
        finally:
            with self._lock:
                if waiter.undecided:
                    self.topics.forget_waiter(waiter)
                    self._end(subscription, names)
                elif waiter.refused:
                    self._end(subscription, tuple(waiter.refused))
                self._leave_unwanted()
            self.flush()
        if waiter.undecided:
            if waiter.sent:
                unanswered = ", ".join(sorted(waiter.undecided)[:5])
                raise RequestTimeout(f"no acknowledgement of {unanswered} in time; nothing of this call is subscribed")
            raise ConnectError("the connection did not come back in time; nothing of this call is subscribed")
        if waiter.refused:
            raise _subscribe_error(waiter.refused, subscription)

    def _wait(self, waiter: Waiter, deadline: float) -> None:
        with self._lock:
            while waiter.undecided:
                self._raise_if_ended()
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return
                self._lock.wait(remaining)

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._end(subscription, subscription.topics)
            self._leave_unwanted()
        self.flush()

    def unsubscribe_topics(self, pick: Callable[[Sequence[str]], Sequence[str]]) -> None:
        """Ends every subscription to the wished-for topics that ``pick`` picks."""
        with self._lock:
            for name in pick(self.topics.names()):
                topic = self.topics.get(name)
                for subscription in topic.subscriptions if topic is not None else ():
                    self._end(subscription, (name,))
            self._leave_unwanted()
        self.flush()

    def renew(self, names: Sequence[str]) -> None:
        """Subscribes those of them anew that are live, for what the venue sends at the beginning. It is unsubscribed
        first; the answer to that, or its absence, leads to the subscribe request. Does not wait."""
        with self._lock:
            self._renew(names)
            self.ask()
        self.flush()

    def flush(self) -> None:
        """Sends the requests that were decided, unless another thread is at it. Without the lock."""
        while self._commands and self._sending.acquire(blocking=False):
            try:
                while True:
                    try:
                        entry, connection = self._commands.popleft()
                    except IndexError:  # the connection's end empties the list, too
                        break
                    self._about_to_send()
                    try:
                        send(entry.request, connection, SEND_TIMEOUT)
                    except (NotSent, SendFailed) as error:
                        connection.abort(f"{entry.request.kind} could not be sent: {error}")
            finally:
                self._sending.release()

    # -- the reader thread; the heartbeat thread where an answer did not come in time ----------------

    def ask(self, deadline: float = 0.0) -> List[Request]:
        """Decides the requests for all that is wished for and not asked for. Under the lock; ``flush`` follows."""
        connection = self._connection()
        if connection is None:
            return []
        names = self.topics.to_ask()
        requests = list(self._protocol.subscribe(names, self.topics.live())) if names else []
        for request in requests:
            self._decide(request, connection, self._subscribe_answered, deadline)
        return requests

    def connection_lost(self) -> None:
        """Under the lock."""
        self._commands.clear()
        self._waiting.clear()
        self.topics.disconnected()

    def _subscribe_answered(self, request: Request, reply: Optional[Reply]) -> None:
        if reply is None:
            self._subscribe_unanswered(request)
            return
        with self._lock:
            # Under the lock: what it wants sent again must not be overtaken by a request made meanwhile.
            acknowledgement = self._protocol.acknowledge(request, reply)
            unheard = self.topics.acknowledged(acknowledgement, time.monotonic())
            connection = self._connection()
            for again in acknowledgement.retry if connection is not None else ():
                self._decide(again, connection, self._subscribe_answered)
            self._leave_unwanted()
            self._lock.notify_all()
        self.flush()
        if unheard:
            refusal = _subscribe_error(unheard, None)
            logger.warning("%s: refused after a reconnect: %s", self._protocol.venue, refusal)
            self._emit(Refused(tuple(unheard), refusal))
        self._resubscribed(request, acknowledgement.retry)

    def _subscribe_unanswered(self, request: Request) -> None:
        with self._lock:
            connection = self._connection()
            lost = self.topics.unanswered(request.topics)
            if not lost:
                self.ask()  # for those who came later and still wait
        self.flush()
        # Whoever waits in subscribe() is told there. Of topics that were live on an earlier connection nobody would
        # notice that they do not flow: they get a new connection.
        if lost and connection is not None:
            connection.abort("a subscribe request was not answered")

    def _unsubscribe_answered(self, request: Request, reply: Optional[Reply]) -> None:
        # Refused, or unanswered (Bybit's option socket is said not to answer): there is nothing to be done about it.
        with self._lock:
            self.topics.left(request.topics)
            self.ask()
        self.flush()

    # -- under the lock ------------------------------------------------------------------------------

    def _end(self, subscription: Subscription, names: Sequence[str]) -> None:
        """``subscription`` gets nothing more of ``names``."""
        ended = frozenset(names)
        subscription.ended_topics |= ended
        subscription.topics = tuple(name for name in subscription.topics if name not in ended)
        subscription.active = bool(subscription.topics)
        self.topics.remove(names, subscription)
        if subscription.queue is not None and not subscription.active:
            # Whoever iterates over it must not wait for ever.
            subscription.queue.discard()
            subscription.queue.drain()

    def _leave_unwanted(self) -> None:
        connection = self._connection()
        if connection is not None:
            self._leave(self.topics.unwanted(), connection, self._options.request_timeout)

    def _renew(self, names: Sequence[str]) -> None:
        connection = self._connection()
        if connection is not None:
            together = dict.fromkeys(each for name in names for each in self._protocol.renewed_with(name))
            topics = self.topics.renewed(together)
            for topic in topics:
                for feed in feeds(topic.subscriptions):
                    feed.state.renewed()  # before the request is sent: the whole book must not be there before
            patience = min(self._options.request_timeout, RENEWAL_PATIENCE)
            self._leave([topic.name for topic in topics], connection, patience)

    def _leave(self, names: Sequence[str], connection: Any, patience: float) -> None:
        if names:
            told: Set[str] = set()
            for request in self._protocol.unsubscribe(names, self.topics.live()):
                # One that names topics that stay subscribes them again: the venue may have ended more than was asked.
                if set(request.topics) <= set(names):
                    self._decide(request, connection, self._unsubscribe_answered, patience=patience)
                else:
                    self._decide(request, connection, self._subscribe_answered)
                told.update(request.topics)
            # What the venue has no word to end is over at once.
            self.topics.left([name for name in names if name not in told])

    def _decide(
        self,
        request: Request,
        connection: Any,
        handler: Handler,
        deadline: float = 0.0,
        patience: Optional[float] = None,
    ) -> None:
        patience = self._options.request_timeout if patience is None else patience
        entry = Entry(request, handler=handler, deadline=max(deadline, time.monotonic() + patience))
        if request.alone:
            entry.handler = lambda request, reply: self._alone_answered(request, reply, handler)
            if request.kind in self._waiting:
                self._waiting[request.kind].append((entry, connection))
                return
            self._waiting[request.kind] = collections.deque()
        self._send_next(entry, connection)

    def _send_next(self, entry: Entry, connection: Any) -> None:
        # Before the frame is written: a fast venue answers before send() returns.
        self._pending.file(entry)
        self._commands.append((entry, connection))

    def _alone_answered(self, request: Request, reply: Optional[Reply], handler: Handler) -> None:
        """Not under the lock. The next of its kind goes out, whatever the answer was."""
        handler(request, reply)
        with self._lock:
            waiting = self._waiting.get(request.kind)
            if waiting:
                entry, connection = waiting.popleft()
                entry.deadline = max(entry.deadline or 0.0, time.monotonic() + self._options.request_timeout)
                self._send_next(entry, connection)
            else:
                self._waiting.pop(request.kind, None)
        self.flush()


def _subscribe_error(refused: Dict[str, VenueError], subscription: Optional[Subscription]) -> SubscribeError:
    first = next(iter(refused.values()))
    messages = list(dict.fromkeys(refusal.message for refusal in refused.values()))
    return SubscribeError(
        f"refused: {', '.join(refused)}: {'; '.join(messages[:3])}",
        topics=tuple(refused),
        subscription=subscription if subscription is not None and subscription.active else None,
        code=first.code,
        reply=first.reply,
    )
