"""What waits for callbacks is bounded, in number and in bytes. With "block", too: twice ``queue_size`` and one read. Then the
connection is dropped, and a ``Gap`` tells; nothing is lost that no gap names.

Once a callback that made a call an update let the queue grow for ever: 15,104 updates after 8 s, with ``queue_size=100``.
"""

from __future__ import annotations

import contextlib
import threading
import time
import tracemalloc
import zlib
from typing import Any, List

import pytest

from dbxsdk import BadFrame, Connected, DbxError, DigiFinexClient, Disconnected, Dropped, Gap
from tests.promises.venues import (
    AT_ONCE, Clock, Document, Flood, Link, ScriptedVenue, book, bybit_yes, later, listening, trade,
)
from tests.transport.servers import BINARY, frame
from tests.waiting import PATIENCE, Background, Recorder, eventually, held

BTC = "publicTrade.BTCUSDT"
SIZE = 50
READ = 65536
PADDING = "x" * 1500
CEILING = 2 * SIZE + READ // 1500 + 2
"""Twice the queue, and the updates of one read."""
SECONDS = 1.2
"""Of flood: in this time it once passed the ceiling twice over."""


def padded(number: int) -> Document:
    return {**trade("BTCUSDT", number), "padding": PADDING}


class Watch:
    """The most that was queued at any moment."""

    def __init__(self, client: Any) -> None:
        self.most = 0
        self._client = client
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-watch", daemon=True)

    def _run(self) -> None:
        while not self._over.wait(0.0005):
            self.most = max(self.most, self._client.stats().queued)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(PATIENCE)


def check_that_gaps_name_all_that_is_missing(items: List[Any]) -> int:
    """Updates are numbered through, over all connections: where numbers are missing there must be a gap. Returns how many
    gaps there were."""
    last, told, gaps = None, True, 0
    for item in items:
        if isinstance(item, Gap):
            assert item.topics == (BTC,)
            told, gaps = True, gaps + 1
        elif isinstance(item, dict):
            if last is not None and item["n"] != last + 1:
                assert item["n"] > last, "in their order, each once"
                assert told, f"{last} is followed by {item['n']}, and no gap says so"
            last, told = item["n"], False
    return gaps


def test_a_callback_that_makes_a_call_an_update_under_a_flood() -> None:
    seen = Recorder()

    def callback(document: Document) -> None:
        seen(document)
        try:
            client.call("echo", [], timeout=1.0)
        except DbxError:
            pass  # the connection was dropped: that is what this is about

    with ScriptedVenue(later(0.02, bybit_yes, "echo")) as venue:
        client = venue.bybit(queue_size=SIZE)
        client.on_event(seen)
        with client, Watch(client) as watch:
            client.subscribe(BTC, callback=callback, raw=True)
            clock = Clock()
            with Flood(lambda number: venue.link().send(padded(number))):
                while clock.seconds < SECONDS:
                    time.sleep(0.01)
                    assert watch.most <= CEILING
            assert watch.most > SIZE, "it was a flood"
            eventually(lambda: seen.of(Gap))
        assert watch.most <= CEILING
        assert seen.of(Disconnected) and "queue_size" in seen.of(Disconnected)[0].reason
        assert check_that_gaps_name_all_that_is_missing(seen.items) >= 1


def test_an_iterator_in_whose_loop_a_call_is_made_under_a_flood() -> None:
    got: List[Any] = []

    with ScriptedVenue(later(0.02, bybit_yes, "echo")) as venue, listening(venue.bybit(queue_size=SIZE)) as (client, seen):
        iterator = client.messages(BTC, raw=True)

        def loop() -> None:
            for item in iterator:
                got.append(item)
                try:
                    client.call("echo", [], timeout=1.0)
                except DbxError:
                    pass

        looping = Background(loop)
        with Watch(client) as watch:
            clock = Clock()
            with Flood(lambda number: venue.link().send(padded(number))):
                while clock.seconds < SECONDS:
                    time.sleep(0.01)
                    assert watch.most <= CEILING
        assert watch.most > SIZE
        client.close()
        looping.result()
        assert seen.of(Disconnected)
        check_that_gaps_name_all_that_is_missing(got)


def test_an_iterator_that_only_iterates_keeps_its_connection_under_a_flood() -> None:
    """It waits at its empty queue again and again, which is not what a reader may pass by for."""
    burst = 3000
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(queue_size=10)) as (client, seen):
        iterator = client.messages(BTC, raw=True)
        looping = Background(lambda: [next(iterator) for _ in range(burst)])
        eventually(lambda: looping.waits)
        venue.link().send(*(trade("BTCUSDT", number) for number in range(burst)))
        assert [item if isinstance(item, Gap) else item["n"] for item in looping.result()] == list(range(burst))
        assert not seen.of(Disconnected)


