"""What Bybit's REST side has of the channels of its streams.

Source: market/recent-trade, market/kline, order/execution, order/open-order, order/order-list, position, account/wallet-balance.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Hashable, Iterator, List, Mapping, Optional, Tuple

from dbxsdk.backfill.twin import Fetched, Row, Since, Twin
from dbxsdk.bybit import rest
from dbxsdk.bybit.rest import BybitRest
from dbxsdk.bybit.rest_rows import CATEGORIES, candle_end, from_rest
from dbxsdk.errors import ProtocolError
from dbxsdk.models import Update

RECENT_TRADES = "/v5/market/recent-trade"
CANDLES = "/v5/market/kline"

_MOST_CANDLES = 1000
_OVERLAP_MS = 5000
"""How much earlier than wanted executions are asked for: those of one moment come in no order."""
_CLOCKS_MS = 2000
"""How wrong the difference of two clocks may be."""
_REACH_MS = 7 * 24 * 3600 * 1000 - 60_000
"""Executions and closed orders of at most seven days come at once."""

_CATEGORIES: Tuple[Mapping[str, str], ...] = (
    {"category": "spot"},
    {"category": "linear"},
    {"category": "inverse"},
    # Of options it lists those of one base coin only.
    *({"category": "option", "baseCoin": coin} for coin in ("BTC", "ETH", "SOL", "XRP", "MNT", "DOGE")),
)


class TradesTwin(Twin):
    """``publicTrade``: the last 1,000 trades of a contract, the last 60 of a spot pair. No page further back."""

    def __init__(self, rest: BybitRest, category: str) -> None:
        self._rest = rest
        self._category = category

    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
        return item.trade_id, (item.time_ms, item.sequence or 0)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        named = {"baseCoin" if self._category == "option" else "symbol": symbol}
        limit = 60 if self._category == "spot" else 1000
        result = self._rest.public(RECENT_TRADES, {"category": self._category, **named, "limit": limit}, deadline)
        trades = [(from_rest("publicTrade", row), row) for row in _rows(RECENT_TRADES, result)]
        if self._category != "option" and any(trade.symbol != symbol for trade, _ in trades):
            raise ProtocolError(f"{RECENT_TRADES}: the answer has trades of another symbol than {symbol}")
        # Newest first; of one moment the order of the rows is the best there is.
        rows = (Row(trade.trade_id, (trade.time_ms, trade.sequence or 0), trade, row) for trade, row in trades[::-1])
        return Fetched(tuple(rows), ahead_ms=self._rest.ahead_ms)


class CandlesTwin(Twin):
    """``kline.{interval}``: years back, by pages. A candle is given out once it is closed."""

    has_ids = False
    kept = 16

    def __init__(self, rest: BybitRest, category: str, interval: str) -> None:
        self._rest = rest
        self._category = category
        self._interval = interval

    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
        return (item.start, item.confirm), (item.start, int(item.confirm))

    def changes(self, key: Any) -> bool:
        return not key[1]

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        now_ms = self._rest.server_ms(deadline)  # read before: what is closed by then is whole in what is asked now
        asked = {"category": self._category, "symbol": symbol, "interval": self._interval, "limit": _MOST_CANDLES}
        begin = _begin_ms(self._rest, since, 0)
        begin -= candle_end(self._interval, begin) - begin  # the candle in which it lies
        end: Optional[int] = None
        found: List[Row] = []
        while True:
            result = self._rest.public(CANDLES, {**asked, "start": max(begin, 0), "end": end}, deadline)
            page = [self._row(row, now_ms) for row in _rows(CANDLES, result)]
            found += page
            if len(page) < _MOST_CANDLES:
                return Fetched(tuple(found[::-1]), whole=True, ahead_ms=self._rest.ahead_ms)
            oldest = page[-1].order[0]
            if end is not None and oldest > end:
                raise ProtocolError(f"{CANDLES}: the answer's pages do not end")
            end = oldest - 1

    def _row(self, row: Any, now_ms: int) -> Row:
        candle = from_rest(f"kline.{self._interval}", row, server_ms=now_ms)
        key, order = (candle.start, candle.confirm), (candle.start, int(candle.confirm))
        return Row(key, order, candle, row, is_open=not candle.confirm)


class ExecutionsTwin(Twin):
    """``execution``: of the last seven days, by pages."""

    slack_ms = _OVERLAP_MS  # fills of several symbols come in no order
    kept = 1024

    def __init__(self, rest: BybitRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
        return item.exec_id, (item.exec_time,)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        reach = self._rest.server_ms(deadline) - _REACH_MS
        begin = max(_begin_ms(self._rest, since, _OVERLAP_MS), reach)
        found: Dict[str, Row] = {}
        for asked in _CATEGORIES:
            for row in self._rest.rows(rest.EXECUTIONS, {**asked, "startTime": begin, "limit": 100}, deadline):
                item = from_rest("execution", row)
                found[item.exec_id] = Row(item.exec_id, (item.exec_time,), item, row)
        rows = sorted(found.values(), key=lambda row: row.order)
        return Fetched(tuple(rows), whole=begin > reach, ahead_ms=self._rest.ahead_ms)


class OrdersTwin(Twin):
    """``order``: all open orders, and those that were closed since the hole began."""

    is_state = True

    def __init__(self, rest: BybitRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
        return item.order_id, (item.updated_time or 0,)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        found: Dict[str, Row] = {}
        now_ms = self._rest.server_ms(deadline)
        reach = now_ms - _REACH_MS
        begin = None if since.from_ms is None else max(_begin_ms(self._rest, since, _OVERLAP_MS), reach)
        for row in self._all(begin, deadline):
            item = from_rest("order", row)
            new = Row(item.order_id, (item.updated_time or 0,), item, row)
            # One that was closed meanwhile is in both lists.
            if item.order_id not in found or found[item.order_id].order <= new.order:
                found[item.order_id] = new
        whole = begin is None or begin > reach
        return Fetched(tuple(sorted(found.values(), key=lambda row: row.order)), whole=whole)

    def _all(self, begin: Optional[int], deadline: float) -> Iterator[Mapping[str, Any]]:
        # The open ones first: one that is closed between both questions is in the second answer, if that does not lag.
        yield from self._rest.open_orders(deadline)
        if begin is not None:
            for category in CATEGORIES:
                asked = {"category": category, "startTime": begin, "limit": 50}
                yield from self._rest.rows(rest.ORDER_HISTORY, asked, deadline)


class PositionsTwin(Twin):
    """``position``: those that are not flat."""

    is_state = True

    def __init__(self, rest: BybitRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
        return (item.category, item.symbol, item.position_idx), (item.updated_time or 0, item.seq)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        rows = []
        for row in self._rest.positions(deadline):
            item = from_rest("position", row)
            if item.size:
                key, order = (item.category, item.symbol, item.position_idx), (item.updated_time or 0, item.seq)
                rows.append(Row(key, order, item, row))
        return Fetched(tuple(rows), whole=True)


class WalletTwin(Twin):
    """``wallet``: the balances that are not zero. It has no version: the time of the answer stands for it."""

    is_state = True

    def __init__(self, rest: BybitRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
        return item.account_type, (update.venue_time_ms or 0,)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        asked, rows = self._rest.wallets(deadline)
        items = [(from_rest("wallet", row), row) for row in rows]
        return Fetched(tuple(Row(item.account_type, (asked,), item, row) for item, row in items), whole=True)


def _begin_ms(rest: BybitRest, since: Since, earlier_ms: int) -> int:
    """From when on rows are asked for, by the venue's clock."""
    begin = (since.from_ms or 0) - earlier_ms
    return max(begin + (rest.ahead_ms or 0) - _CLOCKS_MS if since.by_our_clock else begin, 0)


def _rows(path: str, result: Mapping[str, Any]) -> List[Any]:
    rows = result.get("list")
    if not isinstance(rows, list):
        raise ProtocolError(f"{path}: the answer has no list of rows")
    return rows


PRIVATE: Mapping[str, Callable[[BybitRest], Twin]] = {
    "order": OrdersTwin,
    "execution": ExecutionsTwin,
    "position": PositionsTwin,
    "wallet": WalletTwin,
}
