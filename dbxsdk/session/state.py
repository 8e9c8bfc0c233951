"""What a client says of itself when asked: its state and its counters."""

from __future__ import annotations

import enum
from typing import Optional

import attrs


class State(str, enum.Enum):
    """What a client is doing."""

    NEW = "new"
    """No connection, no threads; the next use opens one."""
    CONNECTING = "connecting"
    """The first connection is being made."""
    READY = "ready"
    """Connected, authenticated, in use."""
    RECONNECTING = "reconnecting"
    """The connection dropped; waiting for the next try, or trying."""
    CLOSED = "closed"
    """Closed by ``close``."""
    FAILED = "failed"
    """Ended for good: ``wait`` and every call raise the reason."""

    @property
    def is_over(self) -> bool:
        return self in (State.CLOSED, State.FAILED)


@attrs.frozen
class Stats:
    """Counters since the client was made, and ages in seconds (None where there is no connection).

    ``received`` counts frames, ``delivered`` updates that reached their callback, ``dropped`` updates that were thrown
    away before, ``bad_frames`` frames that could not be read or belonged to nothing, ``callback_errors`` callbacks
    that raised, ``reconnects`` connections after the first; ``pending`` are requests without an answer yet,
    ``queued`` updates waiting for their callback.
    """

    received: int
    delivered: int
    dropped: int
    bad_frames: int
    callback_errors: int
    reconnects: int
    pending: int
    queued: int
    last_received_age: Optional[float]
    last_sent_age: Optional[float]
