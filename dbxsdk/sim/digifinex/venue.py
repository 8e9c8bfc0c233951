"""``DigiFinexVenue``: DigiFinex's spot WebSocket v1 and its swap WebSocket v2, served locally.

Where the venue's documents say nothing, the behaviour here is an assumption and its comment says so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Collection, Dict, List, Literal, Optional, Tuple, Union, overload

from dbxsdk.arguments import check_choice
from dbxsdk.codec import encode
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.digifinex.account import Account
from dbxsdk.sim.digifinex.rest import DigiFinexRestSide
from dbxsdk.sim.digifinex.swap import DEFAULT_SYMBOLS as DEFAULT_SWAPS
from dbxsdk.sim.digifinex.swap import PATH as SWAP
from dbxsdk.sim.digifinex.swap import SwapSocket, TooManyChannels
from dbxsdk.sim.market.book import DepthFeed, Level
from dbxsdk.sim.market.market import Instrument, Ticker, Trade
from dbxsdk.sim.refused import Refused

if TYPE_CHECKING:
    from dbxsdk import DigiFinexClient, DigiFinexSwapClient

SPOT = "/ws/v1/"
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


class DigiFinexVenue(DigiFinexRestSide):
    """DigiFinex's spot socket on ``/ws/v1/`` and its swap socket on ``/swap_ws/v2/``, both public and private, for one key.

    On the same port, for the same market and account, the REST side of spot (``rest_url``, ``fail_rest``, ``delay_rest``,
    ``lag_history``). Everything of swaps that tests ask a venue for is in ``venue.swap``.

    Takes the arguments of ``Venue``, too.

    Args:
        symbols: what is traded on the spot market, as ``BASE_QUOTE``.
        swap_symbols: the contracts, as ``BTCUSDTPERP`` (linear), ``BTCPERP`` (inverse) or any other name (dated).
        compress_replies: spot replies go out zlib-compressed, as pushes always do; with False they are plain text. Both
            are reported of the live venue.
        nested_tickers: ticker updates carry ``[[{...}]]``, which is reported too, in place of the documented
            ``[{...}]``.
        auth_tolerance: how far, in seconds, the timestamp of ``server.auth`` may be from the venue's clock; the
            live venue's tolerance is not published.
    """

    name = "digifinex"
    paths = (SPOT, SWAP)
    account_class = Account
    account_unit_us = 1000

    def __init__(
        self,
        *,
        symbols: Collection[str] = DEFAULT_SYMBOLS,
        swap_symbols: Collection[str] = DEFAULT_SWAPS,
        compress_replies: bool = True,
        nested_tickers: bool = False,
        auth_tolerance: float = 60.0,
        **options: Any,
    ) -> None:
        super().__init__(symbols=symbols, **options)
        self._compress_replies = compress_replies
        self._nested_tickers = nested_tickers
        self._auth_tolerance = auth_tolerance
        self.swap = SwapSocket(
            swap_symbols, seed=self._seed, start_us=self._start_us, lock=self._lock, now_ms=self._now_ms
        )
        # One feed a symbol serves all its subscribers: a new one starts from the state after the last delta sent.
        self._feeds: Dict[str, DepthFeed] = {}

    # -- for tests -----------------------------------------------------------------------------------------------------

    def book(self, symbol: str) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return the true book: ``{"bids": [(price, size), ...], "asks": [...]}``, both best first."""
        with self._lock:
            return self._market.truth(symbol)

    def balances(self) -> Dict[str, Dict[str, Decimal]]:
        """Return the account's balances: ``{currency: {"free": ..., "used": ..., "total": ...}}``."""
        with self._lock:
            return {
                currency: {"free": free, "used": used, "total": free + used}
                for currency, (free, used) in self._account.balances.items()
            }

    @overload
    def client(self, socket: Literal["swap"], **kwargs: Any) -> DigiFinexSwapClient: ...

    @overload
    def client(self, socket: Literal["spot"] = ..., **kwargs: Any) -> DigiFinexClient: ...

    def client(self, socket: str = "spot", **kwargs: Any) -> Any:
        """A ``dbxsdk.DigiFinexClient`` for this venue, or a ``dbxsdk.DigiFinexSwapClient`` for ``"swap"``, with the venue's
        keys unless ``api_key=None`` is given."""
        from dbxsdk import DigiFinexClient, DigiFinexSwapClient  # here, because the venue is of use without them, too

        check_choice("socket", socket, ("spot", "swap"))
        if "api_key" not in kwargs:
            kwargs.update(api_key=self.api_key, api_secret=self.api_secret)
        kind, path = (DigiFinexSwapClient, SWAP) if socket == "swap" else (DigiFinexClient, SPOT)
        if socket == "spot":
            kwargs.setdefault("rest_url", self.rest_url())
        return kind(**{"url": self.url(path), **kwargs})

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        if connection.path == SWAP:
            self._request_swap(connection, document)
            return
        # That bad JSON and requests that are no objects are answered at all, with a null id, is an assumption.
        request_id = document.get("id") if isinstance(document, dict) else None
        try:
            if not isinstance(document, dict):
                raise Refused(INVALID_ARGUMENT, "invalid argument: not a JSON object")
            # One page of the documents shows server.ping, server.time and all_ticker without params.
            params = document.get("params", [])
            if not isinstance(params, list):
                raise Refused(INVALID_ARGUMENT, "invalid argument: params must be an array")
            result, started = self._carry_out(connection, str(document.get("method")), params)
        except Refused as refused:
            error = {"code": refused.code, "message": refused.message}
            self._answer(connection, {"error": error, "result": None, "id": request_id})
            return
        self._answer(connection, {"error": None, "result": result, "id": request_id})
        # Behind the answer: what a new subscription starts with.
        for topic in started:
            self._begin(connection, topic)

    def _request_swap(self, connection: Connection, document: Any) -> None:
        try:
            answer, updates = self.swap.answer(
                connection,
                document,
                lambda topic: bool(self._subscribers(topic, SWAP)),
                lambda *login: self._wrong_with(*login) is None,
            )
        except TooManyChannels:
            connection.cut()  # live it takes 0.15 s
            return
        self._answer(connection, answer)
        for update in updates:
            self._push([connection], update)

    def _carry_out(self, connection: Connection, method: str, params: List[Any]) -> Tuple[Any, List[str]]:
        """Return the result of a method, and the topics whose first update follows the answer."""
        if method == "server.ping":
            return "pong", []
        if method == "server.time":
            return int(self._clock()), []
        if method == "server.auth":
            self._authenticate(connection, params)
            return _SUCCESS, []
        channel, _, verb = method.partition(".")
        if channel not in _PUBLIC + _PRIVATE or verb not in ("subscribe", "unsubscribe"):
            raise Refused(METHOD_NOT_FOUND, "method not found")
        if channel in _PRIVATE and not connection.state.get("authenticated"):
            raise Refused(AUTHENTICATION_REQUIRED, "require authentication")
        topics = [channel] if channel == "all_ticker" else [f"{channel}.{name}" for name in self._names(channel, params)]
        if verb == "unsubscribe":
            # An empty list ends everything of the channel.
            for topic in topics or [topic for topic in connection.topics if topic.partition(".")[0] == channel]:
                connection.topics.pop(topic, None)
            return _SUCCESS, []
        if not topics:
            raise Refused(INVALID_ARGUMENT, "invalid argument: params must name something")
        for topic in topics:
            # Additive, as two clients in use rely on. Whether a repeated subscription starts over is not
            # documented; that the history comes after every one is.
            if channel == "depth" and not self._subscribers(topic):
                self._feeds[topic] = DepthFeed(self._market.symbols[topic.partition(".")[2]].book)
            connection.topics[topic] = True
        return _SUCCESS, topics

    def _authenticate(self, connection: Connection, params: List[Any]) -> None:
        if len(params) != 3 or not all(isinstance(param, str) for param in params):
            raise Refused(INVALID_ARGUMENT, "invalid argument: params must be api key, timestamp and sign, all texts")
        try:
            int(params[1])
        except ValueError:
            raise Refused(INVALID_ARGUMENT, "invalid argument: timestamp") from None
        wrong = self._wrong_with(*params)
        if wrong is not None:
            raise Refused(AUTHENTICATION_REQUIRED, f"authentication failed: {wrong}")
        connection.state["authenticated"] = True

    def _wrong_with(self, api_key: Any, timestamp: str, sign: Any) -> Optional[str]:
        """Return what is wrong with a login, or None. The two sockets sign alike."""
        digest = hmac.new(self.api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()
        if api_key != self.api_key:
            return "api key"
        if not isinstance(sign, str) or not hmac.compare_digest(base64.b64encode(digest), sign.encode()):
            return "sign"
        try:
            skew = abs(int(timestamp) / 1000 - self._clock())
        except OverflowError:
            return "timestamp"
        return "timestamp" if skew > self._auth_tolerance else None

    def _names(self, channel: str, params: List[Any]) -> List[str]:
        """Return the symbols (or currencies) in ``params``, checked."""
        if not all(isinstance(param, str) for param in params):
            raise Refused(INVALID_ARGUMENT, "invalid argument: params must be texts")
        known = self._account.balances if channel == "balance" else self._market.symbols
        # The reply to an unknown symbol is not documented. Refusing the whole request is the assumption that lets
        # a test see a refusal.
        for param in params:
            if param not in known:
                raise Refused(INVALID_ARGUMENT, f"invalid argument: {param}")
        return list(dict.fromkeys(params))

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

    def _subscribers(self, topic: str, path: Optional[str] = None) -> List[Connection]:
        return super()._subscribers(topic, path or SPOT)  # both sockets have an all_ticker

    def _wanted(self, path: str) -> Dict[str, None]:
        connections = [connection for connection in self._connections.values() if connection.path == path]
        return {topic: None for connection in connections for topic in connection.topics}

    def _advance(self, now_us: int) -> None:
        super()._advance(now_us)
        self.swap.advance(now_us, self._each(1.0))

    def _publish(self) -> None:
        for topic, document in self.swap.updates(self._wanted(SWAP), self._each):
            self._push(self._subscribers(topic, SWAP), document)
        wanted = self._wanted(SPOT)
        each_second = self._each(1.0)
        for symbol, trades in self._last_trades.items():
            if trades and f"trades.{symbol}" in wanted:
                document = _update("trades", [False, [_trade(trade) for trade in reversed(trades)], symbol])
                self._push(self._subscribers(f"trades.{symbol}"), document)
            if f"depth.{symbol}" in wanted:
                bids, asks = self._feeds[f"depth.{symbol}"].advance()
                if bids or asks:
                    document = _update("depth", [False, self._sides(symbol, bids, asks), symbol])
                    self._push(self._subscribers(f"depth.{symbol}"), document)
            if (trades or each_second) and f"ticker.{symbol}" in wanted:
                self._push(self._subscribers(f"ticker.{symbol}"), _update("ticker", self._tickers([symbol])))
        if each_second and "all_ticker" in wanted:
            # About once a second, and each push is a part of the symbols only: here every other one by turns.
            second = round(self._steps * self._step_seconds)
            symbols = self.symbols if len(self.symbols) == 1 else self.symbols[second % 2:: 2]
            self._push(self._subscribers("all_ticker"), _update("all_ticker", self._tickers(symbols)))
        for event in self._account_events:
            topic = f"{event.channel}.{event.name}"
            if topic in wanted:
                self._push(self._subscribers(topic), _update(event.channel, [event.data]))

    def _sides(self, symbol: str, bids: List[Level], asks: List[Level]) -> Dict[str, List[List[str]]]:
        """Bids best first, asks best LAST: both descend, as captured frames show. In a delta the live levels come
        first and then those that are gone."""
        traded = self._market.instruments[symbol]

        def texts(levels: List[Level]) -> List[List[str]]:
            return traded.level_texts(sorted(levels, key=lambda level: level[1] == 0))

        return {"asks": texts(asks[::-1]), "bids": texts(bids)}

    def _tickers(self, symbols: Collection[str]) -> List[Any]:
        documents = []
        for symbol in symbols:
            market = self._market.symbols[symbol]
            documents.append(_ticker(market.instrument, market.ticker(), self._now_ms()))
        return [documents] if self._nested_tickers else documents

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        text = encode(document)
        if connection.path == SWAP:
            return zlib.compress(text.encode(), 9)
        # Each frame is a zlib stream of its own: header, Adler-32, no window shared with the frame before.
        return zlib.compress(text.encode()) if push or self._compress_replies else text


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
