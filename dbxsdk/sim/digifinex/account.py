"""The one account of the local DigiFinex venue: it trades a little now and then, and its numbers add up.

A course of limit orders that are created, filled in two parts or cancelled, and of conditional orders that take
effect; the balances follow. The orders do not rest in the market's book: they are filled at their own price.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Iterator, List

from dbxsdk.sim.market.market import Market
from dbxsdk.sim.scripted_account import Event, ScriptedAccount

_UNFILLED, _PARTIAL, _FILLED, _CANCELLED, _CANCELLED_PARTIAL = 0, 1, 2, 3, 4
_ALGO_CANCELLED, _ALGO_READY, _ALGO_EFFECTING, _ALGO_SUCCESS = -1, 0, 1, 2


class Account(ScriptedAccount):
    """Balances by currency, as ``[free, used]``, and the course of orders that changes them. Times are ms since 1970."""

    def __init__(self, market: Market, seed: int) -> None:
        super().__init__(market, seed)
        self.balances: Dict[str, List[Decimal]] = {}
        for instrument in market.instruments.values():
            self.balances.setdefault(instrument.base, [Decimal("100"), Decimal(0)])
            self.balances.setdefault(instrument.quote, [Decimal("1000000"), Decimal(0)])

    def is_open(self, order: Dict[str, Any]) -> bool:
        return order["status"] in (_UNFILLED, _PARTIAL)

    def _live(self) -> Iterator[List[Event]]:
        while True:
            for symbol in tuple(self._market.instruments):
                for side, end in (("buy", _FILLED), ("sell", _FILLED), ("buy", _CANCELLED), ("sell", _CANCELLED_PARTIAL)):
                    yield from self._limit_order(symbol, side, end)
                yield from self._algo_order(symbol, _ALGO_SUCCESS)
                yield from self._algo_order(symbol, _ALGO_CANCELLED)

    def _limit_order(self, symbol: str, side: str, end: int) -> Iterator[List[Event]]:
        instrument, price = self._price(symbol, side == "buy")
        amount = self._quantity(instrument)
        # What it takes out of "free" when it is placed, a unit of the amount, and the currency of that.
        pays, rate = (instrument.quote, price) if side == "buy" else (instrument.base, Decimal(1))
        gets, gain = (instrument.base, Decimal(1)) if side == "buy" else (instrument.quote, price)
        order = {
            "id": f"{self._rng.getrandbits(128):032x}",
            "symbol": symbol,
            "side": side,
            "type": "limit",
            "mode": 1,
            "price": format(price, "f"),
            "amount": format(amount, "f"),
        }

        def state(status: int, filled: Decimal) -> Event:
            document = dict(
                order,
                filled=format(filled, "f"),
                notional=format(filled * price, "f"),
                price_avg=format(price if filled else Decimal(0), "f"),
                status=status,
                timestamp=self._now,
            )
            self._note(document)
            return Event("order", symbol, document)

        self._move(pays, -amount * rate, amount * rate)
        yield [state(_UNFILLED, Decimal(0)), self._balance(pays)]
        filled, half = Decimal(0), amount / 2
        parts = {_FILLED: 2, _CANCELLED_PARTIAL: 1, _CANCELLED: 0}[end]
        for part in range(1, parts + 1):
            filled += half
            self._move(pays, Decimal(0), -half * rate)
            self._move(gets, half * gain, Decimal(0))
            status = _FILLED if part == 2 else _PARTIAL
            yield [state(status, filled), self._balance(pays), self._balance(gets)]
        if end != _FILLED:
            left = (amount - filled) * rate
            self._move(pays, left, -left)
            yield [state(end, filled), self._balance(pays)]

    def _algo_order(self, symbol: str, end: int) -> Iterator[List[Event]]:
        instrument, price = self._price(symbol, True)
        order = {
            "algo_price": format(price, "f"),
            "amount": format(instrument.size_of(self._rng.randint(50, 500)), "f"),
            "id": f"{self._rng.getrandbits(128):032x}",
            "mode": 1,
            "side": "buy",
            "symbol": symbol,
            "trigger_price": format(price, "f"),
        }
        for status in (_ALGO_READY, _ALGO_EFFECTING, _ALGO_SUCCESS) if end == _ALGO_SUCCESS else (_ALGO_READY, end):
            yield [Event("order_algo", symbol, dict(order, status=status, timestamp=self._now))]

    def _move(self, currency: str, free: Decimal, used: Decimal) -> None:
        balance = self.balances[currency]
        balance[0] += free
        balance[1] += used

    def _balance(self, currency: str) -> Event:
        free, used = self.balances[currency]
        document = {
            "currency": currency,
            "free": format(free, "f"),
            "total": format(free + used, "f"),
            "used": format(used, "f"),
        }
        return Event("balance", currency, document)
