"""A machine in a test's hands: what happens to it, at which time, and which effects it leaves."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Type, TypeVar

from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Reply, Request
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import Effect, Emit, Live, Send, Stale
from dbxsdk.session.core.link import Life
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.core.requests import Entry, Role
from dbxsdk.session.core.topics import Waiter
from dbxsdk.session.subscription import Subscription
from tests.session.fake import FakeProtocol

E = TypeVar("E")


class BookOf:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: List[Tuple[Any, ...]] = []

    def take(self, push: Any, epoch: int) -> None:
        self.told.append(("take", push.payload["n"], epoch))

    def live(self, epoch: int) -> None:
        self.told.append(("live", epoch))

    def stale(self, epoch: int, reason: str, renewed: bool) -> None:
        self.told.append(("stale", epoch))

    def end(self, error: Any, reason: str) -> None:
        self.told.append(("end", error))


class Played:
    """A machine whose driver writes every frame at once."""

    def __init__(self, protocol: Optional[Protocol] = None, **options: Any) -> None:
        self.protocol = protocol or FakeProtocol()
        backoff = Backoff(1.0, 30.0, lambda low, high: high)
        self.machine = Machine(self.protocol, Options(**options), "venue:1", "client", backoff)
        self.now = 100.0
        self.sent: List[Entry] = []
        self.effects: List[Effect] = []
        """Those of the last step."""

    def do(self, method: str, *arguments: Any, **named: Any) -> Any:
        """A step of the machine, by the name of its method."""
        try:
            return getattr(self.machine, method)(*arguments, **named)
        finally:
            self.effects = list(self.machine.effects)
            self.machine.effects.clear()
            for entry in self.of(Send):
                entry.entry.written = True
                self.sent.append(entry.entry)
            for effect in self.effects:
                if isinstance(effect, Live):
                    effect.sink.live(effect.epoch)
                elif isinstance(effect, Stale):
                    effect.sink.stale(effect.epoch, effect.reason, effect.renewed)

    def of(self, kind: Type[E]) -> List[E]:
        """The effects of that kind that the last step left."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def events(self) -> List[Any]:
        """The events of the last step."""
        return [effect.event for effect in self.of(Emit)]

    def connect(self, logins: Sequence[Request] = ()) -> None:
        """A connection is made, and opens."""
        if self.machine.link.life is None:
            self.do("begin", Life())
        self.do("connecting", self.now)
        self.do("opened", logins, self.now)

    def ready(self) -> "Played":
        self.connect()
        return self

    def hear(self) -> None:
        """A frame comes: what the reader notes before it looks at it."""
        self.machine.heard_at, self.machine.heard_ns = self.now, round(self.now * 1e9)

    def answer(self, entry: Entry, **document: Any) -> Any:
        """The venue says yes, or what is given, to a request."""
        self.hear()
        return self.do("answered", Reply(entry.request.key, document or {"ok": True}), self.now)

    def subscribe(self, *topics: str, patience: float = 5.0, renew: bool = False, **options: Any) -> Tuple[Subscription, Waiter]:
        """A ``subscribe`` call as far as to its wait."""
        owner: Any = None
        subscription = Subscription(owner, "channel", topics, print, **options)
        waiter = Waiter(topics)
        self.do("want", subscription, waiter, self.now, self.now + patience, renew)
        return subscription, waiter

    def subscribed(self, *topics: str, **options: Any) -> Subscription:
        """A ``subscribe`` call that the venue acknowledges."""
        subscription, waiter = self.subscribe(*topics, **options)
        for entry in self.machine.requests.of_role(Role.SUBSCRIBE):
            self.answer(entry)
        assert not waiter.undecided
        self.do("conclude", subscription, waiter, self.now)
        return subscription

    def update(self, topic: str) -> None:
        """An update of it comes."""
        self.hear()
        self.effects = []
        found = self.machine.topics.get(topic)
        if found is not None and found.hole is not None:
            self.do("first_update", found, self.now)

    def flying(self, role: Role) -> List[Entry]:
        return self.machine.requests.of_role(role)
