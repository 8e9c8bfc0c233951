"""The byte stream below a WebSocket: a TCP socket, with TLS or without, read in large pieces.

websocket-client, which makes the handshake, sees an object with the few socket methods that it uses. Three things are
different here:

* Reads are large: one system call brings up to 64 KiB, be it hundreds of frames or hundreds of TLS records.
* Writes never block for longer than the caller allows, and say whether any byte left.
* TLS runs through memory buffers. Python's own TLS sockets take two system calls and a hand-over of the GIL for each
  record, and venues send a record for each frame. Also, OpenSSL's objects must not be read and written by two
  threads at the same time, and a reader that waits inside ``SSL_read`` would either race with a writer or keep it
  out; here the TLS object is only touched under a lock that is never held while waiting for the network.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import threading
import time
from typing import Callable, List, Optional

_READ_SIZE = 65536
_RECORD_SIZE = 16384  # the longest plaintext of one TLS record
# Without it (Windows) a full send buffer blocks until the watchdog shuts the connection down.
_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
_NO_MEMORY = (errno.ENOBUFS, errno.ENOMEM)  # for this write; the connection lives


class NotWritten(OSError):
    """No byte of the data left this machine, and none ever will where the socket is ``broken``; else there was no room in
    time."""

    def __init__(self, reason: str, broken: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken


class PartlyWritten(OSError):
    """Some bytes left, the rest could not: the stream is broken."""


class Wire:
    """A connected TCP socket with buffered reads and bounded writes."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        # gevent's socket waits by itself, without a limit, where the system's would have: not so the one within.
        self._send = getattr(raw, "_sock", raw).send
        self._buffer = b""
        self._position = 0
        self._write_lock = threading.Lock()  # keeps the bytes of two writers apart
        self.deadline: Optional[float] = None
        """Monotonic time after which reads fail; for the handshake. None: reads wait for ever."""
        self.before_close: Callable[[], None] = lambda: None
        """Called before websocket-client closes the socket; may raise."""
        self.waiting_since: Optional[float] = None
        """Since when the reader waits for the network; None while it is at work."""
        self.last_read = self.caught_up = self._mark = time.monotonic()
        # ``caught_up``: what had come by then was read, and its reader has come back for more. A read that is not full takes
        # all that is there; a full one leaves the socket's buffer at most, which ``_unread`` bytes more will have emptied.
        self._unread = 0

    # -- what websocket-client calls -----------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end of the stream."""
        if self._position >= len(self._buffer):
            self._buffer = self.read()
            self._position = 0
        start = self._position
        piece = self._buffer[start : start + size]
        self._position = start + len(piece)
        return piece

    def send(self, data: bytes) -> int:
        """Writes all of ``data`` within what is left of the handshake's time, or 5 s."""
        self.write(data, self._remaining() or 5.0)
        return len(data)

    def gettimeout(self) -> Optional[float]:
        return self._remaining()

    def settimeout(self, timeout: Optional[float]) -> None:
        """websocket-client may set what it likes: time limits here are ``deadline`` and ``write``'s argument."""

    def fileno(self) -> int:
        return self._raw.fileno()

    def shutdown(self, how: int = socket.SHUT_RDWR) -> None:
        """Wakes every thread that waits on this socket. From any thread; the descriptor stays."""
        try:
            self._raw.shutdown(how)
        except OSError:
            pass  # not connected any more: nobody waits

    def close(self) -> None:
        """What websocket-client calls."""
        self.before_close()
        self.release()

    @property
    def _closed(self) -> bool:  # websocket-client looks at this attribute of sockets
        return self._raw.fileno() < 0

    # -- what the connection calls -------------------------------------------------------------------

    def take_buffered(self) -> bytes:
        """What was read and not yet given out by ``recv``."""
        rest, self._buffer, self._position = self._buffer[self._position:], b"", 0
        return rest

    def read(self) -> bytes:
        """All that one read of the network brings; ``b""`` at the end of the stream."""
        return self._read_raw()

    def write(self, data: bytes, timeout: float) -> None:
        """Writes all of ``data``. Raises ``NotWritten`` or ``PartlyWritten``."""
        deadline = time.monotonic() + timeout
        if not self._write_lock.acquire(timeout=timeout):
            raise NotWritten("another frame could not be written in time: the peer does not read")
        try:
            self._write_locked(data, deadline)
        except NotWritten:
            raise
        except BaseException:
            self.shutdown()  # an exception of a signal's, too, may leave half a frame: nothing can follow it
            raise
        finally:
            self._write_lock.release()

    def release(self) -> None:
        """Gives the descriptor back. Only for the thread that reads: a descriptor closed under a waiting
        thread may be handed to somebody else while that thread still waits on its number."""
        self.shutdown()
        with self._write_lock:  # a writer, woken just now, must not go on with somebody else's descriptor
            self._raw.close()

    def forget(self) -> None:
        """In a forked child: gives up the descriptor alone, so that the parent's connection lives on."""
        try:
            os.close(self._raw.detach())
        except OSError:
            pass  # closed before the fork

    # -- below ---------------------------------------------------------------------------------------

    def _write_locked(self, data: bytes, deadline: float) -> None:
        self._write_raw(data, deadline)

    def _write_raw(self, data: bytes, deadline: float) -> None:
        written = 0
        while True:
            try:
                written += self._send(data[written:] if written else data, _DONT_WAIT)
                if written >= len(data):
                    return
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                broken = error.errno not in _NO_MEMORY
                raise _write_error(written, str(error.strerror or error), broken) from error
            if not _wait_writable(self._raw, deadline - time.monotonic()):
                raise _write_error(written, "timed out: the peer does not read")

    def _read_raw(self) -> bytes:
        if self.deadline is not None:
            remaining = self.deadline - time.monotonic()
            if remaining <= 0:
                raise socket.timeout("timed out")
            self._raw.settimeout(remaining)
        if self._unread <= 0:
            self.caught_up = self._mark
        self.waiting_since = time.monotonic()
        try:
            data = self._raw.recv(_READ_SIZE)
        finally:
            self.waiting_since = None
            if self.deadline is not None:
                self._raw.settimeout(None)
        self.last_read = now = time.monotonic()
        if len(data) < _READ_SIZE:
            self._unread, self._mark = 0, now
        elif self._unread > 0:
            self._unread -= len(data)
        else:
            self._unread, self._mark = self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), now
        return data

    def _remaining(self) -> Optional[float]:
        # Never 0: websocket-client takes that for a socket that must not wait.
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0.001)


