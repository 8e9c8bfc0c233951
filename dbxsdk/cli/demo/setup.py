"""The local venues of the demo: what is subscribed, asked and compared on each, and which connection is pulled."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

import attrs

from dbxsdk.cli.demo.feed import Feed
from dbxsdk.cli.demo.link import Link
from dbxsdk.cli.demo.numbering import Found, Numbered
from dbxsdk.cli.demo.orders import SYMBOL, PrivateLink, TradeLink
from dbxsdk.cli.demo.tasks import TaskLink
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue, Venue


@attrs.frozen(kw_only=True)
class LocalVenue:
    """One local venue, not started.

    Attributes:
        links: the connections to it, in the order in which they open.
        pulled: the one that is pulled.
        cut: pulls it.
        when: in the middle of what, if of anything.
    """

    venue: Venue
    links: Tuple[Link, ...]
    pulled: Link
    cut: Callable[[], Any]
    when: str = ""

    def pull(self) -> None:
        self.pulled.pull(self.cut, self.when)


def local_venues() -> List[LocalVenue]:
    """All of them, in the order in which their connections are pulled."""
    return [_digifinex(), _bybit(), _cryptomus(), _dbot()]


def _digifinex() -> LocalVenue:
    venue = DigiFinexVenue()
    feed = Feed(
        venue,
        "digifinex",
        client=lambda: (venue.client(), venue.url()),
        trades=("trades", "BTC_USDT"),
        book=("depth", "BTC_USDT"),
        numbering=Numbered("id"),
        recorded=lambda: venue.trades("BTC_USDT"),
        true_book=lambda: venue.book("BTC_USDT"),
        requests=(lambda client: client.server_time(),),
    )
    return LocalVenue(venue=venue, links=(feed,), pulled=feed, cut=venue.drop_connections)


def _bybit() -> LocalVenue:
    # No more than what is shown: each symbol's market costs time, and the others' are not looked at.
    symbols = {"linear": ("BTCUSDT", SYMBOL), "spot": ("BTCUSDT",), "inverse": ("BTCUSD",)}
    venue = BybitVenue(symbols=symbols)
    public = Feed(
        venue,
        "bybit public",
        client=lambda: (venue.client("linear"), venue.url("/v5/public/linear")),
        trades=("publicTrade", "BTCUSDT"),
        book=("orderbook.50", "BTCUSDT"),
        numbering=Numbered("sequence"),  # the trade ids are UUIDs, which have no order
        recorded=lambda: venue.trades("BTCUSDT"),
        true_book=lambda: venue.book("BTCUSDT", depth=50),
    )
    trade = TradeLink(venue)
    return LocalVenue(
        venue=venue,
        links=(public, PrivateLink(venue), trade),
        pulled=trade,
        # Carried out, but not answered: the worst moment there is.
        cut=lambda: venue.drop_after_next_request(executed=True),
        when="an order",
    )


def _cryptomus() -> LocalVenue:
    venue = CryptomusVenue(seed=2)  # another course of prices than DigiFinex's
    feed = Feed(
        venue,
        "cryptomus",
        client=lambda: (venue.client(), venue.url()),
        trades=("trade", "BTC_USDT"),
        book=("depth", "BTC_USDT:0"),
        numbering=Found(
            "id",
            lambda: venue.trades("BTC_USDT"),
            sent=lambda trade: (trade.price, trade.quantity, trade.direction, trade.timestamp),
            own=lambda trade: (trade.price, trade.size, "buy" if trade.buy else "sell", trade.time_us // 1_000_000),
        ),
        recorded=lambda: venue.trades("BTC_USDT"),
        true_book=lambda: venue.book("BTC_USDT"),
    )
    return LocalVenue(venue=venue, links=(feed,), pulled=feed, cut=venue.drop_connections)


def _dbot() -> LocalVenue:
    venue = DBotVenue()
    link = TaskLink(venue)
    return LocalVenue(venue=venue, links=(link,), pulled=link, cut=venue.drop_connections)
