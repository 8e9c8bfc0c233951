"""The client of Bybit's public sockets, with the stream methods that users of pybit know."""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any, Literal, Optional, Tuple, Union

from dbxsdk.arguments import check_flag, check_word
from dbxsdk.bybit.base_client import BybitClient
from dbxsdk.bybit.endpoints import MAINNET, SOCKETS, TESTNET, rest_origin
from dbxsdk.client import Symbols
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk.backfill import twin as backfill
    from dbxsdk.book.order_book import OrderBook
    from dbxsdk.book.rule import BookRule
    from dbxsdk.bybit import twins
    from dbxsdk.bybit.base_client import Callback
    from dbxsdk.bybit.public import book, channels, full_book, full_book_source, models, protocol as protocols
    from dbxsdk.bybit.public.channels import Ticker
    from dbxsdk.options import Options
    from dbxsdk.session import Subscription
else:
    backfill, twins = Later("dbxsdk.backfill.twin"), Later("dbxsdk.bybit.twins")
    book, channels = Later("dbxsdk.bybit.public.book"), Later("dbxsdk.bybit.public.channels")
    full_book, full_book_source = Later("dbxsdk.bybit.public.full_book"), Later("dbxsdk.bybit.public.full_book_source")
    protocols = Later("dbxsdk.bybit.public.protocol")


