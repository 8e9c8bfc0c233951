"""How far two clocks are apart, and how that is said."""

from __future__ import annotations

import pytest

from dbxsdk import AuthError
from dbxsdk.clock_skew import amount, bounds, explained, in_words, middle


def test_an_answer_bounds_the_difference_from_both_sides() -> None:
    assert bounds(1000.0, 1, 990.0, 1010.0) == (-10.0, 11.0)
    assert bounds(7000, 1000, 990, 1010) == (5990, 7010), "whole seconds: up to one more"


@pytest.mark.parametrize("low, high, skew", [(-10, 11, 0.0), (0, 5, 0.0), (-5, 0, 0.0), (10, 30, 20.0), (-30, -10, -20.0)])
def test_clocks_agree_as_far_as_the_answer_tells(low: float, high: float, skew: float) -> None:
    assert middle(low, high) == skew


def test_the_venue_s_clock_minus_this_one() -> None:
    assert amount(5000) == "5.0 s behind the venue's"
    assert amount(-1234567.0) == "1,234.6 s ahead of the venue's"


@pytest.mark.parametrize("skew_ms, said", [
    (None, "the venue's clock could not be measured"),
    (1999.0, "this machine's clock agrees with the venue's"),
    (-2000.0, "this machine's clock is 2.0 s ahead of the venue's"),
])
def test_in_words(skew_ms: float, said: str) -> None:
    assert in_words(skew_ms, 2000) == said


@pytest.mark.parametrize("skew_ms, hint", [
    (None, "the venue's clock could not be measured: check this machine's clock, the key"),
    (0.0, "this machine's clock agrees with the venue's: check the key"),
    (
        9000.0,
        "this machine's clock is 9.0 s behind the venue's, and its own time was refused, too: "
        "set this machine's clock, and check the key",
    ),
])
def test_a_refusal_says_what_to_check(skew_ms: float, hint: str) -> None:
    told = explained(AuthError("no", code=7, reply={"a": 1}), skew_ms, 2000, "the key")
    assert (told.message, told.code, told.reply) == (f"no ({hint})", 7, {"a": 1})
