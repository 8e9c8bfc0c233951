"""The orders of the local Bybit venue that wait for a price, and what ends positions: conditional orders, take profits and stop
losses; and hedge mode.

A waiting order is not in the book. It is triggered by the market's trades since it was placed: ``Untriggered``, ``Triggered``
and ``New`` are pushed one after the other, then what becomes of it. Its id stays the same: no page says otherwise.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Set

from dbxsdk.sim.bybit.account import ZERO, Hold, coin_of, money
from dbxsdk.sim.bybit.conditions import (
    CONTRACTS,
    FILTERS,
    PARAMETER_ERROR,
    TRIGGERS,
    Exit,
    Fields,
    Trigger,
    check_trigger,
    choice,
    number,
    read_exits,
)
from dbxsdk.sim.bybit.order import Order
from dbxsdk.sim.bybit.orders import OrderDesk
from dbxsdk.sim.bybit.parameters import market_limit, read_price, read_size, refusal
from dbxsdk.sim.market.market import SymbolMarket
from dbxsdk.sim.refused import Refused

_ROUNDS = 20  # of orders that trigger each other
_MOST = {"linear": 10, "inverse": 10, "spot": 30}
"""Waiting orders of a symbol and a kind."""


class StopDesk(OrderDesk):
    """An ``OrderDesk`` whose orders may have conditions.

    Args, beyond those of ``OrderDesk``:
        unique_link_ids: an ``orderLinkId`` is refused for ever once it was used; else only while its order is open, since no
            page says for how long.
    """

    def __init__(self, *args: Any, unique_link_ids: bool = True) -> None:
        super().__init__(*args)
        self._unique = unique_link_ids
        self._hedged: Set[str] = set()
        self._seen: Dict[str, int] = {}  # the market's sequence up to which a waiting order has been looked at
        self._parents: Dict[str, Order] = {}  # whose take profit and stop loss are still to be made

    # -- modes -------------------------------------------------------------------------------------------------------------

    def set_mode(self, symbol: str, hedge: bool) -> None:
        """Put a symbol into hedge mode or one-way mode. Raises ``Refused``."""
        market = self._markets["linear"].symbols.get(symbol)
        if market is None or market.instrument.quote != "USDT":
            raise Refused(110029, "Hedge mode is not supported for this symbol")
        if (symbol in self._hedged) == hedge:
            raise Refused(110025, "Position mode is not modified")
        if any(self.account.size("linear", symbol, index) for index in (0, 1, 2)):
            raise Refused(110024, "You have an existing position, so the position mode cannot be switched")
        if any((order.category, order.symbol) == ("linear", symbol) for order in self._open.values()):
            raise Refused(110028, "You have existing open orders, so the position mode cannot be switched")
        (self._hedged.add if hedge else self._hedged.remove)(symbol)

    def _check_mode(self, category: str, symbol: str, index: int) -> None:
        if (category == "linear" and symbol in self._hedged) != (index != 0):
            raise Refused(PARAMETER_ERROR, "position idx not match position mode")

    def _is_taken(self, link_id: str) -> bool:
        return link_id in self._by_link_id and (self._unique or self._by_link_id[link_id] in self._open)

    # -- waiting -----------------------------------------------------------------------------------------------------------

    def _file(self, order: Order) -> None:
        super()._file(order)
        if order.trigger is not None:
            self._seen[order.id] = self._symbol(order).sequence
        if order.exits:
            self._parents[order.id] = order

    def _check_waiting(self, order: Order, market: SymbolMarket) -> None:
        assert order.trigger is not None
        kind = order.trigger.kind
        same = [each for each in self._of(order) if each.waiting and each.trigger and each.trigger.kind == kind]
        if len(same) >= _MOST[order.category]:
            # The code for spot is an assumption.
            code = 170810 if order.category == "spot" else 110009
            raise Refused(code, "The number of stop orders exceeds the maximum allowable limit")
        needed = self._held_by(order)
        if needed is not None and needed.amount > max(self.account.available(needed.coin), ZERO):
            raise refusal(order.category, "funds")

    def _hold(self, order: Order) -> None:
        if order.waiting:
            self.account.hold(order.id, self._held_by(order))
        else:
            super()._hold(order)

    def _held_by(self, order: Order) -> Optional[Hold]:
        """Return what a waiting order holds: on spot a TP/SL order holds its amount, all others nothing."""
        if order.trigger is None or order.trigger.kind != FILTERS["tpslOrder"] or order.parent:
            return None
        instrument = self._symbol(order).instrument
        if not order.buy:
            return Hold(instrument.base, order.size, True)
        amount = order.size if order.in_quote else order.size * (order.price or order.trigger.price)
        return Hold(coin_of("spot", instrument), money(amount), True)

    def _end(self, order: Order, status: str, reason: str = "EC_NoError", cancel_type: str = "UNKNOWN") -> None:
        super()._end(order, status, reason, cancel_type)
        self._seen.pop(order.id, None)
        if _is_whole(order):
            self._show_exits(order)

    def _find(self, category: str, fields: Fields, verb: str) -> Order:
        order = super()._find(category, fields, verb)
        if category == "spot" and verb == "cancel":  # looked for among the orders of one filter only
            kind = order.trigger.kind if order.waiting and order.trigger else "Order"
            wanted = {"Order": ("Order",), "tpslOrder": ("tpslOrder", "OcoOrder"), "StopOrder": ("Stop",)}
            if kind not in wanted[choice(fields, "orderFilter", ("Order", *FILTERS))]:
                raise refusal(category, "order", verb=verb)
        return order

    def _amend_waiting(self, order: Order, market: SymbolMarket, fields: Fields) -> None:
        assert order.trigger is not None
        trigger, category, instrument = order.trigger, order.category, market.instrument
        price, size = order.price, order.size
        if number(fields, "triggerPrice") is not None or fields.get("triggerBy"):
            last = market.ticker().last
            wanted = number(fields, "triggerPrice") or trigger.price
            by = choice(fields, "triggerBy", TRIGGERS) if fields.get("triggerBy") else trigger.by
            rising = wanted > last if category == "spot" and not order.parent else trigger.rising
            trigger = check_trigger(category, Trigger(wanted, rising, by, trigger.kind), last)
        if fields.get("price") and order.type == "Limit":
            price = instrument.price_of(read_price(category, fields, market, order.buy, False))
        if fields.get("qty"):
            size = instrument.size_of(read_size(category, fields, instrument))
        has_exits = self._amend_exits(order, market, fields)
        if (trigger, price, size) == (order.trigger, order.price, order.size) and not has_exits:
            raise Refused(PARAMETER_ERROR, "order not modified")
        order.trigger, order.price, order.size, order.updated_ms = trigger, price, size, self._now_ms()
        self._seen[order.id] = market.sequence
        self._hold(order)
        self._show_exits(order)

    def _amend_exits(self, order: Order, market: SymbolMarket, fields: Fields) -> bool:
        if "takeProfit" not in fields and "stopLoss" not in fields:
            return False
        if order.filled:
            raise Refused(110059, "TP/SL cannot be modified: the order is partially filled")
        if order.reduce_only or (order.category == "spot" and order.type != "Limit"):
            raise Refused(PARAMETER_ERROR, "params error: takeProfit and stopLoss invalid")
        exits = read_exits(order.category, fields, order.buy, order.price or market.ticker().last, order.exits)
        if exits == order.exits:
            return False
        order.exits, order.updated_ms = exits, self._now_ms()
        self._parents.pop(order.id, None)
        if exits:
            self._parents[order.id] = order
        return True

    # -- what trades bring about -------------------------------------------------------------------------------------------

    def _moved(self) -> None:
        for _ in range(_ROUNDS):
            self._make_exits()
            due = [order for order in self._open.values() if order.waiting and self._is_due(order)]
            if not due:
                return
            for order in due:
                if order.waiting:  # not ended by the one before
                    self._fire(order)

    def _is_due(self, order: Order) -> bool:
        market, trigger = self._symbol(order), order.trigger
        assert trigger is not None
        seen, self._seen[order.id] = self._seen[order.id], market.sequence
        tick = market.instrument.tick_size
        prices = [trade.price for trade in market.history if trade.sequence > seen]
        return any(trigger.reached(trigger.seen(price, tick)) for price in (*prices, market.ticker().last))

    def _fire(self, order: Order) -> None:
        market, instrument = self._symbol(order), self._symbol(order).instrument
        del self._seen[order.id]
        self._enter(order, "Triggered")
        self._show_exits(order)
        for other in self._siblings(order):
            other_kind = "CancelByTpSlTsClear"
            if order.category == "spot":
                is_profit = order.trigger is not None and order.trigger.rising != order.buy
                other_kind = "CancelByOCOSlCanceledByTpTriggered" if is_profit else "CancelByOCOTpCanceledBySlTriggered"
            self._drop(other, other_kind)
        tick = int(order.price / instrument.tick_size) if order.type == "Limit" else market_limit(market, order.buy)
        lots: Optional[int] = int(order.size / instrument.lot_size)
        budget = None
        if order.in_quote:
            lots, budget = None, int(order.size / (instrument.tick_size * instrument.lot_size))
        try:
            if order.reduce_only or order.close_on_trigger:
                lots = self._reducing(order, instrument)
            self._check_funds(order, market, tick, lots)
        except Refused:  # that these are the words for it is an assumption
            self._drop(order, "CancelByReduceOnly" if order.reduce_only else "CancelByCannotAffordOrderCost")
            return
        self._enter(order, "New")
        self._work(order, market, tick, lots, budget)
        if order.status != "New":
            self._changed(order)

    def _enter(self, order: Order, status: str) -> None:
        order.status, order.updated_ms = status, self._now_ms()
        self._changed(order)

    def _drop(self, order: Order, kind: str) -> None:
        self._end(order, "Cancelled", "EC_NoError", kind)
        self._changed(order)

    # -- take profits and stop losses --------------------------------------------------------------------------------------

    def _make_exits(self) -> None:
        for parent in list(self._parents.values()):
            assert parent.exits is not None
            if parent.filled and not (parent.exits.partial and parent.open):
                self._exit(parent)
            if not parent.open or (parent.filled and not parent.exits.partial):
                del self._parents[parent.id]
        for order in [each for each in self._open.values() if each.waiting and each.parent and each.category != "spot"]:
            instrument = self._symbol(order).instrument
            left = instrument.size_of(self._closable(order, instrument))
            if not left:
                self._drop(order, "CancelByTpSlTsClear")
            elif _is_whole(order) and left != order.size:
                order.size, order.updated_ms = left, self._now_ms()
                self._changed(order)

    def _exit(self, parent: Order) -> None:
        """Make, or change, the orders that end what ``parent`` began: once it was filled on spot or for a part of a position;
        else with its first fill, and then they are those of the whole position."""
        exits = parent.exits
        assert exits is not None
        for is_profit, exit_ in ((True, exits.take_profit), (False, exits.stop_loss)):
            if exit_ is None:
                continue
            kind = "TakeProfit" if is_profit else "StopLoss"
            if parent.category == "spot":
                kind = "OcoOrder" if exits.take_profit and exits.stop_loss else "tpslOrder"
            elif exits.partial:
                kind = "Partial" + kind
            trigger = Trigger(exit_.price, parent.buy == is_profit, exit_.by, kind)
            old = next((each for each in self._wholes(parent) if each.trigger and each.trigger.kind == kind), None)
            if old is None:
                self._add(parent, trigger, exit_)
            else:
                old.trigger, old.parent, old.parent_link_id = trigger, parent.id, parent.link_id
                old.updated_ms = self._now_ms()
                self._changed(old)
        self._show_exits(parent)

    def _add(self, parent: Order, trigger: Trigger, exit_: Exit) -> None:
        market, is_spot, now_ms = self._symbol(parent), parent.category == "spot", self._now_ms()
        instrument = market.instrument
        size = parent.filled - parent.fees.get(instrument.base, ZERO) if is_spot else parent.filled
        order = Order(
            id=self._order_id(parent.category),
            link_id="",
            category=parent.category,
            symbol=parent.symbol,
            side="Sell" if parent.buy else "Buy",
            type="Market" if exit_.limit is None else "Limit",
            time_in_force="IOC" if exit_.limit is None else "GTC",
            price=exit_.limit or ZERO,
            size=instrument.size_of(int(size / instrument.lot_size)),
            market_unit="baseCoin" if is_spot and exit_.limit is None else "",
            reduce_only=not is_spot,
            created_ms=now_ms,
            updated_ms=now_ms,
            last_price=market.ticker().last,
            status="Untriggered",
            position_index=parent.position_index,
            close_on_trigger=not is_spot,
            trigger=trigger,
            create_type=f"CreateBy{trigger.kind}",
            parent=parent.id,
            parent_link_id=parent.link_id,
        )
        self._file(order)
        self._changed(order)

    def _siblings(self, order: Order) -> List[Order]:
        """Return the orders that end with an exit's trigger: the other one of its pair."""
        if not order.parent:
            return []
        if _is_whole(order):
            return [each for each in self._wholes(order) if each is not order]
        return [each for each in self._of(order) if each.waiting and each.parent == order.parent and each is not order]

    def _wholes(self, order: Order) -> Iterator[Order]:
        """Yield the waiting exits of the whole position of ``order``."""
        for each in self._of(order):
            if each.waiting and _is_whole(each) and each.position_index == order.position_index:
                yield each

    def _show_exits(self, order: Order) -> None:
        """Write a position's take profit and stop loss into its row."""
        if order.category not in CONTRACTS:
            return
        instrument = self._symbol(order).instrument
        position = self.account.position(order.category, instrument, self._now_ms(), order.position_index)
        found = {each.trigger.kind: each.trigger.price for each in self._wholes(order) if each.trigger is not None}
        position.take_profit, position.stop_loss = found.get("TakeProfit", ZERO), found.get("StopLoss", ZERO)

    # -- look-ups ----------------------------------------------------------------------------------------------------------

    def _of(self, order: Order) -> List[Order]:
        """Return the open orders of the symbol of ``order``."""
        name = (order.category, order.symbol)
        return [each for each in self._open.values() if (each.category, each.symbol) == name]

    def _symbol(self, order: Order) -> SymbolMarket:
        return self._markets[order.category].symbols[order.symbol]


def _is_whole(order: Order) -> bool:
    """True for the exits of a whole position."""
    return bool(order.parent) and order.trigger is not None and order.trigger.kind in ("TakeProfit", "StopLoss")
