"""What one example may cost: processor time of all threads, and memory at its peak.

Memory is the process's own, which is cheap to ask for, so that each example is measured. Small costs do not show in it: they
are what hostile frames multiply, and ``test_budgets`` has those.
"""

from __future__ import annotations

import contextlib
import functools
import re
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Tuple

from dbxsdk import Options

CPU = 3.0
"""Seconds, of which hypothesis takes the most."""

MEMORY = 25 * Options().max_message_size + (32 << 20)
"""Bytes. JSON of nothing but empty lists takes 25 times its length once it is decoded, and nothing takes more."""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _resident() -> Optional[Tuple[int, int]]:
    """The bytes in memory now and at most since ``_reset``; None where the system does not tell."""
    try:
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE))
    except OSError:
        return None
    return int(found["VmRSS"]) << 10, int(found["VmHWM"]) << 10


def _reset() -> None:
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")  # which sets the peak to what there is now


@contextlib.contextmanager
def bounded(cpu: float = CPU, memory: int = MEMORY) -> Iterator[None]:
    """What is done within has to keep to the budget."""
    _reset()
    before, began = _resident(), time.process_time()
    yield
    spent, after = time.process_time() - began, _resident()
    assert spent <= cpu, f"{spent:.1f} s of processor time"
    if before is not None and after is not None:
        assert after[1] - before[0] <= memory, f"{(after[1] - before[0]) >> 20} MiB"


def each_bounded(test: Callable[..., Any]) -> Callable[..., Any]:
    """``test``, to be run for one example."""

    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> Any:
        with bounded():
            return test(*arguments, **more)

    return run
