"""``tickers``: of spot, of contracts and of options."""

from __future__ import annotations

from decimal import Decimal
from typing import List

from dbxsdk.sim.bybit.feed import FUTURES, Document, Floor, MarketFeed, turnover_text, value_text
from dbxsdk.sim.market.market import SymbolMarket, Ticker

_FUNDING_MS = 8 * 3600 * 1000


class TickerFeed(MarketFeed):
    """``tickers.{symbol}``: on linear and inverse a snapshot and then the changed keys, elsewhere snapshots only."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic, market)
        self.seconds = 0.05 if floor.category == "spot" else 0.1
        self._interest = self.rng.randrange(100_000, 400_000)
        self._known: Document = self._build()

    def refresh(self) -> None:
        self._known = self._build()

    def begin(self) -> List[Document]:
        return [self._ticker_frame("snapshot", self._known)]

    def advance(self) -> List[Document]:
        self._interest += self.rng.randint(-2, 2)
        now = self._build()
        changed = {key: value for key, value in now.items() if self._known.get(key) != value}
        if not changed:
            return []
        self._known = now
        if self.floor.category in FUTURES:
            return [self._ticker_frame("delta", {"symbol": now["symbol"], **changed})]
        return [self._ticker_frame("snapshot", now)]

    def _ticker_frame(self, kind: str, data: Document) -> Document:
        category, sequence = self.floor.category, self.market.sequence
        cross = {} if category == "option" else {"cs": sequence}
        return self._frame(kind, dict(data), sequence=sequence, late_type=category == "spot", **cross)

    def _build(self) -> Document:
        ticker, category = self.market.ticker(), self.floor.category
        document = {
            "symbol": self.market.instrument.symbol,
            "lastPrice": format(ticker.last, "f"),
            "highPrice24h": format(ticker.high_24h, "f"),
            "lowPrice24h": format(ticker.low_24h, "f"),
            "volume24h": format(ticker.base_volume_24h, "f"),
            "turnover24h": turnover_text(self.floor, ticker.quote_volume_24h, ticker.base_volume_24h, ticker.last),
        }
        if category == "option":
            totals = {"totalVolume": document["volume24h"], "totalTurnover": document["turnover24h"]}
            return {**document, **totals, **self._option(ticker)}
        document["prevPrice24h"] = format(ticker.open_24h, "f")
        if category == "spread":
            del document["turnover24h"]
            return {**document, **self._best(ticker, "")}
        document["price24hPcnt"] = _change(ticker, "0.0001" if category == "spot" else "0.000001")
        if category == "spot":
            return {**document, "usdIndexPrice": document["lastPrice"]}
        return {**document, **self._futures(ticker)}

    def _futures(self, ticker: Ticker) -> Document:
        instrument, now_ms = self.market.instrument, self.floor.now_ms()
        return {
            "tickDirection": self.market.history[-1].direction if self.market.history else "ZeroPlusTick",
            "prevPrice1h": format(self.market.candle("60", now_ms).open, "f"),
            "markPrice": format(ticker.last + instrument.tick_size, "f"),
            "indexPrice": format(ticker.last - instrument.tick_size, "f"),
            "openInterest": str(self._interest),
            "openInterestValue": value_text(self.floor, Decimal(self._interest), ticker.last),
            "fundingIntervalHour": "8",
            "fundingCap": "0.005",
            "nextFundingTime": str(now_ms - now_ms % _FUNDING_MS + _FUNDING_MS),
            "fundingRate": "0.0001",
            **self._best(ticker, "1"),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def _best(self, ticker: Ticker, number: str) -> Document:
        instrument = self.market.instrument
        return {
            f"bid{number}Price": instrument.price_text(ticker.bid[0]),
            f"bid{number}Size": instrument.size_text(ticker.bid[1]),
            f"ask{number}Price": instrument.price_text(ticker.ask[0]),
            f"ask{number}Size": instrument.size_text(ticker.ask[1]),
        }

    def _option(self, ticker: Ticker) -> Document:
        return {
            **self._best(ticker, ""),
            "bidIv": "0.4981",
            "askIv": "0.5043",
            "markPrice": format(ticker.last, "f"),
            "indexPrice": "68000.12",
            "markPriceIv": "0.5012",
            "underlyingPrice": "68040.5",
            "openInterest": str(self._interest),
            "delta": "0.43519211",
            "gamma": "0.00001204",
            "vega": "101.51346281",
            "theta": "-19.9115368",
            "predictedDeliveryPrice": "0",
            "change24h": _change(ticker, "0.00000001"),
        }


def _change(ticker: Ticker, places: str) -> str:
    """Return by what part of the day's first price the last one differs."""
    return format(((ticker.last - ticker.open_24h) / ticker.open_24h).quantize(Decimal(places)), "f")
