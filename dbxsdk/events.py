"""Lifecycle events, delivered in order with the data. Each has ``client``, the client's name."""

from __future__ import annotations

from typing import Any, Optional, Tuple, Union

import attrs


@attrs.frozen
class Connected:
    """A connection is ready: open, authenticated where the venue wants it, topics about to be asked for.

    ``reconnects`` is 0 for the first connection and counts those after it.
    """

    reconnects: int
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Disconnected:
    """A connection that was ready ended. ``code`` is the WebSocket close code, or None where none was received;
    ``retry_in`` the seconds until the next try, or None where there will be none."""

    reason: str
    code: Optional[int]
    retry_in: Optional[float]
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class ConnectFailed:
    """An attempt to connect did not get through. ``attempt`` counts those in a row; ``retry_in`` is the seconds until the
    next try, or None if there will be none."""

    reason: str
    attempt: int
    retry_in: Optional[float]
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Gap:
    """Updates of these topics may be missing: they were not subscribed for ``seconds``, and are again.

    Whatever the reason: a dropped connection, a refusal at a reconnect, a venue that had to be unsubscribed for a moment.
    Each hole of a topic is named by one ``Gap``, delivered before the topic's first new update. ``last_received_ns`` is the
    wall-clock time (ns since 1970) of the last frame before: what the venue sent until then was delivered. Fetch what came
    after it over REST if it matters.
    """

    topics: Tuple[str, ...]
    seconds: float
    last_received_ns: int
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Filled:
    """What was missed of these topics was fetched over REST, as far as REST has it, and given out as updates of the kind
    ``"backfill"`` (``"snapshot"`` where the channel is a state). One for each hole, behind its last filled item.

    ``count`` items were filled. ``complete``: the rows join on to what came before the hole and to what came after it, so
    nothing in between is missing. Else, and where nothing has come after it until now, items between ``missing_from_ns`` and
    ``missing_until_ns`` (ns since 1970, by the venue's clock) may be missing. ``error`` is what kept REST from answering.
    """

    topics: Tuple[str, ...]
    count: int
    complete: bool
    missing_from_ns: Optional[int]
    missing_until_ns: Optional[int]
    error: Optional[Exception] = None
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class LateReply:
    """The venue answered a request after its caller was given ``OutcomeUnknown``: this is what became of it.

    ``result`` is what the call would have returned, ``error`` what it would have raised; one of them is None.
    ``order_link_id`` is the caller's own id of the order, if the request was about one.
    """

    request_id: Any
    order_link_id: Optional[str]
    result: Any
    error: Optional[BaseException]
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Dropped:
    """``count`` updates of ``topic`` were discarded since the last such event: callbacks were too slow, and the overflow
    policy allows it."""

    topic: str
    count: int
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Silent:
    """``topic`` had no update for ``seconds``, more than its ``max_silence``, while the connection lived.
    Sent once; again only after another update and another silence."""

    topic: str
    seconds: float
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class CallbackFailed:
    """A callback raised ``error`` (logged with its traceback). The next update is delivered as usual."""

    topic: str
    error: BaseException
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class BadFrame:
    """A frame could not be read (``error`` is a ``ProtocolError``). It was skipped; the connection lives."""

    error: Exception
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Refused:
    """The venue refused topics that it had acknowledged before, when they were subscribed again. They stay wanted
    and are asked for again after the next reconnect. ``error`` is a ``SubscribeError``."""

    topics: Tuple[str, ...]
    error: Exception
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class RecordingFailed:
    """The recorder cannot write, or cannot keep up. The client carries on, and so does the recording once it can.

    Emitted once when the trouble begins, not for each try; and once more if ``close`` had to abandon frames. ``error`` is
    the ``OSError`` of the file (disk full, ...), or a ``RecordingError`` if frames came faster than they could be written.
    ``lost`` counts the frames lost since the recorder was made; the recording itself says where.
    """

    error: Exception
    lost: int
    client: str = attrs.field(default="", kw_only=True, eq=False)


@attrs.frozen
class Drift:
    """An account that is kept current (``client.account()``) differed from what the venue says, without a ``Gap``; it was put
    right. ``what`` is ``"order"``, ``"position"`` or ``"balance"``; ``ours`` and ``theirs`` are the models, None for nothing."""

    what: str
    ours: Any
    theirs: Any
    client: str = attrs.field(default="", kw_only=True, eq=False)


Event = Union[
    Connected,
    ConnectFailed,
    Disconnected,
    Gap,
    Filled,
    LateReply,
    Dropped,
    Silent,
    CallbackFailed,
    BadFrame,
    Refused,
    RecordingFailed,
    Drift,
]
