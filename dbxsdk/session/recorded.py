"""The recording of a client's connections, where the user asked for one: what fails in it costs the recording only."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Optional, Sequence

from dbxsdk.events import Event, RecordingFailed
from dbxsdk.protocol import Protocol
from dbxsdk.transport import Address, Message

logger = logging.getLogger(__name__)


class Recorded:
    """One connection after another. The reader thread's own."""

    def __init__(
        self, recorder: Any, protocol: Protocol, address: Address, owner: object, emit: Callable[[Event], None]
    ) -> None:
        """``recorder`` is ``Options.recorder``; ``owner`` tells one client's connections from another's."""
        self._recorder = recorder
        self._protocol = protocol
        self._address = address
        self._owner = owner
        self._emit = emit
        self.current: Optional[_Guarded] = None
        """What the recorder gave for the open connection, if anything."""

    def begin(self, connection: Any) -> None:
        """Before the login: nothing that goes in or out may be missing."""
        if self._recorder is None:
            return
        try:
            recording = self._recorder.connection(
                venue=self._protocol.venue,
                client=self._protocol.client,
                settings=self._protocol.settings,
                endpoint=self._address.url.partition("?")[0],
                owner=self._owner,
                secrets=connection.secrets,
                on_error=self._emit,
            )
        except Exception as error:  # a recorder of the user's may raise anything, and the client is to live
            logger.exception("%s: the connection cannot be recorded", self._protocol.venue)
            self._emit(RecordingFailed(error, 0))
        else:
            self.current = connection.recorded = _Guarded(recording, self._protocol.venue, self._emit)

    def received(self, messages: Sequence[Message], received_ns: int) -> None:
        """What one read of the network brought. Only where there is a ``current`` one."""
        if self.current is not None:
            self.current.received(messages, received_ns, time.monotonic_ns())

    def end(self, reason: str, code: Optional[int], retry_in: Optional[float], last_byte: Optional[float]) -> None:
        """``last_byte`` is the monotonic time of the last byte that came."""
        current, self.current = self.current, None
        if current is not None:
            current.closed(reason, code, retry_in, last_byte)


class _Guarded:
    """One connection of a recorder, which may be the user's: at the first exception it is dropped, and that is told. From
    any thread."""

    def __init__(self, recording: Any, venue: str, emit: Callable[[Event], None]) -> None:
        self._recording = recording
        self._venue = venue
        self._emit = emit

    def received(self, messages: Sequence[Message], wall_ns: int, monotonic_ns: int) -> None:
        self._call(len(messages), "received", messages, wall_ns, monotonic_ns)

    def sent(self, text: str, *, secret: bool = False) -> Any:
        return self._call(1, "sent", text, secret=secret)

    def not_sent(self, number: Any) -> None:
        self._call(0, "not_sent", number)

    def control(self, *frame: Any) -> None:
        self._call(1, "control", *frame)

    def closed(self, *ending: Any) -> None:
        self._call(0, "closed", *ending)

    def _call(self, frames: int, name: str, *arguments: Any, **named: Any) -> Any:
        recording = self._recording
        if recording is None:
            return None
        try:
            return getattr(recording, name)(*arguments, **named)
        except Exception as error:
            self._recording = None
            logger.exception("%s: the connection is recorded no further", self._venue)
            self._emit(RecordingFailed(error, frames))
            return None
