"""Venues whose every word is the test's: a WebSocket server that hands each request to a function, and the frames of three
venues' dialects."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from dbxsdk import BybitPublicClient, CryptomusClient, DBotTradeClient, Options
from tests.transport.servers import CLOSE, LIMIT, PING, PONG, TEXT, Peer, Server, frame
from tests.waiting import Recorder, eventually

QUICK: Dict[str, Any] = {
    "backoff_initial": 0.01, "backoff_max": 0.02, "connect_timeout": 2.0, "request_timeout": 2.0, "proxy": "",
}
AT_ONCE = 0.3
"""Seconds: what waits for nothing but the machine."""
BIG = "x" * (6 << 20)
"""More than the buffers between two ends of a connection hold."""

Document = Dict[str, Any]
Answer = Callable[["Link", Document], Any]


class Clock:
    """The seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


class Link:
    """One connection of a client, seen from the venue."""

    def __init__(self, peer: Peer, number: int) -> None:
        self._peer = peer
        self.number = number
        self._writing = threading.Lock()  # one frame at a time
        self.is_cut = False

    def send(self, *documents: Document) -> None:
        """Sends text frames, as short as venues write them, in one piece, so that the client reads them at once."""
        self.send_bytes(b"".join(frame(TEXT, json.dumps(document, separators=(",", ":"))) for document in documents))

    def send_bytes(self, data: bytes) -> None:
        """Sends bytes as they are."""
        with self._writing:
            self._peer.raw.sendall(data)

    def send_quietly(self, *documents: Document) -> None:
        """The same, where the client may have gone."""
        with contextlib.suppress(OSError):
            self.send(*documents)

    def cut(self) -> None:
        """Ends the connection, without a word."""
        self.is_cut = True
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown, which would drop the TLS layer under a reader.
            socket.socket.shutdown(self._peer.raw, socket.SHUT_RDWR)


class ScriptedVenue(Server):
    """Says to each text frame of a client what ``answer(link, document)`` returns: a document, several, or None for nothing.

    ``answer`` may be replaced at any time. A path of ``/token`` is a request for a token of Cryptomus's.
    """

    answers_pings = True

    def __init__(
        self, answer: Answer, context: Optional[ssl.SSLContext] = None, client_context: Optional[ssl.SSLContext] = None
    ) -> None:
        super().__init__(self._serve_peer, context)
        # Fixed, so that what nobody reads fills it soon; not so small that megabytes would take seconds.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self._client_context = client_context
        self.answer = answer
        self.requests = Recorder()
        """``(link, document)`` of each text frame that came."""
        self.links: List[Link] = []
        self.refusals = 0
        """How many of the next handshakes are answered with HTTP 503."""
        self.attempts = 0
        """Handshakes, the refused ones included."""
        self._reading = threading.Event()
        self._reading.set()
        self.began = threading.Event()
        """Set when something has come while nothing was read."""

    # -- for tests -----------------------------------------------------------------------------------------------------

    def link(self, number: int = -1) -> Link:
        """The connection of that number (1 is the first) once it is there; without, the newest one that was not cut."""
        if number > 0:
            eventually(lambda: len(self.links) >= number)
            return self.links[number - 1]
        newest: Link = eventually(lambda: self.links and not self.links[-1].is_cut and self.links[-1])
        return newest

    def asked(self, *names: str) -> List[Document]:
        """The requests of these names, oldest first."""
        return [document for _, document in list(self.requests.items) if name_of(document) in names]

    def wait_asked(self, name: str, count: int = 1) -> Document:
        """The ``count``-th request of this name, once it is there."""
        documents: List[Document] = eventually(lambda: len(found := self.asked(name)) >= count and found)
        return documents[count - 1]

    def stop_reading(self) -> None:
        """Takes nothing more from clients, and goes on talking to them."""
        self.began.clear()
        self._reading.clear()

    def read_again(self) -> None:
        """Ends ``stop_reading``."""
        self._reading.set()

    def options(self, **options: Any) -> Options:
        return Options(**{**QUICK, "ssl_context": self._client_context, **options})

    def bybit(self, category: str = "linear", **options: Any) -> BybitPublicClient:
        return BybitPublicClient(category, url=self.url, options=self.options(**options))

    def dbot(self, **options: Any) -> DBotTradeClient:
        return DBotTradeClient("a-key", url=self.url, options=self.options(**options))

    def cryptomus(self, **options: Any) -> CryptomusClient:
        token_url = f"http{self.url[2:].rpartition('/')[0]}/token"
        return CryptomusClient("a-user", "a-key", url=self.url, token_url=token_url, options=self.options(**options))

    # -- the server's threads ------------------------------------------------------------------------------------------

    def __exit__(self, *arguments: object) -> None:
        self._reading.set()
        super().__exit__(*arguments)

    def _serve_peer(self, accepted: Peer) -> None:
        peer = _Patient(accepted.raw, self._reading, self.began)
        peer.read_head()
        if "/token" in peer.request_line:
            _answer_http(peer, "200 OK", json.dumps({"token": "a-token"}))
            return
        self.attempts += 1
        if self.refusals > 0:
            self.refusals -= 1
            _answer_http(peer, "503 Service Unavailable", "")
            return
        peer.raw.sendall(peer.handshake_answer())
        link = Link(peer, len(self.links) + 1)
        self.links.append(link)
        while True:
            opcode, payload = peer.receive()
            if opcode == CLOSE:
                link.send_bytes(frame(CLOSE, payload))
                return
            if opcode == PING and self.answers_pings:
                link.send_bytes(frame(PONG, payload))
            if opcode != TEXT:
                continue
            document = json.loads(payload)
            self.requests((link, document))
            answer = self.answer(link, document)
            if answer is not None:
                link.send(*(answer if isinstance(answer, list) else [answer]))


