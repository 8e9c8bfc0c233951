"""Atoll's updates as frozen values. Prices and sizes are ``Decimal``."""

from __future__ import annotations

from decimal import Decimal
from typing import Optional, Tuple

import attrs

from dbxsdk.fields import Lazy, decimal, integer, lazy, levels, text, wire


@lazy
@attrs.frozen(slots=False)
class Trade(Lazy):
    """One trade of ``trades``. ``side`` is the taker's: ``"buy"`` or ``"sell"``."""

    number: int = wire("no", integer)
    price: Decimal = wire("px", decimal)
    size: Decimal = wire("qty", decimal)
    side: str = wire("way", text)


@lazy
@attrs.frozen(slots=False)
class Book(Lazy):
    """One update of ``book``: all of it, or what changed; a size of 0 deletes. ``number`` counts the updates."""

    number: int = wire("no", integer)
    bids: Tuple[Tuple[Decimal, Decimal], ...] = wire("bids", levels, default=())
    asks: Tuple[Tuple[Decimal, Decimal], ...] = wire("asks", levels, default=())


@attrs.frozen
class Fill:
    """One of the account's orders was filled (``fills``). ``fee`` is None where there was none."""

    order_id: str = wire("order", text)
    price: Decimal = wire("px", decimal)
    size: Decimal = wire("qty", decimal)
    fee: Optional[Decimal] = wire("fee", decimal, default=None)
