"""Peers that fail: handshakes answered wrongly, and a proxy that carries a venue's bytes until it is told not to.

On ws and wss alike: the proxy itself ends TLS, and speaks plainly to the local venue behind it, so that a fault hits the
same byte of the same frame on both.
"""

from __future__ import annotations

import collections
import random
import select
import socket
import ssl
import struct
import time
from typing import Any, Callable, Deque, List, Optional, Tuple
from urllib.parse import urlsplit

from tests.transport.servers import CLOSE, LIMIT, TEXT, Peer, Script, Server, frame


def say_nothing(peer: Peer) -> None:
    """Accepts (over TLS: with its handshake), reads, and never says a word."""
    peer.until_end()


def hang_up(peer: Peer) -> None:
    """Reads the handshake's request and ends the connection."""
    peer.read_head()


def answer(status: str, *headers: str) -> Script:
    """Another HTTP status than the one asked for."""
    return lambda peer: peer.answer(status, *headers)


def garbage(seed: int) -> Script:
    """Random bytes in place of an HTTP answer."""

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(bytes(random.Random(seed).randrange(256) for _ in range(2000)))

    return serve


class FaultProxy(Server):
    """Between clients and a local venue at ``target``. Well-behaved until told otherwise.

    ``vanish``, ``stop_reading``, ``delay``, ``duplicate`` and ``throttle`` hold for every connection, those to come too, until
    ``behave``. ``reset``, ``half_close``, ``close``, ``stall``, ``cut`` and ``cut_after`` happen once, to those open now.
    """

    def __init__(self, target: str, context: Optional[ssl.SSLContext] = None) -> None:
        super().__init__(self._carry, context, small_buffers=True)
        parts = urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self._path = parts.path
        self.links: List[_Link] = []
        self.over = False
        self._new: Deque[Tuple[Optional[int], Optional[int]]] = collections.deque()
        self._well()

    def _well(self) -> None:
        self.gone = self.deaf = self.throttled = False
        self.copies, self.held_back = 1, 0.0

    @property
    def url(self) -> str:
        return super().url.rpartition("/path")[0] + self._path

    @property
    def open_connections(self) -> int:
        """The connections that it has not seen ending."""
        with self._lock:
            return len(self.links)

    def __exit__(self, *arguments: object) -> None:
        self.over = True
        self._tell(lambda link: None)
        super().__exit__(*arguments)

    def _carry(self, peer: Peer) -> None:
        down, up = self._new.popleft() if self._new else (None, None)
        link = _Link(self, peer.raw, down, up)
        with self._lock:
            self.links.append(link)
        try:
            link.run()
        finally:
            with self._lock:
                self.links.remove(link)
            link.close()

    def _tell(self, action: Callable[["_Link"], None]) -> None:
        with self._lock:
            for link in self.links:
                link.tell(action)

    # -- until behave() ------------------------------------------------------------------------------------------------

    def behave(self) -> None:
        """Carries everything both ways again, what lies in between included."""
        self._well()
        self._tell(lambda link: None)

    def vanish(self) -> None:
        """Forwards nothing, answers nothing and closes nothing: a cable that was pulled, with nobody to tell."""
        self.gone = True
        self._tell(lambda link: None)

    def stop_reading(self) -> None:
        """Takes nothing from clients, and goes on talking to them."""
        self.deaf = True
        self._tell(lambda link: None)

    def delay(self, seconds: float) -> None:
        """Each frame of the venue comes so much later."""
        self.held_back = seconds

    def duplicate(self) -> None:
        """Each frame of the venue comes twice."""
        self.copies = 2

    def throttle(self) -> None:
        """A byte a packet, both ways; on wss, a byte a record towards the client."""
        self.throttled = True

    # -- once ----------------------------------------------------------------------------------------------------------

    def cut_after(self, down: Optional[int] = None, up: Optional[int] = None) -> None:
        """Ends the connections after so many more bytes to the client, or from it."""
        self._tell(lambda link: link.limit(down, up))

    def cut_new(self, times: int, down: Optional[int] = None, up: Optional[int] = None) -> None:
        """Ends each of the next ``times`` connections so many bytes after its handshake."""
        self._new.extend([(down, up)] * times)

    def cut(self) -> None:
        """Ends the connections, without a close frame."""
        self._tell(lambda link: link.end())

    def reset(self) -> None:
        """Ends the connections with TCP's RST."""
        self._tell(lambda link: link.reset())

    def half_close(self) -> None:
        """Ends the venue's half of the connections, and goes on reading the client's."""
        self._tell(lambda link: link.last(b"", shut=True))

    def stall(self) -> None:
        """Sends the first part of a frame, and nothing after it."""
        self._tell(lambda link: link.last(frame(TEXT, "x" * 500)[:100]))

    def close(self, code: Optional[int] = None, reason: str = "") -> None:
        """Sends a close frame, with ``code`` or without one, and waits for the client to go."""
        payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
        self._tell(lambda link: link.last(frame(CLOSE, payload)))


