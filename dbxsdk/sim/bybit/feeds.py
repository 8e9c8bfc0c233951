"""Opens the feed of a topic of Bybit's public sockets, or says which part of the topic is unknown."""

from __future__ import annotations

from typing import List

from dbxsdk.sim.bybit.book_feeds import BOOK_SECONDS, BookFeed, RpiFeed, TopFeed
from dbxsdk.sim.bybit.event_feeds import STATUS, EventBookFeed, EventTradeFeed, StatusFeed
from dbxsdk.sim.bybit.feed import FUTURES, Feed, Floor, UnknownTopic
from dbxsdk.sim.bybit.full_book import FullBookFeed
from dbxsdk.sim.bybit.pool_feeds import POOLS, AdlFeed, InsuranceFeed, LiquidationFeed, PriceLimitFeed
from dbxsdk.sim.bybit.public_socket import UNKNOWN_SYMBOL, UNKNOWN_TOPIC
from dbxsdk.sim.bybit.ticker_feeds import TickerFeed
from dbxsdk.sim.bybit.trade_feeds import KlineFeed, TradeFeed
from dbxsdk.sim.market.market import SymbolMarket

_WITH_CANDLES = ("spot", *FUTURES)
INTERVALS = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M")
_DEPTHS = {
    **dict.fromkeys(("spot", *FUTURES), (1, 50, 200, 1000)), "option": (25, 100), "spread": (25,), "event": (25,),
    "misc/status": (),
}


def open_feed(floor: Floor, topic: str) -> Feed:
    """Return the feed of ``topic``. Raises ``UnknownTopic`` if the category's socket does not have it."""
    channel, _, rest = topic.partition(".")
    if channel in ("insurance", "adlAlert") and floor.category in FUTURES:
        if rest not in POOLS:
            raise UnknownTopic(UNKNOWN_TOPIC)
        return InsuranceFeed(floor, topic) if channel == "insurance" else AdlFeed(floor, topic)
    if topic == STATUS and floor.category == "misc/status":
        return StatusFeed(floor, topic)
    if channel == "publicTrade":
        feed = EventTradeFeed if floor.category == "event" else TradeFeed
        return feed(floor, topic, _traded(floor, rest))
    if channel in ("orderbook", "kline"):
        # Not every dot separates: option strikes may hold one. The symbol is all that follows the second.
        kind, _, symbol = rest.partition(".")
        return _book_feed(floor, topic, kind, symbol) if channel == "orderbook" else _kline_feed(floor, topic, kind, symbol)
    if channel == "tickers" and floor.category != "event":
        return TickerFeed(floor, topic, _market(floor, rest))
    if channel == "allLiquidation" and floor.category in FUTURES:
        return LiquidationFeed(floor, topic, _market(floor, rest))
    if channel == "priceLimit" and floor.category in _WITH_CANDLES:
        return PriceLimitFeed(floor, topic, _market(floor, rest))
    raise UnknownTopic(UNKNOWN_TOPIC)


def _book_feed(floor: Floor, topic: str, kind: str, symbol: str) -> Feed:
    if kind == "rpi" and floor.category in _WITH_CANDLES:
        return RpiFeed(floor, topic, _market(floor, symbol))
    if kind == "full" and floor.category in _WITH_CANDLES:
        return FullBookFeed(floor, topic, _market(floor, symbol))
    depth = int(kind) if kind.isdigit() else 0
    if depth in _DEPTHS[floor.category]:
        market = _market(floor, symbol)
        if floor.category == "event":
            return EventBookFeed(floor, topic, market)
        return TopFeed(floor, topic, market) if depth == 1 else BookFeed(floor, topic, market, depth)
    if floor.category == "option" and depth in BOOK_SECONDS:
        # The option socket was seen to accept depths that it does not serve, and then to send nothing.
        _market(floor, symbol)
        return Feed(floor, topic)
    raise UnknownTopic(UNKNOWN_TOPIC)


def _kline_feed(floor: Floor, topic: str, interval: str, symbol: str) -> Feed:
    if interval not in INTERVALS or floor.category not in (*_WITH_CANDLES, "option"):
        raise UnknownTopic(UNKNOWN_TOPIC)
    market = _market(floor, symbol)
    return Feed(floor, topic) if floor.category == "option" else KlineFeed(floor, topic, market, interval)


def _market(floor: Floor, symbol: str) -> SymbolMarket:
    market = floor.market.symbols.get(symbol)
    if market is None:
        raise UnknownTopic(UNKNOWN_SYMBOL)
    return market


def _traded(floor: Floor, name: str) -> List[SymbolMarket]:
    if floor.category != "option":
        return [_market(floor, name)]
    markets = [market for market in floor.market.symbols.values() if market.instrument.base == name]
    if not markets:
        raise UnknownTopic(UNKNOWN_SYMBOL)
    return markets
