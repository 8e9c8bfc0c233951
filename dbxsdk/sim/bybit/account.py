"""The account of the local Bybit venue: its coins, what open orders hold of them, and its positions.

Pure and exact: every amount is a ``Decimal``. What goes into or out of a balance is rounded once, to eight places,
before it is booked, so that the figures in the venue's pushes sum to the balances.

Simplified, against the venue's unified account: each coin pays for its own trades (no borrowing, no collateral of
other coins), unrealised profit and loss is shown but can neither be spent nor liquidate anything, the leverage is 10.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Dict, Mapping, Optional, Tuple, Union

import attrs

from dbxsdk.sim.market.market import Instrument

Number = Union[Decimal, int, str]

STARTING_BALANCES: Mapping[str, str] = {
    "USDT": "1000000",
    "USDC": "1000000",
    "BTC": "20",
    "ETH": "300",
    "SOL": "5000",
    "XRP": "100000",
}

LEVERAGE = 10
ZERO = Decimal(0)

_FEES = {  # maker, taker
    "spot": (Decimal("0.001"), Decimal("0.001")),
    "linear": (Decimal("0.0002"), Decimal("0.00055")),
    "inverse": (Decimal("0.0002"), Decimal("0.00055")),
    "option": (Decimal("0.0002"), Decimal("0.0003")),
}
_PLACES = Decimal("0.00000001")


def money(amount: Decimal) -> Decimal:
    """Round ``amount`` to the eight places in which coins are booked."""
    return amount.quantize(_PLACES)


def coin_of(category: str, instrument: Instrument) -> str:
    """Return the coin in which a trade of ``instrument`` is settled: spot's quote coin, the margin coin of the contracts."""
    if category == "inverse":
        return instrument.base
    if category == "option":
        return "USDC" if instrument.symbol.endswith("-USDC") else "USDT"
    return "USDC" if instrument.quote == "PERP" else instrument.quote


def value_of(category: str, size: Decimal, price: Decimal) -> Decimal:
    """Return the value of ``size`` at ``price``. Inverse contracts are dollars and are worth coins."""
    return size / price if category == "inverse" else size * price


@attrs.define
class Position:
    """One contract's position. ``size`` is below 0 for a short one, ``cost`` what it was worth when it was opened."""

    category: str
    symbol: str
    coin: str
    created_ms: int
    updated_ms: int
    opened_ms: int = 0
    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    """Since ever, less the fees."""
    realised_now: Decimal = ZERO
    """Since the position was opened, less the fees."""
    sequence: int = -1
    index: int = 0
    """0 in one-way mode; in hedge mode 1 for the long position of the symbol, 2 for the short one."""
    take_profit: Decimal = ZERO
    stop_loss: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal:
        if not self.size:
            return ZERO
        return money(abs(self.size) / self.cost if self.category == "inverse" else self.cost / abs(self.size))

    @property
    def margin(self) -> Decimal:
        """The margin that it holds of its coin. A bought option is paid for; a sold one holds its whole price."""
        if self.category == "option":
            return money(self.cost) if self.size < 0 else ZERO
        return money(self.cost / LEVERAGE)

    def profit(self, size: Decimal, cost: Decimal, price: Decimal) -> Decimal:
        """Return what closing ``size`` (above 0) that cost ``cost`` brings at ``price``."""
        worth = value_of(self.category, size, price)
        rising = worth - cost if self.category != "inverse" else cost - worth
        return money(rising if self.size > 0 else -rising)

    def unrealised(self, price: Decimal) -> Decimal:
        return self.profit(abs(self.size), self.cost, price) if self.size else ZERO


@attrs.frozen
class Booked:
    """What one fill did to the account."""

    value: Decimal
    fee: Decimal
    fee_coin: str
    fee_rate: Decimal
    profit: Decimal = ZERO
    closed: Decimal = ZERO


@attrs.frozen
class Hold:
    """What one open order holds: coins to be sold or spent on spot, margin elsewhere."""

    coin: str
    amount: Decimal
    spot: bool


