"""``DigiFinexClient``: spot market data, and the account's orders and balances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

from dbxsdk.arguments import check_seconds, check_symbols, check_word
from dbxsdk.client import Symbols
from dbxsdk.credentials import hidden
from dbxsdk.rest_client import RestClient
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk.backfill import twin as backfill
    from dbxsdk.book.order_book import OrderBook
    from dbxsdk.book.rule import BookRule
    from dbxsdk.digifinex import account as accounts, base_protocol, book, protocol, rest as own_rest, twins
    from dbxsdk.digifinex.account import Account
    from dbxsdk.digifinex.rest import DigiFinexRest
    from dbxsdk.options import Options
    from dbxsdk.transport import rest
else:
    backfill, rest = Later("dbxsdk.backfill.twin"), Later("dbxsdk.transport.rest")
    accounts, twins, own_rest = Later("dbxsdk.digifinex.account"), Later("dbxsdk.digifinex.twins"), Later("dbxsdk.digifinex.rest")
    base_protocol, protocol = Later("dbxsdk.digifinex.base_protocol"), Later("dbxsdk.digifinex.protocol")
    book = Later("dbxsdk.digifinex.book")

URL = "wss://openapi.digifinex.com/ws/v1/"
"""The documented address."""

MAINLAND_URL = "wss://openapi.digifinex.vip/ws/v1/"
"""The address that the venue's first edition names for mainland China; later editions do not."""


ORIGINS = {
    "openapi.digifinex.com": "https://openapi.digifinex.com",
    "openapi.digifinex.vip": "https://openapi.digifinex.vip",
}
"""Of the REST side, by the socket's host."""


