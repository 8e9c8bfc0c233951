"""Small scripted servers on the loopback: each connection runs a script of the test's, bounded, on its own thread."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import struct
import threading
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LIMIT = 10.0
"""Seconds after which a server gives up whatever it waits for."""

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0


class Peer:
    """One accepted connection, seen from the server."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self.headers: Dict[str, str] = {}
        self.request_line = ""
        self._buffer = b""

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.raw.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_head(self) -> None:
        """An HTTP request's lines, as far as the blank one."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.raw.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.request_line, *lines = head.decode("latin-1").split("\r\n")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def handshake_answer(self) -> bytes:
        key = self.headers["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def upgrade(self) -> "Peer":
        self.read_head()
        self.raw.sendall(self.handshake_answer())
        return self

    def answer(self, status: str, *headers: str) -> None:
        """An HTTP answer in place of the upgrade."""
        self.read_head()
        self.raw.sendall("\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]).encode())

    def send(self, opcode: int, payload: Any = b"", fin: bool = True) -> None:
        self.raw.sendall(frame(opcode, payload, fin))

    def receive(self) -> Tuple[int, bytes]:
        """The next frame of the client, unmasked."""
        first, second = self.read(2)
        assert second & 0x80, "a client must mask"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.read(8))
        mask = self.read(4)
        payload = self.read(length)
        repeated = (mask * (length // 4 + 1))[:length]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
        return first & 0x0F, plain.to_bytes(length, "big")

    def until_end(self) -> bytes:
        """Everything that still comes, to the end of the stream."""
        data = self._buffer
        self._buffer = b""
        while True:
            try:
                more = self.raw.recv(65536)
            except OSError:
                return data
            if not more:
                return data
            data += more

    def answer_close(self) -> None:
        """Reads to the client's close frame and answers it."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                self.send(CLOSE, payload)
                return


def frame(opcode: int, payload: Any = b"", fin: bool = True) -> bytes:
    """A server's frame."""
    payload = payload.encode() if isinstance(payload, str) else payload
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + struct.pack("!BH", 126, len(payload)) + payload
    return head + struct.pack("!BQ", 127, len(payload)) + payload


Script = Callable[[Peer], Any]


class Server:
    """Accepts connections and runs ``script`` for each. ``with`` ends them all."""

    def __init__(self, script: Script, context: Optional[ssl.SSLContext] = None, small_buffers: bool = False) -> None:
        self._script = script
        self._context = context
        self._peers: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = False
        self.errors: List[BaseException] = []
        self.accepted = 0
        self.finished = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        if small_buffers:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.settimeout(LIMIT)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="test-server", daemon=True)

    @property
    def url(self) -> str:
        return f"{'wss' if self._context else 'ws'}://127.0.0.1:{self.port}/path"

    def __enter__(self) -> "Server":
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closing = True
            for raw in self._peers:
                _shut(raw)
        _shut(self._listener)
        self._acceptor.join(LIMIT)
        self._listener.close()
        for thread in self._threads:
            thread.join(LIMIT)
        assert not self.errors, self.errors

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    raw.close()
                    return
                self.accepted += 1
                self._peers.append(raw)
                thread = threading.Thread(target=self._serve, args=(raw,), name="test-server-peer", daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        stream = raw
        try:
            raw.settimeout(LIMIT)
            # Otherwise a second write waits 40 ms for the acknowledgement of the first.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                stream = self._context.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._peers.append(stream)
            self._script(Peer(stream))
        except (OSError, EOFError):
            pass  # the client has gone: what it saw is the test's to check
        except BaseException as error:  # noqa: B036 - told when the server ends
            self.errors.append(error)
        finally:
            _shut(stream)
            stream.close()
            raw.close()
            self.finished.release()


def _shut(raw: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown, which would drop the TLS layer under a reader.
        socket.socket.shutdown(raw, socket.SHUT_RDWR)
    except OSError:
        pass


def proxy(
    target_port: int, seen: List[Dict[str, Any]], answer: str = "200 OK", credentials: Optional[str] = None
) -> Script:
    """An HTTP proxy's side of a connection: CONNECT, then bytes to and fro. Everything goes to ``target_port``."""

    def serve(peer: Peer) -> None:
        peer.read_head()
        seen.append({"line": peer.request_line, **peer.headers})
        wanted = None if credentials is None else "Basic " + base64.b64encode(credentials.encode()).decode()
        status = (
            answer if wanted in (None, peer.headers.get("proxy-authorization")) else "407 Proxy Authentication Required"
        )
        peer.raw.sendall(f"HTTP/1.1 {status}\r\nVia: test\r\n\r\n".encode())
        if not status.startswith("200"):
            return
        carry(target_port)(peer)

    return serve


def carry(target_port: int) -> Script:
    """Carries bytes to and fro."""

    def serve(peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", target_port), timeout=LIMIT) as onward:
            back = threading.Thread(target=_pump, args=(onward, peer.raw), name="test-proxy", daemon=True)
            back.start()
            _pump(peer.raw, onward)
            back.join(LIMIT)

    return serve


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    except OSError:
        pass
    _shut(source)
    _shut(target)


def relay(target_port: int, sizes: Iterable[int]) -> Script:
    """Carries bytes to ``target_port`` as they are, and back in pieces of these sizes."""

    def serve(peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", target_port), timeout=LIMIT) as onward:
            there = threading.Thread(target=_pump, args=(peer.raw, onward), name="test-relay", daemon=True)
            there.start()
            try:
                for size in sizes:
                    data = onward.recv(size)
                    if not data:
                        break
                    peer.raw.sendall(data)
            finally:
                _shut(peer.raw)
                _shut(onward)
                there.join(LIMIT)

    return serve


class Records:
    """A server's side of TLS with each record in the test's hands: what ``encrypt`` returns has not been sent.
    Instead of a socket in ``Peer``."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        """Shakes hands."""
        self.raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._wait_for(self._tls.do_handshake)

    def _wait_for(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
                done = True
            except ssl.SSLWantReadError:
                done = False
            if self._outgoing.pending:
                self.raw.sendall(self._outgoing.read())
            if done:
                return result
            data = self.raw.recv(65536)
            if not data:
                raise EOFError
            self._incoming.write(data)

    def encrypt(self, data: bytes) -> bytes:
        """Records of up to 16 KiB."""
        written = 0
        while written < len(data):
            written += self._tls.write(data[written:])
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """The record that ends TLS: close_notify."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # for the peer's
        return self._outgoing.read()

    def recv(self, size: int) -> bytes:
        data: bytes = self._wait_for(lambda: self._tls.read(size))
        return data

    def sendall(self, data: bytes) -> None:
        self.raw.sendall(self.encrypt(data))
