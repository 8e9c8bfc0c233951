"""The models of Bybit's ``tickers`` topics: of contracts, spot pairs, options and spreads.

Names, numbers and absent fields are as in ``models``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Type, TypeVar

import attrs

from dbxsdk.bybit.public.models import with_envelope
from dbxsdk.errors import ProtocolError
from dbxsdk.fields import Lazy, decimal, integer, lazy, reader, text, wire

T = TypeVar("T")

CHANGED = "$changed"
"""The key under which a merged ticker frame has the names of what the last frame carried; not a key of the venue."""

LONGEST_VALUE = 256
"""Characters of a field, since merged frames are kept; the longest that the venue writes have some 40."""

NAMES: Dict[type, Mapping[str, str]] = {}
"""The names of each model's fields by the wire's, without the symbol's."""


@lazy
@attrs.frozen(kw_only=True, slots=False)
class ContractTicker(Lazy):
    """``tickers.{symbol}`` of linear and inverse contracts: the state after this frame.

    The venue sends a snapshot, then only what changed; the frames are merged, so that each field has the value that the
    venue sent last. A field is None before the venue sent it, and if it does not apply to the contract.

    Attributes:
        symbol: the contract.
        changed: the names of the fields here that this frame carried, even if their value is the same.
        cross_sequence: the frame's ``cs``.
        price_24h_pcnt: a fraction of 1; rates likewise.
        open_interest_value, turnover_24h: in the quote coin (linear) or base coin (inverse).
        single_open_interest, single_open_interest_value: one side of the open interest.
        next_funding_time: ms since 1970; None on dated futures, as is ``funding_rate``.
        funding_interval_hour: hours between fundings.
        pre_open_price, pre_qty, cur_pre_listing_phase: contracts before their listing.
        delivery_time: ISO 8601 text, dated futures only, as are the basis and delivery fields.

    Source: websocket/public/ticker.
    """

    symbol: str = wire("symbol", text)
    changed: Tuple[str, ...] = wire(CHANGED, tuple, default=())
    cross_sequence: Optional[int] = wire("cs", integer, default=None)
    tick_direction: Optional[str] = wire("tickDirection", text, default=None)
    last_price: Optional[Decimal] = wire("lastPrice", decimal, default=None)
    mark_price: Optional[Decimal] = wire("markPrice", decimal, default=None)
    index_price: Optional[Decimal] = wire("indexPrice", decimal, default=None)
    bid1_price: Optional[Decimal] = wire("bid1Price", decimal, default=None)
    bid1_size: Optional[Decimal] = wire("bid1Size", decimal, default=None)
    ask1_price: Optional[Decimal] = wire("ask1Price", decimal, default=None)
    ask1_size: Optional[Decimal] = wire("ask1Size", decimal, default=None)
    prev_price_1h: Optional[Decimal] = wire("prevPrice1h", decimal, default=None)
    prev_price_24h: Optional[Decimal] = wire("prevPrice24h", decimal, default=None)
    price_24h_pcnt: Optional[Decimal] = wire("price24hPcnt", decimal, default=None)
    high_price_24h: Optional[Decimal] = wire("highPrice24h", decimal, default=None)
    low_price_24h: Optional[Decimal] = wire("lowPrice24h", decimal, default=None)
    turnover_24h: Optional[Decimal] = wire("turnover24h", decimal, default=None)
    volume_24h: Optional[Decimal] = wire("volume24h", decimal, default=None)
    open_interest: Optional[Decimal] = wire("openInterest", decimal, default=None)
    open_interest_value: Optional[Decimal] = wire("openInterestValue", decimal, default=None)
    single_open_interest: Optional[Decimal] = wire("singleOpenInterest", decimal, default=None)
    single_open_interest_value: Optional[Decimal] = wire("singleOpenInterestValue", decimal, default=None)
    next_funding_time: Optional[int] = wire("nextFundingTime", integer, default=None)
    funding_rate: Optional[Decimal] = wire("fundingRate", decimal, default=None)
    funding_interval_hour: Optional[Decimal] = wire("fundingIntervalHour", decimal, default=None)
    funding_cap: Optional[Decimal] = wire("fundingCap", decimal, default=None)
    pre_open_price: Optional[Decimal] = wire("preOpenPrice", decimal, default=None)
    pre_qty: Optional[Decimal] = wire("preQty", decimal, default=None)
    cur_pre_listing_phase: Optional[str] = wire("curPreListingPhase", text, default=None)
    delivery_time: Optional[str] = wire("deliveryTime", text, default=None)
    basis_rate: Optional[Decimal] = wire("basisRate", decimal, default=None)
    basis_rate_year: Optional[Decimal] = wire("basisRateYear", decimal, default=None)
    basis: Optional[Decimal] = wire("basis", decimal, default=None)
    delivery_fee_rate: Optional[Decimal] = wire("deliveryFeeRate", decimal, default=None)
    predicted_delivery_price: Optional[Decimal] = wire("predictedDeliveryPrice", decimal, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class SpotTicker(Lazy):
    """``tickers.{symbol}`` of spot. It has no bid and no ask: ``orderbook.1`` has them.

    Attributes:
        symbol: the pair.
        changed: the names of the fields here that this frame carried; the venue documents snapshots only.
        cross_sequence: the frame's ``cs``.
        price_24h_pcnt: a fraction of 1.
        turnover_24h: in the quote coin; ``volume_24h`` in the base coin.
        usd_index_price: None for coins that are not collateral.

    Source: websocket/public/ticker.
    """

    symbol: str = wire("symbol", text)
    changed: Tuple[str, ...] = wire(CHANGED, tuple, default=())
    cross_sequence: Optional[int] = wire("cs", integer, default=None)
    last_price: Optional[Decimal] = wire("lastPrice", decimal, default=None)
    high_price_24h: Optional[Decimal] = wire("highPrice24h", decimal, default=None)
    low_price_24h: Optional[Decimal] = wire("lowPrice24h", decimal, default=None)
    prev_price_24h: Optional[Decimal] = wire("prevPrice24h", decimal, default=None)
    price_24h_pcnt: Optional[Decimal] = wire("price24hPcnt", decimal, default=None)
    volume_24h: Optional[Decimal] = wire("volume24h", decimal, default=None)
    turnover_24h: Optional[Decimal] = wire("turnover24h", decimal, default=None)
    usd_index_price: Optional[Decimal] = wire("usdIndexPrice", decimal, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class OptionTicker(Lazy):
    """``tickers.{symbol}`` of options.

    Attributes:
        symbol: the contract.
        changed: the names of the fields here that this frame carried; the venue documents snapshots only.
        cross_sequence: the frame's ``cs``; options have none so far.
        bid_iv, ask_iv, mark_price_iv: implied volatilities as fractions of 1.
        delta, gamma, vega, theta: the greeks.
        predicted_delivery_price: has a meaning only in the 30 minutes before delivery.
        change_24h: a fraction of 1.

    Source: websocket/public/ticker.
    """

    symbol: str = wire("symbol", text)
    changed: Tuple[str, ...] = wire(CHANGED, tuple, default=())
    cross_sequence: Optional[int] = wire("cs", integer, default=None)
    bid_price: Optional[Decimal] = wire("bidPrice", decimal, default=None)
    bid_size: Optional[Decimal] = wire("bidSize", decimal, default=None)
    bid_iv: Optional[Decimal] = wire("bidIv", decimal, default=None)
    ask_price: Optional[Decimal] = wire("askPrice", decimal, default=None)
    ask_size: Optional[Decimal] = wire("askSize", decimal, default=None)
    ask_iv: Optional[Decimal] = wire("askIv", decimal, default=None)
    last_price: Optional[Decimal] = wire("lastPrice", decimal, default=None)
    high_price_24h: Optional[Decimal] = wire("highPrice24h", decimal, default=None)
    low_price_24h: Optional[Decimal] = wire("lowPrice24h", decimal, default=None)
    change_24h: Optional[Decimal] = wire("change24h", decimal, default=None)
    mark_price: Optional[Decimal] = wire("markPrice", decimal, default=None)
    mark_price_iv: Optional[Decimal] = wire("markPriceIv", decimal, default=None)
    index_price: Optional[Decimal] = wire("indexPrice", decimal, default=None)
    underlying_price: Optional[Decimal] = wire("underlyingPrice", decimal, default=None)
    open_interest: Optional[Decimal] = wire("openInterest", decimal, default=None)
    turnover_24h: Optional[Decimal] = wire("turnover24h", decimal, default=None)
    volume_24h: Optional[Decimal] = wire("volume24h", decimal, default=None)
    total_turnover: Optional[Decimal] = wire("totalTurnover", decimal, default=None)
    total_volume: Optional[Decimal] = wire("totalVolume", decimal, default=None)
    delta: Optional[Decimal] = wire("delta", decimal, default=None)
    gamma: Optional[Decimal] = wire("gamma", decimal, default=None)
    vega: Optional[Decimal] = wire("vega", decimal, default=None)
    theta: Optional[Decimal] = wire("theta", decimal, default=None)
    predicted_delivery_price: Optional[Decimal] = wire("predictedDeliveryPrice", decimal, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class SpreadTicker(Lazy):
    """``tickers.{symbol}`` of spread trading, a socket of its own: ``BybitPublicClient("spread")``. Prices may be negative.

    Attributes:
        symbol: the combination, e.g. ``"SOLUSDT_SOL/USDT"``.
        changed: the names of the fields here that this frame carried; the venue documents snapshots only.
        bid_price, bid_size, ask_price, ask_size: None if that side of the book is empty.

    Source: spread/websocket/public/ticker.
    """

    symbol: str = wire("symbol", text)
    changed: Tuple[str, ...] = wire(CHANGED, tuple, default=())
    cross_sequence: Optional[int] = wire("cs", integer, default=None)
    bid_price: Optional[Decimal] = wire("bidPrice", decimal, default=None)
    bid_size: Optional[Decimal] = wire("bidSize", decimal, default=None)
    ask_price: Optional[Decimal] = wire("askPrice", decimal, default=None)
    ask_size: Optional[Decimal] = wire("askSize", decimal, default=None)
    last_price: Optional[Decimal] = wire("lastPrice", decimal, default=None)
    high_price_24h: Optional[Decimal] = wire("highPrice24h", decimal, default=None)
    low_price_24h: Optional[Decimal] = wire("lowPrice24h", decimal, default=None)
    prev_price_24h: Optional[Decimal] = wire("prevPrice24h", decimal, default=None)
    volume_24h: Optional[Decimal] = wire("volume24h", decimal, default=None)


def _ticker(model: Type[T]) -> Callable[[Any], T]:
    """Return the function that reads a whole ticker frame; ``changed`` names what it carried, or what the last of the merged
    ones did. Those fields are read at once: one that cannot be read must spoil its own frame, not those that it is merged
    with."""
    explain, read = with_envelope(model, "cs"), reader(model)
    names: Dict[str, str] = {}
    NAMES[model] = names
    for field in attrs.fields(model):  # type: ignore[arg-type]
        # Only wire() adds metadata to these fields.
        for name, _ in field.metadata.values():
            names[name] = field.name
    for name in ("symbol", "cs", CHANGED):
        del names[name]

    def read_ticker(frame: Any) -> T:
        data = frame.get("data")
        if not isinstance(data, dict) or frame.get("type") not in ("snapshot", "delta"):
            return explain(frame)
        carried = frame.get(CHANGED)
        if type(carried) is not tuple:  # not our own mark: JSON has no tuples
            carried = data
        changed = []
        for key in carried:
            if key in names:
                changed.append(names[key])
                value = data[key]
                if type(value) is str and len(value) > LONGEST_VALUE:
                    raise ProtocolError(f"{model.__name__}: the field {key!r} has {len(value)} characters")
        ticker = read({**data, CHANGED: tuple(changed), "cs": frame.get("cs")})
        for name in changed:
            getattr(ticker, name)
        return ticker

    return read_ticker


read_contract_ticker = _ticker(ContractTicker)
read_spot_ticker = _ticker(SpotTicker)
read_option_ticker = _ticker(OptionTicker)
read_spread_ticker = _ticker(SpreadTicker)
