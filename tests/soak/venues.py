"""What each venue's scene has: its clients, their subscriptions and books, and who asks them."""

from __future__ import annotations

import itertools
import ssl
from decimal import Decimal
from typing import Any, Dict, List, Optional, Sequence, Tuple

import trustme

from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
from tests.soak import wires
from tests.soak.scenes import REQUEST_TIMEOUT, Act, Scene, Tls, Topic, TrueBook
from tests.soak.watched import Watched


class BybitScene(Scene):
    """Public, private and trade sockets; a client for each overflow policy."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        # No more than are looked at: each symbol's market costs time.
        symbols = {
            "linear": ("BTCUSDT", "ETHUSDT"),
            "spot": ("BTCUSDT",),
            "inverse": ("BTCUSD",),
            "option": ("BTC-31DEC27-70000-C-USDT",),
        }
        super().__init__(BybitVenue(rate=0, symbols=symbols), wires.BYBIT, *arguments, **keywords)
        self._orders = itertools.count(1)
        self.ledger.count_executions(self.venue._desk, "create", lambda category, fields: fields.get("orderLinkId"))

    def _main(self) -> Tuple[Sequence[str], Optional[str]]:
        return ("linear",), "/v5/public/linear"

    def topics(self) -> Sequence[Topic]:
        channels = ("publicTrade", "tickers", "orderbook.50", "orderbook.1", "orderbook.200")
        return [Topic(channel=each, symbols=("ETHUSDT",), topic=f"{each}.ETHUSDT") for each in channels]

    def begin(self) -> None:
        linear, path = self._main()
        main = self.watch("linear", linear, path)
        main.client.open()
        main.subscribe("publicTrade", ["BTCUSDT"], ["publicTrade.BTCUSDT"])
        main.subscribe("orderbook.50", ["BTCUSDT"], ["orderbook.50.BTCUSDT"])
        self._book(main, 50)
        other = self.watch("books", linear, path)
        self._book(other, 50)
        self._book(other, 200)
        spot = self.watch("spot-inline", ("spot",), "/v5/public/spot", dispatch="inline")
        spot.subscribe("publicTrade", ["BTCUSDT"], ["publicTrade.BTCUSDT"], raw=True)
        policies = self.watch("policies", linear, path, slow=True, queue_size=20)
        policies.subscribe("publicTrade", ["BTCUSDT"], ["publicTrade.BTCUSDT"], overflow="drop_oldest")
        policies.subscribe("orderbook.50", ["BTCUSDT"], ["orderbook.50.BTCUSDT"], overflow="latest")
        policies.subscribe("publicTrade", ["ETHUSDT"], ["publicTrade.ETHUSDT"], overflow="block")
        for policy in ("block", "drop_oldest", "latest", "disconnect"):
            client = self.watch(policy.replace("_", "-"), linear, path, slow=True, queue_size=20, overflow=policy)
            client.subscribe("publicTrade", ["BTCUSDT", "ETHUSDT"], ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"], raw=True)
            client.subscribe("orderbook.50", ["BTCUSDT"], ["orderbook.50.BTCUSDT"])
        private = self.watch("private", ("private",), "/v5/private")
        for channel in ("order", "execution", "wallet"):
            private.subscribe(channel, (), [channel])
        self._main_client = main
        self._private = private
        self._trade = self.watch("trade", ("trade",), "/v5/trade")
        self._slow_asker = self.watch("trade-plain", ("trade",), "/v5/trade")
        self.inherit("publicTrade", ["BTCUSDT"], which=linear, path=path)

    def _book(self, watched: Watched, depth: int) -> None:
        book = watched.client.order_book("BTCUSDT", depth=depth)
        self.books.append(TrueBook(f"{watched.name} {depth}", book, lambda: self.venue.book("BTCUSDT", depth=depth)))

    def own_acts(self) -> List[Act]:
        orders: List[Act] = [
            (f"orders-{number}", lambda client=client: self._order(client), 0.25)  # type: ignore[misc]
            for number, client in enumerate((self._trade, self._trade, self._slow_asker))
        ]
        return [
            *orders,
            ("pings", self.ping(self._main_client), 0.3),
            ("private-pings", self.ping(self._private), 0.5),
            ("book", self.try_book(self._main_client, lambda: self._main_client.client.order_book("BTCUSDT", depth=50)), 1.5),
        ]

    def _order(self, watched: Watched) -> None:
        mark = f"soak-{next(self._orders)}"
        limit = self.chance.random() < 0.4
        fields: Dict[str, Any] = {"orderType": "Limit", "price": Decimal("2000")} if limit else {"orderType": "Market"}
        # What was bought is sold again, so that the account does not run dry.
        side = "Buy" if limit or self.chance.random() < 0.5 else "Sell"
        names = {"category": "linear", "symbol": "ETHUSDT"}
        client = watched.client
        done = self.calls.make(
            "order",
            lambda: client.place_order(**names, side=side, qty="0.01", orderLinkId=mark, **fields),
            REQUEST_TIMEOUT,
            mark,
        )
        if done and limit:
            self.calls.make("cancel", lambda: client.cancel_order(**names, orderLinkId=mark), REQUEST_TIMEOUT)

    def tidy(self) -> None:
        desk = self.venue._desk
        for order in self.venue.orders():
            if order.open:
                self.venue.cancel_order(order.category, symbol=order.symbol, orderId=order.id)
        with self.venue._lock:
            desk.orders = {id_: order for id_, order in desk.orders.items() if order.open}
            desk._by_link_id = {link: id_ for link, id_ in desk._by_link_id.items() if id_ in desk.orders}
            desk.executions.clear()


class DigiFinexScene(Scene):
    """A client on ws, and one on wss whose frames are recorded."""

    def __init__(self, *arguments: Any, recorder: Any, **keywords: Any) -> None:
        super().__init__(DigiFinexVenue(rate=0, symbols=("BTC_USDT", "ETH_USDT")), wires.DIGIFINEX, *arguments, **keywords)
        self._recorder = recorder

    def topics(self) -> Sequence[Topic]:
        return [
            Topic(channel="trades", symbols=("ETH_USDT",), topic="trades.ETH_USDT"),
            Topic(channel="depth", symbols=("ETH_USDT",), topic="depth.ETH_USDT"),
            Topic(channel="all_ticker", symbols=(), topic="all_ticker"),
        ]

    def begin(self) -> None:
        main = self.watch("plain")
        main.client.open()
        main.subscribe("trades", ["BTC_USDT"], ["trades.BTC_USDT"])
        main.subscribe("depth", ["BTC_USDT"], ["depth.BTC_USDT"])
        secure = self.watch("wss", network=self.network(secure=True), recorder=self._recorder)
        secure.subscribe("trades", ["BTC_USDT", "ETH_USDT"], ["trades.BTC_USDT", "trades.ETH_USDT"])
        self._clients = (main, secure)
        self.recorded = secure
        for watched in self._clients:
            book = watched.client.order_book("BTC_USDT")
            self.books.append(TrueBook(watched.name, book, lambda: self.venue.book("BTC_USDT")))
        slow = self.watch("slow", slow=True, queue_size=20)
        slow.subscribe("depth", ["BTC_USDT"], ["depth.BTC_USDT"], overflow="block")
        slow.subscribe("trades", ["BTC_USDT"], ["trades.BTC_USDT"], overflow="drop_oldest")
        self.inherit("trades", ["BTC_USDT"])

    def own_acts(self) -> List[Act]:
        main, secure = self._clients
        times: List[Act] = [
            (f"time-{number}", lambda watched=watched: self._time(watched), 0.15)  # type: ignore[misc]
            for number, watched in enumerate((main, main, secure, secure))
        ]
        return [
            *times,
            ("submits", self.submit(secure, "server.time"), 0.5),
            ("book", self.try_book(main, lambda: main.client.order_book("BTC_USDT")), 1.5),
        ]

    def _time(self, watched: Watched) -> None:
        self.calls.make("server_time", watched.client.server_time, REQUEST_TIMEOUT)


class CryptomusScene(Scene):
    """One-time tokens, and subscriptions that have to be repeated whole."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        venue = CryptomusVenue(rate=0, symbols=("BTC_USDT", "ETH_USDT"), seed=2)
        super().__init__(venue, wires.CRYPTOMUS, *arguments, **keywords)

    def topics(self) -> Sequence[Topic]:
        channels = ("trade", "lastprice", "ticker")
        topics = [Topic(channel=each, symbols=("ETH_USDT",), topic=f"{each}.ETH_USDT") for each in channels]
        return [*topics, Topic(channel="depth", symbols=("ETH_USDT:1",), topic="depth.ETH_USDT:1")]

    def begin(self) -> None:
        main = self.watch("plain")
        main.client.open()
        main.subscribe("trade", ["BTC_USDT"], ["trade.BTC_USDT"])
        main.subscribe("lastprice", ["BTC_USDT"], ["lastprice.BTC_USDT"])
        other = self.watch("second", slow=True, queue_size=20)
        other.subscribe("trade", ["BTC_USDT"], ["trade.BTC_USDT"], overflow="latest")
        other.subscribe("depth", ["ETH_USDT:0"], ["depth.ETH_USDT:0"], overflow="drop_oldest")
        for watched in (main, other):
            book = watched.client.order_book("BTC_USDT")
            self.books.append(TrueBook(watched.name, book, lambda: self.venue.book("BTC_USDT")))
        self._clients = (main, other)
        self.inherit("trade", ["BTC_USDT"])

    def own_acts(self) -> List[Act]:
        main, other = self._clients
        return [
            ("pings-1", self.ping(main), 0.2),
            ("pings-2", self.ping(main), 0.2),
            ("pings-3", self.ping(other), 0.2),
            ("book", self.try_book(main, lambda: main.client.order_book("BTC_USDT")), 1.5),
        ]

    def tidy(self) -> None:
        with self.venue._lock:
            self.venue._tokens.used.clear()


