"""For what may be called in the middle of the SDK's own code: by a signal handler, or a destructor.

Both run between any two steps of the thread that they happen to come by, also while that thread holds a lock of ours or
of a future's. Whatever wants the same lock then waits for its own thread, for ever.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future
from types import CodeType, FrameType
from typing import Any, Callable, Dict, Optional, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

WITH_LOCKS = (
    "dbxsdk.session",
    "dbxsdk.transport",
    "dbxsdk.recording",
    "dbxsdk.book",
    "dbxsdk.playback.handoff",
    "dbxsdk.relay",
    "dbxsdk.runtime.exit",
    "concurrent.futures._base",
)
"""Packages and modules that hold locks, or are called by others while these hold some."""

_boundaries: Dict[int, CodeType] = {}
"""The code of functions there that call users' code, by its id: code of the same text is equal, wherever it is."""


def calls_user_code(function: _F) -> _F:
    """Mark a function of ``WITH_LOCKS`` that calls users' code: neither it nor its callers hold a lock then. What is called
    from there has not come in the middle of the SDK's own code."""
    _boundaries[id(function.__code__)] = function.__code__
    return function


# Private, so that a Python may come that calls it otherwise: done-callbacks count as interruptions there.
_invoke_callbacks = getattr(Future, "_invoke_callbacks", None)
if _invoke_callbacks is not None:
    calls_user_code(_invoke_callbacks)


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
        if module.startswith(WITH_LOCKS):
            return id(frame.f_code) not in _boundaries
        frame = frame.f_back
    return False
