"""DigiFinex's rule for books: ``clean``, asks best last, missing sides, and the page's own crossed example."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any, List

import pytest

from dbxsdk import ProtocolError
from dbxsdk.book.rule import Action
from dbxsdk.digifinex.book import DigiFinexBookRule
from dbxsdk.digifinex.protocol import DigiFinexProtocol
from dbxsdk.protocol import Push
from tests import books
from tests.fed_book import FedBook


def frame(clean: bool, depth: Any) -> Push:
    document = {"method": "depth.update", "params": [clean, depth, "BTC_USDT"], "id": None}
    (push,) = DigiFinexProtocol().receive(zlib.compress(json.dumps(document).encode()), True)
    assert isinstance(push, Push)
    return push


class Book:
    def __init__(self) -> None:
        self.asked: List[int] = []
        self.book = FedBook(
            "BTC_USDT", DigiFinexBookRule(), resynchronise=lambda: self.asked.append(1), close=lambda: None
        )


def test_what_a_frame_means() -> None:
    rule = DigiFinexBookRule()
    assert rule.read(frame(True, {"bids": [["1", "2"]]}), None) == (Action.REPLACE, [["1", "2"]], [], None)
    assert rule.read(frame(False, {"asks": [["1", "2"]], "bids": None}), None) == (Action.APPLY, [], [["1", "2"]], None)


@pytest.mark.parametrize("depth", [None, [], "x", 5])
def test_what_is_no_book(depth: Any) -> None:
    with pytest.raises(ProtocolError):
        DigiFinexBookRule().read(frame(True, depth), None)


@pytest.mark.parametrize("depth", [{"asks": "12"}, {"bids": {}}, {"bids": [["1"]]}, {"bids": 0}])
def test_sides_that_are_no_levels(depth: Any) -> None:
    made = Book()
    with pytest.raises(ProtocolError):
        made.book.handle(frame(True, depth))
    assert made.book.is_stale and made.asked == [1]


def test_captured_frames() -> None:
    made = Book()
    book = made.book
    assert not book.handle(frame(False, {"asks": [["5", "1"]]})), "a change before the first whole book"
    asks = [["11702.01", "0.001"], ["11700.24", "0.8716"], ["11699.57", "0.1029"]]
    bids = [["11697.89", "0.2184"], ["11697.13", "7.0356"], ["11696.79", "0.2149"]]
    assert book.handle(frame(True, {"asks": asks, "bids": bids}))
    assert book.best_ask == (Decimal("11699.57"), Decimal("0.1029")), "the last of them"
    assert [price for price, _ in book.asks()] == [Decimal("11699.57"), Decimal("11700.24"), Decimal("11702.01")]
    asks = [["11702.81", "0.001"], ["11699.92", "0.008"], ["11699.57", "0"], ["11787.24", "0"]]
    assert book.handle(frame(False, {"asks": asks, "bids": [["11642.72", "13.1172"], ["11620.87", "0"]]}))
    assert book.best_ask == (Decimal("11699.92"), Decimal("0.008"))
    assert book.bids()[-1] == (Decimal("11642.72"), Decimal("13.1172"))
    assert book.stats().unknown_deletes == 2 and book.update_id is None and book.snapshot().venue_time_ms is None
    assert book.handle(frame(True, {"asks": [["2", "1"]], "bids": [["1", "1"]]})), "a whole book in mid-stream"
    assert book.bids() == [(Decimal(1), Decimal(1))]


def test_the_pages_own_example_is_flagged_and_believed() -> None:
    made = Book()
    example = {"asks": [["8000.00", "9.6250"]], "bids": [["8000.00", "9.6250"]]}
    assert made.book.handle(frame(True, example))
    assert made.book.is_crossed and not made.book.is_stale and made.asked == [] and made.book.spread == 0
    assert made.book.handle(frame(False, {"bids": [["7999", "1"]]}))
    assert not made.book.is_stale, "a change elsewhere does not make it worse"
    assert made.book.handle(frame(False, {"bids": [["8001", "1"]]}))
    assert made.book.is_stale and made.asked == [1]


def test_a_change_that_makes_it_touch_itself_is_not_believed() -> None:
    # With nothing numbered this is all that tells of a lost deletion.
    made = Book()
    made.book.handle(frame(True, {"asks": [["11", "1"]], "bids": [["9", "1"]]}))
    made.book.handle(frame(False, {"bids": [["11", "1"]]}))
    assert made.book.is_crossed and made.book.is_stale and made.asked == [1]


def test_what_can_be_noticed_is() -> None:
    report = books.run("digifinex", 3000, faults=0.05)
    assert report.noticed == report.injected
    assert min(report.injected[fault] for fault in ("crossed", "dropped", "unknown delete")) > 10
