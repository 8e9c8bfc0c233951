"""Steps of the machine that a run of ``tests.machine`` has found, each as short as it gets."""

from __future__ import annotations

from typing import List

import attrs
import pytest

from dbxsdk.events import Gap, Silent
from dbxsdk.protocol import Acknowledgement
from dbxsdk.session.core.effects import Abort, Arm, Send
from dbxsdk.session.core.liveness import Look
from dbxsdk.session.core.requests import Role
from dbxsdk.session.core.topics import Hole, Status
from tests.session.core.played import BookOf, Played
from tests.session.fake import FakeProtocol


class Endless(FakeProtocol):
    """A venue that has no word to end a subscription."""

    def unsubscribe(self, topics, live):  # type: ignore[no-untyped-def]
        return ()


def test_the_silence_of_a_topic_that_is_live_again_has_a_deadline_of_its_own() -> None:
    played = Played().ready()
    played.subscribed("a", max_silence=1.0)
    played.do("lost", "cut", played.now)
    played.connect()
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    (request,) = played.flying(Role.SUBSCRIBE)
    played.now += 0.1
    played.answer(request)
    assert [arm.at for arm in played.of(Arm)] == [played.now + 1.0]


def test_the_silence_of_a_live_topic_has_a_deadline_from_its_subscription_on() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    played.subscribe("a", "b", max_silence=1.0)
    assert played.machine.armed <= played.now + 1.0


def test_a_silent_topic_is_subscribed_again_where_the_venue_has_no_word_to_end_it() -> None:
    played = Played(Endless()).ready()
    played.subscribed("a", max_silence=1.0, on_silence="resubscribe")
    played.now += 1.5
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    assert [type(event) for event in played.events] == [Silent]
    assert played.machine.topics.get("a").status is Status.ASKED  # type: ignore[union-attr]
    assert [entry.request.topics for entry in played.flying(Role.SUBSCRIBE)] == [("a",)]


def test_no_login_is_sent_after_close() -> None:
    played = Played()
    login = played.protocol.request("login", None)
    played.connect([login])
    played.do("close")
    played.do("login_answered", [played.protocol.request("login", None)], played.now)
    assert not played.of(Send)


class Lists(FakeProtocol):
    """A venue that takes whole lists only, one request after the other; whatever ends a topic may end all of them."""

    def subscribe(self, topics, live):  # type: ignore[no-untyped-def]
        everything = tuple(dict.fromkeys((*live, *topics)))
        return (attrs.evolve(self._request("list", list(everything), everything), alone=True),)

    def unsubscribe(self, topics, live):  # type: ignore[no-untyped-def]
        leave = attrs.evolve(self._request("list", list(topics), tuple(topics)), alone=True)
        return (leave, *self.subscribe(live, ())) if live else (leave,)


def gaps(played: Played) -> List[Gap]:
    return [event for event in played.events if isinstance(event, Gap)]


def test_no_gap_is_told_after_close() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.do("lost", "cut", played.now)
    played.connect()
    played.do("close")
    played.update("a")
    assert not played.events


def test_a_refused_topic_that_is_granted_among_others_is_live() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.do("lost", "cut", played.now)
    played.connect()
    (again,) = played.flying(Role.SUBSCRIBE)
    played.answer(again, no="not now")
    played.subscribe("b")
    topic = played.machine.topics.get("a")
    assert topic is not None and topic.status is Status.REFUSED
    played.machine.topics.acknowledge(Acknowledgement(accepted=("a", "b")), played.now, Hole(0.0, 0))
    assert topic.status is Status.LIVE


def test_what_a_request_without_an_answer_may_have_ended_gets_a_new_connection() -> None:
    played = Played(Lists()).ready()
    played.subscribed("a")
    played.subscribe("b", patience=1.0)
    played.now += 20.0
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    assert played.of(Abort)
    topic = played.machine.topics.get("a")
    assert topic is not None and topic.status is not Status.LIVE


def test_the_last_updates_before_a_topic_is_ended_together_with_another_do_not_close_its_hole() -> None:
    played = Played(Lists()).ready()
    first, second = played.subscribed("a"), played.subscribed("b")
    played.do("unwant", first, first.topics, played.now)
    played.now += 1.0
    played.update("b")  # sent before the venue saw that a, and with it b, is to end
    assert not gaps(played)
    (leave,) = played.flying(Role.UNSUBSCRIBE)
    played.answer(leave)
    (again,) = played.flying(Role.SUBSCRIBE)
    played.now += 1.0
    played.answer(again)
    (gap,) = gaps(played)
    assert gap.topics == ("b",) and gap.seconds == 2.0
    assert second.active


