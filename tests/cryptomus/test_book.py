"""Cryptomus's rule for books: ``full_reload``, and a book a market and scale."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Dict, List

import pytest

from dbxsdk import ProtocolError
from dbxsdk.book.rule import Action
from dbxsdk.cryptomus.book import CryptomusBookRule
from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.protocol import Push
from tests import books
from tests.fed_book import FedBook


def frame(full_reload: bool, scale_index: int = 0, **sides: Any) -> Push:
    protocol = CryptomusProtocol()
    protocol.subscribe([f"depth.BTC_USDT:{scale_index}"], ())
    data: Dict[str, Any] = {"symbol": "BTC_USDT", "timestamp": 1750952911, "full_reload": full_reload, **sides}
    data["scale_index"] = scale_index
    (push,) = protocol.receive(json.dumps({"id": 0, "method": "depth_update", "data": data, "error": None}).encode(), False)
    assert isinstance(push, Push)
    return push


class Book:
    def __init__(self, scale_index: int = 0) -> None:
        self.asked: List[int] = []
        self.book = FedBook(
            "BTC_USDT", CryptomusBookRule(scale_index), resynchronise=lambda: self.asked.append(1), close=lambda: None
        )


def test_what_a_frame_means() -> None:
    rule = CryptomusBookRule(0)
    whole, change = frame(True, bids=[["1", "2"]]), frame(False, asks=[["1", "2"]], bids=None)
    assert rule.read(whole, None) == (Action.REPLACE, [["1", "2"]], [], None)
    assert rule.read(change, None) == (Action.APPLY, [], [["1", "2"]], None)


def test_each_scale_is_a_book_of_its_own() -> None:
    fine, coarse = Book(0), Book(1)
    for made in (fine, coarse):
        made.book.handle(frame(True, 0, bids=[["107042.21", "1"]], asks=[["107043.93", "1"]]))
        made.book.handle(frame(True, 1, bids=[["107040", "5"]], asks=[["107050", "5"]]))
        made.book.handle(frame(False, 0, bids=[["107042.21", "2"]], asks=[]))
    assert fine.book.bids() == [(Decimal("107042.21"), Decimal(2))] and fine.book.stats().updates == 2
    assert coarse.book.bids() == [(Decimal(107040), Decimal(5))] and coarse.book.stats().updates == 1


def test_the_pages_example() -> None:
    made = Book()
    example = frame(False, asks=[["107043.93", "0.304313"]], bids=[["106976.11", "0"]])
    assert not made.book.handle(example), "a change before the first whole book"
    made.book.handle(frame(True, asks=[["107050", "1"]], bids=[["106976.11", "1"], ["106970", "2"]]))
    assert made.book.handle(example)
    assert made.book.best_ask == (Decimal("107043.93"), Decimal("0.304313"))
    assert made.book.best_bid == (Decimal(106970), Decimal(2))
    assert made.book.update_id is None and made.book.snapshot().venue_time_ms == 1750952911000


def test_a_crossed_book_is_asked_for_anew() -> None:
    made = Book()
    made.book.handle(frame(True, asks=[["10", "1"]], bids=[["10", "1"]]))
    assert made.book.is_crossed and made.book.is_stale and made.asked == [1]


@pytest.mark.parametrize("payload", [None, [], "x", 5])
def test_what_is_no_book(payload: Any) -> None:
    with pytest.raises(ProtocolError):
        CryptomusBookRule(0).read(Push("t", "depth", "s", "delta", payload, payload, lambda document: document), None)


@pytest.mark.parametrize("sides", [{"asks": "12"}, {"bids": {}}, {"bids": [["1"]]}, {"bids": [["1", "-1"]]}])
def test_sides_that_are_no_levels(sides: Any) -> None:
    made = Book()
    with pytest.raises(ProtocolError):
        made.book.handle(frame(True, **sides))
    assert made.book.is_stale and made.asked == [1]


def test_what_can_be_noticed_is() -> None:
    report = books.run("cryptomus", 3000, faults=0.05)
    assert report.noticed == report.injected
    assert min(report.injected[fault] for fault in ("crossed", "dropped", "unknown delete")) > 10
