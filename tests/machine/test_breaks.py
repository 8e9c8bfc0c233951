"""A machine with a defect does not pass. ``python -m tests.machine --breaks`` says after how many steps each is found."""

from __future__ import annotations

import pytest

from tests.machine.breaks import BREAKS, Break, broken
from tests.machine.course import Totals, search

STEPS = 30_000
"""Within which each of them is found: some seconds."""


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_a_defect_is_found(each: Break) -> None:
    with broken(each):
        found = search(each.seed, STEPS, Totals())
    assert found is not None, each.what
    assert found.promise in str(found)


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_a_defect_can_be_put_in_and_is_gone_again(each: Break) -> None:
    sound = each.owner.__dict__[each.method]
    with broken(each):
        assert each.owner.__dict__[each.method] is not sound
    assert each.owner.__dict__[each.method] is sound
