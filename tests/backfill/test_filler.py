"""What drives the merges: order, and what goes wrong."""

from __future__ import annotations

from typing import Any, Callable, List

import pytest

from dbxsdk.backfill.filler import Filler
from dbxsdk.backfill.twin import Fetched, Since
from dbxsdk.events import Filled, Gap
from dbxsdk.models import Update
from dbxsdk.runtime.log import ClientLog
from tests.backfill.test_merge import Item, Log, live, rows
from tests.waiting import eventually

A, B, C = (Item(name, 1000 * at) for at, name in enumerate("abc", 1))


class Asked(Log):
    """Answers by a function."""

    def __init__(self, answer: Callable[[], Fetched]) -> None:
        self.answer = answer

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        return self.answer()


def driven(answer: Callable[[], Fetched]) -> Any:
    """A filler, what it gave out, and what waits for the callbacks thread."""
    given: List[Any] = []
    waiting: List[Callable[[], None]] = []
    filler = Filler(
        Asked(answer), {"X": "log.X"}, "venue", "log", seconds=5.0, room=100, room_bytes=10**6, post=waiting.append,
        callback=given.append, give=lambda topic, update: given.append(update), tell=given.append,
        log=ClientLog("dbxsdk.test", "venue", "client"), name="client",
    )
    return filler, given, waiting


def names(given: List[Any]) -> List[Any]:
    return [type(each).__name__ if not isinstance(each, Update) else [item.key for item in each.data] for each in given]


def step(waiting: List[Callable[[], None]]) -> None:
    eventually(lambda: waiting)
    waiting.pop(0)()


def test_what_is_held_comes_behind_what_was_missed() -> None:
    filler, given, waiting = driven(lambda: rows([A, B, C]))
    filler.take(live(A))
    filler.gap(Gap(("log.X", "other"), 1.0, 0))
    filler.take(live(C))
    while len(given) < 4:
        step(waiting)
    assert names(given) == [["a"], ["b"], "Filled", ["c"]] and given[2].complete and given[2].client == "client"
    filler.end()
    filler.join()


@pytest.mark.parametrize("defect", ["merge", "twin"])
def test_a_defect_costs_what_was_missed_and_nothing_else(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: Any) -> Any:
        raise RuntimeError("a defect")

    filler, given, waiting = driven(lambda: rows([A, B, C]))
    if defect == "merge":
        monkeypatch.setattr("dbxsdk.backfill.merge.Merge._shared_out", raises)
    else:
        filler._twin.answer = raises
        filler._merges["X"]._seconds = 0.05
    filler.take(live(A))
    filler.gap(Gap(("log.X",), 1.0, 0))
    filler.take(live(C))
    while len(given) < 3:
        step(waiting)
    filled = given[1]
    assert names(given) == [["a"], "Filled", ["c"]] and not filled.complete and "a defect" in str(filled.error)
    filler.take(live(Item("d", 4000)))
    assert names(given)[-1] == ["d"]
    filler.end()
    filler.join()


def test_a_gap_of_before_it_began_is_none_of_its_own() -> None:
    filler, given, waiting = driven(lambda: rows([]))
    filler.passes = lambda: {7}
    filler.gap(Gap(("log.X",), 1.0, 7))
    filler.take(live(A))
    assert names(given) == [["a"]] and not waiting and not [each for each in given if isinstance(each, Filled)]
