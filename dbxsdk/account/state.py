"""One account's state out of REST snapshots and the stream, merged by a venue's versions. Pure.

* Orders: the greater version is the newer; of two alike the stream's counts. What has ended is remembered for a while, so that an
  older row does not open it again.
* Balances have no version: a snapshot counts as of the time when it was asked for, a message as of its creation or arrival. What
  came while a snapshot was on its way, and is not older than it, stays.
"""

from __future__ import annotations

import abc
import collections
from typing import Any, Dict, Generic, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, TypeVar

import attrs

O = TypeVar("O")  # noqa: E741 - of orders
B = TypeVar("B")

_ENDED_KEPT = 10_000


@attrs.frozen(kw_only=True)
class AccountSnapshot(Generic[O, B]):
    """An account at one moment. A value: it never changes.

    Attributes:
        orders: the open ones, by creation.
        balances: by coin.
        version: grows with each change in this process.
        is_stale: as it was in the account.
    """

    orders: Tuple[O, ...]
    balances: Mapping[str, B] = attrs.field(hash=False)
    version: int
    is_stale: bool


@attrs.frozen(kw_only=True)
class Listed:
    """What REST said: open orders, balances, and the time of these in ms, by the clock that messages about them have."""

    orders: Sequence[Any]
    coins: Sequence[Any] = ()
    wallet_ms: int = 0


Difference = Tuple[str, object, object]
"""What differs (``"order"``, ``"position"``, ``"balance"``), what was known, and what the venue says; None: nothing."""


class AccountState(abc.ABC, Generic[O, B]):
    """Orders and balances as they are known. The account's lock guards it."""

    def __init__(self) -> None:
        self.orders: Dict[str, O] = {}
        self.coins: Dict[str, B] = {}
        self.version = 0
        self.wallets = 0
        """Messages about balances so far."""
        self._ended: "collections.OrderedDict[str, int]" = collections.OrderedDict()
        # What the stream brought since the snapshot on its way was asked for.
        self._touched: Set[object] = set()
        self._coin_ms: Dict[str, int] = {}

    # -- a venue's rules -------------------------------------------------------------------------------

    @abc.abstractmethod
    def order_id(self, order: O) -> str:
        """Return the venue's id of an order."""

    @abc.abstractmethod
    def order_version(self, order: O) -> Tuple[Any, ...]:
        """Return what is greater in a newer row of an order."""

    @abc.abstractmethod
    def is_open(self, order: O) -> bool:
        """True if an order is open."""

    def ended_ms(self, order: O) -> int:
        """Return the time of the end of an order, if a later row may open it again."""
        return 0

    @abc.abstractmethod
    def coin(self, balance: B) -> str:
        """Return whose balance it is."""

    @abc.abstractmethod
    def amount(self, balance: B) -> Any:
        """Return what has to agree with the venue."""

    def has_any(self, balance: B) -> bool:
        """False if the account has none of a coin, and owes none."""
        return bool(self.amount(balance))

    # -- the stream ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A snapshot is asked for now."""
        self._touched.clear()

    def take_orders(self, rows: Iterable[O]) -> None:
        for row in rows:
            self._touched.add(self.order_id(row))
            self._order(row)

    def take_balances(self, rows: Iterable[B], time_ms: int) -> None:
        """Take in the balances that changed."""
        self.wallets += 1
        for row in rows:
            name = self.coin(row)
            self._touched.add(name)
            self._coin_ms[name] = time_ms
            self._set(self.coins, name, row if self.has_any(row) else None)

    # -- a snapshot ------------------------------------------------------------------------------------

    def missing(self, listed: Listed) -> List[O]:
        """Return the orders that are open here and not listed: each is to be asked for by its id."""
        known = {self.order_id(order) for order in listed.orders}
        return [order for key, order in self.orders.items() if key not in known and key not in self._touched]

    def renew(self, listed: Listed, ended: Mapping[str, Optional[O]], quiet: bool = False) -> List[Difference]:
        """Take in a snapshot. ``ended``: the rows of the ``missing`` ones, None for those that the venue does not know;
        ``quiet``: no message about balances came since they were asked for. Returns what differed."""
        found: List[Difference] = []
        for order in (*listed.orders, *(row for row in ended.values() if row is not None)):
            key = self.order_id(order)
            before = self.orders.get(key)
            self._order(order, listed=True)
            after = self.orders.get(key)
            if after != before and key not in self._touched:
                found.append(("order", before, after))
        for key in [key for key, row in ended.items() if row is None and key not in self._touched]:
            found.append(("order", self.orders.get(key), None))
            self._set(self.orders, key, None)
        return found + self._renew_coins({self.coin(coin): coin for coin in listed.coins}, listed.wallet_ms, quiet)

    def _renew_coins(self, listed: Mapping[str, B], wallet_ms: int, quiet: bool) -> List[Difference]:
        found: List[Difference] = []
        for name in {*self.coins, *listed}:
            if not quiet and name in self._touched and self._coin_ms.get(name, 0) >= wallet_ms:
                continue
            ours, theirs = self.coins.get(name), listed.get(name)
            theirs = theirs if theirs is not None and self.has_any(theirs) else None
            if self._amount(ours) != self._amount(theirs) and name not in self._touched:
                found.append(("balance", ours, theirs))
            self._renew_coin(name, ours, theirs)
        return found

    def _amount(self, balance: Optional[B]) -> Any:
        return None if balance is None else self.amount(balance)

    def _renew_coin(self, name: str, ours: Optional[B], theirs: Optional[B]) -> None:
        self._set(self.coins, name, theirs)

    # -- merging ---------------------------------------------------------------------------------------

    def _order(self, row: O, listed: bool = False) -> None:
        key = self.order_id(row)
        if self._ended.get(key, -1) >= self.ended_ms(row):
            return
        held = self.orders.get(key)
        if held is not None and self.order_version(held) > self.order_version(row):
            return
        if listed and held is not None and self.order_version(held) == self.order_version(row):
            if key in self._touched or _shows_no_other(row, held):
                return
        is_open = self.is_open(row)
        if not is_open:
            self._ended[key] = self.ended_ms(row)
            while len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)
        self._set(self.orders, key, row if is_open else None)

    def _set(self, table: Dict, key: object, value: object) -> None:  # type: ignore[type-arg]
        if table.get(key) != value:
            self.version += 1
            if value is None:
                del table[key]
            else:
                table[key] = value


def _shows_no_other(row: Any, held: Any) -> bool:
    """True if all that ``row`` shows is as in ``held``."""
    names = attrs.fields_dict(type(row))
    return all(getattr(row, name) in (None, getattr(held, name)) for name in names)
