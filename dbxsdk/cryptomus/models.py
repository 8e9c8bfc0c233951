"""The models of Cryptomus's updates and lists, as frozen values. Source: doc.cryptomus.com, "exchange/websockets".

Prices and amounts are ``Decimal``; ``symbol`` is ``BASE_QUOTE`` in upper case; times are whole seconds since 1970, as
the venue sends them. Texts with few values (directions, states, types) are kept as the venue writes them: its page
shows examples, not lists.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Optional, Tuple, TypeVar

import attrs

from dbxsdk.errors import ProtocolError
from dbxsdk.fields import boolean, decimal, each, integer, levels, reader, text, wire

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class LastPrice:
    """The last price of a market (``lastprice``)."""

    symbol: str = wire("symbol", text)
    timestamp: int = wire("timestamp", integer)
    price: Decimal = wire("price", decimal)


@attrs.frozen(kw_only=True)
class Depth:
    """One update of ``depth``: the whole book if ``full_reload`` (``Update.kind`` is ``"snapshot"``), else what changed.

    Rows are ``(price, amount)`` in the order of the wire, which is not documented: sort them. In a change an amount of 0
    deletes the price. Books of one market at several scales are separate books: keep them by ``symbol`` and
    ``scale_index``. There is no sequence number; a change before the first whole book is useless.
    """

    symbol: str = wire("symbol", text)
    scale_index: int = wire("scale_index", integer)
    timestamp: int = wire("timestamp", integer)
    full_reload: bool = wire("full_reload", boolean)
    asks: Tuple[Tuple[Decimal, Decimal], ...] = wire("asks", levels, default=())
    bids: Tuple[Tuple[Decimal, Decimal], ...] = wire("bids", levels, default=())


@attrs.frozen(kw_only=True)
class Ticker:
    """A market's figures of the day (``ticker``). ``price_change`` is in percent: 0.04 is 0.04 %."""

    symbol: str = wire("symbol", text)
    timestamp: int = wire("timestamp", integer)
    price: Decimal = wire("price", decimal)
    open: Optional[Decimal] = wire("open", decimal, default=None)
    high: Optional[Decimal] = wire("high", decimal, default=None)
    low: Optional[Decimal] = wire("low", decimal, default=None)
    volume: Optional[Decimal] = wire("volume", decimal, default=None)
    quote_volume: Optional[Decimal] = wire("quote_volume", decimal, default=None)
    price_change: Optional[Decimal] = wire("price_change", decimal, default=None)


@attrs.frozen(kw_only=True)
class Trade:
    """One trade of ``trade``; the market is ``Update.symbol``. There is no trade id.

    The venue sends ``price`` and ``quantity`` as JSON numbers here and nowhere else; they are read from the wire's text,
    every digit of it, while ``Update.raw`` has floats. ``direction`` is ``"buy"`` or ``"sell"``.
    """

    price: Decimal = wire("price", decimal)
    quantity: Decimal = wire("quantity", decimal)
    timestamp: int = wire("timestamp", integer)
    direction: str = wire("direction", text)

    def _trade_columns(self) -> Tuple[Any, ...]:
        return self.price, self.quantity, self.direction, self.timestamp * 1000, None


@attrs.frozen(kw_only=True)
class Order:
    """One event of one of the account's orders (``order``).

    Attributes:
        type: ``"created"``, ``"updated"`` or ``"finished"``.
        order_type, direction: e.g. ``"limit"``; ``"buy"`` or ``"sell"``.
        price, quantity, value: as ordered; ``value`` is price times quantity. None if the venue sends none.
        filled_quantity, filled_value: sums of all fills so far.
        client_oid: the caller's own id (``clientOrderId`` over HTTP), or None.
        create_ts, update_ts, finish_ts: None before it happened. Do not compare them with each other: the page's
            own example finishes an order before its update.
        state, internal_state: of finished orders, e.g. ``"completed"`` and ``"filled"``.
    """

    type: str = wire("type", text)
    id: str = wire("id", text)
    symbol: str = wire("symbol", text)
    order_type: str = wire("orderType", text)
    direction: str = wire("direction", text)
    filled_quantity: Decimal = wire("filledQuantity", decimal)
    filled_value: Decimal = wire("filledValue", decimal)
    create_ts: int = wire("createTs", integer)
    price: Optional[Decimal] = wire("price", decimal, default=None)
    quantity: Optional[Decimal] = wire("quantity", decimal, default=None)
    value: Optional[Decimal] = wire("value", decimal, default=None)
    client_oid: Optional[str] = wire("clientOid", text, default=None)
    update_ts: Optional[int] = wire("updateTs", integer, default=None)
    finish_ts: Optional[int] = wire("finishTs", integer, default=None)
    state: Optional[str] = wire("state", text, default=None)
    internal_state: Optional[str] = wire("internalState", text, default=None)


