"""What both sockets have subscribed, whatever a second subscription and a refusal do: no page says."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Set, Tuple

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from dbxsdk.dbot.data.protocol import DBotDataProtocol
from dbxsdk.dbot.trade.protocol import DBotTradeProtocol
from dbxsdk.protocol import Protocol, Request
from tests.subscriber import ModelVenue, Subscriber


@attrs.frozen
class Reading:
    adds: bool = False
    """A second subscription adds to the first; else it replaces it."""
    keeps_on_refusal: bool = True
    exact_unsubscribe: bool = True
    """An unsubscription ends what it names; else all of its type."""


READINGS = [Reading(adds, keeps, exact) for adds in (False, True) for keeps in (True, False) for exact in (True, False)]


class Venue(ModelVenue):
    """``bad`` are the names without their channel."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.names: Set[str] = set()
        self.sent: List[Any] = []

    def forget(self) -> None:
        self.names.clear()

    def subscribe(self, names: Set[str]) -> bool:
        good = not any(name.partition(".")[2] in self.bad or name in self.bad for name in names)
        if not (self.reading.adds if good else self.reading.keeps_on_refusal):
            self.names.clear()
        if good:
            self.names |= names
        return good


class Data(Venue):
    channel = "tx"

    def answer(self, request: Request) -> Any:
        if request.is_ping:
            return None
        document = json.loads(request.frame)
        self.sent.append((document["method"], document["args"]["pair"]))
        names = {f"tx.{pair}" for pair in document["args"]["pair"]}
        if document["method"] == "unsubscribe":
            self.names -= names if self.reading.exact_unsubscribe else set(self.names)
            return None
        result = {"type": "tx", "err": not self.subscribe(names), "subscribed": ["tx"]}
        return {"method": "subscribeResponse", "result": result}

    def reaches(self, topic: str) -> bool:
        return topic in self.names


class Trade(Venue):
    channel = "tradeResults"

    def answer(self, request: Request) -> Any:
        if request.is_ping:
            return None
        types = json.loads(request.frame)["tradeTypeFilter"]
        self.sent.append(types)
        good = self.subscribe({f"tradeResults.{type_}" for type_ in types} or {"tradeResults"})
        return {"method": "subscribeResponse", "result": {"err": not good}}

    def reaches(self, topic: str) -> bool:
        return topic in self.names or "tradeResults" in self.names


SOCKETS: Dict[str, Tuple[Callable[[], Protocol], Callable[[Reading], Any]]] = {
    "data": (DBotDataProtocol, Data),
    "trade": (DBotTradeProtocol, Trade),
}


def subscribed(socket: str, reading: Reading, *names: str) -> Subscriber:
    make, venue = SOCKETS[socket]
    subscriber = Subscriber(make(), venue(reading))
    for name in names:
        subscriber.subscribe(subscriber.venue.channel, name)  # type: ignore[attr-defined]
        subscriber.settle()
    return subscriber


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("socket", SOCKETS)
def test_a_longer_list_drops_nothing(socket: str, reading: Reading) -> None:
    subscriber = subscribed(socket, reading, "A", "B", "C")
    assert subscriber.dropped == []
    assert {topic.partition(".")[2] for topic in subscriber.live()} == {"A", "B", "C"}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("socket", SOCKETS)
def test_a_refused_one_drops_the_others_until_they_are_taken_again(socket: str, reading: Reading) -> None:
    subscriber = subscribed(socket, reading, "A", "B")
    live = subscriber.live()
    venue: Any = subscriber.venue
    venue.bad = ("BAD",)
    call = subscriber.subscribe(venue.channel, "BAD")
    subscriber.answer_one()
    assert {*subscriber.dropped} == live and not subscriber.live()
    assert len(call.refused) == 1 and not call.undecided
    subscriber.settle()
    assert subscriber.live() == live


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("socket", SOCKETS)
def test_what_another_request_asks_for_is_not_blamed(socket: str, reading: Reading) -> None:
    subscriber = subscribed(socket, reading, "A")
    venue: Any = subscriber.venue
    venue.bad = ("BAD",)
    refused = subscriber.subscribe(venue.channel, "BAD")
    taken = subscriber.subscribe(venue.channel, "B")
    subscriber.settle()
    assert len(refused.refused) == 1 and not taken.refused
    assert {topic.partition(".")[2] for topic in subscriber.live()} == {"A", "B"}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("socket", SOCKETS)
def test_nothing_that_stays_is_taken_any_more(socket: str, reading: Reading) -> None:
    subscriber = subscribed(socket, reading, "A", "B", "C")
    venue: Any = subscriber.venue
    venue.bad = ("A", "B")
    subscriber.unsubscribe(venue.channel, "C")
    subscriber.settle()
    assert not subscriber.live() and len(subscriber.refused) == 2


NAMES = st.sampled_from("ABC")
COURSE = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("subscribe", "unsubscribe")), st.lists(NAMES, min_size=1, max_size=3)),
        st.tuples(st.just("refuse"), st.lists(NAMES, max_size=1)),
        st.tuples(st.sampled_from(("answer", "settle", "lose", "lose done")), st.just([])),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(socket=st.sampled_from([*SOCKETS]), reading=st.sampled_from(READINGS), course=COURSE)
def test_what_counts_as_live_is_there(socket: str, reading: Reading, course: Any) -> None:
    subscriber = subscribed(socket, reading)
    venue: Any = subscriber.venue
    for what, names in course:
        if what in ("subscribe", "unsubscribe"):
            getattr(subscriber, what)(venue.channel, *names)
        elif what == "refuse":
            venue.bad = tuple(names)
        elif what == "answer":
            subscriber.answer_one()
        elif what == "settle":
            subscriber.settle()
        else:
            subscriber.lose_one(what == "lose done")
    subscriber.settle()
    assert subscriber.live() == {*subscriber.wanted}
