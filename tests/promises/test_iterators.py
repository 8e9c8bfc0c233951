"""Iterators never deadlock: in callbacks, side by side, or made and never read.

Once the reader stood still before one full queue while the update that somebody waited for lay unread behind it.
"""

from __future__ import annotations

import gc
import itertools
from typing import Any, List

import pytest

from dbxsdk import Gap
from tests.promises.venues import Document, Flood, Link, ScriptedVenue, bybit_yes, listening, trade
from tests.waiting import Background, Recorder, eventually

FAST, SLOW = "publicTrade.BTCUSDT", "publicTrade.ETHUSDT"
PATIENCE = 2.5


def one_by_one(client: Any, link: Link, *documents: Document) -> None:
    """Sends updates so that each is a read of its own."""
    for document in documents:
        before = client.stats().received
        link.send(document)
        eventually(lambda before=before: client.stats().received > before, PATIENCE)


def test_next_in_a_callback_while_the_main_queue_is_full() -> None:
    got: List[Any] = []

    with ScriptedVenue(bybit_yes) as venue, venue.bybit(queue_size=5) as client:
        iterator = client.messages(SLOW, raw=True)
        updates = Recorder(lambda update: got.append(next(iterator)["n"]) if update["n"] == 0 else None)
        client.subscribe(FAST, callback=updates, raw=True)
        # More than the queue holds, in one read and in several, and then what the callback waits for.
        venue.link().send(*(trade("BTCUSDT", number) for number in range(8)))
        eventually(lambda: client.stats().queued >= 5)
        venue.link().send(trade("ETHUSDT", 77))
        eventually(lambda: got, PATIENCE)
        assert got == [77]
        assert [update["n"] for update in updates.wait(8)] == list(range(8)), "and nothing was lost"


def test_next_in_a_callback_while_more_comes_than_the_ceiling_lets_in() -> None:
    got: List[Any] = []

    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(queue_size=5)) as (client, seen):
        iterator = client.messages(SLOW, raw=True)
        updates = Recorder(lambda update: got.append(next(iterator)) if not got else None)
        client.subscribe(FAST, callback=updates, raw=True)
        with Flood(lambda number: venue.link().send(trade("BTCUSDT", number))):
            eventually(lambda: client.stats().received > 20, PATIENCE)
            with Flood(lambda number: venue.link().send(trade("ETHUSDT", 77))):
                eventually(lambda: got, PATIENCE)
        assert isinstance(got[0], Gap) or got[0]["n"] == 77


def test_two_iterators_zipped_of_which_one_has_much_and_one_little() -> None:
    with ScriptedVenue(bybit_yes) as venue, venue.bybit(queue_size=10) as client:
        fast, slow = client.messages(FAST, raw=True), client.messages(SLOW, raw=True)
        pairs = zip(fast, slow)  # noqa: B905 - Python 3.9 has no ``strict``
        zipping = Background(lambda: [(one["n"], other["n"]) for one, other in itertools.islice(pairs, 2)])
        for number in range(2):
            # In the end seven more of the one than its queue holds.
            one_by_one(client, venue.link(), *(trade("BTCUSDT", 9 * number + each) for each in range(9)))
            one_by_one(client, venue.link(), trade("ETHUSDT", number))
        assert zipping.result(PATIENCE) == [(0, 0), (1, 1)]
        assert [next(fast)["n"] for _ in range(16)] == list(range(2, 18)), "and nothing was lost"


def test_two_iterators_zipped_beyond_the_ceiling() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(queue_size=10)) as (client, seen):
        fast, slow = client.messages(FAST, raw=True), client.messages(SLOW, raw=True)
        pairs = zip(fast, slow)  # noqa: B905
        zipping = Background(lambda: list(itertools.islice(pairs, 6)))
        with Flood(lambda number: venue.link().send(trade("BTCUSDT", number))):
            with Flood(lambda number: venue.link().send(trade("ETHUSDT", number))):
                assert len(zipping.result(PATIENCE)) == 6


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "forgotten"])
def test_an_iterator_that_is_never_read_beside_one_that_is(kept: bool) -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(queue_size=10)) as (client, seen):
        unread = [client.messages(FAST, raw=True)]
        read = client.messages(SLOW, raw=True)
        if not kept:
            unread.clear()
            gc.collect()
        updates = Recorder()
        looping = Background(lambda: [updates(update) for update in read])
        for number in range(60):
            venue.link().send_quietly(trade("BTCUSDT", number))
        with Flood(lambda number: venue.link().send(trade("ETHUSDT", number))):
            eventually(lambda: len([update for update in updates.items if not isinstance(update, Gap)]) > 20, PATIENCE)
        client.close()
        looping.result()
