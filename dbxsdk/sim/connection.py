"""One client's connection to a local venue: a bounded queue of outbound frames, and the thread that writes them.

The market and the other connections only ever put frames into the queue, which never waits, so that a client that
stopped reading holds up only itself: when its queue is full, its connection is cut.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import logging
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, MutableMapping, Optional, Tuple, Union

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

logger = logging.getLogger(__name__)

Frame = Union[str, bytes]


class QuietLogger(logging.LoggerAdapter):  # type: ignore[type-arg]  # generic in typeshed, not at run time in 3.9
    """Logs at debug level what ``websockets`` logs.

    A local venue is cut off, mistreated and shut down all day, on purpose: what a real server reports as an error
    must not reach the stderr of a test run.
    """

    def __init__(self) -> None:
        super().__init__(logger, {})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> Tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs

    def isEnabledFor(self, level: int) -> bool:
        # Asked by the library before it logs whole frames as debug. They hold signatures.
        return level > logging.DEBUG and self.logger.isEnabledFor(logging.DEBUG)

    def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        kwargs["extra"] = None  # a reference to the whole connection, which no handler of ours uses
        self.logger.log(logging.DEBUG, msg, *args, **kwargs)


class Wire(ServerConnection):
    """The WebSocket itself, which can be muted."""

    mute: Optional[Callable[[], bool]] = None
    """Called before every write once it is set; True discards what would be written."""

    def send_data(self) -> None:
        # Pongs and close frames are written by the library itself. A venue that went silent sends neither: a
        # client whose heartbeat is a protocol ping must notice, too.
        if self.mute is not None and self.mute():
            self.protocol.data_to_send()
        else:
            super().send_data()

    def cut(self) -> None:
        """End the TCP connection without a close frame, from any thread, also under a blocked write."""
        # Not self.socket.shutdown(): on TLS that drops the TLS object first, and a write in another thread could
        # then go out in clear. Not close(): closing a descriptor does not wake the thread that waits on it.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Unread:
    """What all clients of a venue have not read yet, in bytes, and their limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._bytes: Dict[Connection, int] = {}
        self._total = 0

    def add(self, connection: Connection, size: int) -> None:
        """Count so many bytes more, or less, of this client."""
        with self._lock:
            self._bytes[connection] = self._bytes.get(connection, 0) + size
            self._total += size

    def forget(self, connection: Connection) -> None:
        """Count nothing of this client any more."""
        with self._lock:
            self._total -= self._bytes.pop(connection, 0)

    def worst(self) -> Optional[Connection]:
        """Return the client that left most, if all together are over the limit."""
        with self._lock:
            return max(self._bytes, key=self._bytes.__getitem__) if self._total > self._limit else None


