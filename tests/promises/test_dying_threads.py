"""An unexpected error that ends one of a client's threads ends the client, and is raised by everything that is called.

Once the thread died in silence: the state was "ready", ``wait`` blocked for ever, updates piled up.
"""

from __future__ import annotations

import contextlib
from typing import Any, Collection, Iterator, Sequence

import pytest

from dbxsdk import DbxError, Options, OutcomeUnknown, State
from dbxsdk.client import Client
from dbxsdk.protocol import Inbound, Push, Request
from tests.conftest import library_threads
from tests.fifth_venue.book import AtollBookRule
from tests.fifth_venue.protocol import AtollProtocol
from tests.promises.venues import QUICK, Clock, Document, Held, Link, ScriptedVenue, bybit_yes, trade
from tests.waiting import Background, eventually

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""What ends a thread may be told to ``threading.excepthook`` besides."""


class Defect(BaseException):
    """No ``Exception``: nothing that anybody would expect."""


def fail(payload: Any) -> Any:
    raise Defect("a defect")


class DefectiveProtocol(AtollProtocol):
    """Fails on one of the threads when it is told to."""

    def __init__(self, thread: str) -> None:
        super().__init__()
        self._thread = thread
        self.broken = False

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        if self.broken and self._thread == "reader":
            fail(payload)
        inbound = super().receive(payload, binary)
        for each in inbound:
            if self.broken and isinstance(each, Push):
                each.read = fail
        return inbound

    def heartbeat(self) -> Request:
        if self.broken and self._thread == "heartbeat":
            fail(None)
        return super().heartbeat()


class AnyClient(Client):
    """A client of any protocol."""

    def __init__(self, protocol: AtollProtocol, url: str, options: Options) -> None:
        super().__init__(protocol, url, options=options)

    def order_book(self, symbol: str) -> Any:
        return self._order_book("book", symbol, symbol, AtollBookRule(), None)


def atoll_yes(link: Link, document: Document) -> Document:
    return {"id": document["id"], "ok": True, "result": None}


@contextlib.contextmanager
def ended(client: Any, *error: str) -> Iterator[None]:
    """What must be true of a client after its thread has died inside."""
    clock = Clock()
    yield
    with pytest.raises(DbxError, match="defect"):
        assert client.wait(2.0), "wait() knows nothing of it"
    assert clock.seconds < 1.5 and client.state is State.FAILED


@pytest.mark.parametrize("thread", ["reader", "heartbeat", "callbacks"])
def test_a_defect_ends_the_client_with_its_error(thread: str) -> None:
    protocol = DefectiveProtocol(thread)
    with ScriptedVenue(Held(atoll_yes, "order")) as venue:
        client = AnyClient(protocol, venue.url, Options(**QUICK, heartbeat_interval=0.1))
        iterator = client.messages("trades", "BTC-USD")
        client.subscribe("trades", "BTC-USD", callback=lambda update: update.data)
        book = client.order_book("BTC-USD")
        link = venue.link()
        link.send({"topic": "book:BTC-USD", "whole": True, "no": 1, "bids": [["9", "1"]], "asks": [["10", "1"]]})
        assert book.wait_ready(2.0)
        waiting = Background(client.call, "order", {}, timeout=5.0)
        future = client.submit("order", {})
        venue.wait_asked("order", 2)
        looping = Background(lambda: list(iterator))
        waiting_for_book = Background(lambda: [book.wait_update() for _ in range(100)])
        with ended(client):
            protocol.broken = True
            link.send({"topic": "trades:BTC-USD", "rows": []})
        # Whoever waited hears of it, whoever asks from now on, too.
        assert isinstance(waiting.error(1.0), OutcomeUnknown) and isinstance(future.exception(1.0), OutcomeUnknown)
        for call in (
            lambda: client.call("order", {}),
            lambda: client.submit("order", {}),
            lambda: client.subscribe("trades", "ETH-USD", callback=print),
            lambda: client.order_book("ETH-USD"),
            lambda: book.wait_ready(1.0),
            lambda: client.open(),
        ):
            with pytest.raises(DbxError, match="defect"):
                Background(call).result(1.0)
        assert "defect" in str(looping.error(1.0)) and "defect" in str(waiting_for_book.error(1.0))
        assert book.is_stale
        eventually(lambda: library_threads() == [], 1.0)
        client.close()
        assert library_threads() == []


class DefectiveRecorder:
    """A user's own recorder, which fails at the first update."""

    def connection(self, **about: Any) -> "DefectiveRecorder":
        return self

    def received(self, messages: Collection[Any], *times: int) -> None:
        if any(b"publicTrade" in bytes(payload) and b"topic" in bytes(payload) for payload, _ in messages):
            fail(messages)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def test_a_recorder_that_raises_what_is_no_exception_ends_the_client_with_it() -> None:
    with ScriptedVenue(bybit_yes) as venue:
        client = venue.bybit(recorder=DefectiveRecorder())
        client.subscribe("publicTrade", "BTCUSDT", callback=print)
        future = Background(client.wait)
        with ended(client):
            venue.link().send(trade("BTCUSDT", 1))
        assert "defect" in str(future.error(1.0))
        client.close()
        assert library_threads() == []


def test_the_client_says_so_to_an_opening_that_waits() -> None:
    class Silent(AtollProtocol):
        def login(self, now_ms: int) -> Any:
            fail(now_ms)

    with ScriptedVenue(atoll_yes) as venue:
        client = AnyClient(Silent(), venue.url, Options(**QUICK))
        clock = Clock()
        with pytest.raises(DbxError, match="defect"):
            client.open(2.0)
        assert clock.seconds < 1.0 and client.state is State.FAILED
        client.close()
        assert library_threads() == []
