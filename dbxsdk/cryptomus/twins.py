"""What Cryptomus's REST side has of the channels of its streams.

Source: doc.cryptomus.com, "exchange": orders, orders history, balance; "market-cap": trades.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import attrs

from dbxsdk.backfill.twin import Fetched, Order as Place, Row, Since, Twin
from dbxsdk.cryptomus.channel_union import ALL
from dbxsdk.cryptomus.models import Balance, Deal, Order, Trade
from dbxsdk.cryptomus.rest import BALANCES, HISTORY, ORDERS, CryptomusRest, seconds_of, seconds_of_text
from dbxsdk.errors import ProtocolError
from dbxsdk.fields import reader
from dbxsdk.models import Update
from dbxsdk.runtime.clock import monotonic, wall_ns

_OVER_S = 2
"""Seconds after which a second is over, and what it brought is in REST."""
_MOST_PAGES = 20
_MOST_LOOKED_UP = 20
_EARLIER_S = 24 * 3600
"""How much earlier than the hole an order may seem to have ended: clocks differ, and times have no zone."""

_read_trade, _read_order, _read_deal, _read_balance = reader(Trade), reader(Order), reader(Deal), reader(Balance)


def trade_from_rest(row: Mapping[str, Any]) -> Trade:
    """Read a row of the trades. ``quote_volume`` is the amount of the base currency there: in the page's own examples it is,
    and ``base_volume`` is price times that."""
    names = {"price": "price", "quantity": "quote_volume", "timestamp": "timestamp", "direction": "type"}
    return _read_trade({ours: row.get(theirs) for ours, theirs in names.items()})


def order_from_rest(row: Mapping[str, Any]) -> Order:
    """Read a row of the open orders, or of the history."""
    ended = row.get("finishedAt") is not None or "state" in row
    document = {
        **row,
        "type": "finished" if ended else "updated",
        "orderType": row.get("type") or "limit",  # open ones do not say it
        "clientOid": row.get("clientOrderId"),
        "createTs": seconds_of(row.get("id"), row.get("createdAt")),
        "finishTs": seconds_of_text(row["finishedAt"]) if row.get("finishedAt") is not None else None,
    }
    order = _read_order(document)
    return order if ended or order.filled_quantity else attrs.evolve(order, type="created")


def order_version(order: Order) -> Place:
    """Return what grows with each change of an order: rows of REST do not say when it changed."""
    times = (order.create_ts, order.update_ts or 0, order.finish_ts or 0)
    return int(order.type == "finished"), order.filled_quantity, max(times) * 1000


def balance_from_rest(row: Mapping[str, Any]) -> Balance:
    """Read a row of the balances, as a change of nothing: what is available is what the stream calls the balance."""
    return _read_balance(
        {
            "currencyCode": row.get("ticker"),
            "amount": 0,
            "oldBalance": row.get("available"),
            "newBalance": row.get("available"),
        }
    )


def deals_from_rest(row: Mapping[str, Any]) -> Iterator[Tuple[Deal, Dict[str, Any]]]:
    """Read the fills of a row of the history, each with the row as if it were its only one."""
    deal = row.get("deal")
    fills = deal.get("transactions") if isinstance(deal, dict) else None
    for fill in fills if isinstance(fills, list) else ():
        if not isinstance(fill, dict) or not isinstance(deal, dict):
            raise ProtocolError(f"{HISTORY}: a transaction is no object")
        document = {
            **fill,
            "dealId": deal.get("id"),
            "symbol": row.get("symbol"),
            "dealState": deal.get("state"),
            "transactionId": fill.get("id"),
            "committedAt": seconds_of(fill.get("id"), fill.get("committedAt")),
        }
        yield _read_deal(document), {**row, "deal": {**deal, "transactions": [fill]}}


class TradesTwin(Twin):
    """``trade`` of one market: the last 100. The stream's trades have no ids: equal ones of one second are counted."""

    unit_ms = 1000
    has_ids = False
    counted = True
    kept = 256

    def __init__(self, rest: CryptomusRest, symbol: str) -> None:
        if symbol == ALL:
            raise ValueError("backfill: channel 'trade' has to name its markets: REST has the trades of one market at a time")
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[Any, Place]:
        return (item.timestamp, item.price, item.quantity, item.direction), (item.timestamp * 1000,)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        found, date = self._rest.trades(symbol, deadline)
        trades = sorted(((trade_from_rest(row), row) for row in found[::-1]), key=lambda each: each[0].timestamp)
        newest = trades[-1][0].timestamp if trades else 0
        over = newest if date is None else max(newest, int(date) - _OVER_S)
        rows = (Row((t.timestamp, t.price, t.quantity, t.direction), (t.timestamp * 1000,), t, row) for t, row in trades)
        # The venue says its time in whole seconds: at least that, so that a span that is still open is not told too short.
        ahead_ms = None if date is None else int(date * 1000) + 1000 - wall_ns() // 1_000_000
        return Fetched(tuple(row for row in rows if row.data.timestamp < over), ahead_ms=ahead_ms)


