"""A new connection's login: the venue's requests and their answers, one after the other."""

from __future__ import annotations

import collections
import threading
import time
from typing import Any, Callable, Deque, Optional

from dbxsdk.errors import ConnectError, DbxError, VenueError
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Reply, Request
from dbxsdk.runtime.clock import Clock
from dbxsdk.session.pending import Entry
from dbxsdk.session.requests import SEND_TIMEOUT, Requests, send
from dbxsdk.transport import NotSent, SendFailed


class Login:
    """The reader thread's own."""

    def __init__(
        self,
        protocol: Protocol,
        options: Options,
        endpoint: str,
        lock: threading.Lock,
        requests: Requests,
        clock: Clock,
        filed: Callable[[], None],
    ) -> None:
        """``lock`` guards ``requests``. ``filed`` is told that there is a new deadline."""
        self._protocol = protocol
        self._options = options
        self._endpoint = endpoint
        self._lock = lock
        self._requests = requests
        self._clock = clock
        self._filed = filed
        self._left: Deque[Request] = collections.deque()
        self.error: Optional[DbxError] = None
        """What the last connection's login ended with, if it was that."""

    def begin(self, connection: Any, done: Callable[[], None]) -> None:
        """Calls ``done`` when the connection is logged in; aborts it where it cannot be."""
        try:
            self._left = collections.deque(self._protocol.login(self._now_ms()))
        except Exception as error:  # a signer of the user's may raise anything
            self._impossible(connection, error)
            return
        self._next(connection, done)

    def _next(self, connection: Any, done: Callable[[], None]) -> None:
        if not self._left:
            done()
            return

        def answered(request: Request, reply: Optional[Reply]) -> None:
            if reply is None:
                connection.abort("the venue did not answer the login in time")
                return
            try:
                more = self._protocol.login_answered(request, reply, self._now_ms())
            except VenueError as error:
                self.error = error
                connection.abort(f"the venue refused the login: {error}")
                return
            except Exception as error:
                self._impossible(connection, error)
                return
            self._left.extend(more)
            self._next(connection, done)

        request = self._left.popleft()
        with self._lock:
            deadline = time.monotonic() + self._options.request_timeout
            self._requests.pending.file(Entry(request, handler=answered, deadline=deadline))
        self._filed()
        try:
            send(request, connection, SEND_TIMEOUT)
        except (NotSent, SendFailed) as error:
            connection.abort(f"the login could not be sent: {error}")

    def _impossible(self, connection: Any, error: Exception) -> None:
        # Without the error's text, which may hold what was to be signed.
        reason = f"{self._endpoint}: the login could not be made: {type(error).__name__}"
        self.error = ConnectError(reason)
        self.error.__cause__ = error
        connection.abort(reason)

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000
