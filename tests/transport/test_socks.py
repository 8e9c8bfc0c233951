"""SOCKS proxies: a real one on the loopback. What is asked for, what is refused, and one deadline, whatever drips."""

from __future__ import annotations

import socket
import struct
import ssl
import threading
import time
from typing import Any, Callable, List, Tuple

import pytest

from dbxsdk import ConnectError, Options
from dbxsdk.transport import http
from dbxsdk.transport.connect import proxy_host
from tests.transport.running import Running
from tests.transport.servers import TEXT, Peer, Script, Server, carry

SCHEMES = ["socks4", "socks4a", "socks5", "socks5h"]
HUSH = "h\u00fcsh@:/"


def hello(peer: Peer) -> None:
    peer.upgrade().send(TEXT, "hello")
    peer.until_end()


def socks(seen: List[Tuple[Any, ...]], carry: Callable[[Peer], Any], login: Tuple[bytes, bytes] = (b"", b"")) -> Script:
    """A SOCKS proxy's side of a connection. ``seen`` gets the version, the kind of address, the address and the port."""

    def serve(peer: Peer) -> None:
        if peer.read(1) == b"\x04":
            request = peer.read(7)
            address: Any = socket.inet_ntoa(request[3:])
            assert until_zero(peer) == login[0]
            name = until_zero(peer).decode() if address == "0.0.0.1" else None
            seen.append((4, "name" if name else "ip", name or address, int.from_bytes(request[1:3], "big")))
            peer.raw.sendall(b"\x00\x5a" + bytes(6))
        else:
            methods = peer.read(peer.read(1)[0])
            peer.raw.sendall(b"\x05\x02" if login[0] else b"\x05\x00")
            assert (2 in methods) is bool(login[0])
            if login[0]:
                assert peer.read(1) == b"\x01"
                given = peer.read(peer.read(1)[0]), peer.read(peer.read(1)[0])
                peer.raw.sendall(b"\x01\x00" if given == login else b"\x01\x01")
                if given != login:
                    return
            kind = peer.read(4)[3]
            data = peer.read({1: 4, 4: 16}.get(kind) or peer.read(1)[0])
            address = data.decode() if kind == 3 else socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data)
            seen.append((5, "name" if kind == 3 else "ip", address, int.from_bytes(peer.read(2), "big")))
            peer.raw.sendall(b"\x05\x00\x00\x03\x04name\x12\x34")
        carry(peer)

    return serve


