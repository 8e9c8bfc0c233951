"""Compares an account that is kept current with the local venue's record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict

from dbxsdk.sim import BybitVenue, DigiFinexVenue


def agrees(account: Any, venue: Any) -> bool:
    """Return True if it is the venue's, whole, and says so."""
    now = account.snapshot()
    return not now.is_stale and now_of(now, venue) == truth(venue)


def now_of(now: Any, venue: Any) -> Dict[str, Any]:
    """What a snapshot shows, to compare with ``truth``."""
    if isinstance(venue, BybitVenue):
        return {
            "orders": {each.order_id for each in now.orders},
            "positions": [(each.symbol, each.size) for each in now.positions],
            "balances": {coin: each.wallet_balance for coin, each in now.balances.items()},
        }
    if isinstance(venue, DigiFinexVenue):
        return {
            "orders": {each.id: each.filled for each in now.orders},
            "balances": {coin: (each.free, each.used) for coin, each in now.balances.items()},
        }
    return {
        "orders": {each.id: each.filled_quantity for each in now.orders},
        "balances": {coin: each.new_balance for coin, each in now.balances.items()},
    }


def truth(venue: Any) -> Dict[str, Any]:
    """What the venue has."""
    if isinstance(venue, BybitVenue):
        return {
            "orders": {each.id for each in venue.orders() if each.open},
            "positions": [(each.symbol, abs(each.size)) for each in venue.positions()],
            "balances": {coin: each["total"] for coin, each in venue.balances().items() if each["total"]},
        }
    if isinstance(venue, DigiFinexVenue):
        return {
            "orders": {each["id"]: Decimal(each["filled"]) for each in venue.orders()},
            "balances": {coin: (each["free"], each["used"]) for coin, each in venue.balances().items() if each["total"]},
        }
    return {
        "orders": {each["id"]: Decimal(each["filledQuantity"]) for each in venue.orders()},
        "balances": {coin: amount for coin, amount in venue.balances().items() if amount},
    }
