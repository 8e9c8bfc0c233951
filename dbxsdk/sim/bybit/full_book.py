"""``orderbook.full``: the local venue's deltas of the whole book, and the snapshot that REST gives beside them."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import parse_qs

from dbxsdk.sim.bybit.book_feeds import BookFeed
from dbxsdk.sim.bybit.feed import Document, Floor
from dbxsdk.sim.market.market import SymbolMarket

PATH = "/v5/market/full_orderbook"
CATEGORIES = ("spot", "linear", "inverse")
LEVELS = 10_000


class FullBookFeed(BookFeed):
    """``orderbook.full.{symbol}``: numbered deltas of all levels, and never a snapshot.

    It goes on without subscribers, since its numbers are those of REST.
    """

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic, market, 1000)
        self.sequence = market.sequence

    def begin(self) -> List[Document]:
        return []

    def advance(self) -> List[Document]:
        before = self._update_id
        documents = super().advance()
        if self._update_id != before:
            self.sequence = self.market.sequence
        return documents

    def restart(self) -> List[Document]:
        """Return the frame with ``u`` 1 by which the topic says that everything before is void."""
        self._window.advance()
        self._update_id, self.sequence = 1, self.market.sequence
        return [self._book_frame("delta", [], [])]

    def whole(self) -> Document:
        """Return REST's ``result``: the state to which the next delta applies."""
        bids, asks = self._window.snapshot()
        sides = {"b": self._levels(bids[:LEVELS]), "a": self._levels(asks[:LEVELS])}
        times = {"ts": self.floor.now_ms(), "cts": self.floor.now_ms() - 2}
        return {"s": self.market.instrument.symbol, **sides, **times, "u": self._update_id, "seq": self.sequence}


def full_orderbook(query: str, feed: Any, now_ms: int) -> Document:
    """Return the answer to ``GET /v5/market/full_orderbook``. ``feed(category, symbol)`` returns the feed, or None."""
    given: Mapping[str, List[str]] = parse_qs(query)
    category, symbol = (given.get(name, [""])[0] for name in ("category", "symbol"))
    found: Optional[FullBookFeed] = feed(category, symbol) if category in CATEGORIES else None
    refused = (10001, "params error: symbol invalid" if category in CATEGORIES else "params error: category invalid")
    code, message = refused if found is None else (0, "OK")
    result: Dict[str, Any] = {} if found is None else found.whole()
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now_ms}
