"""A bounded queue between the client's callbacks thread and the thread that writes to the database."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Deque, List, Tuple


class Inbox:
    """Items in their order, each with a weight (its trades). Memory is bounded by ``capacity``: ``put`` blocks while that
    much waits. Then the client's own queue fills, and then its overflow policy decides."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()  # guards all of it
        self._items: Deque[Tuple[Any, int]] = deque()
        self._closed = False
        self._entered = self._taken = self._done = 0  # items so far
        self._awaited = 0
        self.weight = 0
        """How much waits now."""

    def put(self, item: Any, weight: int = 1, until_done: bool = False) -> None:
        """Called by the callbacks thread. ``until_done``: it returns once the batch with the item has been dealt with."""
        with self._changed:
            # An item heavier than the capacity goes in alone.
            self._changed.wait_for(lambda: self._closed or not self._items or self.weight + weight <= self._capacity)
            if not self._closed:
                self._items.append((item, weight))
                self.weight += weight
                self._entered = number = self._entered + 1
                self._awaited += until_done
                self._changed.notify_all()
                if until_done:
                    self._changed.wait_for(lambda: self._closed or self._done >= number)
                    self._awaited -= 1

    def take(self, most: int, seconds: float) -> List[Any]:
        """A batch: as soon as ``most`` wait, or somebody waits for what is in it, else what there is after ``seconds``. One item
        at least where there is any. The batch before has been dealt with."""
        with self._changed:
            self._done = self._taken
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self.weight >= most or self._is_awaited(), seconds)
            taken: List[Any] = []
            weight = 0
            while self._items and (not taken or weight + self._items[0][1] <= most):
                item, each = self._items.popleft()
                taken.append(item)
                weight += each
            self._taken += len(taken)
            self.weight -= weight
            self._changed.notify_all()
            return taken

    def _is_awaited(self) -> bool:
        return bool(self._items) and self._awaited > 0

    def close(self) -> None:
        """No more goes in, so that nobody waits for room; what is in can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
