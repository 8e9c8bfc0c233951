"""Order books of clients against the local venues, over real sockets: always the venue's own book, or stale."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
from decimal import Decimal
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

import pytest

from dbxsdk import (
    BadFrame,
    BookSnapshot,
    CallbackFailed,
    ClientClosed,
    Connected,
    ConnectError,
    Disconnected,
    Gap,
    Options,
    OrderBook,
    SubscribeError,
    WrongThreadError,
)
from dbxsdk.sim import BybitVenue, CryptomusVenue, DigiFinexVenue
from tests.waiting import PATIENCE, Background, Recorder, eventually, held

FAST = {"backoff_initial": 0.01, "backoff_max": 0.05, "connect_timeout": 5, "request_timeout": 5}

Truth = Callable[[], Dict[str, List[Tuple[Decimal, Decimal]]]]


class Desk:
    """A local venue whose market moves when it is told to, a client of it, and a book beside the venue's own."""

    def __init__(self, venue: Any, client: Any, symbol: str, arguments: Dict[str, Any], truth: Truth, topic: str) -> None:
        self.venue = venue
        self.client = client
        self.symbol = symbol
        self.arguments = arguments
        self.truth = truth
        self.topic = topic
        self.events = Recorder()
        client.on_event(self.events)

    def open(self) -> OrderBook:
        book: OrderBook = self.client.order_book(self.symbol, **self.arguments)
        return book

    def ready(self) -> OrderBook:
        book = self.open()
        assert book.wait_ready(PATIENCE)
        return book

    def agrees(self, book: OrderBook) -> bool:
        """Whether ``book`` is the venue's, and says that it is right."""
        snapshot = book.snapshot()
        truth = self.truth()
        sides = {"bids": list(snapshot.bids), "asks": list(snapshot.asks)}
        return not snapshot.is_stale and sides == truth and bool(truth["bids"]) and bool(truth["asks"])

    def settle(self, *books: OrderBook) -> None:
        eventually(lambda: all(map(self.agrees, books)))

    def calm(self) -> None:
        """Waits until nothing is asked of the venue any more."""
        seen = -1
        while seen != len(self.venue.requests):
            seen = len(self.venue.requests)
            threading.Event().wait(0.2)

    def subscribed(self) -> int:
        """How often the venue was asked for the topic."""
        return sum(self._names(frame.document, "subscribe") for frame in self.venue.requests)

    def unsubscribed(self) -> int:
        return sum(self._names(frame.document, "unsubscribe") for frame in self.venue.requests)

    def _names(self, document: Any, verb: str) -> bool:
        method = str(document.get("op", document.get("method")))
        return (method == verb or method.endswith(f"_{verb}") or method.endswith(f".{verb}")) and bool(
            {self.topic, self.topic.partition(".")[2], "all"} & set(document.get("args", document.get("params")))
            or document.get("params") == []
        )


@contextlib.contextmanager
def bybit(depth: int = 50, **options: Any) -> Iterator[Desk]:
    with BybitVenue(rate=0, symbols=["BTCUSDT"]) as venue, venue.client("linear", options=Options(**FAST, **options)) as client:
        truth = lambda: venue.book("BTCUSDT", depth=depth)  # noqa: E731
        yield Desk(venue, client, "BTCUSDT", {"depth": depth}, truth, f"orderbook.{depth}.BTCUSDT")


@contextlib.contextmanager
def digifinex(**options: Any) -> Iterator[Desk]:
    with DigiFinexVenue(rate=0, symbols=["BTC_USDT", "ETH_USDT"]) as venue:
        with venue.client(options=Options(**FAST, **options)) as client:
            yield Desk(venue, client, "btc_usdt", {}, lambda: venue.book("BTC_USDT"), "depth.BTC_USDT")


@contextlib.contextmanager
def cryptomus(scale_index: int = 1, repeat: str = "replace", **options: Any) -> Iterator[Desk]:
    with CryptomusVenue(rate=0, symbols=["BTC_USDT", "ETH_USDT"], repeat=repeat) as venue:
        with venue.client(options=Options(**FAST, **options)) as client:
            truth = lambda: venue.book("BTC_USDT", scale_index)  # noqa: E731
            topic = f"depth.BTC_USDT:{scale_index}"
            yield Desk(venue, client, "BTC_USDT", {"scale_index": scale_index}, truth, topic)


