"""What one channel has at the venue, under every reading of "repeated subscription will be cancelled".

A driver does what the session does: keeps the statuses of topics, sends the requests of a channel one at a time, and
hands the answers to the protocol. The venue behind it behaves as one of the readings has it.
"""

from __future__ import annotations

import collections
import json
from typing import Any, Callable, Deque, Dict, List, Sequence, Set, Tuple

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.errors import VenueError
from dbxsdk.protocol import Acknowledgement, Reply, Request
from dbxsdk.session.topics import Status, Waiter, WantedTopics

BAD = ("BAD1", "BAD2")


@attrs.define
class Reading:
    """How a venue takes a repeated subscription."""

    repeat: str = "replace"
    keeps_on_refusal: bool = True
    """A refused request changes nothing; else what was subscribed is gone when it comes."""
    exact_unsubscribe: bool = True
    """An unsubscribe request ends what it names; else everything."""


REPLACE, REFUSE, ADD = Reading("replace"), Reading("refuse"), Reading("add")
FORGETFUL = Reading("replace", keeps_on_refusal=False)
READINGS = [REPLACE, REFUSE, ADD, FORGETFUL]
CARELESS = [attrs.evolve(reading, exact_unsubscribe=False) for reading in READINGS]


class Venue:
    def __init__(self, reading: Reading, bad: Sequence[str] = BAD) -> None:
        self.reading = reading
        self.bad = bad
        self.names: Set[str] = set()
        self.history: List[Set[str]] = []
        """What was subscribed after each request."""

    def answer(self, method: str, params: List[str]) -> bool:
        good = self._answer(method, params)
        self.history.append(set(self.names))
        return good

    def _answer(self, method: str, params: List[str]) -> bool:
        if method.endswith("_unsubscribe"):
            if "all" in params or not self.reading.exact_unsubscribe:
                self.names.clear()
            self.names -= set(params)
            return True
        if method == "ping":
            return True
        if self.reading.repeat == "refuse" and self.names:
            return False
        if not self.reading.keeps_on_refusal:
            self.names.clear()
        if any(name in self.bad for name in params):
            return False
        self.names = set(params) | (self.names if self.reading.repeat == "add" else set())
        return True

    def reaches(self, name: str) -> bool:
        return name in self.names or "all" in self.names


class Subscriber:
    """Stands for a subscription."""

    max_silence = None
    raw = False
    queue = None


