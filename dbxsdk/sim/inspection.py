"""What the user of a local venue sees of it: connections, requests, subscriptions, and waiting for them."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple, Union

import attrs

from dbxsdk.codec import decode
from dbxsdk.errors import ProtocolError
from dbxsdk.sim.connection import Connection

_REQUESTS_KEPT = 10_000
_REQUEST_BYTES_KEPT = 16 * 1024 * 1024


@attrs.frozen
class ClientFrame:
    """One frame that a client sent: its connection's path and number, and the text or bytes as they came."""

    path: str
    connection: int
    raw: Union[str, bytes] = attrs.field(repr=False)  # may hold a signature

    @property
    def document(self) -> Any:
        """The decoded document; None if it is not JSON. Decoded at each access: it may be many times as large."""
        return decoded(self.raw)


def decoded(raw: Union[str, bytes]) -> Any:
    """Return the document in a frame; None if it is not JSON."""
    try:
        return decode(raw)
    except ProtocolError:
        return None


class Inspected:
    """A venue's clients, and its one lock."""

    def __init__(self) -> None:
        # Guards all that follows and what the venue adds to it. Reentrant, because the public readings below
        # are also used by the venue's own code. Never held while writing to a socket or running a user's code.
        self._lock = threading.RLock()
        self._changed_condition = threading.Condition(self._lock)
        self._version = 0
        self._connections: Dict[int, Connection] = {}
        self._connection_count = 0
        self._requests: Deque[ClientFrame] = deque()
        self._request_bytes = 0
        self._steps = 0

    @property
    def connections(self) -> int:
        """The connections open now."""
        with self._lock:
            return len(self._connections)

    @property
    def connection_count(self) -> int:
        """The connections made so far."""
        with self._lock:
            return self._connection_count

    @property
    def requests(self) -> List[ClientFrame]:
        """The frames received from clients, oldest first; the last 10,000 are kept, of 16 MiB together."""
        with self._lock:
            return list(self._requests)

    def _remember(self, frame: ClientFrame) -> None:
        self._requests.append(frame)
        self._request_bytes += sys.getsizeof(frame.raw)
        while len(self._requests) > _REQUESTS_KEPT or self._request_bytes > _REQUEST_BYTES_KEPT:
            self._request_bytes -= sys.getsizeof(self._requests.popleft().raw)

    @property
    def steps(self) -> int:
        """The market's steps so far."""
        with self._lock:
            return self._steps

    def subscriptions(self, path: Optional[str] = None) -> Tuple[str, ...]:
        """Return the unique topics now subscribed over all connections (of ``path``, if given), sorted."""
        with self._lock:
            connections = [each for each in self._connections.values() if path is None or each.path == path]
            return tuple(sorted({topic for each in connections if not each.ended for topic in each.topics}))

    def wait_until(self, predicate: Callable[[], object], timeout: float = 5.0) -> bool:
        """Wait until ``predicate()`` is true, asking again after every change of the venue; False at the timeout."""
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                version = self._version
            # Without the lock: it is the caller's code. A change in between shows in the version.
            if predicate():
                return True
            with self._changed_condition:
                while self._version == version:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return bool(predicate())
                    self._changed_condition.wait(left)

    def _changed(self) -> None:
        with self._changed_condition:
            self._version += 1
            self._changed_condition.notify_all()
