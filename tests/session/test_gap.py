"""When a gap is announced, and where it begins."""

from __future__ import annotations

from dbxsdk.events import Gap
from dbxsdk.session.gap import GapTracker


def test_no_gap_before_a_connection_was_lost() -> None:
    tracker = GapTracker()
    tracker.connection_ready((), [1])
    assert not tracker.due
    assert not tracker.answered(1, [])


def test_announced_at_the_last_answer_where_no_update_came_first() -> None:
    tracker = GapTracker()
    tracker.connection_lost(10.0, 1_000)
    tracker.connection_ready(("a", "b"), [1, 2])
    assert tracker.due
    assert not tracker.answered(1, [])
    assert not tracker.answered(77, [])
    assert tracker.answered(2, [])
    assert tracker.announce(12.5) == Gap(("a", "b"), 2.5, 1_000)
    assert not tracker.due


def test_requests_that_are_made_again_are_waited_for() -> None:
    tracker = GapTracker()
    tracker.connection_lost(10.0, 1_000)
    tracker.connection_ready(("a", "b"), [1])
    assert not tracker.answered(1, [2, 3])
    assert not tracker.answered(3, [])
    assert tracker.answered(2, [])


def test_once_announced_by_an_update_the_answers_say_nothing() -> None:
    tracker = GapTracker()
    tracker.connection_lost(10.0, 1_000)
    tracker.connection_ready(("a",), [1])
    tracker.announce(11.0)
    assert not tracker.answered(1, [])


def test_several_drops_without_an_announcement_are_one_gap_from_the_first() -> None:
    tracker = GapTracker()
    tracker.connection_lost(10.0, 1_000)
    tracker.connection_ready(("a",), [1])
    tracker.connection_lost(20.0, 2_000)
    assert not tracker.due
    tracker.connection_ready(("a",), [2])
    assert tracker.announce(30.0) == Gap(("a",), 20.0, 1_000)


def test_nothing_subscribed_leaves_no_gap_behind() -> None:
    tracker = GapTracker()
    tracker.connection_lost(10.0, 1_000)
    tracker.connection_ready((), [])
    assert not tracker.due
    tracker.connection_lost(50.0, 5_000)
    tracker.connection_ready(("a",), [3])
    assert tracker.announce(51.0).seconds == 1.0
