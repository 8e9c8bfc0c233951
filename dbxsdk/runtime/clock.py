"""The clocks behind every time limit and every timestamp shown to users: the machine's, or a recording's."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from typing import Callable, Tuple

import attrs

__all__ = ["MACHINE", "Clock", "monotonic", "monotonic_ns", "wall_ns"]


def _boot_time() -> Tuple[Callable[[], float], Callable[[], int]]:
    name = "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME"
    with contextlib.suppress(AttributeError, OSError):  # another system; a sandbox or an old kernel that does not have it
        number = getattr(time, name)
        time.clock_gettime(number)
        return functools.partial(time.clock_gettime, number), functools.partial(time.clock_gettime_ns, number)
    return time.monotonic, time.monotonic_ns


monotonic, monotonic_ns = _boot_time()
"""Return the seconds since some fixed moment, by a clock that nobody sets and that goes on while the machine sleeps.

``time.monotonic`` stands still during a suspend on Linux and macOS: a connection that died meanwhile would look alive for a
whole time limit more.

* Linux: ``CLOCK_BOOTTIME``, which counts a suspend.
* macOS: ``CLOCK_MONOTONIC``, which counts sleep there (``time.monotonic`` is another clock, which does not).
* Windows: ``time.monotonic``, which counts sleep and hibernation.
* Elsewhere, and where a sandbox refuses these: ``time.monotonic``, which may not.

Only differences mean anything, and only between two readings of this clock. ``Event.wait`` and ``Condition.wait`` count by
``CLOCK_MONOTONIC``: after a suspend they return late, by as much as was left of their time, and a limit is checked against this
clock then.
"""

wall_ns = time.time_ns
"""Return the nanoseconds since 1970 by the wall clock, which may be set at any time."""


@attrs.frozen
class Clock:
    """``monotonic()`` in seconds, ``wall_ns()`` in ns since 1970. Waiting always goes by the machine's clock."""

    monotonic: Callable[[], float] = monotonic
    wall_ns: Callable[[], int] = wall_ns


MACHINE = Clock()
