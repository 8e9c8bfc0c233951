"""The local DigiFinex venue's socket of perpetual swaps: its market, its answers and its updates.

Where the venue's documents and what was measured of it say nothing, the behaviour here is an assumption and its comment says
so.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Collection, ContextManager, Dict, Iterator, List, Optional, Tuple

import attrs

from dbxsdk.sim.connection import Connection
from dbxsdk.sim.digifinex.swap_account import SwapAccount
from dbxsdk.sim.market.book import DepthFeed, Level
from dbxsdk.sim.market.candles import Candle
from dbxsdk.sim.market.market import Instrument, Market, Trade, instrument
from dbxsdk.sim.refused import Refused
from dbxsdk.sim.scripted_account import Event
from dbxsdk.sim.venue import check_symbols

PATH = "/swap_ws/v2/"
DEFAULT_SYMBOLS = ("BTCUSDTPERP", "ETHUSDTPERP", "BTCPERP", "BTC2-MOVE-20271231")
MOST_CHANNELS = 30

INVALID, AUTH_FAILED, AUTH_NEEDED, REPEATED, NOT_SUBSCRIBED, LOGGED_IN = 2, 3, 4, 5, 7, 9
# The texts of 4 and 9 were never seen.
_TEXTS = {
    INVALID: "invalid param", AUTH_FAILED: "auth fail", AUTH_NEEDED: "need auth", REPEATED: "repeat subscribe",
    NOT_SUBSCRIBED: "unsubscribe fail", LOGGED_IN: "repeat auth",
}

_INTERVALS = {
    "1m": "1", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "4h": "240", "12h": "720", "1d": "D", "1w": "W",
}
_PRICES = ("index_price", "mark_price", "price_range", "fund_rate", "estimated_settle_price")
_PUBLIC = ("ticker", "all_ticker", "depth", "trades", "cur_candle", "mark_candle", *_PRICES)
_PRIVATE = ("account", "position", "order")
_WHOLE = ("all_ticker", "account")
_PARAMETERS: Dict[str, Tuple[str, Collection[Any]]] = {
    "depth": ("level", (10, 20, 100)), "cur_candle": ("granularity", _INTERVALS), "mark_candle": ("granularity", _INTERVALS),
}
_FUNDING_MS = 8 * 3_600_000

Document = Dict[str, Any]


class TooManyChannels(Exception):
    """The connection is cut, without an answer."""


class SwapSocket:
    """The state of the socket, for the venue that serves it: all but what is documented for tests is called under its lock."""

    def __init__(
        self, symbols: Collection[str], *, seed: int, start_us: int, lock: ContextManager[Any], now_ms: Callable[[], int]
    ) -> None:
        contracts = [_instrument(symbol) for symbol in check_symbols(symbols)]
        self._values = {each.symbol: value for each, value in contracts}
        self._market = Market((each for each, _ in contracts), seed=seed, start_us=start_us, intervals=_INTERVALS.values())
        linear = {symbol: value for symbol, value in self._values.items() if value}
        self._account = SwapAccount(self._market, seed, linear)
        self._lock = lock
        self._now_ms = now_ms
        # One feed a topic serves all its subscribers: a new one starts from the state after the last delta sent.
        self._feeds: Dict[str, DepthFeed] = {}
        self._last_trades: Dict[str, List[Trade]] = {}
        self._events: List[Event] = []

    # -- for tests -----------------------------------------------------------------------------------------------------

    @property
    def symbols(self) -> Tuple[str, ...]:
        """What is traded."""
        return tuple(self._market.instruments)

    def book(self, symbol: str, level: Optional[int] = None) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return the true book, cut at ``level``: ``{"bids": [(price, contracts), ...], "asks": [...]}``, best first."""
        with self._lock:
            return self._market.truth(symbol, level)

    def trades(self, symbol: str) -> List[Trade]:
        """Return the recent trades, oldest first."""
        with self._lock:
            return list(self._market.symbols[symbol].history)

    def figures(self) -> Dict[str, Decimal]:
        """Return the account's figures, by the keys of ``account.update``."""
        with self._lock:
            return self._account.figures()

    # -- requests ------------------------------------------------------------------------------------------------------

    def answer(
        self, connection: Connection, document: Any, subscribed: Callable[[str], bool], verify: Callable[[Any, str, Any], bool]
    ) -> Tuple[Document, List[Document]]:
        """Return the answer to a request, and the updates that follow it. ``subscribed`` says whether anybody has a topic,
        ``verify`` whether a key, a timestamp and a signature are good. Raises ``TooManyChannels``."""
        if not isinstance(document, dict):
            return {"event": "", "code": INVALID, "msg": _TEXTS[INVALID]}, []
        event, request_id = document.get("event"), document.get("id")
        head: Document = {"event": event if isinstance(event, str) else ""}
        try:
            if type(request_id) is not int:
                raise Refused(INVALID, "")
            head = {"id": request_id, **head}
            data, started = self._carry_out(connection, str(event), document, subscribed, verify)
        except Refused as refused:
            return {**head, "code": refused.code, "msg": _TEXTS[refused.code]}, []
        answer = {**head, "code": 1, "msg": "success"}
        return answer if data is None else {**answer, "data": data}, [first for topic in started for first in self._first(topic)]

    def _carry_out(self, connection: Connection, event: str, document: Document, subscribed: Any, verify: Any) -> Any:
        if event == "server.ping":
            return "pong", []
        if event == "server.time":
            return self._now_ms(), []
        if event == "server.auth":
            if connection.state.get("authenticated"):
                raise Refused(LOGGED_IN, "")
            moment = document.get("timestamp")
            if type(moment) is not int or not verify(document.get("apikey"), str(moment), document.get("signature")):
                raise Refused(AUTH_FAILED, "")
            connection.state["authenticated"] = True
            return None, []
        channel, _, verb = event.partition(".")
        if channel not in _PUBLIC + _PRIVATE or verb not in ("subscribe", "unsubscribe"):
            raise Refused(INVALID, "")
        if channel in _PRIVATE and not connection.state.get("authenticated"):
            raise Refused(AUTH_NEEDED, "")
        topics = self._topics(channel, document)
        assert self._market.symbols, "it begins, if nobody has looked at it before"
        if verb == "unsubscribe":
            if not any(topic in connection.topics for topic in topics):
                raise Refused(NOT_SUBSCRIBED, "")
            for topic in topics:
                connection.topics.pop(topic, None)
            return None, []
        # Of several, one of which is subscribed already: that nothing of it is carried out is an assumption.
        if any(topic in connection.topics for topic in topics):
            raise Refused(REPEATED, "")
        if sum(topic.partition(".")[0] in _PUBLIC for topic in (*connection.topics, *topics)) > MOST_CHANNELS:
            raise TooManyChannels
        for topic in topics:
            if channel == "depth" and not subscribed(topic):
                _, level, symbol = topic.split(".")
                self._feeds[topic] = DepthFeed(self._market.symbols[symbol].book, int(level))
            connection.topics[topic] = True
        return None, topics

    def _topics(self, channel: str, document: Document) -> List[str]:
        if channel in _WHOLE:
            return [channel]
        one, several = document.get("instrument_id"), document.get("instrument_ids")
        names = [one] if several is None else several
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise Refused(INVALID, "")
        # Refusing the whole array for one bad id is an assumption.
        if not all(name in self._market.symbols for name in names):
            raise Refused(INVALID, "")
        key, values = _PARAMETERS.get(channel, ("", ()))
        value = document.get(key) if key else None
        if key and (isinstance(value, (bool, list, dict)) or value not in values):
            raise Refused(INVALID, "")
        prefix = f"{channel}.{value}" if key else channel
        return [f"{prefix}.{name}" for name in dict.fromkeys(names)]

    # -- updates -------------------------------------------------------------------------------------------------------

    def _first(self, topic: str) -> Iterator[Document]:
        """Yield what follows a subscription at once. Nothing is known of the others, so they begin with what happens next."""
        channel, _, symbol = topic.rpartition(".")
        if channel.startswith("depth"):
            bids, asks = self._feeds[topic].snapshot()
            yield {"event": "depth.update", "full_data": True, "data": self._depth(topic, bids, asks)}
        elif channel == "fund_rate":
            yield {"event": "fund_rate.update", "data": self._price(channel, symbol)}

    def advance(self, now_us: int, account_acts: bool) -> None:
        """Move the market on by one step."""
        self._last_trades = self._market.step(now_us)
        self._events = self._account.act(now_us // 1000) if account_acts and self._market.begun else []

    def updates(self, wanted: Collection[str], each: Callable[[float], bool]) -> Iterator[Tuple[str, Document]]:
        """Yield each update of the ``wanted`` topics, and its topic. ``each``: see ``Venue._each``."""
        for topic in wanted:
            channel, _, symbol = topic.rpartition(".")
            kind, _, part = (channel or topic).partition(".")
            trades = self._last_trades.get(symbol, [])
            data: Any = None
            if kind == "all_ticker":
                data = [self._ticker(name) for name in self.symbols] if each(2.0) else None
            elif kind == "depth":
                bids, asks = self._feeds[topic].advance()
                data = self._depth(topic, bids[::-1], asks) if bids or asks else None  # of bids the worst come first
            elif kind == "ticker":
                data = self._ticker(symbol) if trades or each(1.0) else None
            elif kind == "trades":
                data = [_trade(trade) for trade in reversed(trades)]
            elif kind in ("cur_candle", "mark_candle"):
                data = self._candle(kind, part, symbol) if trades else None
            elif kind == "fund_rate":
                data = self._price(kind, symbol) if each(16.0) else None
            elif kind in _PRICES and (kind != "estimated_settle_price" or not symbol.endswith("PERP")):
                data = self._price(kind, symbol) if each(1.0) else None
            if data:
                yield topic, {"event": f"{kind}.update", "data": data}
        for event in self._events:
            topic = f"{event.channel}.{event.name}" if event.name else event.channel
            if topic in wanted:
                yield topic, {"event": f"{event.channel}.update", "data": [event.data]}

    def _depth(self, topic: str, bids: List[Level], asks: List[Level]) -> Document:
        _, level, symbol = topic.split(".")
        traded = self._market.instruments[symbol]
        rows = [[[traded.price_text(tick), lots] for tick, lots in side] for side in (asks, bids)]
        return {
            "instrument_id": symbol, "level": int(level), "timestamp": self._now_ms(), "asks": rows[0], "bids": rows[1]
        }

    def _ticker(self, symbol: str) -> Document:
        market = self._market.symbols[symbol]
        traded, ticker = market.instrument, market.ticker()
        return {
            "instrument_id": symbol,
            "best_bid": traded.price_text(ticker.bid[0]),
            "best_bid_size": f"{ticker.bid[1]}.000000",
            "best_ask": traded.price_text(ticker.ask[0]),
            "best_ask_size": f"{ticker.ask[1]}.000000",
            "high_24h": format(ticker.high_24h, "f"),
            "open_24h": format(ticker.open_24h, "f"),
            "low_24h": format(ticker.low_24h, "f"),
            "last": format(ticker.last, "f"),
            "last_qty": format(ticker.last_size, "f"),
            "volume_24h": format(ticker.base_volume_24h, "f"),
            "volume_token_24h": self._coins(symbol, ticker.base_volume_24h, ticker.last),
            "open_interest": "-",
            "timestamp": self._now_ms(),
        }

    def _candle(self, kind: str, granularity: str, symbol: str) -> Document:
        candle: Candle = self._market.symbols[symbol].candle(_INTERVALS[granularity], self._now_ms())
        prices = [format(each, "f") for each in (candle.open, candle.high, candle.low, candle.close)]
        # Candles of the mark price have five figures in the page's sample, and seven in its table.
        volumes = [format(candle.volume, "f"), self._coins(symbol, candle.volume, candle.close)] if kind == "cur_candle" else []
        key = "candle" if kind == "cur_candle" else kind
        return {"instrument_id": symbol, "granularity": granularity, key: [candle.start_ms, *prices, *volumes]}

    def _price(self, kind: str, symbol: str) -> Document:
        now, last = self._now_ms(), self._market.symbols[symbol].ticker().last
        if kind == "fund_rate":
            begun = now - now % _FUNDING_MS
            return {
                "instrument_id": symbol, "funding_rate": "0.0001", "funding_time": begun + _FUNDING_MS,
                "next_funding_rate": "-3e-05", "next_funding_time": begun + 2 * _FUNDING_MS,
            }
        if kind == "price_range":
            price = {"highest": format(last * Decimal("1.05"), "f"), "lowest": format(last * Decimal("0.95"), "f")}
        else:
            price = {kind: format(last, "f")}
        return {"instrument_id": symbol, **price, "timestamp": now}

    def _coins(self, symbol: str, contracts: Decimal, price: Decimal) -> str:
        value = self._values[symbol]
        return format(contracts * value if value else round(contracts / price, 8), "f")


def _instrument(symbol: str) -> Tuple[Instrument, Decimal]:
    """Return the contract, and the coins in one; 0 for an inverse one, which is worth one USD."""
    linear, inverse = symbol.endswith("USDTPERP"), symbol.endswith("PERP")
    base = symbol[: -len("USDTPERP")] if linear else symbol[: -len("PERP")] if inverse else symbol[:3]
    made = instrument(symbol, base or symbol, "USDT" if linear else "USD")
    return attrs.evolve(made, lot_size=Decimal(1)), Decimal(0) if inverse and not linear else 10 * made.lot_size


def _trade(trade: Trade) -> Document:
    # Whether it opens or closes a position is another's affair: here each opens one.
    return {
        "instrument_id": trade.symbol,
        "trade_id": str(17 * 10**17 + trade.id),
        "direction": "1" if trade.buy else "2",
        "volume": format(trade.size, "f"),
        "price": format(trade.price, "f"),
        "trade_time": trade.time_us // 1000,
    }
