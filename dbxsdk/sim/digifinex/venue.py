"""``DigiFinexVenue``: DigiFinex's spot WebSocket v1, served locally.

Where the venue's documents say nothing, the behaviour here is an assumption and its comment says so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Callable, Collection, Dict, List, Tuple, Union

from dbxsdk.codec import encode
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.digifinex.account import Account, Event
from dbxsdk.sim.market.book import DepthFeed, Level
from dbxsdk.sim.market.market import Instrument, Market, Step, Ticker, Trade, instrument
from dbxsdk.sim.venue import Venue, check_symbols

if TYPE_CHECKING:
    from dbxsdk import DigiFinexClient

DEFAULT_SYMBOLS = ("BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT")

HISTORY_SENT = 50
"""Trades in the history that follows a subscription. The venue's own number is not documented."""

# No table of WebSocket error codes is published. These are the codes of the engine from which the protocol visibly
# descends; a live capture shows the shape {"code": ..., "message": ...}, not the numbers.
INVALID_ARGUMENT = 1
METHOD_NOT_FOUND = 4
AUTHENTICATION_REQUIRED = 6

_SUCCESS = {"status": "success"}
_PUBLIC = ("trades", "depth", "ticker", "all_ticker")
_PRIVATE = ("order", "order_algo", "balance")
_ACCOUNT_SECONDS = 1.0


Handler = Callable[[Connection, List[Any]], Tuple[Any, List[str]]]
"""Carries out one method: params to the result, and the topics whose first update follows the answer."""


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