class _Ended(EOFError):
    pass


class _Link:
    """One connection through the proxy, on one thread: TLS objects are not for two."""

    def __init__(self, proxy: FaultProxy, client: Any, down: Optional[int], up: Optional[int]) -> None:
        self._proxy = proxy
        self._client = client
        self._venue = socket.create_connection(proxy.target, timeout=LIMIT)
        self._venue.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._woken, self._waker = socket.socketpair()
        self._told: Deque[Callable[[_Link], None]] = collections.deque()
        self._later: Deque[Tuple[float, bytes]] = collections.deque()
        self._from_venue = self._from_client = b""
        self._upgraded = self._asked = False
        self._down, self._up = down, up
        self._mute = False

    # -- other threads -------------------------------------------------------------------------------------------------

    def tell(self, action: Callable[["_Link"], None]) -> None:
        self._told.append(action)
        self._waker.send(b"!")

    def close(self) -> None:
        for each in (self._venue, self._woken, self._waker):
            each.close()

    # -- its own thread ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        while not self._proxy.over:
            sources = [self._woken]
            if not self._proxy.gone:
                sources += [self._venue] if self._proxy.deaf else [self._venue, self._client]
                while self._later and self._later[0][0] <= time.monotonic():
                    self._send_client(self._later.popleft()[1])
            wait = max(self._later[0][0] - time.monotonic(), 0.0) if self._later and not self._proxy.gone else LIMIT
            ready = select.select(sources, [], [], wait)[0]
            if self._woken in ready:
                self._woken.recv(4096)
                while self._told:
                    self._told.popleft()(self)
            elif self._client in ready:
                self._take_from_client(_receive(self._client))
            elif self._venue in ready:
                self._take_from_venue(_receive(self._venue))

    def _take_from_client(self, data: bytes) -> None:
        if not self._asked:
            self._from_client += data
            head, end, data = self._from_client.partition(b"\r\n\r\n")
            if not end:
                return
            self._venue.sendall(head + end)
            self._asked = True
        kept = data if self._up is None else data[: self._up]
        self._write(self._venue, kept)
        if self._up is not None:
            self._up -= len(kept)
            if not self._up:
                self.end()

    def _take_from_venue(self, data: bytes) -> None:
        self._from_venue += data
        while True:
            piece, self._from_venue = _cut_frame(self._from_venue) if self._upgraded else _cut_head(self._from_venue)
            if not piece:
                return
            copies = self._proxy.copies if self._upgraded else 1
            self._upgraded = self._upgraded or piece.startswith(b"HTTP/1.1 101")
            for _ in range(copies):
                if self._later or self._proxy.held_back:
                    self._later.append((time.monotonic() + self._proxy.held_back, piece))
                else:
                    self._send_client(piece)

    def _send_client(self, piece: bytes) -> None:
        if self._mute:
            return
        if self._down is None or piece.startswith(b"HTTP/"):
            self._write(self._client, piece)
            return
        self._write(self._client, piece[: self._down])
        self._down -= len(piece)
        if self._down <= 0:
            self.end()

    def _write(self, target: socket.socket, data: bytes) -> None:
        if self._proxy.throttled:
            for number in range(len(data)):
                target.sendall(data[number : number + 1])
        elif data:
            target.sendall(data)

    # -- what the proxy is told ----------------------------------------------------------------------------------------

    def limit(self, down: Optional[int], up: Optional[int]) -> None:
        self._down, self._up = down, up

    def last(self, data: bytes, shut: bool = False) -> None:
        self._write(self._client, data)
        self._mute = True
        if shut:
            socket.socket.shutdown(self._client, socket.SHUT_WR)

    def reset(self) -> None:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.close()
        raise _Ended

    def end(self) -> None:
        raise _Ended


def _receive(source: Any) -> bytes:
    data: bytes = source.recv(65536)
    if not data:
        raise _Ended
    # What TLS has decrypted already makes no socket readable.
    while isinstance(source, ssl.SSLSocket) and source.pending():
        data += source.recv(source.pending())
    return data


def _cut_head(data: bytes) -> Tuple[bytes, bytes]:
    """An HTTP answer's head, and what follows; nothing where it is not all there."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return b"", data
    if head.startswith(b"HTTP/1.1 101"):
        return head + end, rest
    return data, b""  # a refusal, with its body


def _cut_frame(data: bytes) -> Tuple[bytes, bytes]:
    """The first whole frame of a server, and what follows."""
    if len(data) < 2:
        return b"", data
    start, length = 2, data[1]
    if length >= 126:
        start = 4 if length == 126 else 10
        if len(data) < start:
            return b"", data
        length = int.from_bytes(data[2:start], "big")
    end = start + length
    return (data[:end], data[end:]) if len(data) >= end else (b"", data)
