"""Effects: what the machine wants done. Values, in the order in which they were decided."""

from __future__ import annotations

from typing import Any, Callable, Optional, Protocol, Tuple, Union

import attrs

from dbxsdk.errors import DbxError
from dbxsdk.events import Event
from dbxsdk.protocol import Push
from dbxsdk.session.core.requests import Entry


class Sink(Protocol):
    """A subscriber that keeps a state of its own, such as an order book. Its methods are short and never raise; all but
    ``take`` may be called by any thread, with the session's lock held, and must not call the session back."""

    def take(self, push: Push, epoch: int) -> None:
        """Take in an update of the topic's ``epoch``; 0 for one that belongs to no subscription of this connection. A typed
        frame (see ``schema.FrameReader``) may stand for the push."""

    def live(self, epoch: int) -> None:
        """The topic is subscribed at the venue, in this epoch."""

    def stale(self, epoch: int, reason: str, renewed: bool) -> None:
        """The topic is not subscribed any more; ``epoch`` comes next. ``renewed``: a whole state has been asked for."""

    def end(self, error: Optional[DbxError], reason: str) -> None:
        """Nothing comes any more, because of ``error`` or in good order."""


# Not frozen: attrs' frozen constructors take three times as long, and an effect is nobody's but the guard's.


@attrs.define
class Send:
    """Put the request's frame behind those that wait to be written."""

    entry: Entry


@attrs.define
class Fail:
    """End a user's request with one of two errors: which one is known once nothing of it can be written any more."""

    entry: Entry
    if_written: DbxError
    if_unwritten: DbxError


@attrs.define
class Emit:
    """Deliver a lifecycle event, in order with the data."""

    event: Event


@attrs.define
class Live:
    """A sink's topic is subscribed."""

    sink: Sink
    epoch: int


@attrs.define
class Stale:
    """A sink's topic is not subscribed any more."""

    sink: Sink
    epoch: int
    reason: str
    renewed: bool = False


@attrs.define
class End:
    """Nothing comes for this subscription any more."""

    subscription: Any
    error: Optional[DbxError]
    reason: str


@attrs.define
class Abort:
    """End the present connection at once."""

    reason: str


@attrs.define
class Arm:
    """Call ``tick`` again at ``at`` (monotonic seconds), or earlier."""

    at: float


@attrs.define
class Flow:
    """Somebody waits for an answer: a reader that stands still before a full queue must look again."""


FLOW = Flow()


@attrs.define
class Changed:
    """Wake the threads that wait for the connection or for an acknowledgement."""


@attrs.define
class Log:
    """Write a line of the log."""

    level: int
    message: str
    arguments: Tuple[Any, ...] = ()


Effect = Union[Send, Fail, Emit, Live, Stale, End, Abort, Arm, Flow, Changed, Log]

Effects = Callable[[Effect], None]
"""Where the tables of the machine put their effects."""
