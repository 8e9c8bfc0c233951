"""A short round of each venue; ``python -m tests.recovery`` makes long ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, List

import pytest

from dbxsdk import Filled, Update
from tests.recovery import bybit, dbot, holes
from tests.recovery.claims import Claims


@pytest.mark.parametrize("play, orders", [(bybit.play, 30), (dbot.play, 30)], ids=["bybit", "dbot"])
def test_resolve_is_never_wrong(play: object, orders: int) -> None:
    verdict = play(orders, 15, "suite")  # type: ignore[operator]
    assert verdict.wrong == []
    assert sum(verdict.table.values()) >= orders // 2


def test_what_is_wrong_is_found() -> None:
    claims = Claims()
    claims.add("create", "executed", lambda: False)
    claims.add("create", "not_executed", lambda: True)
    claims.add("create", "unknown", lambda: True, "waited 3.5 s")
    claims.add("create", "executed", lambda: True)
    verdict = claims.verdict()
    assert len(verdict.wrong) == 2 and verdict.reasons == {"waited N s": 1}


# -- holes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", holes.CASES)
def test_a_few_holes(venue: str) -> None:
    outcome = holes.play(4, "1", venue)
    assert not outcome.wrong and outcome.complete + outcome.partial == 4 and outcome.filled


@pytest.mark.parametrize(
    "came, wrong",
    [
        ("abcd", ""),
        ("abbcd", "1 trades came more often"),
        ("acbd", "1 trades came before earlier ones"),
        ("abd", "trade c of 3000000 never came"),
        ("ab|d", ""),
    ],
)
def test_what_holes_are_judged_by(came: str, wrong: str) -> None:
    truth = {name: 1_000_000 * at for at, name in enumerate("abcd", 1)}
    span = Filled(("publicTrade.X",), 0, False, 2_000_000, 4_000_000)
    seen: List[Any] = [
        span if name == "|" else Update("bybit", "t", "X", "update", (SimpleNamespace(trade_id=name),), 0, 0, {}) for name in came
    ]
    outcome = holes.Outcome()
    holes.judge(outcome, holes.CASES["bybit"][0], seen, list(truth.items()), 0)
    assert wrong in " ".join(outcome.wrong) if wrong else not outcome.wrong
    assert outcome.missed == ("c" not in came)
