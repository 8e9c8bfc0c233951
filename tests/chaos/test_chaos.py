"""Exactly one outcome for each request, and the right one, while the venue and the network do their worst."""

from __future__ import annotations

import os

import pytest

from tests.chaos.rounds import RESULT, play
from tests.chaos.venues import VENUES
from tests.conftest import library_threads

SEED = os.environ.get("DBXSDK_CHAOS_SEED", "7")
THREADS = 8


@pytest.mark.parametrize("kind", VENUES)
def test_each_request_has_exactly_one_outcome_and_the_right_one(kind: str) -> None:
    verdict = play(kind, 500, THREADS, SEED)
    assert verdict.violations == []
    assert sum(verdict.table.values()) == 500
    # It was chaos, and not one failure from end to end.
    for outcome in (RESULT, "VenueError", "RequestTimeout", "ConnectionLost", "ConnectError"):
        assert verdict.count(outcome), f"seed {SEED}: no {outcome}: {verdict.table}"
    assert verdict.table["RequestTimeout", 0] and verdict.table["RequestTimeout", 1], f"seed {SEED}: {verdict.table}"


@pytest.mark.parametrize("kind", VENUES)
def test_close_in_the_middle_gives_each_request_its_outcome(kind: str) -> None:
    verdict = play(kind, 300, THREADS, SEED, close_after=100)
    assert verdict.violations == []
    assert verdict.count(RESULT) and verdict.count("ClientClosed") > 50, f"seed {SEED}: {verdict.table}"
    assert library_threads() == []