def test_updates_behind_an_unanswered_unsubscription_do_not_close_the_hole_for_good() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.do("renew", ("a",), played.now)
    played.now += 3.0
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    (again,) = played.flying(Role.SUBSCRIBE)
    played.now += 1.0
    played.update("a")  # of the old subscription, or of the new one: nobody knows
    assert [gap.topics for gap in gaps(played)] == [("a",)]
    played.now += 1.0
    played.answer(again)
    (gap,) = gaps(played)
    assert gap.topics == ("a",) and gap.seconds == 1.0


def test_a_whole_book_behind_an_unanswered_unsubscription_is_not_trusted() -> None:
    played, book = Played().ready(), BookOf()
    played.subscribed("a", sink=book)
    played.do("renew", ("a",), played.now)
    played.now += 3.0
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    topic = played.machine.topics.get("a")
    assert topic is not None and topic.status is Status.ASKED and topic.present == 0


@pytest.mark.parametrize("answer", ["refusal", "none"])
def test_the_hole_of_a_topic_in_doubt_begins_with_the_request_that_put_it_there(answer: str) -> None:
    played = Played(Lists()).ready()
    played.subscribed("a")
    began = played.now
    played.subscribe("b", patience=1.0)  # the venue may end a as soon as it sees this
    played.now += 4.0
    played.hear()  # something else comes meanwhile
    (request,) = played.flying(Role.SUBSCRIBE)
    if answer == "refusal":
        played.machine.topics.acknowledge(Acknowledgement(dropped=("a",)), played.now, Hole(played.now, 1))
    else:
        played.now += 20.0
        played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    topic = played.machine.topics.get("a")
    assert topic is not None and topic.hole is not None and topic.hole.since <= began


def test_an_unsubscription_that_could_not_be_written_in_time_is_written_later() -> None:
    played = Played().ready()
    subscription = played.subscribed("a")
    played.do("unwant", subscription, subscription.topics, played.now)
    (leave,) = played.flying(Role.UNSUBSCRIBE)
    leave.written = False  # the peer does not read for a while
    played.now += 20.0
    played.do("tick", played.now, Look(0.0, played.now, played.now, played.now))
    assert not played.flying(Role.UNSUBSCRIBE)
    assert not leave.abandoned, "or the outbox passes over it, and the venue goes on for ever"


def test_what_comes_behind_a_hole_is_behind_it_though_the_topic_is_interrupted_once_more() -> None:
    played = Played(Lists()).ready()
    first, _ = played.subscribed("a"), played.subscribed("b")
    played.do("lost", "cut", played.now)
    played.now += 3.0
    played.connect()
    played.do("unwant", first, first.topics, played.now)
    (again,) = played.flying(Role.SUBSCRIBE)
    played.answer(again)  # a is left now, and b is in doubt as soon as it was live
    told = gaps(played)
    played.update("b")
    told += gaps(played)
    assert [(gap.topics, gap.seconds) for gap in told] == [(("b",), 3.0)]
    (leave,) = played.flying(Role.UNSUBSCRIBE)
    played.answer(leave)
    (again,) = played.flying(Role.SUBSCRIBE)
    played.answer(again)
    assert [gap.topics for gap in gaps(played)] == [("b",)], "and what was missed since"


def test_on_a_new_connection_every_update_is_behind_the_hole() -> None:
    """Whatever the topic's status: a venue may send what it has refused, or send it by another subscription."""
    played = Played().ready()
    played.subscribed("a")
    played.do("lost", "cut", played.now)
    played.now += 3.0
    played.connect()
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request, no="not now")
    played.update("a")
    assert [(gap.topics, gap.seconds) for gap in gaps(played)] == [(("a",), 3.0)]
    played.update("a")
    assert gaps(played) == []


def test_what_an_answer_drops_before_its_own_acknowledgement_begins_anew() -> None:
    played, book = Played(Lists()).ready(), BookOf()
    played.subscribed("a", sink=book)
    played.do("lost", "cut", played.now)
    played.connect()
    played.update("a")  # the new subscription has begun, and its first update closes the hole
    topic = played.machine.topics.get("a")
    assert topic is not None and topic.status is Status.ASKED and topic.present == topic.epoch == 2
    played.machine.topics.acknowledge(Acknowledgement(dropped=("a",)), played.now, Hole(played.now, 1))
    assert topic.epoch == 3 and topic.present == 0 and topic.hole is not None
