"""What is given out after a hole: each item once, in its order, or inside of what is told as missing."""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Optional, Sequence, Tuple

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbxsdk.backfill.merge import Merge
from dbxsdk.backfill.twin import Fetched, Row, Since, Twin
from dbxsdk.errors import ConnectError, ProtocolError
from dbxsdk.events import Filled
from dbxsdk.models import Update

SECONDS = 5.0
WALL_MS = 10**9


@attrs.frozen
class Item:
    key: str
    at: int
    seq: int = 0


class Log(Twin):
    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Tuple[int, ...]]:
        if item.key == "bad":
            raise ProtocolError("bad")
        return item.key, (item.at, item.seq)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        raise NotImplementedError


class State(Log):
    is_state = True


def make(kind: str, data: Any, time_ms: Optional[int], raw: Any) -> Update[Any]:
    return Update("venue", "log", "X", kind, data, time_ms, max((item.at for item in data), default=0) * 10**6, raw)


def new(twin: Optional[Twin] = None) -> Merge:
    return Merge(twin or Log(), ("log.X",), make, SECONDS, lambda: WALL_MS * 1_000_000)


def live(*items: Item) -> Update[Any]:
    return make("update", items, None, None)


def rows(items: Sequence[Item], whole: bool = False) -> Fetched:
    return Fetched(tuple(Row(item.key, (item.at, item.seq), item, {"key": item.key}) for item in items), whole)


def keys(given: Sequence[Any]) -> List[Any]:
    """What was given out: keys, those out of REST with a plus, and the events."""
    found: List[Any] = []
    for each in given:
        if isinstance(each, Filled):
            found.append(each)
        else:
            found += [("+" if each.kind == "backfill" else "") + item.key for item in each.data]
    return found


A, B, C, D, E, F = (Item(name, 1000 * at) for at, name in enumerate("abcdef", 1))


def test_a_hole_that_is_closed_at_both_ends() -> None:
    merge = new()
    merge.begin([live(A), live(B)], 0, 10.0)
    assert merge.is_holding and merge.ask_at == 10.0 and merge.since.known == {"a", "b"} and merge.deadline == 15.0
    assert merge.fetched(rows([A, B, C]), 10.1) == [] and merge.ask_at == 14.0
    assert merge.take(live(E), 11.0) == [] and merge.ask_at == 11.0
    assert merge.fetched(rows([A, B, C, D]), 11.1) == [] and merge.ask_at == pytest.approx(11.35)
    given = merge.fetched(rows([A, B, C, D, E]), 11.4)
    assert keys(given) == ["+c", "+d", Filled(("log.X",), 2, True, None, None), "e"]
    assert [each.raw for each in given[:2]] == [{"key": "c"}, {"key": "d"}] and given[0].venue_time_ms == 3000
    assert not merge.is_holding and merge.ask_at is None and merge.deadline is None
    assert keys(merge.take(live(D, F), 12.0)) == ["f"], "the stream brings an item that REST had before"
    assert merge.remembers and keys(merge.take(live(F), 22.0)) == ["f"] and not merge.remembers


def test_what_rest_does_not_reach_back_to_is_missing() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(E), 0.1)
    assert keys(merge.fetched(rows([C, D, E]), 0.2)) == [
        "+c", "+d", Filled(("log.X",), 2, False, 1000 * 10**6, 3000 * 10**6), "e"
    ]


def test_an_older_row_than_the_last_one_before_the_hole_reaches_back() -> None:
    """The last one itself may have another id there, or be hidden."""
    merge = new()
    merge.begin([live(B)], 0, 0.0)
    merge.take(live(D), 0.1)
    assert keys(merge.fetched(rows([A, C, D]), 0.2)) == ["+c", Filled(("log.X",), 1, True, None, None), "d"]


def test_rest_that_lags_until_the_end_leaves_a_span() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(E), 0.1)
    merge.fetched(rows([A, B]), 0.2)
    assert merge.tick(4.9) == []
    assert keys(merge.tick(5.0)) == ["+b", Filled(("log.X",), 1, False, 2000 * 10**6, 5000 * 10**6), "e"]


def test_a_market_that_stands_still_is_complete_and_says_what_may_be_late() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.fetched(rows([A, B]), 0.2)
    assert keys(merge.tick(5.0)) == ["+b", Filled(("log.X",), 1, True, 2000 * 10**6, (WALL_MS + 1000) * 10**6)]


