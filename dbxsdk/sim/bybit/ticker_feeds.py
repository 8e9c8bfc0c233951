"""``tickers``: of spot, of contracts and of options."""

from __future__ import annotations

from decimal import Decimal
from typing import List

from dbxsdk.sim.bybit.feed import FUTURES, Document, Feed, Floor, share_text, turnover_text, value_text
from dbxsdk.sim.market.market import SymbolMarket, Ticker

_FUNDING_MS = 8 * 3600 * 1000


class TickerFeed(Feed):
    """``tickers.{symbol}``: on linear and inverse a snapshot and then the changed keys, elsewhere snapshots only."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic)
        self.seconds = 0.05 if floor.category == "spot" else 0.1
        self._market = market
        self._rng = floor.rng(topic)
        self._interest = self._rng.randrange(100_000, 400_000)
        self._known: Document = self._build()

    def refresh(self) -> None:
        self._known = self._build()

    def begin(self) -> List[Document]:
        return [self._ticker_frame("snapshot", self._known)]

    def advance(self) -> List[Document]:
        self._interest += self._rng.randint(-2, 2)
        now = self._build()
        changed = {key: value for key, value in now.items() if self._known.get(key) != value}
        if not changed:
            return []
        self._known = now
        if self.floor.category in FUTURES:
            return [self._ticker_frame("delta", {"symbol": now["symbol"], **changed})]
        return [self._ticker_frame("snapshot", now)]

    def _ticker_frame(self, kind: str, data: Document) -> Document:
        category, sequence = self.floor.category, self._market.sequence
        cross = {} if category == "option" else {"cs": sequence}
        return self._frame(kind, dict(data), sequence=sequence, late_type=category == "spot", **cross)

    def _build(self) -> Document:
        ticker = self._market.ticker()
        if self.floor.category == "spot":
            return self._spot(ticker)
        if self.floor.category == "option":
            return self._option(ticker)
        return self._futures(ticker)

    def _spot(self, ticker: Ticker) -> Document:
        return {
            "symbol": self._market.instrument.symbol,
            "lastPrice": format(ticker.last, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "prevPrice24h": format(ticker.open_24h, "f"),
            "volume24h": format(ticker.base_volume_24h, "f"),
            "turnover24h": format(ticker.quote_volume_24h, "f"),
            "price24hPcnt": share_text(ticker.last - ticker.open_24h, ticker.open_24h, "0.0001"),
            "usdIndexPrice": format(ticker.last, "f"),
        }

    def _futures(self, ticker: Ticker) -> Document:
        instrument = self._market.instrument
        now_ms = self.floor.now_ms()
        return {
            "symbol": instrument.symbol,
            "tickDirection": self._market.history[-1].direction if self._market.history else "ZeroPlusTick",
            "price24hPcnt": share_text(ticker.last - ticker.open_24h, ticker.open_24h, "0.000001"),
            "lastPrice": format(ticker.last, "f"),
            "prevPrice24h": format(ticker.open_24h, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "prevPrice1h": format(self._market.candle("60", now_ms).open, "f"),
            "markPrice": format(ticker.last + instrument.tick_size, "f"),
            "indexPrice": format(ticker.last - instrument.tick_size, "f"),
            "openInterest": str(self._interest),
            "openInterestValue": value_text(self.floor, Decimal(self._interest), ticker.last),
            "turnover24h": turnover_text(self.floor, ticker.quote_volume_24h, ticker.base_volume_24h, ticker.last),
            "volume24h": format(ticker.base_volume_24h, "f"),
            "fundingIntervalHour": "8",
            "fundingCap": "0.005",
            "nextFundingTime": str(now_ms - now_ms % _FUNDING_MS + _FUNDING_MS),
            "fundingRate": "0.0001",
            "bid1Price": instrument.price_text(ticker.bid[0]),
            "bid1Size": instrument.size_text(ticker.bid[1]),
            "ask1Price": instrument.price_text(ticker.ask[0]),
            "ask1Size": instrument.size_text(ticker.ask[1]),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def _option(self, ticker: Ticker) -> Document:
        instrument = self._market.instrument
        volume = format(ticker.base_volume_24h, "f")
        turnover = format(ticker.quote_volume_24h, "f")
        return {
            "symbol": instrument.symbol,
            "bidPrice": instrument.price_text(ticker.bid[0]),
            "bidSize": instrument.size_text(ticker.bid[1]),
            "bidIv": "0.4981",
            "askPrice": instrument.price_text(ticker.ask[0]),
            "askSize": instrument.size_text(ticker.ask[1]),
            "askIv": "0.5043",
            "lastPrice": format(ticker.last, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "markPrice": format(ticker.last, "f"),
            "indexPrice": "68000.12",
            "markPriceIv": "0.5012",
            "underlyingPrice": "68040.5",
            "openInterest": str(self._interest),
            "turnover24h": turnover,
            "volume24h": volume,
            "totalVolume": volume,
            "totalTurnover": turnover,
            "delta": "0.43519211",
            "gamma": "0.00001204",
            "vega": "101.51346281",
            "theta": "-19.9115368",
            "predictedDeliveryPrice": "0",
            "change24h": share_text(ticker.last - ticker.open_24h, ticker.open_24h, "0.00000001"),
        }
