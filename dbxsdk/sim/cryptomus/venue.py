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

from dbxsdk.arguments import check_choice
from dbxsdk.codec import encode
from dbxsdk.cryptomus import CryptomusClient
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.cryptomus.account import Account
from dbxsdk.sim.cryptomus.depth import SCALES, ScaledFeed, scaled
from dbxsdk.sim.cryptomus.documents import market_document, ticker_document, trade_document, update_document
from dbxsdk.sim.cryptomus.rest import CryptomusRestSide
from dbxsdk.sim.cryptomus.tokens import Tokens
from dbxsdk.sim.http import Planned, response
from dbxsdk.sim.refused import Refused

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


class CryptomusVenue(CryptomusRestSide):
    """Cryptomus's WebSocket on ``/ws``, and on the same port its HTTP requests: token, markets, depth scales; and the REST side
    of its market and account (``rest_url``, ``fail_rest``, ``delay_rest``, ``lag_history``).

    Takes the arguments of ``Venue``, too.

    Args:
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
    account_class = Account
    account_unit_us = 1_000_000

    def __init__(
        self,
        *,
        symbols: Collection[str] = DEFAULT_SYMBOLS,
        user_id: Optional[str] = None,
        token_life: float = 300.0,
        repeat: str = "replace",
        **options: Any,
    ) -> None:
        check_choice("repeat", repeat, REPEATS)
        super().__init__(symbols=symbols, **options)
        self.user_id = user_id or str(uuid.uuid4())
        self._repeat = repeat
        self._tokens = Tokens(token_life)
        self._token_requests = 0
        self._planned: Dict[str, Planned] = {}
        # One feed serves all subscribers of a book: a new one starts from the state after the last change sent.
        self._feeds: Dict[str, ScaledFeed] = {}

    # -- for tests -----------------------------------------------------------------------------------------------------

    def book(self, symbol: str, scale_index: int = 0) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return the true book at this scale: ``{"bids": [(price, size), ...], "asks": [...]}``, both best first."""
        with self._lock:
            market = self._market.symbols[symbol]
            return market.instrument.true_levels(*scaled(market.book, SCALES[scale_index]))

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
        check_choice("endpoint", endpoint, tuple(ENDPOINTS))
        planned = Planned(status, times, dict(headers or {}), body if isinstance(body, bytes) else encode(body).encode())
        with self._lock:
            self._planned[ENDPOINTS[endpoint]] = planned

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
            "rest_url": self.rest_url(),
        }
        return CryptomusClient(**{**arguments, **kwargs})

    # -- HTTP, and the way in --------------------------------------------------------------------------------------------

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        path, _, query = request.path.partition("?")
        if path in self.rest_paths:
            return super()._answer_upgrade(wire, request)
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
                return _json(401, {"message": "Unauthorized"})
        return None

    def _http(self, path: str, query: str, headers: Mapping[str, str]) -> Response:
        self._token_requests += path == TOKEN_PATH
        planned = self._planned.get(path)
        if planned is not None:
            if planned.use_up():
                del self._planned[path]
            return planned.response()
        if path == TOKEN_PATH:
            return self._token(headers)
        if path == MARKETS_PATH:
            markets = [market_document(number, each) for number, each in enumerate(self._market.instruments.values())]
            return _json(200, {"result": markets})
        market = self._market.symbols.get(parse_qs(query).get("symbol", [""])[-1])
        if market is None:  # not documented
            return _json(404, {"status": "error", "message": "symbol not found", "data": None})
        scales = [{"scale": market.instrument.price_text(step), "index": index} for index, step in enumerate(SCALES)]
        return _json(200, {"status": "success", "message": "success", "data": scales})

    def _token(self, headers: Mapping[str, str]) -> Response:
        if headers.get("userId") != self.user_id:
            return _json(404, {"message": "User not found"})
        expected = hashlib.md5(base64.b64encode(b"") + self.api_key.encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(headers.get("sign", "").encode("utf-8", "surrogateescape"), expected.encode()):
            return _json(401, {"message": "Invalid sign"})
        return _json(200, {"token": self._tokens.issue(self._clock())})

    # -- requests --------------------------------------------------------------------------------------------------------

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        if document is None:
            connection.close(_INVALID_PAYLOAD, "")  # documented: the connection is closed; the code is not
            return
        request_id = document.get("id") if isinstance(document, dict) else None
        try:
            method, data, started = self._carry_out(connection, document)
        except Refused as refused:
            # No example of an error is shown: whether it names the method is an assumption.
            error = {"message": refused.message, "code": refused.code}
            self._answer(connection, {"id": request_id, "data": None, "error": error})
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
            raise Refused(INVALID_FORMAT, "Invalid message format: id must be an integer")
        method, params = document.get("method"), document.get("params")
        if not isinstance(method, str) or not isinstance(params, list) or not all(isinstance(each, str) for each in params):
            raise Refused(INVALID_FORMAT, "Invalid message format: method must be a text, params a list of texts")
        if method == "ping":
            return "pong", None, []
        channel, _, verb = method.rpartition("_")
        if channel in (*_PUBLIC, *_PRIVATE) and verb == "subscribe":
            # The examples leave the method out in the answer to this one.
            return None if channel == "deal" else method, _SUCCESS, self._subscribe(connection, channel, params)
        if channel in (*_PUBLIC, *_PRIVATE) and verb == "unsubscribe":
            self._unsubscribe(connection, channel, params)
            return None, _SUCCESS, []
        raise Refused(OTHER_ERROR, "Unknown method")

    def _subscribe(self, connection: Connection, channel: str, params: List[str]) -> List[str]:
        names = list(dict.fromkeys(params))  # the examples repeat one
        if not names:
            raise Refused(OTHER_ERROR, "Nothing to subscribe")
        known = self._names(channel)
        for name in names:
            # What becomes of an unknown market is not documented. Refusing the whole request, without an effect, is
            # the assumption that lets a test see a refusal.
            if name != _ALL and name not in known:
                raise Refused(OTHER_ERROR, f"Unknown: {name}")
        present = self._subscribed(connection, channel)
        if present and self._repeat == "refuse":
            raise Refused(OTHER_ERROR, "Repeated subscription of the same data type")
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
            raise Refused(OTHER_ERROR, "Nothing to unsubscribe")  # documented for the private ones alone
        for name in params:
            connection.topics.pop(f"{channel}.{name}", None)

    def _names(self, channel: str) -> Collection[str]:
        if channel == "balance":
            return list(self._account.balances)
        if channel == "depth":
            return [f"{symbol}:{index}" for symbol in self._market.symbols for index in range(len(SCALES))]
        return self._market.symbols

    def _subscribed(self, connection: Connection, channel: str) -> List[str]:
        return [topic for topic in connection.topics if topic.partition(".")[0] == channel]

    def _begin(self, connection: Connection, name: str) -> None:
        """Send the whole book to one connection. That it comes first is not documented; the sibling venue does so."""
        if name not in self._feeds or not self._wanting("depth", name, but=connection):
            symbol, _, index = name.partition(":")
            self._feeds[name] = ScaledFeed(self._market.symbols[symbol].book, SCALES[int(index)])
        bids, asks = self._feeds[name].snapshot()
        self._push([connection], self._depth(name, bids, asks, full_reload=True))

    def _wanting(self, channel: str, name: str, but: Optional[Connection] = None) -> List[Connection]:
        topics = {f"{channel}.{name}", f"{channel}.{_ALL}"}
        return [each for each in self._connections.values() if each is not but and topics & each.topics.keys()]

    # -- pushes ----------------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        now = self._now_us() // 1_000_000
        each_second = self._each(1.0)
        for symbol, trades in self._last_trades.items():
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
        traded = self._market.instruments[symbol]
        data = {
            "symbol": symbol,
            "timestamp": self._now_us() // 1_000_000,
            "full_reload": full_reload,
            "scale_index": int(index),
            "asks": traded.level_texts(asks),
            "bids": traded.level_texts(bids),
        }
        return update_document("depth", data)

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        return encode(document)


def _json(status: int, document: Any) -> Response:
    return response(status, encode(document).encode(), {"Content-Type": "application/json"})
