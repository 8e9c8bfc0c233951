"""When a connection of a venue that ends them at a certain age is replaced, and how."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

from dbxsdk.events import Disconnected, Gap
from dbxsdk.session.core.effects import Abort
from dbxsdk.session.core.link import Verdict
from dbxsdk.session.core.liveness import Look
from dbxsdk.session.core.renewal import Renewal
from dbxsdk.session.core.requests import Role
from dbxsdk.session.state import State
from tests.session.core.played import Played
from tests.session.fake import FakeProtocol

DAY = 86_400.0
HOUR = 3_600.0


class Daily(FakeProtocol):
    longest_connection = DAY
    heartbeat_interval = 10 * DAY


def renewal(part: float = 0.0) -> Renewal:
    made = Renewal(DAY, lambda seconds: part * seconds)
    made.begin(0.0)
    return made


def look(silent_for: float) -> Look:
    return Look(silent_for, 0.0, None, None)


def test_without_an_age_nothing_is_ever_due() -> None:
    never = Renewal(None, lambda seconds: seconds)
    never.begin(0.0)
    assert never.due_or_next(look(1e9), False, 1e12) == (False, float("inf"))


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_nothing_is_due_before_the_last_hour_and_each_client_has_its_own_beginning(part: float) -> None:
    due, at = renewal(part).due_or_next(look(1e9), False, 22 * HOUR)
    assert not due and 23 * HOUR < at < 24 * HOUR - 1000
    assert at == pytest.approx(DAY * (0.96 + 0.025 * part))


def first(silences: Any) -> Tuple[float, float]:
    """When it is due, and after how long a silence, if the network brings something whenever ``silences`` says."""
    made, now = renewal(), 22 * HOUR
    looks: List[float] = []
    while True:
        silent = silences(now)
        due, at = made.due_or_next(look(silent), False, now)
        looks.append(now)
        assert at > now or due
        if due:
            assert len(looks) < 200_000
            return now, silent
        now = at


def test_a_quiet_connection_is_renewed_soon_a_busy_one_in_time() -> None:
    quiet, _ = first(lambda now: 60.0)
    assert quiet == pytest.approx(0.96 * DAY)
    middling, silence = first(lambda now: now % 5)
    assert quiet < middling < DAY * 0.995 and silence > 3
    busy, silence = first(lambda now: 0.0)
    assert DAY * 0.99 < busy < DAY * 0.9951 and silence == 0.0


def test_it_is_never_looked_at_too_late() -> None:
    short = Renewal(1.0, lambda seconds: 0.0)
    short.begin(0.0)
    due, at = short.due_or_next(look(0.0), False, 0.961)
    assert not due and at == pytest.approx(0.961 + 0.05)
    assert short.due_or_next(look(0.0), False, at) == (True, at + 0.05)


def test_who_waits_for_an_answer_is_waited_for() -> None:
    assert renewal().due_or_next(look(60.0), True, 0.97 * DAY) == (False, 0.97 * DAY + 0.05)
    assert renewal().due_or_next(look(60.0), True, 0.999 * DAY)[0] is False
    assert renewal().due_or_next(look(0.0), False, 0.999 * DAY)[0] is True


def ticked(played: Played, silent_for: float) -> None:
    played.do("tick", played.now, Look(silent_for, played.now, played.now, played.now))


def test_it_is_a_drop_with_its_gap_and_the_next_connection_comes_at_once() -> None:
    played = Played(Daily()).ready()
    played.subscribed("a")
    begun = played.now
    played.now = begun + 0.9 * DAY
    ticked(played, 60.0)
    assert played.of(Abort) == []
    played.now = begun + 0.99 * DAY
    ticked(played, 60.0)
    (abort,) = played.of(Abort)
    assert "renewed" in abort.reason and played.machine.link.state is State.RECONNECTING
    # What is asked now is not written to the connection that ends.
    sent = len(played.sent)
    played.subscribe("b")
    ticked(played, 60.0)
    assert len(played.sent) == sent and played.of(Abort) == []
    assert played.do("lost", abort.reason, played.now) == Verdict(delay=0.0)
    assert [type(event) for event in played.events] == [Disconnected]
    played.connect()
    (request,) = played.flying(Role.SUBSCRIBE)
    assert set(request.request.topics) == {"a", "b"}
    played.answer(request)
    assert [event.topics for event in played.events if isinstance(event, Gap)] == [("a",)]
    # The next one has its own time, and an ordinary end its ordinary delay.
    ticked(played, 60.0)
    assert played.of(Abort) == []
    assert played.do("lost", "cut", played.now).delay > 0


def test_a_request_in_flight_holds_it_up() -> None:
    played = Played(Daily()).ready()
    played.now += 0.99 * DAY
    played.subscribe("a")
    ticked(played, 60.0)
    assert played.of(Abort) == [] and played.machine.armed <= played.now + 0.05
