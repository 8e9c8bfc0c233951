"""The guide's tables for those who come from pybit, ccxt and websocket-client: each name is there, on both sides, and
pybit's own examples of its WebSockets, written anew by the table, do here what they do there."""

from __future__ import annotations

import ast
import base64
import importlib.metadata
import inspect
import json
import re
import threading
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Set

import pytest
import websocket

import dbxsdk
from dbxsdk.bybit.rest_rows import CATEGORIES
from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit import access
from tests.local_addresses import LocalVenues, local_venues
from tests import documents
from tests.waiting import Recorder, eventually

unified_trading = pytest.importorskip("pybit.unified_trading")

TABLES = documents.tables(documents.tree((documents.GUIDE / "migrating.rst").read_text("utf-8")))
PYBIT = {row["pybit"]: row["here"] for rows in TABLES for row in rows if "pybit" in row}
WEBSOCKET = {row["websocket-client"]: row["here"] for rows in TABLES for row in rows if "websocket-client" in row}
CCXT = {row["ccxt pro"]: row["here"] for rows in TABLES for row in rows if "ccxt pro" in row}
STREAMS = [name for name in dir(unified_trading.WebSocket) if name.endswith("_stream")]


def literals(cells: Any) -> List[str]:
    return [each for cell in cells for each in re.findall(r"``(.+?)``", cell)]


def parameters(*functions: Any) -> Set[str]:
    found = {name for function in functions for name in inspect.signature(function).parameters}
    return found - {"self", "kwargs", "args", "_callback_function", "ws_name"}


def init_parameters(kind: type) -> Set[str]:
    return parameters(*(each.__init__ for each in kind.__mro__[:-1]))  # type: ignore[misc]


CLIENTS: List[Any] = [dbxsdk.BybitPublicClient, dbxsdk.BybitPrivateClient, dbxsdk.BybitTradeClient]
OURS = parameters(*(client.__init__ for client in CLIENTS), dbxsdk.Client.subscribe)


# -- the names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("literal", sorted({*literals(PYBIT.values()), *literals(WEBSOCKET.values()), *literals(CCXT.values())}))
def test_what_stands_on_our_side_is_there(literal: str) -> None:
    if literal in (*CATEGORIES, "{symbol}", "BTCUSDT", "for", "with", "False"):
        return
    if literal.startswith("except "):
        assert issubclass(getattr(dbxsdk, literal[len("except "):]), dbxsdk.DbxError)
    elif re.fullmatch(r"\w+=(True)?", literal) or literal in OURS:
        assert literal.partition("=")[0] in OURS
    else:
        option, _, expression = literal.rpartition("options=")
        assert not option
        check(ast.parse(expression, mode="eval").body)


def check(node: ast.AST) -> None:
    """A call that could be made, or a name."""
    if isinstance(node, ast.Call):
        target = found(node.func)
        bound = [None] if inspect.isfunction(target) else []
        if [ast.unparse(argument) for argument in node.args] != ["..."]:
            inspect.signature(target).bind_partial(*bound, *node.args, **{str(word.arg): None for word in node.keywords})
        for word in node.keywords:
            if isinstance(word.value, ast.Call):
                check(word.value)
        return
    found(node)


def found(node: ast.AST) -> Any:
    if isinstance(node, ast.Attribute):
        return getattr(found(node.value), node.attr)
    assert isinstance(node, ast.Name)
    for owner in (dbxsdk, *CLIENTS, dbxsdk.Subscription, dbxsdk.Update):
        if hasattr(owner, node.id) and not inspect.ismodule(getattr(owner, node.id)):
            return getattr(owner, node.id)
    raise AssertionError(f"{node.id} is nowhere")


def test_the_check_finds_what_is_not_there() -> None:
    for wrong in ("Options(retries=1)", "nothing", "Subscription.nothing", "call(1, 2, 3)", "Options(recorder=Nothing())"):
        with pytest.raises((AssertionError, AttributeError, TypeError)):
            check(ast.parse(wrong, mode="eval").body)


def test_what_stands_on_pybits_side_is_there() -> None:
    socket, trading = unified_trading.WebSocket, unified_trading.WebSocketTrading
    known = {"callback_function", "error_callback", *init_parameters(socket), *init_parameters(trading)}
    channel_types = []
    for literal in literals(PYBIT):
        if literal in ("..._stream()", "while True: sleep(1)"):
            continue
        name, call, inside = literal.partition("(")
        if call:
            assert any(hasattr(owner, name) for owner in (unified_trading, socket, trading)), literal
        words = re.findall(r"(\w+)=", inside if call else literal)
        assert call or words, literal
        assert set(words) <= known, literal
        channel_types += re.findall(r'channel_type="([^"]+)"', literal)
        if call and not words and inside != ")":
            owner = next(each for each in (socket, trading) if hasattr(each, name))
            assert set(re.findall(r"\w+", inside)) <= parameters(getattr(owner, name)), literal
    assert set(channel_types) <= set(unified_trading.AVAILABLE_CHANNEL_TYPES)


