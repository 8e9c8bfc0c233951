"""``CryptomusClient``: the exchange's market data, and the account's orders, balances and deals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from dbxsdk.arguments import check_credential, check_seconds, check_word
from dbxsdk.credentials import hidden
from dbxsdk.rest_client import RestClient
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk import options as settings, transport
    from dbxsdk.backfill import twin as backfill
    from dbxsdk.book.order_book import OrderBook
    from dbxsdk.book.rule import BookRule
    from dbxsdk.cryptomus import account as accounts, book, channel_union, http, models, protocol, rest as own_rest, twins
    from dbxsdk.cryptomus.account import Account
    from dbxsdk.cryptomus.models import DepthScale, Market
    from dbxsdk.cryptomus.rest import CryptomusRest
    from dbxsdk.options import Options
    from dbxsdk.transport import http as transport_http, rest
else:
    settings, transport, backfill = Later("dbxsdk.options"), Later("dbxsdk.transport"), Later("dbxsdk.backfill.twin")
    transport_http, rest = Later("dbxsdk.transport.http"), Later("dbxsdk.transport.rest")
    accounts, twins, own_rest = Later("dbxsdk.cryptomus.account"), Later("dbxsdk.cryptomus.twins"), Later("dbxsdk.cryptomus.rest")
    book, channel_union = Later("dbxsdk.cryptomus.book"), Later("dbxsdk.cryptomus.channel_union")
    http, models = Later("dbxsdk.cryptomus.http"), Later("dbxsdk.cryptomus.models")
    protocol = Later("dbxsdk.cryptomus.protocol")

URL = "wss://api-ws.cryptomus.com/ws"
TOKEN_URL = "https://api.cryptomus.com/v2/user-api/exchange/account/web-socket/token"
MARKETS_URL = "https://api-app.cryptomus.com/v1/exchange/market"
DEPTH_SCALES_URL = "https://exchange-ws.cryptomus.com/api/v2/symbol-scales"

ORIGINS = {"api-ws.cryptomus.com": "https://api.cryptomus.com"}
"""Of the REST side, by the socket's host."""


