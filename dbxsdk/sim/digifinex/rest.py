"""DigiFinex's spot v3 REST side over the local venue's market and account, as far as recovery needs it.

Shapes, limits and codes are those of the venue's pages; where a page says nothing, the comment says that it is an assumption.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Callable, Dict, List, Mapping, Optional

from dbxsdk.sim.refused import Refused
from dbxsdk.sim.rest_side import RestAnswer
from dbxsdk.sim.spot_rest import Document, Params, SpotRest, number

KEY_ERROR, SIGN_ERROR, TOO_OFTEN, UNAUTHORISED, TIMESTAMP_ERROR, FAILED = 10002, 10003, 10005, 10006, 10008, 10011
NO_SUCH_ORDER = 20013

_PUBLIC = ("/v3/time", "/v3/trades", "/v3/markets")
_DAY = 24 * 3600
_BEHIND, _AHEAD = 5, 1
"""Seconds that a timestamp may be off: what a client in use found, no page says it."""


class DigiFinexRestSide(SpotRest):
    """``time``, ``markets``, ``trades``, ``spot/assets`` and ``spot/order...``; the account has no margin."""

    rest_prefix = "/v3/"

    def _make_endpoints(self) -> Dict[str, Callable[[Params], Document]]:
        orders = {"order/current": self._current, "order/history": self._history, "order": self._by_id}
        return {
            "/v3/time": lambda params: {"server_time": int(self._clock()), "code": 0},
            "/v3/trades": self._recent_trades,
            "/v3/markets": lambda params: {"data": [{"market": each.lower()} for each in self._market.instruments], "code": 0},
            "/v3/spot/assets": self._assets,
            **{f"/v3/spot/{name}": answer for name, answer in orders.items()},
            # How an account without margin is refused is an assumption.
            **{f"/v3/margin/{name}": _no_margin for name in orders},
        }

    def _refuse_rest(self, code: int, message: str) -> Any:
        return {"code": code, "msg": message}

    def _too_many(self) -> RestAnswer:
        return 200, self._refuse_rest(TOO_OFTEN, "request too frequently"), {}

    def _check_request(self, path: str, query: str, headers: Mapping[str, str]) -> Optional[RestAnswer]:
        if path in _PUBLIC:
            return None
        stamp = headers.get("ACCESS-TIMESTAMP", "")
        wanted = hmac.new(self.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        now = int(self._clock())
        if not stamp.isdecimal() or not now - _BEHIND <= int(stamp) <= now + _AHEAD:
            return 200, self._refuse_rest(TIMESTAMP_ERROR, "timestamp error"), {}
        if headers.get("ACCESS-KEY") != self.api_key:
            return 200, self._refuse_rest(KEY_ERROR, "apikey error"), {}
        if not hmac.compare_digest(wanted.encode(), headers.get("ACCESS-SIGN", "").encode("utf-8", "surrogateescape")):
            return 200, self._refuse_rest(SIGN_ERROR, "sign error"), {}
        return None

    def _recent_trades(self, params: Params) -> Document:
        limit = number(params, "limit", 100, 500, Refused(FAILED, "limit"))
        symbol = self._symbol(params)
        if symbol is None:
            raise Refused(FAILED, "symbol")
        rows = [
            {
                "id": trade.id,
                "date": trade.time_us // 1_000_000,
                "price": float(trade.price),
                "amount": float(trade.size),
                "type": "buy" if trade.buy else "sell",
            }
            for trade in self._shown_trades(symbol, limit)
        ]
        return {"data": rows, "code": 0, "date": int(self._clock())}

    def _assets(self, params: Params) -> Document:
        rows = [
            {"currency": currency, "free": float(free), "total": float(free + used)}
            for currency, (free, used) in self._account.balances.items()
        ]
        return {"list": rows, "code": 0}

    def _current(self, params: Params) -> Document:
        orders = [each for each in self._account.orders.values() if self._account.is_open(each)]
        return self._rows(orders, params)

    def _history(self, params: Params) -> Document:
        limit = number(params, "limit", 10, 100, Refused(FAILED, "limit"))
        now = self._now_ms() // 1000
        start = number(params, "start_time", now - 3 * _DAY, 10**11, Refused(FAILED, "start_time"), 0)
        end = number(params, "end_time", now, 10**11, Refused(FAILED, "end_time"), 0)
        if end - start > 30 * _DAY:
            raise Refused(FAILED, "start_time")
        # By which of its times an order is found, no page says.
        ended = [each for each in self._ended_orders(_end_ms) if start <= _end_ms(each) // 1000 <= end]
        answer = self._rows(ended, params)
        return {**answer, "data": answer["data"][:limit]}

    def _by_id(self, params: Params) -> Document:
        ids = params.get("order_id", "").split(",")
        if len(ids) > 20:
            raise Refused(FAILED, "order_id")
        found = [self._account.orders[each] for each in ids if each in self._account.orders]
        if not found:
            raise Refused(NO_SUCH_ORDER, "no such order")
        return self._rows(found, {})

    def _rows(self, orders: List[Document], params: Params) -> Document:
        if "symbol" in params:
            symbol = self._symbol(params)
            orders = [each for each in orders if each["symbol"] == symbol]
        return {"data": [self._row(each) for each in orders], "code": 0}

    def _row(self, order: Document) -> Document:
        ended = not self._account.is_open(order)
        return {
            "symbol": order["symbol"],
            "order_id": order["id"],
            "created_date": order["created"] // 1000,
            "finished_date": order["timestamp"] // 1000 if ended else 0,
            "price": float(order["price"]),
            "amount": float(order["amount"]),
            "cash_amount": float(order["notional"]),
            "executed_amount": float(order["filled"]),
            "avg_price": float(order["price_avg"]),
            "status": order["status"],
            "type": order["side"],
            "kind": "spot",
        }

    def _symbol(self, params: Params) -> Optional[str]:
        symbol = params.get("symbol", "").upper()
        return symbol if symbol in self._market.instruments else None


def _no_margin(params: Params) -> Document:
    raise Refused(UNAUTHORISED, "unauthorized")


def _end_ms(order: Document) -> int:
    return int(order["timestamp"])
