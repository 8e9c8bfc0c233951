"""A connection with market data: trades and a book, compared with the venue's own."""

from __future__ import annotations

import collections
import time
from decimal import Decimal
from typing import Any, Callable, Deque, List, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.cli.demo.audit import BookAudit, TradeAudit
from dbxsdk.cli.demo.link import Link
from dbxsdk.cli.demo.numbering import Numbered
from dbxsdk.cli.demo.report import Losses, Standing
from dbxsdk.models import Update
from dbxsdk.sim import Venue

RATE_WINDOW = 2.0


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


class Feed(Link):
    """One symbol's trades and book.

    Args:
        client: makes the client and names its address.
        trades, book: channel and symbol of each.
        numbering: how the trades of both sides are told apart.
        recorded: the venue's own recent trades.
        true_book: the venue's own book, as deep as the channel shows it: both sides best first.
        requests: blocking calls to make beside ``ping``.
    """

    def __init__(
        self,
        venue: Venue,
        name: str,
        *,
        client: Callable[[], Tuple[Any, str]],
        trades: Tuple[str, str],
        book: Tuple[str, str],
        numbering: Numbered,
        recorded: Callable[[], Sequence[Any]],
        true_book: Callable[[], Mapping[str, Sequence[Tuple[Any, Any]]]],
        requests: Sequence[Callable[[Any], Any]] = (),
    ) -> None:
        super().__init__(venue, name, trades[1], (trades[0], book[0]))
        self.trades = TradeAudit()
        self.books = BookAudit()
        self._client = client
        self._subscriptions = (trades, book)
        self._numbering = numbering
        self._recorded_trades = recorded
        self._true_book = true_book
        self._more_requests = requests
        self._last: Optional[Decimal] = None
        self._trade_count = self._book_count = 0
        self._trade_rate, self._book_rate = Rate(), Rate()
        self._lost_at_end = 0

    def make_client(self) -> Tuple[Any, str]:
        return self._client()

    @property
    def topics(self) -> Tuple[str, ...]:
        return tuple(f"{channel}.{symbol}" for channel, symbol in self._subscriptions)

    @property
    def requests(self) -> Sequence[Callable[[Any], Any]]:
        return self._more_requests

    def make_subscriptions(self) -> None:
        trades, book = self._subscriptions
        self._numbering.begin(max(self._recorded(), default=0))
        self.client.subscribe(*trades, callback=self._on_trades)
        self.trades.subscribed(self._recorded())
        self.client.subscribe(*book, callback=self._on_book)

    # -- on the callbacks thread ---------------------------------------------------------------------

    def _on_trades(self, update: Update[Any]) -> None:
        self._trade_count += len(update.data)
        if update.data:
            self._last = self._numbering.newest(update.data).price
        self.trades.received(self._numbering.numbers(update.data))
        self.flows(update.channel)

    def _on_book(self, update: Update[Any]) -> None:
        self._book_count += 1
        self.books.apply(update.kind, update.data.bids, update.data.asks)
        self.flows(update.channel)

    def lost(self) -> None:
        self._numbering.broken()
        self.trades.disconnected()
        self.books.disconnected()

    def gap(self) -> None:
        self.trades.gap()

    # -- on the main thread --------------------------------------------------------------------------

    def _recorded(self) -> List[int]:
        # By the attribute alone, which the record has in any case.
        return Numbered.numbers(self._numbering, self._recorded_trades())

    def compare(self) -> None:
        self.trades.compare(self._recorded())
        self.books.compare(self._true_book)

    def settle(self) -> None:
        self._lost_at_end = self.trades.settle()
        self.books.settle()

    def own_losses(self) -> Losses:
        return Losses(trades=self._lost_at_end, books=self.books.wrong)

    def own_standing(self, standing: Standing) -> Standing:
        bid, ask = self.books.best
        return attrs.evolve(
            standing,
            last=self._last,
            bid=bid,
            ask=ask,
            trades_per_second=round(self._trade_rate.read(self._trade_count), 1),
            books_per_second=round(self._book_rate.read(self._book_count), 1),
        )
