"""What goes wrong at a local venue on request: dropped and refused connections, silence, delay, frames of any kind."""

from __future__ import annotations

import abc
import time
from typing import Any, Dict, List, Mapping, Optional, Union

from dbxsdk.arguments import check_int
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.http import Planned
from dbxsdk.sim.inspection import Inspected


class Faults(Inspected, abc.ABC):
    """Misbehaviour until further notice, as the venue reads it."""

    def __init__(self) -> None:
        super().__init__()
        self._refusal: Optional[Planned] = None
        self._delay = 0.0
        self._silent_until: Optional[float] = None  # monotonic

    @abc.abstractmethod
    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        """Return one outbound document as this venue writes it."""

    def drop_connections(self, code: Optional[int] = None, reason: str = "") -> int:
        """End every open connection: without a close frame, or with one that says ``code`` and ``reason``.

        Return how many there were. New connections are accepted.
        """
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            if code is None:
                connection.cut()
            else:
                connection.close(code, reason)
        return len(connections)

    def go_silent(self, seconds: Optional[float] = None) -> None:
        """Go silent for so many seconds or until ``resume()``: connections open and frames are accepted, but
        nothing is answered (and no request has an effect), nothing is pushed, no ping gets its pong."""
        with self._lock:
            self._silent_until = float("inf") if seconds is None else time.monotonic() + seconds
            self._changed()

    def resume(self) -> None:
        """End ``go_silent()``. Trades of the silent time are lost; the next book changes cover all of it."""
        with self._lock:
            self._silent_until = None
            self._changed()

    def _silent(self) -> bool:
        until = self._silent_until  # read once: no lock, it is also called by the writing threads
        return until is not None and time.monotonic() < until

    def refuse_connections(
        self,
        status: int = 503,
        times: Optional[int] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Answer the next ``times`` upgrade requests (None: all) with the HTTP ``status`` and these extra headers."""
        refusal = Planned(status, times, {"Content-Type": "text/plain", **(headers or {})}, f"{status}\n".encode())
        with self._lock:
            self._refusal = refusal

    def accept_connections(self) -> None:
        """End ``refuse_connections()``."""
        with self._lock:
            self._refusal = None

    def delay(self, seconds: float) -> None:
        """Hold back every answer for so long, and pushes after it on the same connection; 0 ends it."""
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds}")
        with self._lock:
            self._delay = seconds

    def send_frame(self, frame: Union[str, bytes, Dict[str, Any], List[Any]], path: Optional[str] = None) -> int:
        """Send ``frame`` to every open connection (of ``path``, if given); return to how many.

        A ``str`` goes out as a text frame and ``bytes`` as a binary one, verbatim; a ``dict`` or ``list`` as this
        venue encodes its pushes.
        """
        with self._lock:
            connections = [each for each in self._connections.values() if path is None or each.path == path]
            for connection in connections:
                verbatim = isinstance(frame, (str, bytes))
                connection.put(frame if verbatim else self._encode(frame, connection, push=True))  # type: ignore[arg-type]
        return len(connections)

    def disconnect_after(self, frames: int) -> None:
        """Cut each connection that is open now, without a close frame, after so many more frames to it."""
        check_int("frames", frames, least=1)
        with self._lock:
            for connection in self._connections.values():
                connection.cut_after(frames)
