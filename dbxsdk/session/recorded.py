"""The recording of a client's connections, if the user asked for one. A recorder that raises is switched off; the client
carries on."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from dbxsdk.events import Event, RecordingFailed
from dbxsdk.protocol import Protocol
from dbxsdk.runtime.clock import monotonic_ns
from dbxsdk.runtime.log import ClientLog
from dbxsdk.transport import Address, Message


class Recorded:
    """One connection after another. The reader thread's own."""

    def __init__(
        self,
        recorder: Any,
        protocol: Protocol,
        address: Address,
        owner: object,
        emit: Callable[[Event], None],
        later: Callable[[Callable[[], None]], None],
        log: ClientLog,
        name: str,
    ) -> None:
        """``recorder`` is ``Options.recorder``; ``owner`` distinguishes one client's connections from another's;
        ``later`` has something called on the callbacks thread."""
        self._later = later
        self._log = log
        self._name = name
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
            self._failed("the connection cannot be recorded", error, 0)
        else:
            self.current = connection.recorded = _Guarded(recording, self._failed)

    def _failed(self, message: str, error: Exception, lost: int) -> None:
        # Not here: a frame may be on its way just now, and the log's handlers are users' code.
        self._later(lambda: self._report(message, error, lost))

    def _report(self, message: str, error: Exception, lost: int) -> None:
        self._log.error(message, exc_info=error)
        self._emit(RecordingFailed(error, lost, client=self._name))

    def received(self, messages: Sequence[Message], received_ns: int) -> None:
        """What one read of the network brought. Only where there is a ``current`` one."""
        if self.current is not None:
            self.current.received(messages, received_ns, monotonic_ns())

    def end(self, reason: str, code: Optional[int], retry_in: Optional[float], last_byte: Optional[float]) -> None:
        """``last_byte`` is the monotonic time of the last byte that came."""
        current, self.current = self.current, None
        if current is not None:
            current.closed(reason, code, retry_in, last_byte)


class _Guarded:
    """One connection of a recorder, which may be the user's: at the first exception it is dropped, and that is reported. From
    any thread."""

    def __init__(self, recording: Any, failed: Callable[[str, Exception, int], None]) -> None:
        self._recording = recording
        self._failed = failed

    def received(self, messages: Sequence[Message], wall_ns: int, at_ns: int) -> None:
        recording = self._recording
        if recording is not None:
            try:  # ``_call``, without the call: at some feeds this is once a frame
                recording.received(messages, wall_ns, at_ns)
            except Exception as error:
                self._drop(error, len(messages))

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
            self._drop(error, frames)
            return None

    def _drop(self, error: Exception, lost: int) -> None:
        self._recording = None
        self._failed("the connection is recorded no further", error, lost)
