"""HTTP requests end in time, also where bytes keep coming one by one."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import warnings
from typing import Any, List, Optional

import pytest

from dbxsdk.errors import ConnectError
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport import http, http_pool
from tests.transport.servers import Peer, Script, Server, proxy

DRIPS = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n",
    "headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
}


def dripping(begin: bytes, over: threading.Event) -> Script:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(begin)
        for _ in range(100):
            if not over.wait(0.02):
                peer.raw.sendall(b"1")

    return script


def ends_in_time(url: str, options: Options, over: threading.Event) -> None:
    begun = time.monotonic()
    try:
        with pytest.raises(ConnectError, match="does not end"):
            http.get(url, options, timeout=0.1)
    finally:
        over.set()
    assert 0.15 < time.monotonic() - begun < 1.5


@pytest.mark.parametrize("where", DRIPS)
def test_a_host_that_drips(where: str) -> None:
    over = threading.Event()
    with Server(dripping(DRIPS[where], over)) as server:
        ends_in_time(f"http://127.0.0.1:{server.port}/", Options(), over)


@pytest.mark.parametrize("where", ["body", "headers"])
def test_a_host_that_drips_over_tls(where: str, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    over = threading.Event()
    with Server(dripping(DRIPS[where], over), server_context) as server:
        ends_in_time(f"https://127.0.0.1:{server.port}/", Options(ssl_context=client_context), over)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_drips(scheme: str) -> None:
    over = threading.Event()
    with Server(dripping(DRIPS["headers"], over)) as server:
        ends_in_time(f"{scheme}://venue.invalid/", Options(proxy=f"http://127.0.0.1:{server.port}"), over)


def test_the_interpreters_end_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Timer) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with Server(lambda peer: peer.answer("204 Fine")) as server:
        monkeypatch.setattr(threading.Timer, "start", refuse)
        assert http.get(f"http://127.0.0.1:{server.port}/", Options(), timeout=5.0).status == 204


def test_a_proxy_is_no_hindrance(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    """The user's certificates are asked there, too, and the socket can be shut down by another thread."""
    published: List[Any] = []
    with Server(lambda peer: peer.answer("204 Fine"), server_context) as server, Server(proxy(server.port, [])) as between:
        options = Options(proxy=f"http://127.0.0.1:{between.port}", ssl_context=client_context)
        answer = http.get(f"https://127.0.0.1:{server.port}/", options, timeout=5.0, publish=published.append)
    assert answer.status == 204 and published


def empty_object(peer: Peer) -> None:
    peer.read_head()
    peer.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    peer.until_end()


def protocol_of_the_context(context: ssl.SSLContext, server_context: ssl.SSLContext) -> Optional[str]:
    """What a handshake with ``context`` agrees on."""
    server_context.set_alpn_protocols(["mine", "http/1.1"])
    with Server(Peer.until_end, server_context) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
                return wrapped.selected_alpn_protocol()


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate", "br", "x-new"])
def test_compressed_bodies_are_neither_asked_for_nor_taken(encoding: str) -> None:
    """1.8 KB of ``gzip, gzip`` once became 2 GB with older versions of urllib3."""
    asked: List[str] = []
    statuses = iter([b"200 OK", b"403 Forbidden"])

    def script(peer: Peer) -> None:
        peer.read_head()
        asked.append(peer.headers["accept-encoding"])
        body = gzip.compress(gzip.compress(b"{}"))
        head = b"HTTP/1.1 %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        peer.raw.sendall(head % (next(statuses), encoding.encode(), len(body)) + body)
        peer.until_end()

    with Server(script) as server:
        with pytest.raises(ConnectError, match="compressed"):
            http.get(f"http://127.0.0.1:{server.port}/", Options(), timeout=5.0)
        refusal = http.get(f"http://127.0.0.1:{server.port}/", Options(), timeout=5.0)
    assert asked == ["identity", "identity"]
    assert (refusal.status, refusal.document) == (403, None), "the status says it all"


