"""Follows what comes in until there is enough of it, time is up, or the client has ended."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional, Protocol

from dbxsdk.cli.inbox import Inbox

TICK = 0.25
"""Seconds after which a display is redrawn, at the latest, and the clients are checked."""


class Display(Protocol):
    """Shows updates and events. All calls come from the main thread."""

    def show(self, source: str, item: Any) -> bool:
        """Show one item. True if it was an update that counts."""

    def tick(self) -> None:
        """All items so far were shown: make them visible now."""

    def close(self) -> None:
        """Leave the terminal in order, also after an error."""


def follow(
    inbox: Inbox,
    display: Display,
    *,
    look: Callable[[], Any],
    count: Optional[int] = None,
    seconds: Optional[float] = None,
) -> int:
    """Return how many updates were shown. ``look`` is called again and again: it raises to end this,
    and returns True if nothing more will come."""
    until = None if seconds is None else time.monotonic() + seconds
    shown = 0
    is_over = False
    while True:
        left = 0.0 if is_over else TICK if until is None else max(0.0, min(TICK, until - time.monotonic()))
        for source, item in inbox.take(left):
            shown += display.show(source, item)
            if shown == count:
                display.tick()
                return shown
        display.tick()
        if is_over or (until is not None and time.monotonic() >= until):
            return shown
        is_over = look() is True  # items that came meanwhile are still shown
