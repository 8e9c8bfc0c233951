"""``Account``: the open orders and balances of a Cryptomus account, kept current from the stream and begun over REST.

Source: doc.cryptomus.com, "exchange": orders, orders history, balance; "exchange/websockets": order, balance.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence, Tuple

import attrs

from dbxsdk.account import account, state
from dbxsdk.account.state import Listed
from dbxsdk.cryptomus import twins
from dbxsdk.cryptomus.models import Balance, Order
from dbxsdk.cryptomus.rest import HISTORY, ORDERS, CryptomusRest
from dbxsdk.runtime.clock import wall_ns

AccountSnapshot = state.AccountSnapshot[Order, Balance]


class AccountState(state.AccountState[Order, Balance]):
    """An order's newer row is the one that has ended, or of which more is filled."""

    def order_id(self, order: Order) -> str:
        return order.id

    def order_version(self, order: Order) -> Tuple[Any, ...]:
        return twins.order_version(order)[:2]

    def is_open(self, order: Order) -> bool:
        return order.type != "finished"

    def coin(self, balance: Balance) -> str:
        return balance.currency_code

    def amount(self, balance: Balance) -> Any:
        return balance.new_balance

    def _renew_coin(self, name: str, ours: Optional[Balance], theirs: Optional[Balance]) -> None:
        if self._amount(ours) != self._amount(theirs):  # else ours says what it was before
            self._set(self.coins, name, theirs)


class Account(account.Account[Order, Balance]):
    __doc__ = account.Account.__doc__

    channels = ("order", "balance")
    new_state = AccountState
    _side: CryptomusRest

    def _created(self, order: Order) -> int:
        return order.create_ts

    def _own_id(self, order: Order) -> Optional[str]:
        return order.client_oid

    def _take(self, update: Any) -> None:
        if update.channel == "order":
            self._state.take_orders((update.data,))
        else:
            self._state.take_balances((update.data,), update.received_ns // 1_000_000)

    def _fetch(self, deadline: float) -> Listed:
        orders = {row["id"]: twins.order_from_rest(row) for row in twins.open_orders(self._side, {}, deadline)}
        return Listed(orders=list(orders.values()))

    def _fetch_wallet(self, listed: Listed, deadline: float) -> Listed:
        asked_ms = wall_ns() // 1_000_000  # what it shows is as new as that, or newer
        found = [balance for balance, _ in twins.balances(self._side, deadline)]
        return attrs.evolve(listed, coins=found, wallet_ms=asked_ms)

    def _look_up(self, orders: Sequence[Order], deadline: float) -> Dict[str, Optional[Order]]:
        found: Dict[str, Optional[Order]] = {}
        for order in orders:
            rows = [row for path in (ORDERS, HISTORY) for row in self._side.rows(path, {"order_id": order.id}, deadline)]
            own = [twins.order_from_rest(row) for row in rows if row.get("id") == order.id]
            found[order.id] = own[-1] if own else None  # one that ends between both questions is in both answers
        return found
