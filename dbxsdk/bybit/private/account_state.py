"""One account's state out of REST snapshots and the stream, merged by the venue's versions. Pure.

* Orders: the greater ``updated_time`` is the newer; of two of one time the one that has ended, then the one of which more is
  filled. What has ended is remembered for a while, so that an older row does not open it again.
* Positions: the greater ``seq``, then the greater ``updated_time``. A position that the venue lists no more is flat.
* Of equal versions of both, that counts which the stream brought since REST was asked. An order's row of REST that shows nothing
  else than ours does not replace it: the stream shows more.
* Balances have no version: a snapshot counts as of the venue's time when it was asked for, a message as of its creation. What
  came while a snapshot was on its way, and is not older than it, stays.

Source: order/open-order, position, account/wallet-balance, websocket/private/order, position, wallet.
"""

from __future__ import annotations

import collections
from decimal import Decimal
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.bybit.private.models import OPEN, Order, Position, Wallet, WalletCoin

_ENDED_KEPT = 10_000

PositionKey = Tuple[str, str, int]


@attrs.frozen(kw_only=True)
class AccountSnapshot:
    """An account at one moment. A value: it never changes.

    Attributes:
        orders: the open ones, by creation.
        positions: those that are not flat.
        balances: by coin.
        version: grows with each change in this process.
        is_stale: as it was in the account.
    """

    orders: Tuple[Order, ...]
    positions: Tuple[Position, ...]
    balances: Mapping[str, WalletCoin] = attrs.field(hash=False)
    version: int
    is_stale: bool


@attrs.frozen(kw_only=True)
class Listed:
    """What REST said: open orders, positions that are not flat, coins, and the venue's time of these in ms."""

    orders: Sequence[Order]
    positions: Sequence[Position]
    coins: Sequence[WalletCoin] = ()
    wallet_ms: int = 0


Difference = Tuple[str, object, object]
"""What differs (``"order"``, ``"position"``, ``"balance"``), what was known, and what the venue says; None: nothing."""