class Account:
    """One account.

    Args:
        balances: by coin, in place of ``STARTING_BALANCES``.
    """

    def __init__(self, balances: Optional[Mapping[str, Number]] = None) -> None:
        self.balances: Dict[str, Decimal] = {}
        for coin, amount in (STARTING_BALANCES if balances is None else balances).items():
            if isinstance(amount, (bool, float)) or not isinstance(amount, (Decimal, int, str)):
                raise TypeError(f"balances: {coin} must be a Decimal, an int or a text, not {type(amount).__name__}")
            number = Decimal(amount)
            if not number.is_finite() or number < 0:
                raise ValueError(f"balances: {coin} must be 0 or more, not {amount}")
            self.balances[coin] = money(number)
        self.realised: Dict[str, Decimal] = {}
        self.positions: Dict[Tuple[str, str, int], Position] = {}
        self.holds: Dict[str, Hold] = {}  # by order

    def balance(self, coin: str) -> Decimal:
        return self.balances.get(coin, ZERO)

    def locked(self, coin: str, spot: bool = True) -> Decimal:
        """Return what open orders hold on spot, or elsewhere."""
        return sum((hold.amount for hold in self.holds.values() if hold.coin == coin and hold.spot == spot), ZERO)

    def order_margin(self, coin: str) -> Decimal:
        return self.locked(coin, spot=False)

    def position_margin(self, coin: str) -> Decimal:
        return sum((position.margin for position in self.positions.values() if position.coin == coin), ZERO)

    def available(self, coin: str) -> Decimal:
        """Return what a new order may hold."""
        return self.balance(coin) - self.locked(coin) - self.order_margin(coin) - self.position_margin(coin)

    def hold(self, order: str, needed: Optional[Hold]) -> None:
        """Set what the order holds to ``needed``; None or 0: nothing."""
        self.holds.pop(order, None)
        if needed is not None and needed.amount:
            self.holds[order] = needed

    def size(self, category: str, symbol: str, index: int = 0) -> Decimal:
        position = self.positions.get((category, symbol, index))
        return ZERO if position is None else position.size

    def position(self, category: str, instrument: Instrument, now_ms: int, index: int = 0) -> Position:
        """Return the position, flat if there was none."""
        key = (category, instrument.symbol, index)
        if key not in self.positions:
            coin = coin_of(category, instrument)
            self.positions[key] = Position(category, instrument.symbol, coin, now_ms, now_ms, index=index)
        return self.positions[key]

    def book(
        self,
        category: str,
        instrument: Instrument,
        buy: bool,
        size: Decimal,
        price: Decimal,
        maker: bool,
        now_ms: int,
        index: int = 0,
    ) -> Booked:
        """Book one fill: balances and position."""
        rate = _FEES[category][0 if maker else 1]
        value = money(value_of(category, size, price))
        coin = coin_of(category, instrument)
        if category == "spot":
            fee_coin = instrument.base if buy else coin
            fee = money((size if buy else value) * rate)
            self._move(instrument.base, size if buy else -size)
            self._move(coin, -value if buy else value)
            self._move(fee_coin, -fee)
            return Booked(value, fee, fee_coin, rate)
        fee = money(value * rate)
        position = self.position(category, instrument, now_ms, index)
        profit, closed = self._trade(position, buy, size, price, now_ms)
        position.realised += profit - fee
        position.realised_now += profit - fee
        position.updated_ms = now_ms
        if category == "option":  # the premium is paid and received, and holds all the profit there is
            self._move(coin, -value if buy else value)
        else:
            self._move(coin, profit)
        self._move(coin, -fee)
        self.realised[coin] = self.realised.get(coin, ZERO) + profit - fee
        return Booked(value, fee, coin, rate, profit, closed)

    def _trade(
        self, position: Position, buy: bool, size: Decimal, price: Decimal, now_ms: int
    ) -> Tuple[Decimal, Decimal]:
        """Return the profit, and the size that was closed."""
        profit, closed = ZERO, ZERO
        if position.size and (position.size > 0) != buy:
            closed = min(size, abs(position.size))
            cost = position.cost * closed / abs(position.size)
            profit = position.profit(closed, cost, price)
            position.size += closed if buy else -closed
            position.cost = position.cost - cost if position.size else ZERO
        opened = size - closed
        if opened:
            if not position.size:
                position.opened_ms, position.realised_now = now_ms, ZERO
            position.size += opened if buy else -opened
            position.cost += value_of(position.category, opened, price)
        return profit, closed

    def _move(self, coin: str, amount: Decimal) -> None:
        self.balances[coin] = self.balance(coin) + amount
