"""The acts: what may happen, each with a name and up to three small numbers. Each does nothing where it makes no sense."""

from __future__ import annotations

import random
from typing import Callable, Dict, List, Tuple

import attrs

from dbxsdk.session.core.liveness import Look
from tests.machine.dialects import BOOKS
from tests.machine.driver import NEVER, Driver, Forked
from tests.machine.reading import refusal
from tests.machine.users import Interrupted
from tests.machine.venue import NO, NO_TO_ONE, YES, topics_for

Step = Tuple[str, int, int, int]

PATIENCE = (0.5, 3.0, 12.0)
SPANS = (0.03, 0.2, 0.6, 1.1, 2.1, 5.0, 9.0, 20.0)
_MOODS = (0.0, 0.2, 1.0, 1.0, 1.0, 4.0)
FATES = ("half", "breaks", "arrives and breaks", "no memory")


@attrs.frozen
class Act:
    """One of the things that may happen."""

    run: Callable[[Driver, int, int, int], None]
    weight: float
    limits: Tuple[int, int, int]
    """Each number is below its limit."""


ACTS: Dict[str, Act] = {}


def act(weight: float, *limits: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(function: Callable[..., None]) -> Callable[..., None]:
        count = len(limits)
        full: Tuple[int, int, int] = (*limits, 1, 1, 1)[:3]  # type: ignore[assignment]
        ACTS[function.__name__] = Act(lambda driver, *numbers: function(driver, *numbers[:count]), weight, full)
        return function

    return add


def play(driver: Driver, step: Step) -> None:
    """One act, what follows from it at once, and a look at what must hold."""
    name, *numbers = step
    for part in (lambda: ACTS[name].run(driver, *numbers), driver.run_calls):
        try:
            part()
        except (Forked, Interrupted):
            pass  # the thread that was at it
    driver.promises.acted()


def draw(chance: random.Random, length: int) -> List[Step]:
    """The acts of a run. Each run leaves some kinds out and has more of others: where everything may happen, little of it
    goes on for long."""
    names = list(ACTS)
    begin: List[Step] = []
    if chance.random() < 0.7:
        begin = [("open_client", 2, 0, 0), ("accept", 0, 0, 0), ("agree", 0, 0, 0)]
        begin += [("subscribe", chance.randrange(64), chance.choice((0, 0, 1, 3, 3, 4)), 2) for _ in range(3)]
        begin += [("agree", 0, 0, 0)]
    weights = [ACTS[name].weight * chance.choice(_MOODS) for name in names]
    chosen = chance.choices(names, weights, k=length)
    rest: List[Step] = [(name, *map(chance.randrange, ACTS[name].limits)) for name in chosen]  # type: ignore[misc]
    return begin + rest


# -- users -------------------------------------------------------------------------------------------


@act(6.0, 128, 7, 3)
def subscribe(driver: Driver, which: int, how: int, patience: int) -> None:
    """To some topics: by a callback typed or raw, an iterator, a book, and with a limit to silence."""
    topics = topics_for(driver.setting)
    wanted = tuple(topic for bit, topic in enumerate(topics) if which >> bit & 1)[:3] or topics[which % len(topics):][:1]
    seconds = PATIENCE[patience]
    if how == 3:
        books = [topic for topic in topics if topic.startswith((BOOKS, "depth"))]
        driver.subscribe((books[which % len(books)],), seconds, book=True)
    elif how >= 4:
        limit = (1.0, 3.0, 7.0)[how - 4]
        driver.subscribe(wanted, seconds, max_silence=limit, on_silence=("tell", "resubscribe", "reconnect")[which % 3])
    else:
        driver.subscribe(wanted, seconds, raw=how == 1, iterator=how == 2)


@act(3.0, 8)
def unsubscribe(driver: Driver, which: int) -> None:
    active = [each for each in driver.subscribers if each.subscription.active]
    if active:
        driver.unsubscribe(active[which % len(active)])


@act(1.0, 8)
def unsubscribe_topic(driver: Driver, which: int) -> None:
    topics = topics_for(driver.setting)
    driver.do(driver.machine.unwant_topics, (topics[which % len(topics)],), driver.now)


@act(3.0, 8)
def renew(driver: Driver, which: int) -> None:
    topics = topics_for(driver.setting)
    driver.renew((topics[which % len(topics)],))


@act(4.0)
def submit(driver: Driver) -> None:
    driver.submit("order")


@act(2.0, 3)
def call(driver: Driver, patience: int) -> None:
    driver.call(PATIENCE[patience])


@act(0.7, 3)
def ping(driver: Driver, patience: int) -> None:
    driver.call(PATIENCE[patience], ping=True)


@act(0.7, 4)
def interrupt(driver: Driver, which: int) -> None:
    """Ctrl-C in a blocking call."""
    if driver.calls:
        driver.advance(driver.calls[which % len(driver.calls)], interrupt=True)


@act(2.0, 3)
def open_client(driver: Driver, patience: int) -> None:
    driver.open(PATIENCE[patience])


@act(0.08)
def close(driver: Driver) -> None:
    if not driver.machine.link.state.is_over:
        driver.close()


@act(0.05)
def close_between(driver: Driver) -> None:
    """The next time the reader has no lock between two steps."""
    driver.closes_between = True


@act(0.2)
def fork(driver: Driver) -> None:
    driver.fork()


@act(0.2, 80)
def fork_in_step(driver: Driver, lines: int) -> None:
    """While another thread is in the middle of its next decision, or between that and what follows from it."""
    driver.forks_after = NEVER if lines == 0 else lines - 1


@act(0.3, 80)
def interrupt_in_step(driver: Driver, lines: int) -> None:
    """A signal handler raises in the middle of a decision, on the thread of a user's next call."""
    driver.interrupts_after = lines


# -- the network -------------------------------------------------------------------------------------


@act(9.0)
def accept(driver: Driver) -> None:
    """A connection that is being made opens."""
    threads = driver.threads
    if threads is not None and threads.phase == "begun":
        driver.connect()
    if driver.threads is threads and threads is not None and threads.phase == "connecting":
        assert driver.wire is not None
        if not (driver.wire.stopped or driver.wire.closing):
            driver.opened()


@act(1.0, 3)
def reject(driver: Driver, kind: int) -> None:
    """A connection that is being made fails."""
    threads = driver.threads
    if threads is not None and threads.phase == "connecting":
        error = refusal(kind)
        driver.ends(str(error), error)


@act(0.3)
def out_of_budget(driver: Driver) -> None:
    threads = driver.threads
    if threads is not None and threads.phase == "begun":
        driver.connect(out_of_budget=True)


@act(2.0, 2)
def cut(driver: Driver, reads: int) -> None:
    """The peer ends the connection. What it sent before is read, or is lost."""
    threads = driver.threads
    if threads is not None and threads.phase == "open":
        if reads:
            driver.read(1000)
        if driver.wire is not None and threads.phase == "open":
            driver.ends("cut", code=1006)


@act(2.0)
def reader_sees(driver: Driver) -> None:
    """The reader finds that its connection was aborted, or its life ended."""
    driver.reader_sees()


@act(0.7, 2)
def deaf(driver: Driver, on: int) -> None:
    """The peer does not read, or reads again."""
    if driver.wire is not None:
        driver.wire.deaf = bool(on)


@act(0.7, 4)
def fate(driver: Driver, which: int) -> None:
    """Something happens to the next frame."""
    if driver.wire is not None:
        driver.wire.fate = FATES[which % len(FATES)]


@act(0.5)
def hold_back(driver: Driver) -> None:
    """The next thread that has something to write is put to sleep before it writes."""
    driver.holds_back = True


@act(0.5)
def trickle(driver: Driver) -> None:
    """Bytes come that are no message yet."""
    if driver.wire is not None and driver.wire.opened and driver.wire.busy_since is None:
        driver.wire.last_byte = driver.now


@act(0.5, 2)
def busy(driver: Driver, on: int) -> None:
    """The reader stands still before a full queue, or goes on."""
    wire = driver.wire
    if wire is not None and wire.opened:
        if on and wire.busy_since is None:
            wire.busy_since = driver.now
        elif not on and wire.busy_since is not None:
            wire.busy_since, wire.free_since = None, driver.now


@act(8.0, 4)
def read(driver: Driver, count: int) -> None:
    driver.read(count + 1)


@act(0.5, 6, 4)
def overflow(driver: Driver, count: int, room: int) -> None:
    """A read that brings more than there is room for."""
    driver.refuses_from = room
    driver.read(count + 1)
    driver.refuses_from = None


# -- the venue ---------------------------------------------------------------------------------------


@act(8.0, 4, 12)
def answer(driver: Driver, which: int, how: int) -> None:
    driver.venue.meet(which, how)


@act(3.0, 8)
def reconnect(driver: Driver, span: int) -> None:
    """The connection is lost, and another is there after a while; what is asked on it waits to be answered."""
    cut(driver, span % 2)
    driver.pass_time(SPANS[span])
    accept(driver)


@act(7.0)
def agree(driver: Driver) -> None:
    """All that was asked is granted, and read."""
    agree_to_all(driver)


@act(1.5, 2)
def refuse(driver: Driver, how: int) -> None:
    """What was asked first is refused, whole or in part, and what else was sent is read."""
    if driver.venue.meet(0, (NO, NO_TO_ONE)[how]):
        driver.read(1000)


@act(1.5, 4)
def release(driver: Driver, which: int) -> None:
    """An answer that was held back is sent."""
    driver.venue.release(which)


@act(10.0, 4, 3)
def trade(driver: Driver, which: int, count: int) -> None:
    markets = driver.venue.markets
    for _ in range(count + 1):
        driver.venue.trade(markets[which % len(markets)])


@act(0.3, 4)
def stray(driver: Driver, which: int) -> None:
    """An update of what was not asked for, whatever its number: of a topic that nobody wants."""
    venue = driver.venue
    market = venue.markets[which % len(venue.markets)]
    if driver.machine.topics.get(market) is None and driver.setting.dialect != "lists":
        venue.send(venue.update(market, False))


# -- time --------------------------------------------------------------------------------------------


@act(9.0, 8)
def wait(driver: Driver, span: int) -> None:
    driver.pass_time(SPANS[span % len(SPANS)])


@act(2.0)
def tick(driver: Driver) -> None:
    """The watch looks earlier than it has to."""
    driver.tick()


@act(0.3, 8)
def suspend(driver: Driver, span: int) -> None:
    """The whole process is stopped for a while."""
    driver.now += SPANS[span % len(SPANS)]
    driver.resumed_at = driver.now
    driver.pass_time(0.0)


@act(0.5, 8, 8, 8)
def look(driver: Driver, silent: int, seen: int, message: int) -> None:
    """The watch sees something else than what is."""
    if driver.setting.honest:
        return
    ago = [driver.now - SPANS[index] for index in (seen, message)]
    driver.tick(Look(SPANS[silent], ago[0], ago[0] if message % 2 else None, ago[1] if seen % 3 else None))


@act(0.05, 2)
def die(driver: Driver, which: int) -> None:
    """A thread dies of an unexpected error."""
    driver.die(which)


# -- what several have in common ---------------------------------------------------------------------


def agree_to_all(driver: Driver) -> bool:
    """The venue grants what waits there, and the client reads all. False if there was nothing to do."""
    done = False
    for _ in range(50):
        met = driver.venue.meet(0, YES)
        read = driver.read(1000)
        if not (met or read):
            break
        done = True
    return done


__all__ = ["ACTS", "Act", "Step", "agree_to_all", "draw", "play"]
