"""Order books: the sorted sides, what readers on other threads see, staleness, waiting, callbacks. No network."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from dbxsdk import ConnectError, ProtocolError, WrongThreadError
from dbxsdk.book.resync import LONGEST_PATIENCE, PATIENCE
from dbxsdk.book.values import BookSnapshot, BookStats
from dbxsdk.book.rule import Action, BookRule, Change
from dbxsdk.book.side import Side
from dbxsdk.protocol import Push
from tests import books
from tests.books import WIRES, Clock, SlowBook
from tests.fed_book import FedBook
from tests.waiting import Background, Recorder, eventually

D = Decimal


class NumberedRule(BookRule):
    """A venue that numbers its updates; None: another book's."""

    def read(self, push: Push, last: Optional[int]) -> Optional[Change]:
        if push.payload is None:
            return None
        bids, asks, number = push.payload
        if push.kind == "snapshot":
            return (Action.REPEAT if number == last else Action.REPLACE), bids, asks, number
        return (Action.APPLY if last is None or number == last + 1 else Action.BROKEN), bids, asks, number


class Book:
    """A book, and what it asked for."""

    def __init__(self, rule: Optional[BookRule] = None, **hooks: Any) -> None:
        self.clock = Clock()
        self.asked: List[float] = []
        self.closed: List[str] = []
        self.book = FedBook(
            "X",
            rule or NumberedRule(),
            resynchronise=lambda: self.asked.append(self.clock.now),
            close=lambda: self.closed.append("closed"),
            clock=self.clock,
            **hooks,
        )
        self.number = 0

    def push(self, kind: str, bids: Any, asks: Any, number: Optional[int] = None) -> bool:
        self.number = self.number + 1 if number is None else number
        return self.book.handle(push(kind, (bids, asks, self.number)))

    def snapshot(self, bids: Any = (("9", "1"),), asks: Any = (("11", "2"),), number: Optional[int] = None) -> bool:
        return self.push("snapshot", rows(bids), rows(asks), number)

    def delta(self, bids: Any = (), asks: Any = (), number: Optional[int] = None) -> bool:
        return self.push("delta", rows(bids), rows(asks), number)


def push(kind: str, payload: Any) -> Push:
    return Push("t", "c", "X", kind, {}, payload, lambda payload: payload, 77)


def rows(levels: Any) -> Any:
    return [list(level) for level in levels] if isinstance(levels, tuple) else levels


def levels(*pairs: Tuple[str, str]) -> List[Tuple[Decimal, Decimal]]:
    return [(D(price), D(size)) for price, size in pairs]


@pytest.fixture
def fresh() -> Book:
    made = Book()
    assert made.snapshot((("9", "1"), ("8", "4"), ("7.5", "0.5")), (("10", "2"), ("10.5", "3"), ("12", "5")))
    return made


# -- sides -----------------------------------------------------------------------------------------------

# Few prices, so that they meet again, in several spellings; sizes of every kind that a wire has had.
prices = st.integers(1, 40).flatmap(lambda tick: st.sampled_from([f"{tick / 10}", f"{tick / 10:.2f}", f"{tick / 10:.3f}"]))
sizes = st.sampled_from(["0", "0.000", "0e3", "-0", "1", "1.50", "7", "0.00001", "1e-400", "1e400", "123456789.123456789"])
changes = st.lists(st.lists(st.tuples(prices, sizes).map(list), max_size=30), min_size=1, max_size=12)


@settings(max_examples=75, deadline=None)
@given(changes, st.booleans())
def test_a_side_is_what_the_obvious_one_is(script: List[Any], bids: bool) -> None:
    slow, unknown = SlowBook(), 0
    side = Side(script[0], bids=bids, most=1000)
    slow.replace((script[0], []) if bids else ([], script[0]))
    slow.unknown_deletes = 0
    for change in script[1:]:
        unknown += side.apply(change)
        slow.apply((change, []) if bids else ([], change))
        expected = slow.bids() if bids else slow.asks()
        assert side.best == (expected[0] if expected else None)
        assert list(side.levels()) == expected
    assert list(side.levels()) == (slow.bids() if bids else slow.asks())
    assert unknown == slow.unknown_deletes