def test_a_span_that_is_open_still_ends_by_the_venues_clock() -> None:
    """It may be ahead of this machine's, and what happens there meanwhile must lie in the span."""
    merge = new()
    merge.begin([attrs.evolve(live(B), received_ns=500 * 10**6)], 0, 0.0)
    (filled,) = merge.tick(5.0)
    assert filled == Filled(("log.X",), 0, False, 2000 * 10**6, (WALL_MS + 1500 + 1000) * 10**6)


def test_where_only_rest_brought_something_before_a_hole_the_venues_clock_is_known_from_earlier() -> None:
    merge = new()
    merge.begin([attrs.evolve(live(B), received_ns=500 * 10**6)], 0, 0.0)
    merge.tick(5.0)
    merge.begin([make("backfill", (C,), None, None)], 0, 6.0)
    (filled,) = merge.tick(11.0)
    assert filled == Filled(("log.X",), 0, False, 3000 * 10**6, (WALL_MS + 1500 + 1000) * 10**6)


def test_the_reason_is_what_rest_said_and_not_that_the_time_was_up_afterwards() -> None:
    merge, error = new(), ProtocolError("no list")
    merge.begin([live(A)], 0, 0.0)
    merge.failed(error, 0.2, False)
    merge.failed(ConnectError("no time left to ask"), 5.0, False)
    (filled,) = merge.tick(5.0)
    assert isinstance(filled, Filled) and filled.error is error


@pytest.mark.parametrize("final", [True, False])
def test_rest_that_cannot_be_asked(final: bool) -> None:
    merge, error = new(), ConnectError("no")
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(B), 0.1)
    told = [Filled(("log.X",), 0, False, 1000 * 10**6, 2000 * 10**6, error), "b"]
    given = merge.failed(error, 0.2, final)
    assert keys(given) == (told if final else []) and (final or merge.ask_at == 0.45)
    assert final or keys(merge.tick(5.0)) == told


def test_rest_that_moves_on_faster_than_it_is_asked() -> None:
    """Its answers are put together; what may have been in none of them is told."""
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.fetched(rows([A, B]), 0.1)
    merge.take(live(F), 0.2)
    merge.fetched(rows([B, C]), 0.3)
    assert keys(merge.fetched(rows([E, F]), 0.4)) == [
        "+b", "+c", "+e", Filled(("log.X",), 3, False, 3000 * 10**6, 5000 * 10**6), "f"
    ]
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.fetched(rows([A, B]), 0.1)
    merge.take(live(C), 0.2)
    assert merge.fetched(rows([E, F]), 0.3) == []
    assert keys(merge.tick(5.0)) == ["+b", Filled(("log.X",), 1, False, 2000 * 10**6, 3000 * 10**6), "c"]


def test_what_lies_between_two_answers_may_be_of_one_millisecond() -> None:
    one = [Item(name, 1000, number) for number, name in enumerate("abcdef")]
    merge = new()
    merge.begin([live(one[0])], 0, 0.0)
    merge.fetched(rows(one[:3]), 0.1)
    merge.take(live(one[4]), 0.2)
    given = merge.fetched(rows(one[4:]), 0.3)  # and nobody knows of "d"
    assert keys(given) == ["+b", "+c", Filled(("log.X",), 2, False, 1000 * 10**6, 1000 * 10**6), "e"]


def test_what_is_held_is_bounded() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(C), 0.1)
    merge.take(live(D), 0.1)
    assert merge.held == 2 and merge.held_bytes > 0
    assert keys(merge.full(0.2)) == [Filled(("log.X",), 0, False, 1000 * 10**6, 3000 * 10**6), "c", "d"]
    assert merge.fetched(rows([A, B, C]), 0.3) == [], "it comes too late"
    assert merge.held == merge.held_bytes == 0


def test_two_holes_have_two_ends() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(C), 0.1)
    merge.gap(0, 0.2)
    merge.gap(0, 0.3)
    assert merge.deadline == 5.0
    merge.take(live(E), 0.4)
    filled = Filled(("log.X",), 1, True, None, None)
    assert keys(merge.fetched(rows([A, B, C, D, E]), 0.5)) == ["+b", filled, "c", "+d", filled, "e"]


def test_from_a_time_or_an_id_on() -> None:
    for since, expected in ((Since(from_ms=2000), ["+b", "+c"]), (Since(frozenset("b")), ["+c"])):
        merge = new()
        merge.begin_since(since, 0.0)
        merge.take(live(D), 0.1)
        filled = Filled(("log.X",), len(expected), True, None, None)
        assert keys(merge.fetched(rows([A, B, C, D]), 0.2)) == [*expected, filled, "d"]
    merge = new()
    merge.begin_since(Since(frozenset("z")), 0.0)
    merge.take(live(D), 0.1)
    assert keys(merge.fetched(rows([A, D]), 0.2)) == ["+a", Filled(("log.X",), 1, False, 0, 1000 * 10**6), "d"]