newer = [int(part) for part in importlib.metadata.version("pybit").split(".")[:2]] > [5, 17]


@pytest.mark.skipif(newer, reason="a newer pybit than the guide speaks of")
def test_nothing_of_pybit_is_left_out() -> None:
    socket, trading = unified_trading.WebSocket, unified_trading.WebSocketTrading
    said = " ".join([*PYBIT, *PYBIT.values()])
    methods = {name for kind in (socket, trading) for name in dir(kind) if not name.startswith("_")} - set(STREAMS)
    missing = {*init_parameters(socket), *init_parameters(trading), *methods} - set(re.findall(r"\w+", said))
    assert missing == set()


@pytest.mark.parametrize("name", STREAMS)
def test_every_stream_method_is_here(name: str) -> None:
    (ours,) = (getattr(client, name) for client in CLIENTS if hasattr(client, name))
    theirs = list(inspect.signature(getattr(unified_trading.WebSocket, name)).parameters)
    assert list(inspect.signature(ours).parameters)[: len(theirs)] == theirs


def test_what_stands_on_websocket_clients_side_is_there() -> None:
    app = websocket.WebSocketApp
    known = parameters(app.__init__, app.run_forever)
    for literal in literals(WEBSOCKET):
        name = re.match(r"\w+", literal)
        assert name
        if literal.endswith("=") or "(" not in literal:
            assert name[0] in known, literal
        else:
            assert any(hasattr(owner, name[0]) for owner in (websocket, app, websocket.WebSocket)), literal


# -- pybit's examples, written anew --------------------------------------------------------------------


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVenues]:
    with local_venues(monkeypatch) as served:
        yield served


def test_quickstart(venues: LocalVenues) -> None:
    messages = Recorder()
    with dbxsdk.BybitPublicClient("linear", testnet=True) as client:
        client.orderbook_stream(50, "BTCUSDT", messages, raw=True)
        client.wait(1)
        messages.wait(3)
        assert client.is_connected()
    assert [each["type"] for each in messages.items[:3]] == ["snapshot", "delta", "delta"]
    assert messages.items[0]["data"]["s"] == "BTCUSDT"


def test_explanatory_a_public_and_a_private_connection(venues: LocalVenues) -> None:
    books, positions = Recorder(), Recorder()
    public = dbxsdk.BybitPublicClient("linear", testnet=True)
    private = dbxsdk.BybitPrivateClient(venues.bybit.api_key, venues.bybit.api_secret, testnet=True)
    try:
        public.orderbook_stream(50, "BTCUSDT", books)
        merged = public.order_book("BTCUSDT", depth=50)  # what pybit's callback finds in each message
        private.position_stream(positions)
        assert merged.wait_ready(5) and merged.spread and merged.spread > 0
        venues.bybit.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        (position, *_) = positions.wait()[0].data
        assert (position.symbol, position.side, position.size) == ("BTCUSDT", "Buy", Decimal("0.01"))
        first = books.wait()[0]
        assert first.kind == "snapshot" and isinstance(first.data.bids[0][0], Decimal)
    finally:
        public.exit()
        private.exit()


