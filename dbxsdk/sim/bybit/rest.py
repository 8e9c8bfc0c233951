"""Bybit's REST side over the local venue's markets and account, as far as recovery needs it.

Pure but for its counts: a request comes in as path, query and headers, and an answer goes out. Shapes, limits and codes are
those of the venue's pages; where a page says nothing, the comment says that it is an assumption.
"""

from __future__ import annotations

import collections
import hashlib
import hmac
import itertools
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import parse_qsl

from dbxsdk.sim.bybit.account import Position
from dbxsdk.sim.bybit.order import Execution, Order
from dbxsdk.sim.bybit.orders import OrderDesk
from dbxsdk.sim.bybit.parameters import PARAMETER_ERROR
from dbxsdk.sim.bybit.rows import Prices, Row, execution_row, order_row, position_row, wallet_row
from dbxsdk.sim.bybit.trade_feeds import trade_id
from dbxsdk.sim.bybit.trade_socket import CATEGORIES, EARLY_MS, RATE_LIMITED, RECV_WINDOW_MS, TIMESTAMP_ERROR
from dbxsdk.sim.market.market import Market, SymbolMarket, Trade
from dbxsdk.sim.refused import Refused

TIME = "/v5/market/time"
TRADES = "/v5/market/recent-trade"
KLINE = "/v5/market/kline"
OPEN_ORDERS = "/v5/order/realtime"
ORDER_HISTORY = "/v5/order/history"
EXECUTIONS = "/v5/execution/list"
POSITIONS = "/v5/position/list"
WALLET = "/v5/account/wallet-balance"
SIGNED = (OPEN_ORDERS, ORDER_HISTORY, EXECUTIONS, POSITIONS, WALLET)
ENDPOINTS = (TIME, TRADES, KLINE, *SIGNED)

CLOSED_KEPT = 500
"""Closed orders that ``order/realtime`` knows."""

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_PER_SECOND = 50
_PER_ADDRESS = 600
_ADDRESS_SECONDS = 5.0

Params = Dict[str, str]
Answer = Tuple[int, Optional[Row], Dict[str, str]]
"""HTTP status, document, headers."""