class AccountState:
    """Orders, positions and balances as they are known. The account's lock guards it."""

    def __init__(self) -> None:
        self.orders: Dict[str, Order] = {}
        self.positions: Dict[PositionKey, Position] = {}
        self.coins: Dict[str, WalletCoin] = {}
        self.version = 0
        self.wallets = 0
        """Messages about balances so far."""
        self._ended: "collections.OrderedDict[str, int]" = collections.OrderedDict()
        self._versions: Dict[PositionKey, Tuple[int, int]] = {}  # of flat positions, too
        # What the stream brought since the snapshot on its way was asked for.
        self._touched: Set[object] = set()
        self._coin_ms: Dict[str, int] = {}

    def begin(self) -> None:
        """A snapshot is asked for now."""
        self._touched.clear()

    # -- the stream ------------------------------------------------------------------------------------

    def take_orders(self, rows: Iterable[Order]) -> None:
        for row in rows:
            self._touched.add(row.order_id)
            self._order(row)

    def take_positions(self, rows: Iterable[Position]) -> None:
        for row in rows:
            self._touched.add(_key(row))
            self._position(row)

    def take_wallet(self, wallet: Wallet, created_ms: int) -> None:
        """Take in the coins that changed."""
        self.wallets += 1
        for coin in wallet.coin:
            self._touched.add(coin.coin)
            self._coin_ms[coin.coin] = created_ms
            self._set(self.coins, coin.coin, coin if _has_any(coin) else None)

    # -- a snapshot ------------------------------------------------------------------------------------

    def missing(self, listed: Listed) -> List[Order]:
        """Return the orders that are open here and not listed: each is to be asked for by its id."""
        known = {order.order_id for order in listed.orders}
        return [order for key, order in self.orders.items() if key not in known and key not in self._touched]

    def renew(self, listed: Listed, ended: Mapping[str, Optional[Order]], quiet: bool = False) -> List[Difference]:
        """Take in a snapshot. ``ended``: the rows of the ``missing`` ones, None for those that the venue does not know;
        ``quiet``: no message about balances came since they were asked for. Returns what differed."""
        found: List[Difference] = []
        for order in (*listed.orders, *(row for row in ended.values() if row is not None)):
            before = self.orders.get(order.order_id)
            self._order(order, listed=True)
            after = self.orders.get(order.order_id)
            if after != before and order.order_id not in self._touched:
                found.append(("order", before, after))
        for key in [key for key, row in ended.items() if row is None and key not in self._touched]:
            found.append(("order", self.orders.get(key), None))
            self._set(self.orders, key, None)
        listed_keys = {_key(position) for position in listed.positions}
        for position in listed.positions:
            held = self.positions.get(_key(position))
            self._position(position, listed=True)
            if _size(held) != _size(self.positions.get(_key(position))) and _key(position) not in self._touched:
                found.append(("position", held, position))
        for name in [name for name in self.positions if name not in listed_keys and name not in self._touched]:
            found.append(("position", self.positions[name], None))
            self._set(self.positions, name, None)
            # Its version stays: an older row does not open it again.
        return found + self._renew_coins({coin.coin: coin for coin in listed.coins}, listed.wallet_ms, quiet)

    def _renew_coins(self, listed: Mapping[str, WalletCoin], wallet_ms: int, quiet: bool) -> List[Difference]:
        found: List[Difference] = []
        for name in {*self.coins, *listed}:
            if not quiet and name in self._touched and self._coin_ms.get(name, 0) >= wallet_ms:
                continue
            ours, theirs = self.coins.get(name), listed.get(name)
            theirs = theirs if theirs is not None and _has_any(theirs) else None
            if (ours and ours.wallet_balance) != (theirs and theirs.wallet_balance):
                if name not in self._touched:
                    found.append(("balance", ours, theirs))
            self._set(self.coins, name, theirs)
        return found

    # -- merging ---------------------------------------------------------------------------------------

    def _order(self, row: Order, listed: bool = False) -> None:
        key, time_ms = row.order_id, row.updated_time or 0
        if self._ended.get(key, -1) >= time_ms:
            return
        held = self.orders.get(key)
        if held is not None and _version(held) > _version(row):
            return
        if listed and held is not None and _version(held) == _version(row):
            if key in self._touched or _shows_no_other(row, held):
                return
        is_open = row.order_status in OPEN
        if not is_open:
            self._ended[key] = time_ms
            while len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)
        self._set(self.orders, key, row if is_open else None)

    def _position(self, row: Position, listed: bool = False) -> None:
        key, version, held = _key(row), (row.seq or -1, row.updated_time or 0), self._versions.get(_key(row), (-1, 0))
        if version > held or (version == held and not (listed and key in self._touched)):
            self._versions[key] = version
            self._set(self.positions, key, row if row.size else None)

    def _set(self, table: Dict, key: object, value: object) -> None:  # type: ignore[type-arg]
        if table.get(key) != value:
            self.version += 1
            if value is None:
                del table[key]
            else:
                table[key] = value


def _version(order: Order) -> Tuple[int, bool, Decimal]:
    return order.updated_time or 0, order.order_status not in OPEN, order.cum_exec_qty or Decimal(0)


def _shows_no_other(row: Order, held: Order) -> bool:
    """True if all that ``row`` shows is as in ``held``."""
    names = attrs.fields_dict(Order)
    return all(getattr(row, name) in (None, getattr(held, name)) for name in names)


def _key(position: Position) -> PositionKey:
    return position.category, position.symbol, position.position_idx


def _size(position: Optional[Position]) -> object:
    return None if position is None else (position.side, position.size)


def _has_any(coin: WalletCoin) -> bool:
    """False if the account has none of a coin, and owes none."""
    return bool(coin.wallet_balance or coin.locked or coin.borrow_amount or coin.equity)
