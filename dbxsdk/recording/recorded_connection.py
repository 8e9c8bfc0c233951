"""One recorded connection: a session calls it for each frame."""

from __future__ import annotations

import itertools
import operator
import time
from typing import Any, Callable, Iterator, Optional, Sequence, Tuple

import attrs

from dbxsdk.events import RecordingFailed
from dbxsdk.recording.format import Closed, Frame, NotSent
from dbxsdk.recording.redaction import Secrets
from dbxsdk.runtime.clock import monotonic_ns

OnError = Callable[[RecordingFailed], Any]

FRAME_BYTES = 200
"""Memory that a frame takes beside its payload, and about what its line has beside that."""
_is_binary = operator.itemgetter(1)


@attrs.frozen(eq=False, repr=False)
class RecordedConnection:
    """One connection of a recording. Each call costs an append to a queue, from any thread; none raises, none waits."""

    number: int
    secrets: Secrets
    on_error: Optional[OnError]
    _put: Callable[[Tuple[Any, ...], int, int], None]
    _close: Callable[["RecordedConnection", Closed], None]
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)  # next() on it is atomic

    def received(self, payloads: Sequence[Tuple[bytes, bool]], wall_ns: int, at_ns: int) -> None:
        """Record messages ``(payload, binary)`` that were read at one moment."""
        if not payloads:
            return
        # The pairs go with the read that they came by. Tuples that waited in the queue would be looked at by the collector.
        if len(payloads) == 1:
            ((payload, is_binary),) = payloads
            size = FRAME_BYTES + len(payload)
            self._put((self, (payload,), at_ns, wall_ns, is_binary, size), size, 1)
            return
        only, binary = zip(*payloads)  # noqa: B905
        if binary.count(binary[0]) == len(binary):
            size = FRAME_BYTES * len(only) + sum(map(len, only))
            self._put((self, only, at_ns, wall_ns, binary[0], size), size, len(only))
        else:
            for _, alike in itertools.groupby(payloads, _is_binary):
                self.received(list(alike), wall_ns, at_ns)

    def sent(self, text: str, *, secret: bool = False) -> int:
        """Record a text frame that is about to be sent; return its number, for ``not_sent``. Call this before the frame is
        written: its answer may come before the write returns. ``secret`` leaves the text out (a login), and hides its
        values elsewhere, too."""
        number = next(self._numbers)
        if secret:
            self.secrets.learn(text)
        payload = None if secret else text.encode("utf-8", "surrogatepass")
        self._frame("out", "text", payload, number)
        return number

    def not_sent(self, number: int) -> None:
        """Record that the frame was not sent after all: not one byte of it left."""
        self._put((self, NotSent(self.number, monotonic_ns(), time.time_ns(), number)), 0, 0)

    def control(self, direction: str, kind: str, payload: bytes) -> None:
        """Record a control frame: ``direction`` is ``"in"`` or ``"out"``, ``kind`` ``"ping"``, ``"pong"`` or ``"close"``."""
        self._frame(direction, kind, payload, None)

    def closed(
        self,
        reason: str,
        code: Optional[int] = None,
        retry_in: Optional[float] = None,
        last_received: Optional[float] = None,
    ) -> None:
        """Record the connection's end; ``code`` and ``retry_in`` as in the event ``Disconnected``, ``last_received`` when the
        last byte came (monotonic seconds). Nothing may follow."""
        reason = self.secrets.hide(reason)
        received_ns = None if last_received is None else int(last_received * 1e9)
        closed = Closed(self.number, monotonic_ns(), time.time_ns(), reason, code, retry_in, received_ns)
        self._close(self, closed)

    def _frame(self, direction: str, kind: str, payload: Optional[bytes], number: Optional[int]) -> None:
        frame = Frame(self.number, monotonic_ns(), time.time_ns(), direction, kind, payload, number)
        self._put((self, frame), FRAME_BYTES + len(payload or b""), 1)