class Driver:
    def __init__(self, venue: Venue, channel: str = "ticker") -> None:
        self.venue = venue
        self.channel = channel
        self.protocol = CryptomusProtocol()
        self.topics = WantedTopics(lambda topic: False)
        self.waiting: Deque[Tuple[Request, Callable[[Request, Reply], None]]] = collections.deque()
        self.sent: List[Tuple[str, List[str]]] = []
        self.refused: List[str] = []
        self.subscribers: Dict[str, Subscriber] = {}

    def subscribe(self, *names: str) -> Waiter:
        topics = self.protocol.topics(self.channel, names)
        waiter = Waiter(topics)
        for topic in topics:
            self.topics.add((topic,), self.subscribers.setdefault(topic, Subscriber()), waiter, 0.0)  # type: ignore[arg-type]
        self._ask()
        return waiter

    def unsubscribe(self, *names: str) -> None:
        for topic in self.protocol.topics(self.channel, names):
            self.topics.remove((topic,), self.subscribers.setdefault(topic, Subscriber()))  # type: ignore[arg-type]
        self._leave()

    def _ask(self) -> None:
        names = self.topics.to_ask()
        if names:
            self._file(self.protocol.subscribe(names, self.topics.live()), self._subscribed)

    def _leave(self) -> None:
        names = self.topics.unwanted()
        if names:
            for request in self.protocol.unsubscribe(names, self.topics.live()):
                # One for topics that stay is a subscribe request.
                self._file([request], self._unsubscribed if set(request.topics) <= set(names) else self._subscribed)

    def _file(self, requests: Sequence[Request], handler: Callable[[Request, Reply], None]) -> None:
        assert all(request.alone and request.kind == self.channel for request in requests)
        self.waiting.extend((request, handler) for request in requests)

    def _subscribed(self, request: Request, reply: Reply) -> None:
        self._take(self.protocol.acknowledge(request, reply))

    def _take(self, acknowledgement: Acknowledgement) -> None:
        self.refused += acknowledgement.refused
        assert all(isinstance(error, VenueError) for error in acknowledgement.refused.values())
        self.topics.acknowledged(acknowledgement, 0.0)
        for topic in acknowledgement.refused:
            found = self.topics.get(topic)
            if found is not None and topic in self.subscribers:
                self.topics.remove((topic,), self.subscribers[topic])  # type: ignore[arg-type]
        self._file(acknowledgement.retry, self._subscribed)
        self._leave()

    def _unsubscribed(self, request: Request, reply: Reply) -> None:
        self.topics.left(request.topics)
        self._ask()

    def answer_one(self) -> bool:
        """The oldest request goes out and is answered. False where there is none."""
        if not self.waiting:
            return False
        request, handler = self.waiting.popleft()
        document = json.loads(request.frame)
        self.sent.append((document["method"], document["params"]))
        good = self.venue.answer(document["method"], document["params"])
        answer: Dict[str, Any] = {"id": document["id"], "data": {"status": "success"} if good else None}
        answer["error"] = None if good else {"message": "no", "code": 2}
        (reply,) = self.protocol.receive(json.dumps(answer).encode(), False)
        assert isinstance(reply, Reply)
        handler(request, reply)
        return True

    def settle(self, limit: int = 2000) -> "Driver":
        while self.answer_one():
            limit -= 1
            assert limit, "it does not come to an end"
        return self

    def live(self) -> Set[str]:
        names = {name for name in self.topics.names() if self.topics.get(name).status is Status.LIVE}  # type: ignore[union-attr]
        return {name.partition(".")[2] for name in names}

    def take_sent(self) -> List[Tuple[str, List[str]]]:
        sent, self.sent = self.sent, []
        self.venue.history.clear()
        return sent


def settled(reading: Reading, *names: str) -> Driver:
    driver = Driver(Venue(reading))
    for name in names:
        driver.subscribe(name)
        driver.settle()
    driver.take_sent()
    return driver


@pytest.mark.parametrize("reading", READINGS)
def test_one_request_for_many(reading: Reading) -> None:
    driver = Driver(Venue(reading))
    waiter = driver.subscribe("A", "B", "C")
    assert driver.settle().take_sent() == [("ticker_subscribe", ["A", "B", "C"])]
    assert not waiter.undecided and not waiter.refused


@pytest.mark.parametrize("reading", [REPLACE, ADD])
def test_the_union_is_asked_for_and_nothing_pauses(reading: Reading) -> None:
    driver = settled(reading, "A")
    driver.subscribe("B")
    driver.settle()
    assert all("A" in names for names in driver.venue.history)
    assert driver.take_sent() == [("ticker_subscribe", ["A", "B"])]
    assert driver.venue.names == driver.live() == {"A", "B"}


def test_where_repeats_are_refused_everything_is_unsubscribed_first() -> None:
    driver = settled(REFUSE, "A")
    driver.subscribe("B")
    driver.settle()
    assert [names for names in driver.venue.history if "A" not in names] == [set()]  # one round trip
    assert driver.take_sent() == [
        ("ticker_subscribe", ["A", "B"]),
        ("ticker_subscribe", ["A"]),  # refused, too: so it is not B's fault
        ("ticker_unsubscribe", ["all"]),
        ("ticker_subscribe", ["A", "B"]),
    ]
    assert driver.venue.names == driver.live() == {"A", "B"}
    driver.subscribe("C")  # now it is known
    assert driver.settle().take_sent() == [("ticker_unsubscribe", ["all"]), ("ticker_subscribe", ["A", "B", "C"])]
    assert driver.venue.names == driver.live() == {"A", "B", "C"}


