"""One venue of the demo: its client, the callbacks, and what they leave behind to be shown."""

from __future__ import annotations

import collections
import statistics
import time
from decimal import Decimal
from operator import attrgetter
from typing import Any, Callable, Deque, List, Optional, Set, Tuple, Type

from dbxsdk.cli.demo.asking import Asking
from dbxsdk.cli.demo.audit import BookAudit, TradeAudit
from dbxsdk.cli.demo.markets import LocalMarket
from dbxsdk.cli.demo.report import Losses, Pulled, Recovered, RequestFailed, Standing, Start
from dbxsdk.events import Disconnected, Gap
from dbxsdk.models import Update
from dbxsdk.session import Stats

RATE_WINDOW = 2.0
ROUND_TRIPS_SHOWN = 20


class Rate:
    """Events a second over the last moments, from readings of a counter."""

    def __init__(self) -> None:
        self._readings: Deque[Tuple[float, int]] = collections.deque()

    def read(self, count: int) -> float:
        now = time.monotonic()
        self._readings.append((now, count))
        while self._readings[0][0] < now - RATE_WINDOW:
            self._readings.popleft()
        since, before = self._readings[0]
        return (count - before) / (now - since) if now > since else 0.0


class Feed:
    """A started venue and a subscribed client: a context manager.

    ``tell`` is called with each event, on the thread where it happens. Counters are written by the client's
    callbacks thread alone, and read by the main thread.
    """

    def __init__(self, market: LocalMarket, tell: Callable[[str, Any], None]) -> None:
        self._market = market
        self._tell = tell
        self._number = attrgetter(market.number)
        self.venue = market.venue
        self.pulled = 0
        self.recovered = 0
        self.gap_seconds = 0.0
        self.trades = TradeAudit()
        self.books = BookAudit()
        self._pulled_at = 0.0
        self._awaited: Set[str] = set()
        self._last: Optional[Decimal] = None
        self._trade_count = self._book_count = 0
        self._trade_rate, self._book_rate = Rate(), Rate()
        self._lost_at_end = 0
        self._stats: Optional[Stats] = None

    def __enter__(self) -> "Feed":
        self.venue.start()
        self.client = self.venue.client()  # type: ignore[attr-defined]  # each venue has its own
        self.asking = Asking(
            self.venue.name,
            self.client,
            self._market.requests,
            lambda error: self._tell(self.venue.name, RequestFailed(f"{type(error).__name__}: {error}")),
        )
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        # The client first: it ends the request for whose answer the asking thread may be waiting.
        self.client.close()
        self.asking.stop()
        self.venue.close()

    def start(self) -> Start:
        market = self._market
        topics = tuple(f"{channel}.{market.symbol}" for channel in (market.trades, market.book))
        return Start(self.venue.name, self.venue.url(), topics)

    def subscribe(self) -> None:
        """Opens the connection, subscribes, and begins to ask."""
        market, client = self._market, self.client
        client.on_event(self._on_event)
        client.subscribe(market.trades, market.symbol, callback=self._on_trades)
        self.trades.subscribed(self._recorded())
        client.subscribe(market.book, market.symbol, callback=self._on_book)
        self.asking.start()

    def pull(self) -> None:
        """Cuts the connection at the venue's end, as a failing network would."""
        self._pulled_at = time.monotonic()
        self.pulled += 1
        self._tell(self.venue.name, Pulled(self.venue.drop_connections()))

    # -- on the callbacks thread ---------------------------------------------------------------------

    def _on_trades(self, update: Update) -> None:
        self._trade_count += len(update.data)
        if update.data:
            self._last = max(update.data, key=self._number).price
        self.trades.received(map(self._number, update.data))
        self._flows(update.channel)

    def _on_book(self, update: Update) -> None:
        self._book_count += 1
        self.books.apply(update.kind, update.data.bids, update.data.asks)
        self._flows(update.channel)

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Disconnected):
            self.trades.disconnected()
            self.books.disconnected()
        elif isinstance(event, Gap):
            self.trades.gap()
            self.gap_seconds += event.seconds
            self._awaited = {self._market.trades, self._market.book}
        self._tell(self.venue.name, event)

    def _flows(self, channel: str) -> None:
        """A pulled connection is recovered when every topic has delivered again: being connected is not enough."""
        if channel in self._awaited:
            self._awaited.discard(channel)
            if not self._awaited:
                self.recovered += 1
                self._tell(self.venue.name, Recovered(time.monotonic() - self._pulled_at))

    # -- on the main thread --------------------------------------------------------------------------

    def _recorded(self) -> List[int]:
        return [self._number(trade) for trade in self._market.recorded(self._market.symbol)]

    def compare(self) -> None:
        """Checks what arrived against the venue. To be called every second or so."""
        self.trades.compare(self._recorded())
        self.books.compare(self._market.true_book)

    def finish(self) -> None:
        """Asks no more, lets what is on its way arrive, and takes the final counters."""
        self.asking.stop(1.0)
        self.compare()
        self._lost_at_end = self.trades.settle()
        self.books.settle()
        self._stats = self.client.stats()

    @property
    def stats(self) -> Stats:
        return self._stats or self.client.stats()

    def losses(self) -> Losses:
        stats = self.stats
        return Losses(self._lost_at_end, self.books.wrong, stats.dropped, stats.bad_frames, stats.callback_errors)

    def standing(self, at: float) -> Standing:
        stats, asking = self.stats, self.asking
        bid, ask = self.books.best
        recent = asking.round_trips[-ROUND_TRIPS_SHOWN:]
        return Standing(
            at=at,
            venue=self.venue.name,
            symbol=self._market.symbol,
            state=self.client.state.value,
            last=self._last,
            bid=bid,
            ask=ask,
            trades_per_second=round(self._trade_rate.read(self._trade_count), 1),
            books_per_second=round(self._book_rate.read(self._book_count), 1),
            received=stats.received,
            delivered=stats.delivered,
            requests=asking.made,
            answered=asking.answered,
            round_trip_ms=round(statistics.median(recent) * 1000, 3) if recent else None,
        )