class DigiFinexVenue(Venue):
    """DigiFinex's public and private socket, on ``/ws/v1/``.

    Args, beyond those of ``Venue``:
        symbols: what is traded, as ``BASE_QUOTE``.
        compress_replies: replies go out zlib-compressed, as pushes always do; with False they are plain text. Both
            are reported of the live venue.
        nested_tickers: ticker updates carry ``[[{...}]]``, which is reported too, in place of the documented
            ``[{...}]``.
        auth_tolerance: how far, in seconds, the timestamp of ``server.auth`` may be from the venue's clock; the
            live venue's tolerance is not published.
    """

    name = "digifinex"
    paths = ("/ws/v1/",)

    def __init__(
        self,
        *,
        symbols: Collection[str] = DEFAULT_SYMBOLS,
        compress_replies: bool = True,
        nested_tickers: bool = False,
        auth_tolerance: float = 60.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._compress_replies = compress_replies
        self._nested_tickers = nested_tickers
        self._auth_tolerance = auth_tolerance
        self._market = Market(
            [_instrument(symbol) for symbol in check_symbols(symbols)], seed=self._seed, start_us=self._start_us
        )
        self._account = Account(self._market, self._seed)
        self._last_step = Step({}, {})
        self._account_events: List[Event] = []
        # One feed a symbol serves all its subscribers: a new one starts from the state after the last delta sent.
        self._feeds: Dict[str, DepthFeed] = {}
        self._methods = self._method_table()

    # -- for tests -----------------------------------------------------------------------------------------------------

    @property
    def symbols(self) -> Tuple[str, ...]:
        """What is traded."""
        return tuple(self._market.symbols)

    def book(self, symbol: str) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return the true book: ``{"bids": [(price, size), ...], "asks": [...]}``, both best first."""
        with self._lock:
            return self._market.truth(symbol)

    def trades(self, symbol: str) -> List[Trade]:
        """Return the recent trades, oldest first."""
        with self._lock:
            return list(self._market.symbols[symbol].history)

    def balances(self) -> Dict[str, Dict[str, Decimal]]:
        """Return the account's balances: ``{currency: {"free": ..., "used": ..., "total": ...}}``."""
        with self._lock:
            return {
                currency: {"free": free, "used": used, "total": free + used}
                for currency, (free, used) in self._account.balances.items()
            }

    def client(self, **kwargs: Any) -> DigiFinexClient:
        """A ``dbxsdk.DigiFinexClient`` for this venue, with its keys unless ``api_key=None`` is given."""
        from dbxsdk import DigiFinexClient  # here, because the venue is of use without the client, too

        if "api_key" not in kwargs:
            kwargs.update(api_key=self.api_key, api_secret=self.api_secret)
        return DigiFinexClient(**{"url": self.url(), **kwargs})

    # -- requests ------------------------------------------------------------------------------------------------------

    def _method_table(self) -> Dict[str, Handler]:
        table: Dict[str, Handler] = {
            "server.ping": lambda connection, params: ("pong", []),
            "server.time": lambda connection, params: (int(self._clock()), []),
            "server.auth": self._authenticate,
        }
        for channel in _PUBLIC + _PRIVATE:
            table[f"{channel}.subscribe"] = self._subscribing(channel)
            table[f"{channel}.unsubscribe"] = self._unsubscribing(channel)
        return table

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        # That bad JSON and requests that are no objects are answered at all, with a null id, is an assumption.
        request_id = document.get("id") if isinstance(document, dict) else None
        try:
            if not isinstance(document, dict):
                raise _Refused(INVALID_ARGUMENT, "invalid argument: not a JSON object")
            # One page of the documents shows server.ping, server.time and all_ticker without params.
            params = document.get("params", [])
            if not isinstance(params, list):
                raise _Refused(INVALID_ARGUMENT, "invalid argument: params must be an array")
            method = self._methods.get(str(document.get("method")))
            if method is None:
                raise _Refused(METHOD_NOT_FOUND, "method not found")
            result, started = method(connection, params)
        except _Refused as refused:
            self._answer(connection, {"error": refused.error, "result": None, "id": request_id})
            return
        self._answer(connection, {"error": None, "result": result, "id": request_id})
        # Behind the answer: what a new subscription starts with.
        for topic in started:
            self._begin(connection, topic)

    def _authenticate(self, connection: Connection, params: List[Any]) -> Tuple[Any, List[str]]:
        if len(params) != 3 or not all(isinstance(param, str) for param in params):
            raise _Refused(INVALID_ARGUMENT, "invalid argument: params must be api key, timestamp and sign, all texts")
        api_key, timestamp, sign = params
        try:
            skew = abs(int(timestamp) / 1000 - self._clock())
        except (ValueError, OverflowError):
            raise _Refused(INVALID_ARGUMENT, "invalid argument: timestamp") from None
        digest = hmac.new(self.api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()
        if api_key != self.api_key:
            raise _Refused(AUTHENTICATION_REQUIRED, "authentication failed: api key")
        if not hmac.compare_digest(base64.b64encode(digest), sign.encode()):
            raise _Refused(AUTHENTICATION_REQUIRED, "authentication failed: sign")
        if skew > self._auth_tolerance:
            raise _Refused(AUTHENTICATION_REQUIRED, "authentication failed: timestamp")
        connection.state["authenticated"] = True
        return _SUCCESS, []

    def _names(self, channel: str, params: List[Any]) -> List[str]:
        """Return the symbols (or currencies) in ``params``, checked."""
        if not all(isinstance(param, str) for param in params):
            raise _Refused(INVALID_ARGUMENT, "invalid argument: params must be texts")
        known = self._account.balances if channel == "balance" else self._market.symbols
        # The reply to an unknown symbol is not documented. Refusing the whole request is the assumption that lets
        # a test see a refusal.
        for param in params:
            if param not in known:
                raise _Refused(INVALID_ARGUMENT, f"invalid argument: {param}")
        return list(dict.fromkeys(params))

    def _check_access(self, channel: str, connection: Connection) -> None:
        if channel in _PRIVATE and not connection.state.get("authenticated"):
            raise _Refused(AUTHENTICATION_REQUIRED, "require authentication")

    def _subscribing(self, channel: str) -> Handler:
        def subscribe(connection: Connection, params: List[Any]) -> Tuple[Any, List[str]]:
            self._check_access(channel, connection)
            if channel == "all_ticker":
                topics = [channel]
            else:
                topics = [f"{channel}.{name}" for name in self._names(channel, params)]
                if not topics:
                    raise _Refused(INVALID_ARGUMENT, "invalid argument: params must name something")
            for topic in topics:
                # Additive, as two clients in use rely on. Whether a repeated subscription starts over is not
                # documented; that the history comes after every one is.
                if topic.startswith("depth.") and not self._subscribers(topic):
                    self._feeds[topic] = DepthFeed(self._market.symbols[topic.partition(".")[2]].book)
                connection.topics[topic] = True
            return _SUCCESS, topics

        return subscribe

    def _unsubscribing(self, channel: str) -> Handler:
        def unsubscribe(connection: Connection, params: List[Any]) -> Tuple[Any, List[str]]:
            self._check_access(channel, connection)
            if channel == "all_ticker":
                topics = [channel]
            elif params:
                topics = [f"{channel}.{name}" for name in self._names(channel, params)]
            else:  # an empty list ends everything of the channel
                topics = [topic for topic in connection.topics if topic.partition(".")[0] == channel]
            for topic in topics:
                connection.topics.pop(topic, None)
            return _SUCCESS, []

        return unsubscribe

    def _begin(self, connection: Connection, topic: str) -> None:
        """Send what follows a subscription at once. Tickers and private channels send no snapshot."""
        channel, _, symbol = topic.partition(".")
        if channel == "trades":
            newest_first = list(self._market.symbols[symbol].history)[: -HISTORY_SENT - 1: -1]
            self._push([connection], _update("trades", [True, [_trade(trade) for trade in newest_first], symbol]))
        elif channel == "depth":
            bids, asks = self._feeds[topic].snapshot()
            self._push([connection], _update("depth", [True, self._sides(symbol, bids, asks), symbol]))

    # -- pushes --------------------------------------------------------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        self._last_step = self._market.step(now_us)
        self._account_events = []
        if self._each(_ACCOUNT_SECONDS):
            self._account_events = self._account.act(now_us // 1000)

    def _publish(self) -> None:
        wanted = {topic for connection in self._connections.values() for topic in connection.topics}
        each_second = self._each(1.0)
        for symbol, trades in self._last_step.trades.items():
            if trades and f"trades.{symbol}" in wanted:
                document = _update("trades", [False, [_trade(trade) for trade in reversed(trades)], symbol])
                self._push(self._subscribers(f"trades.{symbol}"), document)
            if f"depth.{symbol}" in wanted:
                self._publish_depth(symbol)
            if (trades or each_second) and f"ticker.{symbol}" in wanted:
                self._push(self._subscribers(f"ticker.{symbol}"), _update("ticker", self._tickers([symbol])))
        if each_second and "all_ticker" in wanted:
            # About once a second, and each push is a part of the symbols only: here every other one by turns.
            second = round(self._steps * self._step_seconds)
            symbols = self.symbols if len(self.symbols) == 1 else self.symbols[second % 2:: 2]
            self._push(self._subscribers("all_ticker"), _update("all_ticker", self._tickers(symbols)))
        for channel, name, document in self._account_events:
            if f"{channel}.{name}" in wanted:
                self._push(self._subscribers(f"{channel}.{name}"), _update(channel, [document]))

    def _publish_depth(self, symbol: str) -> None:
        topic = f"depth.{symbol}"
        bids, asks = self._feeds[topic].advance()
        if bids or asks:
            self._push(self._subscribers(topic), _update("depth", [False, self._sides(symbol, bids, asks), symbol]))

    def _sides(self, symbol: str, bids: List[Level], asks: List[Level]) -> Dict[str, List[List[str]]]:
        """Bids best first, asks best LAST: both descend, as captured frames show. In a delta the live levels come
        first and then those that are gone."""
        traded = self._market.symbols[symbol].instrument

        def texts(levels: List[Level]) -> List[List[str]]:
            live_first = sorted(levels, key=lambda level: level[1] == 0)
            return [[traded.price_text(tick), traded.size_text(lots)] for tick, lots in live_first]

        return {"asks": texts(asks[::-1]), "bids": texts(bids)}

    def _tickers(self, symbols: Collection[str]) -> List[Any]:
        documents = []
        for symbol in symbols:
            market = self._market.symbols[symbol]
            documents.append(_ticker(market.instrument, market.ticker(), self._now_us() // 1000))
        return [documents] if self._nested_tickers else documents

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        text = encode(document)
        # Each frame is a zlib stream of its own: header, Adler-32, no window shared with the frame before.
        return zlib.compress(text.encode()) if push or self._compress_replies else text


def _instrument(symbol: str) -> Instrument:
    base, underscore, quote = symbol.partition("_")
    if not (base and underscore and quote):
        raise ValueError(f"symbols must be of the form BASE_QUOTE, not {symbol!r}")
    return instrument(symbol, base, quote)


def _update(channel: str, params: List[Any]) -> Dict[str, Any]:
    return {"method": f"{channel}.update", "params": params, "id": None}


def _trade(trade: Trade) -> Dict[str, Any]:
    return {
        "id": trade.id,
        "time": trade.time_us / 1_000_000,
        "price": format(trade.price, "f"),
        "amount": format(trade.size, "f"),
        "type": "buy" if trade.buy else "sell",
    }


def _ticker(traded: Instrument, ticker: Ticker, now_ms: int) -> Dict[str, Any]:
    return {
        "symbol": traded.symbol,
        "open_24h": format(ticker.open_24h, "f"),
        "low_24h": format(ticker.low_24h, "f"),
        "base_volume_24h": format(ticker.base_volume_24h, "f"),
        "quote_volume_24h": format(ticker.quote_volume_24h, "f"),
        "last": format(ticker.last, "f"),
        "last_qty": format(ticker.last_size, "f"),
        "best_bid": traded.price_text(ticker.bid[0]),
        "best_bid_size": traded.size_text(ticker.bid[1]),
        "best_ask": traded.price_text(ticker.ask[0]),
        "best_ask_size": traded.size_text(ticker.ask[1]),
        "timestamp": now_ms,
    }