class Connection:
    """One client.

    Attributes:
        number: 1 for the venue's first connection, and so on.
        path: the path that the client asked for, without the query.
        query: the query text after ``?``, or ``""``.
        topics: what this connection is subscribed to, in order; the values are the venue's.
        state: what else the venue remembers of this client.
        active: the monotonic time of the last frame from or to this client.
    """

    def __init__(
        self, wire: Wire, number: int, path: str, query: str, *, name: str, queue_size: int, unread: Unread
    ) -> None:
        self.number = number
        self.path = path
        self.query = query
        self.topics: Dict[str, Any] = {}
        self.state: Dict[str, Any] = {}
        self.active = time.monotonic()
        self.wire = wire
        self.closing = False
        """A close frame is on its way: it goes out even if the venue is silent."""
        self.overflowed = False
        self._queue_size = queue_size
        self._unread = unread
        # Guards the queues and the countdown, and wakes the writer. Held for moments only, never while writing.
        self._wake = threading.Condition()
        self._queue: Deque[Tuple[float, Any]] = deque()  # frames, and calls that end the connection
        # A heap by time, then by number: frames that go out at their own times, ahead of what was queued before them.
        self._timed: List[Tuple[float, int, Frame]] = []
        self._timed_count = 0
        self._frames_left: Optional[int] = None
        self.ended = False
        """Nothing more is queued for it, though the client may not have noticed the end yet."""
        self.writer = threading.Thread(target=self._write, name=f"{name}-writer", daemon=True)

    def put(self, frame: Frame, not_before: float = 0.0) -> None:
        """Queue one frame. It is written after those before it, and not before the monotonic time ``not_before``."""
        with self._wake:
            if self._room():
                self._unread.add(self, len(frame))
                self._queue.append((not_before, frame))
                self._count_down()
            self._wake.notify()
        self._cut_overflowed()

    def put_at(self, frame: Frame, due: float) -> None:
        """Queue one frame for the monotonic time ``due``, ahead of what is queued for later or for no time."""
        with self._wake:
            if self._room():
                self._unread.add(self, len(frame))
                self._timed_count += 1
                heapq.heappush(self._timed, (due, self._timed_count, frame))
                self._count_down()
            self._wake.notify()
        self._cut_overflowed()

    def _room(self) -> bool:
        """True if one more frame may be queued. The caller holds the lock."""
        if self.ended:
            return False
        if len(self._queue) + len(self._timed) >= self._queue_size:
            self._overflow()
            return False
        return True

    def _count_down(self) -> None:
        """Count one more queued frame. The caller holds the lock."""
        if self._frames_left is not None:
            self._frames_left -= 1
            if self._frames_left <= 0:
                self._queue.append((0.0, self.wire.cut))
                self.ended = True

    def _overflow(self) -> None:
        """Throw away what is queued. The caller holds the lock."""
        self.ended = self.overflowed = True
        self._clear()

    def _clear(self) -> None:
        self._queue.clear()
        self._timed.clear()
        self._unread.forget(self)

    def _cut_overflowed(self) -> None:
        worst = self._unread.worst()
        if worst is not None:
            with worst._wake:
                worst._overflow()
                worst._wake.notify()
            worst.wire.cut()
        if self.overflowed:
            logger.debug("connection %d does not read: cut with %d frames queued", self.number, self._queue_size)
            self.wire.cut()

    def cut_after(self, frames: int) -> None:
        """Cut the connection after so many more frames."""
        with self._wake:
            self._frames_left = frames

    def cut(self) -> None:
        """End the connection without a close frame."""
        self._end(None)
        self.wire.cut()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame ahead of everything queued; do not wait for the answer."""
        self.closing = True
        self._end(functools.partial(self.wire.close, code, reason))

    def join(self, timeout: float) -> None:
        """Wait for the writer, which must not call this."""
        if self.writer.ident is not None:
            self.writer.join(timeout)

    def finish(self) -> None:
        """Mark the connection as over; the writer ends."""
        self._end(None)

    def _end(self, last: Optional[Callable[[], None]]) -> None:
        with self._wake:
            self.ended = True
            self._clear()
            if last is not None:
                self._queue.append((0.0, last))
            self._wake.notify()

    def _next(self) -> Any:
        with self._wake:
            while True:
                now = time.monotonic()
                if self._timed and self._timed[0][0] <= now:
                    return self._took(heapq.heappop(self._timed)[2])
                if self._queue and self._queue[0][0] <= now:
                    return self._took(self._queue.popleft()[1])
                if self._queue or self._timed:
                    heads = [head[0][0] for head in (self._queue, self._timed) if head]
                    self._wake.wait(min(heads) - now)
                elif self.ended:
                    return None
                else:
                    self._wake.wait()

    def _took(self, item: Any) -> Any:
        if not callable(item):
            self._unread.add(self, -len(item))
        return item

    def _write(self) -> None:
        try:
            while True:
                item = self._next()
                if item is None:
                    return
                if callable(item):
                    item()
                else:
                    self.wire.send(item)
                    self.active = time.monotonic()
        except ConnectionClosed:
            pass
        except Exception:
            logger.debug("the writer of connection %d failed", self.number, exc_info=True)
            self.wire.cut()
