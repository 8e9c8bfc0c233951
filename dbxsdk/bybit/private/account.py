"""``Account``: one account's open orders, positions and balances, kept current from the stream and begun over REST."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import attrs

from dbxsdk.account import account
from dbxsdk.account.state import Listed
from dbxsdk.bybit import rest
from dbxsdk.bybit.private.account_state import AccountSnapshot, AccountState, ListedPositions
from dbxsdk.bybit.private.models import Order, Position, WalletCoin
from dbxsdk.bybit.rest import BybitRest
from dbxsdk.bybit.rest_rows import from_rest


class Account(account.Account[Order, WalletCoin]):
    __doc__ = str(account.Account.__doc__).replace("open orders and balances", "open orders, positions and balances")

    channels = ("order", "position", "wallet")
    new_state = AccountState
    _state: AccountState
    _side: BybitRest

    def positions(self) -> List[Position]:
        """Return the positions that are not flat."""
        with self._locked():
            return list(self._state.positions.values())

    def snapshot(self) -> AccountSnapshot:
        """Return all of one moment, as a frozen value."""
        with self._locked():
            return AccountSnapshot(**self._contents(), positions=tuple(self._state.positions.values()))

    def _counts(self) -> Dict[str, int]:
        counts = super()._counts()
        return {"orders": counts["orders"], "positions": len(self._state.positions), "coins": counts["coins"]}

    def _created(self, order: Order) -> int:
        return order.created_time or 0

    def _own_id(self, order: Order) -> Optional[str]:
        return order.order_link_id

    def _take(self, update: Any) -> None:
        if update.channel == "order":
            self._state.take_orders(update.data)
        elif update.channel == "position":
            self._state.take_positions(update.data)
        else:
            for wallet in update.data:
                self._state.take_wallet(wallet, update.venue_time_ms or 0)

    def _fetch(self, deadline: float) -> Listed:
        orders = {order.order_id: order for order in (from_rest("order", row) for row in self._side.open_orders(deadline))}
        positions = [from_rest("position", row) for row in self._side.positions(deadline)]
        return ListedPositions(orders=list(orders.values()), positions=positions)

    def _fetch_wallet(self, listed: Listed, deadline: float) -> Listed:
        wallet_ms, rows = self._side.wallets(deadline)
        coins = [coin for row in rows for coin in from_rest("wallet", row).coin]
        return attrs.evolve(listed, coins=coins, wallet_ms=wallet_ms)

    def _look_up(self, orders: Sequence[Order], deadline: float) -> Dict[str, Optional[Order]]:
        return {order.order_id: self._row_of(order, deadline) for order in orders}

    def _row_of(self, order: Order, deadline: float) -> Optional[Order]:
        named = {"category": order.category, "orderId": order.order_id}
        for path in (rest.OPEN_ORDERS, rest.ORDER_HISTORY):
            for row in self._side.rows(path, named, deadline):
                found: Order = from_rest("order", row, order.category)
                if found.order_id == order.order_id:
                    return found
        return None
