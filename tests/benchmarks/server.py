"""The server: speaks enough of Bybit's public socket and of DigiFinex's to be subscribed to, then floods.

It must never be what is measured. A connection's whole flood is built, and on TLS encrypted, before its first byte is
sent; then a few large ``sendall`` follow. The query of the address says what to send (``Plan``). Runs until its
standard input ends, at most an hour.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import json
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib.parse import parse_qsl, urlencode, urlsplit

LIFETIME = 3600.0
PATIENCE = 60.0
"""Seconds that a client may be silent, and that the members of a group wait for each other."""

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a connection gets.

    Attributes:
        frames: messages of the flood.
        kind: their content, a name of ``PAYLOADS``.
        per_record: frames in one TLS record.
        topics: the flood begins when so many are subscribed.
        hot: how many of them get messages, in turn; 0 is all.
        rate: messages a second, each with the monotonic time of its sending (ns) as ``ts``; 0 is all at once.
        answers: whether subscriptions are answered. Clients that know no venue count what they get.
        pause: seconds before a subscription is answered.
        members: connections of one ``group`` whose floods begin together.
    """

    frames: int = 0
    kind: str = "trade"
    per_record: int = 1
    topics: int = 1
    hot: int = 0
    rate: float = 0.0
    answers: int = 1
    pause: float = 0.0
    members: int = 1
    group: str = ""

    def query(self) -> str:
        return urlencode({name: value for name, value in dataclasses.asdict(self).items() if value != getattr(Plan, name)})

    @classmethod
    def of(cls, target: str) -> "Plan":
        values = dict(parse_qsl(urlsplit(target).query))
        return cls(**{name: type(getattr(cls, name))(value) for name, value in values.items()})


# What is sent


def _trade(topic: str, number: int, stamp: int) -> bytes:
    """One trade as Bybit's linear socket sends it: about 220 bytes."""
    text = (
        '{"topic":"%s","type":"snapshot","ts":%d,"data":[{"T":%d,"s":"BTCUSDT","S":"Buy","v":"0.%03d","p":"%d.50",'
        '"L":"PlusTick","i":"20f43950-d8dd-5b31-9112-%012x","BT":false}]}'
    ) % (topic, stamp, stamp, number % 999 + 1, 16578 + number % 97, number)
    return text.encode()


def _depth(topic: str, number: int, stamp: int) -> bytes:
    """A change of five levels a side, as DigiFinex sends it: zlib, about 500 bytes inflated."""
    asks = [[f"{8000 + (number + level) % 50}.{level}1", f"0.{number % 997:04}"] for level in range(5)]
    bids = [[f"{7999 - (number + level) % 50}.{level}7", f"1.{number % 991:04}"] for level in range(5)]
    document = {"method": "depth.update", "params": [False, {"asks": asks, "bids": bids}, topic], "id": None}
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


PAYLOADS: Dict[str, Tuple[int, Callable[[str, int, int], bytes]]] = {"trade": (_TEXT, _trade), "depth": (_BINARY, _depth)}
"""Opcode and maker of the message ``(topic, number, time stamp)`` for each kind of flood."""