VENUES = {"bybit": bybit, "digifinex": digifinex, "cryptomus": cryptomus}


@pytest.fixture(params=VENUES)
def desk(request: Any) -> Iterator[Desk]:
    with VENUES[request.param]() as desk:
        yield desk


@pytest.fixture
def bybit_desk() -> Iterator[Desk]:
    with bybit() as desk:
        yield desk


@pytest.fixture
def inline_desk() -> Iterator[Desk]:
    with bybit(dispatch="inline") as desk:
        yield desk


def crossing(desk: Desk) -> Any:
    """A change that raises the best bid above the best ask, as the venue of ``desk`` writes it."""
    price, size = str(desk.truth()["asks"][3][0]), "1"
    if isinstance(desk.venue, BybitVenue):
        raise AssertionError("numbered: the number would have to be right, too")
    if isinstance(desk.venue, DigiFinexVenue):
        params = [False, {"bids": [[price, size]], "asks": []}, "BTC_USDT"]
        return {"method": "depth.update", "params": params, "id": None}
    scale = desk.arguments["scale_index"]
    data = {"symbol": "BTC_USDT", "bids": [[price, size]], "asks": [], "scale_index": scale, "full_reload": False}
    return {"id": 0, "method": "depth_update", "data": {**data, "timestamp": 1}}


# -- the venue's book ----------------------------------------------------------------------------------------------------


def test_the_book_is_the_venues(desk: Desk) -> None:
    book = desk.ready()
    desk.settle(book)
    desk.venue.step(40)
    desk.settle(book)
    bid, ask = desk.truth()["bids"][0], desk.truth()["asks"][0]
    assert (book.best_bid, book.best_ask, book.spread) == (bid, ask, ask[0] - bid[0])
    assert book.bids(3) == desk.truth()["bids"][:3] and book.asks(3) == desk.truth()["asks"][:3]
    assert book.symbol == desk.symbol.upper() and isinstance(book.snapshot(), BookSnapshot)
    stats = book.stats()
    assert stats.updates > 10 and (stats.gaps, stats.crossed, stats.unknown_deletes, stats.resynchronisations) == (0,) * 4
    assert desk.subscribed() == 1 and book.age is not None and book.age < PATIENCE


@pytest.mark.parametrize("depth", [1, 200, 1000])
def test_other_depths(depth: int) -> None:
    with bybit(depth) as desk:
        book = desk.ready()
        desk.venue.step(60)
        desk.settle(book)
        assert book.stats().gaps == 0


def test_the_books_of_an_option() -> None:
    with BybitVenue(rate=0) as venue, venue.client("option", options=Options(**FAST)) as client:
        symbol = venue.symbols("option")[0]
        with pytest.raises(ValueError, match="depth must be one of 25, 100 for option, not 50"):
            client.order_book(symbol)
        book, other = client.order_book(symbol, depth=25), client.order_book(symbol, depth=25)
        for _ in range(2):
            eventually(lambda: book.bids() == other.bids() == venue.book(symbol, "option", 25)["bids"] and not book.is_stale)
            venue.step(30)


def test_each_scale_is_a_book_of_its_own() -> None:
    with cryptomus() as desk:
        books = [desk.client.order_book("btc_usdt", scale_index=index) for index in (0, 1, 2)]
        desk.venue.step(30)
        for index, book in enumerate(books):
            desk.truth = functools.partial(desk.venue.book, "BTC_USDT", index)
            desk.settle(book)
        assert len({len(book.bids()) for book in books}) == 3


