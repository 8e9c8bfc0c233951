"""Whatever a peer does, calls take no longer than they may: ``submit`` and ``unsubscribe`` a moment, ``subscribe`` and ``call``
their timeout. At a drop requests have their outcome before users' code runs.

Once a peer that did not read held ``submit`` for 8 s, ``subscribe(timeout=0.5)`` and ``unsubscribe`` for 5 s; and a callback of a
book, run inline, held a ``call(timeout=1)`` for as long as it took.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from dbxsdk import ConnectError, ConnectionLost, Disconnected, OutcomeUnknown, RequestTimeout
from tests.promises.venues import (
    AT_ONCE,
    BIG,
    Clock,
    Document,
    Held,
    Link,
    ScriptedVenue,
    book,
    bybit_yes,
    trade,
)
from tests.waiting import PATIENCE, Background, Recorder, eventually

SLACK = 0.2
"""Seconds that a call may take beyond its timeout, on a busy machine."""


@contextlib.contextmanager
def deaf(tls: Dict[str, Any], **options: Any) -> Iterator[Tuple[Any, Any]]:
    """A venue that has stopped reading in the middle of a request, and its client, which is subscribed to a topic."""
    with ScriptedVenue(bybit_yes, **tls) as venue:
        client = venue.bybit(request_timeout=8.0, **options)
        try:
            client.subscribe("publicTrade", "BTCUSDT", callback=print)
            venue.stop_reading()
            filling = Background(client.submit, "echo", [BIG])
            # What has come of it says that it is being written.
            assert venue.began.wait(PATIENCE)
            yield venue, client
        finally:
            clock = Clock()
            client.close()
            assert clock.seconds < 1.0, "close waits for no peer"
        filling.result()


def test_submit_is_at_once(tls: Dict[str, Any]) -> None:
    with deaf(tls) as (venue, client):
        clock = Clock()
        futures = [client.submit("echo", [number]) for number in range(5)]
        assert clock.seconds < AT_ONCE
        assert not any(future.done() for future in futures)
    assert all(isinstance(future.exception(1.0), Exception) for future in futures)


def test_submit_of_what_the_connection_cannot_take_is_at_once(tls: Dict[str, Any]) -> None:
    with ScriptedVenue(bybit_yes, **tls) as venue, venue.bybit(request_timeout=8.0) as client:
        client.open()
        venue.stop_reading()
        clock = Clock()
        future = client.submit("echo", [BIG])
        assert clock.seconds < 1.5, "six megabytes have to be masked and encrypted, and no more"
        assert not future.done()


def test_subscribe_takes_no_longer_than_its_timeout(tls: Dict[str, Any]) -> None:
    with deaf(tls) as (venue, client):
        clock = Clock()
        with pytest.raises((RequestTimeout, ConnectError)):
            client.subscribe("publicTrade", "ETHUSDT", callback=print, timeout=0.5)
        assert 0.4 < clock.seconds < 0.5 + SLACK


def test_an_order_book_an_iterator_and_a_ping_too(tls: Dict[str, Any]) -> None:
    with deaf(tls) as (venue, client):
        for call in (
            lambda: client.order_book("ETHUSDT", timeout=0.3),
            lambda: client.messages("publicTrade", "SOLUSDT", timeout=0.3),
            lambda: client.ping(timeout=0.3),
        ):
            clock = Clock()
            with pytest.raises((OutcomeUnknown, ConnectError)):
                call()
            assert clock.seconds < 0.3 + SLACK


def test_unsubscribe_is_at_once(tls: Dict[str, Any]) -> None:
    with deaf(tls) as (venue, client):
        clock = Clock()
        client.unsubscribe("publicTrade", "BTCUSDT")
        assert clock.seconds < AT_ONCE


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_call_takes_no_longer_than_its_timeout(tls: Dict[str, Any], dispatch: str) -> None:
    with deaf(tls, dispatch=dispatch) as (venue, client):
        clock = Clock()
        with pytest.raises((OutcomeUnknown, ConnectError)):
            client.call("echo", [1], timeout=0.5)
        assert 0.4 < clock.seconds < 0.5 + SLACK


def test_requests_that_could_not_be_written_leave_once_the_peer_reads_again(tls: Dict[str, Any]) -> None:
    with deaf(tls) as (venue, client):
        futures = [client.submit("echo", [number]) for number in range(5)]
        given_up = client.submit("given up", [])
        with pytest.raises((OutcomeUnknown, ConnectError)):
            client.call("too late", [], timeout=0.1)
        venue.read_again()
        assert all(future.result(PATIENCE)["success"] for future in (*futures, given_up))
        echoed = [document["args"][0] for document in venue.asked("echo")]
        assert echoed[1:] == [0, 1, 2, 3, 4], "in their order"
        assert not venue.asked("too late"), "what was told not to have been sent is not sent"


# -- the order of effects at a drop ------------------------------------------------------------------------------------


def with_book(link: Link, document: Document) -> Any:
    answer = bybit_yes(link, document)
    return [answer, book("BTCUSDT", 10)] if document["op"] == "subscribe" else answer


@pytest.mark.parametrize("ending", ["cut", "not read"])
def test_a_slow_callback_of_a_book_holds_no_call_inline(ending: str) -> None:
    go_on, inside = threading.Event(), threading.Event()

    def slow(book: Any) -> None:
        if book.is_stale:
            inside.set()
            go_on.wait(PATIENCE)

    with ScriptedVenue(Held(with_book, "echo")) as venue, venue.bybit(dispatch="inline") as client:
        made = client.order_book("BTCUSDT", depth=1)
        assert made.wait_ready(PATIENCE)
        made.on_update(slow)
        clock = Clock()
        waiting = Background(client.call, "echo", [], timeout=1.0)
        late = client.submit("echo", [])
        venue.wait_asked("echo", 2)
        if ending == "cut":
            venue.link().cut()
        else:
            venue.link().send({"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "data": {}})  # which cannot be read
        assert inside.wait(PATIENCE)
        error = waiting.error(1.5)
        assert clock.seconds < 1.0 + SLACK + 0.1
        if ending == "cut":
            assert isinstance(error, ConnectionLost) and late.done()
        else:
            assert isinstance(error, RequestTimeout)
        assert not go_on.is_set()
        go_on.set()


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_at_a_drop_requests_have_their_outcome_before_users_code_runs(dispatch: str) -> None:
    told: List[Tuple[str, bool]] = []
    futures: List[Any] = []

    def note(what: str) -> None:
        told.append((what, all(future.done() for future in futures)))

    with ScriptedVenue(Held(with_book, "echo")) as venue:
        client = venue.bybit(dispatch=dispatch)
        client.on_event(lambda event: note("event") if isinstance(event, Disconnected) else None)
        with client:
            made = client.order_book("BTCUSDT", depth=1)
            assert made.wait_ready(PATIENCE)
            futures += [client.submit("echo", [number]) for number in range(20)]
            made.on_update(lambda book: note("book") if book.is_stale else None)
            venue.wait_asked("echo", 20)
            venue.link().cut()
            eventually(lambda: {what for what, _ in told} == {"event", "book"})
        assert all(done for _, done in told), told


def test_a_callback_of_a_future_that_blocks_holds_up_no_other_call() -> None:
    go_on, inside = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        inside.set()
        go_on.wait(PATIENCE)

    with ScriptedVenue(Held(bybit_yes, "echo")) as venue, venue.bybit() as client:
        client.submit("echo", []).add_done_callback(slow)
        calls = [Background(client.call, "echo", [], timeout=2.0) for _ in range(3)]
        venue.wait_asked("echo", 4)
        venue.link().cut()
        assert inside.wait(PATIENCE)
        for call in calls:
            assert isinstance(call.error(1.0), ConnectionLost)
        go_on.set()


def test_updates_go_on_while_nothing_can_be_written(tls: Dict[str, Any]) -> None:
    updates = Recorder()
    with deaf(tls) as (venue, client):
        # Subscribed already: needs nothing of the venue.
        client.subscribe("publicTrade", "BTCUSDT", callback=updates, raw=True, timeout=1.0)
        venue.link().send(trade("BTCUSDT", 1))
        assert updates.wait()[0]["n"] == 1
