"""One venue with its proxies, its clients and those who use them."""

from __future__ import annotations

import collections
import contextlib
import itertools
import random
import ssl
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import attrs

from dbxsdk import AuthError, Options, State
from dbxsdk.errors import DbxError
from dbxsdk.sim import Venue
from tests.soak.actors import Pace
from tests.soak.calls import GRACE, Calls, outcome_of
from tests.soak.faults import SILENCE, Faults, Network
from tests.soak.forks import Inherited
from tests.soak.ledger import NAME, Ledger, Wire
from tests.soak.watched import Watched

REQUEST_TIMEOUT = 3.0
OPTIONS: Dict[str, Any] = {
    "backoff_initial": 0.05,
    "backoff_max": 0.5,
    "connect_timeout": 3.0,
    "request_timeout": REQUEST_TIMEOUT,
    "heartbeat_interval": 0.5,
    "silence_timeout": SILENCE,
    "queue_size": 1000,
}

PASSING_ROADS = 3

Act = Tuple[str, Callable[[], Any], float]
"""What an actor does: its name, what it does, and how many seconds it rests on average."""


@attrs.frozen(kw_only=True)
class Topic:
    """What may be subscribed, and the ledger's name of it."""

    channel: str
    symbols: Tuple[str, ...]
    topic: str


@attrs.frozen
class TrueBook:
    """A client's book, and the venue's."""

    name: str
    book: Any
    truth: Callable[[], Any]


