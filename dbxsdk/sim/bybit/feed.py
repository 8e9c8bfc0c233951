"""A topic of Bybit's public sockets, and the category's market that its feed reads.

One feed serves every subscriber of its topic, so that a frame is built once and a late subscriber's snapshot is
exactly the state to which the next delta applies.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any, Callable, Dict, List

import attrs

from dbxsdk.sim.market.market import Market, SymbolMarket, Trade

Document = Dict[str, Any]
FUTURES = ("linear", "inverse")


@attrs.define
class UnknownTopic(Exception):
    """``problem`` says which part of the topic is unknown."""

    problem: str


@attrs.define
class Floor:
    """One category's market, its last trades and its clock: what every feed of the category reads."""

    category: str
    market: Market
    seed: int
    now_ms: Callable[[], int]
    trades: Dict[str, List[Trade]] = attrs.field(factory=dict)
    """Those of the last step, by symbol."""

    def rng(self, topic: str) -> random.Random:
        return random.Random(f"{self.seed}:{self.category}:{topic}")


class Feed:
    """One topic. This class sends nothing: the option socket accepts some topics that never deliver."""

    seconds = 1.0
    """The topic's push interval."""

    def __init__(self, floor: Floor, topic: str) -> None:
        self.floor = floor
        self.topic = topic

    def refresh(self) -> None:
        """Catch up after a time without subscribers."""

    def begin(self) -> List[Document]:
        """Return the frames for a new subscriber."""
        return []

    def advance(self) -> List[Document]:
        """Return the frames for every subscriber now."""
        return []

    def _frame(self, kind: str, data: Any, *, sequence: int = 0, late_type: bool = False, **more: Any) -> Document:
        """Wrap the data. The order of the keys varies at the venue, and so it does here."""
        now_ms = self.floor.now_ms()
        document: Document = {"topic": self.topic}
        if self.floor.category == "option":
            document["id"] = f"{self.topic}-{sequence}-{now_ms}"
        if late_type:
            document.update(ts=now_ms, type=kind, data=data)
        else:
            document.update(type=kind, ts=now_ms, data=data)
        document.update(more)
        return document


class MarketFeed(Feed):
    """One topic of one symbol."""

    def __init__(self, floor: Floor, topic: str, market: SymbolMarket) -> None:
        super().__init__(floor, topic)
        self.market = market
        self.rng = floor.rng(topic)


def turnover_text(floor: Floor, turnover: Decimal, volume: Decimal, price: Decimal) -> str:
    """Format the turnover. Inverse contracts are counted in dollars and turned over in coins, here at the last price."""
    return value_text(floor, volume, price) if floor.category == "inverse" else format(turnover, "f")


def value_text(floor: Floor, size: Decimal, price: Decimal) -> str:
    if floor.category == "inverse":
        return format((size / price).quantize(Decimal("0.00000001")), "f")
    return format(size * price, "f")
