"""The models of Bybit's public topics, as frozen values.

Names are the venue's in Python spelling (``highPrice24h`` is ``high_price_24h``); its one- and two-letter keys have
words. Times are ms since 1970, as ``int``. Prices, sizes and rates are ``Decimal``, built from the wire text. The
``Optional`` ones are None if the venue sends none or sends an empty text, its sign for "not applicable". Fields
that are texts with few values (sides, tick directions, states) are kept as the venue writes them: it adds new
values without notice.

Pages named below are those of https://bybit-exchange.github.io/docs/v5/.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Optional, Tuple, Type, TypeVar

import attrs

from dbxsdk.errors import ProtocolError
from dbxsdk.fields import WIRE, Lazy, Priced, boolean, decimal, integer, lazy, levels, reader, text, wire

T = TypeVar("T")

Level = Tuple[Decimal, Decimal]
"""One price of a book: (price, size)."""

RpiLevel = Tuple[Decimal, Decimal, Decimal]
"""One price of a book that lists retail orders separately: (price, size without them, size of them)."""


def _rpi_levels(value: Any) -> Tuple[RpiLevel, ...]:
    return tuple((decimal(price), decimal(size), decimal(rpi_size)) for price, size, rpi_size in value)


def _integers(value: Any) -> Tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} is not a list")
    return tuple(integer(item) for item in value)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class OrderBookUpdate(Lazy):
    """``orderbook.{depth}.{symbol}`` and ``orderbook.full.{symbol}``: a part of the book, or all of it.

    ``Update.kind`` says which: a snapshot replaces the book; a delta sets the size of each price that it names, and
    a size of 0 removes the price. Depth 1 sends snapshots only, and repeats the last one when nothing changed for
    3 s. ``orderbook.full`` sends deltas only: its initial state has to be fetched over REST.

    Attributes:
        symbol: the contract or pair.
        bids: (price, size) in the order of the wire; in snapshots best first.
        asks: likewise.
        update_id: the wire's ``u``; 1 in a snapshot after the venue restarted the feed.
        sequence: the wire's ``seq``; grows with the matching engine's time and compares books of different depths,
            but leaves numbers out.
        matching_time_ms: the wire's ``cts``, the matching engine's time; on options it may lie many minutes back.

    Source: websocket/public/orderbook, websocket/public/full-ob, spread/websocket/public/orderbook.
    """

    symbol: str = wire("s", text)
    bids: Tuple[Level, ...] = wire("b", levels)
    asks: Tuple[Level, ...] = wire("a", levels)
    update_id: int = wire("u", integer)
    sequence: int = wire("seq", integer)
    matching_time_ms: Optional[int] = wire("cts", integer, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class RpiOrderBookUpdate(Lazy):
    """``orderbook.rpi.{symbol}``: the book of 50 levels that lists retail price improvement (RPI) orders separately.

    Like ``OrderBookUpdate``, except for the levels: (price, size without RPI orders, size of RPI orders). A price is
    gone when both sizes are 0.

    Source: websocket/public/orderbook-rpi.
    """

    symbol: str = wire("s", text)
    bids: Tuple[RpiLevel, ...] = wire("b", _rpi_levels)
    asks: Tuple[RpiLevel, ...] = wire("a", _rpi_levels)
    update_id: int = wire("u", integer)
    sequence: int = wire("seq", integer)
    matching_time_ms: Optional[int] = wire("cts", integer, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class Trade(Priced):
    """One trade of ``publicTrade.{symbol}``; on options the topic is ``publicTrade.{base coin}``. A frame has up to
    1,024 of them, oldest first.

    Attributes:
        time_ms: when it was filled.
        symbol: the contract or pair; on options one topic carries all contracts of the coin.
        side: the taker's side, ``"Buy"`` or ``"Sell"``.
        size, price: as filled.
        trade_id: a UUID, on spot a number; always a text, since floats cannot represent the numbers.
        is_block_trade: True for a block trade; None if the venue does not say (spread trading).
        is_rpi: True if an RPI order took part; None on options.
        tick_direction: ``"PlusTick"``, ``"ZeroPlusTick"``, ``"MinusTick"``, ``"ZeroMinusTick"``; contracts only.
        sequence: cross sequence; several trades, also of several frames, may share one.
        mark_price, index_price, mark_iv, iv: options only; volatilities as fractions of 1.

    Source: websocket/public/trade, spread/websocket/public/trade.
    """

    time_ms: int = wire("T", integer)
    symbol: str = wire("s", text)
    side: str = wire("S", text)
    size: Decimal = wire("v", decimal)
    price: Decimal = wire("p", decimal)
    trade_id: str = wire("i", text)
    is_block_trade: Optional[bool] = wire("BT", boolean, default=None)
    is_rpi: Optional[bool] = wire("RPI", boolean, default=None)
    tick_direction: Optional[str] = wire("L", text, default=None)
    sequence: Optional[int] = wire("seq", integer, default=None)
    mark_price: Optional[Decimal] = wire("mP", decimal, default=None)
    index_price: Optional[Decimal] = wire("iP", decimal, default=None)
    mark_iv: Optional[Decimal] = wire("mIv", decimal, default=None)
    iv: Optional[Decimal] = wire("iv", decimal, default=None)

    def _trade_columns(self) -> Tuple[Any, ...]:
        return self.price, self.size, self.side.lower(), self.time_ms, self.trade_id


@lazy
@attrs.frozen(kw_only=True, slots=False)
class Kline(Lazy):
    """One candle of ``kline.{interval}.{symbol}``, sent every 1 to 60 s while it grows and once when it closes.

    Attributes:
        start, end: ms since 1970; ``end`` is the candle's last ms.
        interval: ``"1"`` to ``"720"`` minutes, ``"D"``, ``"W"``, ``"M"``.
        volume, turnover: in base and quote coin (spot, linear), or the other way round (inverse).
        confirm: True once the candle is closed.
        timestamp: ms since 1970 of the last trade in it.

    Source: websocket/public/kline.
    """

    start: int = wire("start", integer)
    end: int = wire("end", integer)
    interval: str = wire("interval", text)
    open: Decimal = wire("open", decimal)
    close: Decimal = wire("close", decimal)
    high: Decimal = wire("high", decimal)
    low: Decimal = wire("low", decimal)
    volume: Decimal = wire("volume", decimal)
    turnover: Decimal = wire("turnover", decimal)
    confirm: bool = wire("confirm", boolean)
    timestamp: int = wire("timestamp", integer)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class Liquidation(Lazy):
    """One liquidation of ``allLiquidation.{symbol}`` (linear, inverse; every 500 ms).

    Attributes:
        time_ms: when it was.
        symbol: the contract.
        side: the side of the *position*: ``"Buy"`` means that a long was liquidated.
        size: in contracts or base coin, as the contract counts.
        price: the bankruptcy price.

    Source: websocket/public/all-liquidation.
    """

    time_ms: int = wire("T", integer)
    symbol: str = wire("s", text)
    side: str = wire("S", text)
    size: Decimal = wire("v", decimal)
    price: Decimal = wire("p", decimal)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class LatestLiquidation(Lazy):
    """``liquidation.{symbol}``, at most one a second. The venue retired it and refuses it; mirrors and records of old
    frames may still have it.

    Attributes:
        updated_time: ms since 1970.
        symbol, side, size, price: as in ``Liquidation``.

    Source: websocket/public/liquidation (withdrawn).
    """

    updated_time: int = wire("updatedTime", integer)
    symbol: str = wire("symbol", text)
    side: str = wire("side", text)
    size: Decimal = wire("size", decimal)
    price: Decimal = wire("price", decimal)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class InsurancePool(Lazy):
    """One isolated insurance pool of ``insurance.USDT``, ``insurance.USDC`` or ``insurance.inverse``, every second
    while a balance changes. Pools that several contracts share are not sent.

    Attributes:
        coin: the coin of the balance.
        symbols: the contract; one name, in spite of the plural.
        balance: in ``coin``.
        update_time: ms since 1970.

    Source: websocket/public/insurance-pool.
    """

    coin: str = wire("coin", text)
    symbols: str = wire("symbols", text)
    balance: Decimal = wire("balance", decimal)
    update_time: int = wire("updateTime", integer)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class AdlAlert(Lazy):
    """The state of one contract in ``adlAlert.USDT``, ``adlAlert.USDC`` or ``adlAlert.inverse``, every second: how
    near its insurance pool is to auto-deleveraging (ADL).

    Attributes:
        coin: the coin of the pool.
        symbol: the contract.
        balance: of the pool; may be negative.
        max_balance: withdrawn by the venue; None, or an old value.
        trigger_ratio: the drawdown at which ADL begins, as a fraction of 1 (``i_pr``).
        drawdown_ratio: the pool's drawdown over 8 hours now (``pr``).
        trigger_balance: the balance that ADL needs to begin (``adl_tt``).
        stop_ratio: the drawdown at which ADL ends (``adl_sr``).

    Source: websocket/public/adl-alert.
    """

    coin: str = wire("c", text)
    symbol: str = wire("s", text)
    balance: Decimal = wire("b", decimal)
    max_balance: Optional[Decimal] = wire("mb", decimal, default=None)
    trigger_ratio: Decimal = wire("i_pr", decimal)
    drawdown_ratio: Decimal = wire("pr", decimal)
    trigger_balance: Decimal = wire("adl_tt", decimal)
    stop_ratio: Decimal = wire("adl_sr", decimal)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class PriceLimit(Lazy):
    """``priceLimit.{symbol}``, every 300 ms: the prices beyond which orders are refused.

    Attributes:
        symbol: the contract or pair.
        buy_lmt: the highest price of a buy order.
        sell_lmt: the lowest price of a sell order.

    Source: websocket/public/order-price-limit.
    """

    symbol: str = wire("symbol", text)
    buy_lmt: Decimal = wire("buyLmt", decimal)
    sell_lmt: Decimal = wire("sellLmt", decimal)


@attrs.frozen(kw_only=True)
class SystemStatus:
    """One maintenance or incident of ``system.status``. Interruptions under 10 s are not announced.

    Attributes:
        id, title: of the announcement; ``href`` the page about it.
        state: ``"scheduled"``, ``"ongoing"``, ``"completed"``, ``"canceled"``.
        begin, end: ms since 1970.
        service_types: 1 trading, 2 trading over HTTP, 3 over WebSocket, 4 private WebSocket, 5 market data.
        product: 1 futures, 2 spot, 3 option, 4 spread.
        uid_suffix: last digits of the account numbers that it is about; empty: all.
        maintain_type: 1 planned, 2 temporary, 3 incident.
        env: 1 production, 2 demo.

    Source: websocket/system/system-status.
    """

    id: str = wire("id", text)
    title: str = wire("title", text)
    state: str = wire("state", text)
    begin: Optional[int] = wire("begin", integer, default=None)
    end: Optional[int] = wire("end", integer, default=None)
    href: Optional[str] = wire("href", text, default=None)
    service_types: Tuple[int, ...] = wire("serviceTypes", _integers, default=())
    product: Tuple[int, ...] = wire("product", _integers, default=())
    uid_suffix: Tuple[int, ...] = wire("uidSuffix", _integers, default=())
    maintain_type: Optional[int] = wire("maintainType", integer, default=None)
    env: Optional[int] = wire("env", integer, default=None)


def with_envelope(model: Type[T], key: str) -> Callable[[Any], T]:
    """Return the function that reads a whole frame of a stateful channel: its ``data``, and the envelope's ``key``."""
    read = reader(model)

    def read_frame(frame: Any) -> T:
        # Without it the frame may replace what came before, or change it.
        if frame.get("type") not in ("snapshot", "delta"):
            raise ProtocolError(f"{model.__name__}: the frame's type is neither snapshot nor delta")
        data = frame.get("data")
        if not isinstance(data, dict):
            raise ProtocolError(f"{model.__name__}: expected an object, not {type(data).__name__}")
        return read({**data, key: frame.get(key)})

    [field] = [field.name for field in attrs.fields(model) if field.metadata[WIRE][0] == key]  # type: ignore[arg-type]
    read_frame.enveloped = read, key, field  # type: ignore[attr-defined]
    return read_frame
