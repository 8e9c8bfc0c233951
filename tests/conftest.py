"""What holds for every test: no thread of the library survives it. Warnings are errors and hangs end (``setup.cfg``)."""

from __future__ import annotations

import gc
import signal
import threading
import time
from typing import Iterator, List, Optional

import pytest
from hypothesis import settings

# An example may take long where the machine is busy with something else; what takes long for ever ends by ``timeout``.
settings.register_profile("dbxsdk", deadline=None, max_examples=50)
# ``--hypothesis-profile long``: as often as one has the time for.
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile("dbxsdk")

GRACE = 2.0
"""Seconds that threads may take to end after a test."""


_left_by_earlier_tests: List[threading.Thread] = []
"""What a test that failed has left is told once, and is not the next one's fault."""


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would the programs that tests start; and see ``collection_finish``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # of what is collected nothing goes, and looking for it takes a fifth of the collection's time


def pytest_make_parametrize_id(val: object, argname: str) -> Optional[str]:
    """Ids have to be the same in each of the processes that share the tests: long bytes may have a time in them."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None


def pytest_collection_finish() -> None:
    """What the collected tests hold is looked at once and not in each ``gc.collect()``, which took longer than most tests."""
    gc.collect()
    gc.freeze()
    gc.enable()


def library_threads() -> List[threading.Thread]:
    """The library's threads that this test has started."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]
    return [thread for thread in threads if thread not in _left_by_earlier_tests]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    _left_by_earlier_tests.extend(library_threads())
    yield
    deadline = time.monotonic() + GRACE
    for thread in library_threads():
        thread.join(max(deadline - time.monotonic(), 0.0))
    assert [thread.name for thread in library_threads()] == []
