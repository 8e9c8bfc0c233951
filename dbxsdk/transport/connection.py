"""One WebSocket connection: websocket-client's ``run_forever`` over a wire of ours, on the caller's thread."""

from __future__ import annotations

import email.utils
import logging
import math
import socket
import ssl
import struct
import threading
import time
from typing import Any, Callable, Optional

import attrs
import websocket

from dbxsdk.errors import AuthError, ConnectError, DbxError
from dbxsdk.options import Options
from dbxsdk.transport.address import Address
from dbxsdk.transport.connect import connect
from dbxsdk.transport.redaction import redaction
from dbxsdk.transport.wire import NotWritten, PartlyWritten, Wire

logger = logging.getLogger(__name__)

_CLOSE_WAIT = 0.1
_LONGEST_RETRY_AFTER = 86400.0
_NORMAL, _PROTOCOL_ERROR = 1000, 1002


class NotSent(Exception):
    """The frame did not leave this machine: not one byte of it."""


class SendFailed(Exception):
    """Part of the frame may have left; the connection is of no use any more."""


@attrs.frozen
class Ending:
    """How a connection ended. ``error`` is set where it never opened; ``code`` is the close code received."""

    reason: str
    code: Optional[int] = None
    error: Optional[DbxError] = None


class Connection:
    """One connection, used once. ``run`` blocks until it ended; everything else may be called by any thread."""

    def __init__(
        self,
        address: Address,
        options: Options,
        on_open: Callable[[], None],
        on_message: Callable[[bytes, bool], None],
        on_pong: Callable[[bytes], None],
        prepare: Optional[Callable[[Address, Callable[[Any], None]], Address]] = None,
    ) -> None:
        """``on_open()``, ``on_message(payload, binary)`` and ``on_pong(payload)`` are called on the thread of ``run``;
        they must not raise. ``prepare`` is called there, too, first of all: see ``session.Prepare``."""
        self._address = address
        self._options = options
        self._on_open = on_open
        self._on_message = on_message
        self._on_pong = on_pong
        self._prepare = prepare
        self._lock = threading.Lock()  # guards _stopped with _socket: a socket made after the stop is never used
        self._stopped: Optional[str] = None
        self._socket: Optional[socket.socket] = None
        self._wire: Optional[Wire] = None
        self._close_sent = False
        self._ending: Optional[Ending] = None
        self._failure: Optional[BaseException] = None
        self._opened = False
        self._last_sent: Optional[float] = None

    # -- the reader thread ---------------------------------------------------------------------------

    def run(self) -> Ending:
        """Connects and reads until the end. Never raises; leaves no descriptor."""
        try:
            return self._run()
        except DbxError as error:
            return self._not_opened(error)
        except Exception as error:  # whatever it is, the thread that reconnects must live
            logger.exception("unexpected error on the connection to %s", self._address.endpoint)
            return self._not_opened(ConnectError(f"{self._address.endpoint}: unexpected error: {error!r}"))
        finally:
            if self._wire is not None:
                self._wire.release()

    def _run(self) -> Ending:
        if self._prepare is not None:
            self._address = self._prepare(self._address, self._publish)
        deadline = time.monotonic() + self._options.connect_timeout
        wire = connect(self._address, deadline, self._options.proxy, self._options.ssl_context, self._publish)
        wire.deadline = deadline
        self._wire = wire
        redaction.watch(self._address)
        app = _App(self, wire)
        wire.before_close = lambda: self._refuse_redirect(app.sock)
        app.run_forever(skip_utf8_validation=True, suppress_origin=True, reconnect=0)
        if not self._opened:
            return self._not_opened(self._handshake_error(self._failure))
        return self._ending or Ending(self._stopped or "the connection ended")

    def _refuse_redirect(self, ws: Any) -> None:
        """Before it follows a redirect, which would carry the key in the headers to another host, websocket-client
        closes its socket: the one moment to stop it before it looks the other host up."""
        response = getattr(ws, "handshake_response", None)
        if not self._opened and self._failure is None and getattr(response, "status", 0) // 100 == 3:
            self._failure = ConnectError(
                f"{self._address.endpoint}: the WebSocket handshake was answered with a redirect, which is not followed. "
                f"Check the URL"
            )
            raise self._failure

    def _publish(self, raw: Any) -> None:
        with self._lock:
            if self._stopped is not None:
                raise ConnectError(f"{self._address.endpoint}: {self._stopped}")
            self._socket = raw

    def _not_opened(self, error: DbxError) -> Ending:
        if self._opened:
            return Ending(str(error))
        if self._stopped is not None:
            error = ConnectError(f"{self._address.endpoint}: {self._stopped}")
        return Ending(str(error), error=error)

    def _open(self) -> None:
        """The handshake is done."""
        assert self._wire is not None
        self._wire.deadline = None
        self._last_sent = time.monotonic()
        self._opened = True
        if self._stopped is None:
            self._on_open()

    def _read(self, ws: Any) -> None:
        """The read loop, on the thread of ``run``."""
        text, binary = websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY
        on_message = self._on_message
        try:
            while self._stopped is None or self._close_sent:
                opcode, frame = ws.recv_data_frame(True)
                if opcode == text:
                    on_message(frame.data, False)
                elif opcode == binary:
                    on_message(frame.data, True)
                elif opcode == websocket.ABNF.OPCODE_PONG:
                    self._on_pong(frame.data)
                elif opcode == websocket.ABNF.OPCODE_CLOSE:
                    self._ending = self._closed_by_peer(frame.data)
                    return
        except websocket.WebSocketConnectionClosedException:
            self._ending = Ending(self._stopped or "the peer closed the connection without a close frame")
        except websocket.WebSocketProtocolException as error:
            self._ending = Ending(self._stopped or f"the peer broke the WebSocket protocol: {error}")
            self._send_close(_PROTOCOL_ERROR)
        except (OSError, websocket.WebSocketException) as error:
            self._ending = Ending(self._stopped or f"the connection broke: {error}")
        finally:
            # websocket-client would now send a close frame and wait up to 3 s for the answer.
            ws.connected = False

    def _closed_by_peer(self, data: bytes) -> Ending:
        code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else None
        reason = data[2:].decode("utf-8", "replace")
        told = f"the peer closed the connection with code {code}" if code else "the peer closed the connection"
        return Ending(self._stopped or (f"{told}: {reason}" if reason else told), code)

    def _write_for_library(self, data: bytes) -> int:
        """Frames that websocket-client sends by itself: pongs, and the answer to a close frame."""
        if self._close_sent:
            return len(data)  # nothing may follow our close frame, not even another one
        try:
            self._require_wire().write(data, 5.0)
        except (NotWritten, PartlyWritten) as error:
            raise websocket.WebSocketConnectionClosedException(str(error)) from error
        return len(data)

    # -- any thread ----------------------------------------------------------------------------------

    def send(self, text: str, timeout: float) -> None:
        """Sends a text frame. Raises ``NotSent`` or ``SendFailed``."""
        self._send(text, websocket.ABNF.OPCODE_TEXT, timeout)

    def ping(self, payload: str, timeout: float) -> None:
        """Sends a WebSocket ping frame; its pong goes to ``on_pong``. Raises ``NotSent`` or ``SendFailed``."""
        self._send(payload, websocket.ABNF.OPCODE_PING, timeout)

    def _send(self, payload: str, opcode: int, timeout: float) -> None:
        if self._stopped is not None or not self._opened:
            raise NotSent(self._stopped or "the connection is not open")
        frame = websocket.ABNF.create_frame(payload.encode(), opcode).format()
        try:
            self._require_wire().write(frame, timeout)
            self._last_sent = time.monotonic()
        except NotWritten as error:
            raise NotSent(str(error)) from error
        except (PartlyWritten, ssl.SSLError) as error:
            self.abort(f"a frame could not be sent: {error}")
            raise SendFailed(str(error)) from error

    def close(self) -> None:
        """Says goodbye: the peer's answer ends ``run``. Does not wait; ``abort`` follows where none comes."""
        self._stop("closed")
        if not self._opened or not self._send_close(_NORMAL):
            self.abort("closed")

    def abort(self, reason: str) -> None:
        """Ends ``run`` at once, whatever it waits for (the name look-up alone cannot be interrupted)."""
        self._stop(reason)
        with self._lock:
            raw, self._close_sent = self._socket, False
        if raw is not None:
            try:
                # The TCP socket's own shutdown: it wakes the reader and every writer, and touches no TLS state.
                socket.socket.shutdown(raw, socket.SHUT_RDWR)
            except OSError:
                pass  # not connected (any more)

    def forget(self) -> None:
        """In a forked child: closes the bare descriptor and nothing else; the parent's connection lives on."""
        if self._wire is not None:
            self._wire.forget()
        elif self._socket is not None:
            Wire(self._socket).forget()

    def silent_for(self, now: float) -> float:
        """For how many seconds the reader has been waiting for the network without receiving anything."""
        wire = self._wire
        since = wire.waiting_since if wire is not None else None
        return 0.0 if since is None else now - since

    @property
    def stopped(self) -> bool:
        """Whether it was told to end."""
        return self._stopped is not None

    @property
    def last_received(self) -> Optional[float]:
        """Monotonic time of the last bytes received."""
        return None if self._wire is None else self._wire.last_read

    @property
    def last_sent(self) -> Optional[float]:
        """Monotonic time of the last request or ping sent, or of the opening. Pongs do not count: venues want to hear
        of the client by itself."""
        return self._last_sent

    # -- below ---------------------------------------------------------------------------------------

    def _stop(self, reason: str) -> None:
        with self._lock:
            if self._stopped is None:
                self._stopped = reason

    def _send_close(self, code: int) -> bool:
        with self._lock:
            if self._close_sent or self._wire is None:
                return False
            self._close_sent = self._wire.muted = True
        frame = websocket.ABNF.create_frame(struct.pack("!H", code), websocket.ABNF.OPCODE_CLOSE).format()
        try:
            self._wire.write(frame, _CLOSE_WAIT)
            return True
        except (OSError, ssl.SSLError):
            return False

    def _require_wire(self) -> Wire:
        if self._wire is None:
            raise NotWritten("the connection is not open")
        return self._wire

    def _handshake_error(self, error: Optional[BaseException]) -> DbxError:
        where = self._address.endpoint
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
            headers = error.resp_headers or {}
            return ConnectError(
                f"{where}: the WebSocket handshake was answered with HTTP {status}. Check the URL's path; 429 and 5xx pass",
                retry_after=_retry_after(headers.get("retry-after")),
            )
        if isinstance(error, (socket.timeout, websocket.WebSocketTimeoutException)):
            return ConnectError(f"{where}: the WebSocket handshake was not answered in time. Check that it is a WebSocket port")
        if isinstance(error, websocket.WebSocketConnectionClosedException):
            return ConnectError(f"{where}: the peer closed the connection during the WebSocket handshake")
        return ConnectError(f"{where}: the WebSocket handshake failed: {error}. Check that the URL is a WebSocket's")


class _App(websocket.WebSocketApp):
    """websocket-client's application, with our read loop and our writes in its dispatcher."""

    def __init__(self, connection: Connection, wire: Wire) -> None:
        self._connection = connection
        headers = [f"{name}: {value}" for name, value in connection._address.headers.items()]
        super().__init__(
            connection._address.url,
            header=headers,
            on_open=lambda app: connection._open(),
            on_error=self._note,
            socket=wire,  # type: ignore[arg-type]
        )

    def _note(self, _: Any, error: Any) -> None:
        if isinstance(error, BaseException) and self._connection._failure is None:
            self._connection._failure = error

    def create_dispatcher(self, *args: Any, **kwargs: Any) -> Any:
        return _Dispatcher(self, self._connection)


class _Dispatcher:
    """What websocket-client calls for the read loop and for each write of its own."""

    def __init__(self, app: _App, connection: Connection) -> None:
        self._app = app
        self._connection = connection

    def read(self, sock: Any, read_callback: Any, check_callback: Any) -> None:
        self._connection._read(self._app.sock)

    def send(self, sock: Any, data: bytes) -> int:
        return self._connection._write_for_library(data)


def _retry_after(value: Optional[str]) -> Optional[float]:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, IndexError, OverflowError, OSError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None
