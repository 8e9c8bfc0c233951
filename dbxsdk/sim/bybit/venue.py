"""``BybitVenue``: Bybit's v5 sockets, public (spot, linear, inverse, option), private and trade, served locally."""

from __future__ import annotations

import random
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Collection, Dict, List, Mapping, Optional, Tuple, Union, overload

from dbxsdk.arguments import check_choice
from dbxsdk.codec import encode
from dbxsdk.sim.bybit.book_feeds import BookFeed, TopFeed
from dbxsdk.sim.bybit.feed import Feed, Floor, UnknownTopic
from dbxsdk.sim.bybit.feeds import INTERVALS, open_feed
from dbxsdk.sim.bybit.public_socket import REPLIES, Replies
from dbxsdk.sim.bybit.rest_venue import RestVenue
from dbxsdk.sim.bybit.trading import PRIVATE, TRADE
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.market.market import Instrument, Market, Trade, instrument
from dbxsdk.sim.venue import check_symbols

if TYPE_CHECKING:
    from typing import Literal

    from dbxsdk.bybit import BybitPrivateClient, BybitPublicClient, BybitTradeClient

CATEGORIES = ("linear", "spot", "inverse", "option")

DEFAULT_SYMBOLS: Mapping[str, Tuple[str, ...]] = {
    "spot": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
    "linear": ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCPERP"),
    "inverse": ("BTCUSD", "ETHUSD"),
    "option": ("BTC-31DEC27-70000-C-USDT", "BTC-31DEC27-60000-P-USDT", "ETH-31DEC27-3500-C-USDT", "XRP-31DEC27-0.6-P-USDT"),
}

_PUBLIC = "/v5/public/"


class BybitVenue(RestVenue):
    """Bybit's public sockets, on ``/v5/public/linear`` (the main one), ``/spot``, ``/inverse`` and ``/option``, and the
    private and the trade socket, on ``/v5/private`` and ``/v5/trade``; on the same port REST (``RestVenue``).

    Each category has a market of its own. All feeds of a symbol's book are moved on with the market, at the topic's
    documented interval or the market's step, whichever is longer.

    There is one account. Its orders trade in these markets: what crosses is filled from the book at once, what does
    not rests in it until the market reaches it, and the public feeds show both, with the market's next step. Orders
    that are conditional or have a take profit or stop loss are refused: they are not simulated.

    Args, beyond those of ``Venue``:
        symbols: by category, in place of the default ones; a plain collection means spot and linear.
        balances: the account's coins at the start, in place of the default ones.
        auth_horizon: how far ahead, in seconds, the ``expires`` of an authentication may be; None, as the live venue
            was seen to do: any distance.
        active_time_scale: real seconds for a second of ``max_active_time``, to spare tests half a minute.
            ``idle_timeout`` is about the public sockets alone.
    """

    name = "bybit"
    paths = tuple(_PUBLIC + category for category in CATEGORIES) + (PRIVATE, TRADE)

    def __init__(
        self, *, symbols: Union[Mapping[str, Collection[str]], Collection[str], None] = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._floors: Dict[str, Floor] = {}
        for category, traded in _by_category(symbols).items():
            market = Market(
                [_instrument(category, symbol) for symbol in traded],
                seed=self._seed * len(CATEGORIES) + CATEGORIES.index(category),
                start_us=self._start_us,
                intervals=() if category == "option" else INTERVALS,
            )
            self._floors[_PUBLIC + category] = Floor(category, market, self._seed, self._now_ms)
        self._trade_in({floor.category: floor.market for floor in self._floors.values()})
        self._feeds: Dict[Tuple[str, str], Feed] = {}  # by path and topic
        self._ids = random.Random(f"{self._seed}:connections")

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
        if category in with_keys:
            client_class, path = with_keys[category]
            given = {"url": self.url(path), "rest_url": self.rest_url(), "api_key": self.api_key, "api_secret": self.api_secret}
            return client_class(**{**given, **kwargs})
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

    # -- requests ------------------------------------------------------------------------------------------------------

    def _opened(self, connection: Connection) -> None:
        if not connection.path.startswith(_PUBLIC):
            super()._opened(connection)
            return
        category = connection.path[len(_PUBLIC):]
        connection.state["replies"] = REPLIES[category](str(uuid.UUID(int=self._ids.getrandbits(128), version=4)))

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
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
            if not self._subscribers(topic, connection.path):
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
        check_choice("category", category, CATEGORIES)
        return self._floors[_PUBLIC + category]

    def _advance(self, now_us: int) -> None:
        for floor in self._floors.values():
            floor.trades = floor.market.step(now_us)
        super()._advance(now_us)

    def _publish(self) -> None:
        super()._publish()
        wanted = {(connection.path, topic) for connection in self._connections.values() for topic in connection.topics}
        for (path, topic), feed in self._feeds.items():
            if (path, topic) in wanted and self._each(feed.seconds):
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
        check_choice("symbols: the category", category, CATEGORIES)
        by_category[category] = check_symbols(traded)
    return by_category


_OPTIONS = {"BTC": ("5000", "5", "0.01"), "ETH": ("300", "0.1", "0.1")}


def _instrument(category: str, symbol: str) -> Instrument:
    if category == "option":
        base = symbol.partition("-")[0]
        price, tick, lot = _OPTIONS.get(base, ("10", "0.01", "1"))
        return Instrument(symbol, base, "USDT", Decimal(price), Decimal(tick), Decimal(lot))
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