@pytest.mark.parametrize("reading", [REPLACE, ADD])
def test_a_refused_market_touches_no_other(reading: Reading) -> None:
    driver = settled(reading, "A")
    waiter = driver.subscribe("BAD1")
    driver.settle()
    assert list(waiter.refused) == ["ticker.BAD1"]
    assert all(names == {"A"} for names in driver.venue.history)
    driver.subscribe("B", "BAD1", "C", "BAD2", "D")
    driver.settle()
    assert all("A" in names for names in driver.venue.history)
    assert driver.venue.names == driver.live() == {"A", "B", "C", "D"}
    assert driver.refused == ["ticker.BAD1", "ticker.BAD1", "ticker.BAD2"]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("names", [("BAD1",), ("A", "BAD1"), ("BAD1", "BAD2"), ("A", "BAD1", "B", "C", "BAD2")])
@pytest.mark.parametrize("before", [(), ("X",), ("X", "Y")])
def test_refused_by_name(reading: Reading, names: Tuple[str, ...], before: Tuple[str, ...]) -> None:
    driver = settled(reading, *before)
    waiter = driver.subscribe(*names)
    driver.settle()
    assert sorted(waiter.refused) == sorted(f"ticker.{name}" for name in names if name in BAD)
    assert not waiter.undecided
    assert driver.venue.names == driver.live() == set(before) | set(names) - set(BAD)


def test_one_bad_market_among_many_costs_few_requests() -> None:
    driver = settled(REPLACE, "A")
    driver.subscribe(*(f"M{n}" for n in range(100)), "BAD1", *(f"N{n}" for n in range(100)))
    assert len(driver.settle().take_sent()) < 40
    assert len(driver.live()) == 201


@pytest.mark.parametrize("reading", [*READINGS, *CARELESS])
def test_what_stays_is_asked_for_again_after_an_unsubscribe(reading: Reading) -> None:
    driver = settled(reading, "A", "B", "C")
    driver.unsubscribe("B")
    assert driver.settle().take_sent() == [("ticker_unsubscribe", ["B"]), ("ticker_subscribe", ["A", "C"])]
    assert driver.venue.names == driver.live() == {"A", "C"}
    driver.unsubscribe("A", "C")
    assert driver.settle().take_sent() == [("ticker_unsubscribe", ["all"])]
    assert driver.venue.names == driver.live() == set()
    driver.subscribe("D")
    assert driver.settle().take_sent() == [("ticker_subscribe", ["D"])]


@pytest.mark.parametrize("reading", READINGS)
def test_all_has_the_others_in_it(reading: Reading) -> None:
    driver = settled(reading, "A")
    driver.subscribe("all")
    driver.settle()
    assert driver.venue.names >= {"all"} and driver.live() == {"A", "all"}
    driver.take_sent()
    driver.subscribe("B")
    assert driver.settle().take_sent() == [("ping", [])]  # the venue sends it already
    assert driver.live() == {"A", "B", "all"}
    driver.unsubscribe("A")
    assert driver.settle().take_sent() == [("ping", [])]  # taking A out would leave a hole
    driver.unsubscribe("all")
    assert driver.settle().take_sent() == [("ticker_unsubscribe", ["all"]), ("ticker_subscribe", ["B"])]
    assert driver.venue.names == driver.live() == {"B"}
    driver.subscribe("C")
    driver.settle()
    assert driver.venue.names == driver.live() == {"B", "C"}


@pytest.mark.parametrize("reading", READINGS)
def test_all_refused(reading: Reading) -> None:
    driver = Driver(Venue(reading, bad=("all",)))
    driver.subscribe("A")
    driver.settle()
    waiter = driver.subscribe("all")
    driver.subscribe("B")
    driver.settle()
    assert list(waiter.refused) == ["ticker.all"]
    assert driver.venue.names == driver.live() == {"A", "B"}


@pytest.mark.parametrize("reading", READINGS)
def test_several_calls_at_once(reading: Reading) -> None:
    driver = Driver(Venue(reading))
    for name in ("A", "B", "BAD1", "C", "D"):
        driver.subscribe(name)
    driver.settle()
    assert driver.refused == ["ticker.BAD1"]
    assert driver.venue.names == driver.live() == {"A", "B", "C", "D"}


