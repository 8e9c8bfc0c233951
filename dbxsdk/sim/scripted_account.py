"""``ScriptedAccount``: an account of a local venue that trades automatically, one small step at a time, for ever."""

from __future__ import annotations

import abc
import random
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Tuple

import attrs

from dbxsdk.sim.market.market import Instrument, Market

_ORDERS_KEPT = 10_000


@attrs.frozen
class Event:
    """One update of the account: its channel, its symbol or currency, its data, and its id, if the venue has one."""

    channel: str
    name: str
    data: Dict[str, Any]
    id: str = ""


class ScriptedAccount(abc.ABC):
    """A course of orders and the updates that they bring. The orders do not rest in the market's book: they are filled at
    their own price. The balances of a venue's account follow."""

    balances: Any
    orders: Dict[str, Dict[str, Any]]
    """By id, as the stream showed each last, with the time ``created``; the last 10,000."""

    def __init__(self, market: Market, seed: int) -> None:
        self._market = market
        self._rng = random.Random(f"{seed}:account")
        self._now = 0
        self.orders = {}
        self._course = self._live()

    def act(self, now: int) -> List[Event]:
        """Take the account's next step, at ``now`` in the venue's unit of time."""
        self._now = now
        return next(self._course)

    def is_open(self, order: Dict[str, Any]) -> bool:
        """True if one of the ``orders`` may still change."""
        raise NotImplementedError

    def _note(self, order: Dict[str, Any]) -> None:
        """Keep an order, as it is now."""
        key = order["id"]
        self.orders[key] = {**order, "created": self.orders.get(key, {}).get("created", self._now)}
        while len(self.orders) > _ORDERS_KEPT:
            del self.orders[next(iter(self.orders))]

    @abc.abstractmethod
    def _live(self) -> Iterator[List[Event]]:
        """Yield at each step, without an end; begins when the account first acts."""

    def _price(self, symbol: str, buy: bool) -> Tuple[Instrument, Decimal]:
        """Return the instrument, and the best price on this side of its book."""
        market = self._market.symbols[symbol]
        side = market.book.bids if buy else market.book.asks
        return market.instrument, market.instrument.price_of(side.tick(0))

    def _quantity(self, instrument: Instrument) -> Decimal:
        """Return the size of an order that can be filled in two equal parts."""
        return instrument.size_of(2 * self._rng.randint(50, 500))
