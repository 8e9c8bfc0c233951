"""One connection in memory, as the outbox, the watch and the reader see it."""

from __future__ import annotations

import collections
from typing import Any, Callable, Deque, Dict, List, Optional, Set

import attrs

from dbxsdk.transport import NotSent, SendFailed
from tests.machine.broken import Broken


@attrs.define
class Message:
    """One message on its way to the client."""

    payload: Any
    truth: Dict[str, int]
    """What the venue had subscribed when it was sent: the number of the last update of each market."""
    pong: bool = False


class Wire:
    """Takes frames for the venue, and holds what the venue has sent until the client reads it."""

    def __init__(self, clock: Callable[[], float], taken: Set[str], forbidden: Set[str]) -> None:
        """``taken`` gets each frame that was written, by whatever part; those that are ``forbidden`` must not be."""
        self._clock = clock
        self._taken = taken
        self._forbidden = forbidden
        self.opened = False
        self.stopped = False
        self.closing = False
        """True once the client said goodbye."""
        self.reason = "the peer was gone"
        self.inbox: Deque[str] = collections.deque()
        """Frames that the venue has not looked at."""
        self.down: Deque[Message] = collections.deque()
        """What the client has not read."""
        self.sent = 0
        """Messages that were put into ``down``."""
        self.read_at: List[float] = []
        """When each of them was read."""
        self.lost_at: Optional[float] = None
        """When the client found that nothing more can be read."""
        self.truth: Dict[str, int] = {}
        """What the venue had by the last message that was read."""
        self.deaf = False
        self.fate = ""
        """What becomes of the next frame: ``"half"``, ``"breaks"``, ``"arrives and breaks"``, ``"no memory"``."""
        self.rest: Optional[str] = None
        """A frame of which a part has left."""
        self.stuck_since: Optional[float] = None
        self.last_sent: Optional[float] = None
        self.last_byte: Optional[float] = None
        self.last_message: Optional[float] = None
        self.busy_since: Optional[float] = None
        """Since when the reader has been busy elsewhere."""
        self.free_since = 0.0
        """Since when it has waited again."""

    # -- the outbox ----------------------------------------------------------------------------------

    def offer(self, text: str, *, ping: bool = False) -> bool:
        if self.stopped or not self.opened or self.closing:
            raise NotSent("the connection is not open", broken=True)
        if self.rest is not None:
            return False
        fate, self.fate = self.fate, ""
        if fate == "no memory":
            raise NotSent("no memory")
        if text in self._taken:
            raise Broken("written once", f"{text} was written again")
        if text in self._forbidden:
            raise Broken("not sent is not sent later", f"{text} was written after its end was told")
        self._taken.add(text)
        if fate in ("breaks", "arrives and breaks"):
            if fate != "breaks":
                self.inbox.append(text)
            self.stopped, self.reason = True, "it broke while a frame was sent"
            raise SendFailed("it broke")
        if self.deaf or fate == "half":
            self.rest, self.stuck_since = text, self._clock()
        else:
            self.inbox.append(text)
        self.last_sent = self._clock()
        return True

    def push(self) -> bool:
        if self.rest is not None and not (self.deaf or self.stopped):
            self.inbox.append(self.rest)
            self.rest = self.stuck_since = None
        return self.rest is None

    def abort(self, reason: str) -> None:
        if not self.stopped:
            self.stopped, self.reason = True, reason

    # -- the watch -----------------------------------------------------------------------------------

    def silent_for(self, now: float) -> float:
        if self.busy_since is not None or self.last_byte is None:
            return 0.0
        return now - max(self.last_byte, self.free_since)

    def seen_until(self, now: float) -> float:
        return now if self.busy_since is None else self.busy_since

    # -- the venue -----------------------------------------------------------------------------------

    def send(self, payload: Any, truth: Dict[str, int], pong: bool = False) -> None:
        self.down.append(Message(payload, truth, pong))
        self.sent += 1

    def visible(self, index: int, at: float) -> float:
        """When the client could have known of something that happened ``at``, after ``index`` messages had been sent: not
        before it has read those."""
        if index == 0:
            return at
        if index <= len(self.read_at):
            return max(at, self.read_at[index - 1])
        return at if self.lost_at is None else max(at, self.lost_at)
