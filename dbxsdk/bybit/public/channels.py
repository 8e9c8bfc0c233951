"""Bybit's public channels: how a topic is split into channel and symbol, and how its frames are read."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Tuple, Union

import attrs

from dbxsdk.bybit.public import models, ticker_models
from dbxsdk.bybit.public.models import with_envelope
from dbxsdk.channel import Channel
from dbxsdk.fields import each, reader
from dbxsdk.models import Data

Read = Callable[[Any], Any]

Ticker = Union[ticker_models.ContractTicker, ticker_models.OptionTicker, ticker_models.SpotTicker]


def plain(payload: Any) -> Any:
    """Return what has no model as it came."""
    return payload


@attrs.frozen
class PublicChannel(Channel[Data]):
    """One documented channel.

    Attributes:
        parts: dot-separated parts of its name, the variable one (depth, interval) included.
        whole: ``read`` wants the whole frame: the envelope has a part of the model.
        stateful: the frame's ``type`` has a meaning. Trades, klines, liquidations, ADL alerts and price limits say
            ``snapshot`` in every frame, or nothing, and replace nothing that came before.
        merges: a frame has only what changed since the last one.
    """

    venue: str = "bybit"
    parts: int = attrs.field(default=1, repr=False)
    whole: bool = attrs.field(default=False, repr=False)
    stateful: bool = attrs.field(default=False, repr=False)
    merges: bool = attrs.field(default=False, repr=False)


TRADES = PublicChannel("publicTrade", each(reader(models.Trade)))
# Read as the category and the symbol require.
TICKERS: PublicChannel[Ticker] = PublicChannel("tickers", plain, whole=True, stateful=True, merges=True)
RPI_ORDERBOOK = PublicChannel(
    "orderbook.rpi", with_envelope(models.RpiOrderBookUpdate, "cts"), parts=2, whole=True, stateful=True
)
LIQUIDATIONS = PublicChannel("allLiquidation", each(reader(models.Liquidation)))
INSURANCE = PublicChannel("insurance", each(reader(models.InsurancePool)), stateful=True)
ADL_ALERTS = PublicChannel("adlAlert", each(reader(models.AdlAlert)))
PRICE_LIMITS = PublicChannel("priceLimit", reader(models.PriceLimit))
SYSTEM_STATUS = PublicChannel("system.status", each(reader(models.SystemStatus)), parts=2)

_ORDERBOOK = PublicChannel("orderbook", with_envelope(models.OrderBookUpdate, "cts"), parts=2, whole=True, stateful=True)
_KLINE = PublicChannel("kline", each(reader(models.Kline)), parts=2)


def orderbook(depth: Union[int, str]) -> Channel[models.OrderBookUpdate]:
    """Return the channel ``orderbook.{depth}``: 1, 50, 200 or 1000 levels, on options 25 or 100; ``"full"`` on spot.

    The venue judges whether it has that depth.

    Raises:
        TypeError, ValueError: ``depth`` cannot be a part of a channel's name.
    """
    return attrs.evolve(_ORDERBOOK, name=f"orderbook.{part('depth', depth)}")


def kline(interval: Union[int, str]) -> Channel[Tuple[models.Kline, ...]]:
    """Return the channel ``kline.{interval}``: 1, 3, 5, 15, 30, 60, 120, 240, 360 or 720 minutes, ``"D"``, ``"W"``, ``"M"``.

    The venue judges whether it has that interval.

    Raises:
        TypeError, ValueError: ``interval`` cannot be a part of a channel's name.
    """
    return attrs.evolve(_KLINE, name=f"kline.{part('interval', interval)}")


def part(name: str, value: Any) -> str:
    """Return a depth or interval as it goes into a topic. Raises ``TypeError``/``ValueError``, naming the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{name} must be an int or a str, not {type(value).__name__}")
    text = str(value)
    if not text.isalnum():
        raise ValueError(f"{name} must be a number or a word, not {value!r}")
    return text


# Looked up by whole parts, since "order" begins "orderbook".
CHANNELS: Mapping[str, PublicChannel[Any]] = {
    channel.name: channel
    for channel in (
        RPI_ORDERBOOK,
        _ORDERBOOK,
        TRADES,
        TICKERS,
        _KLINE,
        LIQUIDATIONS,
        PublicChannel("liquidation", reader(models.LatestLiquidation)),
        INSURANCE,
        ADL_ALERTS,
        PRICE_LIMITS,
        # Leveraged tokens: retired; mirrors and old records have them.
        PublicChannel("kline_lt", plain, parts=2),
        PublicChannel("tickers_lt", plain),
        PublicChannel("lt", plain),
    )
}

LONGEST_TOPIC = 256
"""Characters. The venue's longest symbols have some 40: a longer topic is not a documented one."""

_TICKERS: Mapping[str, Read] = {
    "spot": ticker_models.read_spot_ticker,
    "linear": ticker_models.read_contract_ticker,
    "inverse": ticker_models.read_contract_ticker,
    "option": ticker_models.read_option_ticker,
}
CATEGORIES = tuple(_TICKERS)


@attrs.frozen
class Route:
    """How the frames of one topic are read."""

    channel: str
    symbol: str
    read: Read
    whole: bool = False
    stateful: bool = False
    merges: bool = False


def route(category: str, topic: str) -> Optional[Route]:
    """Return the route of a documented topic, or None."""
    if topic == SYSTEM_STATUS.name:
        return Route(topic, "", SYSTEM_STATUS.read)
    names = topic.split(".", 2)
    channel = CHANNELS.get(".".join(names[:2])) or CHANNELS.get(names[0])
    if channel is None or len(topic) > LONGEST_TOPIC:
        return None
    # A symbol may have dots itself (the strike of XRP-30OCT26-0.4-P-USDT): no more splits than the channel has parts.
    pieces = topic.split(".", channel.parts)
    if len(pieces) <= channel.parts or not all(pieces):
        return None
    symbol = pieces.pop()
    read = channel.read
    if channel.merges:
        # Spread trading has frames of its own, and no category here. Only its symbols join two legs with "_".
        read = ticker_models.read_spread_ticker if "_" in symbol else _TICKERS[category]
    return Route(".".join(pieces), symbol, read, channel.whole, channel.stateful, channel.merges)
