"""The channels of DigiFinex's swap socket: their typed constants, and the topics that they make.

A topic is the channel, a dot and the contract (``ticker.BTCUSDTPERP``, ``depth.20.BTCUSDTPERP``), or the channel alone.
"""

from __future__ import annotations

from typing import Any, Dict, Tuple, Union

import attrs

from dbxsdk.arguments import check_choice, check_int
from dbxsdk.channel import Channel
from dbxsdk.digifinex.swap import models
from dbxsdk.fields import each, reader
from dbxsdk.models import Data

HOME = "digifinex:swap"

LEVELS = (10, 20, 100)
"""Rows a side of ``depth``."""

GRANULARITIES = ("1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w")
"""Lengths of candles."""


@attrs.frozen
class SwapChannel(Channel[Data]):
    """One documented channel.

    Attributes:
        parameter: the parameter of its requests that is the second part of its name.
        whole: it has no contracts: there is one topic.
        private: it is the account's.
        many: an update has rows, of any contracts; otherwise it is about one contract.
        time: the key of an update's time.
    """

    venue: str = HOME
    parameter: str = attrs.field(default="", repr=False)
    whole: bool = attrs.field(default=False, repr=False)
    private: bool = attrs.field(default=False, repr=False)
    many: bool = attrs.field(default=False, repr=False)
    time: str = attrs.field(default="timestamp", repr=False)


TICKERS = SwapChannel("ticker", reader(models.Ticker))
ALL_TICKERS = SwapChannel("all_ticker", each(reader(models.Ticker)), whole=True, many=True)
TRADES = SwapChannel("trades", each(reader(models.Trade)), many=True, time="trade_time")
INDEX_PRICES = SwapChannel("index_price", reader(models.IndexPrice))
MARK_PRICES = SwapChannel("mark_price", models.read_mark_price)
PRICE_RANGES = SwapChannel("price_range", reader(models.PriceRange))
FUND_RATES = SwapChannel("fund_rate", reader(models.FundRate))
ESTIMATED_SETTLE_PRICES = SwapChannel("estimated_settle_price", reader(models.EstimatedSettlePrice))
ACCOUNTS = SwapChannel(
    "account", each(models.open_reader(models.Account)), whole=True, private=True, many=True, time="time_stamp"
)
POSITIONS = SwapChannel("position", each(models.open_reader(models.Position)), private=True, many=True)
ORDERS = SwapChannel("order", each(models.open_reader(models.Order)), private=True, many=True, time="time_stamp")

_DEPTH = SwapChannel("depth", reader(models.Depth), parameter="level")
_CUR_CANDLE = SwapChannel("cur_candle", models.candle_reader("candle"), parameter="granularity")
_MARK_CANDLE = SwapChannel("mark_candle", models.candle_reader("mark_candle"), parameter="granularity")

KINDS: Dict[str, SwapChannel[Any]] = {
    channel.name: channel
    for channel in (
        TICKERS, ALL_TICKERS, _DEPTH, TRADES, _CUR_CANDLE, INDEX_PRICES, MARK_PRICES, _MARK_CANDLE, PRICE_RANGES,
        FUND_RATES, ESTIMATED_SETTLE_PRICES, ACCOUNTS, POSITIONS, ORDERS,
    )
}
"""By the first part of the name, which is the one that the venue's events have."""

_PARTS: Dict[str, Tuple[str, ...]] = {
    "": ("",),
    "level": tuple(f".{level}" for level in LEVELS),
    "granularity": tuple(f".{granularity}" for granularity in GRANULARITIES),
}

CHANNELS: Tuple[str, ...] = tuple(kind.name + part for kind in KINDS.values() for part in _PARTS[kind.parameter])
"""The names of all of them: ``ticker``, ``depth.20``, ``cur_candle.1m`` ..."""


def depth(level: int) -> Channel[models.Depth]:
    """Return the channel ``depth.{level}``. Raises ``TypeError``/``ValueError`` if ``level`` is not 10, 20 or 100."""
    return attrs.evolve(_DEPTH, name=f"depth.{check_level('level', level)}")


def cur_candle(granularity: str) -> Channel[models.Candle]:
    """Return the channel ``cur_candle.{granularity}``: candles of the trades. Raises ``TypeError``/``ValueError`` if it is
    not one of ``GRANULARITIES``."""
    return attrs.evolve(_CUR_CANDLE, name=f"cur_candle.{check_choice('granularity', granularity, GRANULARITIES)}")


def mark_candle(granularity: str) -> Channel[models.Candle]:
    """Return the channel ``mark_candle.{granularity}``: candles of the mark price. Raises as ``cur_candle``."""
    return attrs.evolve(_MARK_CANDLE, name=f"mark_candle.{check_choice('granularity', granularity, GRANULARITIES)}")


def check_level(name: str, level: Any) -> int:
    """Return ``level``. Raises ``TypeError``/``ValueError``, naming the argument, if the venue has no such depth."""
    if check_int(name, level) not in LEVELS:
        raise ValueError(f"{name} must be one of {', '.join(map(str, LEVELS))}, not {level}")
    return int(level)


def split(topic: str) -> Tuple[str, Union[str, int], str]:
    """Return a topic's kind, its level or granularity (``""`` if it has none) and its contract (likewise)."""
    name, _, contract = topic.rpartition(".")
    kind, _, part = (name or topic).partition(".")
    return kind, int(part) if kind == _DEPTH.name else part, contract if name else ""


def channel_of(topic: str) -> str:
    """Return the name of a topic's channel."""
    return topic.rpartition(".")[0] or topic
