"""The local venues of the demo: what is subscribed, asked and compared on each."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Sequence, Tuple

import attrs

from dbxsdk.sim import BybitVenue, DigiFinexVenue, Venue


@attrs.frozen(kw_only=True)
class LocalMarket:
    """One symbol of one local venue.

    Attributes:
        venue: a new venue, not started.
        symbol: what is traded.
        trades, book: the channels.
        number: the attribute that numbers trades in their order, by the same name in the SDK's model and in the
            venue's own record.
        true_book: the venue's own book, as deep as the channel shows it: both sides best first.
        requests: blocking calls to make beside ``ping``.
    """

    venue: Venue
    symbol: str
    trades: str
    book: str
    number: str
    recorded: Callable[[str], Sequence[Any]]
    true_book: Callable[[], Mapping[str, Sequence[Tuple[Any, Any]]]]
    requests: Tuple[Callable[[Any], Any], ...] = ()


def markets() -> List[LocalMarket]:
    """All of them. The first one's connection is the one that is pulled."""
    digifinex = DigiFinexVenue()
    bybit = BybitVenue()
    return [
        LocalMarket(
            venue=digifinex,
            symbol="BTC_USDT",
            trades="trades",
            book="depth",
            number="id",
            recorded=digifinex.trades,
            true_book=lambda: digifinex.book("BTC_USDT"),
            requests=(lambda client: client.server_time(),),
        ),
        LocalMarket(
            venue=bybit,
            symbol="BTCUSDT",
            trades="publicTrade",
            book="orderbook.50",
            number="sequence",  # the trade ids are UUIDs, which have no order
            recorded=bybit.trades,
            true_book=lambda: bybit.book("BTCUSDT", depth=50),
        ),
    ]