@settings(max_examples=75, deadline=None)
@given(st.lists(st.tuples(prices, sizes).map(list), max_size=30), st.sampled_from([None, False, True]), st.booleans())
def test_a_first_update_is_one_like_any_other(change: Any, descending: Any, bids: bool) -> None:
    """Sorted or not, with a price named twice, or none at all: whole books take a way of their own."""
    if descending is not None:
        change = sorted(change, key=lambda row: D(row[0]), reverse=descending)
    slow, first = SlowBook(), Side([], bids=bids, most=1000)
    slow.apply((change, []) if bids else ([], change))
    one_by_one = Side([], bids=bids, most=1000)
    assert first.apply(change) == sum(one_by_one.apply([row]) for row in change) == slow.unknown_deletes
    expected = slow.bids() if bids else slow.asks()
    assert list(first.levels()) == list(one_by_one.levels()) == expected
    for side in (first, one_by_one):
        assert side.best == (expected[0] if expected else None)
        assert side.apply([["0.05", "1"], ["50", "2"]]) == 0
        found = [price for price, _ in side.levels()]
        assert found == sorted([D("0.05"), *(price for price, _ in expected), D(50)], reverse=bids)


TWICE = [
    ([["9", "0"], ["9", "3"]], 0, ("9", "3")),
    ([["9", "3"], ["9", "0"]], 0, ("8", "2")),
    ([["9", "0"], ["9.0", "0"]], 1, ("8", "2")),
    ([["9", "0"], ["9", "0"], ["9", "0.0"]], 2, ("8", "2")),
    ([["9.0", "4"], ["9", "0"], ["9.00", "5"]], 0, ("9", "5")),
    ([["9", "0"], ["8", "0"]], 0, None),
    ([["9", "0"], ["8", "0"], ["7", "1"]], 0, ("7", "1")),
    ([["10", "1"], ["10", "0"]], 0, ("9", "1")),
    ([["10", "1"], ["11", "1"], ["11", "0"], ["9", "0"]], 0, ("10", "1")),
    ([["10", "1"], ["10", "0"], ["9", "0"], ["9", "1"]], 0, ("9", "1")),
    ([["1", "0"], ["9", "7"], ["2", "0"], ["8", "0"]], 2, ("9", "7")),
    ([["10", "0"], ["9", "0"], ["10", "1"]], 1, ("10", "1")),
]


@pytest.mark.parametrize("change, unknown, best", TWICE, ids=repr)
def test_the_rows_of_an_update_count_in_their_order(change: Any, unknown: int, best: Any) -> None:
    side = Side([["9", "1"], ["8", "2"]], bids=True, most=1000)
    assert side.apply(change) == unknown
    assert side.best == (levels(best)[0] if best else None)
    assert next(side.levels(), None) == side.best
    # What was deleted comes back as any other.
    assert side.apply([["8", "6"], ["9", "5"]]) == 0 and side.apply([["10", "0"], ["11", "0"]]) >= 1
    assert side.best == (D(9), D(5)) and list(side.levels())[1] == (D(8), D(6))


def test_numbers_stay_what_the_wire_said_however_large_or_small() -> None:
    numbers = [0.1, 1e-7, 5e-324, 1.7e308, 3, 10**30, 10**400]
    side = Side([["1", "1"]], bids=True, most=1000)
    for number in numbers:
        side.apply([["1", number]])
        assert list(side.levels()) == [(D(1), D(repr(number)))] and side.best == (D(1), D(repr(number)))
    for wrong in (float("nan"), float("inf"), -1, -0.5, 10**1001, True, b"1"):
        with pytest.raises(ProtocolError):
            Side([["1", "1"]], bids=True, most=1000).apply([["1", wrong]])


def test_a_side_forgets_the_prices_that_are_gone() -> None:
    side = Side([[str(price), "1"] for price in range(100)], bids=False, most=1000)
    for price in range(100, 20_000):  # the market moves through 20,000 prices
        assert side.apply([[str(price), "1"], [str(price - 50), "0"]]) == 0
    assert len(list(side.levels())) == 100
    assert len(side._texts) == len(side._prices) == len(side._sizes) < 300


def test_one_update_that_moves_the_whole_side_again_and_again() -> None:
    side = Side([[str(price), "1"] for price in range(100)], bids=False, most=150)
    change = [row for price in range(100, 20_000) for row in ([str(price), "1"], [str(price - 100), "0"])]
    assert side.apply(change) == 0  # the dead are removed in the middle of it
    assert [price for price, _ in side.levels()] == [D(price) for price in range(19_900, 20_000)]
    assert len(side._texts) == len(side._prices) == len(side._sizes) <= 300


