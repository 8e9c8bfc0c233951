"""Forks: what a child puts right at its first use, and what a fork has to wait for.

Python's fork hooks run in the forking thread alone, before any other thread of the child; some servers (uWSGI) fork without
them. Then the first call in the child finds out by a mark that is gone, or by the process id, and several of its threads may
find out together.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import sys
import threading
import weakref
from typing import Any, ContextManager, Dict, Iterator, List, TypeVar

_PATIENCE = 5.0
"""Seconds that a fork waits at most: being late is worse for it than what could come of going on."""

uniform = random.SystemRandom().uniform
"""``random.uniform`` by the system's chance: where fork hooks are skipped, the children of one process share ``random``'s."""

_Aware = TypeVar("_Aware", bound="ForkAware")

_first_uses: Dict[int, ContextManager[Any]] = {}


def first_use() -> ContextManager[Any]:
    """A lock for putting a forked child right, the same for all its threads. Never the parent's: that one may be held by a
    thread that the child does not have."""
    return _first_uses.setdefault(os.getpid(), threading.RLock())  # setdefault() is one step


_process = os.getpid()
"""The process that marked ``_mark``."""

_WIPE_ON_FORK = 18
"""MADV_WIPEONFORK, since Linux 4.14; Python has no name for it."""

_NO_ADVICE = -1


class _Compared:
    """A mark where no memory is wiped: true while the process has the number that it had."""

    def __getitem__(self, _: int) -> bool:
        return _process == os.getpid()

    def __setitem__(self, _: int, mark: int) -> None:
        """Nothing: ``_process`` is the mark."""


def _unmarked() -> Any:
    """A byte that the kernel sets to 0 in every child, however it was forked. A look at it takes a tenth of what the question
    for the process id does, which is a call of the kernel."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            page.madvise(_WIPE_ON_FORK)
            try:
                page.madvise(_NO_ADVICE)
            except OSError:
                return page
            # An emulator that takes any advice and follows none, as QEMU's did.
    return _Compared()


_mark = _unmarked()
_mark[0] = 1


class ForkAware:
    """Something that a forked child must put right before it uses it: a lock that a thread of the parent's may hold.

    A subclass calls ``_follow_forks`` once it is made, ``_check_process`` at the head of every public method, and says in
    ``_after_fork`` what there is to do. It is kept weakly.
    """

    __slots__ = ("_pid", "__weakref__")

    def _follow_forks(self) -> None:
        self._pid = os.getpid()
        _fork_aware.add(self)

    def _check_process(self: _Aware) -> _Aware:
        """Put a forked child right, and return this. Where fork hooks ran, that is done; some servers skip them."""
        if not _mark[0] or self._pid != _process:
            self._find_process()
        return self

    def _find_process(self) -> None:
        global _process
        with first_use():
            if self._pid != os.getpid():
                self._after_fork()
                self._pid = os.getpid()
            # Last: other threads of the child look at them, in the reverse order.
            _process = os.getpid()
            _mark[0] = 1

    def _after_fork(self) -> None:
        """In the child, once, by one thread; others wait for it. What was left half done in the parent is to be undone."""
        raise NotImplementedError


_fork_aware: "weakref.WeakSet[ForkAware]" = weakref.WeakSet()


class Imports(ForkAware):
    """The imports that are made at their first use. In a child forked in the middle of one, Python's own lock of the module
    has lost its owner: whoever imports it there waits for ever. So a fork waits for their end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # its lock guards what is below
        self._importing: List[int] = []
        """The threads; one may be there twice."""
        self._forking = 0
        """How many threads are forking."""
        self._follow_forks()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self._check_process()
        own = threading.get_ident()
        with self._changed:
            # Not for ever: the thread that forks may wait, in other packages' hooks, for what this one holds.
            self._changed.wait_for(lambda: not self._forking, _PATIENCE)
            # Several at a time: Python's own locks keep them apart where they have to be.
            self._importing.append(own)
        try:
            yield
        finally:
            with self._changed:
                self._importing.remove(own)
                self._changed.notify_all()

    def before_fork(self) -> None:
        self._check_process()
        own = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: all(thread == own for thread in self._importing), _PATIENCE)
            self._forking += 1

    def after_fork_in_parent(self) -> None:
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()

    def _after_fork(self) -> None:
        own = threading.get_ident()
        self._importing = [thread for thread in self._importing if thread == own]
        self._changed = threading.Condition()
        self._forking = 0


importing = Imports()
"""``with importing():`` around an import that is not made when this package is imported."""


def _after_fork_in_child() -> None:
    for each in list(_fork_aware):
        each._check_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=importing.before_fork,
        after_in_parent=importing.after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
