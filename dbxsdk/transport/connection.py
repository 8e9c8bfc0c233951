"""One WebSocket connection: websocket-client's ``run_forever`` over a wire of ours, on the caller's thread.

websocket-client makes the handshake and owns the connection's life; what happens between the handshake and the end is
the read loop below, in its dispatcher: a read of the network, the messages in it, their delivery as one batch.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from typing import Any, Callable, List, Optional, Tuple, Union

import attrs
import websocket

from dbxsdk.errors import AuthError, ConnectError, DbxError
from dbxsdk.options import Options
from dbxsdk.protocol import SecretText
from dbxsdk.transport.address import Address
from dbxsdk.transport.connect import connect
from dbxsdk.transport.frames import (
    BINARY,
    CLOSE,
    NORMAL,
    PING,
    PONG,
    TEXT,
    Control,
    FrameError,
    FrameReader,
    Message,
    encode,
    encode_close,
    read_close,
)
from dbxsdk.transport.redaction import redaction, secrets
from dbxsdk.transport.retry_after import retry_after
from dbxsdk.transport.wire import NotWritten, PartlyWritten, Wire

logger = logging.getLogger(__name__)

_CLOSE_WAIT = 0.1
_LINGER = 0.5
_PONG_TIMEOUT = 5.0
_CONTROL = {PING: "ping", PONG: "pong", CLOSE: "close"}


class NotSent(Exception):
    """The frame did not leave this machine: not one byte of it. Where the socket is ``broken`` it takes nothing any more,
    and the reader sees the end as soon as it reads on."""

    def __init__(self, reason: str, broken: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken


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
        on_messages: Callable[[List[Message]], None],
        on_pong: Callable[[bytes], None],
        prepare: Optional[Callable[[Address, Callable[[Any], None]], Address]] = None,
    ) -> None:
        """``on_open()``, ``on_messages([(payload, binary), ...])`` and ``on_pong(payload)`` are called on the thread of
        ``run``; they must not raise. Text is not checked for UTF-8, since decoding it does: see ``fail``.
        ``prepare`` is called there, too, first of all: see ``session.Prepare``."""
        self._address = address
        self._options = options
        self._on_open = on_open
        self._on_messages = on_messages
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
        self.recorded: Any = None
        """Told of all that is sent and of every control frame, where somebody has put it here in ``on_open``: see
        ``recording.RecordedConnection``. Messages that are received are for ``on_messages`` to tell."""

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
        if self._ending is None and self._failure is not None:
            # Callbacks do not raise; whatever it is, it must not go by unseen.
            logger.error("unexpected error on the connection to %s", self._address.endpoint, exc_info=self._failure)
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
        wire = self._require_wire()
        frames = FrameReader(self._options.max_message_size)
        read, on_messages = wire.read, self._on_messages
        try:
            data = wire.take_buffered()  # what came together with the answer to the handshake
            while self._stopped is None or self._close_sent:
                messages = frames.read(data)
                if messages:
                    on_messages(messages)
                    if self._ending is not None:  # one of them was not to be: see ``fail``
                        self._linger()
                        return
                if frames.stop is None:
                    data = read()
                    if not data:
                        self._end("the peer closed the connection without a close frame")
                        return
                elif self._handle(frames.stop):
                    data = b""
                else:
                    return
        except (OSError, ssl.SSLError) as error:
            self._end(f"the connection broke: {error}")
        finally:
            # websocket-client would now send a close frame and wait up to 3 s for the answer.
            ws.connected = False

    def _linger(self) -> None:
        """After the close frame that tells the peer its fault: lets the peer close TCP first, as the protocol wants it. A
        socket closed while the peer still sends is reset, and most peers then never read that frame."""
        wire = self._require_wire()
        wire.deadline = time.monotonic() + _LINGER
        try:
            while wire.read():
                pass
        except (OSError, ssl.SSLError):
            pass  # in time or not, that was the end

    def _handle(self, stop: Union[Control, FrameError]) -> bool:
        """What is no message. False where it ends the connection."""
        try:
            if isinstance(stop, FrameError):
                raise stop
            self._record("in", stop.opcode, stop.payload)
            if stop.opcode == PING:
                if not self._close_sent:  # nothing may follow our close frame
                    self._record("out", PONG, stop.payload)
                    self._require_wire().write(encode(PONG, stop.payload), _PONG_TIMEOUT)
            elif stop.opcode == PONG:
                self._on_pong(stop.payload)
            else:
                code, reason = read_close(stop.payload)
                told = f"the peer closed the connection with code {code}" if code else "the peer closed the connection"
                self._end(f"{told}: {reason}" if reason else told, code)
                self._send_close(code)
                return False
        except FrameError as error:
            self._end(f"the peer broke the WebSocket protocol: {error}")
            self._send_close(error.code)
            self._linger()
            return False
        return True

    def _end(self, reason: str, code: Optional[int] = None) -> None:
        if self._ending is None:
            self._ending = Ending(self._stopped or reason, code)
        self._stop(reason)  # nothing is sent from now on

    def fail(self, code: int, reason: str) -> None:
        """On the thread of ``run``: what a message held breaks the protocol. Ends the connection with that close code."""
        self._end(f"the peer broke the WebSocket protocol: {reason}")
        self._send_close(code)

    # -- any thread ----------------------------------------------------------------------------------

    def send(self, text: str, timeout: float) -> None:
        """Sends a text frame. Raises ``NotSent`` or ``SendFailed``."""
        recorded = self.recorded
        # Before it is written: its answer may be read before the write returns.
        number = None if recorded is None else recorded.sent(text, secret=isinstance(text, SecretText))
        try:
            self._send(TEXT, text.encode(), timeout)
        except NotSent:
            if number is not None:
                recorded.not_sent(number)
            raise

    def send_bytes(self, data: bytes, timeout: float) -> None:
        """Sends a binary frame. Raises ``NotSent`` or ``SendFailed``."""
        self._send(BINARY, data, timeout)

    def ping(self, payload: str, timeout: float) -> None:
        """Sends a WebSocket ping frame; its pong goes to ``on_pong``. Raises ``NotSent`` or ``SendFailed``."""
        self._record("out", PING, payload.encode())
        self._send(PING, payload.encode(), timeout)

    def _send(self, opcode: int, payload: bytes, timeout: float) -> None:
        if self._stopped is not None or not self._opened:
            raise NotSent(self._stopped or "the connection is not open")
        try:
            self._require_wire().write(encode(opcode, payload), timeout)
            self._last_sent = time.monotonic()
        except NotWritten as error:
            raise NotSent(str(error), error.broken) from error
        except (PartlyWritten, ssl.SSLError) as error:
            self.abort(f"a frame could not be sent: {error}")
            raise SendFailed(str(error)) from error

    def close(self) -> None:
        """Says goodbye: the peer's answer ends ``run``. Does not wait; ``abort`` follows where none comes."""
        self._stop("closed")
        if not self._opened or not self._send_close(NORMAL):
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

    def seen_until(self, now: float) -> float:
        """The last moment of which it is certain that all that had come by then was read and taken in."""
        wire = self._wire
        return now if wire is None or wire.waiting_since is not None else wire.caught_up

    @property
    def secrets(self) -> Tuple[str, ...]:
        """The keys and tokens that it was opened with."""
        return tuple(secrets(self._address))

    @property
    def stopped(self) -> bool:
        """Whether it was told to end, or is ending."""
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

    def _record(self, direction: str, opcode: int, payload: bytes) -> None:
        if self.recorded is not None:
            self.recorded.control(direction, _CONTROL[opcode], payload)

    def _stop(self, reason: str) -> None:
        with self._lock:
            if self._stopped is None:
                self._stopped = reason

    def _send_close(self, code: Optional[int]) -> bool:
        with self._lock:
            if self._close_sent or self._wire is None:
                return False
            self._close_sent = True
        self._record("out", CLOSE, b"" if code is None else code.to_bytes(2, "big"))
        try:
            self._wire.write(encode_close(code), _CLOSE_WAIT)
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
            return ConnectError(
                f"{where}: the WebSocket handshake was answered with HTTP {status}. Check the URL's path; 429 and 5xx pass",
                retry_after=retry_after(error.resp_headers or {}),
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
    """What websocket-client calls for the read loop, and for what it writes itself: nothing, with our loop."""

    def __init__(self, app: _App, connection: Connection) -> None:
        self._app = app
        self._connection = connection

    def read(self, sock: Any, read_callback: Any, check_callback: Any) -> None:
        self._connection._read(self._app.sock)

    def send(self, sock: Any, data: bytes) -> int:
        return len(data)
