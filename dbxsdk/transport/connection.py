"""One WebSocket connection: websocket-client's ``run_forever`` over a wire of ours, on the caller's thread.

websocket-client makes the handshake and owns the connection's life; what happens between the handshake and the end is
the read loop below, in its dispatcher: a read of the network, the messages in it, their delivery as one batch.

Nothing here waits for a peer that does not read, but ``close`` for a moment: ``offer`` takes a frame or refuses it, and ``push``
hands on what of it the kernel had no room for.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Callable, List, Optional, Tuple, Union

import attrs

from dbxsdk.cleaning import clean
from dbxsdk.credentials import SecretText
from dbxsdk.errors import ConnectError, DbxError, without_frames
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.transport.address import Address
from dbxsdk.transport.app import handshake_error, make_app
from dbxsdk.transport.connect import Route, connect
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
    read_close,
)
from dbxsdk.transport.outcome import Ending, NotSent, SendFailed
from dbxsdk.transport.redaction import redaction
from dbxsdk.transport.wire import Wire

logger = SafeLogger(__name__)

_CLOSE_WAIT = 0.1
"""Seconds that a close frame waits for the frame before it to leave."""
_LINGER = 0.5
_CONTROL = {PING: "ping", PONG: "pong", CLOSE: "close"}


@attrs.define(eq=False, repr=False, slots=False)
class Connection:
    """One connection, used once. ``run`` blocks until it has ended; everything else may be called by any thread.

    ``on_open()``, ``on_messages([(payload, binary), ...])`` and ``on_pong(payload)`` are called on the thread of ``run``; they
    must not raise. Text is not checked for UTF-8, since decoding it does: see ``fail``. ``prepare`` is called there, too,
    first of all: see ``session.Prepare``.
    """

    _address: Address
    _options: Options
    _on_open: Callable[[], None]
    _on_messages: Callable[[List[Message]], None]
    _on_pong: Callable[[bytes], None]
    _prepare: Optional[Callable[[Address, Callable[[Any], None]], Address]] = None

    def __attrs_post_init__(self) -> None:
        self._lock = threading.Lock()  # guards _stopped with _socket: a socket made after the stop is never used
        self._stopped: Optional[str] = None
        self._socket: Optional[socket.socket] = None
        self._wire: Optional[Wire] = None
        self._close_sent = False
        self._ending: Optional[Ending] = None
        self._failure: Optional[BaseException] = None
        self._opened = False
        self.last_sent: Optional[float] = None
        """Monotonic time of the last request or ping sent, or of the opening. Pongs do not count: venues want the client to
        speak without being asked."""
        # Of the peer's pings only the newest unanswered one has to be answered (RFC 6455, 5.5.3).
        self._pong: Optional[bytes] = None
        self._pong_lock = threading.Lock()
        self.received_message_at: Optional[float] = None
        """Monotonic time when the last whole data message, or pong, was read. Half a message and the peer's pings do not count:
        they come from a venue, or from what stands before it, that answers nothing any more, too."""
        self.recorded: Any = None
        """Records all that is sent and every control frame, if it was put here in ``on_open``: see
        ``recording.RecordedConnection``. Messages that are received are recorded by ``on_messages``."""

    # -- the reader thread ---------------------------------------------------------------------------

    def run(self) -> Ending:
        """Connect and read until the end. Never raises; leaves no descriptor."""
        try:
            with redaction.guarded():
                return self._run()
        except DbxError as error:
            return self._not_opened(error)
        except Exception as error:  # the thread that reconnects must live
            logger.exception("unexpected error on the connection to %s", self._address.endpoint)
            return self._not_opened(ConnectError(f"{self._address.endpoint}: unexpected error: {error!r}"))
        finally:
            if self._wire is not None:
                self._wire.release()

    def _run(self) -> Ending:
        if self._prepare is not None:
            self._address = self._prepare(self._address, self._publish)
        deadline = monotonic() + self._options.connect_timeout
        route = Route(deadline, self._publish, self._options.source_address)
        wire = connect(self._address, self._options.proxy, self._options.ssl_context, route)
        wire.deadline = deadline
        self._wire = wire
        app = make_app(self._address, wire, self._open, self._note, self._read)
        wire.before_close = lambda: self._refuse_redirect(app.sock)
        app.run_forever(skip_utf8_validation=True, suppress_origin=True, reconnect=0)
        if not self._opened:
            return self._not_opened(handshake_error(self._address.endpoint, self._failure))
        if self._ending is None and self._failure is not None:
            # Callbacks do not raise; what did all the same must not go by unseen.
            logger.error("unexpected error on the connection to %s", self._address.endpoint, exc_info=self._failure)
        return self._ending or Ending(self._stopped or "the connection ended")

    def _refuse_redirect(self, ws: Any) -> None:
        """Stop websocket-client before it follows a redirect, which would carry the key in the headers to another host. It
        closes its socket first: the one moment before it looks the other host up."""
        response = getattr(ws, "handshake_response", None)
        if not self._opened and self._failure is None and getattr(response, "status", 0) // 100 == 3:
            self._failure = ConnectError(
                f"{self._address.endpoint}: the WebSocket handshake was answered with a redirect, which is not followed. "
                f"Check the URL"
            )
            raise self._failure

    def _note(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error

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
        return Ending(str(error), error=without_frames(error))

    def _open(self) -> None:
        """Begin to work: the handshake is done."""
        assert self._wire is not None
        self._wire.deadline = None
        self.last_sent = monotonic()
        self._opened = True
        if self._stopped is None:
            try:
                self._on_open()
            except BaseException:  # noqa: B036 - websocket-client would say goodbye first, and wait for the answer
                self.abort("unexpected error")
                raise

    def _read(self, ws: Any) -> None:
        """Read until the end, on the thread of ``run``."""
        wire = self._wire
        assert wire is not None
        frames = FrameReader(self._options.max_message_size)
        read, on_messages = wire.read, self._on_messages
        try:
            data = wire.take_buffered()  # what came together with the answer to the handshake
            while self._stopped is None or self._close_sent:
                messages = frames.read(data)
                if messages:
                    self.received_message_at = wire.last_read
                    on_messages(messages)
                    if self._ending is not None:  # one of them was not to be: see ``fail``
                        _linger(wire)
                        return
                if frames.stop is None:
                    data = read()
                    if not data:
                        why = wire.broken_by  # of which its writer may not have come to tell
                        peer = "the peer closed the connection without a close frame"
                        self._end(peer if why is None else f"a frame could not be sent: {why}")
                        return
                elif self._handle(frames.stop, wire):
                    data = b""
                else:
                    return
        except OSError as error:
            self._end(f"the connection broke: {error}")
        finally:
            # websocket-client would now send a close frame and wait up to 3 s for the answer.
            ws.connected = False

    def _handle(self, stop: Union[Control, FrameError], wire: Wire) -> bool:
        """Handle a control frame or a framing error. Returns False if the connection is over."""
        try:
            if isinstance(stop, FrameError):
                raise stop
            self._record("in", stop.opcode, stop.payload)
            if stop.opcode == PING:
                self._pong = stop.payload
                self._answer_ping(wire)
            elif stop.opcode == PONG:
                self.received_message_at = wire.last_read
                self._on_pong(stop.payload)
            else:
                code, reason = read_close(stop.payload)
                ended = f"the peer closed the connection with code {code}" if code else "the peer closed the connection"
                self._end(f"{ended}: {clean(reason)}" if reason else ended, code)
                self._send_close(code)
                return False
        except FrameError as error:
            self.fail(error.code, str(error))
            _linger(wire)
            return False
        return True

    def _end(self, reason: str, code: Optional[int] = None) -> None:
        if self._ending is None:
            self._ending = Ending(self._stopped or reason, code)
        self._stop(reason)  # nothing is sent from now on

    def fail(self, code: int, reason: str) -> None:
        """End the connection with that close code, on the thread of ``run``: what a message held breaks the protocol."""
        self._end(f"the peer broke the WebSocket protocol: {reason}")
        self._send_close(code)

    # -- any thread ----------------------------------------------------------------------------------

    def offer(self, text: str, *, ping: bool = False) -> bool:
        """Send a text frame, or a WebSocket ping with this payload, without waiting. A ping's pong goes to ``on_pong``.

        Return True if it was taken: it has left, or leaves with later calls of ``push``. Return False if there is no room for it
        now, since an earlier frame has not left yet: nothing of it was taken. Raise ``NotSent`` if it was not taken and the
        connection takes nothing any more, or has no memory for it; ``SendFailed`` if the connection broke in the middle of it.
        """
        wire = self._wire
        if self._stopped is not None or not self._opened or wire is None:
            raise self._not_open()
        try:
            if (wire.rest or self._pong is not None) and not self.push():
                return False
        except SendFailed as error:  # another frame's part
            raise NotSent(str(error), broken=True) from error
        recorded = self.recorded
        # Before it is written: its answer may be read before the write returns.
        number = None if recorded is None else _record_sent(recorded, text, ping)
        try:
            taken = wire.offer(encode(PING if ping else TEXT, text.encode()))
        except (NotSent, SendFailed) as error:
            self._failed(error, recorded, number)
            raise
        if taken:
            self.last_sent = monotonic()
        elif number is not None:  # another thread was quicker
            recorded.not_sent(number)
        return taken

    def push(self) -> bool:
        """Send more of what was taken, and of the answer to the peer's last ping, without waiting. Return True when nothing is
        left. Raise ``SendFailed`` if the connection breaks."""
        wire = self._wire
        try:
            return wire is None or (wire.push() and self._answer_ping(wire))
        except SendFailed as error:
            self._failed(error)
            raise

    @property
    def stuck_since(self) -> Optional[float]:
        """Return the monotonic time since when something taken has waited without any progress; None if nothing waits."""
        return None if self._wire is None else self._wire.stuck_since

    def send(self, message: Union[str, bytes], timeout: float) -> None:
        """Send a text or a binary frame, and wait until it has left. Raise ``NotSent`` or ``SendFailed``."""
        recorded, number = self.recorded, None
        if isinstance(message, bytes):
            frame = encode(BINARY, message)
        else:
            frame = encode(TEXT, message.encode())
            number = None if recorded is None else _record_sent(recorded, message)
        try:
            wire = self._wire
            if self._stopped is not None or not self._opened or wire is None:
                raise self._not_open()
            wire.write(frame, timeout)
        except (NotSent, SendFailed) as error:
            self._failed(error, recorded, number)
            raise
        self.last_sent = monotonic()
        if self._pong is not None:
            with contextlib.suppress(SendFailed):  # this frame has left; the connection's end is the reader's to see
                self.push()

    def close(self) -> None:
        """Say goodbye: the peer's answer ends ``run``, and ``abort`` if none comes. Waits for a frame that is on its way, for
        ``_CLOSE_WAIT`` at most."""
        self._stop("closed")
        if not self._opened or not self._send_close(NORMAL):
            self.abort("closed")

    def abort(self, reason: str) -> None:
        """End ``run`` at once, in the middle of any wait (the name look-up alone cannot be interrupted)."""
        self._stop(reason)
        with self._lock:
            raw, self._close_sent = self._socket, False
        if self._wire is not None:
            self._wire.shutdown()
        elif raw is not None:
            with contextlib.suppress(OSError):  # not connected (any more)
                # The TCP socket's own shutdown: it wakes the reader and every writer, and touches no TLS state.
                socket.socket.shutdown(raw, socket.SHUT_RDWR)

    def forget(self) -> None:
        """In a forked child: close the bare descriptor and nothing else; the parent's connection lives on."""
        if self._wire is not None:
            self._wire.forget()
        elif self._socket is not None:
            Wire(self._socket).forget()

    def silent_for(self, now: float) -> float:
        """Return the seconds that the reader has been waiting for the network without receiving anything. ``now`` is by
        ``runtime.clock.monotonic``, as all times here."""
        wire = self._wire
        since = wire.waiting_since if wire is not None else None
        return 0.0 if since is None else now - since

    def seen_until(self, now: float) -> float:
        """Return the last moment of which it is certain that all that had come by then was read and taken in."""
        wire = self._wire
        return now if wire is None or wire.waiting_since is not None else wire.caught_up

    @property
    def secrets(self) -> Tuple[str, ...]:
        """Return the keys and tokens that it was opened with."""
        return self._address.secrets

    @property
    def stopped(self) -> bool:
        """True if it was asked to end, or is ending."""
        return self._stopped is not None

    @property
    def last_received(self) -> Optional[float]:
        """Return the monotonic time of the last bytes received."""
        return None if self._wire is None else self._wire.last_read

    # -- below ---------------------------------------------------------------------------------------

    def _record(self, direction: str, opcode: int, payload: bytes) -> None:
        if self.recorded is not None:
            self.recorded.control(direction, _CONTROL[opcode], payload)

    def _stop(self, reason: str) -> None:
        with self._lock:
            if self._stopped is None:
                self._stopped = reason

    def _not_open(self) -> NotSent:
        return NotSent(self._stopped or "the connection is not open")

    def _failed(self, error: OSError, recorded: Any = None, number: Optional[int] = None) -> None:
        """Take note of the wire's ``error`` about a frame that was recorded under this number: after half a frame the
        connection can carry nothing any more, and ends."""
        if not isinstance(error, NotSent):
            self.abort(f"a frame could not be sent: {error}")
        elif number is not None:
            recorded.not_sent(number)

    def _answer_ping(self, wire: Wire) -> bool:
        """Answer the peer's last ping if there is room. Return True if nothing waits then."""
        with self._pong_lock:
            payload = self._pong
            if payload is None or self._close_sent:  # nothing may follow our close frame
                return not wire.rest
            try:
                if not wire.offer(encode(PONG, payload)):
                    return False
            except NotSent:
                return True  # the connection ends, or has no memory: the next ``push`` tries again
            self._pong = None
        self._record("out", PONG, payload)
        return not wire.rest

    def _send_close(self, code: Optional[int]) -> bool:
        with self._lock:
            if self._close_sent or self._wire is None:
                return False
            self._close_sent = True
        payload = b"" if code is None else code.to_bytes(2, "big")
        self._record("out", CLOSE, payload)
        try:
            self._wire.write(encode(CLOSE, payload), _CLOSE_WAIT, last=True)
            return True
        except OSError:
            return False


def _linger(wire: Wire) -> None:
    """Let the peer close TCP first, as the protocol wants it, after a close frame that names the peer's fault. A socket closed
    while the peer still sends is reset, and most peers then never read that frame."""
    wire.deadline = monotonic() + _LINGER
    with contextlib.suppress(OSError):  # in time or not, that was the end
        while wire.read():
            pass


def _record_sent(recorded: Any, text: str, ping: bool = False) -> Optional[int]:
    """Return the frame's number, for ``not_sent``; a ping has none."""
    if ping:
        recorded.control("out", "ping", text.encode())
        return None
    number: int = recorded.sent(text, secret=isinstance(text, SecretText))
    return number
