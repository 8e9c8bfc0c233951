"""Reads rows of Bybit's REST answers into the models of its streams."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from typing import Any, Dict, Mapping, Optional

from dbxsdk.arguments import check_choice, check_int, check_text
from dbxsdk.bybit.private import models
from dbxsdk.bybit.public.models import Kline, Trade
from dbxsdk.codec import decode
from dbxsdk.errors import ProtocolError
from dbxsdk.fields import integer, reader
from dbxsdk.runtime.clock import wall_ns

CATEGORIES = ("spot", "linear", "inverse", "option")
"""Those in which orders are placed."""
CHANNELS = ("publicTrade", "kline.{interval}", "order", "execution", "position", "wallet")

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_EPOCH = datetime(1970, 1, 1)
_LENGTHS_MS = {"D": _DAY_MS, "W": 7 * _DAY_MS}

_TRADE = {
    "execId": "i",
    "symbol": "s",
    "price": "p",
    "size": "v",
    "side": "S",
    "time": "T",
    "isBlockTrade": "BT",
    "isRPITrade": "RPI",
}
_KLINE = ("start", "open", "high", "low", "close", "volume", "turnover")


def from_rest(channel: str, row: Any, category: Optional[str] = None, *, server_ms: Optional[int] = None) -> Any:
    """Read one row of a REST answer into the model that the stream's ``channel`` has. No I/O.

    Args:
        channel: ``"publicTrade"`` (rows of ``market/recent-trade``), ``"kline.{interval}"`` (``market/kline``), ``"order"``
            (``order/realtime``, ``order/history``), ``"execution"`` (``execution/list``), ``"position"`` (``position/list``) or
            ``"wallet"`` (``account/wallet-balance``).
        row: one item of the answer's ``result.list``.
        category: ``result.category``, which the rows of orders, executions and positions do not repeat.
        server_ms: ``time`` of the answer, for candles, which do not say whether they are closed. None: this machine's time.

    Returns:
        ``bybit.Trade``, ``Kline``, ``Order``, ``Execution``, ``Position`` or ``Wallet``. What only the stream has is None. A
        candle's ``timestamp`` is its end, or ``server_ms`` while it is open.

    Raises:
        TypeError, ValueError: naming the argument.
        ProtocolError: the row cannot be read; fields of trades and candles are read when they are accessed.

    Source: market/recent-trade, market/kline, order/open-order, order/order-list, order/execution, position,
    account/wallet-balance.
    """
    name = check_text("channel", channel)
    if name in _READERS:
        read, categorised = _READERS[name]
        document = _object(name, row)
        if categorised:
            given = document.get("category") if category is None else category
            if given is None:
                raise ValueError(f"category is needed for channel {name!r}: rows of REST do not repeat it")
            document = {**document, "category": check_choice("category", given, CATEGORIES)}
        return read(document)
    interval = name[len("kline.") :] if name.startswith("kline.") else ""
    if interval in _LENGTHS_MS or interval == "M" or interval.isdecimal() and 0 < int(interval) <= 720:
        now_ms = wall_ns() // 1_000_000 if server_ms is None else check_int("server_ms", server_ms, least=0)
        return _read_candle(interval, row, now_ms)
    raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}")


def candle_end(interval: str, start_ms: int) -> int:
    """Return the last millisecond of the candle of ``interval`` that begins at ``start_ms``."""
    if interval == "M":
        month = _EPOCH + timedelta(milliseconds=start_ms)
        return start_ms + calendar.monthrange(month.year, month.month)[1] * _DAY_MS - 1
    return start_ms + (_LENGTHS_MS.get(interval) or int(interval) * _MINUTE_MS) - 1


def _read_candle(interval: str, row: Any, now_ms: int) -> Kline:
    if not isinstance(row, list) or len(row) < len(_KLINE):
        raise ProtocolError("Kline: expected a list of seven texts")
    try:
        start = integer(row[0])
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"Kline: the field 'start' cannot be read: {error}") from error
    try:
        end = candle_end(interval, start)
    except OverflowError as error:
        raise ProtocolError("Kline: the field 'start' is no time") from error
    closed = end < now_ms
    times = {"end": end, "interval": interval, "confirm": closed, "timestamp": end if closed else max(start, now_ms)}
    return _READ_KLINE({**{field: row[index] for index, field in enumerate(_KLINE)}, **times})


def _object(channel: str, row: Any) -> Dict[str, Any]:
    if not isinstance(row, dict):
        raise ProtocolError(f"{channel}: expected an object, not {type(row).__name__}")
    return row


def _read_trade(row: Mapping[str, Any]) -> Trade:
    return _READ_TRADE({_TRADE.get(name, name): value for name, value in row.items()})


def _read_execution(row: Mapping[str, Any]) -> models.Execution:
    fees = row.get("extraFees")
    if isinstance(fees, str):  # a list written as a text; the stream has the list itself
        fees = decode(fees) if fees else []
    return _READ_EXECUTION({**row, "extraFees": fees})


def _read_position(row: Mapping[str, Any]) -> models.Position:
    return _READ_POSITION(row if "entryPrice" in row else {**row, "entryPrice": row.get("avgPrice")})


_READ_KLINE = reader(Kline)
_READ_TRADE = reader(Trade)
_READ_EXECUTION = reader(models.Execution)
_READ_POSITION = reader(models.Position)

_READERS: Mapping[str, Any] = {
    "publicTrade": (_read_trade, False),
    "order": (reader(models.Order), True),
    "execution": (_read_execution, True),
    "position": (_read_position, True),
    "wallet": (reader(models.Wallet), False),
}
