"""Whoever else reaches a local venue's port: pages of other sites are refused, and nobody fills its memory."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

import dbxsdk.sim.venue
from dbxsdk.sim import BybitVenue, CryptomusVenue, DigiFinexVenue, Venue
from tests.sim.peer import WAIT, peer

UPGRADE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


def asking(url: str, *headers: str) -> socket.socket:
    """A socket on which a GET request with these headers was sent, and nothing was read."""
    parts = urlsplit(url)
    raw = socket.create_connection(("127.0.0.1", parts.port or 0), WAIT)
    raw.sendall("\r\n".join([f"GET {parts.path} HTTP/1.1", *headers, "", ""]).encode())
    return raw


def status(url: str, *headers: str) -> int:
    """The HTTP status of a GET request with these headers."""
    with asking(url, *headers) as raw, raw.makefile("rb") as file:
        return int(file.readline().split()[1])


SOCKETS = ((BybitVenue, lambda venue: venue.url(), UPGRADE, 101), (CryptomusVenue, lambda venue: venue.markets_url(), (), 200))


@pytest.mark.parametrize("kind, address, upgrade, good", SOCKETS, ids=["websocket", "http"])
def test_pages_of_other_sites_are_refused(
    kind: Callable[..., Any], address: Callable[[Venue], str], upgrade: Any, good: int
) -> None:
    with kind(rate=0, hosts=["Mine.example"]) as venue:
        url = address(venue)
        for host in ("mine.example:80", "127.0.0.1", "localhost:80", "LOCALHOST", "[::1]:80", "127.0.0.2"):
            assert status(url, f"Host: {host}", *upgrade) == good
        for origin in ("http://localhost:3000", "https://127.0.0.1"):
            assert status(url, "Host: localhost", f"Origin: {origin}", *upgrade) == good
        for host in ("evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "10.0.0.1", "", "[", "::1"):
            assert status(url, f"Host: {host}", *upgrade) == 403
        for origin in ("https://evil.example", "null", "file://", "", "http://localhost.evil.example", "http://[::1]@evil"):
            assert status(url, "Host: localhost", f"Origin: {origin}", *upgrade) == 403
        assert status(url, *upgrade) == status(url, "Host: localhost", "Host: evil.example", *upgrade) == 403


def test_a_long_message_ends_its_connection() -> None:
    with DigiFinexVenue(rate=0) as venue, peer(venue) as stranger:
        stranger.send("[" + " " * (256 * 1024) + "]")
        with pytest.raises(ConnectionClosed) as caught:
            stranger.receive()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009


def test_the_requests_that_are_remembered_are_bounded_in_bytes() -> None:
    with DigiFinexVenue(rate=0) as venue, peer(venue) as stranger:
        for number in range(90):
            stranger.send(json.dumps([number]) + " " * 200_000)
        assert venue.wait_until(lambda: venue.requests and venue.requests[-1].document == [89])
        assert 15 << 20 < sum(sys.getsizeof(frame.raw) for frame in venue.requests) <= 16 << 20


def test_who_leaves_most_unread_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbxsdk.sim.venue, "_UNREAD_BYTES", 4 << 20, raising=False)
    with DigiFinexVenue(rate=0) as venue, peer(venue) as good, asking(venue.url(), "Host: localhost", *UPGRADE):
        assert venue.wait_until(lambda: venue.connections == 2)
        for _ in range(500):
            if venue.send_frame("x" * 100_000) == 1:
                break
            good.websocket.recv(timeout=WAIT)
        assert venue.wait_until(lambda: venue.connections == 1)
        assert good.websocket.recv(timeout=WAIT) and not venue._unread._total
