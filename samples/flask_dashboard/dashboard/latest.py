"""``Latest``: hands the newest value to many readers, each at its own pace."""

from __future__ import annotations

import threading
from typing import Generic, Optional, Tuple, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A queue for each reader that never holds more than one value: the newest.

    A reader that is slow (a browser on a bad line) passes over what came in between, and costs no memory. That is
    right for values that stand by themselves, such as the whole state of a page, and wrong for changes to apply.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = 0
        self._value: Optional[T] = None

    def put(self, value: T) -> None:
        with self._changed:
            self._version += 1
            self._value = value
            self._changed.notify_all()

    def after(self, version: int, timeout: float) -> Tuple[int, Optional[T]]:
        """The newest value and its version, once that is above ``version``; ``(version, None)`` after ``timeout``
        seconds. A reader begins with 0."""
        with self._changed:
            if self._changed.wait_for(lambda: self._version > version, timeout):
                return self._version, self._value
            return version, None
