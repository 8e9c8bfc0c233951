"""What one channel has at the venue, under every reading of "repeated subscription will be cancelled".

The venue behind ``tests.subscriber`` behaves as one of the readings has it.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence, Set, Tuple

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.protocol import Reply, Request
from tests.subscriber import Call, ModelVenue, Subscriber

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


class Venue(ModelVenue):
    def __init__(self, reading: Reading, bad: Sequence[str] = BAD) -> None:
        self.reading = reading
        self.bad = tuple(f"ticker.{name}" for name in bad)
        self.names: Set[str] = set()
        self.sent: List[Tuple[str, List[str]]] = []
        self.history: List[Set[str]] = []
        """What was subscribed after each request."""

    def answer(self, request: Request) -> Any:
        document = json.loads(request.frame)
        method, params = document["method"], document["params"]
        self.sent.append((method, params))
        good = self._do(method, params)
        self.history.append(set(self.names))
        answer: Dict[str, Any] = {"id": document["id"], "data": {"status": "success"} if good else None}
        answer["error"] = None if good else {"message": "no", "code": 2}
        return answer

    def _do(self, method: str, params: List[str]) -> bool:
        if method.endswith("_unsubscribe"):
            if "all" in params or not self.reading.exact_unsubscribe:
                self.names.clear()
            self.names -= set(params)
            return True
        if method == "ping":
            return True
        good = not (self.reading.repeat == "refuse" and self.names)
        good = good and not any(f"ticker.{name}" in self.bad for name in params)
        if not (good or self.reading.keeps_on_refusal) or (good and self.reading.repeat != "add"):
            self.names.clear()
        if good:
            self.names |= set(params)
        return good

    def reaches(self, topic: str) -> bool:
        return topic.partition(".")[2] in self.names or "all" in self.names

    def forget(self) -> None:
        self.names.clear()


class Driver(Subscriber):
    """Of the channel ``ticker``, with names in place of topics."""

    venue: Venue

    def __init__(self, venue: Venue) -> None:
        super().__init__(CryptomusProtocol(), venue)

    def subscribe(self, *names: str) -> Call:
        return super().subscribe("ticker", *names)

    def unsubscribe(self, *names: str) -> None:
        super().unsubscribe("ticker", *names)

    def names(self) -> Set[str]:
        return {topic.partition(".")[2] for topic in self.live()}

    def check(self) -> None:
        held = [request for waiting in self.held.values() for request, _ in waiting]
        assert len(self.wire) <= 1 and all(request.alone for request in held)  # so that the last answer says what there is
        super().check()

    def take_sent(self) -> List[Tuple[str, List[str]]]:
        sent, self.venue.sent = self.venue.sent, []
        self.venue.history.clear()
        return sent


def settle(driver: Driver) -> List[Tuple[str, List[str]]]:
    """What was sent until everything is answered."""
    driver.settle()
    return driver.take_sent()


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
    assert settle(driver) == [("ticker_subscribe", ["A", "B", "C"])]
    assert not waiter.undecided and not waiter.refused


@pytest.mark.parametrize("reading", [REPLACE, ADD])
def test_the_union_is_asked_for_and_nothing_pauses(reading: Reading) -> None:
    driver = settled(reading, "A")
    driver.subscribe("B")
    driver.settle()
    assert all("A" in names for names in driver.venue.history)
    assert driver.take_sent() == [("ticker_subscribe", ["A", "B"])]
    assert driver.venue.names == driver.names() == {"A", "B"}


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
        assert driver.dropped == ["ticker.A", "ticker.B"] and driver.names() == set()
        driver.answer_one()  # to what is asked for at once
        assert driver.names() == driver.venue.names == {"A", "B"}
    driver.settle()
    assert {*driver.dropped} == {"ticker.A", "ticker.B"} and driver.names() == {"A", "B"}


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
    assert driver.venue.names == driver.names() == {"A", "B"}
    driver.subscribe("C")  # now it is known
    # Nothing is cleared before the ping's answer has dropped A and B.
    clear = [("ping", []), ("ticker_unsubscribe", ["all"])]
    assert settle(driver) == [*clear, ("ticker_subscribe", ["A", "B", "C"])]
    assert driver.venue.names == driver.names() == {"A", "B", "C"}


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
    assert driver.venue.names == driver.names() == {"A", "B", "C", "D"}
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
    assert driver.venue.names == driver.names() == set(before) | set(names) - set(BAD)


def test_one_bad_market_among_many_costs_few_requests() -> None:
    driver = settled(REPLACE, "A")
    driver.subscribe(*(f"M{n}" for n in range(100)), "BAD1", *(f"N{n}" for n in range(100)))
    assert len(settle(driver)) < 40
    assert len(driver.names()) == 201


@pytest.mark.parametrize("reading", [*READINGS, *CARELESS])
def test_what_stays_is_asked_for_again_after_an_unsubscribe(reading: Reading) -> None:
    driver = settled(reading, "A", "B", "C")
    driver.unsubscribe("B")
    # Where repeats are refused it takes the end of all of them.
    ended = ["all"] if reading.repeat == "refuse" else ["B"]
    assert settle(driver) == [("ticker_unsubscribe", ended), ("ticker_subscribe", ["A", "C"])]
    assert driver.venue.names == driver.names() == {"A", "C"}
    driver.unsubscribe("A", "C")
    assert settle(driver) == [("ticker_unsubscribe", ["all"])]
    assert driver.venue.names == driver.names() == set()
    driver.subscribe("D")
    assert settle(driver) == [("ticker_subscribe", ["D"])]


@pytest.mark.parametrize("reading", READINGS)
def test_all_has_the_others_in_it(reading: Reading) -> None:
    driver = settled(reading, "A")
    driver.subscribe("all")
    driver.settle()
    assert driver.venue.names >= {"all"} and driver.names() == {"A", "all"}
    driver.take_sent()
    driver.subscribe("B")
    assert settle(driver) == [("ping", [])]  # the venue sends it already
    assert driver.names() == {"A", "B", "all"}
    driver.unsubscribe("A")
    assert settle(driver) == [("ping", [])]  # taking A out would leave a hole
    driver.unsubscribe("all")
    assert settle(driver) == [("ticker_unsubscribe", ["all"]), ("ticker_subscribe", ["B"])]
    assert driver.venue.names == driver.names() == {"B"}
    driver.subscribe("C")
    driver.settle()
    assert driver.venue.names == driver.names() == {"B", "C"}


@pytest.mark.parametrize("reading", READINGS)
def test_all_refused(reading: Reading) -> None:
    driver = Driver(Venue(reading, bad=("all",)))
    driver.subscribe("A")
    driver.settle()
    waiter = driver.subscribe("all")
    driver.subscribe("B")
    driver.settle()
    assert waiter.refused == ["ticker.all"]
    assert driver.venue.names == driver.names() == {"A", "B"}


@pytest.mark.parametrize("reading", READINGS)
def test_several_calls_at_once(reading: Reading) -> None:
    driver = Driver(Venue(reading))
    for name in ("A", "B", "BAD1", "C", "D"):
        driver.subscribe(name)
    driver.settle()
    assert driver.refused == ["ticker.BAD1"]
    assert driver.venue.names == driver.names() == {"A", "B", "C", "D"}


@pytest.mark.parametrize("reading", READINGS)
def test_a_market_that_is_not_taken_any_more(reading: Reading) -> None:
    """It is refused when the list is asked for again, and the others stay."""
    driver = settled(reading, "A", "B", "C")
    driver.venue.bad = ("ticker.B",)
    driver.venue.names.discard("B")
    driver.subscribe("D")
    driver.settle()
    assert driver.refused == ["ticker.B"]
    assert driver.venue.names == driver.names() == {"A", "C", "D"}


@pytest.mark.parametrize("reading", READINGS)
def test_what_all_hid_is_found_when_all_ends(reading: Reading) -> None:
    driver = settled(reading, "A", "all", "BAD1", "B")
    assert driver.names() == {"A", "all", "BAD1", "B"}
    driver.unsubscribe("all")
    driver.settle()
    assert driver.refused == ["ticker.BAD1"]
    assert driver.venue.names == driver.names() == {"A", "B"}


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
    assert settle(driver) == sent


def test_an_older_list_sent_later_is_put_right() -> None:
    """The answer that led to it came while another thread subscribed something."""
    driver = settled(REPLACE, "A", "B")
    driver.subscribe("C")
    assert isinstance(driver.protocol, CryptomusProtocol)
    older = driver.protocol._unions["ticker"]._subscribe(((),), ("ticker.A", "ticker.B"))
    driver._file([older], driver._subscribed)
    assert [params for _, params in settle(driver)] == [["A", "B", "C"], ["A", "B"], ["A", "B", "C"]]


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
            # Refused from now on, though the venue goes on with what it has.
            driver.venue.bad += tuple(f"ticker.{name}" for name in names)
        elif what.startswith("lose"):
            driver.lose_one(what.endswith("done"))
        else:
            getattr(driver, what)(*names)
            if not at_once:
                driver.settle()
    driver.settle()


def check(driver: Driver) -> None:
    driver.check_end()
    surplus = {f"ticker.{name}" for name in driver.venue.names} - {*driver.wanted, *driver.venue.bad}
    assert not surplus or driver.lost or "ticker.all" in driver.wanted, surplus


ALL_AFTER_A_REFUSAL = [
    ("subscribe", ["A"]), ("answer", []), ("subscribe", ["B"]), ("subscribe", ["BAD1"]), ("unsubscribe", ["A"]),
    ("subscribe", ["A"]), ("subscribe", ["all"]),
]
"""What was dropped meanwhile, and is in "all", is live again."""


@settings(max_examples=300, deadline=None)
@example(reading=REPLACE, course=ALL_AFTER_A_REFUSAL, at_once=True)
@given(reading=st.sampled_from([*READINGS, *CARELESS]), course=operations, at_once=st.booleans())
def test_in_the_end_the_venue_has_what_is_wanted(
    reading: Reading, course: List[Tuple[str, List[str]]], at_once: bool
) -> None:
    """And on the way there nothing counts as live that the venue has not, and nothing is forgotten."""
    driver = Driver(Venue(reading))
    play(driver, course, at_once)
    check(driver)