def test_thousands_of_updates_while_others_read() -> None:
    with BybitVenue(rate=0, symbols=["BTCUSDT"]) as venue, venue.client("linear", options=Options(**FAST)) as client:
        book = client.order_book("BTCUSDT")
        assert book.wait_ready(PATIENCE)
        stop = threading.Event()
        errors: List[BookSnapshot] = []

        def read() -> None:
            last = 0
            while not stop.is_set():
                snapshot = book.snapshot()
                prices = [price for price, _ in reversed(snapshot.bids)] + [price for price, _ in snapshot.asks]
                whole = len(snapshot.bids) == len(snapshot.asks) == 50
                if prices != sorted(set(prices)) or not whole or snapshot.is_stale or snapshot.version < last:
                    errors.append(snapshot)
                last = snapshot.version
                whole = whole and book.vwap("asks", "0.001") is not None and book.depth("bids", prices[0]) > 0
                if not whole or len(book.bids(5)) != 5 or book.mid is None:
                    errors.append(snapshot)

        readers = [Background(read) for _ in range(3)]
        for _ in range(20):
            venue.step(100)
            eventually(lambda: book.bids() == venue.book("BTCUSDT", depth=50)["bids"])
        stop.set()
        for reader in readers:
            reader.result()
        assert errors == [] and book.stats().updates > 1500 and book.stats().gaps == 0
        assert book.asks() == venue.book("BTCUSDT", depth=50)["asks"]


# -- stale, and right again ----------------------------------------------------------------------------------------------


def test_a_lost_update_is_noticed_and_made_good(bybit_desk: Desk) -> None:
    book, updates = bybit_desk.ready(), Recorder()
    plain = bybit_desk.client.subscribe("orderbook.50", "BTCUSDT", callback=updates)
    bybit_desk.venue.step(3)
    bybit_desk.settle(book)
    bybit_desk.venue.skip_update("BTCUSDT")
    bybit_desk.venue.step()
    before = book.snapshot()
    assert not book.is_stale, "nothing tells yet"
    assert not bybit_desk.agrees(book)
    bybit_desk.venue.step()
    assert book.wait_update(PATIENCE, after=before.version)
    bybit_desk.settle(book)
    stats = book.stats()
    assert (stats.gaps, stats.resynchronisations) == (1, 1)
    assert (bybit_desk.subscribed(), bybit_desk.unsubscribed()) == (2, 1)
    # Who shares the topic sees the snapshot, and goes on.
    eventually(lambda: [update.kind for update in updates.items].count("snapshot") == 1)
    assert plain.active
    bybit_desk.venue.step(5)
    bybit_desk.settle(book)
    assert updates.items[-1].kind == "delta"
    assert not set(map(type, bybit_desk.events.items)) - {Connected, Gap}
    (gap,) = bybit_desk.events.of(Gap)
    assert gap.topics == ("orderbook.50.BTCUSDT",), "who shares it had nothing for a moment"


