"""What counts as live at Bybit and DigiFinex is there, whatever their venues answer. See ``tests.subscriber``.

The channels whose requests name whole lists have tests of their own: ``tests/cryptomus/test_channel_union.py`` and
``tests/dbot/test_listed.py``.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Set, Tuple

from hypothesis import given, settings, strategies as st

from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.private.protocol import BybitPrivateProtocol
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.digifinex.protocol import DigiFinexProtocol
from dbxsdk.digifinex.swap.protocol import DigiFinexSwapProtocol
from dbxsdk.protocol import Request
from tests.subscriber import ModelVenue, Subscriber


class Venue(ModelVenue):
    """Subscriptions add up. ``moods`` are the venue's own choices, one a request that it refuses in part."""

    def __init__(self) -> None:
        self.topics: Set[str] = set()
        self.moods: List[int] = []

    def mood(self) -> int:
        return self.moods.pop() if self.moods else 0

    def forget(self) -> None:
        self.topics.clear()

    def reaches(self, topic: str) -> bool:
        return topic in self.topics


class Bybit(Venue):
    """Spot, linear and inverse: all or nothing, with a text that names the first offender, in one form or the other."""

    def answer(self, request: Request) -> Any:
        document = json.loads(request.frame)
        topics = document["args"]
        good, text = True, ""
        if document["op"] == "unsubscribe":
            self.topics -= set(topics)
        else:
            good, text = self.take(topics)
        return {"success": good, "ret_msg": text, "conn_id": "c", "req_id": document["req_id"], "op": document["op"]}

    def take(self, topics: List[str]) -> Tuple[bool, str]:
        for topic in topics:
            if topic in self.topics:
                return False, f"error:already subscribed,topic:{topic}"
            if topic in self.bad:
                return False, (f"error:handler not found,topic:{topic}", f"Invalid symbol :[{topic}]", "no")[self.mood()]
        self.topics |= set(topics)
        return True, ""


class BybitPrivate(Bybit):
    """A request may succeed in part, and the text has lists of both parts, or none."""

    def take(self, topics: List[str]) -> Tuple[bool, str]:
        bad = [topic for topic in topics if topic in self.bad]
        good = [topic for topic in topics if topic not in self.bad]
        if bad and self.mood():
            return False, "no"
        self.topics |= set(good)
        text = f"Successful subscriptions are as follows:[{', '.join(good)}]. The following topics failed:[{', '.join(bad)}]."
        return not bad, text if bad else ""


class BybitOption(Venue):
    """An answer has no id, and lists of what was taken and what was not."""

    def answer(self, request: Request) -> Any:
        document = json.loads(request.frame)
        topics = set(document["args"])
        good = topics - set(self.bad)
        if document["op"] == "unsubscribe":
            self.topics -= topics
            return {"success": True, "type": "COMMAND_RESP", "data": {"successTopics": sorted(topics), "failTopics": []}}
        self.topics |= good
        lists = {"successTopics": sorted(good), "failTopics": sorted(topics - good)}
        return {"success": True, "type": "COMMAND_RESP", "data": lists}


class DigiFinex(Venue):
    """A request with a bad symbol takes the others, or none. An unsubscription ends what it names, or the channel."""

    def answer(self, request: Request) -> Any:
        document = json.loads(request.frame)
        topics = {f"trades.{symbol}" for symbol in document["params"]}
        bad = topics & set(self.bad)
        if document["method"] == "trades.unsubscribe":
            self.topics -= topics or set(self.topics)
        elif not (bad and self.mood()):
            self.topics |= topics - bad
        if bad and document["method"] == "trades.subscribe":
            return {"id": document["id"], "error": {"code": 1, "message": "no"}, "result": None}
        return {"id": document["id"], "error": None, "result": {"status": "success"}}


class DigiFinexSwap(Venue):
    """As ``DigiFinex``, but what is subscribed already is refused, with the code of that, and nothing else of the request is
    carried out."""

    def answer(self, request: Request) -> Any:
        document = json.loads(request.frame)
        topics = {f"trades.{contract}" for contract in document["instrument_ids"]}
        bad, code = topics & set(self.bad), 1
        if document["event"] == "trades.unsubscribe":
            code = 1 if topics & self.topics else 7
            self.topics -= topics
        elif topics & self.topics:
            code = 5
        else:
            if not (bad and self.mood()):
                self.topics |= topics - bad
            code = 2 if bad else 1
        return {"id": document["id"], "event": document["event"], "code": code, "msg": ""}


SOCKETS: Dict[str, Tuple[Callable[[], Any], Callable[[], Venue], str]] = {
    "bybit linear": (lambda: BybitPublicProtocol("linear"), Bybit, "publicTrade"),
    "bybit option": (lambda: BybitPublicProtocol("option"), BybitOption, "publicTrade"),
    "bybit private": (lambda: BybitPrivateProtocol(Credentials("k", "s")), BybitPrivate, "execution"),
    "digifinex": (DigiFinexProtocol, DigiFinex, "trades"),
    "digifinex swap": (DigiFinexSwapProtocol, DigiFinexSwap, "trades"),
}
NAMES = st.sampled_from("ABC")
COURSE = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("subscribe", "unsubscribe")), st.lists(NAMES, min_size=1, max_size=3)),
        st.tuples(st.just("refuse"), st.lists(NAMES, max_size=2)),
        st.tuples(st.sampled_from(("answer", "settle")), st.just([])),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(socket=st.sampled_from([*SOCKETS]), course=COURSE, moods=st.lists(st.integers(0, 2)))
def test_what_counts_as_live_is_there(socket: str, course: Any, moods: List[int]) -> None:
    make, venue_class, channel = SOCKETS[socket]
    venue = venue_class()
    venue.moods = moods
    subscriber = Subscriber(make(), venue)
    for what, names in course:
        if what in ("subscribe", "unsubscribe"):
            getattr(subscriber, what)(channel, *names)
        elif what == "refuse":
            venue.bad = tuple(f"{channel}.{name}" for name in names)
        elif what == "answer":
            subscriber.answer_one()
        else:
            subscriber.settle()
    subscriber.settle()
    assert subscriber.live() == {*subscriber.wanted}
    assert subscriber.dropped == []
