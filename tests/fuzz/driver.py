"""A session's machine without its threads: a venue's protocol, its requests in flight, its subscriptions."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple

from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.events import Refused
from dbxsdk.options import Options
from dbxsdk.protocol import Push, Reply, Request
from dbxsdk.session import Subscription
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import Abort, Emit, Fail, Send
from dbxsdk.session.core.link import Life
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.core.requests import Entry, Role
from dbxsdk.session.core.topics import Status, Waiter
from tests.fuzz import promises
from tests.fuzz.documents import NOW_MS, Socket

PATIENCE = 10.0
"""Seconds that users wait; here hardly any pass."""


class Driver:
    """One client on one connection after the other."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.protocol = socket.make()
        self.names = socket.topics(self.protocol)
        backoff = Backoff(0.01, 0.02, lambda least, most: most)
        self.machine = Machine(self.protocol, Options(), "venue:443", "any", backoff)
        self.now = 1000.0
        self.aborted = False
        self.sent: List[Entry] = []
        """On the present connection."""
        self.wished: List[Subscription] = []
        self.unreadable = 0
        self._waiting: List[Tuple[Subscription, Waiter]] = []
        """The ``subscribe`` calls that have not returned."""
        self._do(self.machine.begin, Life())
        self._open()

    # -- what users do -------------------------------------------------------------------------------

    def subscribe(self, names: List[str]) -> None:
        session: Any = self
        subscription, waiter = Subscription(session, "any", tuple(names), _nothing), Waiter(names)
        self.wished.append(subscription)
        self._waiting.append((subscription, waiter))
        self._do(self.machine.want, subscription, waiter, self.now, self.now + PATIENCE, False)

    def unsubscribe(self, index: int) -> None:
        subscription = self.wished.pop(index)
        self._do(self.machine.unwant, subscription, subscription.topics, self.now)

    def ask(self, request: Request) -> None:
        self._do(self.machine.request, Entry(request, Role.USER, self.now + PATIENCE))

    def renew(self, names: List[str]) -> None:
        """A book of these topics has lost an update."""
        self._do(self.machine.renew, names, self.now)

    # -- what the venue does -------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> None:
        for item in promises.receive(self.protocol, payload, binary):
            if isinstance(item, Push):
                topic = self.machine.topics.get(item.topic)
                if topic is not None:
                    self._do(self.machine.first_update, topic, self.now)
                promises.check_push(item)
            else:
                self.reply(item)

    def reply(self, reply: Reply) -> None:
        entry, _ = self._do(self.machine.answered, reply, self.now)
        if entry is not None and entry.role is Role.USER:
            try:
                self.protocol.conclude(entry.request, reply)
            except ProtocolError:
                self.unreadable += 1
            except DbxError as error:
                promises.check_words(error)

    def flight(self) -> List[Entry]:
        """Oldest first."""
        return [entry for entry in self.sent if self.machine.requests.holds(entry)]

    def expire(self, entry: Entry) -> None:
        """Nobody has answered it in time."""
        entry.deadline = self.now
        self._do(self.machine.tick, self.now, None)

    def give_up_waiting(self) -> None:
        """The oldest ``subscribe`` call that waits still is over."""
        if self._waiting:
            subscription, waiter = self._waiting.pop(0)
            self._do(self.machine.conclude, subscription, waiter, self.now)

    def connect(self) -> None:
        """The connection is lost, and there is another."""
        verdict = self._do(self.machine.lost, "it was cut", self.now)
        assert verdict.error is None
        self._open()

    # -- how it is -----------------------------------------------------------------------------------

    def status(self, name: str) -> Optional[Status]:
        topic = self.machine.topics.get(name)
        return None if topic is None else topic.status

    def wanted(self) -> List[str]:
        return list(self.machine.topics.names())

    @property
    def at_rest(self) -> bool:
        """True if nothing is in flight, nor waits for what is."""
        return not self.flight() and not self.machine.requests.count() and not self.machine._alone

    # -- within --------------------------------------------------------------------------------------

    def _open(self) -> None:
        self.sent, self.aborted = [], False
        assert self._do(self.machine.connecting, self.now)
        self.protocol.reset()
        self.protocol.login(NOW_MS)  # answered already
        self._do(self.machine.opened, (), self.now)

    def _do(self, decide: Callable[..., Any], *arguments: Any) -> Any:
        """As the session does it: what was decided is carried out, and calls that have their answer return."""
        self.now += 0.001
        found = decide(*arguments)
        self._carry_out()
        for each in [each for each in self._waiting if not each[1].undecided]:
            self._waiting.remove(each)
            self.machine.conclude(*each, self.now)
            self._carry_out()
        # What was refused is not subscribed.
        self.wished = [each for each in self.wished if each.active]
        return found

    def _carry_out(self) -> None:
        effects = list(self.machine.effects)
        self.machine.effects.clear()
        for effect in effects:
            if isinstance(effect, Send):
                assert effect.entry.request.frame
                effect.entry.written = True
                self.sent.append(effect.entry)
            elif isinstance(effect, Abort):
                self.aborted = True
            elif isinstance(effect, Fail):
                promises.check_words(effect.if_written)
            elif isinstance(effect, Emit) and isinstance(effect.event, Refused):
                promises.check_words(effect.event.error)


def _nothing(update: Any) -> None:
    pass
