"""Books and merged tickers of workers that come late, against a venue whose true book is known."""

from __future__ import annotations

from typing import Any

import pytest

from dbxsdk.sim import CryptomusVenue, DigiFinexVenue
from tests.relay.scene import Scene
from tests.waiting import Recorder, eventually


def whole(book: Any) -> Any:
    found = book.snapshot()
    return found.bids, found.asks


def test_a_late_worker_has_the_same_book_and_joins_on_without_a_hole(stage: Scene) -> None:
    stage.serve()
    first = stage.worker().client.order_book("BTCUSDT")
    assert first.wait_ready(5)
    for _ in range(50):
        stage.venue.step()
    late = stage.worker()
    book = late.client.order_book("BTCUSDT")
    assert book.wait_ready(5)
    stage.venue.step(5)
    eventually(lambda: first.update_id == book.update_id and whole(first) == whole(book))
    truth = stage.venue.book("BTCUSDT", depth=50)
    eventually(lambda: [list(side) for side in whole(book)] == [truth["bids"], truth["asks"]])
    assert book.stats().gaps == 0 and not book.is_stale


def test_a_late_callback_begins_with_a_snapshot(stage: Scene) -> None:
    stage.serve()
    first = stage.worker().client.order_book("BTCUSDT", depth=200)
    assert first.wait_ready(5)
    stage.venue.step(5)
    seen = Recorder()
    late = stage.worker()
    late.client.subscribe("orderbook.200", "BTCUSDT", callback=seen)
    stage.venue.step(5)
    updates = seen.wait(2)
    assert [each.kind for each in updates[:2]] == ["snapshot", "delta"]
    assert updates[1].data.update_id == updates[0].data.update_id + 1


def test_a_late_worker_has_the_whole_ticker(stage: Scene) -> None:
    stage.serve()
    seen, late = Recorder(), Recorder()
    stage.worker().client.subscribe("tickers", "BTCUSDT", callback=seen)
    stage.venue.step(3)
    seen.wait(1)
    worker = stage.worker()
    worker.client.subscribe("tickers", "BTCUSDT", callback=late)
    stage.venue.step(10)
    first = late.wait(1)[0]
    assert first.kind == "snapshot" and first.data.last_price is not None and worker.client.stats().bad_frames == 0


def test_a_book_of_a_killed_leader_is_stale_until_the_next_one_has_it(stage: Scene) -> None:
    first = stage.serve()
    worker = stage.worker()
    book = worker.client.order_book("BTCUSDT")
    assert book.wait_ready(5)
    first.stop()
    eventually(lambda: book.is_stale)
    stage.serve()
    eventually(lambda: not book.is_stale, 10)
    stage.venue.step(5)
    truth = stage.venue.book("BTCUSDT", depth=50)
    eventually(lambda: [list(side) for side in whole(book)] == [truth["bids"], truth["asks"]])


@pytest.mark.parametrize("make, name, symbol", [
    (DigiFinexVenue, "digifinex", "BTC_USDT"), (CryptomusVenue, "cryptomus", "BTC_USDT"),
], ids=["digifinex", "cryptomus"])
def test_books_of_the_other_venues(stage: Scene, make: Any, name: str, symbol: str) -> None:
    with make() as venue:
        served = stage.serve(client=venue.client())
        first, late = stage.relay.client(name), None
        try:
            book = first.order_book(symbol)
            assert book.wait_ready(5)
            late = stage.relay.client(name)
            second = late.order_book(symbol)
            assert second.wait_ready(5)
            eventually(lambda: whole(book) == whole(second) and whole(book)[0])
        finally:
            first.close()
            if late is not None:
                late.close()
            served.stop()


def test_the_swaps_books(stage: Scene) -> None:
    with DigiFinexVenue() as venue:
        served = stage.serve(client=venue.client("swap"))
        first, late = stage.relay.client("digifinex:swap"), stage.relay.client("digifinex:swap")
        try:
            book = first.order_book("BTCUSDTPERP")
            assert book.wait_ready(5)
            second = late.order_book("BTCUSDTPERP")
            assert second.wait_ready(5)
            eventually(lambda: whole(book) == whole(second) and whole(book)[0])
        finally:
            first.close()
            late.close()
            served.stop()