def test_rsa_authentication(venues: LocalVenues, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(65537, 2048)

    def problem(gate: Any, args: Any) -> None:
        """The local venue has the public half, and raises where it does not fit."""
        signed = f"GET/realtime{args[1]}".encode()
        key.public_key().verify(base64.b64decode(args[2]), signed, padding.PKCS1v15(), hashes.SHA256())

    monkeypatch.setattr(access.Gate, "problem", problem)

    def sign(payload: str) -> str:
        return base64.b64encode(key.sign(payload.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()

    orders = Recorder()
    with dbxsdk.BybitPrivateClient(venues.bybit.api_key, None, signer=sign, testnet=True) as client:
        client.order_stream(orders)
        venues.bybit.place_order("linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        assert orders.wait()[0].data[0].symbol == "BTCUSDT"


def test_unsubscribe(venues: LocalVenues) -> None:
    said: List[Any] = []

    def on_ticker(update: Any) -> None:
        said.append((update.raw["topic"], update.symbol, update.data.last_price))

    def topics() -> Any:
        return venues.bybit.subscriptions("/v5/public/linear")

    with dbxsdk.BybitPublicClient("linear", testnet=True) as client:
        first = client.ticker_stream("BTCUSDT", on_ticker)
        second = client.ticker_stream("ETHUSDT", on_ticker)
        assert [*first.topics, *second.topics] == ["tickers.BTCUSDT", "tickers.ETHUSDT"]
        eventually(lambda: {symbol for _, symbol, _ in said} == {"BTCUSDT", "ETHUSDT"})
        first.unsubscribe()
        assert venues.bybit.wait_until(lambda: topics() == ("tickers.ETHUSDT",))
    assert all(topic == f"tickers.{symbol}" and price > 0 for topic, symbol, price in said)


def test_trading(venues: LocalVenues) -> None:
    order: Dict[str, Any] = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
    with dbxsdk.BybitTradeClient(venues.bybit.api_key, venues.bybit.api_secret, testnet=True) as client:
        placed = client.place_order(category="linear", **order, price="60000", qty="0.001")
        with pytest.raises(TypeError, match="order_id is not a field"):
            client.amend_order(category="linear", symbol="BTCUSDT", order_id=placed.order_id, qty="0.002")
        client.amend_order(category="linear", symbol="BTCUSDT", orderId=placed.order_id, qty="0.002")
        client.cancel_order(category="linear", symbol="BTCUSDT", orderId=placed.order_id)
        rest = {"timeInForce": "GTC", "positionIdx": 0}
        batch = [{**order, **rest, "qty": "0.001", "price": "50000"}, {**order, **rest, "qty": "0.002", "price": "50005"}]
        assert [each.ok for each in client.place_batch_order("linear", batch)] == [True, True]
        with pytest.raises(dbxsdk.VenueError):  # what comes to error_callback there
            client.cancel_order(category="linear", symbol="BTCUSDT", orderId=placed.order_id)
    first, *others = venues.bybit.orders()
    assert (first.status, first.size) == ("Cancelled", Decimal("0.002"))
    assert [each.price for each in others] == [Decimal(50000), Decimal(50005)]


def test_spread_trading(venues: LocalVenues) -> None:
    symbol = "SOLUSDT_SOL/USDT"
    updates, orders = Recorder(), Recorder()
    with BybitVenue(rate=0) as venue:
        with venue.client("spread") as public, venue.client("private") as private:
            public.orderbook_stream(25, symbol, updates)
            public.trade_stream(symbol, updates)
            public.ticker_stream(symbol, updates)
            private.spread_order_stream(orders)
            head = {"type": "snapshot", "ts": 1744170142723}
            book = {"s": symbol, "b": [["20.3", "1.7"]], "a": [], "u": 1, "seq": 2}
            trade = {"T": 1744170142720, "s": symbol, "S": "Sell", "v": "2.5", "p": "19.39", "L": "MinusTick", "i": "1"}
            ticker = {"symbol": symbol, "bidPrice": "20.3", "bidSize": "1.7", "askPrice": "", "lastPrice": "21.8"}
            for channel, data in (("orderbook.25", book), ("publicTrade", [trade]), ("tickers", ticker)):
                venue.send_frame({**head, "topic": f"{channel}.{symbol}", "data": data}, "/v5/public/spread")
            order = {"symbol": symbol, "orderStatus": "Filled"}
            venue.send_frame({"topic": "spread.order", "creationTime": 1744170142723, "data": [order]}, "/v5/private")
            levels, trades, figures = [update.data for update in updates.wait(5)[2:]]
            assert levels.bids == ((Decimal("20.3"), Decimal("1.7")),)
            assert [(each.side, each.price) for each in trades] == [("Sell", Decimal("19.39"))]
            assert (figures.last_price, figures.ask_price) == (Decimal("21.8"), None)
            assert orders.wait()[0].data == [order]


# -- a plain websocket-client program -------------------------------------------------------------------


def test_a_plain_websocket_program_and_what_becomes_of_it(venues: LocalVenues) -> None:
    """Both print the same: the topic of each update of Bybit's trades, until there were three."""
    plain: List[str] = []

    def on_open(app: Any) -> None:
        app.send(json.dumps({"op": "subscribe", "args": ["publicTrade.BTCUSDT"]}))

    def on_message(app: Any, text: str) -> None:
        document = json.loads(text)
        if "topic" in document:
            plain.append(document["topic"])
        if len(plain) == 3:
            app.close()

    url = venues.bybit.url("/v5/public/linear")
    websocket.WebSocketApp(url, on_open=on_open, on_message=on_message).run_forever(ping_interval=20)

    ours: List[str] = []
    enough = threading.Event()

    def on_trades(document: Any) -> None:
        ours.append(document["topic"])
        if len(ours) == 3:
            enough.set()

    with dbxsdk.BybitPublicClient("linear", url=url) as client:
        client.subscribe("publicTrade", "BTCUSDT", callback=on_trades, raw=True)
        assert enough.wait(5)
    assert plain == ours[:3] == ["publicTrade.BTCUSDT"] * 3
