"""The byte stream below a WebSocket: a TCP socket, read in large pieces. ``tls`` has the same over TLS.

websocket-client, which makes the handshake, sees an object with the few socket methods that it uses. Two things are
different here:

* Reads are large: one system call brings up to 64 KiB, be it hundreds of frames or hundreds of TLS records.
* Writes never wait. The kernel takes what it has room for; what it does not take is the wire's *rest*, at most one frame's,
  and leaves before anything else.

A user's signal handler may raise between any two steps of the main thread. So every lock is held by ``with`` alone (safe from
Python 3.10 on), and never over a wait; and how much of a frame has left is known at each moment. ``list.extend(map(send, ...))``
is one step for a signal handler, which only runs between two instructions of Python: ``send``'s result is in the list before a
handler can run. What an interruption leaves is therefore always one of these values of ``rest``:

* ``[]``: nothing waits.
* ``[data]``: not a byte of ``data`` has left. Of a plain wire, it was interrupted and is dropped; TLS's records must all leave.
* ``[data, count, ...]``: the kernel has taken as many bytes of it as the counts come to, the others must follow.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import socket
import threading
from typing import Any, Callable, List, Optional

from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport import handshake
from dbxsdk.transport.outcome import NotSent, SendFailed

_READ_SIZE = 65536
# Where it is missing (Windows) the socket itself must not wait, and readers ask ``select`` first.
_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
_FLAGS = (_DONT_WAIT,)
_LOOK = 0.25
"""Seconds between a reader's looks there: nothing promises that ``select`` sees a shutdown by this process."""
_NO_ROOM = (BlockingIOError, InterruptedError)
NO_MEMORY = (errno.ENOBUFS, errno.ENOMEM)  # for this write; the connection lives
_PAUSES = (0.0005, 0.001, 0.002, 0.005, 0.01)
"""Seconds between the looks of a ``write`` that waits for room."""