class DBotScene(Scene):
    """Trades by request and their results; the data of pairs."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(DBotVenue(rate=0, name_pairs=True), wires.DBOT, *arguments, **keywords)
        self._swaps = itertools.count(1)
        self.ledger.count_executions(
            self.venue._tasks,
            "carry_out",
            lambda method, params, now_ms: wires.swap_mark(params) if method == "createSwapOrder" else None,
        )

    def _main(self) -> Tuple[Sequence[str], Optional[str]]:
        return ("data",), "/data/ws/"

    def topics(self) -> Sequence[Topic]:
        wallet = self.venue.wallets[0]
        return [
            Topic(channel="newPairInfo", symbols=(), topic="newPairInfo"),
            Topic(channel="walletTx", symbols=(wallet,), topic=f"walletTx.{wallet}"),
        ]

    def begin(self) -> None:
        data, path = self._main()
        pair = self.venue.pairs[0].pair
        main = self.watch("data", data, path)
        main.client.open()
        main.subscribe("tx", [pair], [f"tx.{pair}"])
        slow = self.watch("slow", data, path, slow=True, queue_size=20)
        slow.subscribe("tx", [pair], [f"tx.{pair}"], overflow="drop_oldest")
        trade = self.watch("trade", ("trade",), "/trade/ws/")
        trade.subscribe("tradeResults", (), ["tradeResults"])
        self._clients = (main, trade, self.watch("asker", ("trade",), "/trade/ws/"))
        self._follow = self.venue.add_follow_order(enabled=False)
        self.inherit("tx", [pair], which=data, path=path)

    def own_acts(self) -> List[Act]:
        main, trade, asker = self._clients
        return [
            ("swaps-1", lambda: self._swap(trade), 0.2),
            ("swaps-2", lambda: self._swap(trade), 0.2),
            ("swaps-3", lambda: self._swap(asker), 0.2),
            ("follow", lambda: self._toggle(asker), 0.4),
            ("pings", self.ping(main), 0.3),
        ]

    def _swap(self, watched: Watched) -> None:
        mark = f"soak-{next(self._swaps)}"
        fields: Dict[str, Any] = {"chain": "solana", "pair": self.venue.pairs[0].pair, "wallet_id": self.venue.wallet_ids[0]}
        self.calls.make(
            "create_swap_order",
            lambda: watched.client.create_swap_order(**fields, type="buy", amount_or_percent="0.1", extra={"note": mark}),
            REQUEST_TIMEOUT,
            mark,
        )

    def _toggle(self, watched: Watched) -> None:
        self.calls.make(
            "update_follow_order",
            lambda: watched.client.update_follow_order(self._follow, self.chance.random() < 0.5),
            REQUEST_TIMEOUT,
        )

    def tidy(self) -> None:
        tasks = self.venue._tasks
        with self.venue._lock:
            tasks.swap = {id_: task for id_, task in tasks.swap.items() if task["state"] not in ("done", "fail")}


def certificates() -> Tls:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    server.num_tickets = 0  # it would remember each session, up to 20,000 of them
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Tls(server, client)
