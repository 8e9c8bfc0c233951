"""When a heartbeat is due, and when a connection or a topic counts as silent."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import pytest

from dbxsdk.events import Silent
from dbxsdk.protocol import Request
from dbxsdk.session.core.effects import Abort
from dbxsdk.session.core.liveness import Liveness, Look
from dbxsdk.session.core.requests import Entry, Role
from dbxsdk.session.core.topics import Status, Topic
from tests.session.core.played import Played
from tests.session.fake import FakeProtocol

INTERVAL, SILENCE = 10.0, 20.0


class Counting(FakeProtocol):
    """A venue that takes a client that sends nothing but requests for an idle one."""

    only_heartbeats_count = True


def liveness(protocol: Optional[FakeProtocol] = None) -> Liveness:
    made = Liveness(protocol or FakeProtocol(), INTERVAL, SILENCE)
    made.begin(100.0)
    return made


def look(
    now: float, silent_for: float = 0.0, sent: Optional[float] = None, message: Optional[float] = None, seen: Any = None
) -> Look:
    return Look(silent_for, now if seen is None else seen, sent, message)


def beat(deadline: float) -> Sequence[Entry]:
    return [Entry(Request(1, "{}", "ping"), Role.HEARTBEAT, deadline)]


def topic(updated_at: float, max_silence: Optional[float]) -> Topic:
    made = Topic("a")
    made.status, made.updated_at, made.max_silence = Status.LIVE, updated_at, max_silence
    return made


def test_without_options_the_venues_interval_and_time_for_the_answer_count() -> None:
    usual = Liveness(FakeProtocol(), None, None)
    assert (usual.interval, usual.silence) == (FakeProtocol.heartbeat_interval, FakeProtocol.heartbeat_interval + 10.0)


# -- heartbeats --------------------------------------------------------------------------------------


def test_a_heartbeat_is_due_when_nothing_was_sent_for_an_interval() -> None:
    assert liveness().beat_at(look(105.0, sent=104.0, message=104.5), (), 105.0) == 114.0


def test_a_heartbeat_is_due_when_nothing_was_received_for_an_interval_though_much_was_sent() -> None:
    assert liveness().beat_at(look(109.0, sent=109.0, message=102.0), (), 109.0) == 112.0


def test_one_unanswered_heartbeat_is_enough_where_nothing_is_received() -> None:
    assert liveness().beat_at(look(113.0, sent=112.0, message=102.0), beat(132.0), 113.0) == 122.0


def test_where_only_heartbeats_count_requests_put_none_off() -> None:
    counting = liveness(Counting())
    assert counting.beat_at(look(109.0, sent=109.0, message=109.0), (), 109.0) == 110.0
    counting.beaten(110.0)
    assert counting.beat_at(look(119.0, sent=119.0, message=119.0), (), 119.0) == 120.0


def test_a_tick_sends_the_heartbeat_that_is_due_and_says_when_the_next_is() -> None:
    played = Played(heartbeat_interval=INTERVAL).ready()
    start = played.now
    due = played.do("tick", start, look(start, sent=start))
    assert due <= start + INTERVAL and not played.sent
    played.now += INTERVAL
    played.do("tick", played.now, look(played.now, silent_for=INTERVAL, sent=start))
    (entry,) = played.flying(Role.HEARTBEAT)
    assert [each.role for each in played.sent] == [Role.HEARTBEAT]
    played.answer(entry)
    assert played.flying(Role.HEARTBEAT) == []


def test_the_answer_to_a_heartbeat_is_one_to_those_before_it() -> None:
    played = Played(heartbeat_interval=INTERVAL, silence_timeout=60.0).ready()
    for _ in range(3):
        played.now += INTERVAL
        played.do("tick", played.now, look(played.now, sent=played.now - INTERVAL))
    first, second, third = played.flying(Role.HEARTBEAT)
    played.answer(second)
    assert played.flying(Role.HEARTBEAT) == [third]


# -- silence of the connection -----------------------------------------------------------------------


def test_a_silent_connection_ends_at_the_second_look() -> None:
    one = liveness()
    assert one.end_or_next(look(110.0, silent_for=10.0), (), 110.0) == (None, 120.0)
    reason, due = one.end_or_next(look(121.0, silent_for=21.0), (), 121.0)
    assert reason is None and 121.0 < due < 122.0, "what came during a stop of the process lies unread"
    reason, _ = one.end_or_next(look(due, silent_for=21.1), (), due)
    assert reason == "nothing was received for 21.1 s"


def test_a_byte_between_the_looks_clears_the_suspicion() -> None:
    one = liveness()
    one.end_or_next(look(121.0, silent_for=21.0), (), 121.0)
    assert one.end_or_next(look(121.1), (), 121.1)[0] is None
    assert one.end_or_next(look(150.0, silent_for=28.0), (), 150.0)[0] is None, "a first look again"


def test_an_unanswered_heartbeat_ends_a_connection_whatever_else_comes() -> None:
    one = liveness()
    assert one.end_or_next(look(129.0), beat(130.0), 129.0) == (None, 130.0)
    assert one.end_or_next(look(130.0), beat(130.0), 130.0)[0] is None
    reason, _ = one.end_or_next(look(130.1), beat(130.0), 130.1)
    assert reason is not None and reason.startswith("a heartbeat was not answered")


def test_a_reader_that_stands_still_says_nothing_about_the_venue() -> None:
    one = liveness()
    for now in (131.0, 140.0, 190.0):
        reason, due = one.end_or_next(look(now, seen=125.0), beat(130.0), now)
        assert reason is None and due <= now + SILENCE


def test_a_tick_ends_the_connection_that_is_silent() -> None:
    played = Played(silence_timeout=2.0).ready()
    played.now += 2.5
    due = played.do("tick", played.now, look(played.now, silent_for=2.5, sent=played.now))
    assert not played.of(Abort)
    played.do("tick", due, look(due, silent_for=2.6, sent=played.now))
    assert [abort.reason for abort in played.of(Abort)] == ["nothing was received for 2.6 s"]


# -- silence of topics -------------------------------------------------------------------------------


def test_a_topic_is_silent_once_its_limit_has_passed_unseen() -> None:
    watched = topic(100.0, 5.0)
    assert Liveness.silent_topics([watched], look(104.0), 104.0) == ([], 105.0)
    assert Liveness.silent_topics([watched], look(105.5), 105.5) == ([(watched, 5.5)], None)
    assert watched.silent
    assert Liveness.silent_topics([watched], look(109.0), 109.0) == ([], None), "told once"


def test_what_came_meanwhile_may_lie_unread_behind_a_busy_reader() -> None:
    watched = topic(100.0, 5.0)
    silent, due = Liveness.silent_topics([watched], look(110.0, seen=104.0), 110.0)
    assert silent == [] and due is not None and 110.0 < due < 111.0


def test_the_earliest_limit_says_when_to_look_again() -> None:
    topics: List[Topic] = [topic(100.0, 5.0), topic(101.0, 2.0), topic(0.0, None)]
    assert Liveness.silent_topics(topics, look(102.0), 102.0) == ([], 103.0)


@pytest.mark.parametrize("on_silence", ["tell", "resubscribe", "reconnect"])
def test_a_silent_topic_is_told_and_what_was_asked_for_is_done(on_silence: str) -> None:
    played = Played().ready()
    played.subscribed("a", max_silence=5.0, on_silence=on_silence)
    played.now += 6.0
    played.do("tick", played.now, look(played.now, sent=played.now))
    assert played.events == [Silent("a", 6.0, client="client")]
    assert bool(played.of(Abort)) == (on_silence == "reconnect")
    assert [entry.request.topics for entry in played.flying(Role.UNSUBSCRIBE)] == (
        [("a",)] if on_silence == "resubscribe" else []
    )
