"""What an update of an order book costs, here and in pybit, on the same documents in one run.

``python -m tests.benchmarks.books`` prints a row a depth. Ours: the decoded document into the book by Bybit's rule, as
``Decimal``, and the best bid and ask read. pybit: its ``_process_normal_message`` (book, deep copy, callback), as
texts; with and without a look for the best prices in the unsorted lists that it hands out. The documents are decoded,
and brought to the book's door, before the clock starts, on both sides. The clock is the thread's own time on the
processor: what else the machine does would fall on the slower side, whose stretches are longer.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import time
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

from pybit._websocket_stream import _V5WebSocketManager

from dbxsdk.protocol import Push
from tests.books import BybitWire, Market
from tests.fed_book import FedBook

CHUNK = 100
"""Updates at a stretch, before it is the other's turn."""

CHANGES = (1, 12)
"""Changes of the market between two updates; the venue's own example of a delta has 12 rows."""


SIDES = ("ours", "pybit", "pybit_and_best")


def measure(
    levels: int, deltas: int, changes: Tuple[int, int] = CHANGES, sides: Sequence[str] = SIDES
) -> Dict[str, float]:
    """Medians over the stretches of the second half, when pybit's lists have got into their usual disorder.

    ``levels`` are levels a side; at 1 each document is a snapshot, as the venue sends it. Keys: ``rows`` (changed levels
    an update), and for each of ``sides`` its microseconds an update, ``ours_us``, ``pybit_us``, ``pybit_and_best_us``.
    """
    market = Market(levels, seed=1, changes=changes)
    wire = BybitWire(random.Random(1), levels)
    wire._spelled = lambda rows: rows  # type: ignore[method-assign]  # pybit compares texts
    first = wire.frame(True, market.whole(), 1000)
    frames: List[bytes] = []
    rows = 0
    for number in range(1, deltas + 1):
        change = market.change()
        rows += len(change[0]) + len(change[1])
        frames.append(wire.frame(levels == 1, market.whole() if levels == 1 else change, 1000 + number))

    books: List[Any] = [_Ours(wire) if side == "ours" else _Pybit(look=side == "pybit_and_best") for side in sides]
    times: List[List[float]] = [[] for _ in books]
    for book in books:
        book.time([first])
    gc.collect()
    gc.disable()  # its turns would fall on one or the other by chance
    try:
        for start in range(0, len(frames), CHUNK):
            for book, spent in zip(books, times):  # noqa: B905  # its strict is of Python 3.10
                spent.append(book.time(frames[start:start + CHUNK]))
    finally:
        gc.enable()
    # The right book came out of it.
    assert all(book.bids() == {price for price, _ in market.whole()[0]} for book in books)
    costs = {f"{side}_us": _median(spent) for side, spent in zip(sides, times)}  # noqa: B905  # as above
    return {"rows": rows / deltas, **costs}


class _Ours:
    def __init__(self, wire: BybitWire) -> None:
        self._wire = wire
        self._book = FedBook("BTCUSDT", wire.rule, resynchronise=_never, close=_never)

    def time(self, frames: Sequence[bytes]) -> float:
        """Seconds an update."""
        book, updates = self._book, [_push(self._wire, frame) for frame in frames]
        handle, epoch = book.state.handle, book.epoch
        started = time.thread_time()
        for update in updates:
            handle(update, epoch)
            book.best_bid
            book.best_ask
        return (time.thread_time() - started) / len(updates)

    def bids(self) -> Set[str]:
        assert not self._book.is_stale and not self._book.stats().gaps
        return {f"{price:f}" for price, _ in self._book.bids()}


class _Pybit:
    """pybit's handling of a message, without its connection."""

    def __init__(self, look: bool) -> None:
        self._manager = _V5WebSocketManager.__new__(_V5WebSocketManager)
        self._manager.data = {}
        self._manager.callback_directory = _Always(self._look if look else self._see)
        self._handle: Callable[[Any], None] = self._manager._process_normal_message
        self.seen: Any = None
        self.best: Any = None

    def time(self, frames: Sequence[bytes]) -> float:
        """Seconds an update."""
        handle, updates = self._handle, [json.loads(frame) for frame in frames]
        started = time.thread_time()
        for update in updates:
            handle(update)
        return (time.thread_time() - started) / len(updates)

    def bids(self) -> Set[str]:
        return {price for price, _ in self.seen["data"]["b"]}

    def _see(self, message: Any) -> None:
        self.seen = message

    def _look(self, message: Any) -> None:
        self.seen, data = message, message["data"]
        self.best = max(data["b"], key=_number, default=None), min(data["a"], key=_number, default=None)


class _Always(Dict[str, Any]):
    """One callback for whatever topic."""

    def __init__(self, callback: Callable[[Any], None]) -> None:
        super().__init__()
        self._callback = callback

    def __missing__(self, topic: str) -> Callable[[Any], None]:
        return self._callback


def _number(row: List[str]) -> float:
    return float(row[0])


def _never() -> None:
    raise AssertionError("the book lost its way")


def _push(wire: BybitWire, frame: bytes) -> Push:
    (push,) = wire.protocol.receive(frame, False)
    assert isinstance(push, Push)
    return push


def _median(chunks: List[float]) -> float:
    return 1e6 * statistics.median(chunks[len(chunks) // 2:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.books", description=__doc__.splitlines()[0])
    parser.add_argument("--deltas", type=int, default=6000)
    parser.add_argument("--changes", type=int, nargs=2, default=CHANGES, help="fewest and most between two updates")
    options = parser.parse_args()
    print("levels   rows    ours   pybit (and best)   ratio (and best)   us an update, medians")
    for levels in (1, 50, 500, 1000):
        found = measure(levels, options.deltas, tuple(options.changes))
        ratio, ratio_and_best = (found[f"{side}_us"] / found["ours_us"] for side in SIDES[1:])
        print(
            "{levels:6} {rows:6.1f} {ours_us:7.2f} {pybit_us:7.1f} ({pybit_and_best_us:7.1f}) "
            "{ratio:7.1f} ({best:7.1f})".format(levels=levels, ratio=ratio, best=ratio_and_best, **found),
            flush=True,
        )


if __name__ == "__main__":
    main()
