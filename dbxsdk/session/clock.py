"""What time it is for all that users are told: by this machine's clocks, or by a recording's."""

from __future__ import annotations

import time
from typing import Callable

import attrs


@attrs.frozen
class Clock:
    """``monotonic()`` in seconds, ``wall_ns()`` in ns since 1970. Waiting is not its matter: that is the machine's."""

    monotonic: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns


MACHINE = Clock()
