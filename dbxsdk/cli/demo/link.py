"""One connection of the demo: what it subscribes and requests, and its recovery after a pull."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

from dbxsdk.cli.demo.checks import Book, Stream
from dbxsdk.cli.demo.orders import DemoEvent, Orders
from dbxsdk.client import Client
from dbxsdk.errors import ClientClosed, ConnectError, ConnectionLost, DbxError
from dbxsdk.events import Connected, Disconnected, Gap

REQUESTS_EVERY = 0.25
LAST_ANSWER = 5.0
"""Seconds that the last request may take at the end."""

EVENT, PING, ANSWER, FAILURE = "event", "ping", "answer", "failure"
Arrived = Tuple[float, "Link", Any, Any]
"""When (monotonic), on which connection, from what (a ``Stream``, a ``Book`` or one of the words above), and what."""


class Link:
    """A client of a local venue, with a thread that makes blocking requests again and again.

    That thread and the client's callbacks only put what they get into an inbox, for the main thread to ``handle``.

    Args:
        sources: what it subscribes. A pulled connection has recovered when each of them has delivered again; without
            any, when a request was answered.
        requests: blocking calls to make beside pings and orders.
        cut: ends the connection at the venue's side, as a failing network would; None: it is not pulled.
        amid: in the middle of what ``cut`` does that, if of anything.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        url: str,
        sources: Sequence[Union[Stream, Book]] = (),
        *,
        requests: Sequence[Callable[[Any], Any]] = (),
        orders: Optional[Orders] = None,
        cut: Optional[Callable[[], Any]] = None,
        amid: str = "",
    ) -> None:
        self.name, self.client, self.url, self.sources = name, client, url, sources
        self.orders, self.cut = orders, cut
        self.counts = Counter(pulled=0, recovered=0, requests=0, answered=0, cut_off=0, failed=0)
        self.offline_seconds = 0.0
        self.round_trips: List[float] = []
        self._requests = (*requests, *([orders.place] if orders else []))
        self._amid = amid
        self._pulled_at = self._disconnected_at = 0.0
        self._awaited: Set[Any] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dbxsdk-demo-{name.replace(' ', '-')}", daemon=True)

    def subscribe(self, inbox: Callable[[Arrived], None]) -> None:
        """Open the connection and subscribe."""

        def put(source: Any, item: Any) -> None:
            inbox((time.monotonic(), self, source, item))

        self._put = put
        if self.orders is not None:
            self.orders.report = lambda event: put(EVENT, event)
        self.client.on_event(lambda event: put(EVENT, event))
        self.client.open()
        for source in self.sources:
            source.subscribe(self.client, put)

    def start_requests(self) -> None:
        self._thread.start()

    def stop_requests(self, timeout: Optional[float] = LAST_ANSWER) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def close(self) -> None:
        # The client first: it ends the request for whose answer the thread may be waiting.
        self.client.close()
        self.stop_requests(None)

    def pull(self, cut: Callable[[], Any]) -> None:
        self._pulled_at = time.monotonic()
        self.counts["pulled"] += 1
        text = " ".join(("the demo pulls the connection", self._amid)).strip()
        self._put(EVENT, DemoEvent("Pulled", text, {"amid": self._amid}))
        cut()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._request(PING, lambda client: client.ping())
            for request in self._requests:
                self._request(ANSWER, request)
            self._stopping.wait(REQUESTS_EVERY)

    def _request(self, kind: str, request: Callable[[Any], Any]) -> None:
        try:
            answer = request(self.client)
        except DbxError as error:
            self._put(FAILURE, error)
        else:
            self._put(kind, answer)

    # -- what came, on the main thread -------------------------------------------------------------------

    def handle(self, at: float, source: Any, item: Any) -> Iterator[Any]:
        """Take in what came; yield the events that are to be shown."""
        if source is EVENT:
            yield item
            self._handle_event(at, item)
        elif source is FAILURE:
            # A pull takes answers: orders are asked about, and the rest is harmless to repeat.
            pulled = isinstance(item, ConnectError) and self.counts["pulled"] > 0
            is_cut_off = pulled or isinstance(item, (ConnectionLost, ClientClosed))
            self.counts.update({"requests": 1, "cut_off" if is_cut_off else "failed": 1})
            if not is_cut_off:
                error = f"{type(item).__name__}: {item}"
                yield DemoEvent("RequestFailed", f"a request FAILED: {error}", {"error": error})
        elif source in (PING, ANSWER):
            self.counts.update(requests=1, answered=1)
            self.round_trips += [item] if source is PING else []
            source = ANSWER
        else:
            source.received(item)
        if source in self._awaited:
            self._awaited.discard(source)
            # Being connected is not enough to have recovered.
            if not self._awaited:
                self.counts["recovered"] += 1
                after = round(at - self._pulled_at, 3)
                yield DemoEvent("Recovered", f"recovered: all flows, {after:.2f} s after the pull", {"after": after})

    def _handle_event(self, at: float, event: Any) -> None:
        if isinstance(event, Disconnected):
            self._disconnected_at = at
            for source in self.sources:
                source.disconnected()
        elif isinstance(event, Connected) and event.reconnects:
            self.offline_seconds += at - self._disconnected_at
            self._awaited = set(self.sources) or {ANSWER}
        elif isinstance(event, Gap):
            for source in self.sources:
                if source.topic in event.topics:
                    source.gap()

    # -- documents that the command's help describes ----------------------------------------------------

    def start(self) -> Dict[str, Any]:
        return {"connection": self.name, "url": self.url, "topics": [source.topic for source in self.sources]}

    def standing(self) -> Dict[str, Any]:
        stats = self.client.stats()
        book = self.sources[-1].book if self.sources else None
        bid, ask = (book.best_bid, book.best_ask) if book else (None, None)
        return {
            "connection": self.name,
            "state": self.client.state.value,
            "received": stats.received,
            "delivered": stats.delivered,
            "requests": self.counts["requests"],
            "answered": self.counts["answered"],
            "round_trip_ms": median_ms(self.round_trips[-20:]),
            "bid": bid and bid[0],
            "ask": ask and ask[0],
            "orders": self.orders and self.orders.counts["orders"],
            "accepted": self.orders and self.orders.counts["accepted"],
        }

    def totals(self) -> Dict[str, int]:
        stats = self.client.stats()
        orders = self.orders.counts if self.orders else {}
        return {"received": stats.received, "delivered": stats.delivered, **self.counts, **orders}

    def losses(self) -> Dict[str, int]:
        """Count orders about which caller and venue disagree, and what the client itself says that it lost."""
        stats = self.client.stats()
        counters = {name: getattr(stats, name) for name in ("dropped", "bad_frames", "callback_errors")}
        return {"orders": self.orders.disagreements() if self.orders else 0, **counters}


def median_ms(seconds: Sequence[float]) -> Optional[float]:
    return round(statistics.median(seconds) * 1000, 2) if seconds else None
