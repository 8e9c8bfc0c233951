"""``publicTrade`` and ``kline``: the market's trades, singly and as candles."""

from __future__ import annotations

import uuid
from typing import List

from dbxsdk.sim.bybit.feed import FUTURES, Document, Feed, Floor, MarketFeed, turnover_text
from dbxsdk.sim.market.candles import Candle
from dbxsdk.sim.market.market import SymbolMarket, Trade

_TRADES_A_FRAME = 1024
_UUIDS = uuid.UUID("6d1d1f3c-5a38-5a0a-9c1f-0f8d3a4a5b6c")


def trade_id(category: str, trade: Trade) -> str:
    """Return a trade's id as the feeds show it: a long number on spot, a UUID elsewhere."""
    if category == "spot":
        return str(2_290_000_000_000_000_000 + trade.id)
    return str(uuid.uuid5(_UUIDS, f"{category}{trade.id}"))


class TradeFeed(Feed):
    """``publicTrade.{symbol}``; on option ``publicTrade.{base coin}``, with the trades of all its contracts."""

    seconds = 0.0

    def __init__(self, floor: Floor, topic: str, markets: List[SymbolMarket]) -> None:
        super().__init__(floor, topic)
        self._markets = markets

    def advance(self) -> List[Document]:
        rows = [
            self._row(market, trade)
            for market in self._markets
            for trade in self.floor.trades.get(market.instrument.symbol, ())
        ]
        documents = []
        for start in range(0, len(rows), _TRADES_A_FRAME):
            part = rows[start: start + _TRADES_A_FRAME]
            late_type = self.floor.category == "spot"
            documents.append(self._frame("snapshot", part, sequence=part[-1]["seq"], late_type=late_type))
        return documents

    def _row(self, market: SymbolMarket, trade: Trade) -> Document:
        category = self.floor.category
        row: Document = {
            "T": trade.time_us // 1000,
            "s": trade.symbol,
            "S": "Buy" if trade.buy else "Sell",
            "v": format(trade.size, "f"),
            "p": format(trade.price, "f"),
        }
        if category in (*FUTURES, "spread"):
            row["L"] = trade.direction
        row["i"] = trade_id(category, trade)
        row["seq"] = trade.sequence
        if category in ("spread", "event"):
            return row
        row["BT"] = False
        if category == "option":
            row.update(mP=row["p"], iP=format(market.instrument.price, "f"), mIv="0.5012", iv="0.5034")
        else:
            row["RPI"] = False
        return row


class KlineFeed(MarketFeed):
    """``kline.{interval}.{symbol}``: the open candle about once a second; a closed one once more, confirmed."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket, interval: str) -> None:
        super().__init__(floor, topic, market)
        self._interval = interval
        self._start_ms = self._candle().start_ms

    def refresh(self) -> None:
        self._start_ms = self._candle().start_ms

    def advance(self) -> List[Document]:
        candle = self._candle()
        documents = []
        if candle.start_ms != self._start_ms:
            closed = self.market.candles.closed(self._interval)
            if closed is not None and closed.start_ms == self._start_ms:
                documents.append(self._kline_frame(closed, True))
            self._start_ms = candle.start_ms
        documents.append(self._kline_frame(candle, False))
        return documents

    def _candle(self) -> Candle:
        return self.market.candle(self._interval, self.floor.now_ms())

    def _kline_frame(self, candle: Candle, confirm: bool) -> Document:
        row = {
            "start": candle.start_ms,
            "end": candle.end_ms,
            "interval": self._interval,
            "open": format(candle.open, "f"),
            "close": format(candle.close, "f"),
            "high": format(candle.high, "f"),
            "low": format(candle.low, "f"),
            "volume": format(candle.volume, "f"),
            "turnover": turnover_text(self.floor, candle.turnover, candle.volume, candle.close),
            "confirm": confirm,
            "timestamp": candle.time_ms,
        }
        return {"topic": self.topic, "data": [row], "ts": self.floor.now_ms(), "type": "snapshot"}
