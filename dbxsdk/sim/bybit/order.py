"""One order of the local Bybit venue, its fills, and the changes since they were last taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Dict, List, Mapping, Optional, Tuple

import attrs

from dbxsdk.sim.bybit.account import ZERO, Booked, Position, money
from dbxsdk.sim.bybit.conditions import Exits, Trigger

OPEN = ("New", "PartiallyFilled", "Untriggered", "Triggered")


@attrs.define
class Order:
    """One order, as of now; in kept copies, as of then."""

    id: str
    link_id: str
    category: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    price: Decimal
    """0 for a market order."""
    size: Decimal
    """``qty`` as asked for; in the quote coin if ``market_unit`` says so."""
    market_unit: str
    reduce_only: bool
    created_ms: int
    updated_ms: int
    last_price: Decimal
    """The market's when the order came."""
    status: str = "New"
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    exact_value: Decimal = ZERO
    """Before it was rounded: on inverse contracts of a few dollars the places of a coin are too few for a price."""
    fees: Mapping[str, Decimal] = attrs.field(factory=dict)
    profit: Decimal = ZERO
    position_index: int = 0
    """0 in one-way mode; in hedge mode 1 for the long, 2 for the short position."""
    close_on_trigger: bool = False
    trigger: Optional[Trigger] = None
    exits: Optional[Exits] = None
    create_type: str = "CreateByUser"
    parent: str = ""
    """The id of the order whose take profit or stop loss this one is; that of the last one, if it is for a whole position."""
    parent_link_id: str = ""

    @property
    def buy(self) -> bool:
        return self.side == "Buy"

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def waiting(self) -> bool:
        """True before the trigger."""
        return self.status == "Untriggered"

    @property
    def in_quote(self) -> bool:
        """True if ``size`` is the amount to spend. Such an order has no size left."""
        return self.market_unit == "quoteCoin" and self.buy

    @property
    def left(self) -> Decimal:
        """The size not filled yet."""
        return self.size - self.filled if self.open else ZERO

    @property
    def average_price(self) -> Optional[Decimal]:
        if not self.filled:
            return None
        inverse = self.category == "inverse"
        return money(self.filled / self.exact_value if inverse else self.exact_value / self.filled)


@attrs.frozen(kw_only=True)
class Execution(Booked):
    """One fill of an order, and what it did to the account."""

    id: str
    order: Order
    """As it was right after this fill."""
    price: Decimal
    size: Decimal
    maker: bool
    time_ms: int
    sequence: int
    left: Decimal
    mark_price: Decimal

    @property
    def order_id(self) -> str:
        return self.order.id


@attrs.define
class Changes:
    """The changes since they were last taken, in order; positions and coins by name, each once."""

    orders: List[Order] = attrs.field(factory=list)
    executions: List[Execution] = attrs.field(factory=list)
    positions: Dict[Tuple[str, str, int], Position] = attrs.field(factory=dict)
    coins: Dict[str, None] = attrs.field(factory=dict)
