"""For what may be called in the middle of the SDK's own code: by a signal handler, or a destructor.

Both run between any two steps of the thread that they happen to come by, also while that thread holds a lock of ours or
of a future's. Whatever wants the same lock then waits for its own thread, for ever.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any, Callable, Optional

_WITH_LOCKS = (
    "dbxsdk.session.",
    "dbxsdk.transport.",
    "dbxsdk.recording.",
    "dbxsdk.book.",
    "dbxsdk.runtime.exit",
    "dbxsdk.playback.handoff",
    "concurrent.futures._base",
)
"""Modules (by the beginnings of their names) that hold locks, or are called by who does."""

CALLERS = frozenset(
    {
        ("dbxsdk.session.callbacks", "deliver"),
        ("dbxsdk.session.callbacks", "_deliver_event"),
        ("dbxsdk.session.pending", "guarded"),
        ("concurrent.futures._base", "_invoke_callbacks"),
        ("dbxsdk.book.state", "notify"),
        ("dbxsdk.book.order_book", "__exit__"),
        ("dbxsdk.recording.background_writer", "_tell"),
        ("dbxsdk.session.messages", "__exit__"),
        ("dbxsdk.recording.recorder", "__exit__"),
    }
)
"""Their functions that call users' code, and the end of their ``with`` blocks: neither they nor whoever calls them holds a
lock then."""


def run(work: Callable[[], Any]) -> None:
    """Calls ``work``, which may wait for locks: here, or on a thread of its own where the public method that calls
    this was called in the middle of the SDK's code. Nothing is raised there, and nobody waits for it."""
    if not _interrupts(sys._getframe(2)):
        work()
        return
    try:
        threading.Thread(target=work, name="dbxsdk-closing", daemon=True).start()
    except RuntimeError:
        pass  # no thread is to be had: the interpreter is shutting down, and closes all clients


def _interrupts(frame: Optional[FrameType]) -> bool:
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.startswith(_WITH_LOCKS):
            return (module, frame.f_code.co_name) not in CALLERS
        frame = frame.f_back
    return False
