"""The account of the local DigiFinex venue's swap socket: it opens and closes positions, and its numbers add up.

The rows have the keys that a client in use reads; no text of the venue on them was found.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Iterator, List, Mapping

from dbxsdk.sim.market.market import Market
from dbxsdk.sim.scripted_account import Event, ScriptedAccount

CURRENCY = "USDT"
_LEVERAGE = 20
_CANCELLED, _OPEN, _PARTIAL, _FILLED = -1, 0, 1, 2
_OPEN_LONG, _CLOSE_LONG = 1, 3
_LIMIT = 0


class SwapAccount(ScriptedAccount):
    """A course of limit orders on linear contracts: a long position is opened in two parts and closed again; now and then an
    order is cancelled. Times are ms since 1970."""

    def __init__(self, market: Market, seed: int, values: Mapping[str, Decimal]) -> None:
        """``values``: the coins in one contract of each linear one."""
        super().__init__(market, seed)
        self._values = values
        self.realized = Decimal(0)
        self.deposit = Decimal(100_000)
        self.frozen = Decimal(0)
        self.positions: Dict[str, List[Decimal]] = {symbol: [Decimal(0), Decimal(0)] for symbol in values}
        """``[contracts, average price]`` of the long side."""

    def _live(self) -> Iterator[List[Event]]:
        while True:
            for symbol in self._values:
                yield from self._order(symbol, _OPEN_LONG, _FILLED)
                yield from self._order(symbol, _OPEN_LONG, _CANCELLED)
                yield from self._order(symbol, _CLOSE_LONG, _FILLED)

    def _order(self, symbol: str, type_: int, end: int) -> Iterator[List[Event]]:
        opens = type_ == _OPEN_LONG
        _, price = self._price(symbol, opens)
        size = Decimal(2 * self._rng.randint(1, 20)) if opens else self.positions[symbol][0]
        order = {
            "order_id": str(self._rng.randrange(10**18, 2 * 10**18)),
            "instrument_id": symbol,
            "price": format(price, "f"),
            "size": format(size, "f"),
            "type": type_,
            "order_type": _LIMIT,
        }

        def state(number: int, filled: Decimal) -> Event:
            average = format(price if filled else Decimal(0), "f")
            row = dict(order, state=number, filled_qty=format(filled, "f"), price_avg=average, time_stamp=self._now)
            return Event("order", symbol, row)

        reserved = self._margin(symbol, size, price) if opens else Decimal(0)
        self.frozen += reserved
        yield [state(_OPEN, Decimal(0)), self.account()]
        if end == _FILLED:
            for part in (1, 2):
                self.frozen -= reserved / 2
                self._fill(symbol, size / 2 if opens else -size / 2, price)
                yield [state(part, size * part / 2), self.position(symbol), self.account()]
        else:
            self.frozen -= reserved
            yield [state(end, Decimal(0)), self.account()]

    def _fill(self, symbol: str, contracts: Decimal, price: Decimal) -> None:
        held, average = self.positions[symbol]
        if contracts > 0:
            average = (held * average + contracts * price) / (held + contracts)
        else:
            self.realized -= contracts * self._values[symbol] * (price - average)
        held += contracts
        self.positions[symbol] = [held, average if held else Decimal(0)]

    def _margin(self, symbol: str, contracts: Decimal, price: Decimal) -> Decimal:
        return contracts * self._values[symbol] * price / _LEVERAGE

    # -- what it shows -------------------------------------------------------------------------------------------------

    def figures(self) -> Dict[str, Decimal]:
        """Return the account's figures: equity is the deposit and what was and would be made; the margins come off it."""
        margin = unrealized = Decimal(0)
        for symbol, (held, average) in self.positions.items():
            if held:
                last = self._market.symbols[symbol].ticker().last
                margin += self._margin(symbol, held, average)
                unrealized += held * self._values[symbol] * (last - average)
        equity = self.deposit + self.realized + unrealized
        return {
            "equity": equity,
            "avail_balance": equity - margin - self.frozen,
            "margin": margin,
            "frozen_margin": self.frozen,
            "realized_pnl": self.realized,
            "unrealized_pnl": unrealized,
        }

    def account(self) -> Event:
        figures: Dict[str, Any] = {name: format(value, "f") for name, value in self.figures().items()}
        return Event("account", "", {"currency": CURRENCY, **figures, "time_stamp": self._now})

    def position(self, symbol: str) -> Event:
        held, average = self.positions[symbol]
        row = {
            "instrument_id": symbol,
            "side": "long",
            "margin_mode": "crossed",
            "position": format(held, "f"),
            "avail_position": format(held, "f"),
            "avg_cost": format(average, "f"),
            "leverage": str(_LEVERAGE),
            "timestamp": self._now,
        }
        return Event("position", symbol, row)
