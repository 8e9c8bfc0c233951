"""``close()`` on real sockets, whatever the client is at: all who wait are told, and no thread and no descriptor is left."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import socket
import ssl
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterator, List, Tuple, Type

import pytest

from dbxsdk import ClientClosed, ConnectionLost, CryptomusClient, DigiFinexClient, Options, State
from dbxsdk.runtime import exit as at_exit
from dbxsdk.sim import DigiFinexVenue
from tests.conftest import library_threads
from tests.connections import noted
from tests.session.fake import FakeProtocol, Network
from tests.transport.conftest import authority, client_context, server_context  # noqa: F401
from tests.transport.servers import Peer, Server
from tests.waiting import Background, Recorder, eventually

OPTIONS: Dict[str, Any] = {"connect_timeout": 20.0, "request_timeout": 20.0}
DESCRIPTORS = pathlib.Path("/proc/self/fd")


def ours() -> List[str]:
    return [thread.name for thread in library_threads() if "-sim-" not in thread.name]


def sockets() -> List[str]:
    """The process's sockets, where the system tells."""
    found = []
    for each in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        with contextlib.suppress(OSError):
            found.append(os.readlink(each))
    return sorted(name for name in found if name.startswith("socket:"))


@pytest.fixture
def mute() -> Iterator[int]:
    """A port on which the kernel alone accepts: whoever connects there waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def closed_at_once(client: Any, **arguments: Any) -> None:
    started = time.monotonic()
    client.close(**arguments)
    assert time.monotonic() - started < 1.9
    assert (client.state, ours()) == (State.CLOSED, [])


def stuck(step: str, port: int, context: ssl.SSLContext) -> Any:
    """A client that gets no answer at this step of its opening."""
    options = Options(**OPTIONS, ssl_context=context)
    if step == "the token":
        token = f"http://127.0.0.1:{port}/"
        return CryptomusClient("user", "key", url=f"ws://127.0.0.1:{port}/", token_url=token, options=options)
    return DigiFinexClient(url=f"{'wss' if step == 'TLS' else 'ws'}://127.0.0.1:{port}/", options=options)


@pytest.mark.parametrize("step", ["TLS", "the handshake", "the token"])
def test_during_the_opening(
    step: str, mute: int, client_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    before, network = sockets(), noted(monkeypatch)
    client = stuck(step, mute, client_context)
    opening, future = Background(client.open), client.submit("server.time" if step != "the token" else "ping")
    eventually(lambda: network.now._socket)
    closed_at_once(client)
    assert isinstance(opening.error(), ClientClosed)
    assert isinstance(future.exception(0), ClientClosed)
    assert sockets() == before


def test_during_the_login() -> None:
    asked = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade().receive()
        asked.set()
        peer.until_end()

    with Server(script) as server:
        client = DigiFinexClient("key", "secret", url=server.url, options=Options(**OPTIONS))
        opening = Background(client.open)
        assert asked.wait(5.0)
        closed_at_once(client)
        assert isinstance(opening.error(), ClientClosed)


WAITING: Dict[str, Tuple[Callable[[Any], Any], Type[BaseException]]] = {
    "subscribe": (lambda client: client.subscribe("trades", "A", callback=print), ClientClosed),
    "call": (lambda client: client.call("order"), ConnectionLost),
    "ping": (lambda client: client.ping(), ConnectionLost),
}


@pytest.mark.parametrize("name", WAITING)
@pytest.mark.parametrize("timeout", [0, 5])
def test_while_a_call_waits(name: str, timeout: float) -> None:
    network = Network(lambda connection, request: None)
    client = network.client(request_timeout=20.0)
    client.open()
    call, outcome = WAITING[name]
    waiting = Background(call, client)
    eventually(lambda: network.now.sent)
    client.close(timeout=timeout)
    assert type(waiting.error()) is outcome
    eventually(lambda: ours() == [])


def test_while_others_wait_for_what_comes() -> None:
    before = sockets()
    with DigiFinexVenue(rate=0, symbols=["BTC_USDT"]) as venue:
        client = venue.client(options=Options(**OPTIONS))
        book = client.order_book("BTC_USDT")
        assert book.wait_ready(5.0)
        messages = client.messages("trades", "BTC_USDT")
        loop, ended = Background(list, messages), Background(client.wait)
        update = Background(book.wait_update, 20.0, after=book.snapshot().version)
        eventually(lambda: client.stats().queued == 0 and book._state.waiters)
        closing = [Background(client.close) for _ in range(20)]
        for each in closing:
            each.result()
        assert (client.state, ours()) == (State.CLOSED, [])
        assert (ended.result(), update.result()) == (True, False)
        loop.result()
        assert book.wait_ready(0) is False and book.is_stale
        assert venue.wait_until(lambda: venue.connections == 0)
    eventually(lambda: sockets() == before)


def test_the_exit_closes_all_clients_at_once() -> None:
    networks = [Network() for _ in range(20)]
    clients = [network.client() for network in networks]
    for client in clients:
        client.open()
    for network in networks:
        network.now.mute = True  # each takes 0.3 s then
    started = time.monotonic()
    at_exit._at_exit()
    assert time.monotonic() - started < 4.0
    assert {client.state for client in clients} == {State.CLOSED} and ours() == []


def test_a_done_callback_that_blocks_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_exit, "sessions", weakref.WeakSet())  # those of this test alone
    go_on, ran = threading.Event(), Recorder()
    networks = [Network(lambda connection, request: None), Network()]
    clients = [network.client(request_timeout=20.0) for network in networks]
    for client in clients:
        client.open()
    clients[0].submit("order", [1]).add_done_callback(lambda future: (go_on.wait(10.0), ran(future.exception())))
    calling = Background(clients[0].call, "order", [2])
    eventually(lambda: len(networks[0].now.sent) == 2)
    started = time.monotonic()
    closing = Background(at_exit.close, at_exit.members(at_exit.sessions), 0.5)
    try:
        eventually(lambda: networks[0].now.ended.is_set() and networks[1].now.ended.is_set())
        assert isinstance(calling.error(), ConnectionLost)
        closing.result()
        assert time.monotonic() - started < 2.0 and not ran.items
    finally:
        go_on.set()
    assert isinstance(ran.wait()[0], ConnectionLost)
    eventually(lambda: ours() == [])


@pytest.mark.parametrize("no_more_threads", [False, True])
def test_outcomes_are_told_while_the_heartbeat_thread_is_in_a_done_callback(
    monkeypatch: pytest.MonkeyPatch, no_more_threads: bool
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    inside, go_on, told = threading.Event(), threading.Event(), threading.Event()
    network = Network(lambda connection, request: None)
    client = network.client(request_timeout=0.05)
    client.open()
    client.submit("order", [1]).add_done_callback(lambda future: (inside.set(), go_on.wait(10.0)))
    assert inside.wait(5.0)
    future = client.submit("order", [2])
    future.add_done_callback(lambda future: told.set())
    try:
        if no_more_threads:
            monkeypatch.setattr(threading.Thread, "start", refuse)
        client.close(timeout=0.2)
        assert isinstance(future.exception(0), ConnectionLost) and told.is_set()
    finally:
        monkeypatch.undo()
        go_on.set()
    eventually(lambda: ours() == [])


def test_recorders_write_what_they_have_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise MemoryError

    written = threading.Event()
    monkeypatch.setattr(at_exit, "_afterwards", [written.set])
    monkeypatch.setattr(at_exit, "close", fails)
    with pytest.raises(MemoryError):
        at_exit._at_exit()
    assert written.is_set()


def test_the_exit_tells_in_one_line_what_has_not_ended(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_exit, "AT_EXIT", 0.1)
    go_on, inside, network = threading.Event(), threading.Event(), Network()
    client = network.client()
    client.on_event(lambda event: (inside.set(), go_on.wait(5.0)))
    client.open()
    assert inside.wait(5.0)
    at_exit._at_exit()
    go_on.set()
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["dbxsdk-fake-callbacks"]
    eventually(lambda: ours() == [])


def test_a_dropped_client_lives_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_exit, "sessions", weakref.WeakSet())  # those of this test alone
    network, updates = Network(), Recorder()
    client = network.client()
    client.subscribe("trades", "A", callback=updates)
    with pytest.warns(ResourceWarning, match=r"dropped without close\(\): <FakeClient .* ready> lives on"):
        del client
        gc.collect()
    network.now.push({"topic": "trades.A", "n": 1})
    updates.wait()
    at_exit.close(at_exit.members(at_exit.sessions), 5.0)
    assert ours() == [] and network.now.ended.is_set()


def test_no_warning_without_need(recwarn: pytest.WarningsRecorder) -> None:
    Network().client()
    with Network().client():
        pass
    with pytest.raises(TypeError):
        DigiFinexClient(options=1)  # type: ignore[arg-type]
    gc.collect()
    assert list(recwarn) == []


def test_a_destructor_on_the_reader_thread() -> None:
    class Strategy:
        def __init__(self, client: Any) -> None:
            self.client, self.me = client, self

        def __del__(self) -> None:
            self.client.close()

    class Collecting(FakeProtocol):
        def receive(self, payload: bytes, binary: bool) -> Any:
            gc.collect()
            return super().receive(payload, binary)

    network = Network()
    client = network.client(Collecting())
    client.open()
    Strategy(client)
    network.now.push({"topic": "nobody's"})
    assert client.wait(5.0) is True
    eventually(lambda: ours() == [])
