"""Recorded or documented frames through real sockets: ``python -m tests.frames FILE...``

Each line of a file is a JSON object with ``venue``, ``direction`` (``"in"`` counts), ``kind`` and ``frame``. A server
on the loopback sends each frame as its venue would (DigiFinex: zlib; answers over HTTP by HTTP); a client subscribes
what the frame is about, or makes the request that it answers, and the answer must arrive there. Prints a line a
venue: pushes delivered as models or as plain documents, requests answered, and what was told as a bad frame.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import queue
import sys
import threading
import typing
import zlib
from typing import Any, Callable, Dict, List, Optional

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

import dbxsdk
from dbxsdk import AuthError, BadFrame, VenueError
from dbxsdk.bybit import undocumented
from dbxsdk.bybit.private import channels
from dbxsdk.bybit.public.channels import plain, route

PRIVATE = ("order", "execution", "position", "wallet", "greeks", "strategy", "spread", "dcp", "rfq")
TIMEOUT = 5.0

Count = typing.Counter[str]
Line = Dict[str, Any]


class Server:
    """Says yes to every request, as ``yes`` writes it, or answers with the frame it was given, once, as ``fit`` makes
    it one of that request; answers plain HTTP requests with ``http``."""

    def __init__(
        self,
        yes: Callable[[Any], Any],
        fit: Callable[[Any, Any], Any] = lambda answer, request: answer,
        encode: Callable[[str], Any] = lambda text: text,
    ) -> None:
        self.answer: Any = None
        self.answer_to: Optional[str] = None  # this method alone; None: the next request
        self.http: Any = {"token": "a-token"}
        self.status = 200
        self._connections: "queue.Queue[ServerConnection]" = queue.Queue()
        self._connection: Optional[ServerConnection] = None
        self.yes = yes
        self._fit, self._encode = fit, encode
        self._server = serve(self._handle, "127.0.0.1", 0, compression=None, process_request=self._upgrade)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(TIMEOUT)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    @property
    def http_url(self) -> str:
        return f"http{self.url[2:]}http"

    def send(self, document: Any) -> None:
        """To the one client, once it is there."""
        if self._connection is None:
            self._connection = self._connections.get(timeout=TIMEOUT)
        self._connection.send(self._encode(json.dumps(document)))

    def _upgrade(self, connection: ServerConnection, request: Request) -> Optional[Response]:
        if not request.path.startswith("/http"):
            return None
        body = json.dumps(self.http).encode()
        return Response(self.status, "Answer", Headers({"Content-Length": str(len(body)), "Connection": "close"}), body)

    def _handle(self, connection: ServerConnection) -> None:
        self._connections.put(connection)
        with contextlib.suppress(ConnectionClosed):  # the client has all that it wanted
            for message in connection:
                request = json.loads(message)
                answer = None
                if self.answer_to in (None, request.get("op", request.get("method"))):
                    answer, self.answer = self.answer, None
                document = self.yes(request) if answer is None else self._fit(answer, request)
                connection.send(self._encode(json.dumps(document)))


def ask(count: Count, request: Callable[[], Any]) -> None:
    try:
        request()
        count["answered"] += 1
    except VenueError:
        count["answered with an error"] += 1


def push(
    client: Any,
    server: Server,
    channel: Any,
    symbols: Any,
    frame: Any,
    count: Count,
    what: str = "delivered",
) -> None:
    arrived = threading.Event()
    updates: List[Any] = []
    subscription = client.subscribe(channel, symbols, callback=lambda update: (updates.append(update), arrived.set()))
    server.send(frame)
    assert arrived.wait(TIMEOUT), f"not delivered: {frame}"
    assert updates[0].raw == frame
    count[what] += 1
    subscription.unsubscribe()


def bad_frame(client: Any, server: Server, frame: Any, count: Count) -> None:
    told = threading.Event()
    client.on_event(lambda event: told.set() if isinstance(event, BadFrame) else None)
    client.open()
    server.send(frame)
    assert told.wait(TIMEOUT), f"not told: {frame}"
    count["bad frames"] += 1


# -- DigiFinex -------------------------------------------------------------------------------------------------


def run_digifinex(lines: List[Line], count: Count) -> None:
    def fit(answer: Any, request: Any) -> Any:
        return {**answer, "id": request["id"]}

    def yes(request: Any) -> Any:
        return {"error": None, "result": {"status": "success"}, "id": request["id"]}

    server = Server(yes, fit, lambda text: zlib.compress(text.encode()))
    with server, dbxsdk.DigiFinexClient("key", "secret", url=server.url) as client:
        for line in lines:
            frame = line["frame"]
            if frame.get("id") is not None:
                server.answer = frame
                ask(count, functools.partial(client.call, line["kind"].rpartition(":")[2]))
                continue
            channel = frame["method"].rpartition(".")[0]
            params = frame["params"]
            symbol = params[2] if channel in ("trades", "depth") else params[0].get("symbol") or params[0]["currency"]
            push(client, server, channel, () if channel == "all_ticker" else symbol, frame, count)


# -- Bybit -----------------------------------------------------------------------------------------------------


def bybit_yes(request: Any) -> Any:
    if "reqId" in request:
        return {"reqId": request["reqId"], "retCode": 0, "retMsg": "OK", "op": request["op"]}
    op = request["op"]
    if op == "ping":
        return {"op": "pong", "args": ["1700000000000"], "req_id": request["req_id"]}
    return {"success": True, "ret_msg": "", "op": op, "req_id": request["req_id"]}


def bybit_fit(answer: Any, request: Any) -> Any:
    """With the request's id wherever the frame has one."""
    return {**answer, **{key: request[key] for key in ("req_id", "reqId") if answer.get(key) and key in request}}