class Wire:
    """A connected TCP socket with buffered reads and writes that never wait."""

    _must_leave = False
    """True of TLS: what is encrypted must leave, also if nothing of it has left when it is given up."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        if not _DONT_WAIT:
            raw.setblocking(False)
        # gevent's socket waits on its own, without a limit, where the system's would not: not so the one within.
        self._send: Callable[[Any, int], int] = getattr(raw, "_sock", raw).send
        self._buffer = b""
        self._position = 0
        self._answered = False
        """True once the head of the handshake's answer has been read."""
        self._write_lock = threading.Lock()  # guards what follows, and the descriptor; never held while waiting
        self.rest: List[Any] = []
        """See above. Without the lock: not empty if something waits, or another thread is in the middle of an ``offer``."""
        self._owner: Optional[bytes] = None
        """The data offered last, while part of it is in the rest; still so if that part could not leave."""
        self._stuck_since: Optional[float] = None
        self._refusal = ""
        """Why nothing more is taken."""
        self.broken_by: Optional[str] = None
        """Why something that was being sent ended the stream."""
        self._broken = False
        self.deadline: Optional[float] = None
        """Monotonic time after which reads fail; for the handshake. None: reads wait for ever."""
        self.before_close: Callable[[], None] = lambda: None
        """Called before websocket-client closes the socket; may raise."""
        self.waiting_since: Optional[float] = None
        """Since when the reader waits for the network; None while it is at work."""
        self.last_read = self.caught_up = self._mark = monotonic()
        # ``caught_up``: what had come by then was read, and its reader has come back for more. A read that is not full takes
        # all that is there; a full one leaves the socket's buffer at most, which ``_unread`` bytes more will have emptied.
        self._unread = 0

    # -- what websocket-client calls -----------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """Return up to ``size`` bytes; ``b""`` at the end of the stream."""
        if self._position >= len(self._buffer):
            self._buffer = self.read() if self._answered else handshake.answer(self.read)
            self._answered, self._position = True, 0
        start = self._position
        piece = self._buffer[start : start + size]
        self._position = start + len(piece)
        return piece

    def send(self, data: bytes) -> int:
        """Write all of a handshake's request within what is left of its time, or 5 s."""
        self.write(handshake.request(data), self._remaining() or 5.0)
        return len(data)

    def gettimeout(self) -> Optional[float]:
        return self._remaining()

    def settimeout(self, timeout: Optional[float]) -> None:
        """Ignore what websocket-client sets: time limits here are ``deadline`` and ``write``'s argument."""

    def fileno(self) -> int:
        return self._raw.fileno()

    def shutdown(self, how: int = socket.SHUT_RDWR) -> None:
        """Wake every thread that waits on this socket. From any thread; the descriptor stays."""
        with self._write_lock:  # a descriptor that is being closed may be somebody else's the next moment
            self._shut(how)

    def close(self) -> None:
        """End the connection; what websocket-client calls."""
        self.before_close()
        self.release()

    @property
    def _closed(self) -> bool:  # websocket-client looks at this attribute of sockets
        return self._raw.fileno() < 0

    # -- reading -------------------------------------------------------------------------------------

    def take_buffered(self) -> bytes:
        """Return what was read and not yet given out by ``recv``."""
        rest, self._buffer, self._position = self._buffer[self._position:], b"", 0
        return rest

    def read(self) -> bytes:
        """Return all that one read of the network brings; ``b""`` at the end of the stream."""
        if self._unread <= 0:
            self.caught_up = self._mark
        self.waiting_since = monotonic()
        try:
            if self.deadline is not None or not _DONT_WAIT:
                # Not by a timeout of the socket's, for which writers would wait, too.
                data = _receive(self._raw, self.deadline)
            else:
                data = self._raw.recv(_READ_SIZE)
        finally:
            self.waiting_since = None
        self.last_read = now = monotonic()
        if len(data) < _READ_SIZE:
            self._unread, self._mark = 0, now
        elif self._unread > 0:
            self._unread -= len(data)
        else:
            self._unread, self._mark = self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), now
        return data

    # -- writing, from any thread --------------------------------------------------------------------

    def offer(self, data: bytes, last: bool = False) -> bool:
        """Hand ``data`` to the kernel as far as it has room now; the rest leaves with later calls of ``push``.

        Return False, and take nothing of it, while another frame's rest is still here. Nothing is taken after data that was
        the ``last``. Raise ``NotSent``, or ``SendFailed`` where the stream broke in the middle of ``data``.
        """
        with self._write_lock:
            if self._refusal:
                raise NotSent(self._refusal, broken=True)
            if self.rest and not self._make_way():
                return False
            try:  # all in one piece: a call costs a tenth of a frame's way to the kernel
                if self._must_leave:
                    rest = self._encrypted(data)
                else:
                    self.rest = rest = [data]
                try:
                    rest.extend(map(self._send, (rest[0],), _FLAGS))
                except OSError as error:
                    self._none_left(rest, error)
                if rest[1] == len(rest[0]):
                    self.rest = []
                else:
                    self._owner, self._stuck_since = data, monotonic()
                    if rest[1]:
                        self._push()
            except (NotSent, SendFailed):
                raise
            except BaseException:  # a signal handler's
                self._interrupted(data)
                raise
            if last:
                self._refusal = "the close frame was sent"
            return True

    def push(self) -> bool:
        """Hand more of the rest to the kernel. Return True when nothing is left. Raise ``SendFailed`` if the stream breaks."""
        with self._write_lock:
            return self._push()

    @property
    def stuck_since(self) -> Optional[float]:
        """Return the monotonic time since when a rest has waited without any progress; None if none waits."""
        if not self.rest:
            return None
        with self._write_lock:
            if not self._left():
                return None
            if self._stuck_since is None:  # an interruption left it
                self._stuck_since = monotonic()
            return self._stuck_since

    def write(self, data: bytes, timeout: float, last: bool = False) -> None:
        """Offer ``data`` and wait until all of it has left. Raise ``NotSent`` or ``SendFailed``."""
        deadline = monotonic() + timeout
        try:
            if not wait_until(lambda: self.offer(data, last), deadline):
                raise NotSent("another frame could not be written in time: the peer does not read")
            if not wait_until(lambda: self._owner is not data or self.push(), deadline):
                self._take_back(data, "timed out: the peer does not read")
            if self._broken and self._owner is data:
                raise SendFailed(self._refusal)
        except NotSent:
            raise
        except BaseException:  # a signal handler's, too: nobody would push what is left
            with contextlib.suppress(NotSent, SendFailed):
                self._take_back(data, "a frame was given up in the middle")
            raise

    # -- the end -------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give the descriptor back. Only for the thread that reads: a descriptor closed under a waiting
        thread may be handed to somebody else while that thread still waits on its number."""
        with self._write_lock:
            self._shut()
            self._refusal, self._broken, self.rest = self._refusal or "the connection is closed", True, []
            self._raw.close()

    def forget(self) -> None:
        """In a forked child: close the bare descriptor alone, so that the parent's connection lives on."""
        try:
            os.close(self._raw.detach())
        except OSError:
            pass  # closed before the fork

    # -- below; under the write lock -----------------------------------------------------------------

    def _make_way(self) -> bool:
        """Push for a new frame. Return True if there is a free way for it."""
        try:
            return self._push()
        except SendFailed as error:  # another frame's part: nothing of the new one has left
            raise NotSent(str(error), broken=True) from error

    def _encrypted(self, data: bytes) -> List[Any]:
        """Return TLS's records of ``data``, which are the rest now."""
        raise NotImplementedError

    def _none_left(self, rest: List[Any], error: OSError) -> None:
        """Decide what becomes of new data of which the kernel took nothing."""
        if len(rest) > 1 or error.errno is None:
            raise error  # a signal handler's: the kernel's say which, and come alone
        if isinstance(error, _NO_ROOM):
            rest.append(0)
        else:
            self._refused(rest, error)

    def _refused(self, rest: List[Any], error: OSError) -> None:
        """The kernel takes nothing of new data, for another reason than want of room."""
        self.rest = []
        raise NotSent(error.strerror or str(error), broken=error.errno not in NO_MEMORY) from error

    def _interrupted(self, data: bytes) -> None:
        """A signal handler raised in the middle of ``offer``. What has not begun to leave never will: its caller gives it up."""
        if len(self._left()) in (0, len(data)):
            self.rest, self._owner = [], None

    def _push(self) -> bool:
        if self._broken:
            return True
        left = self._left()
        while left:
            # A list of its own for each try, so that the counts do not pile up.
            self.rest = rest = [left, 0]
            try:
                rest.extend(map(self._send, (left,), _FLAGS))
            except OSError as error:
                if len(rest) > 2 or error.errno is None:
                    raise  # as in ``_none_left``
                if isinstance(error, _NO_ROOM) or error.errno in NO_MEMORY:
                    return False
                raise self._break(error.strerror or str(error)) from error
            if not rest[-1]:
                return False
            self._stuck_since = monotonic()
            left = left[rest[-1]:]
        self.rest, self._owner, self._stuck_since = [], None, None
        return True

    def _left(self) -> Any:
        """Return what still has to leave."""
        rest = self.rest
        if not rest or (len(rest) == 1 and not self._must_leave):
            return b""
        return memoryview(rest[0])[sum(rest[1:]):]

    def _break(self, reason: str) -> SendFailed:
        """End the stream, whose next bytes will never come. Return the error to raise."""
        self._refusal, self._broken, self.broken_by = reason, True, reason
        self._shut()
        self.rest = []
        return SendFailed(reason)

    def _shut(self, how: int = socket.SHUT_RDWR) -> None:
        try:
            self._raw.shutdown(how)
        except OSError:
            pass  # not connected any more: nobody waits

    # -- below; without a lock -----------------------------------------------------------------------

    def _take_back(self, data: bytes, reason: str) -> None:
        """Give up what of ``data`` is still here, if anything. Raise ``NotSent`` if that is all of it, else ``SendFailed``:
        nothing can follow half a frame."""
        with self._write_lock:
            if self._owner is not data or self._broken:
                return
            if len(self._left()) == len(data) and not self._must_leave:
                self.rest, self._owner, self._stuck_since = [], None, None
                raise NotSent(reason)
            raise self._break(reason)

    def _remaining(self) -> Optional[float]:
        # Never 0: websocket-client takes that for a socket that must not wait.
        return None if self.deadline is None else max(self.deadline - monotonic(), 0.001)


