"""What the replies tell of the venue's clock: bounds that hold whatever the way costs, and however clocks are set."""

from __future__ import annotations

import logging
import time
from typing import List, Tuple

import pytest
from hypothesis import given, strategies as st

from dbxsdk.bybit.venue_clock import VenueClock, steady, wall
from tests.bybit.clocks import Clocks

NOW = 1_700_000_000_000


def made(clocks: Clocks) -> VenueClock:
    return VenueClock(clocks.wall, clocks.steady)


def exchange(clock: VenueClock, clocks: Clocks, out_ms: int = 0, back_ms: int = 0, ahead_ms: int = 0) -> None:
    """A request that takes so long either way, to a venue whose clock is ``ahead_ms`` ahead of the truth."""
    asked = clock.moment()
    clocks.ms += out_ms
    venue_ms = clocks.ms + ahead_ms
    clocks.ms += back_ms
    clock.heard(venue_ms, asked)


def error_ms(clock: VenueClock, clocks: Clocks, ahead_ms: int = 0) -> float:
    return clock.now_ms() - (clocks.ms + ahead_ms)


def test_wall_clock_until_something_is_known() -> None:
    clocks = Clocks(NOW, wrong_ms=-5_000)
    clock = made(clocks)
    assert (clock.is_known, clock.skew_ms(), clock.now_ms()) == (False, None, NOW - 5_000)
    assert clock.in_words() == "the venue's clock could not be measured"
    exchange(clock, clocks)
    assert (clock.is_known, clock.skew_ms(), clock.now_ms()) == (True, 5_000, NOW)


@pytest.mark.parametrize("wrong_ms, words", [
    (-3_600_000, "this machine's clock is 3,600.0 s behind the venue's"),
    (1_500, "this machine's clock is 1.5 s ahead of the venue's"),
    (-900, "this machine's clock agrees with the venue's"), (0, "this machine's clock agrees with the venue's"),
])
def test_words(wrong_ms: int, words: str) -> None:
    clocks = Clocks(NOW, wrong_ms=wrong_ms)
    clock = made(clocks)
    exchange(clock, clocks)
    assert clock.in_words() == words


def test_the_quickest_answer_counts_most() -> None:
    clocks = Clocks(NOW)
    clock = made(clocks)
    exchange(clock, clocks, 0, 3_000)  # all of it on the way back: the middle is wrong by a second and a half
    assert -2_600 < error_ms(clock, clocks) < -900
    exchange(clock, clocks, 20, 20)
    assert abs(error_ms(clock, clocks)) <= 20
    exchange(clock, clocks, 0, 9_000)
    assert abs(error_ms(clock, clocks)) <= 25, "a slow one after it takes nothing away"


def test_never_much_ahead() -> None:
    clocks = Clocks(NOW)
    clock = made(clocks)
    exchange(clock, clocks, 8_000, 0)  # the middle would be four seconds ahead, of which the venue takes one
    exchange(clock, clocks, 8_000, 0)
    assert error_ms(clock, clocks) <= 500


@pytest.mark.parametrize("step_ms", [-7_200_000, -6_000, 6_000, 7_200_000])
def test_set_wall_clock_changes_nothing_and_is_told(step_ms: int, caplog: pytest.LogCaptureFixture) -> None:
    clocks = Clocks(NOW)
    clock = made(clocks)
    exchange(clock, clocks, 10, 10)
    assert not caplog.records
    clocks.wrong_ms = step_ms
    clocks.ms += 20_000
    assert abs(error_ms(clock, clocks)) <= 11
    for _ in range(5):
        exchange(clock, clocks, 10, 10)
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "once"
    assert f"{abs(step_ms) / 1000:,.1f} s {'ahead of' if step_ms > 0 else 'behind'}" in caplog.text
    clocks.wrong_ms = 0
    exchange(clock, clocks, 10, 10)
    assert "agrees with the venue's" in caplog.records[-1].getMessage() and len(caplog.records) == 2


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -6_000, 6_000, 3_600_000])
def test_venue_whose_clock_is_set(ahead_ms: int) -> None:
    clocks = Clocks(NOW)
    clock = made(clocks)
    exchange(clock, clocks, 10, 10)
    clocks.ms += 20_000
    exchange(clock, clocks, 200, 10, ahead_ms)
    assert abs(error_ms(clock, clocks, ahead_ms)) <= 106


@pytest.mark.parametrize("per_thousand", [-20, -1, 1, 20])
def test_drift_is_followed(per_thousand: int) -> None:
    clocks = Clocks(NOW)
    clock = made(clocks)
    for heartbeat in range(200):
        ahead_ms = heartbeat * 20 * per_thousand
        exchange(clock, clocks, 15, 5, ahead_ms)
        # Where it agrees with none of the earlier ones, the newest counts alone: never more than its own way.
        assert abs(error_ms(clock, clocks, ahead_ms)) <= 20
        clocks.ms += 20_000


@given(
    st.integers(-10_000_000, 10_000_000),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 100_000)), min_size=1, max_size=20),
)
def test_truth_is_within_the_bounds(wrong_ms: int, exchanges: List[Tuple[int, int, int]]) -> None:
    clocks = Clocks(NOW, wrong_ms=wrong_ms)
    clock = made(clocks)
    quickest = 10**9
    for out_ms, back_ms, pause_ms in exchanges:
        exchange(clock, clocks, out_ms, back_ms)
        quickest = min(quickest + pause_ms * 0.001, out_ms + back_ms)
        assert abs(error_ms(clock, clocks)) <= quickest + 2
        assert error_ms(clock, clocks) <= 501 or quickest > 500
        # What is said of this machine's clock is no guess.
        assert wrong_ms or clock.skew_ms() == 0
        clocks.ms += pause_ms


class TestPongs:
    def clock(self) -> Tuple[VenueClock, Clocks]:
        clocks = Clocks(NOW, wrong_ms=60_000)
        return made(clocks), clocks

    def test_by_key(self) -> None:
        clock, clocks = self.clock()
        for key in "abc":
            clock.ping_made(key)
            clocks.ms += 1_000
        clock.pong_came("b", clocks.ms)
        assert clock.skew_ms() == -59_000 or abs(error_ms(clock, clocks)) <= 1_001
        clock.pong_came("a", NOW - 10**9)  # not waited for any more
        assert abs(error_ms(clock, clocks)) <= 1_001

    def test_in_order_where_they_have_none(self) -> None:
        clock, clocks = self.clock()
        clock.ping_made("a")
        clocks.ms += 40
        clock.ping_made("b")
        clock.pong_came(None, clocks.ms)
        assert abs(error_ms(clock, clocks)) <= 20
        clock.pong_came(None, clocks.ms)
        assert abs(error_ms(clock, clocks)) <= 1

    def test_without_a_ping_or_without_a_time(self) -> None:
        clock, clocks = self.clock()
        clock.pong_came(None, clocks.ms)
        clock.pong_came("a", clocks.ms)
        clock.ping_made("a")
        clock.pong_came("a", None)
        clock.ping_made("b")
        clock.connection_lost()
        clock.pong_came(None, clocks.ms)
        assert not clock.is_known

    def test_pings_that_nobody_answers_are_not_kept_for_ever(self) -> None:
        clock, _ = self.clock()
        for key in range(5_000):
            clock.ping_made(key)
        assert len(clock._pings) == 1_000


def test_the_machines_own() -> None:
    first = steady()
    assert 0 <= steady() - first < 60
    assert abs(wall() - time.time()) < 60
