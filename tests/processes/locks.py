"""For scripts that fork: the locks that the library makes, and threads that hold them. Import it before ``dbxsdk``."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
from typing import Any, Callable, Dict, List

_made: Dict[str, List[Any]] = {}
"""By the place in the library where they were made."""

_ELSEWHERE = (threading.__file__, concurrent.futures._base.__file__)


def _noted(original: Any) -> Any:
    def make(*arguments: Any) -> Any:
        frame = sys._getframe(1)
        while frame.f_code.co_filename in _ELSEWHERE and frame.f_back is not None:
            frame = frame.f_back
        lock = original(*arguments)
        path, _, inner = frame.f_code.co_filename.rpartition("dbxsdk/")
        if path and frame.f_code.co_name != "_ensure_run":  # that is a new thread's own
            _made.setdefault(f"{inner}:{frame.f_lineno}", []).append(lock)
        return lock

    return make


threading.Lock, threading.RLock = _noted(threading.Lock), _noted(threading.RLock)  # type: ignore[misc]


def places() -> List[str]:
    """Where locks were made."""
    return sorted(_made)


def hold_all(*but: str) -> Callable[[], None]:
    """Holds all that were made, each by a thread of its own, but for those of these modules. Returns what lets go."""
    locks = [lock for place, made in list(_made.items()) for lock in made if not place.startswith(but)]
    for _ in range(10):
        let_go = _try(locks)
        if let_go is not None:
            return let_go
    raise AssertionError("the threads at work did not let go of their locks")


def _try(locks: List[Any]) -> Any:
    missing, release = [threading.Event() for _ in locks], threading.Event()

    def hold(lock: Any, held: threading.Event) -> None:
        if lock.acquire(timeout=1):
            held.set()
            release.wait(20)
            lock.release()

    holders = [threading.Thread(target=hold, args=pair) for pair in zip(locks, missing)]  # noqa: B905 - Python 3.9
    for holder in holders:
        holder.start()

    def let_go() -> None:
        release.set()
        for holder in holders:
            holder.join()

    if all(held.wait(1.5) for held in missing):
        return let_go
    let_go()
    return None
