"""``DigiFinexSwapClient``: market data of perpetual swaps, and the account's orders, positions and balances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

from dbxsdk.arguments import check_word
from dbxsdk.client import Client
from dbxsdk.credentials import hidden
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk.book.order_book import OrderBook
    from dbxsdk.book.rule import BookRule
    from dbxsdk.digifinex import base_protocol
    from dbxsdk.digifinex.swap import book, channels, protocol
    from dbxsdk.options import Options
else:
    base_protocol, protocol = Later("dbxsdk.digifinex.base_protocol"), Later("dbxsdk.digifinex.swap.protocol")
    book, channels = Later("dbxsdk.digifinex.swap.book"), Later("dbxsdk.digifinex.swap.channels")

URL = "wss://openapi.digifinex.com/swap_ws/v2/"
"""The documented address, of linear and of inverse contracts."""


class DigiFinexSwapClient(Client):
    """DigiFinex swaps: public market data, and with a key the account's orders, positions and balances. No order entry: the
    socket has none.

    Channels for ``subscribe``, each with a typed constant or function in ``dbxsdk.digifinex.swap`` (``TRADES``,
    ``depth(20)``, ``cur_candle("1m")`` ...). Symbols are the venue's ids of contracts, like ``"BTCUSDTPERP"`` (linear) and
    ``"BTCPERP"`` (inverse); lower case is put into upper case. Sizes are contracts.

    =========================== ======= ============================ ==============================================
    channel                     symbols ``Update.data``              ``Update.kind`` and remarks
    =========================== ======= ============================ ==============================================
    ``ticker``                  yes     ``Ticker``                   ``update``
    ``all_ticker``              none    tuple of ``Ticker``          ``snapshot``: each has all contracts
    ``depth.LEVEL``             yes     ``Depth``                    ``snapshot``, then ``delta``; 10, 20 or 100
    ``trades``                  yes     tuple of ``Trade``           ``update``
    ``cur_candle.GRANULARITY``  yes     ``Candle``                   ``update``; 1m 5m 15m 30m 1h 4h 12h 1d 1w
    ``mark_candle.GRANULARITY`` yes     ``Candle``                   the same of the mark price
    ``index_price``             yes     ``IndexPrice``               ``update``
    ``mark_price``              yes     ``MarkPrice``                ``update``
    ``price_range``             yes     ``PriceRange``               ``update``
    ``fund_rate``               yes     ``FundRate``                 ``update``, one at once
    ``estimated_settle_price``  yes     ``EstimatedSettlePrice``     ``update``; dated contracts alone
    ``account``                 none    tuple of ``Account``         ``update`` (private)
    ``position``                yes     tuple of ``Position``        ``update`` (private)
    ``order``                   yes     tuple of ``Order``           ``update`` (private)
    =========================== ======= ============================ ==============================================

    **The private channels are second-hand.** No text of the venue on them was found; they are built on what one client in
    use sends and reads. Whether a first state follows a subscription is not known: fetch it over REST, and merge by the
    updates' times. ``order_algo`` and ``token`` are named in the venue's index and described nowhere: they are not offered.

    A connection holds 30 public channels, each contract of a channel counting as one (the venue cuts the connection at
    the 31st): ``subscribe`` refuses more by a ``ValueError`` before anything is sent; what ``call`` subscribes is not
    counted. It ends after 24 hours: the client renews it in the hour before that, at a quiet moment, and emits a ``Gap``.
    It was seen to end after two hours, too, which is a drop like any other.

    ``call`` takes the venue's event (``"server.time"``) and a dict of its parameters, and returns ``data``. An answer
    whose code is not 1 raises ``VenueError``; ``dbxsdk.digifinex.swap.CODES`` says what the codes mean.

    Args:
        api_key, api_secret: both or neither. With them ``open`` logs in (``server.auth``) on each connection.
        url: a whole address in place of ``URL``.
        options: see ``Options``.

    Raises:
        ValueError, TypeError: an argument is wrong; nothing has been sent.

    Source: the venue's swap WebSocket pages, version 2.
    """

    _relayed = {"digifinex:swap": {}}

    def __init__(
        self,
        api_key: Optional[str] = None,
        api_secret: Optional[str] = None,
        *,
        url: Optional[str] = None,
        options: Optional[Options] = None,
    ) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)
        super().__init__(protocol.DigiFinexSwapProtocol(api_key, api_secret), URL if url is None else url, options=options)

    def _book_of(self, topic: str) -> Optional[Tuple[str, BookRule]]:
        channel, _, rest = topic.partition(".")
        level, _, symbol = rest.partition(".")
        return (symbol, book.SwapBookRule(int(level))) if channel == "depth" and level.isdecimal() else None

    def order_book(self, symbol: str, *, depth: int = 100, timeout: Optional[float] = None) -> OrderBook:
        """Subscribe ``depth`` of one contract and keep a book of it; see ``OrderBook``. Sizes are contracts.

        ``depth`` is the venue's level: 10, 20 or 100 rows a side. It returns once the venue has acknowledged; the whole book
        follows: ``wait_ready`` of the book waits for it. Updates are not numbered, so a lost one shows only by a crossed
        book or a time that goes back: then it is stale, and subscribed again. ``update_id`` is the venue's time in ms. Other
        subscriptions of the same level of the contract see the whole book that this brings, too. Books of one contract are
        independent: each has its own ``close``.

        ``timeout`` is how long to wait for the acknowledgement, in seconds, in place of ``request_timeout``.

        Raises what ``subscribe`` raises; ``ValueError`` and ``TypeError`` name the argument. Safe to retry.

        Source: the venue's swap WebSocket pages, "depth.update".
        """
        symbol = check_word("symbol", symbol).upper()
        level = channels.check_level("depth", depth)
        return self._order_book(f"depth.{level}", symbol, symbol, book.SwapBookRule(level), timeout)

    def server_time(self, timeout: Optional[float] = None) -> int:
        """Return the venue's time in **ms** since 1970 (``server.time``). Safe to retry. Raises what ``call`` raises."""
        return base_protocol.read_time(self.call("server.time", timeout=timeout))
