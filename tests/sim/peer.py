"""A plain WebSocket client for the local venues, and a book kept from what it receives."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from websockets.sync.client import ClientConnection, connect

WAIT = 5.0


class Peer:
    """One connection, with JSON documents in and out."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket

    def send(self, document: Any) -> None:
        self.websocket.send(document if isinstance(document, (str, bytes)) else json.dumps(document))

    def receive(self, timeout: float = WAIT) -> Any:
        frame = self.websocket.recv(timeout=timeout)
        return json.loads(zlib.decompress(frame) if isinstance(frame, bytes) else frame)

    def receive_until(self, wanted: Callable[[Any], bool]) -> Any:
        """The first document that is ``wanted``; those before it are passed over."""
        deadline = time.monotonic() + WAIT
        while True:
            document = self.receive(deadline - time.monotonic())
            if wanted(document):
                return document

    def receive_all(self, until: Callable[[Any], bool]) -> List[Any]:
        """Everything up to and without the document for which ``until`` is true."""
        documents: List[Any] = []

        def collect(document: Any) -> bool:
            if until(document):
                return True
            documents.append(document)
            return False

        self.receive_until(collect)
        return documents

    def ask(self, document: Any) -> Any:
        """Sends a request and returns the next document."""
        self.send(document)
        return self.receive()


@contextlib.contextmanager
def peer(venue: Any, path: Optional[str] = None, **options: Any) -> Iterator[Peer]:
    # Without a limit on unread frames: with one, a test that does not read to the end would wait in its close().
    options.setdefault("max_queue", None)
    with connect(venue.url(path), compression=None, close_timeout=1, **options) as websocket:
        yield Peer(websocket)


def pairs(items: List[Any]) -> List[Tuple[Any, Any]]:
    """Each item with the one after it."""
    return [(items[index], items[index + 1]) for index in range(len(items) - 1)]


class ClientBook:
    """A book kept from texts as a client would: what the deltas sum to."""

    def __init__(self) -> None:
        self.bids: Dict[Any, Any] = {}
        self.asks: Dict[Any, Any] = {}

    def apply(self, bids: List[Any], asks: List[Any], clean: bool, number: Any) -> None:
        if clean:
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                if number(size) == 0:
                    del side[number(price)]  # a KeyError here is a delete of what was never sent
                else:
                    side[number(price)] = number(size)

    def levels(self) -> Dict[str, Any]:
        return {"bids": sorted(self.bids.items(), reverse=True), "asks": sorted(self.asks.items())}
