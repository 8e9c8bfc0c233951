"""What ``subscribe`` returns: one user callback and the topics that it is for."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any, Callable, FrozenSet, Optional, Tuple

from dbxsdk import html
from dbxsdk.errors import DbxError
from dbxsdk.runtime import reentrancy
from dbxsdk.session.state import State

if TYPE_CHECKING:
    from dbxsdk.backfill.filler import Filler
    from dbxsdk.session.core.effects import Sink


class Owner(typing.Protocol):
    """What a subscription and its iterator need of the client that they belong to."""

    name: str

    @property
    def state(self) -> State:
        """What the client is doing."""

    def unsubscribe(self, subscription: "Subscription") -> None:
        """End it. Waits for nothing."""

    def next_update(self, subscription: "Subscription", queue: Any) -> Any:
        """The next update or ``Gap`` out of an iterator's queue; waits for it. Raises ``StopIteration`` at the end."""


class Subscription:
    """A running subscription. Use it to end it; it may be used by any thread.

    Attributes:
        channel: as given to ``subscribe``.
        topics: the venue's names of what is subscribed; a topic that the venue refused is not in it.
        active: False once it was unsubscribed.
    """

    __slots__ = (
        "channel",
        "topics",
        "ended_topics",
        "active",
        "callback",
        "raw",
        "overflow",
        "lossy",
        "max_silence",
        "on_silence",
        "queue",
        "sink",
        "filler",
        "on_end",
        "passes",
        "_owner",
        "__weakref__",
    )

    def __init__(
        self,
        owner: Owner,
        channel: str,
        topics: Tuple[str, ...],
        callback: Callable[[Any], Any],
        *,
        raw: bool = False,
        overflow: str = "block",
        max_silence: Optional[float] = None,
        on_silence: str = "tell",
        queue: Any = None,
        sink: Optional["Sink"] = None,
        on_end: Optional[Callable[[Optional[DbxError], str], None]] = None,
    ) -> None:
        self._owner = owner
        self.channel = channel
        self.topics = topics
        self.active = True
        self.ended_topics: FrozenSet[str] = frozenset()
        """Those that were unsubscribed: their updates may still be queued."""
        self.callback = callback
        self.raw = raw
        self.overflow = overflow
        self.lossy = overflow in ("drop_oldest", "latest")
        self.max_silence = max_silence
        self.on_silence = on_silence
        self.queue = queue
        """An iterator's own queue; None: its updates wait in the client's."""
        self.passes: FrozenSet[int] = frozenset()
        """The ``last_received_ns`` of holes that were open when it was made: their gaps are none of its own."""
        self.sink = sink
        """Takes the updates in place of the callback: an order book."""
        self.filler: Optional["Filler"] = None
        """Stands before the callback: what was missed is fetched."""
        self.on_end = on_end
        """Called with the error and the reason once nothing comes any more; it is short, as the methods of a ``Sink``."""

    @property
    def how(self) -> str:
        """``"active"``, or why nothing comes any more."""
        if not self.active:
            return "ended"
        state = self._owner.state
        return f"ended: the client is {state.value}" if state.is_over else "active"

    @property
    def has_end(self) -> bool:
        """True if somebody has to be told that nothing comes any more."""
        return any(each is not None for each in (self.queue, self.sink, self.filler, self.on_end))

    def unsubscribe(self) -> None:
        """End it: the callback is not called again once this returned, except for a call that is running
        now. The venue is asked to end it if no other subscription wants the topics; its answer is not waited for.
        By any thread, a signal handler and a destructor, too (see ``Client.close``); calling it again does nothing."""
        reentrancy.run(lambda: self._owner.unsubscribe(self))

    def __dir__(self) -> "list[str]":
        return sorted({*object.__dir__(self)} - _INTERNAL)

    def __repr__(self) -> str:
        how = self.how
        return f"<Subscription {self._owner.name} {self.channel} {list(self.topics)}{'' if how == 'active' else ' ' + how}>"

    def _repr_html_(self) -> str:
        return html.card(f"Subscription {self._owner.name} {self.channel}", self.how, {"topics": ", ".join(self.topics)})


_INTERNAL = {"ended_topics", "callback", "raw", "overflow", "lossy", "max_silence", "on_silence", "queue", "sink", "filler",
             "on_end", "passes", "has_end", "how"}
"""Attributes that are the session's own, whatever their names look like."""
