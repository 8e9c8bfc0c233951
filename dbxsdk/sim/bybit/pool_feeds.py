"""Liquidations, insurance pools, alerts about them, and price limits: all invented, since no market here has them."""

from __future__ import annotations

from decimal import Decimal
from typing import Iterable, List, Optional

from dbxsdk.sim.bybit.feed import Document, Feed, Floor, MarketFeed

POOLS = {"USDT": ("BTCUSDT",), "USDC": ("BTCPERP", "ETHPERP"), "inverse": ("BTCUSD", "ETHUSD")}
"""The pools, each with the symbols that it shows if none of its own is traded here."""


class LiquidationFeed(MarketFeed):
    """``allLiquidation.{symbol}``: now and then a position; ``S`` is the side of that position."""

    seconds = 0.5

    def advance(self) -> List[Document]:
        rng = self.rng
        if rng.random() > 0.3:
            return []
        instrument, last = self.market.instrument, self.market.ticker().last
        rows = []
        for _ in range(rng.choice((1, 1, 2))):
            long = rng.random() < 0.5
            # The bankruptcy price: below the market for a long, above it for a short.
            away = (last / 200 // instrument.tick_size) * instrument.tick_size
            rows.append(
                {
                    "T": self.floor.now_ms() - rng.randrange(400),
                    "s": instrument.symbol,
                    "S": "Buy" if long else "Sell",
                    "v": instrument.size_text(rng.randrange(1, 5000)),
                    "p": format(last - away if long else last + away, "f"),
                }
            )
        return [self._frame("snapshot", rows)]


class _PoolFeed(Feed):
    """Common to the insurance pools and the alerts about them: a balance for each symbol of one pool."""

    def __init__(self, floor: Floor, topic: str) -> None:
        super().__init__(floor, topic)
        self.pool = topic.partition(".")[2]
        self._rng = floor.rng(topic)
        symbols = [symbol for symbol in floor.market.symbols if _pool_of(symbol) == self.pool]
        self._balances = {
            symbol: Decimal(self._rng.randrange(10_000_00000000, 90_000_00000000)).scaleb(-8)
            for symbol in symbols or POOLS[self.pool]
        }

    def _coin(self, symbol: str) -> str:
        return symbol[: -len("USD")] if self.pool == "inverse" else self.pool

    def _drift(self) -> List[str]:
        """Change some balances; return which."""
        changed = [symbol for symbol in self._balances if self._rng.random() < 0.5]
        for symbol in changed:
            self._balances[symbol] += Decimal(self._rng.randint(-10_00000000, 10_00000000)).scaleb(-8)
        return changed


class InsuranceFeed(_PoolFeed):
    """``insurance.{pool}``: the pools once, then those that changed."""

    def begin(self) -> List[Document]:
        return [self._insurance_frame("snapshot", self._balances)]

    def advance(self) -> List[Document]:
        changed = self._drift()
        return [self._insurance_frame("delta", changed)] if changed else []

    def _insurance_frame(self, kind: str, symbols: Iterable[str]) -> Document:
        now = str(self.floor.now_ms())
        rows = [
            {"coin": self._coin(symbol), "symbols": symbol, "balance": format(self._balances[symbol], "f"), "updateTime": now}
            for symbol in symbols
        ]
        return self._frame(kind, rows)


class AdlFeed(_PoolFeed):
    """``adlAlert.{pool}``: JSON numbers, as in the documents' sample, whose table says text."""

    def advance(self) -> List[Document]:
        self._drift()
        rows = [
            {
                "c": self._coin(symbol),
                "s": symbol,
                "b": float(balance),
                "mb": "",
                "i_pr": -0.3,
                "pr": round(self._rng.random() / 1000, 6),
                "adl_tt": 10000,
                "adl_sr": -0.25,
            }
            for symbol, balance in self._balances.items()
        ]
        return [self._frame("snapshot", rows)]


class PriceLimitFeed(MarketFeed):
    """``priceLimit.{symbol}``: the highest bid and the lowest ask allowed. Its frames have no ``type``."""

    seconds = 0.3

    def advance(self) -> List[Document]:
        instrument, last = self.market.instrument, self.market.ticker().last
        away = (last / 20 // instrument.tick_size) * instrument.tick_size
        data = {
            "symbol": instrument.symbol,
            "buyLmt": format(last + away, "f"),
            "sellLmt": format(last - away, "f"),
        }
        return [{"topic": self.topic, "data": data, "ts": self.floor.now_ms()}]


def _pool_of(symbol: str) -> Optional[str]:
    if symbol.endswith("USDT"):
        return "USDT"
    if symbol.endswith(("PERP", "USDC")):
        return "USDC"
    return "inverse" if symbol.endswith("USD") else None
