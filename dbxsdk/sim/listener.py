"""The listening socket of a local venue, which can end what it accepted at any stage of a connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any, Optional, Set, Tuple


class Listener(socket.socket):
    """Listens on ``host``; keeps the accepted sockets at hand, ``limit`` at most, and closes the others at once.

    The server above knows a connection only once its opening handshake began; a client that connects and says
    nothing would hold up ``Venue.close()``.
    """

    def __init__(self, host: str, port: int, ssl_context: Optional[ssl.SSLContext], limit: int) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.stopping = False
        self._ssl_context = ssl_context
        self._limit = limit
        self._accepted: Set[socket.socket] = set()
        self._accepted_lock = threading.Lock()  # guards _accepted
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.bind((host, port))
            self.listen(128)
        except OSError:
            self.close()
            raise

    def accept(self) -> Tuple[socket.socket, Any]:
        accepted, address = super().accept()
        if self._ssl_context is not None:
            # The TLS handshake happens at the first read, on the connection's own thread and within its time limit:
            # here it would hold up all others.
            accepted = self._ssl_context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        with self._accepted_lock:
            self._accepted = {sock for sock in self._accepted if sock.fileno() >= 0}
            if self.stopping or len(self._accepted) >= self._limit:
                accepted.close()
            else:
                self._accepted.add(accepted)
        return accepted, address

    def cut_all(self) -> None:
        """End every accepted connection, also those still in their handshake; close later ones at once."""
        with self._accepted_lock:
            self.stopping = True
            accepted = list(self._accepted)
        for sock in accepted:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
