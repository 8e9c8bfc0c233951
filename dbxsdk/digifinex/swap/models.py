"""The models of the updates of DigiFinex's perpetual swaps, as frozen values.

Source: the venue's swap WebSocket pages, version 2, for market data. Of the account's channels no text of the venue was
found: their fields are those that a client in use reads, and those of the REST rows of the same objects.

Prices are ``Decimal``; sizes are **contracts** unless said otherwise: coins are contracts times the ``contract_value`` of
REST ``/swap/v2/public/instruments``. Times are in ms since 1970.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Mapping, Optional, Tuple, Type, TypeVar

import attrs

from dbxsdk.errors import ProtocolError
from dbxsdk.fields import WIRE, Lazy, decimal, integer, lazy, levels, reader, text, wire

T = TypeVar("T")

_BOUGHT, _SOLD = ("1", "4"), ("2", "3")


def as_text(value: Any) -> str:
    """Read an id, which may be written as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


def _unsure(name: str, convert: Callable[[Any], T]) -> Any:
    """Return a field that was seen in REST rows only: None if it is missing, or something else than expected."""

    def read(value: Any) -> Optional[T]:
        try:
            return convert(value)
        except (ProtocolError, TypeError, ValueError, InvalidOperation, OverflowError):
            return None  # it must not cost the update; the value is in ``Update.raw``

    return wire(name, read, default=None)


@lazy
@attrs.frozen(slots=False)
class Ticker(Lazy):
    """24-hour figures and the best prices of one contract (``ticker`` and ``all_ticker``).

    Attributes:
        volume_24h: contracts; ``volume_token_24h``: coins.
        open_interest: the venue's text; its page shows ``"-"``, so it may be no number.
    """

    instrument_id: str = wire("instrument_id", text)
    last: Decimal = wire("last", decimal)
    timestamp: int = wire("timestamp", integer)
    best_bid: Optional[Decimal] = wire("best_bid", decimal, default=None)
    best_bid_size: Optional[Decimal] = wire("best_bid_size", decimal, default=None)
    best_ask: Optional[Decimal] = wire("best_ask", decimal, default=None)
    best_ask_size: Optional[Decimal] = wire("best_ask_size", decimal, default=None)
    open_24h: Optional[Decimal] = wire("open_24h", decimal, default=None)
    high_24h: Optional[Decimal] = wire("high_24h", decimal, default=None)
    low_24h: Optional[Decimal] = wire("low_24h", decimal, default=None)
    last_qty: Optional[Decimal] = wire("last_qty", decimal, default=None)
    volume_24h: Optional[Decimal] = wire("volume_24h", decimal, default=None)
    volume_token_24h: Optional[Decimal] = wire("volume_token_24h", decimal, default=None)
    open_interest: Optional[str] = wire("open_interest", as_text, default=None)


@lazy
@attrs.frozen(slots=False)
class Trade(Lazy):
    """One trade of ``trades``.

    Whether old trades follow a subscription is not documented: de-duplicate by ``trade_id``.

    Attributes:
        trade_id: the venue's id, 19 digits.
        direction: ``"1"`` opens a long position, ``"2"`` opens a short, ``"3"`` closes a long, ``"4"`` closes a short.
        volume: contracts.
        trade_time: ms since 1970.
    """

    instrument_id: str = wire("instrument_id", text)
    trade_id: str = wire("trade_id", as_text)
    direction: str = wire("direction", as_text)
    price: Decimal = wire("price", decimal)
    volume: Decimal = wire("volume", decimal)
    trade_time: int = wire("trade_time", integer)

    @property
    def side(self) -> Optional[str]:
        """``"buy"`` for the directions 1 and 4, ``"sell"`` for 2 and 3, by a client in use; that it is the taker's side is
        not documented. None for any other direction."""
        return "buy" if self.direction in _BOUGHT else "sell" if self.direction in _SOLD else None

    def _trade_columns(self) -> Tuple[Any, ...]:
        return self.price, self.volume, self.side, self.trade_time, self.trade_id


@lazy
@attrs.frozen(slots=False)
class Depth(Lazy):
    """One update of ``depth``: the whole window if ``Update.kind`` is ``"snapshot"``, else what changed.

    Rows are ``(price, contracts)``; sizes are absolute, 0 deletes the price. In a snapshot both sides come best first, in a
    delta **bids come worst first**. A row that leaves the window of ``level`` rows is deleted, with rare exceptions: cut the
    book to ``level`` rows after each delta. There is no sequence number.
    """

    instrument_id: str = wire("instrument_id", text)
    level: int = wire("level", integer)
    timestamp: int = wire("timestamp", integer)
    asks: Tuple[Tuple[Decimal, Decimal], ...] = wire("asks", levels, default=())
    bids: Tuple[Tuple[Decimal, Decimal], ...] = wire("bids", levels, default=())


