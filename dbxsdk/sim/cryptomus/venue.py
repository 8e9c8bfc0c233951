"""``CryptomusVenue``: Cryptomus's exchange WebSocket and the HTTP requests that belong to it, served locally.

Where the venue's documents say nothing, the behaviour here is an assumption and its comment says so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from decimal import Decimal
from typing import Any, Collection, Dict, List, Mapping, Optional, Tuple, Union
from urllib.parse import parse_qs

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from dbxsdk.codec import encode
from dbxsdk.cryptomus import CryptomusClient
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.cryptomus.account import Account, Event
from dbxsdk.sim.cryptomus.depth import SCALES, ScaledFeed, scaled
from dbxsdk.sim.cryptomus.documents import market_document, ticker_document, trade_document, update_document
from dbxsdk.sim.cryptomus.http import Planned, Tokens, json_response, response
from dbxsdk.sim.market.market import Instrument, Market, Step, Trade, instrument
from dbxsdk.sim.venue import Venue, check_symbols

DEFAULT_SYMBOLS = ("BTC_USDT", "ETH_USDT", "TRX_USDT")
TOKEN_PATH = "/v2/user-api/exchange/account/web-socket/token"
MARKETS_PATH = "/v1/exchange/market"
DEPTH_SCALES_PATH = "/api/v2/symbol-scales"
ENDPOINTS = {"token": TOKEN_PATH, "markets": MARKETS_PATH, "depth_scales": DEPTH_SCALES_PATH}
REPEATS = ("replace", "refuse", "add")
INVALID_FORMAT = 1
OTHER_ERROR = 2
_ALL = "all"
_INVALID_PAYLOAD = 1007
_SUCCESS = {"status": "success"}
_PUBLIC = ("lastprice", "depth", "ticker", "trade")
_PRIVATE = ("order", "balance", "deal")
_ACCOUNT_SECONDS = 1.0


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"message": message, "code": code}


class CryptomusVenue(Venue):
    """Cryptomus's WebSocket on ``/ws``, and on the same port its HTTP requests: token, markets, depth scales.

    Args, beyond those of ``Venue``:
        symbols: what is traded, as ``BASE_QUOTE``.
        user_id: the account that gets tokens, together with ``api_key``; random unless given.
        token_life: seconds for which a token is good.
        repeat: what a second subscription of a channel does. The documents say only that it "will be cancelled":
            ``"replace"`` lets the new one take the place of the old one, ``"refuse"`` answers with an error,
            ``"add"`` adds.

    Attributes:
        user_id, api_key: what ``CryptomusClient`` takes.
    """

    name = "cryptomus"
    paths = ("/ws",)

    def __init__(
        self,
        *,
        symbols: Collection[str] = DEFAULT_SYMBOLS,
        user_id: Optional[str] = None,
        token_life: float = 300.0,
        repeat: str = "replace",
        **options: Any,
    ) -> None:
        if repeat not in REPEATS:
            raise ValueError(f"repeat must be one of {', '.join(REPEATS)}, not {repeat!r}")
        super().__init__(**options)
        self.user_id = user_id or str(uuid.uuid4())
        self._repeat = repeat
        self._market = Market(
            [_instrument(symbol) for symbol in check_symbols(symbols)], seed=self._seed, start_us=self._start_us
        )
        self._account = Account(self._market, self._seed)
        self._last_step = Step({}, {})
        self._account_events: List[Event] = []
        self._tokens = Tokens(token_life)
        self._token_requests = 0
        self._planned: Dict[str, Planned] = {}
        # One feed serves all subscribers of a book: a new one starts from the state after the last change sent.
        self._feeds: Dict[str, ScaledFeed] = {}

    # -- for tests -----------------------------------------------------------------------------------------------------

    @property
    def symbols(self) -> Tuple[str, ...]:
        """What is traded."""
        return tuple(self._market.symbols)

    def book(self, symbol: str, scale_index: int = 0) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return the true book at this scale: ``{"bids": [(price, size), ...], "asks": [...]}``, both best first."""
        with self._lock:
            market = self._market.symbols[symbol]
            bids, asks = scaled(market.book, SCALES[scale_index])
            price_of, size_of = market.instrument.price_of, market.instrument.size_of
            return {
                "bids": [(price_of(tick), size_of(lots)) for tick, lots in bids],
                "asks": [(price_of(tick), size_of(lots)) for tick, lots in asks],
            }

    def trades(self, symbol: str) -> List[Trade]:
        """Return the recent trades, oldest first."""
        with self._lock:
            return list(self._market.symbols[symbol].history)

    def balances(self) -> Dict[str, Decimal]:
        """Return the account's balances by currency."""
        with self._lock:
            return dict(self._account.balances)

    @property
    def token_requests(self) -> int:
        """The requests for a token so far, refused ones included."""
        with self._lock:
            return self._token_requests

    @property
    def tokens_used(self) -> Tuple[str, ...]:
        """The tokens with which connections were made, in their order."""
        with self._lock:
            return tuple(self._tokens.used)

    def expire_tokens(self) -> int:
        """End all tokens that were not used yet; return how many there were."""
        with self._lock:
            return self._tokens.expire()

    def answer_http(
        self,
        endpoint: str,
        status: int,
        times: Optional[int] = None,
        *,
        body: Union[bytes, Dict[str, Any], List[Any]] = b"",
        headers: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Answer the next ``times`` requests (None: all) to ``endpoint`` (``"token"``, ``"markets"`` or
        ``"depth_scales"``) with ``status``, ``body`` and ``headers``, in place of the truth."""
        if endpoint not in ENDPOINTS:
            raise ValueError(f"endpoint must be one of {', '.join(ENDPOINTS)}, not {endpoint!r}")
        if not 200 <= status <= 599 or (times is not None and times < 1):
            raise ValueError("status must be 200 to 599, and times 1 or more")
        content = body if isinstance(body, bytes) else encode(body).encode()
        with self._lock:
            self._planned[ENDPOINTS[endpoint]] = Planned(status, content, dict(headers or {}), times)

    def accept_http(self) -> None:
        """End ``answer_http()``."""
        with self._lock:
            self._planned.clear()

    def token_url(self) -> str:
        """Return the address that gives tokens."""
        return self._http_url(TOKEN_PATH)

    def markets_url(self) -> str:
        """Return the address of the list of markets."""
        return self._http_url(MARKETS_PATH)

    def depth_scales_url(self) -> str:
        """Return the address of a market's depth scales; the market is given as ``?symbol=``."""
        return self._http_url(DEPTH_SCALES_PATH)

    def _http_url(self, path: str) -> str:
        return "http" + self.url(path)[len("ws"):]

    def client(self, **kwargs: Any) -> CryptomusClient:
        """A ``dbxsdk.CryptomusClient`` for this venue, with its user and key unless others are given."""
        from dbxsdk.cryptomus import CryptomusClient  # here, because the venue is of use without the client, too

        arguments: Dict[str, Any] = {
            "user_id": self.user_id,
            "api_key": self.api_key,
            "url": self.url(),
            "token_url": self.token_url(),
            "markets_url": self.markets_url(),
            "depth_scales_url": self.depth_scales_url(),
        }
        return CryptomusClient(**{**arguments, **kwargs})

    # -- HTTP, and the way in --------------------------------------------------------------------------------------------

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        path, _, query = request.path.partition("?")
        with self._lock:
            if path in ENDPOINTS.values() and not self._stopping.is_set():
                answer = self._http(path, query, request.headers)
                self._changed()
                return answer
            refusal = super()._answer_upgrade(wire, request)
            if refusal is not None:
                return refusal
            token = parse_qs(query).get("token", [""])[-1]
            if not self._tokens.use(token, self._clock()):
                # What the venue does with a bad token is not documented; this is what most do.
                return json_response(401, {"message": "Unauthorized"})
        return None

    def _http(self, path: str, query: str, headers: Mapping[str, str]) -> Response:
        self._token_requests += path == TOKEN_PATH
        planned = self._planned.get(path)
        if planned is not None:
            if planned.left is not None:
                planned.left -= 1
                if planned.left <= 0:
                    del self._planned[path]
            return response(planned.status, planned.body, planned.headers)
        if path == TOKEN_PATH:
            return self._token(headers)
        if path == MARKETS_PATH:
            markets = [market_document(number, each.instrument) for number, each in enumerate(self._market.symbols.values())]
            return json_response(200, {"result": markets})
        market = self._market.symbols.get(parse_qs(query).get("symbol", [""])[-1])
        if market is None:  # not documented
            return json_response(404, {"status": "error", "message": "symbol not found", "data": None})
        scales = [{"scale": market.instrument.price_text(step), "index": index} for index, step in enumerate(SCALES)]
        return json_response(200, {"status": "success", "message": "success", "data": scales})

    def _token(self, headers: Mapping[str, str]) -> Response:
        if headers.get("userId") != self.user_id:
            return json_response(404, {"message": "User not found"})
        expected = hashlib.md5(base64.b64encode(b"") + self.api_key.encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(headers.get("sign", "").encode("utf-8", "surrogateescape"), expected.encode()):
            return json_response(401, {"message": "Invalid sign"})
        return json_response(200, {"token": self._tokens.issue(self._clock())})

    # -- requests --------------------------------------------------------------------------------------------------------

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        if document is None:
            connection.close(_INVALID_PAYLOAD, "")  # documented: the connection is closed; the code is not
            return
        request_id = document.get("id") if isinstance(document, dict) else None
        try:
            method, data, started = self._carry_out(connection, document)
        except _Refused as refused:
            # No example of an error is shown: whether it names the method is an assumption.
            self._answer(connection, {"id": request_id, "data": None, "error": refused.error})
            return
        answer = {"id": request_id, "method": method, "data": data, "error": None}
        if method is None:
            del answer["method"]
        self._answer(connection, answer)
        # Behind the answer: what a new subscription starts with.
        for name in started:
            self._begin(connection, name)

    def _carry_out(self, connection: Connection, document: Any) -> Tuple[Optional[str], Any, List[str]]:
        """Return the method that the answer names, if any, its data, and the books that it starts with."""
        if not isinstance(document, dict) or isinstance(document.get("id"), bool) or not isinstance(document.get("id"), int):
            raise _Refused(INVALID_FORMAT, "Invalid message format: id must be an integer")
        method, params = document.get("method"), document.get("params")
        if not isinstance(method, str) or not isinstance(params, list) or not all(isinstance(each, str) for each in params):
            raise _Refused(INVALID_FORMAT, "Invalid message format: method must be a text, params a list of texts")
        if method == "ping":
            return "pong", None, []
        channel, _, verb = method.rpartition("_")
        if channel in (*_PUBLIC, *_PRIVATE) and verb == "subscribe":
            # The examples leave the method out in the answer to this one.
            return None if channel == "deal" else method, _SUCCESS, self._subscribe(connection, channel, params)
        if channel in (*_PUBLIC, *_PRIVATE) and verb == "unsubscribe":
            self._unsubscribe(connection, channel, params)
            return None, _SUCCESS, []
        raise _Refused(OTHER_ERROR, "Unknown method")

    def _subscribe(self, connection: Connection, channel: str, params: List[str]) -> List[str]:
        names = list(dict.fromkeys(params))  # the examples repeat one
        if not names:
            raise _Refused(OTHER_ERROR, "Nothing to subscribe")
        known = self._names(channel)
        for name in names:
            # What becomes of an unknown market is not documented. Refusing the whole request, without an effect, is
            # the assumption that lets a test see a refusal.
            if name != _ALL and name not in known:
                raise _Refused(OTHER_ERROR, f"Unknown: {name}")
        present = self._subscribed(connection, channel)
        if present and self._repeat == "refuse":
            raise _Refused(OTHER_ERROR, "Repeated subscription of the same data type")
        if self._repeat == "replace":
            for topic in present:
                del connection.topics[topic]
        before = set(connection.topics)
        connection.topics.update({f"{channel}.{name}": True for name in names})
        if channel != "depth":
            return []
        added = [topic for topic in self._subscribed(connection, channel) if topic not in before]
        return list(known) if f"depth.{_ALL}" in added else [topic.partition(".")[2] for topic in added]

    def _unsubscribe(self, connection: Connection, channel: str, params: List[str]) -> None:
        if _ALL in params or (not params and channel in _PRIVATE):
            params = [topic.partition(".")[2] for topic in self._subscribed(connection, channel)]
        elif not params:
            raise _Refused(OTHER_ERROR, "Nothing to unsubscribe")  # documented for the private ones alone
        for name in params:
            connection.topics.pop(f"{channel}.{name}", None)

    def _names(self, channel: str) -> Collection[str]:
        if channel == "balance":
            return self._account.balances
        if channel == "depth":
            return [f"{symbol}:{index}" for symbol in self._market.symbols for index in range(len(SCALES))]
        return self._market.symbols

    def _subscribed(self, connection: Connection, channel: str) -> List[str]:
        return [topic for topic in connection.topics if topic.partition(".")[0] == channel]

    def _begin(self, connection: Connection, name: str) -> None:
        """Send the whole book to one connection. That it comes first is not documented; the sibling venue does so."""
        if name not in self._feeds or not self._wanting("depth", name, but=connection):
            self._feeds[name] = self._feed(name)
        bids, asks = self._feeds[name].snapshot()
        self._push([connection], self._depth(name, bids, asks, full_reload=True))

    def _feed(self, name: str) -> ScaledFeed:
        symbol, _, index = name.partition(":")
        return ScaledFeed(self._market.symbols[symbol].book, SCALES[int(index)])

    def _wanting(self, channel: str, name: str, but: Optional[Connection] = None) -> List[Connection]:
        topics = (f"{channel}.{name}", f"{channel}.{_ALL}")
        return [
            each
            for each in self._connections.values()
            if each is not but and (topics[0] in each.topics or topics[1] in each.topics)
        ]

    # -- pushes ----------------------------------------------------------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        self._last_step = self._market.step(now_us)
        self._account_events = []
        if self._each(_ACCOUNT_SECONDS):
            self._account_events = self._account.act(now_us // 1_000_000)

    def _publish(self) -> None:
        now = self._now_us() // 1_000_000
        each_second = self._each(1.0)
        for symbol, trades in self._last_step.trades.items():
            market = self._market.symbols[symbol]
            if trades:
                rows = [trade_document(trade) for trade in trades]
                self._push_topic("trade", symbol, {"symbol": symbol, "timestamp": now, "trades": rows})
                price = format(trades[-1].price, "f")
                self._push_topic("lastprice", symbol, {"symbol": symbol, "timestamp": now, "price": price})
            if trades or each_second:
                self._push_topic("ticker", symbol, ticker_document(symbol, market.ticker(), now))
        for name in self._names("depth"):
            wanting = self._wanting("depth", name)
            if wanting and name in self._feeds:
                bids, asks = self._feeds[name].advance()
                if bids or asks:
                    self._push(wanting, self._depth(name, bids, asks, full_reload=False))
        for event in self._account_events:
            self._push(self._wanting(event.channel, event.name), update_document(event.channel, event.data, event.id))

    def _push_topic(self, channel: str, symbol: str, data: Dict[str, Any]) -> None:
        self._push(self._wanting(channel, symbol), update_document(channel, data))

    def _depth(self, name: str, bids: List[Any], asks: List[Any], full_reload: bool) -> Dict[str, Any]:
        symbol, _, index = name.partition(":")
        traded = self._market.symbols[symbol].instrument

        def texts(levels: List[Any]) -> List[List[str]]:
            return [[traded.price_text(tick), traded.size_text(lots)] for tick, lots in levels]

        data = {
            "symbol": symbol,
            "timestamp": self._now_us() // 1_000_000,
            "full_reload": full_reload,
            "scale_index": int(index),
            "asks": texts(asks),
            "bids": texts(bids),
        }
        return update_document("depth", data)

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        return encode(document)


def _instrument(symbol: str) -> Instrument:
    base, underscore, quote = symbol.partition("_")
    if not (base and underscore and quote):
        raise ValueError(f"symbols must be of the form BASE_QUOTE, not {symbol!r}")
    return instrument(symbol, base, quote)
