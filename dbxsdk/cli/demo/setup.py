"""The local venues of the demo: what is subscribed, requested and compared on each, and which connection is pulled."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any, Callable, List, Tuple

from dbxsdk.cli.demo.checks import Book, Stream
from dbxsdk.cli.demo.link import Link
from dbxsdk.cli.demo.orders import Orders
from dbxsdk.errors import ProtocolError
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue, Venue

ORDERED = "ETHUSDT"
"""Not the symbol whose book is compared: an order changes the book at once, and the public feeds show it later."""

LocalVenue = Tuple[Venue, Callable[[], List[Link]]]
"""A venue that is not started, and what makes the connections to it once it is."""


def local_venues() -> List[LocalVenue]:
    """Return all four, in the order in which their connections are pulled."""
    # No more symbols than are shown: each one's market costs time. The seed is for other prices than DigiFinex's.
    bybit = BybitVenue(symbols={"linear": ("BTCUSDT", ORDERED), "spot": ("BTCUSDT",), "inverse": ("BTCUSD",)})
    digifinex, cryptomus, dbot = DigiFinexVenue(), CryptomusVenue(seed=2), DBotVenue()
    return [
        (digifinex, partial(_digifinex, digifinex)),
        (bybit, partial(_bybit, bybit)),
        (cryptomus, partial(_cryptomus, cryptomus)),
        (dbot, partial(_dbot, dbot)),
    ]


def _digifinex(venue: DigiFinexVenue) -> List[Link]:
    symbol = "BTC_USDT"
    made = lambda: _all("id", venue.trades(symbol))  # noqa: E731
    trades = Stream("trades", "trades", symbol, made, partial(_all, "id"), backfill=True)
    book = Book(f"depth.{symbol}", lambda client: client.order_book(symbol), lambda: venue.book(symbol))
    requests = (lambda client: client.server_time(),)
    cut = venue.drop_connections
    return [Link("digifinex", venue.client(), venue.url(), (trades, book), requests=requests, cut=cut)]


def _cryptomus(venue: CryptomusVenue) -> List[Link]:
    symbol = "BTC_USDT"

    # It sends no numbers. Trades that are alike in all this may stand for each other.
    def made() -> List[Any]:
        trades = venue.trades(symbol)
        return [(each.price, each.size, "buy" if each.buy else "sell", each.time_us // 1_000_000) for each in trades]

    def sent(data: Any) -> List[Any]:
        return [(each.price, each.quantity, each.direction, each.timestamp) for each in data]

    trades = Stream("trades", "trade", symbol, made, sent, backfill=True)
    book = Book(f"depth.{symbol}:0", lambda client: client.order_book(symbol, scale_index=0), lambda: venue.book(symbol))
    return [Link("cryptomus", venue.client(), venue.url(), (trades, book), cut=venue.drop_connections)]


def _bybit(venue: BybitVenue) -> List[Link]:
    symbol = "BTCUSDT"
    made = lambda: _all("sequence", venue.trades(symbol))  # noqa: E731
    trades = Stream("trades", "publicTrade", symbol, made, partial(_all, "sequence"))
    true_book = partial(venue.book, symbol, depth=50)
    book = Book(f"orderbook.50.{symbol}", lambda client: client.order_book(symbol, depth=50), true_book)
    fills = Stream("fills", "execution", "", lambda: _all("id", venue.executions()), partial(_all, "exec_id"))
    numbers = itertools.count(1)

    def place(client: Any) -> str:
        number = next(numbers)
        side = "Buy" if number % 2 else "Sell"
        order = {"category": "linear", "symbol": ORDERED, "side": side, "orderType": "Market", "qty": "0.5"}
        return str(client.place_order(**order, orderLinkId=f"demo-{number}").order_link_id)

    trade = venue.client("trade")
    orders = Orders(place, lambda: [(order.link_id, order.status) for order in venue.orders()], partial(trade.resolve, timeout=2))
    # Carried out, but not answered: the worst moment there is.
    cut = partial(venue.drop_after_next_request, executed=True)
    return [
        Link("bybit public", venue.client("linear"), venue.url("/v5/public/linear"), (trades, book)),
        Link("bybit private", venue.client("private"), venue.url("/v5/private"), (fills,)),
        Link("bybit trade", trade, venue.url("/v5/trade"), orders=orders, cut=cut, amid="amid an order"),
    ]


def _dbot(venue: DBotVenue) -> List[Link]:
    follow = venue.add_follow_order(enabled=False)

    def finished() -> List[str]:
        return [id_ for id_, task in venue.tasks("swap").items() if task["state"] in ("done", "fail")]

    # The results of copied trades are delivered, too, but not compared.
    results = Stream("fills", "tradeResults", "", finished, lambda data: [data.id.rpartition("_")[0]])

    def is_enabled(client: Any) -> bool:
        return next(bool(order["enabled"]) for order in client.list_follow_orders() if order["id"] == follow)

    def switch(client: Any) -> None:
        before = is_enabled(client)
        client.update_follow_order(follow, not before)
        if is_enabled(client) is before:
            raise ProtocolError(f"the follow order was switched {'off' if before else 'on'}, and is not")

    def trade(client: Any) -> str:
        pair, wallet = venue.pairs[0].pair, venue.wallet_ids[0]
        order = {"chain": "solana", "pair": pair, "wallet_id": wallet, "type": "buy", "amount_or_percent": "0.1"}
        return str(client.create_swap_order(**order)["id"])

    orders = Orders(trade, lambda: [(id_, task["state"]) for id_, task in venue.tasks("swap").items()])
    client, url, cut = venue.client("trade"), venue.url("/trade/ws/"), venue.drop_connections
    return [Link("dbot", client, url, (results,), requests=(switch,), orders=orders, cut=cut)]


def _all(name: str, items: Any) -> List[Any]:
    return [getattr(item, name) for item in items]
