"""websocket-client's part of a connection: it makes the handshake, and calls our read loop."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, Callable, Optional

import websocket

from dbxsdk.errors import AuthError, ConnectError, DbxError
from dbxsdk.transport.address import Address
from dbxsdk.transport.retry_after import retry_after
from dbxsdk.transport.wire import Wire


def make_app(
    address: Address,
    wire: Wire,
    opened: Callable[[], None],
    failed: Callable[[BaseException], None],
    read: Callable[[Any], None],
) -> websocket.WebSocketApp:
    """Return websocket-client's application, with our read loop in its dispatcher. ``opened()`` is called after the handshake,
    ``failed(error)`` with each error; ``read(socket)`` reads to the end."""
    app = websocket.WebSocketApp(
        address.url,
        header=[f"{name}: {value}" for name, value in address.headers.items()],
        on_open=lambda app: opened(),
        on_error=lambda app, error: failed(error) if isinstance(error, BaseException) else None,
        socket=wire,  # type: ignore[arg-type]
    )
    # Nothing is left for websocket-client to write.
    dispatcher = SimpleNamespace(read=lambda *_: read(app.sock), send=lambda sock, data: len(data))
    app.create_dispatcher = lambda *_, **__: dispatcher  # type: ignore[method-assign, assignment]
    return app


def handshake_error(where: str, error: Optional[BaseException]) -> DbxError:
    """Return what a failed handshake with ``where`` means to users."""
    if isinstance(error, DbxError):
        return error
    if isinstance(error, websocket.WebSocketBadStatusException):
        status = error.status_code
        if status in (401, 403):
            return AuthError(
                f"{where}: the venue refused the connection with HTTP {status}. Check the key, and whether the venue "
                f"serves this address",
                code=status,
            )
        return ConnectError(
            f"{where}: the WebSocket handshake was answered with HTTP {status}. Check the URL's path; 429 and 5xx pass",
            retry_after=retry_after(error.resp_headers or {}),
        )
    if isinstance(error, (socket.timeout, websocket.WebSocketTimeoutException)):
        return ConnectError(f"{where}: the WebSocket handshake was not answered in time. Check that it is a WebSocket port")
    if isinstance(error, websocket.WebSocketConnectionClosedException):
        return ConnectError(f"{where}: the peer closed the connection during the WebSocket handshake")
    return ConnectError(f"{where}: the WebSocket handshake failed: {error}. Check that the URL is a WebSocket's")
