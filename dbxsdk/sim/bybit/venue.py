"""``BybitVenue``: Bybit's v5 sockets, public, private and trade, served locally."""

from __future__ import annotations

import random
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Collection, Dict, List, Mapping, Optional, Tuple, Union, overload

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from dbxsdk.arguments import check_choice
from dbxsdk.codec import encode
from dbxsdk.sim.bybit.book_feeds import BookFeed, TopFeed
from dbxsdk.sim.bybit.event_feeds import STATUS, StatusFeed, status_item
from dbxsdk.sim.bybit.feed import Feed, Floor, UnknownTopic
from dbxsdk.sim.bybit.feeds import INTERVALS, open_feed
from dbxsdk.sim.bybit.full_book import PATH as FULL_BOOK
from dbxsdk.sim.bybit.full_book import FullBookFeed, full_orderbook
from dbxsdk.sim.bybit.public_socket import REPLIES, Replies
from dbxsdk.sim.bybit.rest_venue import RestVenue
from dbxsdk.sim.bybit.trading import PRIVATE, TRADE
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.http import plain_response, response
from dbxsdk.sim.market.market import Instrument, Market, Trade, instrument
from dbxsdk.sim.venue import check_symbols

if TYPE_CHECKING:
    from typing import Literal

    from dbxsdk.bybit import BybitPrivateClient, BybitPublicClient, BybitTradeClient

CATEGORIES = ("linear", "spot", "inverse", "option")
"""Those in which the account trades."""

SOCKETS = (*CATEGORIES, "spread", "event", "misc/status")

DEFAULT_SYMBOLS: Mapping[str, Tuple[str, ...]] = {
    "spot": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
    "linear": ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCPERP"),
    "inverse": ("BTCUSD", "ETHUSD"),
    "option": ("BTC-31DEC27-70000-C-USDT", "BTC-31DEC27-60000-P-USDT", "ETH-31DEC27-3500-C-USDT", "XRP-31DEC27-0.6-P-USDT"),
    "spread": ("SOLUSDT_SOL/USDT", "BTCUSDT_BTC/USDT"),
    "event": ("ETHUSDT-31DEC27-2450-2570-OUT",),
    "misc/status": (),
}

_PUBLIC = "/v5/public/"