def test_items_of_one_moment_are_told_by_their_ids() -> None:
    """Of those at either end of the hole, REST may give any order."""
    before, missed, first, later = (Item(name, 1000) for name in "pqrs")
    for order in itertools.permutations([before, missed, first, later]):
        merge = new()
        merge.begin([live(before)], 0, 0.0)
        merge.take(live(first), 0.1)
        given = keys(merge.fetched(rows(order), 0.2))
        given += keys(merge.take(live(later), 0.3))
        names = [each.lstrip("+") for each in given if isinstance(each, str)]
        assert sorted(names) == ["q", "r", "s"]


def test_a_state_replaces_what_is_older() -> None:
    merge = new(State())
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(Item("x", 2000), Item("y", 2000)), 0.1)
    merge.take(live(Item("x", 4000)), 0.1)
    given = merge.fetched(rows([Item("x", 3000), Item("y", 1000)], whole=True), 0.2)
    assert [each if isinstance(each, Filled) else (each.kind, [(item.key, item.at) for item in each.data]) for each in given] == [
        ("snapshot", [("x", 3000), ("y", 1000)]),
        Filled(("log.X",), 2, True, None, None),
        ("update", [("y", 2000)]),
        ("update", [("x", 4000)]),
    ]


def test_a_state_of_which_rest_has_not_all_is_told_so() -> None:
    merge = new(State())
    merge.begin([live(A)], 0, 0.0)
    snapshot, filled = merge.fetched(rows([B]), 0.2)
    assert snapshot.kind == "snapshot"
    assert filled == Filled(("log.X",), 1, False, 1000 * 10**6, (WALL_MS + 1000) * 10**6)


def test_an_update_that_cannot_be_read_is_given_out_as_it_came() -> None:
    merge = new()
    merge.begin([live(A), live(Item("bad", 0))], 0, 0.0)
    merge.take(live(Item("bad", 0)), 0.1)
    merge.take(live(C), 0.1)
    assert keys(merge.fetched(rows([A, B, C]), 0.2))[-2:] == ["bad", "c"]


class Unordered(Log):
    """As fills of several symbols."""

    slack_ms = 1000


def test_what_the_stream_brings_out_of_its_order_is_told_by_ids() -> None:
    """Missed are one from before the last that came, and one from behind the first that comes."""
    merge = Merge(Unordered(), ("log.X",), make, SECONDS, lambda: 0)
    merge.begin([live(C)], 0, 0.0)
    merge.take(live(E), 0.1)
    given = merge.fetched(rows([attrs.evolve(B, at=2500), C, E, F], whole=True), 0.2)
    assert keys(given) == ["+b", "+f", Filled(("log.X",), 2, True, None, None), "e"]
    assert keys(merge.take(live(F), 0.3)) == [], "the stream brings it after all"


def test_what_was_there_before_an_unordered_subscription_is_not_given_out() -> None:
    merge = Merge(Unordered(), ("log.X",), make, SECONDS, lambda: 4500 * 10**6)
    merge.begin([live(C)], 0, 0.0)
    merge.take(live(E), 0.1)
    assert keys(merge.fetched(rows([attrs.evolve(B, at=2400), C, E], whole=True), 0.2))[0] != "+b"


@pytest.mark.parametrize("ahead", [-70_000, -3000, 0, 3000, 10_000])
def test_where_nothing_came_before_a_hole_its_beginning_is_by_the_venues_clock(ahead: int) -> None:
    merge = new()
    merge.begin([], 2_000_000, 0.0)
    merge.take(live(Item("live", 2_001_000 + ahead)), 0.1)
    missed, live_one, old = Item("missed", 2_000_500 + ahead), Item("live", 2_001_000 + ahead), Item("old", 1_990_000 + ahead)
    given = merge.fetched(attrs.evolve(rows([old, missed, live_one], whole=True), ahead_ms=ahead), 0.2)
    assert keys(given) == ["+missed", Filled(("log.X",), 1, True, None, None), "live"]


def test_many_items_of_one_moment_are_none_of_the_missed() -> None:
    many = [Item(f"m{number}", 1000) for number in range(60)]
    merge = new()
    merge.begin([live(each) for each in many], 0, 0.0)
    merge.take(live(B), 0.1)
    assert keys(merge.fetched(rows([*many, B]), 0.2)) == [Filled(("log.X",), 0, True, None, None), "b"]