def until_zero(peer: Peer) -> bytes:
    data = b""
    while not data.endswith(b"\0"):
        data += peer.read(1)
    return data[:-1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "venue.invalid", "[::1]"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_the_proxy_is_asked_for(scheme: str, host: str) -> None:
    seen: List[Tuple[Any, ...]] = []
    with Server(hello) as server, Server(socks(seen, carry(server.port), (b"me", HUSH.encode()))) as between:
        proxy = f"{scheme}://me:h%C3%BCsh%40%3A%2F@127.0.0.1:{between.port}"
        with Running(f"ws://{host}:8765/", proxy=proxy) as running:
            if (scheme, host) in (("socks4", "venue.invalid"), ("socks5", "venue.invalid")):
                assert "host name was not found" in str(running.ending().error)
                return
            if scheme in ("socks4", "socks4a") and host == "[::1]":
                assert "SOCKS 4 has no IPv6 addresses" in str(running.ending().error)
                return
            assert running.wait() == [(b"hello", False)]
            assert running.connection._socket is not None
            assert running.connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    kind = "name" if scheme in ("socks4a", "socks5h") and host in ("localhost", "venue.invalid") else "ip"
    (asked,) = seen
    assert asked[:2] == (int(scheme[5]), kind) and asked[3] == 8765
    if kind == "name" or host in ("127.0.0.1", "[::1]"):
        assert asked[2] == host.strip("[]")


def test_tls_and_http_go_through_it(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    seen: List[Tuple[Any, ...]] = []

    def both(peer: Peer) -> None:
        peer.read_head()
        if "upgrade" in peer.headers:
            peer.raw.sendall(peer.handshake_answer())
            peer.send(TEXT, "hello")
        else:
            peer.raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        peer.until_end()

    with Server(both, server_context) as server, Server(socks(seen, carry(server.port))) as between:
        options: Any = {"proxy": f"socks5h://127.0.0.1:{between.port}", "ssl_context": client_context}
        with Running(f"wss://localhost:{server.port}/", **options) as running:
            assert running.wait() == [(b"hello", False)]
        published: List[Any] = []
        answer = http.get(f"https://localhost:{server.port}/", Options(**options), timeout=5.0, publish=published.append)
    assert answer.document == {} and published
    assert seen == [(5, "name", "localhost", server.port)] * 2


@pytest.mark.parametrize(
    "scheme, answers, words",
    [
        ("socks5h", [b"\x05\xff"], "another login"),
        ("socks5h", [b"\x05\x02", b"\x01\x01"], "does not take the user and the password"),
        ("socks5h", [b"\x05\x00", b"\x05\x05\x00\x01"], "it answered 5: the connection was refused"),
        ("socks5h", [b"\x05\x00", b"\x05\x63\x00\x01"], "it answered 99: an unknown code"),
        ("socks5h", [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak SOCKS 5"),
        ("socks5h", [b"\x05\x00", b"\x05\x00"], "closed the connection"),
        ("socks4a", [b"\x00\x5b" + bytes(6)], "it answered 91"),
        ("socks4a", [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak SOCKS 4"),
    ],
)
def test_what_refuses_is_named_and_the_password_is_not(scheme: str, answers: List[bytes], words: str) -> None:
    def script(peer: Peer) -> None:
        for answer in answers:
            peer.raw.recv(4096)
            peer.raw.sendall(answer)
        if "closed" not in words:
            peer.until_end()

    with Server(script) as between:
        proxy = f"{scheme}://me:hush@127.0.0.1:{between.port}"
        with Running("ws://venue.invalid/", proxy=proxy) as running:
            error = running.ending().error
        with pytest.raises(ConnectError) as raised:
            http.get("http://venue.invalid/", Options(proxy=proxy), timeout=5.0)
    for each in (error, raised.value):
        assert isinstance(each, ConnectError) and "the SOCKS proxy refused" in str(each) and words in str(each)
        assert "hush" not in repr(each)


class Dripping:
    """Says yes byte by byte, for 2.5 s."""

    def __init__(self) -> None:
        self.began, self.over = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.read(3)
        peer.raw.sendall(b"\x05\x00")
        peer.read(7)
        peer.raw.sendall(b"\x05\x00\x00\x03\xff")
        for _ in range(255):
            if not self.over.wait(0.01):
                peer.raw.sendall(b"x")
                self.began.set()


def test_a_proxy_that_drips_has_one_deadline() -> None:
    dripping = Dripping()
    with Server(dripping) as between:
        proxy = f"socks5h://127.0.0.1:{between.port}"
        begun = time.monotonic()
        with Running("ws://venue.invalid/", proxy=proxy, connect_timeout=0.15) as running:
            assert "in time" in str(running.ending().error)
        with pytest.raises(ConnectError, match="does not end"):
            http.get("http://venue.invalid/", Options(proxy=proxy), timeout=0.075)
        dripping.over.set()
        assert 0.3 <= time.monotonic() - begun < 1.5


def test_a_proxy_that_resets_the_connection_amid_its_handshake() -> None:
    def reset(peer: Peer) -> None:
        peer.read(3)
        peer.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.raw.close()

    with Server(reset) as between:
        with pytest.raises(ConnectError, match="venue.invalid: HTTP"):
            http.get("http://venue.invalid/", Options(proxy=f"socks5h://127.0.0.1:{between.port}"), timeout=5)


def test_a_connection_that_waits_for_the_proxy_is_ended_at_once() -> None:
    dripping = Dripping()
    with Server(dripping) as between:
        with Running("ws://venue.invalid/", proxy=f"socks5h://127.0.0.1:{between.port}") as running:
            assert dripping.began.wait(5.0)
            begun = time.monotonic()
            running.connection.abort("closed")
            assert "closed" in str(running.ending().error)
            assert time.monotonic() - begun < 0.5
        dripping.over.set()


def test_the_port_of_a_proxy_that_names_none() -> None:
    assert proxy_host("socks5://host") == ("host", 1080) and proxy_host("http://host") == ("host", 80)