def frame(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    return struct.pack("!BBH", 0x80 | opcode, 126, length) + payload


def flood(plan: Plan, topics: List[str]) -> Iterator[bytes]:
    """The frames, joined to what shall be one TLS record each."""
    opcode, payload = PAYLOADS[plan.kind]
    hot = topics[: plan.hot or None]
    stamp = 1_700_000_000_000
    frames = (frame(opcode, payload(hot[number % len(hot)], number, stamp + number)) for number in range(plan.frames))
    while True:
        record = b"".join(itertools.islice(frames, plan.per_record))
        if not record:
            return
        yield record


def answer(document: Dict[str, Any]) -> bytes:
    """The reply to a request, as one frame."""
    if "method" in document:
        result = "pong" if document["method"] == "server.ping" else {"status": "success"}
        return frame(_BINARY, zlib.compress(json.dumps({"error": None, "result": result, "id": document["id"]}).encode()))
    word = "pong" if document["op"] == "ping" else ""
    return frame(
        _TEXT,
        b'{"success":true,"ret_msg":"%b","conn_id":"1","req_id":"%b","op":"%b"}'
        % (word.encode(), document.get("req_id", "").encode(), document["op"].encode()),
    )


# How it is sent


class Channel:
    """A socket's bytes."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def receive(self) -> bytes:
        return self.raw.recv(65536)

    def seal(self, record: bytes) -> bytes:
        """The bytes of the wire for ``record``, to be sent in the order in which they were sealed."""
        return record


class TlsChannel(Channel):
    """The same through TLS in memory: what is sent later can be encrypted now."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(raw)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._exchange()
        raw.sendall(self._outgoing.read())

    def receive(self) -> bytes:
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._exchange()
            except ssl.SSLError:  # the peer's end of TLS
                return b""

    def seal(self, record: bytes) -> bytes:
        written = 0
        while written < len(record):
            written += self._tls.write(record[written:])
        return self._outgoing.read()

    def _exchange(self) -> None:
        self.raw.sendall(self._outgoing.read())
        data = self.raw.recv(65536)
        if not data:
            raise ConnectionResetError("the peer is gone")
        self._incoming.write(data)


def _accept(channel: Channel) -> Tuple[str, bytes]:
    """Does the WebSocket handshake. Returns the target, and what came behind the request."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = channel.receive()
        if not data:
            raise ConnectionResetError("no handshake")
        received += data
    head, rest = received.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    key = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
    channel.raw.sendall(channel.seal(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n"
    ))
    return lines[0].split()[1].decode(), rest


def _cut(buffer: bytes) -> Tuple[List[Tuple[int, bytes]], bytes]:
    """The whole frames at the beginning of ``buffer``, unmasked, and the rest."""
    messages = []
    while len(buffer) >= 6:
        length, start = buffer[1] & 0x7F, 6
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 8
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 14
        if len(buffer) < start + length:
            break
        mask = (buffer[start - 4:start] * (length // 4 + 1))[:length]
        masked = buffer[start:start + length]
        payload = (int.from_bytes(masked, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
        messages.append((buffer[0] & 0x0F, payload))
        buffer = buffer[start + length:]
    return messages, buffer


class Server:
    """Serves each connection on a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _groups
        self._groups: Dict[str, threading.Barrier] = {}

    def listen(self, context: Optional[ssl.SSLContext]) -> int:
        """Begins to accept connections, and returns the port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept_all, args=(listener, context), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def _accept_all(self, listener: socket.socket, context: Optional[ssl.SSLContext]) -> None:
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=self._serve, args=(raw, context), daemon=True).start()

    def _serve(self, raw: socket.socket, context: Optional[ssl.SSLContext]) -> None:
        with raw:
            try:
                raw.settimeout(PATIENCE)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                channel = Channel(raw) if context is None else TlsChannel(raw, context)
                target, rest = _accept(channel)
                self._converse(channel, Plan.of(target), rest)
            except (OSError, threading.BrokenBarrierError):
                pass  # the client has what it wanted, or was ended

    def _converse(self, channel: Channel, plan: Plan, buffer: bytes) -> None:
        topics: List[str] = []
        flooded = False
        while True:
            messages, buffer = _cut(buffer)
            replies = []
            for opcode, payload in messages:
                if opcode == _CLOSE:
                    channel.raw.sendall(channel.seal(frame(_CLOSE, payload)))
                    return
                if opcode == _PING:
                    replies.append(frame(_PONG, payload))
                elif opcode == _TEXT:
                    document = json.loads(payload)
                    subscribed = _subscribed(document)
                    topics += subscribed
                    if subscribed and plan.pause:
                        time.sleep(plan.pause)  # pybit fails on answers that are faster than its next statement
                    if plan.answers or not subscribed:
                        replies.append(answer(document))
            if replies:
                channel.raw.sendall(channel.seal(b"".join(replies)))
            if not flooded and len(topics) >= plan.topics:
                flooded = True
                self._flood(channel, plan, topics)
            data = channel.receive()
            if not data:
                return
            buffer += data

    def _flood(self, channel: Channel, plan: Plan, topics: List[str]) -> None:
        if plan.rate:
            _drip(channel, plan, topics[0])
            return
        data = memoryview(b"".join(map(channel.seal, flood(plan, topics))))
        with self._lock:
            barrier = self._groups.setdefault(plan.group, threading.Barrier(plan.members))
        barrier.wait(PATIENCE)
        for start in range(0, len(data), 1 << 20):
            channel.raw.sendall(data[start:start + (1 << 20)])


def _drip(channel: Channel, plan: Plan, topic: str) -> None:
    begin = time.monotonic()
    for number in range(plan.frames):
        time.sleep(max(begin + number / plan.rate - time.monotonic(), 0))
        channel.raw.sendall(channel.seal(frame(_TEXT, _trade(topic, number, time.monotonic_ns()))))


def _subscribed(document: Dict[str, Any]) -> List[str]:
    """The topics that a request subscribes; DigiFinex's without their channel."""
    if document.get("op") == "subscribe":
        return list(document["args"])
    return list(document["params"]) if document.get("method") == "depth.subscribe" else []


def main(certificate: str, cores: str) -> None:
    """``certificate``: a PEM file with chain and key, or an empty text for no TLS; ``cores`` to run on, or an empty text."""
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    server = Server()
    ports = {"ws": server.listen(None)}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        ports["wss"] = server.listen(context)
    print(json.dumps(ports), flush=True)
    select.select([sys.stdin], [], [], LIFETIME)


if __name__ == "__main__":
    main(*sys.argv[1:])
