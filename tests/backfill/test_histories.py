"""What merging does for streams that begin with history, items without ids, times cut to seconds and topics fetched together."""

from __future__ import annotations

import collections
from typing import Any, Counter, Hashable, List, Sequence, Tuple

import attrs
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk.backfill.filler import Filler
from dbxsdk.backfill.twin import Fetched, Order, Row, Since
from dbxsdk.events import Filled, Gap
from dbxsdk.models import Update
from dbxsdk.runtime.log import ClientLog
from tests.backfill.test_merge import A, B, C, D, E, F, Item, Log, keys, live, make, new, rows
from tests.waiting import eventually


class Historical(Log):
    begins_with_history = True

    def history(self, update: Update[Any]) -> Tuple[Row, ...]:
        return rows(update.data).rows


def history(*items: Item) -> Update[Any]:
    return make("snapshot", items, None, None)


def done(count: int) -> Filled:
    return Filled(("log.X",), count, True, None, None)


def test_the_streams_own_history_closes_a_hole_without_rest() -> None:
    merge = new(Historical())
    merge.begin([live(A), live(B)], 0, 10.0)
    assert merge.ask_at == 11.0, "REST has to wait"
    assert keys(merge.take(history(A, B, C, D), 10.1)) == ["+c", "+d", done(2)]
    assert not merge.is_holding and keys(merge.take(live(D, E), 10.2)) == ["e"]


def test_a_history_that_has_older_items_closes_it_too_and_one_that_has_not_needs_rest() -> None:
    merge = new(Historical())
    merge.begin([live(B)], 0, 10.0)
    assert keys(merge.take(history(A, C), 10.1)) == ["+c", done(1)]
    merge.begin([live(C)], 0, 20.0)
    assert merge.take(history(E), 20.1) == [] and merge.ask_at == 20.1
    assert merge.take(live(F), 20.2) == [] and merge.ask_at == 20.1, "it joins on: there is no need to ask for its place"
    assert keys(merge.fetched(rows([C, D, E]), 20.3)) == ["+d", "+e", done(2), "f"]


def test_rest_that_does_not_reach_the_history_is_asked_again() -> None:
    merge = new(Historical())
    merge.begin([live(A)], 0, 10.0)
    merge.take(history(E), 10.1)
    assert merge.fetched(rows([A, B]), 10.2) == [] and merge.ask_at == 10.45, "c and d may lie between"
    assert keys(merge.fetched(rows([A, B, C, D, E, F]), 10.5)) == ["+b", "+c", "+d", "+e", "+f", done(5)]


def test_rest_that_never_reaches_it_costs_the_span_between() -> None:
    merge = new(Historical())
    merge.begin([live(A)], 0, 10.0)
    merge.take(history(E), 10.1)
    merge.fetched(rows([A, B]), 10.2)
    assert keys(merge.tick(15.0)) == ["+b", "+e", Filled(("log.X",), 2, False, 2000 * 10**6, 5000 * 10**6)]


def test_one_more_hole_needs_a_history_of_its_own() -> None:
    merge = new(Historical())
    merge.begin([live(A)], 0, 10.0)
    merge.take(history(C), 10.1)
    merge.gap(0, 10.2)
    assert merge.ask_at == 11.2
    assert keys(merge.take(history(A, B, C, D), 10.3)) == ["+b", "+c", "+d", done(3)]


def test_since_is_answered_by_the_history_if_it_reaches() -> None:
    merge = new(Historical())
    merge.begin_since(Since(frozenset(("b",))), 0.0)
    assert keys(merge.take(history(A, B, C), 0.1)) == ["+c", done(1)]
    merge.started(0.2)
    assert merge.ask_at is None and merge.deadline is None
    merge = new(Historical())
    merge.begin_since(Since(from_ms=2500), 1.0)
    assert merge.take(history(C), 1.1) == [] and merge.ask_at is None
    merge.started(1.2)
    assert merge.ask_at == 1.2 and keys(merge.fetched(rows([A, B, C]), 1.3)) == ["+c", done(1)]


def test_a_history_that_is_repeated_gives_what_is_new() -> None:
    merge = new(Historical())
    assert keys(merge.repeated([live(A), live(B)], history(A, B, C), 0.0)) == ["+c"]
    assert merge.repeated([live(A), live(B)], history(A, B), 0.0) == []


def test_a_history_that_comes_too_late_for_its_hole_shows_that_it_is_open_still() -> None:
    merge = new(Historical())
    merge.begin([live(A)], 0, 0.0)
    assert keys(merge.tick(5.0))[0].complete is False
    assert merge.repeated([live(A)], history(D, E), 6.0) == [] and merge.is_holding and merge.ask_at == 6.0
    assert merge.take(live(F), 6.1) == []
    assert keys(merge.fetched(rows([A, B, C, D, E]), 6.2)) == ["+b", "+c", "+d", "+e", done(4), "f"]
    merge = new(Historical())
    assert merge.repeated([live(A)], history(D, E), 7.0) == []
    assert keys(merge.tick(12.0)) == ["+d", "+e", Filled(("log.X",), 2, False, 1000 * 10**6, 4000 * 10**6)]