@pytest.mark.parametrize("reading", READINGS)
def test_a_market_that_is_not_taken_any_more(reading: Reading) -> None:
    """It is refused when the list is asked for again, and the others stay."""
    driver = settled(reading, "A", "B", "C")
    driver.venue.bad = ("B",)
    driver.venue.names.discard("B")
    driver.subscribe("D")
    driver.settle()
    assert driver.refused == ["ticker.B"]
    assert driver.venue.names == driver.live() == {"A", "C", "D"}


@pytest.mark.parametrize("reading", READINGS)
def test_what_all_hid_is_found_when_all_ends(reading: Reading) -> None:
    driver = settled(reading, "A", "all", "BAD1", "B")
    assert driver.live() == {"A", "all", "BAD1", "B"}
    driver.unsubscribe("all")
    driver.settle()
    assert driver.refused == ["ticker.BAD1"]
    assert driver.venue.names == driver.live() == {"A", "B"}


@pytest.mark.parametrize("then, sent", [
    ("subscribe", [("ticker_subscribe", ["A", "C"])]),
    ("unsubscribe", [("ticker_unsubscribe", ["C"]), ("ticker_subscribe", ["A"])]),
])
def test_an_unanswered_request_is_forgotten(then: str, sent: List[Any]) -> None:
    driver = settled(REPLACE, "A", *(["C"] if then == "unsubscribe" else []))
    driver.subscribe("B")
    request, _ = driver.waiting.popleft()
    driver.topics.remove(("ticker.B",), driver.subscribers["ticker.B"])  # type: ignore[arg-type]
    driver.topics.unanswered(request.topics)
    getattr(driver, then)("C")
    assert driver.settle().take_sent() == sent


def test_an_older_list_sent_later_is_put_right() -> None:
    """The answer that led to it came while another thread subscribed something."""
    driver = settled(REPLACE, "A", "B")
    driver.subscribe("C")
    (newer,) = driver.waiting
    older = driver.protocol._unions["ticker"]._subscribe(((),), ("ticker.A", "ticker.B"))
    driver.waiting.append((older, driver._subscribed))
    driver.settle()
    assert [params for _, params in driver.sent] == [["A", "B", "C"], ["A", "B"], ["A", "B", "C"]]


def test_a_status_that_is_not_success_is_a_refusal() -> None:
    protocol = CryptomusProtocol()
    (request,) = protocol.subscribe(("trade.A",), ("trade.A",))
    answer = {"id": request.key, "data": {"status": "failed"}, "error": None}
    acknowledgement = protocol.acknowledge(request, Reply(request.key, answer))
    assert "failed" in acknowledgement.refused["trade.A"].message
    assert acknowledgement.refused["trade.A"].reply == answer


NAMES = ("A", "B", "C", "all", *BAD)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.lists(st.sampled_from(NAMES), min_size=1, max_size=4)),
        st.tuples(st.just("unsubscribe"), st.lists(st.sampled_from(NAMES[:4]), min_size=1, max_size=3)),
        st.tuples(st.just("answer"), st.just([])),
        st.tuples(st.just("settle"), st.just([])),
    ),
    max_size=25,
)


def play(driver: Driver, course: List[Tuple[str, List[str]]], at_once: bool) -> None:
    for what, names in course:
        if what == "answer":
            driver.answer_one()
        elif what == "settle":
            driver.settle()
        else:
            getattr(driver, what)(*names)
            if not at_once:
                driver.settle()
    driver.settle()


def check(driver: Driver) -> None:
    wanted = {name.partition(".")[2] for name in driver.topics.names()}
    assert driver.live() == wanted
    for name in wanted:
        assert driver.venue.reaches(name) or name in BAD, (name, driver.venue.names, driver.sent)
    if "all" not in wanted:
        assert driver.venue.names <= wanted, (wanted, driver.venue.names, driver.sent)
    assert not {topic for topic in driver.refused if topic.partition(".")[2] not in BAD}


@settings(max_examples=400, deadline=None)
@given(reading=st.sampled_from([*READINGS, *CARELESS]), course=operations, at_once=st.booleans())
def test_in_the_end_the_venue_has_what_is_wanted(
    reading: Reading, course: List[Tuple[str, List[str]]], at_once: bool
) -> None:
    driver = Driver(Venue(reading))
    play(driver, course, at_once)
    check(driver)
