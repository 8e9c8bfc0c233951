"""What one channel has at the venue, under every reading of "repeated subscription will be cancelled".

A driver does what the session does: keeps the statuses of topics, sends the requests of a channel one at a time, and
hands the answers to the protocol. The venue behind it behaves as one of the readings has it. After each answer whatever
counts as live is there: no update of it is missed without a gap, and no book of it is fresh by mistake.
"""

from __future__ import annotations

import collections
import enum
import json
from typing import Any, Callable, Deque, Dict, List, Sequence, Set, Tuple

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.errors import VenueError
from dbxsdk.protocol import Acknowledgement, Reply, Request

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
CANCEL = Reading("refuse", keeps_on_refusal=False)
READINGS = [REPLACE, REFUSE, ADD, FORGETFUL, CANCEL, Reading("add", keeps_on_refusal=False)]
CARELESS = [attrs.evolve(reading, exact_unsubscribe=False) for reading in READINGS]


class Venue:
    def __init__(self, reading: Reading, bad: Sequence[str] = BAD) -> None:
        self.reading = reading
        self.bad = tuple(bad)
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
        good = not (self.reading.repeat == "refuse" and self.names) and not any(name in self.bad for name in params)
        if not (good or self.reading.keeps_on_refusal) or (good and self.reading.repeat != "add"):
            self.names.clear()
        if good:
            self.names |= set(params)
        return good

    def reaches(self, name: str) -> bool:
        return name in self.names or "all" in self.names


class Status(enum.Enum):
    ASKED = enum.auto()
    LIVE = enum.auto()
    LEAVING = enum.auto()


@attrs.define
class Call:
    """One ``subscribe``: what became of its topics."""

    undecided: Set[str]
    refused: List[str] = attrs.field(factory=list)


class Driver:
    def __init__(self, venue: Venue, channel: str = "ticker") -> None:
        self.venue = venue
        self.channel = channel
        self.protocol = CryptomusProtocol()
        self.wanted: Dict[str, None] = {}
        self.statuses: Dict[str, Status] = {}
        """Of those that were asked for."""
        self.established: Set[str] = set()
        self.calls: List[Call] = []
        self.waiting: Deque[Tuple[Request, Callable[[Request, Reply], None]]] = collections.deque()
        self.sent: List[Tuple[str, List[str]]] = []
        self.refused: List[str] = []
        self.lost = 0
        self.dropped: List[str] = []

    # What users do.

    def subscribe(self, *names: str) -> Call:
        topics = self.protocol.topics(self.channel, names)
        self.wanted.update(dict.fromkeys(topics))
        self.calls.append(Call({topic for topic in topics if self.statuses.get(topic) is not Status.LIVE}))
        self._ask()
        return self.calls[-1]

    def unsubscribe(self, *names: str) -> None:
        for topic in self.protocol.topics(self.channel, names):
            self.wanted.pop(topic, None)
        self._leave()

    # What the session does.

    def _asked(self) -> Set[str]:
        return {topic for topic, status in self.statuses.items() if status is not Status.LEAVING}

    def _ask(self) -> None:
        names = [topic for topic in self.wanted if topic not in self.statuses]
        self.statuses.update(dict.fromkeys(names, Status.ASKED))
        if names:
            self._file(self.protocol.subscribe(names, self._asked()), self._subscribed)

    def _leave(self) -> None:
        names = [topic for topic, status in self.statuses.items() if status is Status.LIVE and topic not in self.wanted]
        self.statuses.update(dict.fromkeys(names, Status.LEAVING))
        for request in self.protocol.unsubscribe(names, self._asked()) if names else ():
            if set(request.topics) <= set(names):
                self._file([request], self._unsubscribed)
            else:  # for topics that stay: a subscribe request
                self._drop(request.topics)
                self._file([request], self._subscribed)

    def _file(self, requests: Sequence[Request], handler: Callable[[Request, Reply], None]) -> None:
        assert all(request.alone and request.kind == self.channel for request in requests)
        self.waiting.extend((request, handler) for request in requests)

    def _drop(self, topics: Sequence[str]) -> None:
        for topic in topics:
            if self.statuses.get(topic) is Status.LIVE:
                self.statuses[topic] = Status.ASKED

    def _subscribed(self, request: Request, reply: Reply) -> None:
        self._take(self.protocol.acknowledge(request, reply))

    def _take(self, said: Acknowledgement) -> None:
        self._drop(said.dropped)
        self.dropped += said.dropped
        for topic in said.accepted:
            if self.statuses.get(topic) is Status.ASKED:
                self.statuses[topic] = Status.LIVE
                self.established.add(topic)
                for call in self.calls:
                    call.undecided.discard(topic)
        self.refused += said.refused
        assert all(isinstance(error, VenueError) for error in said.refused.values())
        for topic in said.refused:
            if self.statuses.get(topic) in (Status.ASKED, Status.LIVE):
                self._end(topic)
                for call in self.calls:
                    if topic in call.undecided:
                        call.undecided.discard(topic)
                        call.refused.append(topic)
        self._file(said.retry, self._subscribed)
        self._leave()

    def _end(self, topic: str) -> None:
        self.statuses.pop(topic, None)
        self.wanted.pop(topic, None)
        self.established.discard(topic)

    def _unsubscribed(self, request: Request, reply: Any) -> None:
        for topic in request.topics:
            if self.statuses.get(topic) is Status.LEAVING:
                del self.statuses[topic]
        self._ask()

    # What the venue does.

    def answer_one(self) -> bool:
        """The oldest request goes out and is answered. False where there is none."""
        if not self.waiting:
            return False
        request, handler = self.waiting.popleft()
        document = json.loads(request.frame)
        self.sent.append((document["method"], document["params"]))
        good = self.venue.answer(document["method"], document["params"])
        if document["method"].endswith("_unsubscribe"):
            self.check_live()  # what it ends has been dropped before
        answer: Dict[str, Any] = {"id": document["id"], "data": {"status": "success"} if good else None}
        answer["error"] = None if good else {"message": "no", "code": 2}
        (reply,) = self.protocol.receive(json.dumps(answer).encode(), False)
        assert isinstance(reply, Reply)
        handler(request, reply)
        self.check_live()
        self.check_asked()
        return True

    def lose_one(self, done: bool) -> None:
        """The oldest request goes out, and no answer comes, whether the venue has ``done`` it or not."""
        if not self.waiting:
            return
        self.lost += 1
        request, handler = self.waiting.popleft()
        document = json.loads(request.frame)
        self.sent.append((document["method"], document["params"]))
        if done:
            self.venue.answer(document["method"], document["params"])
        if handler == self._unsubscribed:
            handler(request, None)  # type: ignore[arg-type]
        elif self.established & set(request.topics) & set(self.wanted):
            self.reconnect()
        else:
            for topic in request.topics:
                if self.statuses.get(topic) is Status.ASKED:
                    self._end(topic)
        self.check_live()
        self.check_asked()

    def reconnect(self) -> None:
        self.venue.names.clear()
        self.protocol.reset()
        self.waiting.clear()
        self.statuses.clear()
        self._ask()

    def settle(self, limit: int = 2000) -> "Driver":
        while self.answer_one():
            limit -= 1
            assert limit, "it does not come to an end"
        return self

    # What is looked at.

    def live(self) -> Set[str]:
        return {topic.partition(".")[2] for topic, status in self.statuses.items() if status is Status.LIVE}

    def check_live(self) -> None:
        assert all(map(self.venue.reaches, self.live())), (self.live(), self.venue.names, self.sent)

    def check_asked(self) -> None:
        """Whatever is not live is decided by a request that is on its way: nothing is forgotten."""
        decided = {topic for request, _ in self.waiting for topic in request.topics}
        assert {topic for topic in self.wanted if self.statuses.get(topic) is not Status.LIVE} <= decided, self.sent

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


