"""What ``subscribe`` returns: one user callback and the topics that it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, FrozenSet, Optional, Tuple

from dbxsdk.runtime import reentrancy

if TYPE_CHECKING:
    from dbxsdk.session.dispatch import UpdateQueue
    from dbxsdk.session.session import Session


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
        "queue",
        "_session",
        "__weakref__",
    )

    def __init__(
        self,
        session: "Session",
        channel: str,
        topics: Tuple[str, ...],
        callback: Callable[[Any], Any],
        *,
        raw: bool,
        overflow: str,
        max_silence: Optional[float],
        queue: Optional["UpdateQueue"],
    ) -> None:
        self._session = session
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
        self.queue = queue
        """Where its updates wait for their turn; None: the callback runs on the reader thread."""

    def unsubscribe(self) -> None:
        """Ends it: the callback is not called again once this returned, except for a call that is running
        now. The venue is told where no other subscription wants the topics; its answer is not waited for.
        By any thread, a signal handler and a destructor, too (see ``Client.close``); calling it again does nothing."""
        reentrancy.run(lambda: self._session.unsubscribe(self))

    def __repr__(self) -> str:
        return f"<Subscription {self.channel} {list(self.topics)}{'' if self.active else ' ended'}>"
