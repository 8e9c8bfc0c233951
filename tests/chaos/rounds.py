"""One round: a client, a chaotic venue and many threads; then each request's outcome beside what the venue did."""

from __future__ import annotations

import collections
import contextlib
import gc
import logging
import os
import random
import threading
import time
from typing import Any, Counter, Dict, Iterator, List, Optional, Set, Tuple

import attrs

from dbxsdk import (
    ClientClosed,
    ConnectError,
    ConnectionLost,
    Options,
    RequestTimeout,
    UnreadableReply,
    VenueError,
)
from tests.chaos.storm import Storm
from tests.chaos.venues import VENUES, Chaotic
from tests.faults.proxy import FaultProxy

REQUEST_TIMEOUT = 0.25
TIMEOUTS = (0.0, 0.005, 0.03, 0.1, REQUEST_TIMEOUT, REQUEST_TIMEOUT)
OPTIONS = Options(
    connect_timeout=3.0, request_timeout=REQUEST_TIMEOUT, heartbeat_interval=0.1, silence_timeout=0.25,
    backoff_initial=0.005, backoff_max=0.05, queue_size=2,
)
AFTERWARDS = 20
"""Calls after the storm, which all have to work."""
OVERDUE = 5.0
"""Seconds beyond its timeout after which a call counts as hung."""

OUTCOMES: Dict[str, Tuple[type, Set[int]]] = {
    "VenueError": (VenueError, {0}),
    "RequestTimeout": (RequestTimeout, {0, 1}),
    "ConnectionLost": (ConnectionLost, {0, 1}),
    "UnreadableReply": (UnreadableReply, {0, 1}),
    "ConnectError": (ConnectError, {0}),
    "ClientClosed": (ClientClosed, {0}),
}
"""By name: the exception, and how often the venue may have carried such a request out."""
RESULT = "result"
NEVER_SENT = ("ConnectError", "ClientClosed")


@attrs.define
class Verdict:
    """What came of one round, or of several: how many requests had which outcome and were carried out how often."""

    table: Counter[Tuple[str, int]] = attrs.field(factory=collections.Counter)
    violations: List[str] = attrs.field(factory=list)
    connections: int = 0

    def add(self, other: "Verdict") -> None:
        self.table.update(other.table)
        self.violations += other.violations
        self.connections += other.connections

    def count(self, outcome: str) -> int:
        return sum(count for (name, _), count in self.table.items() if name == outcome)


def play(kind: str, calls: int, threads: int, seed: Any, close_after: Optional[int] = None) -> Verdict:
    """``calls`` orders by ``threads`` threads. With ``close_after`` another thread closes the client once so many have
    their outcome."""
    verdict = Verdict()
    before, threads_before = _descriptors(), set(threading.enumerate())
    with _no_errors_logged(verdict):
        _play(verdict, kind, calls, threads, seed, close_after)
    _check_nothing_left(verdict, before, threads_before)
    # A failure names what it takes to repeat it.
    where = f"{kind}, {calls} calls, {threads} threads, seed {seed}"
    verdict.violations = [f"{where}: {violation}" for violation in verdict.violations]
    return verdict


def _play(verdict: Verdict, kind: str, calls: int, threads: int, seed: Any, close_after: Optional[int]) -> None:
    with VENUES[kind]() as venue:
        venue.chaos_seed = seed
        with FaultProxy(venue.url(venue.path)) as proxy:
            client = venue.client(*venue.which, url=proxy.url, options=OPTIONS)
            _open(client)
            callers = Callers(client, venue, calls, threads, seed)
            with contextlib.ExitStack() as busy:
                if kind == "digifinex":
                    client.subscribe("trades", "BTC_USDT", callback=_slow, raw=True, timeout=10.0)
                    busy.enter_context(_moving(venue))
                busy.enter_context(Storm(proxy, venue, seed))
                callers.run(close_after)
                venue.calm = True
            pending = client.stats().pending
            if pending:
                verdict.violations.append(f"{pending} requests are still pending")
            if close_after is None:
                _check_it_still_works(verdict, client, venue)
            client.close()
        # What was under way to the venue has arrived, or never will.
        if not venue.wait_until(lambda: not venue.connections):
            verdict.violations.append("a connection has not ended")
        if venue.handler_errors:
            verdict.violations.append(f"the venue itself failed {venue.handler_errors} times")
        verdict.connections = venue.connection_count
        _judge(verdict, venue, callers)


def _open(client: Any) -> None:
    """With patience: the limits are short, and the machine may be busy."""
    deadline = time.monotonic() + OVERDUE
    while True:
        try:
            client.open()
            return
        except ConnectError:
            if time.monotonic() > deadline:
                raise


def _check_it_still_works(verdict: Verdict, client: Any, venue: Chaotic) -> None:
    """Once the storm is over, and what it did last has been noticed, every call works."""
    deadline = time.monotonic() + OVERDUE
    attempt = 0
    while True:
        attempt += 1
        failed = [wrong for number in range(AFTERWARDS) for wrong in _order(client, venue, f"after-{attempt}-{number}")]
        if not failed:
            return
        if time.monotonic() > deadline:
            verdict.violations += failed
            return
        threading.Event().wait(0.05)


def _order(client: Any, venue: Chaotic, name: str) -> List[str]:
    """Makes one; what is wrong with it."""
    try:
        result = venue.ask(client, name, OVERDUE)
    except Exception as error:
        return [f"{name}: {error!r}, when the storm was over"]
    return [] if venue.is_answer_to(name, result) else [f"{name}: got the answer of another"]