def test_a_book_lost_again_in_a_market_that_then_stands_still(bybit_desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr("dbxsdk.book.resync.PATIENCE", 0.2)
    book = bybit_desk.ready()
    for lost in (1, 2):
        bybit_desk.venue.skip_update("BTCUSDT")
        bybit_desk.venue.step(2)
        eventually(lambda lost=lost: book.stats().gaps == lost)  # type: ignore[misc]
        # The second time it is too early to ask again, and no update comes that would do so later.
        assert book.wait_ready(PATIENCE)
    bybit_desk.settle(book)
    assert book.stats().resynchronisations == 2


def test_stale_until_the_snapshot_has_come(bybit_desk: Desk) -> None:
    book = bybit_desk.ready()
    bybit_desk.venue.delay(0.3)
    bybit_desk.venue.skip_update("BTCUSDT")
    bybit_desk.venue.step(2)
    eventually(lambda: book.is_stale)
    assert "does not follow" in str(book.stale_reason) and not book.wait_ready(0)
    assert book.snapshot().is_stale and book.best_bid is not None
    assert book.wait_ready(PATIENCE)
    bybit_desk.settle(book)


def test_a_restart_of_the_venues_books(bybit_desk: Desk) -> None:
    book = bybit_desk.ready()
    bybit_desk.venue.step(5)
    bybit_desk.settle(book)
    bybit_desk.venue.restart_books("BTCUSDT")
    eventually(lambda: book.update_id == 1)
    bybit_desk.venue.step(5)
    bybit_desk.settle(book)
    assert book.stats().gaps == 0 and bybit_desk.subscribed() == 1


def test_a_dropped_connection(desk: Desk) -> None:
    book = desk.ready()
    seen: List[Any] = []
    desk.client.on_event(lambda event: seen.append((type(event), book.is_stale)))
    changes = Recorder(lambda book: seen.append(("change", book.is_stale)))
    book.on_update(changes)
    desk.venue.refuse_connections(times=1)
    desk.venue.drop_connections()
    eventually(lambda: (Disconnected, True) in seen)
    assert seen[0] == ("change", True), "it is stale before anything else is told"
    desk.events.wait_for(Gap)
    desk.venue.step(5)
    desk.settle(book)
    assert desk.events.wait_for(Gap).topics == (desk.topic,)
    assert desk.events.wait_for(Connected) and desk.client.stats().reconnects == 1
    assert book.stats().resynchronisations == 0, "a new connection brings the whole book by itself"
    order = [what for what, _ in seen]
    assert order.index(Gap) < len(order) - 1 - order[::-1].index("change")


@pytest.mark.parametrize("name", ["digifinex", "cryptomus"])
def test_a_crossed_book_is_subscribed_anew(name: str) -> None:
    with VENUES[name]() as desk:
        book, neighbour = desk.ready(), desk.client.order_book("ETH_USDT", **desk.arguments)
        assert neighbour.wait_ready(PATIENCE)
        desk.venue.step(3)
        desk.settle(book)
        version = book.snapshot().version
        desk.venue.send_frame(crossing(desk))
        assert book.wait_update(PATIENCE, after=version)
        desk.settle(book)
        stats = book.stats()
        assert (stats.crossed, stats.resynchronisations, book.is_crossed) == (1, 1, False)
        desk.venue.step(5)
        desk.settle(book)
        eth = lambda: desk.venue.book("ETH_USDT", **desk.arguments)["bids"]  # noqa: E731
        eventually(lambda: neighbour.bids() == eth() and not neighbour.is_stale)
        assert neighbour.stats().crossed == 0


@pytest.mark.parametrize("repeat", ["replace", "refuse", "add"])
def test_beside_a_subscription_of_all_books(repeat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbxsdk.book.resync.PATIENCE", 0.2)
    with cryptomus(repeat=repeat) as desk:
        everything = Recorder()
        desk.client.subscribe("depth", "all", callback=everything)
        everything.wait(6)
        book = desk.ready()
        desk.calm()  # one after the other, all that the union needs is subscribed again, and brings the book again
        desk.venue.step(3)
        desk.settle(book)
        desk.venue.send_frame(crossing(desk))
        eventually(lambda: book.stats().resynchronisations)
        desk.settle(book)
        count = len(everything.items)
        desk.venue.step()
        everything.wait(count + 1)


def test_what_cannot_be_read(desk: Desk) -> None:
    book, other = desk.ready(), desk.ready()
    desk.settle(book, other)
    changes = Recorder()
    book.on_update(changes)
    document = json.loads(json.dumps(_frame(desk)).replace("PRICE", "a price"))
    desk.venue.send_frame(document)
    desk.events.wait_for(BadFrame)
    changes.wait()
    desk.venue.step(3)
    desk.settle(book, other)
    assert book.stats().gaps == other.stats().gaps == 1
    assert not desk.events.of(CallbackFailed)


def _frame(desk: Desk) -> Any:
    rows = [["PRICE", "1"]]
    if isinstance(desk.venue, BybitVenue):
        return {
            "topic": desk.topic, "type": "snapshot", "ts": 1, "data": {"s": "BTCUSDT", "b": rows, "a": [], "u": 7, "seq": 1},
        }
    if isinstance(desk.venue, DigiFinexVenue):
        return {"method": "depth.update", "params": [True, {"bids": rows, "asks": []}, "BTC_USDT"], "id": None}
    data = {"symbol": "BTC_USDT", "bids": rows, "asks": [], "scale_index": 1, "full_reload": True, "timestamp": 1}
    return {"id": 0, "method": "depth_update", "data": data}


# -- several, and their end ----------------------------------------------------------------------------------------------


def test_books_of_one_topic_are_apart(desk: Desk) -> None:
    first, updates = desk.ready(), Recorder()
    second = desk.ready()
    plain = desk.client.subscribe("depth" if desk.symbol != "BTCUSDT" else "orderbook.50", _native(desk), callback=updates)
    desk.venue.step(5)
    desk.settle(first, second)
    unsubscribed = desk.unsubscribed()
    second.close()
    assert second.is_stale and not second.wait_ready(5) and not second.wait_update(5)
    before = second.bids()
    desk.venue.step(5)
    desk.settle(first)
    updates.wait(5)
    plain.unsubscribe()
    desk.venue.step(5)
    desk.settle(first)
    assert second.bids() == before and desk.unsubscribed() == unsubscribed
    first.close()
    first.close()
    assert desk.venue.wait_until(lambda: desk.topic not in desk.venue.subscriptions())
    assert desk.unsubscribed() == unsubscribed + 1
    third = desk.ready()
    desk.settle(third)
    assert not first.wait_ready(5)


def _native(desk: Desk) -> str:
    return desk.topic.partition("depth.")[2] or "BTCUSDT"


def test_a_second_book_makes_the_first_stale_for_a_moment_only(bybit_desk: Desk) -> None:
    first = bybit_desk.ready()
    bybit_desk.venue.delay(0.2)
    opening = Background(bybit_desk.open)
    eventually(lambda: first.is_stale)
    assert first.stale_reason == "it is subscribed again"
    bybit_desk.settle(first, opening.result())
    assert (first.stats().gaps, first.stats().resynchronisations) == (0, 0)


def test_unsubscribing_the_topic_ends_its_books(bybit_desk: Desk) -> None:
    book = bybit_desk.ready()
    waiting = Background(book.wait_update, PATIENCE)
    eventually(lambda: book._state.waiters)
    bybit_desk.client.unsubscribe("orderbook.50", "BTCUSDT")
    assert waiting.result() is False
    assert book.stale_reason == "it was unsubscribed" and not book.wait_ready(5)


def test_closing_the_client_ends_its_books(desk: Desk) -> None:
    book = desk.ready()
    waiting = Background(book.wait_update, PATIENCE)
    eventually(lambda: book._state.waiters)
    desk.client.close()
    assert waiting.result() is False and not book.wait_ready() and not book.wait_update()
    assert book.stale_reason == "the client is closed" and book.bids()
    book.close()
    with pytest.raises(ClientClosed):
        desk.open()


def test_what_ended_the_client_reaches_who_waits_for_a_book() -> None:
    with bybit(max_reconnects=2) as desk:
        book = desk.ready()
        desk.venue.refuse_connections()
        desk.venue.drop_connections()
        eventually(lambda: book.is_stale)
        assert isinstance(Background(book.wait_ready, PATIENCE).error(), ConnectError)
        with pytest.raises(ConnectError):
            book.wait_ready(PATIENCE)
        assert "the client has ended" in str(book.stale_reason)


def test_a_refused_book(desk: Desk) -> None:
    with pytest.raises(SubscribeError):
        desk.client.order_book("NONE_SUCH", **desk.arguments)
    desk.settle(desk.ready())


# -- callbacks -----------------------------------------------------------------------------------------------------------


def test_on_update(desk: Desk) -> None:
    book = desk.ready()
    threads: Set[str] = set()
    changes = Recorder(lambda book: threads.add(threading.current_thread().name))
    delivered = desk.client.stats().delivered
    book.on_update(changes)
    for count in range(1, 4):
        version = book.snapshot().version
        desk.venue.step(2)
        assert book.wait_update(PATIENCE, after=version)
        changes.wait(count)
    desk.settle(book)
    assert set(changes.items) == {book} and threads == {f"dbxsdk-{desk.client.name}-callbacks"}
    assert desk.client.stats().delivered == delivered, "what a book tells is no update"
    book.close()
    count = len(changes.items)
    desk.venue.step(5)
    desk.client.ping()
    assert len(changes.items) == count


def test_changes_that_come_while_the_callback_is_busy_are_told_of_once(bybit_desk: Desk) -> None:
    book, go = bybit_desk.ready(), threading.Event()
    seen: List[Any] = []

    def slow(book: OrderBook) -> None:
        seen.append(book.update_id)
        go.wait(PATIENCE)

    book.on_update(slow)
    bybit_desk.venue.step()
    eventually(lambda: seen)
    bybit_desk.venue.step(50)
    bybit_desk.settle(book)  # the book goes on, whatever callbacks do
    assert len(seen) == 1 and bybit_desk.client.stats().queued == 0
    go.set()
    eventually(lambda: len(seen) == 2)
    assert seen[-1] == book.update_id and bybit_desk.client.stats().dropped == 0


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_a_callback_that_raises_is_reported(dispatch: str, caplog: Any) -> None:
    with bybit(dispatch=dispatch) as desk:
        book, changes = desk.ready(), Recorder()
        book.on_update(lambda book: 1 / 0)
        book.on_update(changes)
        desk.venue.step()
        failed = desk.events.wait_for(CallbackFailed)
        assert isinstance(failed.error, ZeroDivisionError) and failed.topic == desk.topic
        changes.wait()
        desk.venue.step(3)
        desk.settle(book)
        assert desk.client.stats().callback_errors == len(changes.items)


def test_inline(inline_desk: Desk) -> None:
    book = inline_desk.ready()
    ids: List[Tuple[int, Any]] = []
    errors: List[WrongThreadError] = []
    updates = Recorder(lambda update: ids.append((update.data.update_id, book.update_id)))
    inline_desk.client.subscribe("orderbook.50", "BTCUSDT", callback=updates)
    versions: List[Tuple[str, int]] = []

    def changed(book: OrderBook) -> None:
        versions.append((threading.current_thread().name, book.snapshot().version))
        try:
            book.wait_update(5)
        except WrongThreadError as error:
            errors.append(error)

    book.on_update(changed)
    inline_desk.venue.step(20)
    updates.wait(15)
    inline_desk.settle(book)
    assert {name for name, _ in versions} == {"dbxsdk-bybit:linear-reader"} and len(errors) == len(versions) == len(updates.items)
    numbers = [version for _, version in versions]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "once for each change"
    assert all(mine == its for mine, its in ids), "the book is where the update is"
    inline_desk.venue.skip_update("BTCUSDT")
    inline_desk.venue.step(2)
    eventually(lambda: book.stats().resynchronisations)
    inline_desk.settle(book)
    inline_desk.venue.drop_connections()
    inline_desk.events.wait_for(Gap)
    inline_desk.settle(book)


def test_a_callback_may_wait_for_the_book_although_its_queue_is_full() -> None:
    with bybit(queue_size=2) as desk:
        book, started = desk.ready(), threading.Event()
        outcome: List[bool] = []

        def slow(update: Any) -> None:
            if not outcome:
                started.set()
                eventually(lambda: held(desk.client))
                outcome.append(book.wait_update(PATIENCE))

        desk.client.subscribe("orderbook.50", "BTCUSDT", callback=slow)
        desk.venue.step()
        assert started.wait(PATIENCE)
        eventually(lambda: desk.venue.step() or outcome)
        assert outcome == [True]
        desk.settle(book)


def test_a_book_closed_in_its_own_callback(bybit_desk: Desk) -> None:
    book = bybit_desk.ready()
    changes = Recorder(lambda book: book.close())
    book.on_update(changes)
    bybit_desk.venue.step(10)
    changes.wait()
    assert bybit_desk.venue.wait_until(lambda: not bybit_desk.venue.subscriptions())
    assert len(changes.items) == 1 and not bybit_desk.events.of(CallbackFailed)


# -- arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, arguments, error, message", [
    ("bybit", {"depth": 51}, ValueError, "depth must be one of 1, 50, 200, 1000 for linear, not 51"),
    ("bybit", {"depth": "50"}, TypeError, "depth must be an int"),
    ("bybit", {"depth": True}, TypeError, "depth must be an int"),
    ("bybit", {"scale_index": 0}, TypeError, "scale_index"),
    ("bybit", {"symbol": ""}, ValueError, "symbol must not be empty"),
    ("bybit", {"symbol": ["BTCUSDT"]}, TypeError, "symbol must be a str"),
    ("bybit", {"timeout": -1}, ValueError, "timeout"),
    ("digifinex", {"depth": 50}, TypeError, "depth"),
    ("digifinex", {"symbol": None}, TypeError, "symbol must be a str"),
    ("digifinex", {"symbol": "BTC USDT"}, ValueError, "symbol must not contain blanks"),
    ("cryptomus", {"depth": 50}, TypeError, "depth"),
    ("cryptomus", {"scale_index": -1}, ValueError, "scale_index must be 0 to"),
    ("cryptomus", {"scale_index": 10**9}, ValueError, "scale_index must be 0 to"),
    ("cryptomus", {"scale_index": None}, TypeError, "scale_index must be an int"),
    ("cryptomus", {"scale_index": False}, TypeError, "scale_index must be an int"),
    ("cryptomus", {"symbol": "BTC_USDT:1"}, ValueError, "symbol must be one market without a scale index"),
    ("cryptomus", {"symbol": "all"}, ValueError, "symbol must be one market without a scale index"),
])
def test_wrong_arguments(name: str, arguments: Dict[str, Any], error: Any, message: str) -> None:
    from dbxsdk import BybitPublicClient, CryptomusClient, DigiFinexClient

    nowhere = "wss://127.0.0.1:1/"
    client: Any = {
        "bybit": lambda: BybitPublicClient("linear", url=nowhere),
        "digifinex": lambda: DigiFinexClient(url=nowhere),
        "cryptomus": lambda: CryptomusClient("user", "key", url=nowhere, token_url="http://127.0.0.1:1/"),
    }[name]()
    with pytest.raises(error, match=message):
        client.order_book(**{"symbol": "BTC_USDT", **arguments})
    assert client.state.value == "new"


