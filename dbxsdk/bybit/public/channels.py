"""Bybit's public channels: how a topic is cut into channel and symbol, and who reads its frames."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

import attrs

from dbxsdk.bybit.public import models, ticker_models

Read = Callable[[Any], Any]


def plain(payload: Any) -> Any:
    """Reads what has no model: as it came."""
    return payload


@attrs.frozen
class Channel:
    """One documented channel.

    Attributes:
        parts: dot-separated parts of its name, the variable one (depth, interval) included.
        read: makes the model.
        whole: ``read`` wants the whole frame: the envelope has a part of the model.
        stateful: the frame's ``type`` means something. Trades, klines, liquidations, ADL alerts and price
            limits say ``snapshot`` in every frame, or nothing, and replace nothing that came before.
        merges: a frame has only what changed since the last one.
    """

    parts: int
    read: Read
    whole: bool = False
    stateful: bool = False
    merges: bool = False


# Longer names first where one begins another; look-ups are by whole parts, since `order` begins `orderbook`.
CHANNELS: Mapping[str, Channel] = {
    "orderbook.rpi": Channel(2, models.read_rpi_order_book, whole=True, stateful=True),
    "orderbook": Channel(2, models.read_order_book, whole=True, stateful=True),
    "publicTrade": Channel(1, models.read_trades),
    "tickers": Channel(1, plain, whole=True, stateful=True, merges=True),  # read as the category and symbol say
    "kline": Channel(2, models.read_klines),
    "allLiquidation": Channel(1, models.read_liquidations),
    "liquidation": Channel(1, models.read_latest_liquidation),
    "insurance": Channel(1, models.read_insurance_pools, stateful=True),
    "adlAlert": Channel(1, models.read_adl_alerts),
    "priceLimit": Channel(1, models.read_price_limit),
    # Leveraged tokens: retired, never to come back; mirrors and old records have them.
    "kline_lt": Channel(2, plain),
    "tickers_lt": Channel(1, plain),
    "lt": Channel(1, plain),
}

SYSTEM_STATUS = "system.status"

LONGEST_TOPIC = 256
"""Characters; the venue's longest symbols have some 40. What is longer is nothing documented."""

_TICKERS: Mapping[str, Read] = {
    "spot": ticker_models.read_spot_ticker,
    "linear": ticker_models.read_contract_ticker,
    "inverse": ticker_models.read_contract_ticker,
    "option": ticker_models.read_option_ticker,
}
CATEGORIES = tuple(_TICKERS)


@attrs.frozen
class Route:
    """Where the frames of one topic go."""

    channel: str
    symbol: str
    read: Read
    whole: bool = False
    stateful: bool = False
    merges: bool = False


def route(category: str, topic: str) -> Optional[Route]:
    """The route of a documented topic, or None."""
    if topic == SYSTEM_STATUS:
        return Route(topic, "", models.read_system_status)
    channel = _channel(topic)
    if channel is None or len(topic) > LONGEST_TOPIC:
        return None
    # A symbol may hold dots itself (the strike of XRP-30OCT26-0.4-P-USDT): no more cuts than the channel has parts.
    pieces = topic.split(".", channel.parts)
    if len(pieces) <= channel.parts or not all(pieces):
        return None
    symbol = pieces.pop()
    read = _read_ticker(category, symbol) if channel.merges else channel.read
    return Route(".".join(pieces), symbol, read, channel.whole, channel.stateful, channel.merges)


def _channel(topic: str) -> Optional[Channel]:
    pieces = topic.split(".", 2)
    return CHANNELS.get(".".join(pieces[:2])) or CHANNELS.get(pieces[0])


def _read_ticker(category: str, symbol: str) -> Read:
    # Spread trading has frames of its own, and no category here. Its symbols alone join two legs with "_".
    return ticker_models.read_spread_ticker if "_" in symbol else _TICKERS[category]
