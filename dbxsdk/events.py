"""What a client tells about itself: lifecycle events, delivered in order with the data."""

from __future__ import annotations

from typing import Optional, Tuple, Union

import attrs


@attrs.frozen
class Connected:
    """A connection is ready: open, authenticated where the venue wants it, topics about to be asked for.

    ``reconnects`` is 0 for the first connection and counts those after it.
    """

    reconnects: int


@attrs.frozen
class Disconnected:
    """The connection ended. ``code`` is the WebSocket close code, or None where none was received;
    ``retry_in`` the seconds until the next try, or None where there will be none."""

    reason: str
    code: Optional[int]
    retry_in: Optional[float]


@attrs.frozen
class Gap:
    """Updates of these topics may be missing: the connection was down for ``seconds``.

    One per reconnect, delivered before the first new update of any of its topics.
    ``last_received_ns`` is the wall-clock time (ns since 1970) of the last frame before the drop:
    what the venue sent until then was delivered. Fetch what came after it over REST if it matters.
    """

    topics: Tuple[str, ...]
    seconds: float
    last_received_ns: int


@attrs.frozen
class Dropped:
    """``count`` updates of ``topic`` were thrown away since the last such event: callbacks were too slow
    and the overflow policy allows it."""

    topic: str
    count: int


@attrs.frozen
class Silent:
    """``topic`` had no update for ``seconds``, more than its ``max_silence``, while the connection lived.
    Sent once; again only after another update and another silence."""

    topic: str
    seconds: float


@attrs.frozen
class CallbackFailed:
    """A callback raised ``error`` (logged with its traceback). The next update is delivered as usual."""

    topic: str
    error: BaseException


@attrs.frozen
class BadFrame:
    """A frame could not be read (``error`` is a ``ProtocolError``). It was skipped; the connection lives."""

    error: Exception


@attrs.frozen
class Refused:
    """The venue refused topics when they were subscribed again after a reconnect. They stay wished for
    and are asked for again after the next reconnect. ``error`` is a ``SubscribeError``."""

    topics: Tuple[str, ...]
    error: Exception


@attrs.frozen
class RecordingFailed:
    """The recorder cannot write, or cannot keep up. The client lives, and recording goes on by itself once it can.

    Told once when the trouble begins, not for each try; and once more where ``close`` had to give frames up.
    ``error`` is the ``OSError`` of the file (disk full, ...), or a ``RecordingError`` where frames came faster than they
    could be written. ``lost`` counts the frames lost since the recorder was made; the recording itself says where.
    """

    error: Exception
    lost: int


Event = Union[Connected, Disconnected, Gap, Dropped, Silent, CallbackFailed, BadFrame, Refused, RecordingFailed]