def run_bybit(lines: List[Line], count: Count) -> None:
    for line in lines:
        frame, kind = line["frame"], line["kind"]
        topic = frame.get("topic")
        # One connection a frame: the same topic comes from several categories.
        with Server(bybit_yes, bybit_fit) as server:
            if "trade" in kind or (kind.startswith("order.") and "wrong-endpoint" not in kind):
                bybit_trade(server, frame, kind, count)
            elif "private" in kind or "wrong-endpoint" in kind or (
                topic is not None and topic.split(".")[0] in PRIVATE and topic != "rfq.open.public.trades"
            ):
                bybit_private(server, frame, kind, count)
            else:
                bybit_public(server, frame, kind, count)


def bybit_trade(server: Server, frame: Any, kind: str, count: Count) -> None:
    op = "ping" if "pong" in kind else frame["op"]
    server.answer, server.answer_to = frame, op
    with contextlib.closing(dbxsdk.BybitTradeClient("key", "secret", url=server.url)) as client:
        if op == "auth":
            client.open()
            count["logins answered"] += 1
            return
        order = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "mine"}
        new = {**order, "side": "Buy", "orderType": "Limit", "qty": "1", "price": "2"}
        if op == "order.create-batch":
            each = {key: value for key, value in new.items() if key != "category"}
            batch = client.place_batch_order("linear", [each] * len(frame["data"]["list"]))
            assert not batch.ok and len(batch.failed) == len(frame["data"]["list"])
            count["answered"] += 1
            return
        calls: Dict[str, Callable[[], Any]] = {
            "ping": client.ping,
            "order.create": lambda: client.place_order(**new),
            "order.amend": lambda: client.amend_order(**order, qty="2"),
            "order.cancel": lambda: client.cancel_order(**order),
        }
        ask(count, calls.get(op, lambda: client.call(op, {})))


def bybit_private(server: Server, frame: Any, kind: str, count: Count) -> None:
    topic = frame.get("topic")
    op = "ping" if "pong" in kind else frame.get("op")
    if topic is None:
        server.answer, server.answer_to = frame, op
    with contextlib.closing(dbxsdk.BybitPrivateClient("key", "secret", url=server.url)) as client:
        if topic is not None:
            known = channels.channel_of(topic)
            has_model = known is not None and channels.CHANNELS[known].read is not plain
            push(client, server, undocumented(topic), (), frame, count, "delivered" if has_model else "delivered without a model")
        elif op != "auth":
            ask(count, client.ping if op == "ping" else lambda: client.call(op, ["order"]))
        elif frame["success"]:
            client.open()
            count["logins answered"] += 1
        else:
            refuse_login(client, server, frame, count)


def refuse_login(client: Any, server: Server, frame: Any, count: Count) -> None:
    """This text may be about the time, so the client measures it and tries once more: both are refused."""

    def refuse(request: Any) -> Any:
        return bybit_fit(frame, request) if request["op"] == "auth" else bybit_yes(request)

    server.yes = refuse
    try:
        client.open()
    except AuthError:
        count["logins refused"] += 1


def bybit_public(server: Server, frame: Any, kind: str, count: Count) -> None:
    topic = frame.get("topic")
    category = "option" if "option" in kind or "id" in frame else "spot" if "spot" in kind else "linear"
    with contextlib.closing(dbxsdk.BybitPublicClient(category, url=server.url)) as client:
        if topic is not None:
            known = route(category, topic)
            has_model = known is not None and (known.read is not plain or known.merges)
            said = "delivered" if has_model else "delivered without a model"
            push(client, server, undocumented(topic), (), frame, count, said)
        elif "op" not in frame and "data" not in frame:
            bad_frame(client, server, frame, count)  # an error about nothing, or the shape of an older interface
        else:
            server.answer = frame
            op = "ping" if "pong" in kind else "unsubscribe" if "unsubscribe" in kind else "subscribe"
            topics = frame["data"]["successTopics"] if "data" in frame else ["publicTrade.BTCUSDT"]
            ask(count, lambda: client.call(op, None if op == "ping" else topics))


# -- Cryptomus -------------------------------------------------------------------------------------------------


