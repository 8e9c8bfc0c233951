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

from decimal import Decimal
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.account import state
from dbxsdk.account.state import Difference, Listed
from dbxsdk.bybit.private.models import OPEN, Order, Position, Wallet, WalletCoin

PositionKey = Tuple[str, str, int]


@attrs.frozen(kw_only=True)
class AccountSnapshot(state.AccountSnapshot[Order, WalletCoin]):
    """An account at one moment. A value: it never changes.

    Attributes:
        orders: the open ones, by creation.
        positions: those that are not flat.
        balances: by coin.
        version: grows with each change in this process.
        is_stale: as it was in the account.
    """

    positions: Tuple[Position, ...]


@attrs.frozen(kw_only=True)
class ListedPositions(Listed):
    """What REST said, with the positions that are not flat."""

    positions: Sequence[Position] = ()


class AccountState(state.AccountState[Order, WalletCoin]):
    """Orders, positions and balances as they are known. The account's lock guards it."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: Dict[PositionKey, Position] = {}
        self._versions: Dict[PositionKey, Tuple[int, int]] = {}  # of flat positions, too

    def order_id(self, order: Order) -> str:
        return order.order_id

    def order_version(self, order: Order) -> Tuple[int, bool, Decimal]:
        return order.updated_time or 0, order.order_status not in OPEN, order.cum_exec_qty or Decimal(0)

    def is_open(self, order: Order) -> bool:
        return order.order_status in OPEN

    def ended_ms(self, order: Order) -> int:
        return order.updated_time or 0

    def coin(self, balance: WalletCoin) -> str:
        return balance.coin

    def amount(self, balance: WalletCoin) -> Any:
        return balance.wallet_balance

    def has_any(self, balance: WalletCoin) -> bool:
        return bool(balance.wallet_balance or balance.locked or balance.borrow_amount or balance.equity)

    def take_positions(self, rows: Iterable[Position]) -> None:
        for row in rows:
            self._touched.add(_key(row))
            self._position(row)

    def take_wallet(self, wallet: Wallet, created_ms: int) -> None:
        """Take in the coins that changed."""
        self.take_balances(wallet.coin, created_ms)

    def renew(self, listed: Listed, ended: Mapping[str, Optional[Order]], quiet: bool = False) -> List[Difference]:
        found = super().renew(listed, ended, quiet)
        positions = listed.positions if isinstance(listed, ListedPositions) else ()
        listed_keys = {_key(position) for position in positions}
        for position in positions:
            held = self.positions.get(_key(position))
            self._position(position, listed=True)
            if _size(held) != _size(self.positions.get(_key(position))) and _key(position) not in self._touched:
                found.append(("position", held, position))
        for name in [name for name in self.positions if name not in listed_keys and name not in self._touched]:
            found.append(("position", self.positions[name], None))
            self._set(self.positions, name, None)
            # Its version stays: an older row does not open it again.
        return found

    def _position(self, row: Position, listed: bool = False) -> None:
        key, version, held = _key(row), (row.seq or -1, row.updated_time or 0), self._versions.get(_key(row), (-1, 0))
        if version > held or (version == held and not (listed and key in self._touched)):
            self._versions[key] = version
            self._set(self.positions, key, row if row.size else None)


def _key(position: Position) -> PositionKey:
    return position.category, position.symbol, position.position_idx


def _size(position: Optional[Position]) -> object:
    return None if position is None else (position.side, position.size)
