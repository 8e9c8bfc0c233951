"""Bybit's rule for books: what each frame means, continuity, and the documented depths."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, List

import pytest

from dbxsdk import ProtocolError
from dbxsdk.book.rule import Action
from dbxsdk.bybit.public.book import DEPTHS, BybitBookRule, check_depth
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.protocol import Push
from tests import books
from tests.fed_book import FedBook


def frame(kind: Any, update_id: Any, bids: Any = (), asks: Any = (), depth: int = 50, **changed: Any) -> Push:
    data = {"s": "BTCUSDT", "b": list(bids), "a": list(asks), "u": update_id, "seq": 5, **changed}
    document = {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": 1672304484978, "data": data}
    (push,) = BybitPublicProtocol("linear").receive(json.dumps(document).encode(), False)
    assert isinstance(push, Push)
    return push


def action(push: Push, last: Any, depth: int = 50) -> Action:
    change = BybitBookRule(depth).read(push, last)
    assert change is not None
    return change[0]


@pytest.mark.parametrize(
    "kind, update_id, last, expected",
    [
        ("snapshot", 18521288, None, Action.REPLACE),
        ("snapshot", 5, 5, Action.REPLACE),
        ("snapshot", 4, 9, Action.REPLACE),
        ("snapshot", 1, 9, Action.REPLACE),
        ("delta", 1, 9, Action.REPLACE),
        ("delta", 1, 0, Action.REPLACE),
        ("delta", 10, 9, Action.APPLY),
        ("delta", "10", 9, Action.APPLY),
        ("delta", 10, None, Action.APPLY),
        ("delta", 11, 9, Action.BROKEN),
        ("delta", 9, 9, Action.BROKEN),
        ("delta", 8, 9, Action.BROKEN),
    ],
)
def test_what_a_frame_means(kind: str, update_id: Any, last: Any, expected: Action) -> None:
    assert action(frame(kind, update_id), last) is expected


def test_depth_one_repeats_its_last_snapshot() -> None:
    assert action(frame("snapshot", 7, depth=1), 7, 1) is Action.REPEAT
    assert action(frame("snapshot", 8, depth=1), 7, 1) is Action.REPLACE
    assert action(frame("snapshot", 7, depth=1), None, 1) is Action.REPLACE, "the book waits for one"
    assert action(frame("snapshot", 1, depth=1), 1, 1) is Action.REPLACE, "a second restart"
    assert action(frame("delta", 8, depth=1), 7, 1) is Action.APPLY, "as the venue did until 2025"


@pytest.mark.parametrize("kind, number", [("delta", None), ("delta", "x"), ("delta", True), (None, 5), ("other", 5)])
def test_what_is_no_update_of_a_book(kind: Any, number: Any) -> None:
    with pytest.raises(ProtocolError):
        BybitBookRule(50).read(frame(kind, number), 4)


@pytest.mark.parametrize("field", ["b", "a", "u"])
def test_a_missing_field(field: str) -> None:
    push = frame("delta", 5)
    del push.payload["data"][field]
    with pytest.raises(ProtocolError):
        BybitBookRule(50).read(push, 4)


@pytest.mark.parametrize("payload", [{}, {"data": None}, {"data": []}, {"data": "b"}])
def test_a_document_of_another_shape(payload: Any) -> None:
    push = Push("t", "c", "s", "delta", payload, payload, lambda document: document)
    with pytest.raises(ProtocolError):
        BybitBookRule(50).read(push, 4)


def test_rows_that_are_no_levels_make_the_book_stale() -> None:
    asked: List[int] = []
    book = FedBook("BTCUSDT", BybitBookRule(50), resynchronise=lambda: asked.append(1), close=lambda: None)
    assert book.handle(frame("snapshot", 5, [["9", "1"]], [["11", "1"]]))
    with pytest.raises(ProtocolError):
        book.handle(frame("delta", 6, [["9", "1", "2"]]))  # as orderbook.rpi has them
    assert book.is_stale and asked == [1]


def test_the_pages_example_and_a_captured_book() -> None:
    book = FedBook("BTCUSDT", BybitBookRule(50), resynchronise=lambda: None, close=lambda: None)
    assert book.handle(frame("snapshot", 18521288, [["16493.50", "0.006"], ["16493.00", "0.100"]], [["16611.00", "0.029"]]))
    assert book.handle(frame("delta", 18521289, [["16493.50", "0.000"]], [["16611.0", "2.5"], ["16610.5", "1"]]))
    assert book.best_bid == (Decimal("16493.00"), Decimal("0.100"))
    assert book.asks() == [(Decimal("16610.5"), Decimal(1)), (Decimal("16611.00"), Decimal("2.5"))]
    assert book.update_id == 18521289 and book.snapshot().venue_time_ms == 1672304484978


def test_a_book_that_touches_itself_is_crossed() -> None:
    asked: List[int] = []
    book = FedBook("BTCUSDT", BybitBookRule(50), resynchronise=lambda: asked.append(1), close=lambda: None)
    book.handle(frame("snapshot", 5, [["9", "1"]], [["9", "1"]]))
    assert book.is_crossed and book.is_stale and asked == [1]


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_a_book_far_beyond_its_depth_is_stale_and_asked_for(kind: str) -> None:
    asked: List[int] = []
    book = FedBook("BTCUSDT", BybitBookRule(50), resynchronise=lambda: asked.append(1), close=lambda: None)
    book.handle(frame("snapshot", 5, [["9", "1"]], [["11", "1"]]))
    with pytest.raises(ProtocolError, match="more than 200 levels"):
        book.handle(frame(kind, 6, asks=[[str(price), "1"] for price in range(12, 10_000)]))
    assert book.is_stale and "more than 200 levels" in str(book.stale_reason) and asked == [1]
    assert len(book.asks()) <= 400 and len(book.state.asks._prices) <= 400
    assert book.handle(frame("snapshot", 7, [["9", "1"]], [[str(price), "1"] for price in range(11, 61)]))
    assert not book.is_stale


def test_every_injected_gap_is_noticed() -> None:
    report = books.run("bybit", 3000, faults=0.05)
    assert report.noticed == report.injected
    assert min(report.injected[fault] for fault in ("lost", "repeated", "restart", "crossed", "dropped")) > 10


def test_depths() -> None:
    for category, depths in DEPTHS.items():
        for depth in depths:
            assert check_depth(category, depth) == depth
    for category, depth in (("linear", 25), ("linear", 500), ("option", 50), ("spot", 0), ("spot", -1)):
        with pytest.raises(ValueError, match=f"depth must be one of .* for {category}"):
            check_depth(category, depth)
    for wrong in ("50", 50.0, True, None):
        with pytest.raises(TypeError, match="depth must be an int"):
            check_depth("linear", wrong)