class _AccountTwin(Twin):
    """A channel of the account, of one symbol or of all."""

    def __init__(self, rest: CryptomusRest, symbol: str) -> None:
        self._rest = rest
        self.by_symbol = symbol != ALL

    def _filter(self, symbol: str) -> Dict[str, Optional[str]]:
        return {"market": symbol if self.by_symbol else None}

    def symbol_of(self, symbol: str, raw: Any) -> str:
        return str(raw.get("symbol", symbol))


class OrdersTwin(_AccountTwin):
    """``order``: all open orders, and those that ended since the hole began."""

    is_state = True
    single = True

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        return item.id, order_version(item)

    def time_ms(self, order: Place) -> int:
        return order[2]  # type: ignore[no-any-return]

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        found: Dict[str, Row] = {}
        whole = True
        for row in open_orders(self._rest, self._filter(symbol), deadline):
            self._add(found, row)
        if since.from_ms is not None:
            begin, half = since.from_ms // 1000 - _EARLIER_S, (monotonic() + deadline) / 2

            def enough(page: List[Dict[str, Any]]) -> bool:
                return monotonic() > half and not any(_is_recent(row, begin) for row in page)

            # By what the history is sorted is not documented: only all of it has all.
            ended, whole = self._rest.pages(HISTORY, self._filter(symbol), _MOST_PAGES, deadline, enough)
            for row in ended:
                if row.get("id") in since.known or _is_recent(row, begin):
                    self._add(found, row)
            for key in [key for key in map(str, since.known) if key not in found][:_MOST_LOOKED_UP]:
                for row in self._rest.rows(HISTORY, {"order_id": key}, deadline):
                    if row.get("id") == key:
                        self._add(found, row)
        return Fetched(tuple(sorted(found.values(), key=lambda row: (row.order[2], row.key))), whole=whole)

    @staticmethod
    def _add(found: Dict[str, Row], row: Dict[str, Any]) -> None:
        order = order_from_rest(row)
        if order.id not in found or found[order.id].order <= order_version(order):
            found[order.id] = Row(order.id, order_version(order), order, row)


class DealsTwin(_AccountTwin):
    """``deal``: the fills of orders that have ended. Those of open orders are in no list: if one was filled in part, some may be
    missing, and the venue has no way to say so."""

    single = True
    unit_ms = 1000
    slack_ms = 2000  # those of several orders come in no order
    kept = 1024

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        return item.transaction_id, (item.committed_at * 1000,)

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        # The open ones first: one that ends between both questions is in both answers.
        still = open_orders(self._rest, self._filter(symbol), deadline)
        filled = any(order_from_rest(row).filled_quantity for row in still)
        ended, whole = self._rest.pages(HISTORY, self._filter(symbol), _MOST_PAGES, deadline)
        found = {}
        for row in ended:
            for deal, raw in deals_from_rest(row):
                found[deal.transaction_id] = Row(deal.transaction_id, (deal.committed_at * 1000,), deal, raw)
        rows = tuple(sorted(found.values(), key=lambda row: row.order))
        # By which time the history is sorted is not documented: only all of it has all.
        return Fetched(rows, whole=whole, hides=filled or not whole)


class BalancesTwin(_AccountTwin):
    """``balance``: what is available. There is no version: the moment of asking stands for it."""

    is_state = True
    single = True

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        return item.currency_code, (update.received_ns,)

    def time_ms(self, order: Place) -> int:
        return order[0] // 1_000_000  # type: ignore[no-any-return]

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        asked = wall_ns()  # what it shows is as new as that, or newer
        found = balances(self._rest, deadline)
        if self.by_symbol:
            none = {"ticker": symbol, "available": 0, "held": 0}
            found = [each for each in found if each[0].currency_code == symbol] or [(balance_from_rest(none), none)]
        return Fetched(tuple(Row(balance.currency_code, (asked,), balance, row) for balance, row in found), whole=True)


def _is_recent(row: Mapping[str, Any], begin_s: int) -> bool:
    """True if an order may have ended since then."""
    return row.get("finishedAt") is None or seconds_of_text(row["finishedAt"]) >= begin_s


def open_orders(rest: CryptomusRest, params: Mapping[str, Any], deadline: float) -> List[Dict[str, Any]]:
    """Return the rows of the open orders. Raises ``ProtocolError`` if there are more than the venue shows."""
    rows, whole = rest.pages(ORDERS, params, 100, deadline)
    if not whole:
        raise ProtocolError(f"{ORDERS}: more open orders than it shows")
    return rows


def balances(rest: CryptomusRest, deadline: float) -> List[Tuple[Balance, Dict[str, Any]]]:
    """Return what the account has, with the rows."""
    return [(balance_from_rest(row), row) for row in rest.rows(BALANCES, {}, deadline)]


TWINS: Mapping[str, Callable[[CryptomusRest, str], Twin]] = {
    "trade": TradesTwin,
    "order": OrdersTwin,
    "deal": DealsTwin,
    "balance": BalancesTwin,
}
