"""What a recording has for one client: from the thread that plays it to the client's reader thread."""

from __future__ import annotations

import collections
import threading
from typing import Any, Callable, Deque, List, Optional, Tuple, Union

import attrs

from dbxsdk.transport import Ending

_AHEAD = 8
"""Items that may wait for the reader thread."""

Message = Tuple[bytes, bool]


@attrs.frozen
class Moment:
    """A time of the recording. By itself: the connection opened."""

    monotonic_ns: int
    wall_ns: int


@attrs.frozen
class Received(Moment):
    """What one read of the network brought."""

    messages: List[Message]


@attrs.frozen
class Ended(Moment):
    """The connection's end, as it was recorded."""

    ending: Ending
    received_ns: Optional[int]


class Marker:
    """Passes through the client's threads behind all that was put in before it, their callbacks included."""

    passed = False


Item = Union[Moment, List[Received], Marker]


class Feed:
    """A short queue of items, with one thread at each end."""

    def __init__(self, must_flow: Callable[[], bool]) -> None:
        """``must_flow`` is True if a callback waits for what comes next: then nobody can wait for the callback."""
        self._must_flow = must_flow
        self._changed = threading.Condition(threading.Lock())  # its lock guards all below, and ``Marker.passed``
        self._items: Deque[Item] = collections.deque()
        self.ended = False
        self._at_work = False  # whether the taker may be busy with an item

    def put(self, item: Item) -> bool:
        """Waits for room. False where nobody takes anything any more."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or len(self._items) < _AHEAD)
            if not self.ended:
                self._items.append(item)
                self._changed.notify_all()
            return not self.ended

    def settle(self, patience: float = 0.0) -> None:
        """Returns once all that was put in has been through its callbacks; or never will, or not without more of it: in
        doubt about that after ``patience`` (seconds)."""
        marker = Marker()
        if not self.put(marker):
            return
        with self._changed:
            self._changed.wait_for(
                lambda: marker.passed or self.ended or (not self._items and not self._at_work and self._must_flow())
            )
            self._changed.wait_for(lambda: marker.passed or self.ended, patience)

    def get(self, stopped: Callable[[], Any]) -> Optional[Item]:
        """The next item; None once ``stopped()``: see ``wake``."""
        with self._changed:
            self._at_work = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: stopped() or self._items)
            if stopped():
                return None
            item = self._items.popleft()
            self._at_work = True
            self._changed.notify_all()
            return item

    def wait_passed(self, marker: Marker, stopped: Callable[[], Any]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: marker.passed or stopped() or self._must_flow())

    def pass_(self, marker: Marker) -> None:
        with self._changed:
            marker.passed = True
            self._changed.notify_all()

    def wake(self) -> None:
        """What ``stopped`` or ``must_flow`` says has changed."""
        with self._changed:
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more comes, and what waits is given up."""
        with self._changed:
            self.ended = True
            self._items.clear()
            self._changed.notify_all()