class CryptomusClient(RestClient):
    """Cryptomus's exchange: market data, and the account's orders, balances and deals.

    Channels for ``subscribe`` (markets like ``"BTC_USDT"``; lower case is put into upper case), each with a typed constant in
    ``dbxsdk.cryptomus`` (``TRADES``, ``DEPTH`` ...):

    ============= ======================= ================== ======================================================
    channel       symbols                 ``Update.data``    ``Update.kind``
    ============= ======================= ================== ======================================================
    ``lastprice`` markets                 ``LastPrice``      ``update``
    ``depth``     ``"BTC_USDT:0"``:       ``Depth``          ``snapshot`` or ``delta``. ``Update.symbol`` is the
                  market, scale index                        market, ``Depth.scale_index`` says which of its books
    ``ticker``    markets                 ``Ticker``         ``update``
    ``trade``     markets                 tuple of ``Trade`` ``update``
    ``order``     markets                 ``Order``          ``update`` (private)
    ``balance``   currencies (``"USDT"``) ``Balance``        ``update`` (private)
    ``deal``      markets                 ``Deal``           ``update`` (private)
    ============= ======================= ================== ======================================================

    ``"all"`` in place of symbols means all of them; ``Update.symbol`` says which one an update is about. Beside ``"all"``
    the same channel may be subscribed for single symbols by other calls, and each gets its updates; single symbols that
    are added then are not checked by the venue, which sends them already.

    The venue lets a connection have one subscription of each channel: "repeated subscription will be cancelled for the
    same data type". It does not say which one, the first or the second. So every request names all symbols of the channel
    that are wanted, old and new. If the venue replaces or adds, the old ones do not pause; ``depth`` may begin again with a
    snapshot. If it refuses repeats, the channel is unsubscribed and subscribed again: all its symbols pause for one round
    trip, and updates of that time are not sent again. After an unsubscription, likewise, the symbols that stay are asked
    for once more. A refused symbol is found by halving the new ones; the others stay, and are asked for once more after
    each refusal, which may have ended them. Whenever symbols may have paused, a ``Gap`` says so, and their books are stale
    meanwhile. Use one call with many symbols rather than many calls. Do not send the venue's ``..._subscribe`` and
    ``..._unsubscribe`` by ``call``: they would undo this.

    ``trade`` of named markets, ``order``, ``deal`` and ``balance`` can be subscribed with ``backfill=True``. REST has the last
    100 trades of a market; those of the stream have no ids, so equal ones of one second are counted, and a second has to be over
    first. Fills are in REST once their order has ended: while an open one is filled in part, ``Filled`` is not complete. Orders
    and balances begin with the present state, as one ``"snapshot"`` with a tuple of them, and have it again after a hole.

    Each connection, also each reconnect, gets a one-time token by HTTPS first, within ``open``'s timeout.

    Args:
        user_id: the account's id (a UUID).
        api_key: a key of the personal account, not one of the payment API.
        url, token_url, markets_url, depth_scales_url: addresses in place of ``URL``, ``TOKEN_URL``, ``MARKETS_URL``
            and ``DEPTH_SCALES_URL``; the venue has four hosts. A query in ``url`` is kept, the token is added to it.
        rest_url: origin of the REST side that ``backfill`` and ``since`` ask, such as ``https://api.cryptomus.com``; with another
            ``url`` than the venue's it is needed for them.
        options: see ``Options``. The venue closes a connection 60 s after the last request: ``heartbeat_interval`` is
            40 s unless given, and 50 s at most.

    Raises:
        ValueError, TypeError: an argument is wrong; nothing has been sent.

    In addition to what ``Client.open`` says, it raises ``AuthError`` if the venue gives no token to this user and key (HTTP
    401, 403 or 404), which is final; and ``ConnectError`` if the token's host cannot be reached, fails, or answers without
    a token. After a connection was lost, the latter are tried again.

    Source: doc.cryptomus.com, "exchange/websockets" and "request-format".
    """

    _relayed = {"cryptomus": {}}

    def __init__(
        self,
        user_id: str,
        api_key: str,
        *,
        url: Optional[str] = None,
        token_url: Optional[str] = None,
        markets_url: Optional[str] = None,
        depth_scales_url: Optional[str] = None,
        rest_url: Optional[str] = None,
        options: Optional[Options] = None,
    ) -> None:
        user_id, api_key = hidden(user_id), hidden(api_key)
        self._origin = rest.rest_origin(rest_url, url, ORIGINS)
        tokens = http.TokenSource(
            transport_http.parse_http_url("token_url", TOKEN_URL if token_url is None else token_url),
            options or settings.Options(),
            check_credential("user_id", user_id),
            check_credential("api_key", api_key),
        )
        if not tokens.url.startswith("https"):
            transport.warn_if_readable(urlsplit(tokens.url).hostname or "", stacklevel=2)
        self._markets_url = transport_http.parse_http_url(
            "markets_url", MARKETS_URL if markets_url is None else markets_url
        )
        self._depth_scales_url = transport_http.parse_http_url(
            "depth_scales_url", DEPTH_SCALES_URL if depth_scales_url is None else depth_scales_url
        )
        super().__init__(protocol.CryptomusProtocol(), URL if url is None else url, options=options, prepare=tokens)
        self._keys = user_id, api_key

    def account(self, *, reconcile_every: Optional[float] = 300.0, timeout: Optional[float] = None) -> Account:
        """Return the account as a book: open orders and balances, kept current from the stream (``order``,
        ``balance``), begun and after each hole renewed over REST, on a thread of its own.

        Returns once the venue has acknowledged the subscriptions; ``Account.wait_ready`` waits for the first state (not in a
        callback).

        Args:
            reconcile_every: seconds after which REST is asked again without a reason; a difference is the event ``Drift``, and
                put right. None: never.
            timeout: seconds to wait for the acknowledgements, in place of ``request_timeout``.

        Raises:
            TypeError, ValueError: naming the argument, before any I/O.
            SubscribeError, RequestTimeout, ConnectError, AuthError, WrongThreadError: as ``subscribe`` does; nothing stays.

        Source: "exchange": orders, orders history, balance; "exchange/websockets": order, balance.
        """
        made = self._new_account(accounts.Account, reconcile_every)
        self._begin_account(made, [(channel, channel_union.ALL) for channel in accounts.Account.channels], timeout)
        return made

    _fetchable = ("trade", "order", "deal", "balance")

    def _twin(self, topic: str) -> Optional[backfill.Twinned]:
        channel, _, symbol = topic.partition(".")
        if channel not in self._fetchable:
            return None
        return backfill.Twinned(twins.TWINS[channel](self._rest_side(), symbol), channel, symbol)

    def _make_rest(self, origin: str) -> CryptomusRest:
        return own_rest.CryptomusRest(*self._keys, origin, self._options)

    def _book_of(self, topic: str) -> Optional[Tuple[str, BookRule]]:
        channel, _, name = topic.partition(".")
        market, _, index = name.rpartition(":")
        return (market, book.CryptomusBookRule(int(index))) if channel == "depth" and index.isdecimal() else None

    def order_book(self, symbol: str, *, scale_index: int = 0, timeout: Optional[float] = None) -> OrderBook:
        """Subscribe ``depth`` of one market at one price step and keep a book of it; see ``OrderBook``.

        It returns once the venue has acknowledged; the whole book (``full_reload``) follows: ``wait_ready`` of the book
        waits for it. Updates are not numbered, so the only sign of a lost one is a crossed book: then it is stale, and
        subscribed again, together with ``"all"`` if that is subscribed. Other subscriptions of the same book (and of
        ``"all"``) see the whole book that this brings, too. Books of one market are independent, at one scale or at several:
        each has its own ``close``.

        Args:
            symbol: the market only, like ``"BTC_USDT"``.
            scale_index: which of the market's price steps; ``depth_scales`` lists them.
            timeout: seconds to wait for the acknowledgement, in place of ``request_timeout``.

        Raises what ``subscribe`` raises; ``ValueError`` and ``TypeError`` name the argument. Safe to retry.

        Source: "exchange/websockets", depth.
        """
        market = check_word("symbol", symbol).upper()
        if ":" in market or market == channel_union.ALL.upper():
            raise ValueError(f"symbol must be one market without a scale index, not {symbol!r}")
        book.check_scale_index(scale_index)
        rule = book.CryptomusBookRule(scale_index)
        return self._order_book("depth", f"{market}:{scale_index}", market, rule, timeout)

    def markets(self, timeout: Optional[float] = None) -> Tuple[Market, ...]:
        """Return all markets, over HTTPS: needs no connection and no key, and opens no connection. Safe to retry.

        ``timeout`` (seconds) bounds each wait for the network, in place of ``request_timeout``.

        Raises:
            ConnectError: the host could not be reached, or failed (HTTP 5xx).
            RateLimited: HTTP 429.
            VenueError: the venue said no; ``AuthError`` for HTTP 401 and 403.
            ProtocolError: the answer is not a list of markets.

        Source: "exchange/websockets", market list.
        """
        return models.read_markets(self._fetch(self._markets_url, timeout))

    def depth_scales(self, symbol: str, timeout: Optional[float] = None) -> Tuple[DepthScale, ...]:
        """Return the price steps of the book of ``symbol``; the channel ``depth`` takes their ``index``.

        Over HTTPS, like ``markets``; raises what that raises. Safe to retry.

        Source: "exchange/websockets", symbol depth scales.
        """
        params = {"symbol": check_word("symbol", symbol).upper()}
        return models.read_depth_scales(self._fetch(self._depth_scales_url, timeout, params))

    def _fetch(self, url: str, timeout: Optional[float], params: Optional[Mapping[str, str]] = None) -> Any:
        seconds = self._options.request_timeout if timeout is None else check_seconds("timeout", timeout)
        return http.contents(url, self._connector.get(url, self._options, seconds, params))