class RestService:
    """Answers REST requests. The venue's lock guards it."""

    def __init__(
        self,
        desk: OrderDesk,
        markets: Mapping[str, Market],
        keys: Tuple[str, str],
        clocks: Tuple[Callable[[], int], Callable[[], int], Callable[[], int], Callable[[], float]],
        price: Prices,
        mark: Callable[[Position], Any],
    ) -> None:
        """``clocks``: the time that the venue shows, how far that is ahead of the times of its orders, and its market's, all in
        ms; and the steady one, in seconds."""
        self.lag = 0.0
        self.per_address: Optional[int] = _PER_ADDRESS
        self.requests: Deque[Tuple[str, Params]] = collections.deque(maxlen=10_000)
        self._desk = desk
        self._markets = markets
        self._key, self._secret = keys
        self._server_ms, self._shift_ms, self._now_ms, self._steady = clocks
        self._price = price
        self._mark = mark
        self._closed_at: Dict[str, float] = {}  # by order, in the order of closing
        self._forgotten = 0.0
        self._by_address: Deque[float] = collections.deque()
        self._by_path: Dict[str, Deque[float]] = {path: collections.deque() for path in SIGNED}

    def note(self, orders: Iterable[Order]) -> None:
        """Take notice of orders that changed: when they closed decides where they are shown."""
        for order in orders:
            if not order.open:
                self._closed_at.setdefault(order.id, self._steady())

    def forget_closed(self) -> None:
        """Clear the closed orders of ``order/realtime``, as the venue does when it restarts the service."""
        self._forgotten = self._steady()

    def answer(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """Answer one request."""
        params = dict(parse_qsl(query, keep_blank_values=True))
        self.requests.append((path, params))
        if not self._spend(self._by_address, self.per_address, _ADDRESS_SECONDS):
            return 403, None, {}
        limits: Dict[str, str] = {}
        try:
            if path in SIGNED:
                self._check_signature(query, headers)
                most = None if self.per_address is None else _PER_SECOND
                granted = self._spend(self._by_path[path], most, 1.0)
                left = max(_PER_SECOND - len(self._by_path[path]), 0 if most else 1) if granted else 0
                reset = self._server_ms() + (0 if granted else 1000)
                limits = {"X-Bapi-Limit": str(_PER_SECOND), "X-Bapi-Limit-Status": str(left)}
                limits["X-Bapi-Limit-Reset-Timestamp"] = str(reset)
                if not granted:
                    raise Refused(RATE_LIMITED, "Too many visits!")
            answers = {
                TIME: self._time,
                TRADES: self._trades,
                KLINE: self._kline,
                OPEN_ORDERS: self._open_orders,
                ORDER_HISTORY: self._history,
                EXECUTIONS: self._executions,
                POSITIONS: self._positions,
                WALLET: self._wallet,
            }
            return 200, self.document(0, "OK", answers[path](params)), limits
        except Refused as refused:
            return 200, self.document(refused.code, refused.message, {}), limits

    def document(self, code: int, message: str, result: Row) -> Row:
        return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": self._server_ms()}

    def _spend(self, used: Deque[float], limit: Optional[int], seconds: float) -> bool:
        """Count one request; False if that is one too many within so many seconds."""
        now = self._steady()
        while used and used[0] <= now - seconds:
            used.popleft()
        if limit is not None and len(used) >= limit:
            return False
        used.append(now)
        return True

    def _check_signature(self, query: str, headers: Mapping[str, str]) -> None:
        key, sign = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-SIGN", "")
        stamp = headers.get("X-BAPI-TIMESTAMP", "")
        window = headers.get("X-BAPI-RECV-WINDOW", str(RECV_WINDOW_MS))
        if not key or not sign or not stamp.isdecimal() or not window.isdecimal():
            raise Refused(PARAMETER_ERROR, "Request parameter error.")
        now = self._server_ms()
        if not now - int(window) <= int(stamp) < now + EARLY_MS:
            raise Refused(
                TIMESTAMP_ERROR,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{window}]",
            )
        if key != self._key:
            raise Refused(10003, "API key is invalid.")
        origin = f"{stamp}{key}{window}{query}"
        wanted = hmac.new(self._secret.encode(), origin.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), sign.encode()):
            raise Refused(10004, f"error sign! origin_string[{origin}]")

    # -- public --------------------------------------------------------------------------------------------------------------

    def _time(self, params: Params) -> Row:
        now = self._server_ms()
        return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}

    def _trades(self, params: Params) -> Row:
        category = _category(params)
        most = 60 if category == "spot" else 1000
        limit = _limit(params, min(500, most), most)
        if category == "option" and "symbol" not in params:
            base = params.get("baseCoin", "BTC")
            markets = [m for m in self._markets[category].symbols.values() if m.instrument.base == base]
        else:
            markets = [self._market(category, params)]
        trades = sorted((trade for market in markets for trade in market.history), key=lambda trade: trade.id)
        rows = [_trade_row(category, trade, self._markets[category].symbols[trade.symbol]) for trade in trades[-limit:]]
        return {"category": category, "list": rows[::-1]}

    def _kline(self, params: Params) -> Row:
        category = params.get("category", "linear")
        market = self._market(_category({"category": category}, CATEGORIES[:3]), params)
        interval = params.get("interval", "")
        if not market.candles.keeps(interval):
            raise _wrong("interval")
        market.candle(interval, self._now_ms())  # closes the last one
        start, end = _time(params, "start") or 0, _time(params, "end") or self._now_ms()
        candles = [each for each in market.candles.history(interval) if start <= each.start_ms <= end]
        rows = [
            [str(each.start_ms), *(format(value, "f") for value in (each.open, each.high, each.low, each.close, each.volume))]
            + [format(each.volume if category == "inverse" else each.turnover, "f")]
            for each in candles[-_limit(params, 200, 1000) :]
        ]
        return {"category": category, "symbol": market.instrument.symbol, "list": rows[::-1]}

    # -- orders --------------------------------------------------------------------------------------------------------------

    def _open_orders(self, params: Params) -> Row:
        category = _category(params)
        named = "orderId" in params or "orderLinkId" in params
        if category == "linear" and not named and not {"symbol", "baseCoin", "settleCoin"} & params.keys():
            raise Refused(PARAMETER_ERROR, "params error: symbol, settleCoin or baseCoin is needed")
        only_closed = params.get("openOnly") == "1" and not named
        recent = itertools.islice(reversed(self._closed_at.items()), CLOSED_KEPT) if named or only_closed else ()
        known = {key for key, at in recent if at >= self._forgotten}
        orders = [each for each in self._candidates(params) if (each.open and not only_closed) or each.id in known]
        return self._order_page(category, self._filtered(category, orders, params), params)

    def _history(self, params: Params) -> Row:
        category = _category(params)
        start, end = self._span(params)
        shown = self._steady() - self.lag
        now = self._server_ms() - self._shift_ms()
        orders = [
            each
            for each in self._candidates(params)
            if self._closed_at.get(each.id, shown + 1) <= shown
            and start <= each.created_ms <= end
            and (each.filled or each.updated_ms > now - _DAY_MS)  # those without a fill are kept for a day
            and params.get("orderStatus", each.status) == each.status
        ]
        return self._order_page(category, self._filtered(category, orders, params), params)

    def _candidates(self, params: Params) -> Iterable[Order]:
        """Return all orders, or the one that is named. An id is stronger than the other filters."""
        order_id, link_id = params.get("orderId", ""), params.get("orderLinkId", "")
        if not order_id and not link_id:
            return self._desk.orders.values()
        order = self._desk.find(order_id, link_id)
        return () if order is None else (order,)

    def _filtered(self, category: str, orders: Sequence[Order], params: Params) -> List[Order]:
        """Return those that the parameters mean, the newest first."""
        own = [each for each in orders if each.category == category][::-1]
        if params.get("orderId") or params.get("orderLinkId"):
            return own
        return [each for each in own if self._matches(category, each.symbol, params)]

    def _matches(self, category: str, symbol: str, params: Params) -> bool:
        instrument = self._markets[category].symbols[symbol].instrument
        settles = instrument.base if category == "inverse" else "USDC" if instrument.quote == "PERP" else instrument.quote
        wanted = (("symbol", symbol), ("baseCoin", instrument.base), ("settleCoin", settles))
        return all(params.get(name) in (None, "", value) for name, value in wanted)

    def _order_page(self, category: str, orders: List[Order], params: Params) -> Row:
        page, cursor = _page(orders, [each.id for each in orders], params, 20, 50)
        return {"category": category, "nextPageCursor": cursor, "list": [self._shifted(_rest_order(each)) for each in page]}

    def _executions(self, params: Params) -> Row:
        category = _category(params)
        start, end = self._span(params)
        if params.get("orderId") or params.get("orderLinkId"):
            ids = {order.id for order in self._candidates(params) if order.category == category}
            own = [each for each in self._desk.executions if each.order.id in ids] if ids else []
        else:
            own = [each for each in self._desk.executions if each.order.category == category and start <= each.time_ms <= end]
            own = [each for each in own if self._matches(category, each.order.symbol, params)]
        own.reverse()
        page, cursor = _page(own, [each.id for each in own], params, 50, 100)
        return {"category": category, "nextPageCursor": cursor, "list": [self._shifted(_rest_execution(each)) for each in page]}

    def _shifted(self, row: Row) -> Row:
        """Return a row with its times by the clock that the venue shows: they can be compared with requests' times."""
        shift = self._shift_ms()
        times = ("createdTime", "updatedTime", "execTime")
        return {name: str(int(value) + shift) if name in times else value for name, value in row.items()}

    def _span(self, params: Params) -> Tuple[int, int]:
        start, end = _time(params, "startTime"), _time(params, "endTime")
        if start is not None and end is not None and not 0 <= end - start <= _WEEK_MS:
            raise _wrong("startTime")
        if start is None:
            start = (self._server_ms() if end is None else end) - _WEEK_MS
        shift = self._shift_ms()
        return start - shift, (start + _WEEK_MS if end is None else end) - shift

    # -- the account ---------------------------------------------------------------------------------------------------------

    def _positions(self, params: Params) -> Row:
        category = _category(params, ("linear", "inverse", "option"))
        if category == "linear" and not params.get("symbol") and not params.get("settleCoin"):
            raise Refused(PARAMETER_ERROR, "params error: symbol or settleCoin is needed")
        by_symbol = bool(params.get("symbol"))
        account = self._desk.account
        if by_symbol:  # then the flat one comes, too
            account.position(category, self._market(category, params).instrument, self._now_ms())
        positions = [
            each
            for each in account.positions.values()
            if each.category == category and (each.size or by_symbol) and self._matches(category, each.symbol, params)
        ]
        page, cursor = _page(positions, [each.symbol for each in positions], params, 20, 200)
        rows = [_rest_position(position_row(each, self._mark(each))) for each in page]
        return {"category": category, "nextPageCursor": cursor, "list": rows}

    def _wallet(self, params: Params) -> Row:
        if params.get("accountType") != "UNIFIED":
            raise Refused(PARAMETER_ERROR, "accountType only support UNIFIED.")
        account = self._desk.account
        named = [coin for coin in params.get("coin", "").split(",") if coin]
        coins = named or [coin for coin, total in account.balances.items() if total]
        return {"list": [wallet_row(account, coins, self._price, self._mark)]}

    def _market(self, category: str, params: Params) -> SymbolMarket:
        market = self._markets[category].symbols.get(params.get("symbol", ""))
        if market is None:
            raise _wrong("symbol")
        return market