@pytest.mark.parametrize(
    "answer", ["Content-Length: 3\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "Content-Length: 2\r\n\r\n"]
)
def test_a_body_that_is_cut_off_is_no_answer(answer: str) -> None:
    """Not with any version of urllib3: before 2.0 it took what had come for the whole."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(f"HTTP/1.1 200 OK\r\n{answer}".encode())

    with Server(script) as server, pytest.raises(ConnectError, match="cut off"):
        http.get(f"http://127.0.0.1:{server.port}/", Options(), timeout=5.0)


def test_two_lengths_are_no_answer() -> None:
    """Nor an error of urllib3's own, which requests lets through before urllib3 2.0."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")

    with Server(script) as server, pytest.raises(ConnectError):
        http.get(f"http://127.0.0.1:{server.port}/", Options(), timeout=5.0)


@pytest.mark.parametrize("mode", [ssl.CERT_REQUIRED, ssl.CERT_NONE])
def test_a_users_context_stays_as_it_is(mode: ssl.VerifyMode, server_context: ssl.SSLContext, authority: Any) -> None:
    """The bundle of requests once was loaded into it, and then its user trusted a hundred authorities more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.check_hostname = mode is not ssl.CERT_NONE
    context.verify_mode = mode
    context.set_alpn_protocols(["mine"])
    (before,) = context.get_ca_certs()
    with Server(empty_object, server_context) as server, warnings.catch_warnings():
        warnings.simplefilter("error")  # what the user wants needs no warning
        assert http.get(f"https://127.0.0.1:{server.port}/", Options(ssl_context=context), timeout=5.0).document == {}
    assert context.get_ca_certs() == [before] and context.verify_mode is mode
    assert protocol_of_the_context(context, server_context) == "mine"


def test_a_context_that_does_not_look_at_the_name(authority: Any) -> None:
    context, server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(context)
    authority.issue_cert("another.invalid").configure_cert(server_context)
    with Server(empty_object, server_context) as server:
        with pytest.raises(ConnectError, match="TLS failed"):
            http.get(f"https://127.0.0.1:{server.port}/", Options(ssl_context=context), timeout=5.0)
        context.check_hostname = False
        assert http.get(f"https://127.0.0.1:{server.port}/", Options(ssl_context=context), timeout=5.0).document == {}


def test_an_authority_that_the_context_does_not_have_is_not_trusted(server_context: ssl.SSLContext) -> None:
    with Server(Peer.until_end, server_context) as server:
        with pytest.raises(ConnectError, match="TLS failed"):
            http.get(f"https://127.0.0.1:{server.port}/", Options(ssl_context=ssl.create_default_context()), timeout=5.0)


def test_a_session_keeps_its_connection_and_bounds_each_request() -> None:
    over = threading.Event()
    connections: List[int] = []

    def script(peer: Peer) -> None:
        connections.append(1)
        for _ in range(2):
            peer.read_head()
            peer.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Left: 7\r\n\r\n{}")
        peer.read_head()
        peer.raw.sendall(DRIPS["headers"])
        for _ in range(100):
            if not over.wait(0.02):
                peer.raw.sendall(b"1")

    with Server(script) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with http.HttpSession(url, Options()) as session:
            answers = [session.get(url, timeout=5.0) for _ in range(2)]
            begun = time.monotonic()
            try:
                with pytest.raises(ConnectError, match="does not end"):
                    session.get(url, timeout=5.0, total=0.1)
            finally:
                over.set()
    assert time.monotonic() - begun < 1.5, "the limit is that of the request, not of the one that connected"
    assert [answer.headers["x-left"] for answer in answers] == ["7", "7"] and len(connections) == 1


def test_a_request_that_is_aborted_ends_and_so_do_later_ones() -> None:
    asked = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        asked.set()
        peer.until_end()

    with Server(script) as server:
        pool = http_pool.HttpPool(f"http://127.0.0.1:{server.port}", Options())
        aborter = threading.Thread(target=lambda: (asked.wait(5), pool.abort()))
        aborter.start()
        begun = time.monotonic()
        for _ in range(2):
            with pytest.raises(ConnectError):
                pool.get("/", None, monotonic() + 30)
        aborter.join()
        pool.close()
    assert time.monotonic() - begun < 5