@attrs.frozen(kw_only=True)
class Balance:
    """One change of one currency of the account (``balance``). ``amount`` has no sign; ``change`` has one."""

    wallet_id: str = wire("walletId", text)
    currency_code: str = wire("currencyCode", text)
    amount: Decimal = wire("amount", decimal)
    old_balance: Decimal = wire("oldBalance", decimal)
    new_balance: Decimal = wire("newBalance", decimal)

    @property
    def change(self) -> Decimal:
        """The new balance minus the old one: below 0 if the account was charged."""
        return self.new_balance - self.old_balance


@attrs.frozen(kw_only=True)
class Deal:
    """One execution of one of the account's orders (``deal``). The venue does not say which order.

    Attributes:
        filled_value: ``filled_price`` times ``filled_quantity``.
        fee: in ``fee_currency``.
        trade_role: ``"taker"`` or ``"maker"``.
    """

    deal_id: str = wire("dealId", text)
    symbol: str = wire("symbol", text)
    deal_state: str = wire("dealState", text)
    transaction_id: str = wire("transactionId", text)
    filled_price: Decimal = wire("filledPrice", decimal)
    filled_quantity: Decimal = wire("filledQuantity", decimal)
    filled_value: Decimal = wire("filledValue", decimal)
    fee: Decimal = wire("fee", decimal)
    fee_currency: str = wire("feeCurrency", text)
    trade_role: str = wire("tradeRole", text)
    committed_at: int = wire("committedAt", integer)


@attrs.frozen(kw_only=True)
class Market:
    """One market of ``CryptomusClient.markets``.

    Attributes:
        base_min_size, base_max_size, quote_min_size, quote_max_size: limits of one order, in base and quote currency.
        base_prec, quote_prec: decimal places of amounts in either currency.
    """

    id: str = wire("id", text)
    symbol: str = wire("symbol", text)
    base_currency: str = wire("baseCurrency", text)
    quote_currency: str = wire("quoteCurrency", text)
    base_min_size: Decimal = wire("baseMinSize", decimal)
    quote_min_size: Decimal = wire("quoteMinSize", decimal)
    base_max_size: Decimal = wire("baseMaxSize", decimal)
    quote_max_size: Decimal = wire("quoteMaxSize", decimal)
    base_prec: int = wire("basePrec", integer)
    quote_prec: int = wire("quotePrec", integer)
    base_currency_full_name: Optional[str] = wire("baseCurrencyFullName", text, default=None)
    quote_currency_full_name: Optional[str] = wire("quoteCurrencyFullName", text, default=None)


@attrs.frozen(kw_only=True)
class DepthScale:
    """One price step of a market's book: ``depth`` takes its ``index``."""

    scale: Decimal = wire("scale", decimal)
    index: int = wire("index", integer)


def _within(key: str, read: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return a function that applies ``read`` to the value of the document's key ``key``."""

    def read_within(document: Any) -> T:
        if not isinstance(document, dict):
            raise ProtocolError(f"expected an object, not {type(document).__name__}")
        return read(document.get(key))

    return read_within


_read_order = reader(Order)


def read_order(document: Any) -> Order:
    """Read an order, whose ``type`` stands beside its ``info``."""
    info = document.get("info") if isinstance(document, dict) else None
    return _read_order({**info, "type": document.get("type")} if isinstance(info, dict) else info)


read_last_price = reader(LastPrice)
read_depth = reader(Depth)
read_ticker = reader(Ticker)
read_trades = _within("trades", each(reader(Trade)))
read_balance = _within("info", reader(Balance))
read_deal = _within("info", reader(Deal))
read_markets = _within("result", each(reader(Market)))
read_depth_scales = _within("data", each(reader(DepthScale)))
