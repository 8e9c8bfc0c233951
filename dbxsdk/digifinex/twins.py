"""What DigiFinex's REST side has of the channels of its spot streams.

Source: docs.digifinex.com, spot v3 REST: trades, order/current, order/history, order, assets.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from dbxsdk.backfill.twin import Fetched, Order as Place, Row, Since, Twin
from dbxsdk.digifinex.models import Balance, Order, Trade
from dbxsdk.digifinex.rest import TRADES, DigiFinexRest, rows_of
from dbxsdk.errors import ConnectError, ProtocolError, RateLimited, VenueError
from dbxsdk.fields import reader
from dbxsdk.models import Update
from dbxsdk.runtime.clock import wall_ns

ASSETS = "/v3/spot/assets"
CLOSED = (2, 3, 4)
"""Statuses of orders that change no more."""

_MARKETS = ("spot", "margin")
_MOST_TRADES, _MOST_ORDERS, _MOST_IDS = 500, 100, 20
_EARLIER_S = 60
"""How much earlier than wanted closed orders are asked for: clocks differ, and the venue says which time it goes by nowhere."""

_LONGEST_S = 30 * 24 * 3600
"""The longest span that may be asked for."""

_read_trade, _read_order, _read_balance = reader(Trade), reader(Order), reader(Balance)


def trade_from_rest(row: Mapping[str, Any]) -> Trade:
    """Read a row of ``trades``. Its time has whole seconds."""
    return _read_trade({**row, "time": row.get("date")})


def order_from_rest(row: Mapping[str, Any], market: str = "spot") -> Order:
    """Read a row of ``order/current``, ``order/history`` or ``order``. ``timestamp`` is when it ended, or was made."""
    kind, symbol = row.get("type"), row.get("symbol")
    side, _, market_order = kind.partition("_") if isinstance(kind, str) else ("", "", "")
    seconds = row.get("finished_date") or row.get("created_date")
    return _read_order(
        {
            "id": row.get("order_id"),
            "symbol": symbol.upper() if isinstance(symbol, str) else symbol,
            "side": side or None,
            "type": market_order or "limit",
            "status": row.get("status"),
            "price": row.get("price"),
            "amount": row.get("amount"),
            "filled": row.get("executed_amount"),
            "timestamp": seconds * 1000 if isinstance(seconds, int) else seconds,
            "notional": row.get("cash_amount"),
            "price_avg": row.get("avg_price"),
            "mode": 2 if row.get("kind", market) == "margin" else 1,
        }
    )


def balance_from_rest(row: Mapping[str, Any]) -> Balance:
    """Read a row of ``assets``."""
    read = _read_balance({**row, "used": 0})
    return Balance(read.currency, read.total, read.free, read.total - read.free)


def order_version(order: Order) -> Place:
    """Return what grows with each change of an order: rows of REST do not say when it changed."""
    return int(order.status in CLOSED), order.filled, order.timestamp


class TradesTwin(Twin):
    """``trades``: the history with which the stream begins, or else the last 500. No page further back."""

    unit_ms = 1000
    begins_with_history = True

    def __init__(self, rest: DigiFinexRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        # By their ids, which grow: REST has other times than the stream.
        return str(item.id), (item.id, int(item.time * 1000))

    def time_ms(self, order: Place) -> int:
        return order[1]  # type: ignore[no-any-return]

    def history(self, update: Update[Any]) -> Tuple[Row, ...]:
        raw = update.raw["params"][1]
        rows = [Row(*self.place(trade, update), trade, row) for trade, row in zip(update.data, raw)]  # noqa: B905 - as many
        return tuple(sorted(rows, key=lambda row: row.order))

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        document = self._rest.public(TRADES, {"symbol": symbol.lower(), "limit": _MOST_TRADES}, deadline)
        found = [(trade_from_rest(row), row) for row in rows_of(TRADES, document)]
        rows = [Row(str(trade.id), (trade.id, int(trade.time * 1000)), trade, row) for trade, row in found]
        return Fetched(tuple(sorted(rows, key=lambda row: row.order)))


class OrdersTwin(Twin):
    """``order``: all open orders of a symbol, and those that ended since the hole began."""

    is_state = True
    kept = 256

    def __init__(self, rest: DigiFinexRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        return item.id, order_version(item)

    def time_ms(self, order: Place) -> int:
        return order[2]  # type: ignore[no-any-return]

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        found: Dict[str, Row] = {}
        for order, raw in open_orders(self._rest, symbol, deadline):
            found[order.id] = Row(order.id, order_version(order), order, raw)
        # The open ones first: one that ends between both questions is in the second answer.
        ended = [key for key in map(str, since.known) if key not in found]
        closed, whole = self._closed(symbol, since, deadline)
        for order, raw in (*orders_by_id(self._rest, ended, deadline), *closed):
            if order.symbol == symbol and (order.id not in found or found[order.id].order <= order_version(order)):
                found[order.id] = Row(order.id, order_version(order), order, raw)
        return Fetched(tuple(sorted(found.values(), key=lambda row: (row.order[2], row.key))), whole=whole)

    def _closed(self, symbol: str, since: Since, deadline: float) -> Tuple[List[Tuple[Order, Any]], bool]:
        """Return those that ended, and True if those are all."""
        if since.from_ms is None:
            return [], True
        ahead_s = self._rest.ahead_ms(deadline) / 1000
        end = int(wall_ns() / 10**9 + ahead_s) + _EARLIER_S
        begin = int(since.from_ms / 1000 + (ahead_s if since.by_our_clock else 0)) - _EARLIER_S
        span = {"symbol": symbol.lower(), "start_time": max(begin, end - _LONGEST_S), "end_time": end}
        full: List[int] = []
        found = each_market(
            lambda market: [
                (order_from_rest(row, market), row)
                for row in _split(self._rest, f"/v3/{market}/order/history", span, deadline, full)
            ]
        )
        return found, not full and begin >= end - _LONGEST_S


class BalancesTwin(Twin):
    """``balance``: what the account has of a currency. There is no version: the moment of asking stands for it."""

    is_state = True

    def __init__(self, rest: DigiFinexRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        return item.currency, (update.received_ns,)

    def time_ms(self, order: Place) -> int:
        return order[0] // 1_000_000  # type: ignore[no-any-return]

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        asked = wall_ns()  # what it shows is as new as that, or newer
        found = [(balance, row) for balance, row in balances(self._rest, deadline) if balance.currency == symbol]
        if not found:  # the account has none of it
            row = {"currency": symbol, "free": 0, "total": 0}
            found = [(balance_from_rest(row), row)]
        return Fetched(tuple(Row(balance.currency, (asked,), balance, row) for balance, row in found), whole=True)


def open_orders(rest: DigiFinexRest, symbol: Optional[str], deadline: float) -> List[Tuple[Order, Any]]:
    """Return the open orders of a symbol, or of all, with their rows."""
    params = {"symbol": None if symbol is None else symbol.lower()}
    return each_market(
        lambda market: [
            (order_from_rest(row, market), row) for row in rest.rows(f"/v3/{market}/order/current", params, deadline)
        ]
    )


def orders_by_id(rest: DigiFinexRest, ids: List[str], deadline: float) -> List[Tuple[Order, Any]]:
    """Return the orders with these ids that the venue still knows, with their rows."""
    found: List[Tuple[Order, Any]] = []
    for begin in range(0, len(ids), _MOST_IDS):
        some = ",".join(ids[begin : begin + _MOST_IDS])
        found += each_market(
            lambda market, some=some: [  # type: ignore[misc]
                (order_from_rest(row, market), row) for row in _known(rest, market, some, deadline)
            ]
        )
    return found


def _known(rest: DigiFinexRest, market: str, ids: str, deadline: float) -> List[Dict[str, Any]]:
    try:
        return rest.rows(f"/v3/{market}/order", {"order_id": ids}, deadline)
    except VenueError as error:
        if error.code == 20013:  # no such order
            return []
        raise


def balances(rest: DigiFinexRest, deadline: float) -> List[Tuple[Balance, Any]]:
    """Return what the account has, with the rows."""
    return [(balance_from_rest(row), row) for row in rest.rows(ASSETS, {}, deadline)]


def each_market(ask: Callable[[str], List[Tuple[Order, Any]]]) -> List[Tuple[Order, Any]]:
    """Return what ``ask`` finds on the spot market and on margin. An account need not have the latter: its refusal means that
    there is none."""
    found = ask(_MARKETS[0])
    try:
        return found + ask(_MARKETS[1])
    except (RateLimited, ConnectError, ProtocolError):
        raise
    except VenueError:
        return found


def _split(
    rest: DigiFinexRest, path: str, span: Dict[str, Any], deadline: float, full: List[int]
) -> List[Dict[str, Any]]:
    """Return all rows of a span of time: there are no pages, so a full one is asked for in halves. A second that has more than
    the venue shows at once goes into ``full``."""
    rows = rest.rows(path, {**span, "limit": _MOST_ORDERS}, deadline)
    begin, end = span["start_time"], span["end_time"]
    if len(rows) < _MOST_ORDERS:
        return rows
    if end - begin < 2:
        full.append(begin)
        return rows
    half = (begin + end) // 2
    halves = ({**span, "end_time": half}, {**span, "start_time": half})
    return [row for each in halves for row in _split(rest, path, each, deadline, full)]


TWINS: Mapping[str, Callable[[DigiFinexRest], Twin]] = {
    "trades": TradesTwin,
    "order": OrdersTwin,
    "balance": BalancesTwin,
}
