"""The models of Bybit's public topics of event contracts, which are quoted by what they pay out instead of a price.

Names, numbers and absent fields are as in ``models``. Symbols are like ``"ETHUSDT-28AUG26-2450-2570-OUT"``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Optional, Tuple

import attrs

from dbxsdk.bybit.public.models import Level
from dbxsdk.fields import Lazy, decimal, integer, lazy, levels, text, wire


@lazy
@attrs.frozen(kw_only=True, slots=False)
class EventBookUpdate(Lazy):
    """``orderbook.25.{symbol}`` of event contracts: one list of quotes, without sides.

    ``Update.kind`` says what it is: a snapshot replaces the quotes; a delta sets the value at each ratio that it names, and
    a value of 0 removes it.

    Attributes:
        ratios: (payout ratio, order value).
        update_id: the wire's ``u``; 1 after the venue restarted the feed.
        matching_time_ms: the wire's ``cts``.

    Source: event/websocket/public/orderbook.
    """

    symbol: str = wire("s", text)
    ratios: Tuple[Level, ...] = wire("r", levels)
    update_id: int = wire("u", integer)
    sequence: int = wire("seq", integer)
    matching_time_ms: Optional[int] = wire("cts", integer, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class EventTrade(Lazy):
    """One trade of ``publicTrade.{symbol}`` of event contracts. It has no side.

    Attributes:
        time_ms: when it was filled.
        payout_ratio: what one unit of value brings if it wins.
        value: what was traded (the wire's ``a``).
        sequence: cross sequence.

    Source: event/websocket/public/trade.
    """

    time_ms: int = wire("T", integer)
    symbol: str = wire("s", text)
    payout_ratio: Decimal = wire("r", decimal)
    value: Decimal = wire("a", decimal)
    trade_id: str = wire("i", text)
    sequence: Optional[int] = wire("seq", integer, default=None)
