"""Compares an account that is kept current with the local venue's record."""

from __future__ import annotations

from dbxsdk.bybit import Account
from dbxsdk.sim import BybitVenue


def agrees(account: Account, venue: BybitVenue) -> bool:
    """Return True if it is the venue's, whole, and says so."""
    now = account.snapshot()
    balances = {coin: each["total"] for coin, each in venue.balances().items() if each["total"]}
    return (
        not now.is_stale
        and {each.order_id for each in now.orders} == {each.id for each in venue.orders() if each.open}
        and [(each.symbol, each.size) for each in now.positions] == [(each.symbol, abs(each.size)) for each in venue.positions()]
        and {coin: each.wallet_balance for coin, each in now.balances.items()} == balances
    )