class _Patient(Peer):
    """Reads only while it may."""

    def __init__(self, raw: Any, may_read: threading.Event, came: threading.Event) -> None:
        super().__init__(raw)
        self._may_read = may_read
        self._came = came

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.raw.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
            if not self._may_read.is_set():
                self._came.set()
                self._may_read.wait(LIMIT)
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data


def _answer_http(peer: Peer, status: str, body: str) -> None:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", "", ""]
    peer.raw.sendall(("\r\n".join(head) + body).encode())


class Flood:
    """``with Flood(send)``: calls ``send(n)`` with 0, 1, 2 ... on a thread of its own, as fast as it can."""

    def __init__(self, send: Callable[[int], Any]) -> None:
        self._send = send
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-flood", daemon=True)

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            try:
                self._send(number)
            except (OSError, IndexError):
                self._over.wait(0.001)  # the connection has gone, or the next is not there yet
            number += 1

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LIMIT)


class Held:
    """An answer that keeps requests of these names back, but for the first ``let_pass``."""

    def __init__(self, otherwise: Answer, *names: str, let_pass: int = 0) -> None:
        self._otherwise = otherwise
        self._names = names
        self._let_pass = let_pass
        self.held: List[Tuple[Link, Document]] = []

    def __call__(self, link: Link, document: Document) -> Any:
        if name_of(document) in self._names and self._let_pass:
            self._let_pass -= 1
        elif name_of(document) in self._names:
            self.held.append((link, document))
            return None
        return self._otherwise(link, document)

    def wait(self, count: int = 1) -> Tuple[Link, Document]:
        """The ``count``-th of them, once it is there."""
        eventually(lambda: len(self.held) >= count)
        return self.held[count - 1]


def name_of(document: Document) -> Any:
    """What a request asks for."""
    return document.get("op", document.get("method", document.get("do")))


def per_link(*answers: Answer) -> Answer:
    """The first of ``answers`` for the first connection, and so on; the last one for all that follow."""

    def answer(link: Link, document: Document) -> Any:
        return answers[min(link.number, len(answers)) - 1](link, document)

    return answer