# -- processes -----------------------------------------------------------------------------------------------------------

# Runs by itself, so that the fork meets no threads of the test run. ``argv``: the venue's URL, whether the hooks run.
SCRIPT = """
import json, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
url, hooks, look = sys.argv[1], sys.argv[2] == "hooks", sys.argv[3] == "look"
if not hooks:
    os.register_at_fork = lambda **kwargs: None
import dbxsdk

client = dbxsdk.DigiFinexClient(url=url, options=dbxsdk.Options(request_timeout=5, connect_timeout=5))
book = client.order_book("BTC_USDT")
assert book.wait_ready(5)

locked, leave = threading.Event(), threading.Event()
def holder():
    with book._state.lock:
        locked.set()
        leave.wait(10)
threading.Thread(target=holder, daemon=True).start()
locked.wait(5)

read, write = os.pipe()
child = os.fork()
if child == 0:
    told = {}
    try:
        if look:
            told["stale"] = book.is_stale, book.stale_reason, book.bids()
        else:
            client.server_time()
        told["ready"] = book.wait_ready(5)
        told["book"] = bool(book.bids())
        told["update"] = book.wait_update(5)
        client.close()
    except BaseException as error:
        told["error"] = repr(error)
    os.write(write, json.dumps(told).encode())
    os._exit(0)
os.close(write)
leave.set()
with os.fdopen(read) as pipe:
    told = json.loads(pipe.read() or "{}")
os.waitpid(child, 0)
told["parent"] = book.wait_update(5), book.is_stale, client.stats().reconnects
client.close()
print(json.dumps(told))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("hooks", ["hooks", "no hooks"])
@pytest.mark.parametrize("first", ["look", "ask"])
def test_a_forked_child_has_a_book_of_its_own(hooks: str, first: str) -> None:
    with DigiFinexVenue(rate=50, symbols=["BTC_USDT"]) as venue:
        command = [sys.executable, "-c", SCRIPT, venue.url(), hooks, first]
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=os.getcwd())
        assert run.returncode == 0, run.stderr
        told = json.loads(run.stdout)
        assert told.pop("stale", None) == ([True, "the process was forked", []] if first == "look" else None)
        assert told == {
            "ready": True,
            "book": True,
            "update": True,
            "parent": [True, False, 0],
        }
