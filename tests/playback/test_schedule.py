"""Speeds: what is due when, by a clock that the test moves."""

from __future__ import annotations

import pathlib
from typing import Any, List

import pytest

import dbxsdk
from dbxsdk.playback.schedule import Pace
from tests.playback.written import SECOND, opened, trade, write


class Time:
    """Waiting moves it on, and nothing else does."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.waits: List[float] = []

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.mark.parametrize("speed", [0, -1, -0.5, float("nan"), float("inf"), float("-inf")])
def test_a_speed_that_is_none_is_refused(tmp_path: pathlib.Path, speed: Any) -> None:
    with pytest.raises(ValueError, match="speed"):
        dbxsdk.replay(tmp_path, speed=speed)


@pytest.mark.parametrize("speed", ["2", True, b"1", [1]])
def test_a_speed_must_be_a_number(tmp_path: pathlib.Path, speed: Any) -> None:
    with pytest.raises(TypeError, match="speed"):
        dbxsdk.replay(tmp_path, speed=speed)


@pytest.mark.parametrize("speed", [0.25, 1, 1.0, 8.0])
def test_callbacks_run_in_proportion_to_the_recorded_times(tmp_path: pathlib.Path, speed: float) -> None:
    moments = [5.0, 5.5, 5.5, 9.5, 40.0]
    path = write(tmp_path / "a.gz", opened(5.0), *(trade(at, number) for number, at in enumerate(moments)))
    time = Time()
    called: List[float] = []
    with dbxsdk.replay(path, speed=speed) as replay:
        replay._pace = Pace(speed, time.wait, time.now)
        client = replay.client()
        client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: called.append(time.now() - 100))
        assert replay.run().seconds == 35.0
    # Some of them may be seen late: time moves on as soon as they are handed over.
    due = [(at - 5.0) / speed for at in moments]
    assert len(called) == len(due) and all(called[index] >= moment for index, moment in enumerate(due))
    assert time.waits == [0.5 / speed, 4 / speed, 30.5 / speed]
    assert time.seconds == 100 + 35 / speed


def test_as_fast_as_possible_never_looks_at_the_clock() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError

    pace = Pace(None, never, never)
    assert [pace.advance("a", at * SECOND) for at in (1, 3, 2, 8)] == [0.0] * 4
    assert pace.elapsed_ns == 7 * SECOND


def test_who_is_late_catches_up() -> None:
    time = Time()
    pace = Pace(2.0, time.wait, time.now)
    assert pace.advance("a", 0) == 0.0
    time.seconds += 3.0  # a slow callback
    assert pace.advance("a", 2 * SECOND) == -2.0
    assert pace.advance("a", 8 * SECOND) == 1.0


def test_times_of_threads_that_overtook_each_other_add_nothing() -> None:
    pace = Pace(1.0, lambda seconds: None, lambda: 0.0)
    for at in (10, 9, 10, 9, 12):
        pace.advance("a", at * SECOND)
    assert pace.elapsed_ns == 2 * SECOND


def test_between_recordings_no_time_passes() -> None:
    pace = Pace(1.0, lambda seconds: None, lambda: 0.0)
    for recording, at in (("a", 10), ("a", 12), ("b", 900), ("b", 903), ("c", 1)):
        pace.advance(recording, at * SECOND)
    assert pace.elapsed_ns == 5 * SECOND