def later(seconds: float, otherwise: Answer, name: str) -> Answer:
    """Answers requests of this name so much later, and all others at once."""

    def answer(link: Link, document: Document) -> Any:
        if name_of(document) != name:
            return otherwise(link, document)
        # On a thread of its own, so that what comes meanwhile is not held up.
        timer = threading.Timer(seconds, lambda: link.send_quietly(otherwise(link, document)))
        timer.name, timer.daemon = "test-timer", True
        timer.start()
        return None

    return answer


@contextlib.contextmanager
def listening(client: Any) -> Iterator[Tuple[Any, Recorder]]:
    """The client, open, and everything that it emits."""
    seen = Recorder()
    client.on_event(seen)
    with client:
        yield client, seen


# -- Bybit -------------------------------------------------------------------------------------------------------------


def bybit_yes(link: Link, document: Document) -> Document:
    """Grants everything."""
    text = "pong" if document["op"] == "ping" else ""
    return {"success": True, "ret_msg": text, "conn_id": "a", "req_id": document.get("req_id", ""), "op": document["op"]}


def bybit_refusing(*topics: str) -> Answer:
    """Refuses subscriptions to one of these topics, the first that a request names, and grants everything else."""

    def answer(link: Link, document: Document) -> Document:
        granted = bybit_yes(link, document)
        bad = [topic for topic in document.get("args") or () if topic in topics]
        if document["op"] != "subscribe" or not bad:
            return granted
        return {**granted, "success": False, "ret_msg": f"error:handler not found,topic:{bad[0]}"}

    return answer


def trade(symbol: str, number: int) -> Document:
    """One trade of ``publicTrade``; ``n`` is its number."""
    row = {"T": 1700000000000, "s": symbol, "S": "Buy", "v": "0.1", "p": "100", "L": "PlusTick", "i": str(number), "BT": False}
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": 1700000000000, "data": [row], "n": number}


def book(symbol: str, number: int, depth: int = 1, kind: str = "snapshot", bid: str = "99", ask: str = "101") -> Document:
    """One update of ``orderbook``, whose ``u`` is ``number``."""
    data = {"s": symbol, "b": [[bid, "1"]], "a": [[ask, "1"]], "u": number, "seq": number}
    return {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": 1700000000000, "data": data, "cts": 1700000000000}


# -- Cryptomus ---------------------------------------------------------------------------------------------------------


def cryptomus_yes(link: Link, document: Document) -> Document:
    """Grants everything."""
    return {"id": document["id"], "method": document["method"], "data": {"status": "success"}, "error": None}


def cryptomus_no(link: Link, document: Document) -> Document:
    """Refuses everything."""
    return {"id": document["id"], "data": None, "error": {"message": "No", "code": 2}}


def depth(market: str, bid: str = "99", ask: str = "101", full: bool = True) -> Document:
    """One update of ``depth`` at the scale 0."""
    data = {"symbol": market, "timestamp": 1700000000, "full_reload": full, "scale_index": 0,
            "asks": [[ask, "1"]], "bids": [[bid, "1"]]}
    return {"id": 0, "method": "depth_update", "data": data, "error": None}


def cryptomus_trade(market: str, number: int) -> Document:
    """One trade of ``trade``; ``n`` is its number."""
    row = {"price": 100.0, "quantity": 1.0, "timestamp": 1700000000, "direction": "buy"}
    data = {"symbol": market, "timestamp": 1700000000, "trades": [row]}
    return {"id": 0, "method": "trade_update", "data": data, "error": None, "n": number}


# -- DBot --------------------------------------------------------------------------------------------------------------


def dbot_yes(link: Link, document: Document) -> Document:
    """Grants everything."""
    result = {"err": False, "res": document.get("params")}
    return {"id": document.get("id"), "status": "ack", "method": "rpcResponse", "result": result}


def dbot_no(link: Link, document: Document) -> Document:
    """Refuses everything."""
    return {"id": document.get("id"), "status": "ack", "method": "rpcResponse", "result": {"err": True, "res": "No"}}
