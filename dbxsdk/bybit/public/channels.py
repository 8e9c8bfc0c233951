"""Bybit's public channels: how a topic is split into channel and symbol, and how its frames are read."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence, Tuple, Union

import attrs

from dbxsdk.arguments import check_word
from dbxsdk.bybit.endpoints import SOCKETS
from dbxsdk.bybit.public import event_models, models, ticker_models
from dbxsdk.bybit.public.models import with_envelope
from dbxsdk.channel import Channel
from dbxsdk.fields import each, reader
from dbxsdk.models import Data

Read = Callable[[Any], Any]

Ticker = Union[
    ticker_models.ContractTicker, ticker_models.OptionTicker, ticker_models.SpotTicker, ticker_models.SpreadTicker
]


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


def undocumented(topic: str) -> Channel[Any]:
    """Return a channel for a topic that the venue has added since this was written: it is subscribed whole, unchecked, on any of
    its sockets with topics. ``Update.data`` is the frame's plain ``data``, if it has no model.

    Raises:
        TypeError, ValueError: ``topic`` is not a text without blanks.
    """
    return Channel(check_word("topic", topic), plain, "bybit", documented=False)


def part(name: str, value: Any) -> str:
    """Return a depth or interval as it goes into a topic. Raises ``TypeError``/``ValueError``, naming the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{name} must be an int or a str, not {type(value).__name__}")
    text = str(value)
    if not text.isalnum():
        raise ValueError(f"{name} must be a number or a word, not {value!r}")
    return text


EVENT_ORDERBOOK = PublicChannel(
    "orderbook.25", with_envelope(event_models.EventBookUpdate, "cts"), parts=2, whole=True, stateful=True
)
EVENT_TRADES = PublicChannel("publicTrade", each(reader(event_models.EventTrade)))

_RETIRED: Tuple[PublicChannel[Any], ...] = (
    PublicChannel("liquidation", reader(models.LatestLiquidation)),
    # Leveraged tokens. The venue refuses them; mirrors and old records have them.
    PublicChannel("kline_lt", plain, parts=2),
    PublicChannel("tickers_lt", plain),
    PublicChannel("lt", plain),
)
RETIRED = tuple(channel.name for channel in _RETIRED)

_MARKET: Tuple[PublicChannel[Any], ...] = (_ORDERBOOK, TRADES, TICKERS)
_CANDLES = (*_MARKET, RPI_ORDERBOOK, _KLINE, PRICE_LIMITS)
_FUTURES = (*_CANDLES, LIQUIDATIONS, INSURANCE, ADL_ALERTS)


def _by_name(*channels: PublicChannel[Any]) -> Mapping[str, PublicChannel[Any]]:
    return {channel.name: channel for channel in channels}


# Looked up by whole parts, since "order" begins "orderbook".
CHANNELS: Mapping[str, Mapping[str, PublicChannel[Any]]] = {
    "spot": _by_name(*_CANDLES, *_RETIRED),
    "linear": _by_name(*_FUTURES, *_RETIRED),
    "inverse": _by_name(*_FUTURES, *_RETIRED),
    "option": _by_name(*_MARKET, _KLINE),  # it grants klines, and was never seen to send any
    "spread": _by_name(*_MARKET),
    "event": _by_name(EVENT_ORDERBOOK, EVENT_TRADES),
    "misc/status": _by_name(SYSTEM_STATUS),
}
"""The channels of each public socket, which its path is named after."""

assert tuple(CHANNELS) == SOCKETS

# Topics that a socket sends though its pages do not list them, and those of mirrors.
_ANYWHERE = {name: channel for socket in ("option", "linear", "misc/status") for name, channel in CHANNELS[socket].items()}

LONGEST_TOPIC = 256
"""Characters. The venue's longest symbols have some 40: a longer topic is not a documented one."""

_TICKERS: Mapping[str, Read] = {
    "spot": ticker_models.read_spot_ticker,
    "linear": ticker_models.read_contract_ticker,
    "inverse": ticker_models.read_contract_ticker,
    "option": ticker_models.read_option_ticker,
    "spread": ticker_models.read_spread_ticker,
}


@attrs.frozen
class Route:
    """How the frames of one topic are read."""

    channel: str
    symbol: str
    read: Read
    whole: bool = False
    stateful: bool = False
    merges: bool = False


def route(socket: str, topic: str) -> Optional[Route]:
    """Return the route of a topic of this socket, or else of any, or None."""
    if topic == SYSTEM_STATUS.name:
        return Route(topic, "", SYSTEM_STATUS.read)
    channel = _channel(CHANNELS[socket], topic) or _channel(_ANYWHERE, topic)
    if channel is None or channel is SYSTEM_STATUS or len(topic) > LONGEST_TOPIC:
        return None
    # A symbol may have dots itself (the strike of XRP-30OCT26-0.4-P-USDT): no more splits than the channel has parts.
    pieces = topic.split(".", channel.parts)
    if len(pieces) <= channel.parts or not all(pieces):
        return None
    symbol = pieces.pop()
    read = _TICKERS.get(socket, _TICKERS["linear"]) if channel.merges else channel.read
    return Route(".".join(pieces), symbol, read, channel.whole, channel.stateful, channel.merges)


def _channel(channels: Mapping[str, PublicChannel[Any]], topic: str) -> Optional[PublicChannel[Any]]:
    names = topic.split(".", 2)
    return channels.get(".".join(names[:2])) or channels.get(names[0])


def check_channel(socket: str, channel: str, symbols: Sequence[str]) -> None:
    """Raise ``ValueError``, naming the argument, if the socket has no such channel, or this one needs symbols."""
    is_rpi = channel.startswith(RPI_ORDERBOOK.name) and RPI_ORDERBOOK.name not in CHANNELS[socket]  # not a depth "rpi"
    documented = _channel(CHANNELS[socket], channel) is not None and not is_rpi
    if documented and all(route(socket, topic) for topic in [f"{channel}.{symbol}" for symbol in symbols] or [channel]):
        return
    if documented and not symbols and route(socket, f"{channel}.S") is not None:
        raise ValueError(f"symbols must name at least one for the channel {channel!r}")
    parts = {"orderbook": "orderbook.DEPTH", "kline": "kline.INTERVAL"}
    known = ", ".join(parts.get(name, name) for name in CHANNELS[socket] if name not in RETIRED)
    raise ValueError(f"channel must be one of {known} for {socket}, not {channel!r}")