@attrs.frozen
class Tls:
    """The two ends' contexts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


class Scene:
    """One venue. Its life: ``begin``; then the actors of ``acts``; at the end ``close``."""

    def __init__(
        self, venue: Venue, wire: Wire, chance: random.Random, tell: Callable[[str], None], tls: Tls, rate: float, short: bool
    ) -> None:
        self.venue: Any = venue
        self.name = venue.name
        self.chance = chance
        self.tell = tell
        self.ledger = Ledger(venue, wire)
        self.calls = Calls(self.ledger, tell)
        self.flooding = threading.Event()
        self.books: List[TrueBook] = []
        self.inherited: List[Inherited] = []
        self.books_compared = 0
        self.retired: Dict[str, int] = collections.Counter()
        self.events: Dict[str, int] = collections.Counter()
        self.reasons: Dict[str, int] = collections.Counter()
        self.clients_made = 0
        self._lock = threading.Lock()  # guards the list of those that live
        self._watched: List[Tuple[Watched, Network]] = []
        self._numbers = itertools.count(1)
        self._tls = tls
        self._short = short
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(venue)
        self._networks: List[Network] = []
        # Clients that come and go share these. The SDK makes so many connections to one address and no more.
        self.roads = [self.network() for _ in range(PASSING_ROADS)]
        self.faults = Faults(self.venue, self._networks, chance, self._expect_repeats, self._all_ready, short)
        self.pace = Pace(venue, rate, tell)

    # -- what a venue adds -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Opens the clients that live to the end."""

    def topics(self) -> Sequence[Topic]:
        """What comes and goes on the main client."""
        return ()

    def own_acts(self) -> List[Act]:
        return []

    def tidy(self) -> None:
        """Has the venue forget what is over, so that its own records do not look like a leak."""

    # -- clients -----------------------------------------------------------------------------------------------------

    def network(self, secure: bool = False) -> Network:
        made = Network(self.venue.url(), self._tls.server if secure else None)
        self._stack.enter_context(made)
        self._networks.append(made)
        return made

    def make(self, which: Sequence[str], network: Network, name: str, path: Optional[str], **options: Any) -> Any:
        url = network.address(path or self.venue.paths[0], f"{NAME}={name}")
        secure = {"ssl_context": self._tls.client} if network.secure else {}
        return self.venue.client(*which, url=url, options=Options(**{**OPTIONS, **secure, **options}))

    def watch(
        self,
        label: str,
        which: Sequence[str] = (),
        path: Optional[str] = None,
        network: Optional[Network] = None,
        slow: bool = False,
        passing: bool = False,
        **options: Any,
    ) -> Watched:
        """A client over a network of its own, unless one is given. ``passing``: it does not live to the end."""
        road = network or self.network()
        name = f"{self.name}-{label}-{next(self._numbers)}"
        watched = Watched(
            name,
            self.ledger,
            lambda name: self.make(which, road, name, path, **options),
            self.tell,
            self.flooding if slow else None,
            lambda: road.copies > 1,
        )
        watched.passing = passing
        with self._lock:
            self.clients_made += 1
            self._watched.append((watched, road))
        return watched

    def inherit(self, channel: str, symbols: List[str], which: Sequence[str] = (), path: Optional[str] = None) -> None:
        client = self.make(which, self.network(), "children", path)
        inherited = Inherited(client, channel, symbols)
        inherited.start()
        self.inherited.append(inherited)
        self._stack.callback(client.close)

    def retire(self, watched: Watched) -> None:
        watched.close()
        self.ledger.forget(watched.name)
        with self._lock:
            self._watched = [each for each in self._watched if each[0] is not watched]
            self.retired.update(watched.numbers())
            self.events.update(watched.counts)
            self.reasons.update(watched.reasons)

    @property
    def watched(self) -> List[Watched]:
        with self._lock:
            return [watched for watched, _ in self._watched]

    def _expect_repeats(self, network: Network) -> None:
        with self._lock:
            concerned = [watched for watched, its in self._watched if its is network]
        for watched in concerned:
            watched.expect_repeats()

    def _all_ready(self) -> bool:
        lasting = [watched.client for watched in self.watched if not watched.passing]
        return all(client.state is State.READY for client in lasting + [each.client for each in self.inherited])

    def numbers(self) -> Dict[str, int]:
        total = collections.Counter(self.retired)
        for watched in self.watched:
            total.update(watched.numbers())
        return total

    def happened(self) -> Dict[str, int]:
        """Events by their names."""
        total = collections.Counter(self.events)
        for watched in self.watched:
            total.update(watched.counts)
        return total

    def disconnections(self) -> Dict[str, int]:
        total = collections.Counter(self.reasons)
        for watched in self.watched:
            total.update(watched.reasons)
        return total

    # -- acts --------------------------------------------------------------------------------------------------------

    def acts(self) -> List[Act]:
        return [
            ("faults", self.faults.strike, 0.6),
            ("subscriber", self._come_and_go, 0.2),
            ("iterator", self._iterate, 1.2),
            ("opener", self._open_and_close, 1.0),
            ("flood", self._flood, 4.0),
            *self.own_acts(),
        ]

    def _flood(self) -> None:
        self.flooding.set()
        self.pace.flood(self.chance.randint(5, 15) if self._short else self.chance.randint(20, 100))
        self.flooding.clear()

    def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """A call that faults may end, as they may end a request. None where they did."""
        try:
            return call()
        except DbxError as error:
            expired = self.name == "cryptomus" and isinstance(error, AuthError)  # its token was, on the way
            if outcome_of(error) in (None, "refused") and not expired:
                self.tell(f"{self.name}: {what}: {type(error).__name__}: {error}")
            return None

    def _come_and_go(self) -> None:
        topic = self.chance.choice(self.topics())
        main = self.watched[0]
        following = self.attempt("subscribe", lambda: main.subscribe(topic.channel, topic.symbols, [topic.topic]))
        if following is not None:
            following.came.wait(self.chance.uniform(0, 0.6))
            following.unsubscribe()

    def _iterate(self) -> None:
        topic = self.chance.choice(self.topics())
        watched = self.watch("iterator", *self._main(), network=self.chance.choice(self.roads), passing=True)
        try:
            self.attempt("messages", lambda: watched.iterate(topic.channel, topic.symbols, topic.topic, 3))
        finally:
            self.retire(watched)

    def _open_and_close(self) -> None:
        chance = self.chance
        network, dispatch = chance.choice(self.roads), chance.choice(("thread", "inline"))
        watched = self.watch("visitor", *self._main(), network=network, passing=True, dispatch=dispatch)
        try:
            topic = chance.choice(self.topics())
            self.attempt("open", watched.client.open)
            following = self.attempt("subscribe", lambda: watched.subscribe(topic.channel, topic.symbols, [topic.topic]))
            self.calls.make("ping", watched.client.ping, REQUEST_TIMEOUT)
            if following is not None:
                following.came.wait(0.3)
                if chance.random() < 0.5:
                    following.unsubscribe()
        finally:
            self.retire(watched)

    def _main(self) -> Tuple[Sequence[str], Optional[str]]:
        """Which client of the venue has the topics that come and go, and its path."""
        return (), None

    def ping(self, watched: Watched) -> Callable[[], Any]:
        return lambda: self.calls.make(f"{watched.name}: ping", watched.client.ping, REQUEST_TIMEOUT)

    def submit(self, watched: Watched, method: str, params: Any = None) -> Callable[[], Any]:
        """Several requests at once, none of which is waited for at first."""

        def act() -> None:
            done = threading.Semaphore(0)
            try:
                futures = [watched.client.submit(method, params) for _ in range(5)]
            except DbxError as error:
                self.calls.end(f"{watched.name}: submit", error)
                return
            for future in futures:
                future.add_done_callback(lambda _: done.release())
            if not all([done.acquire(timeout=REQUEST_TIMEOUT + GRACE) for _ in futures]):
                self.tell(f"{watched.name}: submit {method} has no outcome")
                return
            for future in futures:
                self.calls.end(f"{watched.name}: submit", future.exception(0))
            if done.acquire(blocking=False):
                self.tell(f"{watched.name}: submit {method} had more outcomes than requests")

        return act

    def try_book(self, watched: Watched, open_book: Callable[[], Any]) -> Callable[[], Any]:
        """A second book comes and goes, and the first one must get over it."""

        def act() -> None:
            book = self.attempt("order_book", open_book)
            if book is not None:
                book.wait_ready(1.0)
                book.close()

        return act

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        self.pace.close()
        for watched in self.watched:
            self.retire(watched)
        self._stack.close()
