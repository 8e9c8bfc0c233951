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
from typing import Any, Callable, Dict, Iterator, List, Tuple, Type

import pytest

from dbxsdk import ClientClosed, ConnectionLost, CryptomusClient, DigiFinexClient, Options, State
from dbxsdk.session import shutdown
from dbxsdk.sim import DigiFinexVenue
from tests.conftest import library_threads
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
def test_during_the_opening(step: str, mute: int, client_context: ssl.SSLContext) -> None:  # noqa: F811
    before = sockets()
    client = stuck(step, mute, client_context)
    opening, future = Background(client.open), client.submit("server.time" if step != "the token" else "ping")
    eventually(lambda: client._session._connection is not None and client._session._connection._socket is not None)
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
        eventually(lambda: client.stats().queued == 0 and book._waiters)
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
    shutdown._at_exit()
    assert time.monotonic() - started < 4.0
    assert {client.state for client in clients} == {State.CLOSED} and ours() == []


def test_the_exit_tells_in_one_line_what_has_not_ended(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "AT_EXIT", 0.1)
    go_on, inside, network = threading.Event(), threading.Event(), Network()
    client = network.client()
    client.on_event(lambda event: (inside.set(), go_on.wait(5.0)))
    client.open()
    assert inside.wait(5.0)
    shutdown._at_exit()
    go_on.set()
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["dbxsdk-fake-callbacks"]
    eventually(lambda: ours() == [])


def test_a_dropped_client_lives_on_and_says_so() -> None:
    network, updates = Network(), Recorder()
    client = network.client()
    client.subscribe("trades", "A", callback=updates)
    session = client._session
    with pytest.warns(ResourceWarning, match=r"dropped without close\(\): <FakeClient .* ready> lives on"):
        del client
        gc.collect()
    network.now.push({"topic": "trades.A", "n": 1})
    updates.wait()
    session.close(5.0)


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
