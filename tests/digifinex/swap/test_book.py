"""The rule of swap books: ``full_data``, a window that is cut, times that go back; and the random course of a window."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any, Dict, List

import pytest

from dbxsdk import ProtocolError
from dbxsdk.book.rule import Action
from dbxsdk.book.side import CutSide
from dbxsdk.digifinex.swap.book import SwapBookRule
from dbxsdk.digifinex.swap.protocol import DigiFinexSwapProtocol
from dbxsdk.protocol import Push
from tests.digifinex.swap.frames import BTC, CHANGE, WHOLE, update
from tests.fed_book import FedBook


def frame(data: Any, **more: Any) -> Push:
    (push,) = DigiFinexSwapProtocol().receive(json.dumps(update("depth", data, **more)).encode(), False)
    assert isinstance(push, Push)
    return push


class Book:
    def __init__(self, level: int = 10) -> None:
        self.asked: List[int] = []
        self.book = FedBook(BTC, SwapBookRule(level), resynchronise=lambda: self.asked.append(1), close=lambda: None)


def test_what_a_frame_means() -> None:
    rule, whole, change = SwapBookRule(10), frame(WHOLE, full_data=True), frame(CHANGE)
    before, at, after = (CHANGE["timestamp"] + each for each in (-1, 0, 1))
    assert rule.read(whole, None) == (Action.REPLACE, WHOLE["bids"], WHOLE["asks"], WHOLE["timestamp"])
    assert rule.read(whole, after)[0] is Action.REPLACE, "whenever it comes"  # type: ignore[index]
    assert [rule.read(change, last)[0] for last in (None, before, at)] == [Action.APPLY] * 3  # type: ignore[index]
    assert rule.read(change, after)[0] is Action.BROKEN  # type: ignore[index]
    assert rule.read(frame({**CHANGE, "bids": None}), None)[1] == []  # type: ignore[index]


@pytest.mark.parametrize("moment", [None, "x", 1.5, [], True])
def test_an_update_without_a_time_is_no_update(moment: Any) -> None:
    with pytest.raises(ProtocolError, match="no|not an update of a book"):
        SwapBookRule(10).read(frame({**CHANGE, "timestamp": moment}), None)


def test_the_samples_of_the_reference_make_a_book() -> None:
    made = Book()
    book = made.book
    assert not book.handle(frame(CHANGE)), "a change before the first whole book"
    book.handle(frame(WHOLE, full_data=True))
    book.handle(frame(CHANGE))
    assert book.bids() == [(Decimal("61234.5"), 120), (Decimal("61234.1"), 77), (Decimal("61233.9"), 20)]
    assert book.asks() == [(Decimal("61235"), 310), (Decimal("61235.3"), 15)]
    assert not book.is_stale and book.update_id == CHANGE["timestamp"]
    asked = len(made.asked)
    book.handle(frame({**CHANGE, "timestamp": CHANGE["timestamp"] - 1}))
    assert book.is_stale and len(made.asked) == asked + 1


def test_a_row_that_the_venue_forgot_to_delete_leaves_the_window() -> None:
    made = Book()
    rows = [[str(100 - number), 1] for number in range(10)]
    made.book.handle(frame({**WHOLE, "bids": rows, "asks": [["101", 1]]}, full_data=True))
    made.book.handle(frame({**CHANGE, "bids": [["100.5", 2]], "asks": []}))
    assert [price for price, _ in made.book.bids()] == [Decimal("100.5"), *(100 - number for number in range(9))]
    # It comes back as any other row, once it is in the window again.
    made.book.handle(frame({**CHANGE, "bids": [["91", 7], ["100.5", 0]], "asks": []}))
    assert made.book.bids()[-1] == (91, 7) and len(made.book.bids()) == 10


@pytest.mark.parametrize("bids", [True, False])
def test_a_side_that_is_cut_has_always_the_best(bids: bool) -> None:
    chance = random.Random(5)
    side = CutSide([], bids=bids, most=400, kept=10)
    truth: Dict[int, int] = {}
    for _ in range(3_000):
        price, size = chance.randrange(60), chance.choice([0, 0, 1, 2])
        side.apply([[str(price), size]])
        truth.update({price: size}) if size else truth.pop(price, None)
        kept = sorted(truth, reverse=bids)[:10]
        truth = {each: truth[each] for each in kept}  # what left the window is forgotten
        assert [(int(found), int(size)) for found, size in side.levels()] == [(each, truth[each]) for each in kept]
