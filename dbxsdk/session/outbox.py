"""The outbox of one connection: frames leave in the order in which their requests were decided, and nobody waits for it."""

from __future__ import annotations

import collections
import threading
from typing import Any, Deque, List, Tuple

from dbxsdk.session.core.requests import Entry
from dbxsdk.transport import NotSent, SendFailed

STUCK = 5.0
"""Seconds: a peer that does not take a frame for so long is as good as gone."""


class Outbox:
    """Written by whichever thread has put something in, as far as the way is free; the rest by the watch."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # Guards the order of frames and each entry's ``written``. Held over writes, which never wait.
        self._lock = threading.Lock()
        self._entries: Deque[Entry] = collections.deque()
        self._shut = False

    def put(self, entry: Entry) -> None:
        """Add an entry behind all others; ``pump`` follows. Under the session's lock, which keeps the order."""
        entry.outbox = self
        self._entries.append(entry)

    @property
    def waits(self) -> bool:
        """True if something could not be written yet."""
        return bool(self._entries) or self._connection.stuck_since is not None

    def pump(self) -> List[Tuple[Entry, str]]:
        """Write what can be written now. Returns the entries of which the system would not take a byte, and why."""
        refused: List[Tuple[Entry, str]] = []
        if not self._entries:
            return refused
        with self._lock:
            while self._entries and not self._shut:
                # Taken out first, so that the reader, which may have its answer before it is written whole, finds nothing to
                # write and does not wait here.
                entry = self._entries.popleft()
                if not entry.abandoned and not self._write(entry, refused):
                    self._entries.appendleft(entry)
                    break
        return refused

    def push(self) -> None:
        """Write more of a frame of which only a part could be written."""
        with self._lock:
            if not self._shut:
                try:
                    self._connection.push()
                except (NotSent, SendFailed):
                    pass  # the connection is ending, and the reader sees it

    def _write(self, entry: Entry, refused: List[Tuple[Entry, str]]) -> bool:
        """False if there is no room for it now."""
        request = entry.request
        # Before a byte leaves: interrupted from here on, it may have been carried out.
        entry.written = True
        try:
            taken: bool = self._connection.offer(request.frame, ping=request.is_ping)
        except SendFailed:
            return True  # part of it may have left; the connection is ending, and its end decides what becomes of it
        except NotSent as error:
            entry.written = False
            if error.broken or self._connection.stopped:
                self._shut = True  # the connection's end sees to what has not been written
                if error.broken:
                    # Its reader may stand still before a full queue, and see nothing.
                    self._connection.abort(f"a frame could not be sent: {error}")
                return False
            refused.append((entry, str(error)))
            return True
        if not taken:
            entry.written = False
        return taken

    def shut(self) -> None:
        """Nothing is written any more: from now on each entry's ``written`` is final."""
        with self._lock:
            self._shut = True
            self._entries.clear()

    def settle(self) -> None:
        """Return once no write is under way: then an abandoned entry's ``written`` is final."""
        with self._lock:
            pass
