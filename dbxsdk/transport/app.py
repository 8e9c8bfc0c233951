"""websocket-client's part of a connection: it makes the handshake, and calls our read loop."""

from __future__ import annotations

import socket
from typing import Any, Callable, Optional

import websocket

from dbxsdk.errors import AuthError, ConnectError, DbxError
from dbxsdk.transport.address import Address
from dbxsdk.transport.retry_after import retry_after
from dbxsdk.transport.wire import Wire


class App(websocket.WebSocketApp):
    """websocket-client's application, with our read loop in its dispatcher."""

    def __init__(
        self,
        address: Address,
        wire: Wire,
        opened: Callable[[], None],
        failed: Callable[[BaseException], None],
        read: Callable[[Any], None],
    ) -> None:
        """``opened()`` is called after the handshake, ``failed(error)`` with each error; ``read(socket)`` reads to the end."""
        self._read = read
        super().__init__(
            address.url,
            header=[f"{name}: {value}" for name, value in address.headers.items()],
            on_open=lambda app: opened(),
            on_error=lambda app, error: failed(error) if isinstance(error, BaseException) else None,
            socket=wire,  # type: ignore[arg-type]
        )

    def create_dispatcher(self, *args: Any, **kwargs: Any) -> Any:
        return _Dispatcher(self, self._read)


class _Dispatcher:
    """Runs our read loop in place of websocket-client's, which then has nothing to write."""

    def __init__(self, app: App, read: Callable[[Any], None]) -> None:
        self._app = app
        self._read = read

    def read(self, sock: Any, read_callback: Any, check_callback: Any) -> None:
        self._read(self._app.sock)

    def send(self, sock: Any, data: bytes) -> int:
        return len(data)


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
