"""What this process has: threads, descriptors, memory, children; and whether it grows."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
import threading
from typing import List, Optional, Sequence, Tuple

import attrs

_CLIENTS = re.compile(r"dbxsdk-(?!sim-)[a-z:]+-(reader|heartbeat|callbacks)")


@attrs.frozen
class Measure:
    """What there was at ``at`` seconds.

    Attributes:
        threads: of the library, and of this soak.
        client_threads: those of clients among them.
        descriptors: all that are open.
        memory_kib: anonymous memory that is resident. It has what the allocators keep for later, too.
        allocated_kib: of that, what the C library's ``malloc`` has given out and not got back; -1 where it does not tell.
        blocks: Python's own small blocks in use, some 100 bytes each.
    """

    at: float
    threads: int
    client_threads: int
    descriptors: int
    memory_kib: int
    allocated_kib: int
    blocks: int


def take(at: float) -> Measure:
    gc.collect()
    _give_back()
    return Measure(
        round(at, 1),
        len(library_threads()),
        len(client_threads()),
        len(descriptors()),
        _anonymous_kib(),
        _allocated_kib(),
        sys.getallocatedblocks(),
    )


def _give_back() -> None:
    """Has the C library give free memory back, where it can: what it keeps for later is no growth."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _MallocInfo(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def _allocated_kib() -> int:
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return -1
    ask.restype = _MallocInfo
    told = ask()
    return int(told.uordblks + told.hblkhd) // 1024


def descriptors() -> List[str]:
    """What each open one is."""
    found = []
    for each in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{each} {os.readlink(f'/proc/self/fd/{each}')}")
        except OSError:
            continue  # the listing's own
    return sorted(found, key=lambda name: int(name.split()[0]))


def library_threads() -> List[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("dbxsdk-", "test-server", "soak-"))]


def client_threads() -> List[str]:
    return [name for name in library_threads() if _CLIENTS.fullmatch(name)]


def _anonymous_kib() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def children() -> List[str]:
    """Child processes, zombies included."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    state, parent = stat.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == os.getpid():
                found.append(f"{entry} ({state})")
    return found


def slope(points: Sequence[Tuple[float, float]]) -> Optional[Tuple[float, float]]:
    """Growth a minute of what is given at seconds, by least squares over the last two thirds of the time, and its standard
    error; None for fewer than four points."""
    if not points:
        return None
    first, last = points[0][0], points[-1][0]
    kept = [(at / 60, value) for at, value in points if at >= first + (last - first) / 3]
    count = len(kept)
    if count < 4:
        return None
    mean_at, mean = sum(at for at, _ in kept) / count, sum(value for _, value in kept) / count
    spread = sum((at - mean_at) ** 2 for at, _ in kept)
    if not spread:
        return None
    growth = sum((at - mean_at) * (value - mean) for at, value in kept) / spread
    rest = sum((value - mean - growth * (at - mean_at)) ** 2 for at, value in kept)
    return growth, float((rest / (count - 2) / spread) ** 0.5)