def _rest_order(order: Order) -> Row:
    row = order_row(order)
    for name in ("category", "closedPnl", "feeCurrency", "slippageTolerance", "slippageToleranceType", "rpiTakerAccess"):
        row.pop(name, None)
    return {**row, "basePrice": ""}


def _rest_execution(execution: Execution) -> Row:
    row = execution_row(execution)
    for name in ("category", "execPnl", "isLeverage"):
        row.pop(name, None)
    return {**row, "execFeeV2": ""}


def _rest_position(row: Row) -> Row:
    renamed = {("avgPrice" if name == "entryPrice" else name): value for name, value in row.items()}
    del renamed["category"]
    return renamed


def _trade_row(category: str, trade: Trade, market: SymbolMarket) -> Row:
    row: Row = {
        "execId": trade_id(category, trade),
        "symbol": trade.symbol,
        "price": format(trade.price, "f"),
        "size": format(trade.size, "f"),
        "side": "Buy" if trade.buy else "Sell",
        "time": str(trade.time_us // 1000),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(trade.sequence),
    }
    if category == "option":
        row.update(mP=row["price"], iP=format(market.instrument.price, "f"), mIv="0.5012", iv="0.5034")
    return row


def _category(params: Params, known: Sequence[str] = CATEGORIES) -> str:
    category = params.get("category", "")
    if category not in known:
        raise _wrong("category")
    return category


def _limit(params: Params, default: int, most: int) -> int:
    given = params.get("limit", str(default))
    if not given.isdecimal() or not 1 <= int(given) <= most:
        raise _wrong("limit")
    return int(given)


def _time(params: Params, name: str) -> Optional[int]:
    given = params.get(name)
    if given is not None and not given.isdecimal():
        raise _wrong(name)
    return None if given is None else int(given)


def _wrong(name: str) -> Refused:
    return Refused(PARAMETER_ERROR, f"params error: {name} invalid")


def _page(items: List[Any], keys: List[str], params: Params, default: int, most: int) -> Tuple[List[Any], str]:
    """Return one page, and the cursor of the next: the last row's key, percent-encoded already, as the venue's are."""
    limit = _limit(params, default, most)
    begin = 0
    cursor = params.get("cursor", "")
    if cursor:
        key = cursor.rpartition("%3A")[2]
        if key not in keys:  # that an unknown cursor is refused is an assumption
            raise _wrong("cursor")
        begin = keys.index(key) + 1
    page = items[begin : begin + limit]
    return page, f"page%3A{keys[begin + limit - 1]}" if begin + limit < len(items) else ""
