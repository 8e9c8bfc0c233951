"""A session's bookkeeping without its threads: a venue's protocol, its requests in flight, its subscriptions."""

from __future__ import annotations

import threading
from typing import Any, List, Optional

from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.options import Options
from dbxsdk.protocol import Push, Reply, Request
from dbxsdk.session.pending import Entry
from dbxsdk.session.pending import PendingRequests
from dbxsdk.session.requests import new_future
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.subscriptions import Subscriptions
from dbxsdk.session.topics import Status, Waiter, WantedTopics
from tests.fuzz import promises
from tests.fuzz.documents import NOW_MS, Socket


class Wire:
    """Where the frames go to."""

    def __init__(self) -> None:
        self.aborted = False

    def send(self, text: str, timeout: float) -> None:
        assert text

    ping = send

    def abort(self, reason: str) -> None:
        self.aborted = True


class Driver:
    """One client on one connection after the other."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.protocol = socket.make()
        self.names = socket.topics(self.protocol)
        self.wire = Wire()
        self.pending = PendingRequests()
        self.topics = WantedTopics(self.protocol.carries_state)
        self.subscriptions = Subscriptions(
            self.protocol,
            Options(),
            self.topics,
            threading.Condition(threading.Lock()),
            self.pending,
            lambda: None if self.wire.aborted else self.wire,
            lambda: None,
            lambda event: None,
            lambda: None,
            lambda request, retries: None,
        )
        self.wished: List[Subscription] = []
        self.waiters: List[Waiter] = []
        self.unreadable = 0

    # -- what users do -------------------------------------------------------------------------------

    def subscribe(self, names: List[str]) -> None:
        session: Any = self
        subscription = Subscription(
            session, "any", tuple(names), _nothing, raw=False, overflow="block", max_silence=None, queue=None
        )
        waiter = Waiter(names)
        self.topics.add(names, subscription, waiter, 0.0)
        self.subscriptions.ask()
        self.subscriptions.flush()
        self.wished.append(subscription)
        self.waiters.append(waiter)

    def unsubscribe(self, index: int) -> None:
        self.subscriptions.unsubscribe(self.wished.pop(index))

    def ask(self, request: Request) -> None:
        self.pending.file(Entry(request, future=new_future()))

    # -- what the venue does -------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> None:
        for item in promises.receive(self.protocol, payload, binary):
            if isinstance(item, Push):
                promises.check_push(item)
            else:
                self.reply(item)

    def reply(self, reply: Reply) -> None:
        entry = self.pending.take(reply)
        if entry is None:
            return
        if entry.handler is not None:
            entry.handler(entry.request, reply)
        if entry.future is not None:
            try:
                entry.future.set_result(self.protocol.conclude(entry.request, reply))
            except ProtocolError:
                self.unreadable += 1
            except DbxError as error:
                promises.check_words(error)

    def flight(self) -> List[Entry]:
        return list(self.pending._by_key.values())

    def expire(self, entry: Entry) -> None:
        """Nobody has answered it in time."""
        if self.pending.give_up(entry) and entry.handler is not None:
            entry.handler(entry.request, None)

    def connect(self) -> None:
        """The connection is lost, and there is another."""
        self.pending.drain()
        self.subscriptions.connection_lost()
        self.wire = Wire()
        self.protocol.reset()
        self.protocol.login(NOW_MS)
        self.subscriptions.ask()
        self.subscriptions.flush()

    # -- how it is -----------------------------------------------------------------------------------

    def status(self, name: str) -> Optional[Status]:
        topic = self.topics.get(name)
        return None if topic is None else topic.status

    def wanted(self) -> List[str]:
        return list(self.topics.names())


def _nothing(update: Any) -> None:
    pass