def test_a_callback_that_waits_for_a_book_under_a_flood() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(queue_size=SIZE)) as (client, seen):
        book = client.order_book("ETHUSDT", depth=1)
        client.subscribe(BTC, callback=lambda _: book.wait_ready(0.5), raw=True)
        with Watch(client) as watch:
            clock = Clock()
            with Flood(lambda number: venue.link().send(padded(number))):
                while clock.seconds < SECONDS:
                    time.sleep(0.01)
                    assert watch.most <= CEILING
        assert SIZE < watch.most
        eventually(lambda: client.stats().reconnects >= 1)  # told behind all the updates that still wait


def test_nothing_is_dropped_below_the_ceiling() -> None:
    """A burst that the queue can take, with its second half: no update is lost, and no connection."""
    seen = Recorder()

    def callback(document: Document) -> None:
        client.call("echo", [], timeout=2.0)
        seen(document)

    with ScriptedVenue(later(0.001, bybit_yes, "echo")) as venue:
        client = venue.bybit(queue_size=50)
        client.on_event(seen)
        with client:
            client.subscribe(BTC, callback=callback, raw=True)
            for number in range(0, 90, 10):
                venue.link().send(*(trade("BTCUSDT", each) for each in range(number, number + 10)))
            eventually(lambda: len(seen.of(dict)) == 90)
            assert [item["n"] for item in seen.of(dict)] == list(range(90))
            assert [type(item) for item in seen.items if not isinstance(item, dict)] == [Connected]


def test_a_book_that_outgrows_its_depth_is_stale_told_and_renewed() -> None:
    def answer(link: Link, document: Document) -> Any:
        yes = bybit_yes(link, document)
        return [yes, book("BTCUSDT", 1, depth=50)] if document["op"] == "subscribe" else yes

    with ScriptedVenue(answer) as venue, listening(venue.bybit()) as (client, seen):
        live = client.order_book("BTCUSDT", depth=50)
        assert live.wait_ready(PATIENCE)
        for number in range(2, 6):  # not one more: it might come after the new whole book
            grown = book("BTCUSDT", number, depth=50, kind="delta")
            grown["data"]["a"] = [[str(price), "1"] for price in range(100 * number, 100 * number + 100)]
            venue.link().send(grown)
        venue.wait_asked("subscribe", 2)
        assert live.wait_ready(PATIENCE) and len(live.asks()) == 1 and live.stats().resynchronisations == 1
        bad = seen.wait_for(BadFrame)
        assert "more than 200 levels" in str(bad.error) and client.stats().bad_frames == 1


def test_close_is_at_once_in_the_middle_of_a_flood() -> None:
    with ScriptedVenue(later(0.02, bybit_yes, "echo")) as venue:
        client = venue.bybit(queue_size=SIZE)
        client.subscribe(BTC, callback=lambda _: client.call("echo", [], timeout=1.0), raw=True)
        with Flood(lambda number: venue.link().send(padded(number))):
            eventually(lambda: client.stats().queued > SIZE)
            clock = Clock()
            client.close()
            assert clock.seconds < 1.0 + AT_ONCE


def test_the_updates_that_were_refused_are_counted() -> None:
    go_on = threading.Event()
    seen = Recorder()

    def callback(document: Document) -> None:
        seen(document)
        if document["n"] == 0:
            client.submit("echo", [])
            go_on.wait(PATIENCE)

    with ScriptedVenue(later(PATIENCE, bybit_yes, "echo")) as venue:
        client = venue.bybit(queue_size=10)
        client.on_event(seen)
        with client:
            client.subscribe(BTC, callback=callback, raw=True)
            venue.link().send(trade("BTCUSDT", 0))
            seen.wait_for(dict)
            link = venue.link()
            for number in range(1, 60):
                link.send_quietly(trade("BTCUSDT", number))
                time.sleep(0.002)  # a read of its own
            venue.link(2)
            go_on.set()
            eventually(lambda: not client.stats().queued)
            venue.link(2).send(trade("BTCUSDT", 100))
            eventually(lambda: seen.items and isinstance(seen.items[-1], dict) and seen.items[-1]["n"] == 100)
        numbers = [item["n"] for item in seen.of(dict)][:-1]
        assert numbers == list(range(len(numbers))) and 20 <= len(numbers) <= 23
        assert check_that_gaps_name_all_that_is_missing(seen.items) == 1
        assert sum(event.count for event in seen.of(Dropped)) == client.stats().dropped


# -- bytes -------------------------------------------------------------------------------------------------------------

SYMBOLS = [f"S{number}_USDT" for number in range(40)]
LISTS = "[],"
TEXT_BYTES = len(LISTS) * 10_000
"""Of a frame that is 150 bytes on the wire, and 600 KiB of lists in memory."""
QUEUE_BYTES = 4 * TEXT_BYTES


