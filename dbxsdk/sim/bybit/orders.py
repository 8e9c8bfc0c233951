"""The order life of the local Bybit venue: placed, resting, filled, amended, cancelled, against its markets' books.

Pure: it changes the markets and the account and keeps a record of what changed, which the venue takes and pushes.
"""

from __future__ import annotations

import random
import uuid
from decimal import Decimal
from typing import Callable, Dict, Iterable, List, Mapping, Optional

import attrs

from dbxsdk.sim.bybit.account import LEVERAGE, ZERO, Account, Hold, coin_of, money, value_of
from dbxsdk.sim.bybit.order import Changes, Execution, Order
from dbxsdk.sim.bybit.parameters import (
    Fields,
    NewOrder,
    check_amendment,
    find_market,
    market_limit,
    read_new_order,
    read_order_ids,
    read_price,
    read_size,
    refusal,
)
from dbxsdk.sim.bybit.trade_feeds import trade_id
from dbxsdk.sim.market.market import Instrument, Market, Match, SymbolMarket, Trade
from dbxsdk.sim.refused import Refused

_SPOT_IDS = 1_800_000_000_000_000_000
_UUIDS = uuid.UUID("c2a7c9a5-2b0c-5c0e-8f52-7f4a0b0f9d11")


class OrderDesk:
    """All orders of one account.

    Orders are carried out at once: the part that crosses takes from the book, the rest waits in it. One row of
    ``Changes.orders`` stands for each request, and one for each fill of a waiting order.
    """

    def __init__(self, markets: Mapping[str, Market], account: Account, seed: int, now_us: Callable[[], int]) -> None:
        self.account = account
        self.orders: Dict[str, Order] = {}
        self.executions: List[Execution] = []
        self._markets = markets
        self._now_us = now_us
        self._rng = random.Random(f"{seed}:orders")
        self._by_link_id: Dict[str, str] = {}
        self._open: Dict[str, Order] = {}
        self._changes = Changes()

    # -- requests: they raise Refused --------------------------------------------------------------------------------------

    def carry_out(self, operation: str, category: str, fields: Fields) -> Order:
        """Carry out ``order.create``, ``order.amend`` or ``order.cancel``."""
        requests = {"order.create": self.create, "order.amend": self.amend, "order.cancel": self.cancel}
        return requests[operation](category, fields)

    def create(self, category: str, fields: Fields) -> Order:
        market = self._market(category, fields)
        new = read_new_order(category, fields, market)
        if new.link_id in self._by_link_id:
            raise refusal(category, "link id")
        lots = self._reducing(category, new, market.instrument) if new.reduce_only else new.lots
        now_ms = self._now_ms()
        instrument = market.instrument
        order = Order(
            id=self._order_id(category),
            link_id=new.link_id,
            category=category,
            symbol=instrument.symbol,
            side="Buy" if new.buy else "Sell",
            type="Limit" if new.limit else "Market",
            time_in_force=new.time_in_force,
            price=instrument.price_of(new.tick) if new.limit else ZERO,
            size=new.size if lots is None else instrument.size_of(lots),
            market_unit=new.market_unit,
            reduce_only=new.reduce_only,
            created_ms=now_ms,
            updated_ms=now_ms,
            last_price=market.ticker().last,
        )
        self._check_funds(order, market, new.tick, lots)
        self.orders[order.id] = self._open[order.id] = order
        if order.link_id:
            self._by_link_id[order.link_id] = order.id
        self._work(order, market, new.tick, lots, new.budget)
        self._changed(order)
        return order

    def amend(self, category: str, fields: Fields) -> Order:
        market = self._market(category, fields)
        order = self._find(category, fields, "replace")
        check_amendment(fields)
        instrument = market.instrument
        tick = old_tick = _tick(order, instrument)
        lots = old_lots = _lots(order.size, instrument)
        if fields.get("price"):
            tick = read_price(category, fields, market, order.buy)
        if fields.get("qty"):
            lots = read_size(category, fields, instrument)
        done = _lots(order.filled, instrument)
        if lots <= done:
            raise Refused(10001, "params error: qty is not above what was filled")
        if (tick, lots) == (old_tick, old_lots):
            raise Refused(10001, "order not modified")
        amended = attrs.evolve(order, price=instrument.price_of(tick), size=instrument.size_of(lots))
        self._check_funds(amended, market, tick, lots - done)
        order.price, order.size, order.updated_ms = amended.price, amended.size, self._now_ms()
        if tick == old_tick and lots < old_lots:  # a smaller order keeps its place in the queue
            market.withdraw(order.id, order.buy, tick, old_lots - lots)
            self._hold(order)
        else:
            market.withdraw(order.id, order.buy, old_tick)
            self._work(order, market, tick, lots - done, None)
        self._changed(order)
        return order

    def cancel(self, category: str, fields: Fields) -> Order:
        market = self._market(category, fields)
        order = self._find(category, fields, "cancel")
        market.withdraw(order.id, order.buy, _tick(order, market.instrument))
        self._end(order, "Cancelled", "EC_PerCancelRequest", "CancelByUser")
        self._changed(order)
        return order

    # -- what the market did -----------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Book the fills of waiting orders since the last time."""
        for category, market in self._markets.items():
            for traded in market.begun.values():
                if traded.fills:
                    fills, traded.fills = traded.fills, []
                    self._book_makers(fills, traded)
                    # Only now: before, the book is ahead of what is booked.
                    self._cut_reducing(category, traded)

    def trade(self, category: str, symbol: str, buy: bool, size: Decimal) -> List[Trade]:
        """Carry out another trader's market order."""
        market = self._markets[category].symbols[symbol]
        matches = self._markets[category].take(
            symbol, buy, self._now_us(), limit=market_limit(market, buy), lots=_lots(size, market.instrument)
        )
        self._book_makers(matches, market)
        self._cut_reducing(category, market)
        return [match.trade for match in matches]

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        changes, self._changes = self._changes, Changes()
        return changes

    def find(self, order_id: str, link_id: str) -> Optional[Order]:
        """Return the order of either id, open or not. ``order_id`` takes precedence."""
        return self.orders.get(order_id or self._by_link_id.get(link_id, ""))

    # -- one order ---------------------------------------------------------------------------------------------------------

    def _work(self, order: Order, market: SymbolMarket, tick: int, lots: Optional[int], budget: Optional[int]) -> None:
        """Take what crosses, and let the rest wait or end it, as the time in force says."""
        depth = market.depth(order.buy, tick)
        if order.time_in_force == "PostOnly" and depth:
            self._end(order, "Cancelled", "EC_PostOnlyWillTakeLiquidity")
            return
        if order.time_in_force == "FOK" and lots is not None and sum(level[1] for level in depth) < lots:
            self._end(order, "Cancelled", "EC_NoEnoughQtyToFill")
            return
        matches = self._markets[order.category].take(
            order.symbol, order.buy, self._now_us(), limit=tick, lots=lots, budget=budget
        )
        for match in matches:
            self._book(order, match.trade, market, maker=False)
        if order.open:
            if order.type == "Limit" and order.time_in_force in ("GTC", "PostOnly"):
                market.rest(order.id, order.buy, tick, _lots(order.left, market.instrument))
                self._hold(order)
            else:
                self._drop_rest(order)
        self._book_makers(matches, market, own_taker=True)
        self._cut_reducing(order.category, market)

    def _drop_rest(self, order: Order) -> None:
        if order.in_quote and order.value == order.size:
            self._end(order, "Filled")
        elif not order.filled:
            self._end(order, "Cancelled", "EC_NoImmediateQtyToFill")
        else:
            status = "PartiallyFilledCanceled" if order.category == "spot" else "Cancelled"
            self._end(order, status, "EC_CancelForNoFullFill")

    def _end(self, order: Order, status: str, reason: str = "EC_NoError", cancel_type: str = "UNKNOWN") -> None:
        order.status, order.reject_reason, order.cancel_type = status, reason, cancel_type
        order.updated_ms = self._now_ms()
        self._hold(order)
        del self._open[order.id]

    def _book_makers(self, matches: Iterable[Match], market: SymbolMarket, *, own_taker: bool = False) -> None:
        for match in matches:
            if match.maker is not None:
                order = self.orders[match.maker]
                self._book(order, match.trade, market, maker=True, own_taker=own_taker)
                self._changed(order)

    def _book(self, order: Order, trade: Trade, market: SymbolMarket, *, maker: bool, own_taker: bool = False) -> None:
        category, instrument, now_ms = order.category, market.instrument, self._now_ms()
        booked = self.account.book(category, instrument, order.buy, trade.size, trade.price, maker, now_ms)
        order.filled += trade.size
        order.value += booked.value
        order.exact_value += value_of(category, trade.size, trade.price)
        order.fees = {**order.fees, booked.fee_coin: order.fees.get(booked.fee_coin, ZERO) + booked.fee}
        order.profit += booked.profit
        order.updated_ms = now_ms
        done = order.filled == order.size and not order.in_quote
        order.status = "Filled" if done else "PartiallyFilled"
        if done:
            del self._open[order.id]
            self._hold(order)
        if category != "spot":
            self.account.position(category, instrument, now_ms).sequence = trade.sequence
        for each in self._open.values():  # what they hold depends on the position that they would close
            if (each.category, each.symbol) == (category, order.symbol):
                self._hold(each)
        execution = Execution(
            id=_own_trade_id(category, trade) if own_taker else trade_id(category, trade),
            order=attrs.evolve(order),
            price=trade.price,
            size=trade.size,
            maker=maker,
            time_ms=now_ms,
            sequence=trade.sequence,
            left=ZERO if order.in_quote else order.size - order.filled,
            mark_price=market.ticker().last,
            **attrs.asdict(booked),
        )
        self.executions.append(execution)
        self._changes.executions.append(execution)
        if category == "spot":
            self._changes.coins[instrument.base] = None
        self._changes.coins[coin_of(category, instrument)] = None

    def _changed(self, order: Order) -> None:
        """Add a row for the order as it is now, with a contract's position and the order's hold."""
        self._changes.orders.append(attrs.evolve(order))
        instrument = self._markets[order.category].symbols[order.symbol].instrument
        if order.category == "spot":
            self._changes.coins[coin_of("spot", instrument) if order.buy else instrument.base] = None
        else:
            position = self.account.position(order.category, instrument, self._now_ms())
            self._changes.positions[order.category, order.symbol] = position
            self._changes.coins[position.coin] = None

    # -- reduce-only orders ------------------------------------------------------------------------------------------------

    def _reducing(self, category: str, new: NewOrder, instrument: Instrument) -> int:
        """Return the lots of a reduce-only order: no more than there are to close."""
        closable = self._closable(category, instrument, new.buy)
        if not closable:
            raise Refused(110017, "current position is zero, cannot fix reduce-only order qty")
        assert new.lots is not None  # only spot orders are sized in the quote coin
        return min(new.lots, closable)

    def _closable(self, category: str, instrument: Instrument, buy: bool) -> int:
        size = self.account.size(category, instrument.symbol)
        return _lots(abs(size), instrument) if size and (size < 0) == buy else 0

    def _cut_reducing(self, category: str, market: SymbolMarket) -> None:
        """Shrink waiting reduce-only orders with the position, and end them with it."""
        instrument = market.instrument
        for order in list(self._open.values()):
            if not order.reduce_only or (order.category, order.symbol) != (category, instrument.symbol):
                continue
            excess = _lots(order.left, instrument) - self._closable(category, instrument, order.buy)
            if excess <= 0:
                continue
            market.withdraw(order.id, order.buy, _tick(order, instrument), excess)
            if instrument.size_of(excess) == order.left:
                self._end(order, "Cancelled", "EC_NoError", "CancelByReduceOnly")
            else:
                order.size -= instrument.size_of(excess)
                order.updated_ms = self._now_ms()
            self._changed(order)

    # -- funds -------------------------------------------------------------------------------------------------------------

    def _hold(self, order: Order) -> None:
        """Make the account hold what a waiting order needs."""
        needed = None
        if order.open and order.type == "Limit":
            instrument = self._markets[order.category].symbols[order.symbol].instrument
            needed = self._needed(order, instrument, order.left, order.price)
        self.account.hold(order.id, needed)

    def _check_funds(self, order: Order, market: SymbolMarket, tick: int, lots: Optional[int]) -> None:
        """Refuse an order (of so many lots still to fill) that the account cannot pay for."""
        instrument = market.instrument
        if lots is None:
            needed = Hold(coin_of("spot", instrument), order.size, spot=True)
        else:
            size = instrument.size_of(lots)
            price = order.price if order.type == "Limit" else _expected_price(market, order.buy, tick, lots)
            needed = self._needed(order, instrument, size, price)
        held = self.account.holds.get(order.id)
        available = self.account.available(needed.coin) + (held.amount if held is not None else ZERO)
        if needed.amount > max(available, ZERO):
            raise refusal(order.category, "funds")

    def _needed(self, order: Order, instrument: Instrument, size: Decimal, price: Decimal) -> Hold:
        coin = coin_of(order.category, instrument)
        if order.category == "spot":
            return Hold(coin, money(size * price), True) if order.buy else Hold(instrument.base, size, True)
        if order.category == "option" and order.buy:
            return Hold(coin, money(size * price), False)
        opened = ZERO
        if not order.reduce_only:
            opened = max(ZERO, size - instrument.size_of(self._closable(order.category, instrument, order.buy)))
        value = value_of(order.category, opened, price)
        return Hold(coin, money(value if order.category == "option" else value / LEVERAGE), False)

    # -- look-ups ----------------------------------------------------------------------------------------------------------

    def _market(self, category: str, fields: Fields) -> SymbolMarket:
        return find_market(category, fields, self._markets[category].symbols.get)

    def _find(self, category: str, fields: Fields, verb: str) -> Order:
        """Return the open order that ``fields`` name. ``orderId`` takes precedence over ``orderLinkId``."""
        order_id, link_id = read_order_ids(fields)
        order = self._open.get(order_id or self._by_link_id.get(link_id, ""))
        if order is None or (order.category, order.symbol) != (category, fields["symbol"]):
            raise refusal(category, "order", verb=verb)
        return order

    def _order_id(self, category: str) -> str:
        if category == "spot":
            return str(_SPOT_IDS + 256 * (len(self.orders) + 1))
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _now_ms(self) -> int:
        return self._now_us() // 1000


def _lots(size: Decimal, instrument: Instrument) -> int:
    return int(size / instrument.lot_size)


def _tick(order: Order, instrument: Instrument) -> int:
    return int(order.price / instrument.tick_size)


def _expected_price(market: SymbolMarket, buy: bool, tick: int, lots: int) -> Decimal:
    """Return the average price a lot that a market order would pay; beyond the book, the worst price."""
    left, cost = lots, 0
    for level_tick, level_lots in market.depth(buy, tick):
        taken = min(left, level_lots)
        left -= taken
        cost += taken * level_tick
        if not left:
            break
    cost += left * tick
    return market.instrument.tick_size * cost / lots


def _own_trade_id(category: str, trade: Trade) -> str:
    """Return the second id of a trade of the account with itself: both sides are executions, and no two have one id."""
    own = trade_id(category, trade)
    return str(int(own) + 1_000_000_000_000_000_000) if category == "spot" else str(uuid.uuid5(_UUIDS, own))