def test_a_side_has_a_limit_in_levels_and_in_characters() -> None:
    side = Side([[str(price), "1"] for price in range(100)], bids=False, most=100)
    with pytest.raises(ProtocolError, match="more than 100 levels"):
        side.apply([[str(price), "1"] for price in range(1000, 1_000_000)])
    assert len(side._texts) == len(side._prices) == len(side._sizes) <= 200
    for price, size in [("1" * 101, "1"), ("1", "1" * 101), ("1", "0." + "1" * 99), ("1", "0" * 101)]:
        with pytest.raises(ProtocolError, match="has 101 characters"):
            Side([["1", "1"]], bids=False, most=100).apply([[price, size]])


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=6) | st.from_regex(r"[+\-]?[0-9_]{0,4}\.?[0-9_]{0,4}([eE][+\-]?[0-9]{1,4})? ?", fullmatch=True))
def test_what_is_taken_for_a_size_is_one_when_it_is_read(text: str) -> None:
    side = Side([["1", "5"]], bids=True, most=1000)
    try:
        side.apply([["1", text]])
    except ProtocolError:
        return
    expected = D(text)
    assert list(side.levels()) == ([(D(1), expected)] if expected else [])


BAD = [
    ["12"],
    [["1"]],
    [["1", "2", "3"]],
    [{"1": 0, "2": 0}],
    [None],
    [5],
    [["x", "1"]],
    [["1", "x"]],
    [["NaN", "1"]],
    [["1", "NaN"]],
    [["1", "Infinity"]],
    [["1", "-2"]],
    [["1", ""]],
    [["1", None]],
    [["1", True]],
    [[True, "1"]],
    [[["1"], "1"]],
    [["1", "1e9999999999999999999999"]],
    {"1": "2"},
    {},
    "12",
    None,
    5,
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_what_is_no_side_of_a_book_is_refused(bad: Any) -> None:
    with pytest.raises(ProtocolError):
        Side(bad, bids=True, most=1000)
    with pytest.raises(ProtocolError):
        Side([["7", "1"]], bids=True, most=1000).apply(bad)


def test_numbers_in_place_of_texts_are_read_by_their_shortest_text() -> None:
    side = Side([[1.1, 0.1], [2, 3], ["1.10", 0.2]], bids=True, most=1000)
    assert list(side.levels()) == levels(("2", "3"), ("1.1", "0.2"))
    assert side.apply([[1.1, 0], ["2.0", 0.0], [7, 0]]) == 1
    assert side.best is None and list(side.levels()) == []


def test_prices_below_zero_are_sorted_too() -> None:
    # The books of spreads have them.
    side = Side([["-0.5", "1"], ["-2", "1"], ["1", "1"]], bids=True, most=1000)
    assert [price for price, _ in side.levels()] == [D("1"), D("-0.5"), D("-2")]


# -- reads -------------------------------------------------------------------------------------------------


def test_reads(fresh: Book) -> None:
    book = fresh.book
    assert book.best_bid == (D(9), D(1)) and book.best_ask == (D(10), D(2))
    assert book.mid == D("9.5") and book.spread == D(1)
    assert book.bids() == levels(("9", "1"), ("8", "4"), ("7.5", "0.5"))
    assert book.asks(2) == levels(("10", "2"), ("10.5", "3"))
    assert book.bids(0) == [] and len(book.asks(99)) == 3
    assert book.update_id == 1
    assert repr(book) == "<OrderBook X bid 9 ask 10>"
    book.bids().clear()
    assert len(book.bids()) == 3


def test_depth_adds_up_what_is_at_a_price_or_better(fresh: Book) -> None:
    book = fresh.book
    assert [book.depth("bids", price) for price in (10, "9", D(8), 7.5, 0)] == [0, 1, 5, D("5.5"), D("5.5")]
    assert [book.depth("asks", price) for price in (9, 10, 11, 12, 1000)] == [0, 2, 5, 10, 10]


def test_vwap_is_what_a_trade_would_cost(fresh: Book) -> None:
    book = fresh.book
    assert book.vwap("asks", 1) == 10
    assert book.vwap("asks", D(4)) == (2 * D(10) + 2 * D("10.5")) / 4
    assert book.vwap("asks", "10") == (D(20) + D("31.5") + D(60)) / 10
    assert book.vwap("bids", 5.5) == (D(9) + D(32) + D("3.75")) / D("5.5")
    assert book.vwap("bids", D("5.6")) is None, "there is not so much"


def test_an_empty_book_has_no_prices() -> None:
    made = Book()
    for _ in range(2):
        assert made.book.best_bid is made.book.best_ask is made.book.mid is made.book.spread is None
        assert made.book.bids() == made.book.asks() == []
        assert made.book.vwap("asks", 1) is None and made.book.depth("bids", 1) == 0
        made.snapshot((), ())
    assert not made.book.is_stale
    made.delta((("1", "1"),))
    assert made.book.best_bid == (D(1), D(1)) and made.book.spread is None


def test_a_snapshot_is_a_value_made_once_a_change(fresh: Book) -> None:
    book = fresh.book
    first = book.snapshot()
    assert first is book.snapshot()
    assert first == BookSnapshot(
        "X",
        tuple(levels(("9", "1"), ("8", "4"), ("7.5", "0.5"))),
        tuple(levels(("10", "2"), ("10.5", "3"), ("12", "5"))),
        1,
        77,
        first.version,
        False,
        False,
    )
    assert (first.best_bid, first.best_ask) == (book.best_bid, book.best_ask)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.bids = ()  # type: ignore[misc]
    fresh.delta((("9", "0"),))
    assert first.bids[0] == (D(9), D(1))
    second = book.snapshot()
    assert second.bids[0] == (D(8), D(4)) and second.version > first.version
    book.stale("dropped")
    assert book.snapshot().is_stale and not second.is_stale


WRONG = [
    (lambda book: book.bids(-1), ValueError, "n must"),
    (lambda book: book.asks("1"), TypeError, "n must"),
    (lambda book: book.asks(True), TypeError, "n must"),
    (lambda book: book.bids(1.0), TypeError, "n must"),
    (lambda book: book.depth("buy", 1), ValueError, "side must"),
    (lambda book: book.depth(None, 1), TypeError, "side must"),
    (lambda book: book.depth("bids", "x"), ValueError, "price must"),
    (lambda book: book.depth("bids", None), TypeError, "price must"),
    (lambda book: book.depth("bids", D("NaN")), ValueError, "price must"),
    (lambda book: book.depth("bids", float("inf")), ValueError, "price must"),
    (lambda book: book.vwap("ask", 1), ValueError, "side must"),
    (lambda book: book.vwap("asks", 0), ValueError, "size must"),
    (lambda book: book.vwap("asks", -1), ValueError, "size must"),
    (lambda book: book.vwap("asks", True), TypeError, "size must"),
    (lambda book: book.wait_ready(-1), ValueError, "timeout must"),
    (lambda book: book.wait_ready("1"), TypeError, "timeout must"),
    (lambda book: book.wait_update(float("nan")), ValueError, "timeout must"),
    (lambda book: book.wait_update(0, after="1"), TypeError, "after must"),
    (lambda book: book.on_update(5), TypeError, "callback must"),
]


@pytest.mark.parametrize("call, kind, words", WRONG)
def test_wrong_arguments(fresh: Book, call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(fresh.book)


class Loud(Decimal):
    """A number whose comparisons are user code, which may well use the book."""

    book: Any = None

    def _use(self, other: Any) -> bool:
        raise AssertionError("called with the lock held")

    __lt__ = __gt__ = __le__ = __ge__ = _use


def test_no_code_of_the_callers_numbers_runs(fresh: Book) -> None:
    assert fresh.book.depth("bids", Loud(9)) == 1 and fresh.book.vwap("asks", Loud(1)) == 10


# -- what updates do ----------------------------------------------------------------------------------------


def test_unknown_deletes_are_counted_and_passed_over(fresh: Book) -> None:
    before = fresh.book.snapshot()
    fresh.delta((("1", "0"), ("9.0", "0"), ("9", "0")), (("99", "0.000"),))
    assert fresh.book.bids() == list(before.bids[1:]) and fresh.book.asks() == list(before.asks)
    assert fresh.book.stats().unknown_deletes == 3


def test_changes_before_the_first_whole_book_are_ignored() -> None:
    made = Book()
    assert not made.delta((("1", "1"),))
    assert made.book.bids() == [] and made.book.is_stale and made.book.age is None
    assert "whole book" in str(made.book.stale_reason)
    made.snapshot()
    assert not made.book.is_stale and made.book.stats() == BookStats(1, 0, 1, 0, 0, 0, 0)


def test_a_missing_update_makes_it_stale_until_a_whole_book(fresh: Book) -> None:
    before = fresh.book.bids()
    assert fresh.delta((("9", "7"),), number=3)
    assert fresh.book.is_stale and "does not follow 1" in str(fresh.book.stale_reason)
    assert fresh.book.bids() == before, "what was known last"
    assert len(fresh.asked) == 1
    assert not fresh.delta((("9", "8"),)) and fresh.book.bids() == before
    assert fresh.snapshot() and not fresh.book.is_stale and fresh.book.stale_reason is None
    assert fresh.delta((("9", "8"),)) and fresh.book.best_bid == (D(9), D(8))
    assert fresh.book.stats() == BookStats(3, 0, 1, 1, 0, 0, 1)


def test_an_unreadable_change_leaves_nothing_half_done(fresh: Book) -> None:
    with pytest.raises(ProtocolError):
        fresh.delta((("9", "7"),), (("10", "x"),))
    assert fresh.book.is_stale and "could not be read" in str(fresh.book.stale_reason)
    assert fresh.book.bids() == [] and fresh.book.best_ask is None
    assert len(fresh.asked) == 1 and fresh.book.stats().gaps == 1
    fresh.snapshot()
    assert not fresh.book.is_stale and fresh.book.best_bid == (D(9), D(1))


def test_an_unreadable_whole_book_leaves_the_last_one(fresh: Book) -> None:
    before = fresh.book.bids()
    with pytest.raises(ProtocolError):
        fresh.snapshot((("9", "7"),), (("10", "x"),))
    assert fresh.book.is_stale and fresh.book.bids() == before


def test_updates_of_other_books_do_nothing(fresh: Book) -> None:
    before = fresh.book.snapshot()
    assert not fresh.book.handle(push("delta", None))
    assert fresh.book.snapshot() is before


def test_a_repeat_is_a_sign_of_life_and_no_change(fresh: Book) -> None:
    before = fresh.book.snapshot()
    fresh.clock.now = 4.0
    assert fresh.book.age == 4.0
    assert not fresh.snapshot(number=1)
    assert fresh.book.age == 0.0 and fresh.book.snapshot() is before and fresh.book.stats().repeats == 1
    fresh.book.stale("dropped")
    fresh.book.live()
    assert fresh.snapshot(number=1), "it replaces a stale book, though its number is no new one"
    assert not fresh.book.is_stale


def test_a_whole_book_of_a_subscription_that_has_ended_is_not_believed(fresh: Book) -> None:
    """What was under way when the topic was subscribed again: the changes that follow are of another whole book."""
    book, ended = fresh.book, fresh.book.epoch
    book.stale("it is subscribed again", renewed=True)
    book.live()
    before = book.bids()
    for epoch in (ended, 0):
        assert not book.handle(push("snapshot", ([["5", "1"]], [["6", "1"]], 50)), epoch)
        assert book.is_stale and book.bids() == before
    assert book.stats().ignored == 2
    assert fresh.snapshot() and not book.is_stale and book.best_bid == (D(9), D(1))


def test_a_whole_book_before_the_acknowledgement_counts_from_the_acknowledgement_on(fresh: Book) -> None:
    book = fresh.book
    book.stale("the connection dropped")
    assert fresh.snapshot((("5", "1"),), (("6", "1"),)) and fresh.delta((("5", "2"),))
    assert book.best_bid == (D(5), D(2)) and "not acknowledged" in str(book.stale_reason)
    assert book.live() and not book.is_stale and book.best_bid == (D(5), D(2))
    assert not book.live(), "once"


def test_nothing_is_asked_for_while_the_topic_is_not_subscribed(fresh: Book) -> None:
    fresh.book.stale("the venue refused it")
    fresh.clock.now = 600.0
    fresh.delta(number=90)
    assert fresh.book.ask_when_due(900.0) is None and fresh.asked == []
    fresh.book.live()
    assert fresh.book.ask_when_due(600.0) == 600.0 + PATIENCE
    fresh.clock.now = 600.0 + PATIENCE
    fresh.book.ask_when_due(600.0 + PATIENCE)
    assert len(fresh.asked) == 1, "of a market so quiet that no update comes to do so"


def test_what_another_book_of_the_topic_asked_for_is_not_asked_for_again(fresh: Book) -> None:
    """A crossed book that was believed stays so when another renews the topic and the venue sends it crossed again."""
    crossed = (("12", "1"),), (("10", "2"),)
    fresh.delta(*crossed)
    fresh.snapshot(*crossed)
    assert fresh.book.is_crossed and not fresh.book.is_stale and len(fresh.asked) == 1
    fresh.clock.now = 1000.0
    fresh.book.stale("it is subscribed again", renewed=True)
    fresh.book.live()
    fresh.snapshot(*crossed)
    assert not fresh.book.is_stale and len(fresh.asked) == 1
    fresh.book.stale("the connection dropped")
    fresh.book.live()
    fresh.snapshot(*crossed)
    assert fresh.book.is_stale and len(fresh.asked) == 2, "after a drop it is looked at anew"


def test_a_dropped_connection_is_told_once_and_asks_for_nothing(fresh: Book) -> None:
    assert fresh.book.stale("the connection dropped")
    version = fresh.book.snapshot().version
    assert not fresh.book.stale("the venue refused it")
    assert fresh.book.stale_reason == "the venue refused it", "the newest reason, though the book is as it was"
    assert fresh.book.snapshot().version == version and fresh.asked == []


def test_after_a_drop_the_venue_has_time_for_its_whole_book(fresh: Book) -> None:
    fresh.book.stale("dropped")
    fresh.clock.now = 600.0
    fresh.book.live()
    fresh.delta()
    fresh.clock.now += PATIENCE - 1
    fresh.delta()
    assert fresh.asked == []
    fresh.clock.now += 1
    fresh.delta()
    assert fresh.asked == [600.0 + PATIENCE]


def test_updates_that_were_thrown_away_are_a_gap(fresh: Book) -> None:
    fresh.book.lost("3 updates were dropped")
    assert fresh.book.stale_reason == "3 updates were dropped" and len(fresh.asked) == 1
    assert fresh.book.stats().gaps == 1


def test_a_change_that_ends_in_the_middle_for_whatever_reason_is_no_book(fresh: Book) -> None:
    class Interrupted(Dict[str, Any]):
        def __contains__(self, key: object) -> bool:
            raise KeyboardInterrupt

    asks = fresh.book.state.asks
    asks._sizes = Interrupted(asks._sizes)
    with pytest.raises(KeyboardInterrupt):
        fresh.delta((("9", "7"),), (("10", "1"),))
    assert fresh.book.is_stale and fresh.book.bids() == []


def test_a_crossed_book_is_stale_and_asked_for_anew(fresh: Book) -> None:
    assert fresh.delta((("10", "1"),))
    assert fresh.book.is_crossed and fresh.book.is_stale and fresh.book.spread == 0
    assert len(fresh.asked) == 1 and fresh.book.stats().crossed == 1
    assert not fresh.delta((("10", "0"),)), "changes are ignored"
    fresh.snapshot()
    assert not fresh.book.is_crossed and not fresh.book.is_stale


def test_a_venue_that_answers_with_a_crossed_book_means_it(fresh: Book) -> None:
    crossed = (("12", "1"),), (("10", "2"),)
    fresh.delta(*crossed)
    assert fresh.snapshot(*crossed)
    assert fresh.book.is_crossed and not fresh.book.is_stale and fresh.book.spread == -2
    assert fresh.delta((("8", "1"),)) and not fresh.book.is_stale
    fresh.delta((("12", "0"),))
    assert not fresh.book.is_crossed
    fresh.clock.now = 1000.0
    fresh.delta((("11", "1"),))
    assert fresh.book.is_stale and len(fresh.asked) == 2 and fresh.book.stats().crossed == 2


def test_what_is_believed_of_a_crossed_book_is_no_more_than_it_was(fresh: Book) -> None:
    fresh.delta((("12", "1"),))
    fresh.snapshot((("12", "1"),), (("10", "2"), ("12", "2")))
    assert fresh.book.is_crossed and not fresh.book.is_stale
    fresh.delta((), (("10", "0"),))
    assert fresh.book.spread == 0 and not fresh.book.is_stale
    fresh.delta((), (("11", "1"),))
    assert fresh.book.is_stale


def test_a_whole_book_that_comes_crossed_is_asked_for_once_more() -> None:
    made = Book()
    made.snapshot((("12", "1"),), (("10", "2"),))
    assert made.book.is_stale and made.book.is_crossed and len(made.asked) == 1


def test_asking_has_pauses_that_grow(fresh: Book) -> None:
    for second in range(400):
        fresh.clock.now = float(second)
        if fresh.book.is_stale:
            fresh.delta()
            fresh.snapshot()
        else:
            fresh.delta(number=fresh.number + 2)
    gaps = [later - earlier for earlier, later in zip(fresh.asked, fresh.asked[1:])]  # noqa: B905
    assert fresh.asked[0] == 0.0, "at once"
    assert gaps[:4] == pytest.approx([PATIENCE, 10, 20, 40], abs=1.0)
    assert all(LONGEST_PATIENCE <= gap <= LONGEST_PATIENCE + 1 for gap in gaps[4:]) and len(gaps) > 5
    fresh.clock.now = 1000.0
    fresh.snapshot()
    fresh.delta(number=fresh.number + 2)
    fresh.clock.now += PATIENCE
    fresh.delta()
    assert fresh.asked[-2:] == [1000.0, 1000.0 + PATIENCE], "after a long peace the pauses are short again"


def test_a_whole_book_that_does_not_come_is_asked_for_again() -> None:
    made = Book()
    made.delta()
    made.clock.now = PATIENCE - 1
    made.delta()
    assert made.asked == []
    made.clock.now = PATIENCE
    made.delta()
    made.delta()
    assert made.asked == [PATIENCE]


@pytest.mark.parametrize("venue", WIRES)
@pytest.mark.parametrize("depth", [2, 50])
def test_random_frames_of_each_venue(venue: str, depth: int) -> None:
    report = books.run(venue, 1500, depth=depth, seed=depth, faults=0.03)
    assert report.noticed == report.injected
    assert sum(report.injected.values()) > 20 and report.unknown_deletes > 0


# -- threads ---------------------------------------------------------------------------------------------------


def test_readers_never_see_a_torn_book() -> None:
    made = Book()
    # Each change moves all levels, and all sizes of a book are the same: what is mixed of two books has two sizes.
    made.snapshot((("10", "1"), ("9", "1")), (("12", "1"), ("13", "1")))
    done, ready = threading.Event(), threading.Barrier(5)

    def read() -> int:
        seen = set()
        ready.wait(PATIENCE)
        while not done.is_set():
            bids, asks = made.book.bids(), made.book.asks(2)
            assert len(bids) == len(asks) == 2 and len({size for _, size in bids}) == len({size for _, size in asks}) == 1
            bid, ask = made.book.state.top
            assert bid is not None and ask is not None and bid[1] == ask[1]
            snapshot = made.book.snapshot()
            sizes = {size for _, size in snapshot.bids + snapshot.asks}
            assert sizes == {D(snapshot.update_id or 0)} and len(snapshot.bids) == len(snapshot.asks) == 2
            assert made.book.depth("bids", 0) % 2 == made.book.depth("asks", 99) % 2 == 0, "twice the same size"
            assert made.book.spread == 2
            seen.add(snapshot.update_id)
        return len(seen)

    readers = [Background(read) for _ in range(4)]
    try:
        ready.wait(PATIENCE)
        for number in range(2, 8_000):
            base, before = 10 + number % 7, 10 + (number - 1) % 7
            change: Dict[str, Dict[str, str]] = {"b": {}, "a": {}}
            for side, near, far in (("b", -1, -2), ("a", 1, 2)):
                change[side] = {str(before + near): "0", str(before + far): "0"}
                change[side].update({str(base + near): str(number), str(base + far): str(number)})
            assert made.delta(tuple(change["b"].items()), tuple(change["a"].items()))
            if number % 500 == 0:
                assert not made.book.is_stale, made.book.stale_reason
    finally:
        done.set()
    assert all(reader.result() >= 2 for reader in readers)


def test_waiting_for_the_first_whole_book() -> None:
    made = Book()
    assert not made.book.wait_ready(0) and not made.book.wait_ready(0.01)
    waiting = Background(made.book.wait_ready, 5)
    eventually(lambda: made.book.state.waiters)
    made.snapshot()
    assert waiting.result() is True
    assert made.book.wait_ready() and made.book.wait_ready(0)


def test_waiting_for_an_update(fresh: Book) -> None:
    book = fresh.book
    assert not book.wait_update(0.01)
    for change in (lambda: fresh.delta((("9", "3"),)), lambda: book.stale("dropped"), fresh.snapshot):
        waiting = Background(book.wait_update, 5)
        eventually(lambda: book.state.waiters)
        change()  # type: ignore[no-untyped-call]
        assert waiting.result() is True
    seen = book.snapshot().version
    assert not book.wait_update(0, after=seen)
    fresh.delta((("9", "4"),))
    assert book.wait_update(after=seen), "it came before the wait"


@pytest.mark.parametrize("method", ["wait_ready", "wait_update"])
def test_closing_wakes_whoever_waits(method: str) -> None:
    made = Book()
    waiting = Background(getattr(made.book, method), 5)
    eventually(lambda: made.book.state.waiters)
    made.book.close()
    assert waiting.result() is False
    assert getattr(made.book, method)() is False


def test_what_ended_the_client_is_raised_where_somebody_waits() -> None:
    made = Book()
    waiting = Background(made.book.wait_ready, 5)
    eventually(lambda: made.book.state.waiters)
    made.book.end(ConnectError("no connection after 3 tries"), "the client has ended")
    assert isinstance(waiting.error(), ConnectError)
    with pytest.raises(ConnectError, match="3 tries"):
        made.book.wait_update()
    made.book.close()
    assert made.book.is_stale and made.closed == []


def test_waiting_where_it_could_never_end_is_refused() -> None:
    def refuse(timeout: Any) -> Any:
        raise WrongThreadError("not here")

    made = Book(waiting=refuse)
    with pytest.raises(WrongThreadError):
        made.book.wait_ready(5)
    assert not made.book.wait_ready(0), "a look is no wait"
    made.snapshot()
    assert made.book.wait_ready(5)
    with pytest.raises(WrongThreadError):
        made.book.wait_update(5)


def test_a_closed_book_stays_as_it_was_and_stale(fresh: Book) -> None:
    before = fresh.book.bids()
    with fresh.book as book:
        pass
    book.close()
    assert fresh.closed == ["closed"]
    assert book.is_stale and book.bids() == before
    assert not fresh.delta((("9", "3"),)) and not fresh.snapshot() and not fresh.delta(number=99)
    assert not book.stale("dropped") and book.bids() == before and book.is_stale and fresh.asked == []


def test_callbacks_run_without_the_lock_and_each_of_them(fresh: Book, caplog: Any) -> None:
    seen = Recorder(lambda book: book.bids() and book.snapshot() and book.stats())
    fresh.book.on_update(lambda book: 1 / 0)
    fresh.book.on_update(seen)
    fresh.book.on_update(lambda book: [].pop())
    fresh.book.on_update(lambda book: book.close())
    with pytest.raises(ZeroDivisionError):
        fresh.book.notify()
    assert seen.items == [fresh.book] and fresh.closed == ["closed"]
    assert "IndexError" in caplog.text


def test_asking_for_a_whole_book_is_done_without_the_lock() -> None:
    made = Book()
    seen: List[Any] = []
    book = FedBook("X", NumberedRule(), resynchronise=lambda: seen.append(book.snapshot()), close=lambda: None)
    book.handle(push("snapshot", ([["9", "1"]], [["11", "1"]], 1)))
    book.handle(push("delta", ([], [], 7)))
    book.handle(push("snapshot", ([["12", "1"]], [["11", "1"]], 1)))
    assert seen[0].is_stale and not made.asked


def test_after_a_fork_nothing_of_the_parents_is_relied_on(fresh: Book) -> None:
    fresh.book.state.lock.acquire()  # by a thread that the child does not have
    fresh.book.state._pid = 0  # the parent's
    fresh.book.check_process()
    assert fresh.book.is_stale and fresh.book.bids() == []
    fresh.book.live()
    fresh.snapshot()
    assert not fresh.book.is_stale and fresh.book.best_bid == (D(9), D(1))
