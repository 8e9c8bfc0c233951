"""A logging handler or filter that raises ends nothing: no thread, no deadline, no delivery.

Once one that raised ended the reader (``wait`` blocked for ever), the callbacks thread (updates piled up) or the heartbeat (no
deadline was kept any more).
"""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any, Callable, Iterator, List, Type

import pytest

from dbxsdk import Disconnected, RequestTimeout, Silent, State
from tests.conftest import library_threads
from tests.promises.venues import Document, Held, Link, ScriptedVenue, book, bybit_refusing, bybit_yes, listening, trade
from tests.waiting import PATIENCE, Background, Recorder


class Broken(Exception):
    """Raised by the user's own logging."""


class Raising(logging.Handler):
    """Raises for each record, as a handler or as the filter of one. ``records`` are those that it saw."""

    def __init__(self, error: Type[BaseException], as_filter: bool) -> None:
        super().__init__()
        self._error = error
        self.records: List[logging.LogRecord] = []
        if as_filter:
            self.addFilter(self._raise)

    def _raise(self, record: logging.LogRecord) -> bool:
        self.records.append(record)
        raise self._error("the user's own logging")

    emit = _raise  # type: ignore[assignment]


@pytest.fixture(
    params=[
        ("dbxsdk", Broken, "handler"),
        ("dbxsdk", SystemExit, "filter"),
        ("", SystemExit, "handler"),
        ("", Broken, "filter"),
    ],
    ids=lambda param: f"{param[1].__name__} of a {param[2]} of {param[0] or 'the root logger'}",
)
def raising_always(request: Any) -> Iterator[Raising]:
    """Logging that raises at each line."""
    name, error, kind = request.param
    logger = logging.getLogger(name)
    made = Raising(error, kind == "filter")
    level, handlers = logger.level, logger.handlers[:]
    logger.setLevel(logging.DEBUG)
    logger.handlers = [made]  # those that tests have besides see nothing: the first one raises
    yield made
    logger.handlers = handlers
    logger.setLevel(level)


@pytest.fixture
def raising(raising_always: Raising) -> Raising:
    """Logging that raises at lines of the level WARNING and above: all is well until something happens."""
    raising_always.setLevel(logging.WARNING)
    return raising_always


def off_the_main_thread(test: Callable[..., None]) -> Callable[..., None]:
    """On the main thread a ``SystemExit`` is meant for the program, also one that a handler raises."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        Background(test, **fixtures).result(10.0)

    return run


def is_whole(client: Any) -> None:
    """Reader, callbacks and watch are at work."""
    assert client.state is State.READY
    kinds = {thread.name.rpartition("-")[2] for thread in library_threads() if thread.is_alive()}
    assert kinds == {"reader", "heartbeat", "callbacks"}
    assert client.call("ping")["ret_msg"] == "pong"


@off_the_main_thread
def test_connecting_and_reconnecting(raising_always: Raising) -> None:
    updates = Recorder()
    with ScriptedVenue(bybit_yes) as venue:
        client = venue.bybit()
        seen = Recorder()
        client.on_event(seen)
        Background(client.open).result(1.0)
        client.subscribe("publicTrade", "BTCUSDT", callback=updates, raw=True)
        venue.refusals = 2
        venue.link().cut()
        seen.wait_for(Disconnected)
        venue.link(2).send(trade("BTCUSDT", 1))
        updates.wait()
        is_whole(client)
        assert raising_always.records
        client.close()


@off_the_main_thread
def test_callbacks_that_raise(raising: Raising) -> None:
    updates = Recorder()

    def callback(document: Document) -> None:
        updates(document["n"])
        if document["n"] < 3:
            raise ValueError("the user's own callback")

    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe("publicTrade", "BTCUSDT", callback=callback, raw=True)
        venue.link().send(*(trade("BTCUSDT", number) for number in range(5)))
        assert updates.wait(5) == [0, 1, 2, 3, 4]
        # An event callback that raises, too.
        client.on_event(lambda event: 1 / 0)
        venue.link().cut()
        seen.wait_for(Disconnected)
        venue.link(2).send(trade("BTCUSDT", 5))
        updates.wait(6)
        is_whole(client)
        assert client.stats().callback_errors >= 4


@off_the_main_thread
def test_deadlines_heartbeats_and_the_watch_over_silence(raising: Raising) -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(request_timeout=0.3)) as (client, seen):
        client.subscribe("publicTrade", "BTCUSDT", callback=print, max_silence=0.1)
        # The watch logs that the topic is silent.
        seen.wait_for(Silent)
        venue.answer = Held(bybit_yes, "echo")
        assert isinstance(client.submit("echo", []).exception(2.0), RequestTimeout), "kept by the watch"
        venue.link().send(trade("BTCUSDT", 1))
        seen.wait_for(Silent, 2)
        is_whole(client)


@off_the_main_thread
def test_frames_and_answers_that_cannot_be_read(raising: Raising) -> None:
    updates = Recorder()
    with ScriptedVenue(bybit_yes) as venue, venue.bybit() as client:
        client.subscribe("publicTrade", "BTCUSDT", callback=updates)
        venue.link().send({"no": "sense"}, {"topic": "publicTrade.ETHUSDT"}, {**trade("BTCUSDT", 1), "data": None})
        venue.link().send(trade("BTCUSDT", 2))
        assert updates.wait()[0].raw["n"] == 2
        future = client.submit("echo", [])
        future.add_done_callback(lambda _: 1 / 0)
        assert future.result(PATIENCE)["success"]
        is_whole(client)
        assert client.stats().bad_frames == 3


@off_the_main_thread
def test_a_book_that_asks_for_a_whole_one(raising: Raising) -> None:
    def yes(link: Link, document: Document) -> Any:
        answer = bybit_yes(link, document)
        return [answer, book("BTCUSDT", 10, depth=50)] if document["op"] == "subscribe" else answer

    with ScriptedVenue(yes) as venue, venue.bybit() as client:
        made = client.order_book("BTCUSDT", depth=50)
        assert made.wait_ready(PATIENCE)
        made.on_update(lambda book: 1 / 0)
        made.on_update(lambda book: 1 / 0)
        # One is missing before it.
        venue.link().send(book("BTCUSDT", 12, depth=50, kind="delta"))
        venue.wait_asked("subscribe", 2)
        assert made.wait_ready(PATIENCE)
        is_whole(client)


@off_the_main_thread
def test_a_topic_that_is_refused_at_a_reconnect(raising: Raising) -> None:
    updates = Recorder()
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT"], callback=updates, raw=True)
        venue.answer = bybit_refusing("publicTrade.ETHUSDT")
        venue.link().cut()
        seen.wait_for(Disconnected)
        venue.link(2).send(trade("BTCUSDT", 1))
        updates.wait()
        is_whole(client)


@off_the_main_thread
def test_logging_that_raises_in_close(raising: Raising) -> None:
    with ScriptedVenue(Held(bybit_yes, "echo")) as venue:
        client = venue.bybit()
        client.open()
        future = client.submit("echo", [])
        future.add_done_callback(lambda _: 1 / 0)
        client.close()
        assert client.state is State.CLOSED and future.done()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]