class Ordered(Log):
    """Places by a number; times of REST are cut to seconds."""

    unit_ms = 1000

    def place(self, item: Any, update: Any) -> Tuple[str, Order]:
        return item.key, (item.seq, item.at)

    def time_ms(self, order: Order) -> int:
        return order[1]  # type: ignore[no-any-return]


def cut(*items: Item) -> Fetched:
    return Fetched(tuple(Row(item.key, (item.seq, item.at // 1000 * 1000), item, None) for item in items))


class OrderedHistorical(Ordered, Historical):
    def history(self, update: Update[Any]) -> Tuple[Row, ...]:
        return tuple(Row(item.key, (item.seq, item.at), item, None) for item in update.data)


def test_what_rest_brought_with_a_cut_time_is_not_new_in_a_history() -> None:
    merge = new(OrderedHistorical())
    brought, exact, later = Item("a", 1000, 1), Item("a", 1700, 1), Item("b", 1800, 2)
    assert keys(merge.repeated([make("backfill", (brought,), None, None)], history(exact, later), 0.0)) == ["+b"]


def test_two_answers_with_cut_times_are_not_taken_for_joined() -> None:
    times = {"a": 500, "b": 1200, "c": 1300, "d": 1400, "e": 2500}
    a, b, c, d, e = (Item(name, at, number) for number, (name, at) in enumerate(times.items()))
    merge = new(Ordered())
    merge.begin([live(a)], 0, 0.0)
    merge.fetched(Fetched(tuple(Row(item.key, (item.seq, item.at), item, None) for item in (a, b))), 0.1)
    merge.take(live(e), 0.2)
    merge.fetched(cut(d), 0.3)
    filled = keys(merge.fetched(cut(d, e), 0.4))[-2]
    assert not filled.complete and filled.missing_from_ns <= c.at * 10**6 <= filled.missing_until_ns


def test_places_do_not_need_times_and_times_may_be_cut() -> None:
    a, b, c, d = (Item(name, 1000 * at + 700, at) for at, name in enumerate("abcd", 1))
    merge = new(Ordered())
    merge.begin([live(a)], 0, 0.0)
    merge.take(live(d), 0.1)
    assert keys(merge.fetched(cut(a, b, c, d), 0.2)) == ["+b", "+c", done(2), "d"], "b is not older than a"
    merge = new(Ordered())
    merge.begin_since(Since(from_ms=2500), 0.0)
    merge.started(0.0)
    merge.take(live(d), 0.1)
    given_ = keys(merge.fetched(cut(a, b, c, d), 0.2))
    assert given_ == ["+b", "+c", done(2), "d"], "b may be of 2.5 s or later"
    merge.begin([live(b)], 0, 1.0)
    merge.take(live(d), 1.1)
    filled = merge.fetched(cut(d), 1.2)[0]
    assert isinstance(filled, Filled) and (filled.missing_from_ns, filled.missing_until_ns) == (2700 * 10**6, 5699 * 10**6)


def test_what_rest_may_hide_is_never_complete() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(C), 0.1)
    filled = merge.fetched(attrs.evolve(rows([A, B, C]), hides=True), 0.2)[1]
    assert filled == Filled(("log.X",), 1, False, 1000 * 10**6, 3000 * 10**6)


# -- items without ids ---------------------------------------------------------------------------------------


class Counted(Log):
    """Known by what they are, and by the second."""

    counted = True
    has_ids = False
    unit_ms = 1000

    def place(self, item: Any, update: Any) -> Tuple[Hashable, Order]:
        return (item.key, item.at), (item.at,)


def second(name: str, at: int) -> Item:
    return Item(name, 1000 * at)


def answer(items: Sequence[Item]) -> Fetched:
    return Fetched(tuple(Row((item.key, item.at), (item.at,), item, None) for item in items))


def test_equal_items_of_one_second_are_counted() -> None:
    x1, y2 = second("x", 1), second("y", 2)
    merge = new(Counted())
    merge.begin([live(x1, x1)], 0, 0.0)
    merge.take(live(y2), 0.1)
    assert keys(merge.fetched(answer([x1, x1, x1, y2, y2]), 0.2)) == ["+x", "+y", done(2), "y"]
    assert keys(merge.take(live(y2, y2), 0.3)) == ["y"], "one of them was given, the other is the third"


def test_what_the_two_sides_write_in_different_ways_does_not_come_twice() -> None:
    merge = new(Counted())
    merge.begin([live(second("a", 1))], 0, 0.0)
    merge.take(live(second("b", 3)), 0.1)
    merge.fetched(answer([second(name, at) for name, at in (("A", 0), ("A", 1), ("x", 2), ("B", 3), ("C", 4))]), 0.2)
    filled, b = merge.tick(5.0)
    assert filled == Filled(("log.X",), 0, False, 1000 * 10**6, 3999 * 10**6) and b.data[0].key == "b"


@given(st.lists(st.tuples(st.sampled_from("xy"), st.integers(0, 2)), min_size=3, max_size=14), st.data())
def test_of_equal_items_as_many_come_as_there_were(drawn: List[Tuple[str, int]], data: Any) -> None:
    """However many are lost in a hole, within the same seconds as the others."""
    drawn.sort(key=lambda each: each[1])
    items = [second("first", 0), *(second(name, at + 1) for name, at in drawn), second("last", 9)]
    low = data.draw(st.integers(1, len(items) - 2))
    high = data.draw(st.integers(low, len(items) - 1))
    merge = new(Counted())
    merge.begin([live(item) for item in items[:low]], 0, 0.0)
    held = data.draw(st.integers(high + 1, len(items)))
    for item in items[high:held]:
        merge.take(live(item), 0.1)
    given_ = merge.fetched(answer(items), 0.2) or merge.tick(5.0)
    got = [item for each in given_ if isinstance(each, Update) for item in each.data]
    for item in items[held:]:
        got += [each for update in merge.take(live(item), 0.3) for each in update.data]  # type: ignore[union-attr]
    count: Counter[Tuple[str, int]] = collections.Counter((item.key, item.at) for item in got)
    assert count == collections.Counter((item.key, item.at) for item in items[low:])
    filled = next(each for each in given_ if isinstance(each, Filled))
    assert filled.complete


# -- topics fetched together ---------------------------------------------------------------------------------


class Together(Log):
    by_symbol = False
    single = True

    def place(self, item: Any, update: Any) -> Tuple[str, Order]:
        return item.key, (item.at,)

    def symbol_of(self, symbol: str, raw: Any) -> str:
        return str(raw["of"])

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        assert symbol == ""
        known = {item.key for item in (A, B)} & set(map(str, since.known))
        found = [("a", A, "X"), ("b", B, "Y"), ("c", C, "X"), ("d", D, "Y")] if known else []
        return Fetched(tuple(Row(key, (item.at,), item, {"of": of}) for key, item, of in found))


def one(item: Item, symbol: str) -> Update[Any]:
    return Update("venue", "log", symbol, "update", item, None, item.at * 10**6, None)


def test_topics_that_are_fetched_together_have_one_merge() -> None:
    given_: List[Any] = []
    waiting: List[Any] = []
    filler = Filler(
        Together(), {"X": "log.X", "Y": "log.Y"}, "venue", "log", seconds=5.0, room=100, room_bytes=10**6,
        post=waiting.append, callback=given_.append, tell=given_.append,
        give=lambda topic, update: given_.append((topic, update.symbol, update.data)),
        log=ClientLog("dbxsdk.test", "venue", "client"), name="client",
    )
    filler.take(one(A, "X"))
    filler.take(one(B, "Y"))
    filler.gap(Gap(("log.X", "log.Y"), 1.0, 0))
    filler.take(one(D, "Y"))
    while len(given_) < 5:
        eventually(lambda: waiting)
        waiting.pop(0)()
    filled = given_[3]
    assert given_[2] == ("log.X", "X", C) and given_[4] == ("log.Y", "Y", D)
    assert filled == Filled(("log.X", "log.Y"), 1, True, None, None, client="client")
    filler.end()
    filler.join()


def test_a_repeated_history_reaches_the_callback_cut() -> None:
    given_: List[Any] = []
    filler = Filler(
        Historical(), {"X": "log.X"}, "venue", "log", seconds=5.0, room=100, room_bytes=10**6, post=lambda call: None,
        callback=given_.append, give=lambda topic, update: given_.append(update), tell=given_.append,
        log=ClientLog("dbxsdk.test", "venue", "client"), name="client",
    )
    filler.take_with_history(history(A, B))
    filler.take_with_history(live(C))
    filler.take_with_history(history(B, C, D))
    assert [(each.kind, [item.key for item in each.data]) for each in given_] == [
        ("snapshot", ["a", "b"]), ("update", ["c"]), ("backfill", ["d"]),
    ]


def test_a_late_history_of_one_topic_is_cut_while_another_one_holds() -> None:
    given_: List[Any] = []
    filler = Filler(
        Historical(), {"X": "log.X", "Y": "log.Y"}, "venue", "log", seconds=5.0, room=100, room_bytes=10**6,
        post=lambda call: None, callback=given_.append, give=lambda topic, update: given_.append(update),
        tell=given_.append, log=ClientLog("dbxsdk.test", "venue", "client"), name="client",
    )
    filler.take_with_history(history(A, B))
    filler.gap(Gap(("log.Y",), 1.0, 0))
    filler.take_with_history(history(A, B, C))
    assert [(each.kind, [item.key for item in each.data]) for each in given_] == [("snapshot", ["a", "b"]), ("backfill", ["c"])]
    filler.end()
    filler.join()
