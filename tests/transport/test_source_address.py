"""``source_address``: the address of this machine that connections are made from, as the peer sees it."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any, List

import pytest

from dbxsdk import ConnectError, CryptomusClient, Options
from dbxsdk.transport.http import get
from tests.transport.running import Running
from tests.transport.servers import TEXT, Peer, Server, proxy


def _usable(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
            return True
        except OSError as error:
            assert error.errno == errno.EADDRNOTAVAIL
            return False


pytestmark = pytest.mark.skipif(not _usable("127.0.0.2"), reason="this system's loopback has one address only (macOS)")

OTHERS = "192.0.2.1"
"""An address of nobody's: it is for documents."""


class Seen:
    """Upgrades, and keeps the address that the client came from."""

    def __init__(self) -> None:
        self.addresses: List[str] = []

    def __call__(self, peer: Peer) -> None:
        self.addresses.append(peer.raw.getpeername()[0])
        peer.upgrade().send(TEXT, "hello")
        peer.until_end()


def test_the_peer_sees_it(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    seen = Seen()
    with Server(seen) as plain, Server(seen, server_context) as secure:
        for source in ("127.0.0.2", "127.0.0.3", None, "0.0.0.0"):
            with Running(plain.url, source_address=source) as running:
                running.wait()
        with Running(secure.url, source_address="127.0.0.2", ssl_context=client_context) as running:
            running.wait()
    assert seen.addresses == ["127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.1", "127.0.0.2"]


def test_a_proxy_sees_it() -> None:
    seen, lines = Seen(), []
    addresses: List[str] = []
    with Server(seen) as server:
        serve = proxy(server.port, lines)

        def between(peer: Peer) -> None:
            addresses.append(peer.raw.getpeername()[0])
            serve(peer)

        with Server(between) as halfway:
            url = f"http://127.0.0.1:{halfway.port}"
            with Running("ws://venue.invalid/", proxy=url, source_address="127.0.0.2") as running:
                running.wait()
    assert addresses == ["127.0.0.2"] and seen.addresses == ["127.0.0.1"]


def refused(url: str, **options: Any) -> str:
    with Running(url, **options) as running:
        error = running.ending().error
    assert isinstance(error, ConnectError)
    return str(error)


def test_an_address_that_this_machine_does_not_have() -> None:
    with Server(Seen()) as server:
        said = refused(server.url, source_address=OTHERS)
        assert f"no connection from source_address {OTHERS}" in said and "Check that it is this machine's" in said
        assert server.accepted == 0


def test_targets_of_the_other_family() -> None:
    with Server(Seen()) as server:
        said = refused(server.url, source_address="::1")
        assert "source_address ::1 is an IPv6 address, and 127.0.0.1 has none" in said
        assert server.accepted == 0
    assert "source_address 127.0.0.2 is an IPv4 address, and ::1 has none" in refused(
        "ws://[::1]:1/", source_address="127.0.0.2"
    )
    said = refused("ws://venue.invalid/", source_address="::1", proxy="http://127.0.0.1:1")
    assert "source_address ::1 is an IPv6 address, and 127.0.0.1 has none" in said


def test_only_targets_of_its_family_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen()
    with Server(seen) as server:
        look_up = socket.getaddrinfo

        def both(host: Any, *arguments: Any, **more: Any) -> Any:
            if host != "venue.example":
                return look_up(host, *arguments, **more)
            four = look_up("127.0.0.1", *arguments, **more)
            six = [(socket.AF_INET6, *four[0][1:4], ("::1", server.port, 0, 0))]
            return [*six, *four]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        with Running(f"ws://venue.example:{server.port}/", source_address="127.0.0.2", proxy="") as running:
            running.wait()
    assert seen.addresses == ["127.0.0.2"]


# -- SOCKS ---------------------------------------------------------------------------------------------


def test_a_socks_proxy_sees_it() -> None:
    seen = Seen()

    def between(peer: Peer) -> None:
        seen.addresses.append(peer.raw.getpeername()[0])
        peer.read(3)
        peer.raw.sendall(b"\x05\xff")

    with Server(between) as server:
        options = {"proxy": f"socks5h://127.0.0.1:{server.port}"}
        for source in ("127.0.0.2", None):
            assert "wants a user" in refused("ws://venue.invalid/", **options, source_address=source)
        assert f"no connection from source_address {OTHERS}" in refused(
            "ws://venue.invalid/", **options, source_address=OTHERS
        )
        assert "is an IPv6 address, and 127.0.0.1 has none" in refused(
            "ws://venue.invalid/", **options, source_address="::1"
        )
    assert seen.addresses == ["127.0.0.2", "127.0.0.1"]


# -- HTTP ----------------------------------------------------------------------------------------------


class Web:
    """Answers a request with JSON, and keeps the address that it came from."""

    def __init__(self) -> None:
        self.addresses: List[str] = []

    def __call__(self, peer: Peer) -> None:
        self.addresses.append(peer.raw.getpeername()[0])
        peer.read_head()
        peer.raw.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{"token":"t"}')


def test_http_requests_come_from_it(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    web = Web()
    with Server(web) as plain, Server(web, server_context) as secure:
        for source in ("127.0.0.2", None):
            options = Options(source_address=source, ssl_context=client_context)
            assert get(f"http://127.0.0.1:{plain.port}/", options, timeout=2.0).document == {"token": "t"}
            assert get(f"https://127.0.0.1:{secure.port}/", options, timeout=2.0).status == 200
            through = Options(source_address=source, proxy=f"http://127.0.0.1:{plain.port}")
            assert get("http://venue.invalid/", through, timeout=2.0).status == 200
    assert web.addresses == ["127.0.0.2"] * 3 + ["127.0.0.1"] * 3


def test_http_requests_from_an_address_that_cannot_be() -> None:
    with Server(Web()) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with pytest.raises(ConnectError, match=f"no connection from source_address {OTHERS}"):
            get(url, Options(source_address=OTHERS), timeout=2.0)
        if socket.has_ipv6 and _has_loopback_6():
            with pytest.raises(ConnectError, match="source_address ::1 failed. Check that the host"):
                get(url, Options(source_address="::1"), timeout=2.0)
        assert server.accepted == 0


def _has_loopback_6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


def test_a_token_and_its_connection_come_from_the_same_address() -> None:
    web, seen = Web(), Seen()
    with Server(web) as http, Server(seen) as server:
        client = CryptomusClient(
            "user",
            "key",
            url=server.url,
            token_url=f"http://127.0.0.1:{http.port}/",
            options=Options(source_address="127.0.0.2"),
        )
        with client:
            client.open(5.0)
    assert web.addresses == seen.addresses == ["127.0.0.2"]