class TlsWire(Wire):
    """The same over TLS, through memory buffers."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str, deadline: float) -> None:
        super().__init__(raw)
        self.deadline = deadline
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._tls_lock = threading.Lock()  # guards the TLS object and both of its buffers; never held while waiting
        self._ended = False
        self._error: Optional[OSError] = None
        self._shake_hands()

    def read(self) -> bytes:
        data: Optional[bytes] = None
        # What came with the handshake's last bytes, or half a record, is here already.
        if not self._incoming.pending and not self._ended:
            data = self._read_raw()
        while True:
            with self._tls_lock:
                if data:
                    self._incoming.write(data)
                elif data is not None:
                    self._incoming.write_eof()
                pieces = self._decrypt()
                speaks = self._outgoing.pending
            if speaks:
                try:
                    self._speak()
                except OSError as error:
                    self._ended, self._error = True, self._error or error
            if pieces:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            data = self._read_raw()

    def _decrypt(self) -> List[bytes]:
        """The plaintext of all whole records that are here. Under the TLS lock."""
        pieces: List[bytes] = []
        read, incoming = self._tls.read, self._incoming
        try:
            while not self._ended:
                piece = read(_RECORD_SIZE)
                if not piece:
                    self._ended = True
                    break
                pieces.append(piece)
                if not incoming.pending:
                    break  # asking OpenSSL again would raise, which costs more than a record
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._ended = True  # with a word of farewell, or without: the WebSocket has a farewell of its own
        except ssl.SSLError as error:
            self._ended, self._error = True, error  # told when what came before it has been given out
        return pieces

    def _shake_hands(self) -> None:
        while True:
            done, failure = False, None
            with self._tls_lock:
                try:
                    self._tls.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as error:
                    failure = error
            if failure is not None:
                with contextlib.suppress(OSError):
                    self._speak()  # the alert that tells the peer why
                raise failure
            self._speak()
            if done:
                return
            data = self._read_raw()
            if not data:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the peer closed the connection during the TLS handshake")
            self._incoming.write(data)

    def _speak(self) -> None:
        """Sends what TLS itself has to say: handshake messages, key updates, alerts. Found under the TLS lock, where no
        writer's record can be there: waiting for that one's way out would keep this thread from reading."""
        self._flush(time.monotonic() + (self._remaining() or 5.0))

    def _flush(self, deadline: float) -> None:
        with self._write_lock:
            with self._tls_lock:
                data = self._outgoing.read()
            if data:
                self._write_raw(data, deadline)

    def _write_locked(self, data: bytes, deadline: float) -> None:
        # Under the write lock: records must leave in the order in which they were encrypted.
        with self._tls_lock:
            written = 0
            while written < len(data):  # one record holds 16 KiB
                written += self._tls.write(data[written:])
            record = self._outgoing.read()
        try:
            self._write_raw(record, deadline)
        except OSError:
            # The peer would miss a record: nothing that is written later could be read.
            self.shutdown()
            raise


def _write_error(written: int, reason: str, broken: bool = False) -> OSError:
    return PartlyWritten(reason) if written else NotWritten(reason, broken)


def _wait_writable(raw: socket.socket, timeout: float) -> bool:
    if timeout <= 0 or raw.fileno() < 0:
        return False
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([], [raw], [], timeout)[1])
    poll = select.poll()
    poll.register(raw, select.POLLOUT)
    return bool(poll.poll(min(timeout, 1e6) * 1000))