@attrs.frozen
class Candle:
    """The open candle of one granularity, or the one that has just closed (``cur_candle``, ``mark_candle``).

    Nothing says that a candle is closed: it is when one with a later ``start`` comes.

    Attributes:
        start: its first moment, ms since 1970.
        volume: contracts; ``volume_token``: coins. None in candles of the mark price.
    """

    instrument_id: str = wire("instrument_id", text)
    granularity: str = wire("granularity", text)
    start: int = wire("start", integer)
    open: Decimal = wire("open", decimal)
    high: Decimal = wire("high", decimal)
    low: Decimal = wire("low", decimal)
    close: Decimal = wire("close", decimal)
    volume: Optional[Decimal] = wire("volume", decimal, default=None)
    volume_token: Optional[Decimal] = wire("volume_token", decimal, default=None)


@attrs.frozen
class IndexPrice:
    """The index price of one contract (``index_price``)."""

    instrument_id: str = wire("instrument_id", text)
    index_price: Decimal = wire("index_price", decimal)
    timestamp: int = wire("timestamp", integer)


@attrs.frozen
class MarkPrice:
    """The mark price of one contract (``mark_price``)."""

    instrument_id: str = wire("instrument_id", text)
    mark_price: Decimal = wire("mark_price", decimal)
    timestamp: int = wire("timestamp", integer)


@attrs.frozen
class PriceRange:
    """What an order's price may be: ``highest`` for a buy, ``lowest`` for a sell (``price_range``)."""

    instrument_id: str = wire("instrument_id", text)
    highest: Decimal = wire("highest", decimal)
    lowest: Decimal = wire("lowest", decimal)
    timestamp: int = wire("timestamp", integer)


@attrs.frozen
class FundRate:
    """The funding of one contract (``fund_rate``). Rates are fractions, times ms since 1970."""

    instrument_id: str = wire("instrument_id", text)
    funding_rate: Decimal = wire("funding_rate", decimal)
    funding_time: int = wire("funding_time", integer)
    next_funding_rate: Optional[Decimal] = wire("next_funding_rate", decimal, default=None)
    next_funding_time: Optional[int] = wire("next_funding_time", integer, default=None)


@attrs.frozen
class EstimatedSettlePrice:
    """The estimated settlement price of a dated contract (``estimated_settle_price``)."""

    instrument_id: str = wire("instrument_id", text)
    estimated_settle_price: Decimal = wire("estimated_settle_price", decimal)
    timestamp: int = wire("timestamp", integer)


