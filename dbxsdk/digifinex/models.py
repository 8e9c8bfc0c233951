"""The models of DigiFinex's updates, as frozen values.

Source: the venue's spot WebSocket pages (first edition 2019, later web edition).

Prices and amounts are ``Decimal`` in the symbol's own units; ``symbol`` is ``BASE_QUOTE`` in upper case.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Tuple

import attrs

from dbxsdk.fields import Lazy, decimal, integer, lazy, levels, text, wire


@lazy
@attrs.frozen(slots=False)
class Trade(Lazy):
    """One trade of ``trades``.

    Attributes:
        id: the venue's trade id. The history after each (re)subscription repeats trades: de-duplicate by it.
        time: seconds since 1970, to the microsecond if the venue sends it.
        price: in quote currency.
        amount: in base currency.
        type: ``"buy"`` or ``"sell"``, the taker's side.
    """

    id: int = wire("id", integer)
    time: Decimal = wire("time", decimal)
    price: Decimal = wire("price", decimal)
    amount: Decimal = wire("amount", decimal)
    type: str = wire("type", text)

    def _trade_columns(self) -> Tuple[Any, ...]:
        return self.price, self.amount, self.type, int(self.time * 1000), str(self.id)


@lazy
@attrs.frozen(slots=False)
class Depth(Lazy):
    """One update of ``depth``: the whole book if ``Update.kind`` is ``"snapshot"``, else what changed.

    Rows are ``(price, amount)`` in the order of the wire: **asks come best last**, bids best first; do not rely on the
    order of a delta's rows. Amounts are absolute; 0 deletes the level. There is no sequence number.
    """

    asks: Tuple[Tuple[Decimal, Decimal], ...] = wire("asks", levels, default=())
    bids: Tuple[Tuple[Decimal, Decimal], ...] = wire("bids", levels, default=())


@lazy
@attrs.frozen(slots=False)
class Ticker(Lazy):
    """24-hour figures of one symbol (``ticker`` and ``all_ticker``). ``timestamp`` is in ms since 1970.

    ``high_24h`` is in no document of the venue, though clients have read it: None if it is missing.
    """

    symbol: str = wire("symbol", text)
    last: Decimal = wire("last", decimal)
    timestamp: int = wire("timestamp", integer)
    open_24h: Optional[Decimal] = wire("open_24h", decimal, default=None)
    high_24h: Optional[Decimal] = wire("high_24h", decimal, default=None)
    low_24h: Optional[Decimal] = wire("low_24h", decimal, default=None)
    base_volume_24h: Optional[Decimal] = wire("base_volume_24h", decimal, default=None)
    quote_volume_24h: Optional[Decimal] = wire("quote_volume_24h", decimal, default=None)
    last_qty: Optional[Decimal] = wire("last_qty", decimal, default=None)
    best_bid: Optional[Decimal] = wire("best_bid", decimal, default=None)
    best_bid_size: Optional[Decimal] = wire("best_bid_size", decimal, default=None)
    best_ask: Optional[Decimal] = wire("best_ask", decimal, default=None)
    best_ask_size: Optional[Decimal] = wire("best_ask_size", decimal, default=None)


@attrs.frozen
class Order:
    """One state of one of the account's orders (``order``).

    Attributes:
        status: 0 unfilled, 1 partly filled, 2 filled, 3 cancelled unfilled, 4 cancelled partly filled.
        filled: cumulative, in base currency.
        amount, price: 0 for a market buy, whose size is in ``notional`` (quote currency).
        mode: 1 spot, 2 margin.
        timestamp: ms since 1970.
    """

    id: str = wire("id", text)
    symbol: str = wire("symbol", text)
    side: str = wire("side", text)
    type: str = wire("type", text)
    status: int = wire("status", integer)
    price: Decimal = wire("price", decimal)
    amount: Decimal = wire("amount", decimal)
    filled: Decimal = wire("filled", decimal)
    timestamp: int = wire("timestamp", integer)
    notional: Optional[Decimal] = wire("notional", decimal, default=None)
    price_avg: Optional[Decimal] = wire("price_avg", decimal, default=None)
    mode: Optional[int] = wire("mode", integer, default=None)


@attrs.frozen
class AlgoOrder:
    """One state of one of the account's conditional orders (``order_algo``).

    ``status``: -2 failed, -1 cancelled, 0 ready, 1 taking effect, 2 succeeded. ``timestamp`` in ms since 1970.
    """

    id: str = wire("id", text)
    symbol: str = wire("symbol", text)
    side: str = wire("side", text)
    status: int = wire("status", integer)
    algo_price: Decimal = wire("algo_price", decimal)
    trigger_price: Decimal = wire("trigger_price", decimal)
    amount: Decimal = wire("amount", decimal)
    timestamp: int = wire("timestamp", integer)
    mode: Optional[int] = wire("mode", integer, default=None)


@attrs.frozen
class Balance:
    """One currency of the account (``balance``), sent when it changes; nothing is sent on subscription."""

    currency: str = wire("currency", text)
    total: Decimal = wire("total", decimal)
    free: Decimal = wire("free", decimal)
    used: Decimal = wire("used", decimal)