def wait_until(done: Callable[[], bool], deadline: Optional[float]) -> bool:
    """Ask ``done`` again and again, with pauses. Return True once it is; False when the time is up."""
    # Not by ``select``, whose descriptor the reader may close meanwhile: then its number may be somebody else's.
    pause = threading.Event()
    pauses = itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1]))
    while not done():
        left = 1.0 if deadline is None else deadline - monotonic()
        if left <= 0:
            return False
        pause.wait(min(next(pauses), left))
    return True


def _receive(raw: socket.socket, deadline: Optional[float]) -> bytes:
    """Read from a socket that does not have to wait. Raise ``socket.timeout`` when the time is up."""
    while True:
        remaining = None if deadline is None else deadline - monotonic()
        if remaining is not None and remaining <= 0:
            raise socket.timeout("timed out")
        if raw.fileno() >= 0 and not _is_readable(raw, remaining) and _DONT_WAIT:
            continue  # the time is up
        with contextlib.suppress(*_NO_ROOM):
            return raw.recv(_READ_SIZE)


def _is_readable(raw: socket.socket, timeout: Optional[float]) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([raw], [], [], _LOOK if timeout is None else min(timeout, _LOOK))[0])
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return bool(poll.poll(None if timeout is None else min(timeout, 1e6) * 1000))
