"""A short round of each venue; ``python -m tests.recovery`` makes long ones."""

from __future__ import annotations

import pytest

from tests.recovery import bybit, dbot
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