class BybitVenue(RestVenue):
    """Bybit's public sockets, on ``/v5/public/linear`` (the main one), ``/spot``, ``/inverse``, ``/option``, ``/spread``,
    ``/event`` and ``/misc/status``, and the private and the trade socket, on ``/v5/private`` and ``/v5/trade``; on the same
    port REST (``RestVenue``) and ``GET /v5/market/full_orderbook``, whose requests ``full_book_requests`` counts.

    Each category has a market of its own. All feeds of a symbol's book are moved on with the market, at the topic's
    documented interval or the market's step, whichever is longer.

    There is one account. Its orders trade in these markets: what crosses is filled from the book at once, what does
    not rests in it until the market reaches it, and the public feeds show both, with the market's next step. Conditional
    orders, take profits and stop losses wait for the market's trades; ``hedge_mode()`` is for positions both ways. Orders
    priced otherwise (``orderIv``, ``bboSideType``, ``slippageTolerance``) are refused: they are not simulated.

    Takes the arguments of ``Venue``, too.

    Args:
        symbols: by category, in place of the default ones; a plain collection means spot and linear.
        balances: the account's coins at the start, in place of the default ones.
        auth_horizon: how far ahead, in seconds, the ``expires`` of an authentication may be; None, as the live venue
            was seen to do: any distance.
        active_time_scale: real seconds for a second of ``max_active_time``, to spare tests half a minute.
            ``idle_timeout`` is about the public sockets alone.
        unique_link_ids: refuse an ``orderLinkId`` that was ever used; False: only while its order is open, since no page
            says for how long the venue does.
    """

    name = "bybit"
    paths = tuple(_PUBLIC + socket for socket in SOCKETS) + (PRIVATE, TRADE)

    def __init__(
        self, *, symbols: Union[Mapping[str, Collection[str]], Collection[str], None] = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._floors: Dict[str, Floor] = {}
        for category, traded in _by_category(symbols).items():
            market = Market(
                [_instrument(category, symbol) for symbol in traded],
                seed=self._seed * len(CATEGORIES) + SOCKETS.index(category),
                start_us=self._start_us,
                intervals=INTERVALS if category in CATEGORIES[:3] else (),
            )
            self._floors[_PUBLIC + category] = Floor(category, market, self._seed, self._now_ms)
        self._trade_in({category: self._floor(category).market for category in CATEGORIES})
        self._feeds: Dict[Tuple[str, str], Feed] = {}  # by path and topic
        self._ids = random.Random(f"{self._seed}:connections")
        self._announcements = 0
        self.full_book_requests = 0

    # -- for tests -----------------------------------------------------------------------------------------------------

    def symbols(self, category: str = "linear") -> Tuple[str, ...]:
        """Return what is traded in ``category``."""
        return tuple(self._floor(category).market.instruments)

    def book(
        self, symbol: str, category: str = "linear", depth: Optional[int] = None
    ) -> Dict[str, List[Tuple[Decimal, Decimal]]]:
        """Return the true book, or its best ``depth`` levels: ``{"bids": [(price, size), ...], "asks": [...]}``, both best
        first."""
        with self._lock:
            return self._floor(category).market.truth(symbol, depth)

    def trades(self, symbol: str, category: str = "linear") -> List[Trade]:
        """Return the recent trades, oldest first."""
        with self._lock:
            return list(self._floor(category).market.symbols[symbol].history)

    @overload
    def client(self, category: Literal["private"], **kwargs: Any) -> BybitPrivateClient: ...

    @overload
    def client(self, category: Literal["trade"], **kwargs: Any) -> BybitTradeClient: ...

    @overload
    def client(self, category: str = ..., **kwargs: Any) -> BybitPublicClient: ...

    def client(self, category: str = "linear", **kwargs: Any) -> Any:
        """Return a client for this venue: a ``dbxsdk.BybitPublicClient`` of ``category``, or with the venue's keys (unless
        others are given) a ``BybitPrivateClient`` for ``"private"`` and a ``BybitTradeClient`` for ``"trade"``."""
        # Imported here, because the venue is of use without the clients, too.
        from dbxsdk.bybit import BybitPrivateClient, BybitPublicClient, BybitTradeClient

        with_keys = {"private": (BybitPrivateClient, PRIVATE), "trade": (BybitTradeClient, TRADE)}
        kwargs.setdefault("rest_url", self.rest_url())
        if category in with_keys:
            client_class, path = with_keys[category]
            return client_class(**{"url": self.url(path), "api_key": self.api_key, "api_secret": self.api_secret, **kwargs})
        return BybitPublicClient(category, **{"url": self.url(_PUBLIC + category), **kwargs})

    # -- misbehaviour on request ---------------------------------------------------------------------------------------

    def skip_update(self, symbol: str, category: str = "linear") -> None:
        """Lose the next delta of each of the symbol's order book topics: ``u`` jumps and books go wrong."""
        with self._lock:
            for feed in self._book_feeds(symbol, category):
                if not isinstance(feed, TopFeed):  # that one has no deltas
                    feed.skip += 1

    def restart_books(self, symbol: str, category: str = "linear") -> None:
        """Send the snapshot with ``u`` 1 with which the venue's order books come back after a restart."""
        with self._lock:
            for feed in self._book_feeds(symbol, category):
                for document in feed.restart():
                    self._push(self._subscribers(feed.topic, _PUBLIC + category), document)

    def announce(self, state: str = "scheduled", **fields: Any) -> Dict[str, Any]:
        """Announce a maintenance on ``system.status``, with the market's next step. Return the row.

        ``fields`` are the venue's (``id``, ``title``, ``begin``, ``serviceTypes`` ...), in place of invented ones.
        """
        with self._lock:
            self._announcements += 1
            item = status_item(self._now_ms(), self._announcements, state, fields)
            feed = self._feeds.get((_PUBLIC + "misc/status", STATUS))
            if isinstance(feed, StatusFeed):
                feed.announce(item)
            return item

    def _book_feeds(self, symbol: str, category: str) -> List[BookFeed]:
        """Return the feeds of this symbol's book that have subscribers."""
        market = self._floor(category).market.symbols[symbol]
        return [
            feed
            for (path, topic), feed in self._feeds.items()
            if path == _PUBLIC + category
            and isinstance(feed, BookFeed)
            and feed.market is market
            and self._subscribers(topic, path)
        ]

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        path, _, query = request.path.partition("?")
        if path != FULL_BOOK:
            return super()._answer_upgrade(wire, request)
        with self._lock:
            if self._silent() or self._stopping.is_set():
                return plain_response(503)
            self.full_book_requests += 1
            document = full_orderbook(query, self._full_book, self._server_ms())
            self._changed()
        return response(200, encode(document).encode(), {"Content-Type": "application/json"})

    def _full_book(self, category: str, symbol: str) -> Optional[FullBookFeed]:
        key = (_PUBLIC + category, f"orderbook.full.{symbol}")
        try:
            feed = self._feeds.get(key) or self._feeds.setdefault(key, open_feed(self._floors[key[0]], key[1]))
        except UnknownTopic:
            return None
        return feed if isinstance(feed, FullBookFeed) else None

    # -- requests ------------------------------------------------------------------------------------------------------

    def _opened(self, connection: Connection) -> None:
        if not connection.path.startswith(_PUBLIC):
            super()._opened(connection)
            return
        category = connection.path[len(_PUBLIC):]
        connection.state["replies"] = REPLIES[category](str(uuid.UUID(int=self._ids.getrandbits(128), version=4)))

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        if isinstance(document, dict) and type(document.get("req_id")) is int:
            document["req_id"] = str(document["req_id"])  # so clients that number their requests were seen answered
        if not connection.path.startswith(_PUBLIC):
            super()._request(connection, raw, document)
            return
        replies: Replies = connection.state["replies"]
        if not isinstance(document, dict):
            text = raw if isinstance(raw, str) else raw.decode(errors="replace")
            self._answer(connection, replies.not_json(text))
            return
        op = document.get("op")
        if op == "ping":
            self._answer(connection, replies.pong(document, self._server_ms()))
            return
        if op not in ("subscribe", "unsubscribe"):
            self._answer(connection, replies.refuse(document, "error:invalid op"))
            return
        topics = document.get("args")
        if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
            # Assumption: this text is known of other sockets of the venue only.
            self._answer(connection, replies.refuse(document, "Params Error"))
        elif op == "subscribe":
            self._subscribe(connection, replies, document, topics)
        else:
            for topic in topics:
                connection.topics.pop(topic, None)
            self._answer(connection, replies.unsubscribe(document, topics))

    def _subscribe(self, connection: Connection, replies: Replies, document: Dict[str, Any], topics: List[str]) -> None:
        floor = self._floors[connection.path]

        def problem(topic: str) -> Optional[str]:
            try:
                if (connection.path, topic) not in self._feeds:
                    self._feeds[connection.path, topic] = open_feed(floor, topic)
            except UnknownTopic as unknown:
                return unknown.problem
            return None

        reply, accepted = replies.subscribe(document, topics, problem, connection.topics)
        self._answer(connection, reply)
        for topic in dict.fromkeys(accepted):
            feed = self._feeds[connection.path, topic]
            if not self._subscribers(topic, connection.path) and not isinstance(feed, FullBookFeed):
                feed.refresh()
            connection.topics[topic] = True
            for begun in feed.begin():
                self._push([connection], begun)

    def _idle(self, connection: Connection) -> bool:
        if not connection.path.startswith(_PUBLIC):
            return super()._idle(connection)
        # A socket with nothing subscribed was seen dropped after a minute; one that is subscribed but never pings
        # lived on.
        return not connection.topics

    # -- pushes --------------------------------------------------------------------------------------------------------

    def _floor(self, category: str) -> Floor:
        check_choice("category", category, SOCKETS)
        return self._floors[_PUBLIC + category]

    def _advance(self, now_us: int) -> None:
        for floor in self._floors.values():
            floor.trades = floor.market.step(now_us)
        super()._advance(now_us)

    def _publish(self) -> None:
        super()._publish()
        wanted = {(connection.path, topic) for connection in self._connections.values() for topic in connection.topics}
        for (path, topic), feed in self._feeds.items():
            if ((path, topic) in wanted or isinstance(feed, FullBookFeed)) and self._each(feed.seconds):
                documents = feed.advance()
                if documents:
                    subscribers = self._subscribers(topic, path)
                    for document in documents:
                        self._push(subscribers, document)

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        text = encode(document)
        # The spot service writes its replies as Go does, with <, > and & escaped.
        return text.replace(">", "\\u003e") if connection.path == _PUBLIC + "spot" and not push else text


def _by_category(symbols: Union[Mapping[str, Collection[str]], Collection[str], None]) -> Dict[str, Tuple[str, ...]]:
    by_category = dict(DEFAULT_SYMBOLS)
    if symbols is not None and not isinstance(symbols, Mapping):
        symbols = {"spot": symbols, "linear": symbols}
    for category, traded in (symbols or {}).items():
        check_choice("symbols: the category", category, SOCKETS[:-1])
        by_category[category] = check_symbols(traded)
    return by_category


_OTHERS = {"spread": ("2.5", "0.01", "0.1"), "event": ("1.85", "0.001", "1")}
_OPTIONS = {"BTC": ("5000", "5", "0.01"), "ETH": ("300", "0.1", "0.1")}


def _instrument(category: str, symbol: str) -> Instrument:
    if category == "option":
        base = symbol.partition("-")[0]
        price, tick, lot = _OPTIONS.get(base, ("10", "0.01", "1"))
        return Instrument(symbol, base, "USDT", Decimal(price), Decimal(tick), Decimal(lot))
    if category in _OTHERS:
        price, tick, lot = _OTHERS[category]
        return Instrument(symbol, symbol, "USDT", Decimal(price), Decimal(tick), Decimal(lot))
    for quote in ("USDT", "USDC", "PERP", "USD"):
        if symbol.endswith(quote) and symbol != quote:
            base = symbol[: -len(quote)]
            break
    else:
        base, quote = symbol, ""
    made = instrument(symbol, base, quote)
    if category == "inverse":  # contracts of one dollar
        made = Instrument(symbol, base, quote, made.price, made.tick_size, Decimal(1))
    return made
