"""``Account``: the open orders and balances of a DigiFinex account, kept current from the stream and begun over REST.

Source: docs.digifinex.com, spot v3 REST: order/current, order, assets, markets; spot WebSocket: order.update, balance.update.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, List, Optional, Sequence, Tuple

import attrs

from dbxsdk.account import account, state
from dbxsdk.account.state import Listed
from dbxsdk.digifinex import twins
from dbxsdk.digifinex.models import Balance, Order
from dbxsdk.digifinex.rest import DigiFinexRest, rows_of
from dbxsdk.errors import ProtocolError
from dbxsdk.runtime.clock import wall_ns

MARKETS = "/v3/markets"

AccountSnapshot = state.AccountSnapshot[Order, Balance]


class AccountState(state.AccountState[Order, Balance]):
    """An order's newer row is the one that has ended, or of which more is filled."""

    def order_id(self, order: Order) -> str:
        return order.id

    def order_version(self, order: Order) -> Tuple[Any, ...]:
        return twins.order_version(order)[:2]

    def is_open(self, order: Order) -> bool:
        return order.status not in twins.CLOSED

    def coin(self, balance: Balance) -> str:
        return balance.currency

    def amount(self, balance: Balance) -> Any:
        return balance.total, balance.free

    def has_any(self, balance: Balance) -> bool:
        return bool(balance.total or balance.free)


class Account(account.Account[Order, Balance]):
    __doc__ = account.Account.__doc__

    channels = ("order", "balance")
    new_state = AccountState
    _side: DigiFinexRest

    def __init__(
        self, side: DigiFinexRest, reconcile_every: Optional[float], emit: Callable[[Any], None], name: str
    ) -> None:
        super().__init__(side, reconcile_every, emit, name)
        self._symbols: Collection[str] = ()
        self._currencies: Collection[str] = ()

    def _follow(self, symbols: Collection[str], currencies: Collection[str]) -> None:
        """Say which are subscribed: of others a state would not stay current."""
        self._symbols, self._currencies = frozenset(symbols), frozenset(currencies)

    def _created(self, order: Order) -> int:
        return order.timestamp

    def _take(self, update: Any) -> None:
        if update.channel == "order":
            self._state.take_orders(update.data)
        else:
            self._state.take_balances(update.data, update.received_ns // 1_000_000)

    def _fetch(self, deadline: float) -> Listed:
        orders = {order.id: order for order, _ in twins.open_orders(self._side, None, deadline)}
        return Listed(orders=[order for order in orders.values() if order.symbol in self._symbols])

    def _fetch_wallet(self, listed: Listed, deadline: float) -> Listed:
        asked_ms = wall_ns() // 1_000_000  # what it shows is as new as that, or newer
        found = [balance for balance, _ in twins.balances(self._side, deadline) if balance.currency in self._currencies]
        return attrs.evolve(listed, coins=found, wallet_ms=asked_ms)

    def _look_up(self, orders: Sequence[Order], deadline: float) -> Dict[str, Optional[Order]]:
        ids = [order.id for order in orders]
        found = {order.id: order for order, _ in twins.orders_by_id(self._side, ids, deadline)}
        return {key: found.get(key) for key in ids}


def markets(side: DigiFinexRest, deadline: float) -> List[str]:
    """Return all symbols, as the stream writes them."""
    names = [row.get("market") for row in rows_of(MARKETS, side.public(MARKETS, {}, deadline))]
    if not all(isinstance(name, str) and "_" in name for name in names):
        raise ProtocolError(f"{MARKETS}: a market without a name")
    return [str(name).upper() for name in names]


def all_followed(side: DigiFinexRest, deadline: float) -> Tuple[List[str], List[str]]:
    """Return all symbols, and all currencies of these and of the account."""
    symbols = markets(side, deadline)
    held = [balance.currency for balance, _ in twins.balances(side, deadline)]
    return symbols, list(dict.fromkeys((*currencies_of(symbols), *held)))


def currencies_of(symbols: Collection[str]) -> List[str]:
    """Return the currencies of these symbols, each once."""
    return list(dict.fromkeys(currency for symbol in symbols for currency in symbol.split("_")))