def run_cryptomus(lines: List[Line], count: Count) -> None:
    def yes(request: Any) -> Any:
        return {"id": request["id"], "method": request["method"], "data": {"status": "success"}, "error": None}

    def fit(answer: Any, request: Any) -> Any:
        return {**answer, "id": request["id"]}

    for line in lines:
        frame, kind = line["frame"], line["kind"]
        with Server(yes, fit) as server:
            addresses = {name: server.http_url for name in ("token_url", "markets_url", "depth_scales_url")}
            client = dbxsdk.CryptomusClient("a-user", "a-key", url=server.url, **addresses)
            with contextlib.closing(client):
                if kind.startswith("REST"):
                    cryptomus_rest(client, server, frame, kind, count)
                elif kind.endswith("data is empty array)"):
                    bad_frame(client, server, frame, count)
                elif str(frame.get("method")).endswith("_update"):
                    channel = frame["method"][: -len("_update")]
                    about = frame["data"].get("info", frame["data"])
                    symbol = about["currencyCode"] if channel == "balance" else about["symbol"]
                    symbol = f"{symbol}:{about['scale_index']}" if channel == "depth" else symbol
                    push(client, server, channel, symbol, frame, count)
                else:
                    server.answer = frame
                    method = "ping" if kind == "pong" else kind.partition(":")[2].partition(" ")[0] or "trade_subscribe"
                    ask(count, functools.partial(client.call, method, [] if method == "ping" else ["BTC_USDT"]))


def cryptomus_rest(client: Any, server: Server, frame: Any, kind: str, count: Count) -> None:
    server.http = frame
    if "token" in kind:
        client.open()
        count["used as a token"] += 1
    elif "depth scales" in kind:
        client.depth_scales("BTC_USDT")
        count["answered over HTTP"] += 1
    elif "market list" in kind:
        client.markets()
        count["answered over HTTP"] += 1
    elif "error" in kind:
        server.status = 400
        try:
            client.markets()
        except VenueError as error:
            assert error.reply == frame
            count["answered over HTTP with an error"] += 1
    else:
        count["of HTTP requests that the client does not have"] += 1


# -- DBot ------------------------------------------------------------------------------------------------------


def run_dbot(lines: List[Line], count: Count) -> None:
    def yes(request: Any) -> Any:
        return {"status": "ack", "method": "subscribeResponse", "result": {"type": request.get("type"), "message": "yes"}}

    def fit(answer: Any, request: Any) -> Any:
        return {**answer, "id": request["id"]} if "id" in answer else answer

    for line in lines:
        frame, kind = line["frame"], line["kind"]
        with Server(yes, fit) as server:
            trade = frame.get("method") in ("rpcResponse", "tradeResultNotify")
            make = dbxsdk.DBotTradeClient if trade else dbxsdk.DBotDataClient
            with contextlib.closing(make("a-key", url=server.url)) as client:
                if kind.startswith("rpcResponse:"):
                    server.answer = frame
                    dbot_request(client, kind.partition(":")[2], frame, count)
                elif kind.startswith("tradeResultNotify"):
                    push(client, server, "tradeResults", (), frame, count)
                elif kind.startswith("subscribeResponse"):
                    server.answer = frame
                    client.subscribe(frame["result"]["type"], "an-address", callback=print)
                    count["subscriptions acknowledged"] += 1
                else:
                    dbot_push(client, server, frame, count)


def dbot_request(client: Any, method: str, frame: Any, count: Count) -> None:
    calls: Dict[str, Callable[[], Any]] = {
        "updateFollowOrder": lambda: client.update_follow_order("an-id", True),
        "getSwapOrder": lambda: client.get_swap_order(frame["result"]["res"]["id"]),
        "getSwapOrders": lambda: client.get_swap_orders([order["id"] for order in frame["result"]["res"]]),
    }
    ask(count, calls[method])


def dbot_push(client: Any, server: Server, frame: Any, count: Count) -> None:
    type_, result = frame["type"], frame["result"]
    symbols: Any = {"walletTx": "a-wallet", "pairInfo": "a-pair", "tx": "a-pair"}.get(type_, ())
    if type_ == "pairsInfo":
        symbols = [f"{item['p']}:a-token" for item in result]
    push(client, server, "pairsInfo.1m" if type_ == "pairsInfo" else type_, symbols, frame, count)


RUN = {"digifinex": run_digifinex, "bybit": run_bybit, "cryptomus": run_cryptomus, "dbot": run_dbot}


def main(paths: List[str]) -> None:
    venues: Dict[str, List[Line]] = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in map(json.loads, file):
                if line["direction"] == "in":
                    venues.setdefault(line["venue"], []).append(line)
    for venue, lines in venues.items():
        count: "collections.Counter[str]" = collections.Counter()
        RUN[venue](lines, count)
        missing = len(lines) - sum(count.values())
        told = ", ".join(f"{number} {what}" for what, number in count.items())
        print(f"{venue}: {len(lines)} inbound frames: {told}" + (f", {missing} UNACCOUNTED FOR" if missing else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
