"""What makes an order of the local Bybit venue wait for a price, or close its position at one: read from requests.

Codes are those of the venue's error tables; where no page says what is refused how, the comment says that it is an assumption.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Optional, Tuple

import attrs

from dbxsdk.sim.market.market import SymbolMarket
from dbxsdk.sim.refused import Refused

Fields = Dict[str, Any]

PARAMETER_ERROR = 10001
CONTRACTS = ("linear", "inverse")

TRIGGERS = ("LastPrice", "IndexPrice", "MarkPrice")
FILTERS = {"tpslOrder": "tpslOrder", "StopOrder": "Stop"}
"""``orderFilter`` of spot's conditional orders, and their ``stopOrderType``."""


@attrs.frozen
class Trigger:
    """The price at which an order becomes an active one, and from which side."""

    price: Decimal
    rising: bool
    by: str
    kind: str
    """The order's ``stopOrderType``."""

    def reached(self, price: Decimal) -> bool:
        return price >= self.price if self.rising else price <= self.price

    def seen(self, last: Decimal, tick: Decimal) -> Decimal:
        """Return the price that counts, where the last one is ``last``: as the feed of tickers shows it."""
        return last + tick if self.by == "MarkPrice" else last - tick if self.by == "IndexPrice" else last


@attrs.frozen
class Exit:
    """One of the two ends of a position: at a price, by a market order or a limit order."""

    price: Decimal
    by: str
    limit: Optional[Decimal] = None


@attrs.frozen
class Exits:
    """The take profit and the stop loss of an order: of its whole position, or of what it fills."""

    take_profit: Optional[Exit] = None
    stop_loss: Optional[Exit] = None
    partial: bool = False

    def __bool__(self) -> bool:
        return self.take_profit is not None or self.stop_loss is not None


def number(fields: Fields, name: str) -> Optional[Decimal]:
    """Return a price; None if it is absent, empty or 0. Raises ``Refused``."""
    given = fields.get(name)
    if given in (None, "", "0"):
        return None
    try:
        found = Decimal(given) if isinstance(given, str) else None
    except ArithmeticError:
        found = None
    if found is None or not found.is_finite() or found < 0:
        raise Refused(PARAMETER_ERROR, f"params error: {name} invalid")
    return found or None


def choice(fields: Fields, name: str, values: Tuple[str, ...]) -> str:
    """Return a word, the first of ``values`` if it is absent. Raises ``Refused``."""
    given = fields.get(name) or values[0]
    if given not in values:
        raise Refused(PARAMETER_ERROR, f"params error: {name} invalid")
    return str(given)


def read_trigger(category: str, fields: Fields, market: SymbolMarket) -> Optional[Trigger]:
    """Return the condition of a new order, or None. Raises ``Refused``."""
    price = number(fields, "triggerPrice")
    if category == "spot":
        kind = FILTERS.get(choice(fields, "orderFilter", ("Order", *FILTERS)))
        if kind is None:
            return None  # as the live venue does: an order with a price and no filter is an ordinary one
        if price is None:
            raise Refused(170202, "Please enter the TP/SL price.")
        last = market.ticker().last
        return check_trigger(category, Trigger(price, price > last, "LastPrice", kind), last)
    if fields.get("orderFilter") not in (None, "", "Order"):
        # Assumption: no page says what it does here. An order without its condition must not be taken for one with it.
        raise Refused(PARAMETER_ERROR, "params error: orderFilter invalid")
    if price is None:
        return None
    if category == "option":
        raise Refused(PARAMETER_ERROR, "params error: triggerPrice invalid")  # assumption
    direction = fields.get("triggerDirection")
    if direction not in (1, 2) or isinstance(direction, bool):
        raise Refused(PARAMETER_ERROR, "params error: TriggerDirection invalid")
    trigger = Trigger(price, direction == 1, choice(fields, "triggerBy", TRIGGERS), "Stop")
    return check_trigger(category, trigger, market.ticker().last)


def check_trigger(category: str, trigger: Trigger, last: Decimal) -> Trigger:
    """Return ``trigger``, if the market is on its other side. Raises ``Refused``."""
    if category == "spot":
        if abs(trigger.price - last) > last / 10:
            code, where = (170203, "high") if trigger.price > last else (170204, "low")
            raise Refused(code, f"Trigger price is too {where}.")
        if trigger.price == last:
            raise Refused(170203, "Trigger price cannot be equal to the last price.")  # the code is an assumption
    elif trigger.reached(last):
        code, wanted, relation = (110092, "Rising", "<=") if trigger.rising else (110093, "Falling", ">=")
        raise Refused(code, f"expect {wanted}, but trigger_price[{trigger.price}] {relation} current[{last}]")
    return trigger


def read_exits(category: str, fields: Fields, buy: bool, price: Decimal, old: Optional[Exits] = None) -> Optional[Exits]:
    """Return the take profit and stop loss that an order asks for, or an amendment leaves of ``old``; None: neither.

    ``price`` is what they are compared with: the order's, or the market's. Raises ``Refused``.
    """
    partial = category == "spot" or (category in CONTRACTS and _mode(fields, old) == "Partial")
    exits = Exits(
        _read_exit(category, fields, "takeProfit", "tp", partial, old.take_profit if old else None),
        _read_exit(category, fields, "stopLoss", "sl", partial, old.stop_loss if old else None),
        partial,
    )
    for name, exit_, above in (("TakeProfit", exits.take_profit, buy), ("StopLoss", exits.stop_loss, not buy)):
        if exit_ is not None and (exit_.price <= price if above else exit_.price >= price):
            side, relation = "Buy" if buy else "Sell", "higher" if above else "lower"
            raise Refused(PARAMETER_ERROR, f"{name}:{exit_.price} set for {side} position should be {relation} than {price}")
    return exits or None


def _mode(fields: Fields, old: Optional[Exits]) -> str:
    modes = ("Partial", "Full") if old is not None and old.partial else ("Full", "Partial")
    return choice(fields, "tpslMode", modes)


def _read_exit(
    category: str, fields: Fields, name: str, short: str, partial: bool, old: Optional[Exit]
) -> Optional[Exit]:
    if name not in fields:
        return old
    price = number(fields, name)
    if price is None:
        return None
    limit = number(fields, f"{short}LimitPrice")
    is_limit = choice(fields, f"{short}OrderType", ("Market", "Limit")) == "Limit"
    if is_limit and (limit is None or not partial or category == "option"):
        raise Refused(PARAMETER_ERROR, f"params error: {short}OrderType invalid")
    return Exit(price, choice(fields, f"{short}TriggerBy", TRIGGERS), limit if is_limit else None)