@attrs.frozen
class Account:
    """The balance of one settlement currency (``account``). **Second-hand**: no page of the venue with these fields was found.

    A client in use reads the fields up to ``time_stamp``; the others are of REST rows, and None where the venue sends none.
    ``more`` has what is known of nobody.

    Attributes:
        margin: used by positions; ``frozen_margin``: by orders.
        time_stamp: ms since 1970.
    """

    currency: str = wire("currency", text)
    equity: Optional[Decimal] = wire("equity", decimal, default=None)
    avail_balance: Optional[Decimal] = wire("avail_balance", decimal, default=None)
    margin: Optional[Decimal] = wire("margin", decimal, default=None)
    frozen_margin: Optional[Decimal] = wire("frozen_margin", decimal, default=None)
    realized_pnl: Optional[Decimal] = wire("realized_pnl", decimal, default=None)
    unrealized_pnl: Optional[Decimal] = wire("unrealized_pnl", decimal, default=None)
    time_stamp: Optional[int] = wire("time_stamp", integer, default=None)
    frozen_money: Optional[Decimal] = _unsure("frozen_money", decimal)
    margin_ratio: Optional[Decimal] = _unsure("margin_ratio", decimal)
    more: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class Position:
    """One side of the position in one contract (``position``); long and short may both be open. **Second-hand**, as
    ``Account``: a client in use reads the fields up to ``timestamp``.

    A closed position is probably one whose ``position`` is 0; nobody has reported it.

    Attributes:
        side: ``"long"`` or ``"short"``.
        margin_mode: ``"crossed"`` or ``"isolated"``.
        position, avail_position: contracts, and those of them that can be closed.
        avg_cost: the entry price.
        timestamp: ms since 1970.
    """

    instrument_id: str = wire("instrument_id", text)
    side: str = wire("side", text)
    margin_mode: Optional[str] = wire("margin_mode", text, default=None)
    position: Optional[Decimal] = wire("position", decimal, default=None)
    avail_position: Optional[Decimal] = wire("avail_position", decimal, default=None)
    avg_cost: Optional[Decimal] = wire("avg_cost", decimal, default=None)
    leverage: Optional[Decimal] = wire("leverage", decimal, default=None)
    timestamp: Optional[int] = wire("timestamp", integer, default=None)
    last: Optional[Decimal] = _unsure("last", decimal)
    liquidation_price: Optional[Decimal] = _unsure("liquidation_price", decimal)
    maint_margin_ratio: Optional[Decimal] = _unsure("maint_margin_ratio", decimal)
    margin: Optional[Decimal] = _unsure("margin", decimal)
    margin_ratio: Optional[Decimal] = _unsure("margin_ratio", decimal)
    realized_pnl: Optional[Decimal] = _unsure("realized_pnl", decimal)
    unrealized_pnl: Optional[Decimal] = _unsure("unrealized_pnl", decimal)
    unrealized_pnl_rate: Optional[Decimal] = _unsure("unrealized_pnl_rate", decimal)
    open_outstanding: Optional[Decimal] = _unsure("open_outstanding", decimal)
    risk_score: Optional[Decimal] = _unsure("risk_score", decimal)
    more: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class Order:
    """One state of one order (``order``); of two the one with the greater ``time_stamp`` is newer. **Second-hand**, as
    ``Account``: a client in use reads the fields up to ``time_stamp``.

    There is no channel of fills: they are the differences of ``filled_qty``. No order id of the client's own is known.

    Attributes:
        size: contracts; ``filled_qty``: those filled so far, at ``price_avg``.
        state: -1 cancelled, 0 open, 1 partly filled, 2 filled; 3 and 4 are said to be cancelled, unfilled and partly filled.
        type: 1 opens a long position, 2 opens a short, 3 closes a long, 4 closes a short.
        order_type: 0 is a limit order, 14 a market order; sources differ on the other numbers.
        time_stamp: the last change, ``insert_time``: the creation; ms since 1970.
    """

    order_id: str = wire("order_id", as_text)
    instrument_id: str = wire("instrument_id", text)
    state: Optional[int] = wire("state", integer, default=None)
    price: Optional[Decimal] = wire("price", decimal, default=None)
    size: Optional[Decimal] = wire("size", decimal, default=None)
    filled_qty: Optional[Decimal] = wire("filled_qty", decimal, default=None)
    price_avg: Optional[Decimal] = wire("price_avg", decimal, default=None)
    time_stamp: Optional[int] = wire("time_stamp", integer, default=None)
    type: Optional[int] = _unsure("type", integer)
    order_type: Optional[int] = _unsure("order_type", integer)
    margin_mode: Optional[str] = _unsure("margin_mode", text)
    contract_val: Optional[Decimal] = _unsure("contract_val", decimal)
    leverage: Optional[Decimal] = _unsure("leverage", decimal)
    turnover: Optional[Decimal] = _unsure("turnover", decimal)
    fee: Optional[Decimal] = _unsure("fee", decimal)
    has_stop: Optional[int] = _unsure("has_stop", integer)
    insert_time: Optional[int] = _unsure("insert_time", integer)
    more: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


# -- readers ---------------------------------------------------------------------------------------------

_CANDLE = ("start", "open", "high", "low", "close", "volume", "volume_token")
_LEAST_CANDLE = 5  # of the mark price, in the page's sample; its table lists 7


def candle_reader(key: str) -> Callable[[Any], Candle]:
    """Return the reader of an update whose array of figures stands under ``key``."""
    read = reader(Candle)

    def read_candle(document: Any) -> Candle:
        figures = document.get(key) if isinstance(document, dict) else None
        if not isinstance(figures, list) or len(figures) < _LEAST_CANDLE:
            raise ProtocolError(f"Candle: {key!r} is no list of {_LEAST_CANDLE} figures or more")
        named = dict(zip(_CANDLE, figures))  # noqa: B905 - the list may be shorter, or longer one day
        return read({**named, "instrument_id": document.get("instrument_id"), "granularity": document.get("granularity")})

    return read_candle


def read_mark_price(document: Any) -> MarkPrice:
    """Read a mark price. The page's table calls its key ``index_price``, the sample ``mark_price``."""
    if isinstance(document, dict) and "mark_price" not in document:
        document = {**document, "mark_price": document.get("index_price")}
    return _read_mark_price(document)


_read_mark_price = reader(MarkPrice)


def open_reader(model: Type[T]) -> Callable[[Any], T]:
    """Return the reader of a model that keeps what it does not know in ``more``."""
    read = reader(model)
    known = {field.metadata[WIRE][0] for field in attrs.fields(model) if WIRE in field.metadata}  # type: ignore[arg-type]

    def read_all(document: Any) -> T:
        made: Any = read(document)
        more = {name: value for name, value in document.items() if name not in known}
        return attrs.evolve(made, more=more) if more else made  # type: ignore[no-any-return]

    return read_all
