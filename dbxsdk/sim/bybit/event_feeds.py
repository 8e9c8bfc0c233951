"""The topics of the sockets that are no category: event contracts, quoted by what they pay out, and the system's status."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from dbxsdk.sim.bybit.book_feeds import BookFeed
from dbxsdk.sim.bybit.feed import Document, Feed, Floor
from dbxsdk.sim.bybit.trade_feeds import TradeFeed
from dbxsdk.sim.market.book import Level
from dbxsdk.sim.market.market import SymbolMarket, Trade

STATUS = "system.status"

_HOUR_MS = 3_600_000


class EventBookFeed(BookFeed):
    """``orderbook.25.{symbol}``: one list of quotes, here the asks of a market in ratios."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic, market, 25)

    def _sides(self, bids: List[Level], asks: List[Level]) -> Document:
        return {"r": self._levels(asks)}

    def advance(self) -> List[Document]:
        return [frame for frame in super().advance() if frame["data"]["r"]]


class EventTradeFeed(TradeFeed):
    """``publicTrade.{symbol}``, without sides."""

    def _row(self, market: SymbolMarket, trade: Trade) -> Document:
        row = super()._row(market, trade)
        return {"T": row["T"], "s": row["s"], "r": row["p"], "a": row["v"], "i": row["i"], "seq": row["seq"]}


class StatusFeed(Feed):
    """``system.status``: what ``BybitVenue.announce()`` said since the last step."""

    seconds = 0.0

    def __init__(self, floor: Floor, topic: str) -> None:
        super().__init__(floor, topic)
        self._announced: List[Document] = []

    def refresh(self) -> None:
        self._announced.clear()

    def announce(self, item: Document) -> None:
        self._announced.append(item)

    def advance(self) -> List[Document]:
        rows, self._announced = self._announced, []
        return [{"topic": self.topic, "ts": self.floor.now_ms(), "data": rows}] if rows else []


def status_item(now_ms: int, number: int, state: str, fields: Dict[str, Optional[Any]]) -> Document:
    """Return one maintenance, with ``fields`` in place of invented ones."""
    return {
        "id": f"4d95b2a0-587f-11f0-bcc9-{number:012x}",
        "title": "Maintenance of the local venue",
        "state": state,
        "begin": str(now_ms),
        "end": str(now_ms + _HOUR_MS),
        "href": "",
        "serviceTypes": [2, 3, 4, 5],
        "product": [1, 2],
        "uidSuffix": [],
        "maintainType": 1,
        "env": 1,
        **fields,
    }
