"""Cryptomus's REST side over the local venue's market and account, as far as recovery needs it.

Shapes and names are those of the venue's pages; where a page says nothing, the comment says that it is an assumption.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import formatdate
from typing import Any, Callable, Dict, List, Mapping, Optional

from dbxsdk.sim.cryptomus.account import as_text, ulid
from dbxsdk.sim.market.market import Trade
from dbxsdk.sim.refused import Refused
from dbxsdk.sim.rest_side import RestAnswer
from dbxsdk.sim.spot_rest import Document, Params, SpotRest, number

TRADES = "/v1/exchange/market/trades/"
_USER_API = "/v2/user-api/exchange/"
_WRONG = Refused(0, "The given data was invalid.")


class CryptomusRestSide(SpotRest):
    """``market/trades/{pair}``, ``orders``, ``orders/history`` and ``account/balance``."""

    user_id: str
    rest_prefix = _USER_API

    def _make_endpoints(self) -> Dict[str, Callable[[Params], Document]]:
        return {
            f"{_USER_API}orders": self._active,
            f"{_USER_API}orders/history": self._history,
            f"{_USER_API}account/balance": self._balances,
            **{f"{TRADES}{symbol}": self._trades_of(symbol) for symbol in self._market.instruments},
        }

    def _refuse_rest(self, code: int, message: str) -> Any:
        return {"state": code or 1, "message": message}

    def _answer_rest(self, path: str, query: str, headers: Mapping[str, str]) -> RestAnswer:
        status, document, more = super()._answer_rest(path, query, headers)
        # By the market's clock, which says what is over there.
        return status, document, {"Date": formatdate(self._now_us() / 1_000_000, usegmt=True), **more}

    def _check_request(self, path: str, query: str, headers: Mapping[str, str]) -> Optional[RestAnswer]:
        if path.startswith(TRADES):
            return None
        expected = hashlib.md5(self.api_key.encode(), usedforsecurity=False).hexdigest()
        if headers.get("userId") != self.user_id:
            return 404, {"message": "User not found"}, {}
        if not hmac.compare_digest(headers.get("sign", "").encode("utf-8", "surrogateescape"), expected.encode()):
            return 401, {"message": "Invalid sign"}, {}
        return None

    def _trades_of(self, symbol: str) -> Callable[[Params], Document]:
        def answer(params: Params) -> Document:
            return {"data": [_trade(trade) for trade in self._shown_trades(symbol, 100)]}

        return answer

    def _active(self, params: Params) -> Document:
        orders = [each for each in self._account.orders.values() if self._account.is_open(each)]
        return {"result": self._page([_row(each) for each in reversed(orders)], params)}

    def _history(self, params: Params) -> Document:
        return {"result": self._page([_ended(each) for each in self._ended_orders(_end_ms)], params)}

    def _page(self, rows: List[Document], params: Params) -> List[Document]:
        for name, field in (("market", "symbol"), ("order_id", "id"), ("client_order_id", "clientOrderId")):
            if name in params:
                rows = [row for row in rows if row[field] == params[name]]
        offset = number(params, "offset", 0, 10_000, _WRONG, 0)
        return rows[offset : offset + number(params, "limit", 50, 100, _WRONG)]

    def _balances(self, params: Params) -> Document:
        held: Dict[str, Decimal] = {}
        for order in self._account.orders.values():
            if self._account.is_open(order):
                base, _, quote = order["symbol"].partition("_")
                left = Decimal(order["quantity"]) - Decimal(order["filledQuantity"])
                coin, amount = (quote, left * Decimal(order["price"])) if order["direction"] == "buy" else (base, left)
                held[coin] = held.get(coin, Decimal(0)) + amount
        return {
            "result": [
                {"ticker": coin, "available": as_text(available), "held": as_text(held.get(coin, Decimal(0)))}
                for coin, available in self._account.balances.items()
            ]
        }


def _trade(trade: Trade) -> Document:
    return {
        "trade_id": ulid(trade.time_us // 1000, trade.id),
        "price": as_text(trade.price),
        "base_volume": as_text(trade.price * trade.size),  # the names are swapped, as in the page's examples
        "quote_volume": as_text(trade.size),
        "timestamp": trade.time_us // 1_000_000,
        "type": "buy" if trade.buy else "sell",
    }


def _row(order: Document) -> Document:
    names = ("id", "direction", "symbol", "price", "quantity", "value", "filledQuantity", "filledValue")
    row = {name: order[name] for name in names}
    return {**row, "createdAt": _when(order["created"]), "clientOrderId": order["clientOid"], "stopLossPrice": None}


def _ended(order: Document) -> Document:
    row = _row(order)
    fills = [{**fill, "committedAt": _when(fill["committedAt"])} for fill in order.get("fills", ())]
    deal = {
        "id": order["dealId"],
        "state": "completed",
        "createdAt": _when(order["created"]),
        "completedAt": _when(order["finishTs"]),
        "averageFilledPrice": order["price"],
        "transactions": fills,
    }
    for name in ("price", "value"):
        del row[name]
    return {
        **row,
        "type": order["orderType"],
        "state": order["state"],
        "internalState": order["internalState"],
        "finishedAt": _when(order["finishTs"]),
        "deal": deal if fills else None,
    }


def _end_ms(order: Document) -> int:
    return int(order["finishTs"]) * 1000


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
