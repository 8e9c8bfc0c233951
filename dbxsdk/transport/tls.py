"""A wire over TLS, through memory buffers.

Python's own TLS sockets take two system calls and a hand-over of the GIL for each record, and venues send a record for each
frame. Also, OpenSSL's objects must not be read and written by two threads at the same time, and a reader that waits inside
``SSL_read`` would either race with a writer or keep it out; here the TLS object is only touched under a lock that is never held
while waiting for the network.
"""

from __future__ import annotations

import collections
import contextlib
import socket
import ssl
import threading
from typing import Any, List, Optional

from dbxsdk.transport.outcome import NotSent
from dbxsdk.transport.wire import NO_MEMORY, Wire, wait_until

_RECORD_SIZE = 16384  # the longest plaintext of one record
_OWN_LIMIT = 65536
"""Bytes that TLS itself may have to say (answers to key updates) to a peer that does not read."""


def default_context() -> ssl.SSLContext:
    """Return Python's default context, with TLS 1.2 at least: before 3.10 that is left to the system."""
    context = ssl.create_default_context()
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


class TlsWire(Wire):
    """A wire over TLS, through memory buffers.

    ``_outgoing`` holds the records that are not in the rest yet: what TLS itself has to say while a rest waits. It is the
    queue behind the rest, so that records leave in the order in which they were encrypted.
    """

    _must_leave = True  # the peer would miss a record, and could read none behind it

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str, deadline: float) -> None:
        super().__init__(raw)
        self.deadline = deadline
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # Guards the TLS object and both of its buffers; taken after the write lock, and never held while waiting.
        self._tls_lock = threading.Lock()
        self._encrypting = False
        """True while a frame of several records is encrypted, and for ever if that was interrupted."""
        self._ended = False
        self._error: Optional[OSError] = None
        self._shake_hands()

    def read(self) -> bytes:
        data: Optional[bytes] = None
        # What came with the handshake's last bytes, or half a record, is here already.
        if not self._incoming.pending and not self._ended:
            data = super().read()
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
                    self._flush_tls()
                except OSError as error:
                    if not self._ended:  # else it was an alert, which nobody hears any more
                        self._ended, self._error = True, error
            if pieces:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            data = super().read()

    def _decrypt(self) -> List[bytes]:
        """Return the plaintext of all whole records that are here. Under the TLS lock."""
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
            self._ended = True  # with TLS's farewell, or without: the WebSocket has a farewell of its own
        except ssl.SSLError as error:
            self._ended, self._error = True, error  # raised when what came before it has been given out
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
                    self.push()  # the alert that gives the peer the reason
                raise failure
            if not wait_until(self.push, self.deadline):
                raise socket.timeout("timed out")
            if done:
                return
            data = super().read()
            if not data:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the peer closed the connection during the TLS handshake")
            self._incoming.write(data)

    def _flush_tls(self) -> None:
        """Flush pending TLS records (key updates, alerts) as far as there is room: the reader never waits for a writer."""
        if not self.push() and self._outgoing.pending > _OWN_LIMIT:
            with self._write_lock:
                raise self._break("the peer changes keys all the time and does not read")

    # -- under the write lock ------------------------------------------------------------------------

    def _interrupted(self, data: bytes) -> None:
        """What was encrypted must leave: now, as far as there is room, and not much later."""
        with contextlib.suppress(OSError):
            self._push()

    def _encrypted(self, data: bytes) -> List[Any]:
        with self._tls_lock:
            try:
                self._encrypt(data)
            except ssl.SSLError as error:
                raise NotSent(str(self._break(str(error))), broken=True) from error
            return self._fetch()

    def _encrypt(self, data: bytes) -> None:
        if len(data) <= _RECORD_SIZE:
            self._tls.write(data)
            return
        view = memoryview(data)
        self._encrypting = True
        pieces = [view[at : at + _RECORD_SIZE] for at in range(0, len(data), _RECORD_SIZE)]
        collections.deque(map(self._tls.write, pieces), maxlen=0)
        self._encrypting = False

    def _fetch(self) -> List[Any]:
        """Move TLS's records to the rest, which is empty, in one step for signal handlers. Under the TLS lock, too."""
        rest: List[Any] = []
        self.rest = rest
        rest.extend(map(self._outgoing.read, (-1,)))
        return rest

    def _refused(self, rest: List[Any], error: OSError) -> None:
        if error.errno in NO_MEMORY:
            rest.append(0)  # encrypted already
        else:
            raise NotSent(str(self._break(error.strerror or str(error))), broken=True) from error

    def _push(self) -> bool:
        while not self._broken:
            if self._encrypting:
                raise self._break("the encryption of a frame was interrupted")
            if not super()._push():
                return False
            with self._tls_lock:
                if not self._outgoing.pending:
                    return True
                self._fetch()
        return True