def _slow(document: Any) -> None:
    threading.Event().wait(0.01)


@contextlib.contextmanager
def _moving(venue: Any) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.005):
            venue.step()

    thread = threading.Thread(target=run, name="chaos-market", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Callers:
    """The threads that place orders: some wait for each, some have several under way."""

    def __init__(self, client: Any, venue: Chaotic, calls: int, threads: int, seed: Any) -> None:
        self._client = client
        self._venue = venue
        self._names = [[f"{number}-{index}" for index in range(number, calls, threads)] for number in range(threads)]
        self._seed = seed
        self._changed = threading.Condition()
        self.outcomes: Dict[str, List[Any]] = {name: [] for names in self._names for name in names}
        """By the order's name: each outcome that it had, an exception or a tuple with the result."""
        self.hung: List[str] = []

    def run(self, close_after: Optional[int]) -> None:
        targets = [(self._work, (number,)) for number in range(len(self._names))]
        if close_after is not None:
            targets.append((self._close, (close_after,)))
        working = [
            threading.Thread(target=target, args=arguments, name=f"chaos-{number}", daemon=True)
            for number, (target, arguments) in enumerate(targets)
        ]
        for thread in working:
            thread.start()
        deadline = time.monotonic() + 2 * OVERDUE + len(self.outcomes) * REQUEST_TIMEOUT
        for thread in working:
            thread.join(max(deadline - time.monotonic(), 0.0))
            if thread.is_alive():
                self.hung.append(f"the thread {thread.name} waits for ever")

    def _close(self, after: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: sum(map(bool, self.outcomes.values())) >= after, OVERDUE)
        self._client.close()

    def _work(self, number: int) -> None:
        rng = random.Random(f"{self._seed}:{number}")
        names = self._names[number]
        position = 0
        while position < len(names):
            together = names[position : position + (1 if rng.random() < 0.7 else rng.randrange(2, 12))]
            position += len(together)
            if len(together) == 1:
                self._call(together[0], rng.choice(TIMEOUTS))
            else:
                self._submit(together)

    def _call(self, name: str, timeout: float) -> None:
        started = time.monotonic()
        try:
            outcome: Any = (self._venue.ask(self._client, name, timeout),)
        except Exception as error:
            outcome = error
        late = time.monotonic() - started - timeout
        if late > OVERDUE:
            self.hung.append(f"{name}: its outcome came {late:.1f} s after its timeout")
        self._note(name, outcome)

    def _submit(self, names: List[str]) -> None:
        futures = {}
        for name in names:
            try:
                futures[name] = self._client.submit(*self._venue.order(name))
            except Exception as error:
                self._note(name, error)
        for name, future in futures.items():
            future.add_done_callback(lambda future, name=name: self._note_done(name, future))
        for name, future in futures.items():
            try:
                future.exception(REQUEST_TIMEOUT + OVERDUE)
            except TimeoutError as error:  # the waiting's; the request's own is returned
                self.hung.append(f"{name}: its future has no outcome: {error!r}")

    def _note_done(self, name: str, future: Any) -> None:
        error = future.exception()
        self._note(name, (future.result(),) if error is None else error)

    def _note(self, name: str, outcome: Any) -> None:
        with self._changed:
            self.outcomes[name].append(outcome)
            self._changed.notify_all()


def _judge(verdict: Verdict, venue: Chaotic, callers: Callers) -> None:
    verdict.violations += callers.hung
    executed = venue.executed()
    for name, outcomes in callers.outcomes.items():
        times, arrived = executed[name], venue.arrived[name]
        if len(outcomes) != 1:
            verdict.violations.append(f"{name}: {len(outcomes)} outcomes: {outcomes!r}")
            continue
        outcome = outcomes[0]
        told = _name(outcome)
        verdict.table[told, min(times, 2)] += 1
        allowed = {1} if told == RESULT else OUTCOMES[told][1] if told in OUTCOMES else set()
        if times not in allowed:
            verdict.violations.append(f"{name}: {outcome!r}, and it was carried out {times} times")
        if arrived > 1 or (arrived and told in NEVER_SENT):
            verdict.violations.append(f"{name}: {outcome!r}, and it arrived {arrived} times")
        if told == RESULT and not venue.is_answer_to(name, outcome[0]):
            verdict.violations.append(f"{name}: got the answer of another: {outcome[0]!r}")
        if getattr(outcome, "order_link_id", None) not in (None, name):
            verdict.violations.append(f"{name}: {outcome!r} names another order: {outcome.order_link_id}")


def _name(outcome: Any) -> str:
    if isinstance(outcome, tuple):
        return RESULT
    # Exact types: a ConnectionLost is a TransportError, too, and whatever is not listed is not allowed.
    return next((name for name, (kind, _) in OUTCOMES.items() if isinstance(outcome, kind)), type(outcome).__name__)


@contextlib.contextmanager
def _no_errors_logged(verdict: Verdict) -> Iterator[None]:
    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            verdict.violations.append(f"logged: {record.getMessage()}: {record.exc_info}")

    handler = Errors(logging.ERROR)
    logger = logging.getLogger("dbxsdk")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _descriptors() -> int:
    gc.collect()
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0  # they cannot be counted here


def _check_nothing_left(verdict: Verdict, descriptors: int, threads: Set[threading.Thread]) -> None:
    deadline = time.monotonic() + 2.0
    for thread in set(threading.enumerate()) - threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
        if thread.is_alive():
            verdict.violations.append(f"the thread {thread.name} is left")
    left = _descriptors() - descriptors
    if left > 0:
        verdict.violations.append(f"{left} descriptors are left")