class BybitPublicClient(BybitClient):
    """Market data of one public socket: order books, trades, tickers, klines, liquidations ...

    Construction does no I/O; the connection opens with ``open()`` or the first subscription. No key is needed.

    Each ``..._stream`` method is one ``subscribe``: it returns a ``Subscription`` once the venue has acknowledged
    all topics, and calls ``callback`` with an ``Update`` for each frame (with ``raw=True``: with the decoded frame).
    Symbols are one name or several, in upper case. All of them raise, and a retry is safe for all of them:

    * ``TypeError``, ``ValueError``: an argument is wrong, or the topics of this client together are more than one
      connection takes (21,000 characters; 2,000 topics on options). Nothing was sent.
    * ``SubscribeError``: the venue refused some of the topics (``error.topics``); the others are subscribed. The
      option socket hardly ever refuses: there an acknowledged topic may still never deliver (klines, book depths
      other than 25 and 100); ``max_silence`` of ``subscribe`` reports it.
    * ``ConnectError``, ``ConnectionLost``, ``RequestTimeout``, ``ClientClosed``, ``WrongThreadError``: as everywhere.

    ``subscribe`` takes channels and whole topics by name, and refuses what the socket does not have with a ``ValueError``
    that lists its channels; ``dbxsdk.bybit`` has typed channels: ``subscribe(bybit.TRADES, ...)``. What the venue has added
    since is ``subscribe(bybit.undocumented("whole.topic.NAME"), ...)``.

    Args:
        category: ``"spot"``, ``"linear"`` (USDT and USDC contracts), ``"inverse"`` or ``"option"``; ``"spread"`` (spread
            trading: books of depth 25, trades, tickers), ``"event"`` (event contracts: ``bybit.EVENT_ORDERBOOK`` and
            ``EVENT_TRADES``) or ``"misc/status"`` (``system.status``).
        testnet: the venue's test network.
        url: another address of the same protocol: a regional host, a local server.
        rest_url: origin of the REST side, such as ``https://api.bybit.com``, from which full order books get their snapshots, and
            ``backfill`` and ``since`` what was missed; no key goes there. None is the one that belongs to the socket; with a
            ``url`` whose REST side is not known it is needed for them.
        options: see ``Options``.

    Raises:
        TypeError, ValueError: naming the argument.

    Source: https://bybit-exchange.github.io/docs/v5/ws/connect
    """

    def __init__(
        self,
        category: str,
        *,
        testnet: bool = False,
        url: Optional[str] = None,
        rest_url: Optional[str] = None,
        options: Optional[Options] = None,
    ) -> None:
        protocol = protocols.BybitPublicProtocol(category)
        check_flag("testnet", testnet)
        origin = rest_origin(rest_url, testnet=testnet, url=url, has_key=False)
        if url is None:
            url = f"wss://{TESTNET if testnet else MAINNET}/v5/public/{category}"
        super().__init__(protocol, url, options=options)
        self.category = category
        self._origin = origin
        self._fetchable = ("publicTrade",) if category == "option" else ("publicTrade", "kline")
        self._sources: "weakref.WeakSet[full_book_source.FullBookSource]" = weakref.WeakSet()

    _relayed = {f"bybit:{category}": {"category": category} for category in SOCKETS}

    def _book_of(self, topic: str) -> Optional[Tuple[str, BookRule]]:
        found = channels.route(self.category, topic)
        kind, _, depth = ("", "", "") if found is None else found.channel.partition(".")
        if found is None or kind != "orderbook" or not depth.isdecimal():
            return None
        return found.symbol, book.BybitBookRule(int(depth))

    def _twin(self, topic: str) -> Optional[backfill.Twinned]:
        found = channels.route(self.category, topic)
        kind, _, interval = ("", "", "") if found is None else found.channel.partition(".")
        if found is None or kind not in self._fetchable:
            return None
        rest = self._rest_side()
        twin = twins.CandlesTwin(rest, self.category, interval) if interval else twins.TradesTwin(rest, self.category)
        return backfill.Twinned(twin, found.channel, found.symbol)

    def close(self, timeout: float = 5) -> None:
        super().close(timeout)
        for source in list(self._sources):
            source.close()

    close.__doc__ = BybitClient.close.__doc__

    def order_book(
        self, symbol: str, *, depth: Union[int, Literal["full"]] = 50, timeout: Optional[float] = None
    ) -> OrderBook:
        """Subscribe ``orderbook.{depth}`` of one symbol and keep a book of it; see ``OrderBook``.

        It returns once the venue has acknowledged; the snapshot follows: ``wait_ready`` of the book waits for it. Every
        update is checked to be the next one (``u``): if one is missing the book is stale, the topic is subscribed again,
        and the snapshot that this brings makes the book right. Other subscriptions of the same topic see this snapshot,
        too. Books of one topic are independent: each has its own ``close``.

        Args:
            symbol: in upper case.
            depth: levels a side: 1, 50, 200 or 1000; for options 25 or 100, for spreads 25. ``"full"`` (spot; contracts where
                the venue has it) is the whole book, every 200 ms: the topic's deltas, joined with a snapshot of 10,000 levels
                a side, which a thread of its own fetches over HTTPS, at most every second. The book is ready with the first
                delta after it; after a lost update it is fetched again.
            timeout: seconds to wait for the acknowledgement, in place of ``request_timeout``.

        Raises what ``subscribe`` raises; ``ValueError`` and ``TypeError`` name the argument. Safe to retry.

        Source: websocket/public/orderbook.
        """
        if depth == "full":
            return self._full_book(symbol, timeout)
        book.check_depth(self.category, depth)
        return self._order_book(f"orderbook.{depth}", symbol, symbol, book.BybitBookRule(depth), timeout)

    def _full_book(self, symbol: str, timeout: Optional[float]) -> OrderBook:
        if self.category not in ("spot", "linear", "inverse"):
            raise ValueError(f"depth 'full' is not for {self.category}")
        # A connection of its own, which ends with the book; the venue's limits are the address's all the same.
        rest = self._new_rest() if self._connector.live else None
        name = check_word("symbol", symbol)
        source = full_book_source.FullBookSource(rest, self.category, name, self._options.request_timeout, self.name)
        rule = full_book.FullBookRule(source.fetch, source.end)
        source.offer = rule.offer
        self._sources.add(source)
        return self._order_book("orderbook.full", symbol, symbol, rule, timeout)

    def orderbook_stream(
        self, depth: Union[int, str], symbol: Symbols, callback: Callback[models.OrderBookUpdate], *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``orderbook.{depth}``: an ``OrderBookUpdate`` for each frame, first a snapshot, then deltas.

        ``depth`` is 1 (every 10 ms, snapshots only), 50 (20 ms), 200 (100 ms) or 1000 (200 ms); on options 25 (20 ms) or
        100 (100 ms); ``"full"`` on spot. ``order_book`` keeps a whole book current instead.

        Source: websocket/public/orderbook.
        """
        return self.subscribe(channels.orderbook(depth).name, _names("symbol", symbol), callback=callback, raw=raw)

    def rpi_orderbook_stream(
        self, symbol: Symbols, callback: Callback[models.RpiOrderBookUpdate], *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``orderbook.rpi`` (spot, linear, inverse): an ``RpiOrderBookUpdate`` for each frame, 50 levels, every 100 ms.

        Source: websocket/public/orderbook-rpi.
        """
        return self.subscribe("orderbook.rpi", _names("symbol", symbol), callback=callback, raw=raw)

    def trade_stream(self, symbol: Symbols, callback: Callback[Tuple[models.Trade, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``publicTrade``: a tuple of ``Trade`` for each frame, at once. On options ``symbol`` is the base coin,
        e.g. ``"BTC"``, and brings the trades of all its contracts.

        Source: websocket/public/trade.
        """
        return self.subscribe("publicTrade", _names("symbol", symbol), callback=callback, raw=raw)

    def ticker_stream(self, symbol: Symbols, callback: Callback[Ticker], *, raw: bool = False) -> Subscription:
        """Subscribe ``tickers``: a ``ContractTicker``, ``SpotTicker`` or ``OptionTicker`` for each frame, every 100 ms (spot 50).
        Contract tickers arrive merged, with the fields that the frame carried in ``changed``; ``raw`` has the frame
        only, in which an absent key means "as before".

        Source: websocket/public/ticker.
        """
        return self.subscribe("tickers", _names("symbol", symbol), callback=callback, raw=raw)

    def kline_stream(
        self, interval: Union[int, str], symbol: Symbols, callback: Callback[Tuple[models.Kline, ...]], *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``kline.{interval}``: a tuple of ``Kline`` for each frame, every 1 to 60 s.

        ``interval`` is 1, 3, 5, 15, 30, 60, 120, 240, 360 or 720 minutes, ``"D"``, ``"W"`` or ``"M"``.

        Source: websocket/public/kline.
        """
        return self.subscribe(channels.kline(interval).name, _names("symbol", symbol), callback=callback, raw=raw)

    def all_liquidation_stream(
        self, symbol: Symbols, callback: Callback[Tuple[models.Liquidation, ...]], *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``allLiquidation`` (linear, inverse): a tuple of ``Liquidation`` for each frame, every 500 ms.

        Source: websocket/public/all-liquidation.
        """
        return self.subscribe("allLiquidation", _names("symbol", symbol), callback=callback, raw=raw)

    def insurance_pool_stream(
        self, contract_group: Symbols, callback: Callback[Tuple[models.InsurancePool, ...]], *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``insurance``: a tuple of ``InsurancePool`` for each frame, every second while balances change.

        ``contract_group`` is ``"USDT"`` or ``"USDC"`` (linear), or ``"inverse"`` (inverse).

        Source: websocket/public/insurance-pool.
        """
        return self.subscribe("insurance", _names("contract_group", contract_group), callback=callback, raw=raw)

    def adl_alert_stream(
        self, contract_group: Symbols, callback: Callback[Tuple[models.AdlAlert, ...]], *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``adlAlert``: a tuple of ``AdlAlert`` for each frame, every second.

        ``contract_group`` is ``"USDT"`` or ``"USDC"`` (linear), or ``"inverse"`` (inverse).

        Source: websocket/public/adl-alert.
        """
        return self.subscribe("adlAlert", _names("contract_group", contract_group), callback=callback, raw=raw)

    def price_limit_stream(self, symbol: Symbols, callback: Callback[models.PriceLimit], *, raw: bool = False) -> Subscription:
        """Subscribe ``priceLimit``: a ``PriceLimit`` for each frame, every 300 ms.

        Source: websocket/public/order-price-limit.
        """
        return self.subscribe("priceLimit", _names("symbol", symbol), callback=callback, raw=raw)

    def system_status_stream(self, callback: Callback[Tuple[models.SystemStatus, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``system.status``: a tuple of ``SystemStatus`` for each frame.

        Of ``BybitPublicClient("misc/status")`` only.

        Source: websocket/system/system-status.
        """
        return self.subscribe("system.status", callback=callback, raw=raw)

    def liquidation_stream(self, symbol: Symbols, callback: Callback[Any], *, raw: bool = False) -> Subscription:
        """Deprecated: Bybit retired ``liquidation`` and refuses it. Use ``all_liquidation_stream``."""
        _warn_retired("liquidation_stream", "liquidation", "; use all_liquidation_stream")
        return self.subscribe("liquidation", _names("symbol", symbol), callback=callback, raw=raw)

    def lt_kline_stream(
        self, interval: Union[int, str], symbol: Symbols, callback: Callback[Any], *, raw: bool = False
    ) -> Subscription:
        """Deprecated: Bybit retired leveraged tokens, and ``kline_lt`` with them. ``Update.data`` is plain."""
        _warn_retired("lt_kline_stream", "kline_lt")
        channel = f"kline_lt.{channels.part('interval', interval)}"
        return self.subscribe(channel, _names("symbol", symbol), callback=callback, raw=raw)

    def lt_ticker_stream(self, symbol: Symbols, callback: Callback[Any], *, raw: bool = False) -> Subscription:
        """Deprecated: Bybit retired leveraged tokens, and ``tickers_lt`` with them. ``Update.data`` is plain."""
        _warn_retired("lt_ticker_stream", "tickers_lt")
        return self.subscribe("tickers_lt", _names("symbol", symbol), callback=callback, raw=raw)

    def lt_nav_stream(self, symbol: Symbols, callback: Callback[Any], *, raw: bool = False) -> Subscription:
        """Deprecated: Bybit retired leveraged tokens, and ``lt`` with them. ``Update.data`` is plain."""
        _warn_retired("lt_nav_stream", "lt")
        return self.subscribe("lt", _names("symbol", symbol), callback=callback, raw=raw)


def _names(name: str, value: Any) -> Tuple[str, ...]:
    """Return the symbols of a channel that requires some: none at all would mean the channel's bare name."""
    if isinstance(value, str):
        return (value,)
    try:
        names = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be a str or an iterable of str, not {type(value).__name__}") from None
    if not names:
        raise ValueError(f"{name} must name at least one")
    return names


def _warn_retired(method: str, channel: str, instead: str = "") -> None:
    # Level 3: the line that called the method.
    warnings.warn(f"{method}: Bybit retired the channel {channel}{instead}", DeprecationWarning, stacklevel=3)