@pytest.mark.parametrize("reading", [REPLACE, ADD, FORGETFUL])
def test_a_union_that_is_taken_drops_nothing(reading: Reading) -> None:
    driver = settled(reading, "A")
    for name in ("B", "all", "C"):
        driver.subscribe(name)
        driver.settle()
    assert driver.dropped == []


@pytest.mark.parametrize("reading", READINGS)
def test_a_refusal_drops_what_it_may_have_ended(reading: Reading) -> None:
    driver = settled(reading, "A", "B")
    driver.dropped.clear()
    driver.subscribe("BAD1")
    driver.answer_one()
    if reading.repeat != "refuse":
        assert driver.dropped == ["ticker.A", "ticker.B"] and driver.live() == set()
        driver.answer_one()  # to what is asked for at once
        assert driver.live() == driver.venue.names == {"A", "B"}
    driver.settle()
    assert {*driver.dropped} == {"ticker.A", "ticker.B"} and driver.live() == {"A", "B"}


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
    clear = [("ping", []), ("ticker_unsubscribe", ["all"])]  # it is not cleared before the ping's answer has dropped A and B
    assert driver.settle().take_sent() == [*clear, ("ticker_subscribe", ["A", "B", "C"])]
    assert driver.venue.names == driver.live() == {"A", "B", "C"}


@pytest.mark.parametrize("reading", [REPLACE, ADD])
def test_a_refused_market_touches_no_other(reading: Reading) -> None:
    driver = settled(reading, "A")
    waiter = driver.subscribe("BAD1")
    driver.settle()
    assert waiter.refused == ["ticker.BAD1"]
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
    # Where repeats are refused it takes the end of all of them.
    ended = ["all"] if reading.repeat == "refuse" else ["B"]
    assert driver.settle().take_sent() == [("ticker_unsubscribe", ended), ("ticker_subscribe", ["A", "C"])]
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
    assert waiter.refused == ["ticker.all"]
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
    driver.established.clear()  # else there is a new connection
    driver.lose_one(False)
    driver.take_sent()
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
        st.tuples(st.sampled_from(("lose", "lose done", "delist")), st.sampled_from([["A"], ["B"]])),
    ),
    max_size=25,
)


def play(driver: Driver, course: List[Tuple[str, List[str]]], at_once: bool) -> None:
    for what, names in course:
        if what == "answer":
            driver.answer_one()
        elif what == "settle":
            driver.settle()
        elif what == "delist":
            driver.venue.bad += tuple(names)  # refused from now on, though the venue goes on with what it has
        elif what.startswith("lose"):
            driver.lose_one(what.endswith("done"))
        else:
            getattr(driver, what)(*names)
            if not at_once:
                driver.settle()
    driver.settle()


def check(driver: Driver) -> None:
    wanted = {name.partition(".")[2] for name in driver.wanted}
    assert driver.live() == wanted
    if "all" not in wanted and not driver.lost:
        assert driver.venue.names - {*driver.venue.bad} <= wanted, (wanted, driver.venue.names, driver.sent)
    assert not {topic for topic in driver.refused if topic.partition(".")[2] not in driver.venue.bad}


@settings(max_examples=600, deadline=None)
@given(reading=st.sampled_from([*READINGS, *CARELESS]), course=operations, at_once=st.booleans())
def test_in_the_end_the_venue_has_what_is_wanted(
    reading: Reading, course: List[Tuple[str, List[str]]], at_once: bool
) -> None:
    """And on the way there nothing counts as live that the venue has not, and nothing is forgotten."""
    driver = Driver(Venue(reading))
    play(driver, course, at_once)
    check(driver)