def test_those_of_which_nobody_knows_whether_they_came_are_not_given_out_again() -> None:
    many = [Item(f"m{number}", 1000, number // 10) for number in range(100)]
    merge = new()
    merge.begin([live(each) for each in many][-64:], 0, 0.0)
    merge.take(live(B), 0.1)
    assert keys(merge.fetched(rows([*many, B]), 0.2)) == [Filled(("log.X",), 0, True, None, None), "b"]


def test_the_newest_of_very_many_rows_are_remembered() -> None:
    many = [Item(f"m{number}", number) for number in range(5100)]
    merge = new()
    merge.begin_since(Since(from_ms=0), 0.0)
    merge.started(0.0)
    merge.fetched(rows(many, whole=True), 0.1)
    assert len(keys(merge.tick(5.0))) == 5101
    assert keys(merge.take(live(many[-1], many[-5000]), 5.1)) == []


def test_what_rest_brought_before_another_hole_does_not_come_again_behind_it() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.fetched(rows([A, B], whole=True), 0.1)
    given = merge.tick(5.0)
    assert keys(given)[0] == "+b"
    merge.begin([live(A), given[0]], 0, 6.0)
    merge.take(live(B), 6.1)
    merge.take(live(C), 6.1)
    assert keys(merge.fetched(rows([A, B, C]), 6.2)) == [Filled(("log.X",), 0, True, None, None), "c"]


def test_ids_that_repeat_within_an_answer_count_once() -> None:
    merge = new()
    merge.begin([live(A)], 0, 0.0)
    merge.fetched(rows([A, B, B]), 0.1)
    merge.take(live(F), 0.2)
    assert keys(merge.fetched(rows([E, E, F]), 0.3)) == [
        "+b", "+e", Filled(("log.X",), 2, False, 2000 * 10**6, 5000 * 10**6), "f"
    ], "and do not make two answers overlap"


def test_of_a_state_and_an_update_of_one_time_the_update_is_given_out() -> None:
    merge = new(State())
    merge.begin([live(A)], 0, 0.0)
    merge.take(live(Item("x", 3000)), 0.1)
    given = merge.fetched(rows([Item("x", 3000)]), 0.2)
    assert [each.kind for each in given if isinstance(each, Update)] == ["snapshot", "update"]


# -- any course of events ----------------------------------------------------------------------------------------------


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_each_item_comes_once_or_lies_in_a_span(data: st.DataObject) -> None:
    """A venue whose stream and REST say the same, with holes in the stream; REST is late, and reaches back a number of rows."""
    count = data.draw(st.integers(3, 25))
    at, truth = 1000, []
    for number in range(count):
        at += data.draw(st.sampled_from([0, 0, 0, 1, 5]))
        truth.append(Item(f"k{number}", at, number // 4))
    reach = data.draw(st.integers(1, count))
    merge, now, number, room = new(), 0.0, 0, data.draw(st.sampled_from([3, 1000]))
    merged: List[Any] = []
    while number < count:
        step = data.draw(st.sampled_from(["live", "live", "hole", "ask", "wait"]))
        if step == "live":
            width = data.draw(st.integers(1, 3))
            update = live(*truth[number:number + width])
            number += width
            if merge.is_holding or merge.remembers:
                merged += merge.take(update, now)
                merged += merge.full(now) if merge.held >= room else []
            else:
                merged.append(update)
        elif step == "hole":
            number += data.draw(st.integers(1, 5))
            if number >= count:
                break  # nothing comes any more that would show it
            if merge.is_holding:
                merge.gap(0, now)
            else:
                before = [each for each in merged if not isinstance(each, Filled)][-64:]
                merge.begin(before, truth[0].at, now)
        elif step == "ask" and merge.is_holding:
            lag = data.draw(st.integers(0, 3))
            seen = truth[: max(number - lag, 0)][-reach:]
            merged += merge.fetched(rows(data.draw(st.permutations(seen)) if data.draw(st.booleans()) else seen), now)
        elif step == "wait":
            now += data.draw(st.sampled_from([0.1, 6.0]))
            merged += merge.tick(now)
    if merge.is_holding:
        merged += merge.tick(now + SECONDS + 1)
    counted: Dict[str, int] = {}
    spans = []
    for each in merged:
        if isinstance(each, Filled):
            if each.missing_from_ns is not None and each.missing_until_ns is not None:
                spans.append((each.missing_from_ns // 10**6, each.missing_until_ns // 10**6))
        else:
            for item in each.data:
                counted[item.key] = counted.get(item.key, 0) + 1
    assert max(counted.values(), default=1) == 1, "each once"
    last = max((item.at for item in truth if item.key in counted), default=0)
    for item in truth[:number]:
        if item.key not in counted and item.at < last:
            assert any(low <= item.at <= high for low, high in spans), (item, spans, merged)