class DigiFinexClient(RestClient):
    """DigiFinex spot: public market data, and with a key the account's orders and balances.

    Channels for ``subscribe`` (symbols like ``"BTC_USDT"``; lower case is put into upper case), each with a typed constant in
    ``dbxsdk.digifinex`` (``TRADES``, ``DEPTH`` ...):

    ============== ========== ======================== ==================================================================
    channel        symbols    ``Update.data``          ``Update.kind``
    ============== ========== ======================== ==================================================================
    ``trades``     symbols    tuple of ``Trade``       ``snapshot`` (recent history, newest first) once after
                                                       each (re)subscription, then ``update``
    ``depth``      symbols    ``Depth``                ``snapshot`` or ``delta``
    ``ticker``     symbols    tuple of ``Ticker``      ``update``
    ``all_ticker`` none       tuple of ``Ticker``      ``update``; each holds some of the symbols
    ``order``      symbols    tuple of ``Order``       ``update`` (private)
    ``order_algo`` symbols    tuple of ``AlgoOrder``   ``update`` (private)
    ``balance``    currencies tuple of ``Balance``     ``update`` (private)
    ============== ========== ======================== ==================================================================

    The venue closes every connection after about two hours; the client reconnects and emits a ``Gap``. ``trades``, ``order`` and
    ``balance`` can be subscribed with ``backfill=True``: after a hole the stream's own history is used first, which has some of
    the last trades, then the REST side, which has the last 500, by the second. Orders of a symbol and balances of a currency
    begin with the present state, as one ``"snapshot"``, and have it again after a hole.

    Args:
        api_key, api_secret: both or neither. With them ``open`` logs in (``server.auth``) on each connection.
        url: a whole address in place of ``URL``; ``MAINLAND_URL`` is the other documented one.
        rest_url: origin of the REST side that ``backfill`` and ``since`` ask, such as ``https://openapi.digifinex.com``; None is
            the socket's host, if that is one of the two; with another ``url`` it is needed for them.
        options: see ``Options``.

    Raises:
        ValueError, TypeError: an argument is wrong; nothing has been sent.

    Source: the venue's spot WebSocket pages, first edition (2019) and later web edition.
    """

    _relayed = {"digifinex": {}}

    def __init__(
        self,
        api_key: Optional[str] = None,
        api_secret: Optional[str] = None,
        *,
        url: Optional[str] = None,
        rest_url: Optional[str] = None,
        options: Optional[Options] = None,
    ) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)
        self._origin = rest.rest_origin(rest_url, url, ORIGINS)
        super().__init__(protocol.DigiFinexProtocol(api_key, api_secret), URL if url is None else url, options=options)
        self._keys = api_key, api_secret

    def account(
        self,
        symbols: Symbols = (),
        *,
        reconcile_every: Optional[float] = 300.0,
        timeout: Optional[float] = None,
    ) -> Account:
        """Return the account as a book: open orders and balances, kept current from the stream (``order``,
        ``balance``), begun and after each hole renewed over REST, on a thread of its own.

        Returns once the venue has acknowledged the subscriptions; ``Account.wait_ready`` waits for the first state (not in a
        callback).

        Args:
            symbols: the markets that are followed, with their currencies; the venue takes no "all". Left out: all markets
                that it lists, and all currencies of these and of the account, which REST is asked for first.
            reconcile_every: seconds after which REST is asked again without a reason; a difference is the event ``Drift``, and
                put right. None: never.
            timeout: seconds to wait for the acknowledgements, in place of ``request_timeout``.

        Raises:
            TypeError, ValueError: naming the argument, before any I/O.
            SubscribeError, RequestTimeout, ConnectError, AuthError, WrongThreadError: as ``subscribe`` does; nothing stays.
            VenueError: REST refused to list the markets.

        Source: order/current, order, assets, markets; "order.update", "balance.update".
        """
        wanted = [symbol.upper() for symbol in check_symbols(symbols)]
        if self._keys[0] is None:
            raise ValueError("api_key and api_secret are needed: an account is private")
        self._guard_blocking("account")
        made = self._new_account(accounts.Account, reconcile_every)
        try:
            currencies = accounts.currencies_of(wanted)
            if not wanted:
                seconds = self._options.request_timeout if timeout is None else check_seconds("timeout", timeout)
                wanted, currencies = accounts.all_followed(made._side, monotonic() + seconds)
        except BaseException:
            made.close()
            made._side.close()
            raise
        made._follow(wanted, currencies)
        self._begin_account(made, [("order", wanted), ("balance", currencies)], timeout)
        return made

    _fetchable = ("trades", "order", "balance")

    def _twin(self, topic: str) -> Optional[backfill.Twinned]:
        channel, _, symbol = topic.partition(".")
        if channel not in self._fetchable:
            return None
        return backfill.Twinned(twins.TWINS[channel](self._rest_side()), channel, symbol)

    def _make_rest(self, origin: str) -> DigiFinexRest:
        return own_rest.DigiFinexRest(*self._keys, origin, self._options)

    def _book_of(self, topic: str) -> Optional[Tuple[str, BookRule]]:
        channel, _, symbol = topic.partition(".")
        return (symbol, book.DigiFinexBookRule()) if channel == "depth" else None

    def order_book(self, symbol: str, *, timeout: Optional[float] = None) -> OrderBook:
        """Subscribe ``depth`` of one symbol and keep a book of it, with all levels that the venue sends; see ``OrderBook``.

        It returns once the venue has acknowledged; the whole book (``clean``) follows: ``wait_ready`` of the book waits
        for it. Updates are not numbered, so the only sign of a lost one is a crossed book: then it is stale, and subscribed
        again. Other subscriptions of the same symbol see the whole book that this brings, too. Books of one symbol are
        independent: each has its own ``close``.

        ``timeout`` is how long to wait for the acknowledgement, in seconds, in place of ``request_timeout``.

        Raises what ``subscribe`` raises; ``ValueError`` and ``TypeError`` name the argument. Safe to retry.

        Source: the venue's spot WebSocket pages, "depth.update".
        """
        symbol = check_word("symbol", symbol).upper()
        return self._order_book("depth", symbol, symbol, book.DigiFinexBookRule(), timeout)

    def server_time(self, timeout: Optional[float] = None) -> int:
        """Return the venue's time in seconds since 1970 (``server.time``). Safe to retry. Raises what ``call`` raises."""
        return base_protocol.read_time(self.call("server.time", timeout=timeout))