def digifinex_yes(link: Link, document: Document) -> Any:
    if document["method"] == "server.time":
        return None
    return {"error": None, "result": {"status": "success"}, "id": document["id"]}


def bomb(symbol: str, lists: int = 10_000) -> bytes:
    text = '{"method":"depth.update","params":[true,[%s0],"%s"],"id":null}' % (LISTS * lists, symbol)
    return frame(BINARY, zlib.compress(text.encode(), 9))


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "latest", "disconnect"])
def test_the_bytes_that_wait_are_bounded_whatever_the_policy(overflow: str) -> None:
    inside, go_on, seen = threading.Event(), threading.Event(), Recorder()

    def callback(document: Document) -> None:
        inside.set()
        assert go_on.wait(PATIENCE)
        seen(document["params"][2])

    with ScriptedVenue(digifinex_yes) as venue, contextlib.ExitStack() as stack:
        # Stopped when the client is closed: zlib allocates without the GIL, and some Pythons crash if tracing ends meanwhile.
        stack.callback(tracemalloc.stop)
        client = stack.enter_context(
            DigiFinexClient(url=venue.url, options=venue.options(queue_bytes=QUEUE_BYTES, overflow=overflow))
        )
        client.on_event(seen)
        client.subscribe("depth", SYMBOLS, callback=callback, raw=True)
        tracemalloc.start()
        venue.link().send_bytes(b"".join(map(bomb, SYMBOLS)))
        assert inside.wait(PATIENCE)
        if overflow == "block":
            eventually(lambda: held(client))
        elif overflow == "disconnect":
            eventually(lambda: client.stats().reconnects == 1)
        else:
            eventually(lambda: client.stats().received == len(SYMBOLS) + 1)
        _, peak = tracemalloc.get_traced_memory()
        stats = client.stats()
        assert 2 <= stats.queued <= QUEUE_BYTES // TEXT_BYTES + 1
        assert peak < 12 << 20, f"{peak} bytes"
        go_on.set()
        eventually(lambda: client.stats().delivered + client.stats().dropped == len(SYMBOLS))
        eventually(lambda: sum(event.count for event in seen.of(Dropped)) == client.stats().dropped)
        symbols = seen.of(str)
        assert symbols == sorted(symbols, key=SYMBOLS.index), "in their order"
        assert overflow == "disconnect" or symbols[-1] == SYMBOLS[-1], "the newest is never dropped"
        assert (len(symbols) == len(SYMBOLS)) is (overflow == "block")


def test_bytes_have_a_ceiling_where_somebody_waits_for_an_answer() -> None:
    with ScriptedVenue(digifinex_yes) as venue:
        with DigiFinexClient(url=venue.url, options=venue.options(queue_bytes=QUEUE_BYTES)) as client:
            seen = Recorder()
            client.on_event(seen)
            most = []

            def callback(document: Document) -> None:
                if not most:
                    with contextlib.suppress(DbxError):  # the connection was dropped: that is what this is about
                        client.call("server.time")
                    most.append(client.stats().queued)

            client.subscribe("depth", SYMBOLS, callback=callback, raw=True)
            venue.link().send_bytes(b"".join(map(bomb, SYMBOLS)))
            assert "queue_bytes" in seen.wait_for(Disconnected).reason
            eventually(lambda: most)
            # The inflated text that is staged together may pass the ceiling.
            assert most[0] <= 2 * QUEUE_BYTES // TEXT_BYTES + (256 << 10) // TEXT_BYTES + 2


def test_inflated_bytes_count_against_the_size_of_a_message() -> None:
    with ScriptedVenue(digifinex_yes) as venue:
        options = venue.options(max_message_size=TEXT_BYTES + 1000)
        with DigiFinexClient(url=venue.url, options=options) as client:
            seen = Recorder()
            client.on_event(seen)
            client.subscribe("depth", SYMBOLS[:2], callback=lambda document: seen(document["params"][2]), raw=True)
            venue.link().send_bytes(bomb(SYMBOLS[0]) + bomb(SYMBOLS[1], 11_000) + bomb(SYMBOLS[1]))
            assert "max_message_size" in seen.wait_for(Disconnected).reason
            eventually(lambda: client.stats().reconnects == 1)
            assert client.stats().bad_frames == 1
            assert seen.of(str) == SYMBOLS[:1], "nothing behind it is looked at"


def test_an_inflated_text_that_is_no_utf_8_is_one_bad_frame() -> None:
    with ScriptedVenue(digifinex_yes) as venue, contextlib.ExitStack() as stack:
        client, seen = stack.enter_context(listening(DigiFinexClient(url=venue.url, options=venue.options())))
        client.open()
        venue.link().send_bytes(frame(BINARY, zlib.compress(b'{"a":"\xff"}')))
        assert "UTF-8" in str(seen.wait_for(BadFrame).error)
        assert client.ping() > 0 and not seen.of(Disconnected), "WebSocket says nothing of what is in binary messages"
