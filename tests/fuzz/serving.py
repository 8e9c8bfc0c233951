"""A server that says yes to everything, sends what it is given, and has a client of each venue's."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any, Callable, Dict, Optional

import attrs
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

import dbxsdk
from tests.fuzz.answers import answer
from tests.fuzz.documents import KEY, SECRET, Socket
from tests.waiting import PATIENCE

OPTIONS = dbxsdk.Options(backoff_initial=0.01, backoff_max=0.05, connect_timeout=5, request_timeout=5, queue_size=100_000)
# Bybit's pongs have no id: a wrong one would answer a heartbeat, and the true one be the wrong one then.
_NO_HEARTBEAT = attrs.evolve(OPTIONS, heartbeat_interval=600.0)

CLIENTS: Dict[str, Callable[..., Any]] = {
    "bybit-public": lambda url: dbxsdk.BybitPublicClient("linear", url=url, options=_NO_HEARTBEAT),
    "bybit-spot": lambda url: dbxsdk.BybitPublicClient("spot", url=url, options=_NO_HEARTBEAT),
    "bybit-option": lambda url: dbxsdk.BybitPublicClient("option", url=url, options=_NO_HEARTBEAT),
    "bybit-private": lambda url: dbxsdk.BybitPrivateClient(KEY, SECRET, url=url, options=_NO_HEARTBEAT),
    "bybit-trade": lambda url: dbxsdk.BybitTradeClient(KEY, SECRET, url=url, options=_NO_HEARTBEAT),
    "digifinex": lambda url: dbxsdk.DigiFinexClient(KEY, SECRET, url=url, options=OPTIONS),
    "digifinex-swap": lambda url: dbxsdk.DigiFinexSwapClient(KEY, SECRET, url=url, options=OPTIONS),
    "cryptomus": lambda url: dbxsdk.CryptomusClient(KEY, SECRET, url=url, token_url=f"http{url[2:]}token", options=OPTIONS),
    "dbot-trade": lambda url: dbxsdk.DBotTradeClient(KEY, url=url, options=OPTIONS),
    "dbot-data": lambda url: dbxsdk.DBotDataClient(KEY, url=url, options=OPTIONS),
}


class Server:
    """For one client at a time."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._connected = threading.Event()
        self._connection: Optional[ServerConnection] = None
        self._server = serve(
            self._handle, "127.0.0.1", 0, compression=None, process_request=_token, max_size=None, ping_interval=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="test-server", daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    def send(self, payload: bytes, binary: bool) -> None:
        """To the client that connected last."""
        assert self._connected.wait(PATIENCE)
        assert self._connection is not None
        self._connection.send(payload if binary else payload.decode())

    def _handle(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._connected.set()
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                reply = answer(self._socket.name, True, json.loads(message))
                payload = self._socket.wire(reply)
                connection.send(payload if self._socket.binary else payload.decode())


def _token(connection: ServerConnection, request: Request) -> Optional[Response]:
    if request.path != "/token":
        return None
    body = b'{"token": "a-token"}'
    return Response(200, "OK", Headers({"Content-Length": str(len(body)), "Connection": "close"}), body)
