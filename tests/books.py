"""Order books against a slow and obvious one, on random frames of each venue: ``python -m tests.books --deltas 1000000``

A random market is cut to a depth and told as the venue tells it, through the venue's own protocol, with losses,
repetitions, restarts, drops and crossed books thrown in. The best prices are compared after every update, the whole
book after every update of a sample and at the end. Prints a line a venue: what was compared, and how many of the
injected faults were noticed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import zlib
from decimal import Decimal
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import attrs

from dbxsdk.book.rule import BookRule
from dbxsdk.bybit.public.book import BybitBookRule
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.cryptomus.book import CryptomusBookRule
from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.digifinex.book import DigiFinexBookRule
from dbxsdk.digifinex.protocol import DigiFinexProtocol
from dbxsdk.protocol import Protocol, Push
from dbxsdk.sim.market.book import Book as Exchange
from dbxsdk.sim.market.book import DepthFeed
from tests.fed_book import FedBook

Rows = List[List[str]]
Sides = Tuple[Rows, Rows]
Levels = List[Tuple[Decimal, Decimal]]

CROWDED = 10_000
"""So many updates make a stretch of the sample, of which the first ``EACH`` are compared in full."""
EACH = 200


class SlowBook:
    """What a book is, in as few words as can be: sizes by price, sorted for every look."""

    def __init__(self) -> None:
        self._sides: Tuple[Dict[Decimal, Decimal], Dict[Decimal, Decimal]] = ({}, {})
        self.unknown_deletes = 0

    def replace(self, sides: Sides) -> None:
        self._sides = ({}, {})
        self.apply(sides)

    def apply(self, sides: Sides) -> None:
        for side, rows in zip(self._sides, sides):  # noqa: B905 - Python 3.9 has no strict
            for price, size in rows:
                if Decimal(size) != 0:
                    side[Decimal(price)] = Decimal(size)
                elif side.pop(Decimal(price), None) is None:
                    self.unknown_deletes += 1

    def bids(self) -> Levels:
        return sorted(self._sides[0].items(), reverse=True)

    def asks(self) -> Levels:
        return sorted(self._sides[1].items())

    def best(self) -> Tuple[Any, Any]:
        bids, asks = self._sides
        bid, ask = max(bids, default=None), min(asks, default=None)
        return (None if bid is None else (bid, bids[bid])), (None if ask is None else (ask, asks[ask]))


class Market:
    """A random book in ticks and lots, and the best ``depth`` levels a side of it as the wire's texts."""

    def __init__(self, depth: int, seed: int, changes: Tuple[int, int] = (1, 12)) -> None:
        self.random = random.Random(seed)
        self._depth, self._changes = depth, changes
        self._mid, self._wide = 600_000, 3 * depth + 20
        self._book = Exchange()
        for distance in range(1, self._wide):
            self._book.bids.set(self._mid - distance, self._lots())
            self._book.asks.set(self._mid + distance, self._lots())
        self._feed = DepthFeed(self._book, depth)

    def whole(self) -> Sides:
        bids, asks = self._feed.snapshot()
        return self._rows(bids), self._rows(asks)

    def change(self) -> Sides:
        """What changes next: sizes, levels that go and others that take their place."""
        chance = self.random
        while True:
            for _ in range(chance.randint(*self._changes)):
                side, sign = chance.choice(((self._book.bids, -1), (self._book.asks, 1)))
                distance = 1 + int(chance.expovariate(4 / max(self._depth, 4)))
                side.set(self._mid + sign * distance, 0 if chance.random() < 0.2 else self._lots())
            if chance.random() < 0.05:
                self._mid += chance.choice((-1, 1))
                for side, sign in ((self._book.bids, -1), (self._book.asks, 1)):
                    side.set(self._mid, 0)
                    side.set(self._mid + sign * self._wide, self._lots())
            bids, asks = self._feed.advance()
            if bids or asks:
                return self._rows(bids), self._rows(asks)

    def crossing(self, touching: bool) -> Sides:
        """A bid at the best ask, or above it."""
        (ask, _), *_ = self._feed.snapshot()[1]
        return self._rows([(ask if touching else ask + 1, 1)]), []

    def unknown_delete(self) -> Sides:
        return [], self._rows([(self._mid + 10 * self._wide, 0)])

    def _lots(self) -> int:
        return self.random.randrange(1, 20_000)

    def _rows(self, levels: Any) -> Rows:
        return [[f"{tick / 10:.2f}", f"{lots / 1000:.3f}" if lots else "0"] for tick, lots in levels]


class Wire:
    """How a venue tells of a book."""

    numbered = False
    protocol: Protocol
    rule: BookRule

    def __init__(self, chance: random.Random) -> None:
        self._random = chance

    def frame(self, whole: bool, sides: Sides, update_id: int) -> bytes:
        raise NotImplementedError

    def push(self, whole: bool, sides: Sides, update_id: int = 0) -> Push:
        (push,) = self.protocol.receive(self.frame(whole, sides, update_id), isinstance(self, DigiFinexWire))
        assert isinstance(push, Push)
        return push

    def _spelled(self, rows: Rows) -> Rows:
        """Some of them with a price or a zero written in another way."""
        chance = self._random
        for row in rows:
            if chance.random() < 0.02:
                row[0] = row[0] + "0"
            if row[1] == "0" and chance.random() < 0.3:
                row[1] = "0.000"
        return rows


class BybitWire(Wire):
    numbered = True

    def __init__(self, chance: random.Random, depth: int) -> None:
        super().__init__(chance)
        self.protocol, self.rule = BybitPublicProtocol("linear"), BybitBookRule(depth)
        self._topic = f"orderbook.{depth}.BTCUSDT"

    def frame(self, whole: bool, sides: Sides, update_id: int) -> bytes:
        bids, asks = map(self._spelled, sides)
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update_id, "seq": 7 * update_id}
        kind = "snapshot" if whole else "delta"
        return json.dumps({"topic": self._topic, "type": kind, "ts": 1, "data": data, "cts": 1}).encode()


class DigiFinexWire(Wire):
    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.protocol, self.rule = DigiFinexProtocol(), DigiFinexBookRule()

    def frame(self, whole: bool, sides: Sides, update_id: int) -> bytes:
        bids, asks = map(self._spelled, sides)
        # Best last, and the deletions behind all others.
        asks = sorted(asks[::-1], key=lambda row: Decimal(row[1]) == 0)
        depth = {name: rows for name, rows in (("asks", asks), ("bids", bids)) if rows or self._random.random() < 0.5}
        return zlib.compress(
            json.dumps({"method": "depth.update", "params": [whole, depth, "BTC_USDT"], "id": None}).encode(), 1
        )


class CryptomusWire(Wire):
    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.protocol, self.rule = CryptomusProtocol(), CryptomusBookRule(1)
        self.protocol.subscribe(["depth.BTC_USDT:1"], ())

    def frame(self, whole: bool, sides: Sides, update_id: int) -> bytes:
        bids, asks = map(self._spelled, sides)
        self._random.shuffle(bids)
        self._random.shuffle(asks)
        data = {"symbol": "BTC_USDT", "timestamp": 1, "full_reload": whole, "scale_index": 1, "asks": asks, "bids": bids}
        return json.dumps({"id": 0, "method": "depth_update", "data": data, "error": None}).encode()


WIRES: Dict[str, Callable[[random.Random, int], Wire]] = {
    "bybit": BybitWire,
    "digifinex": lambda chance, depth: DigiFinexWire(chance),
    "cryptomus": lambda chance, depth: CryptomusWire(chance),
}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Report:
    """What one run compared and found."""

    venue: str
    depth: int
    deltas: int = 0
    compared: int = 0
    injected: Dict[str, int] = attrs.field(factory=dict)
    noticed: Dict[str, int] = attrs.field(factory=dict)
    unknown_deletes: int = 0
    seconds: float = 0.0

    def count(self, fault: str, noticed: bool) -> None:
        self.injected[fault] = self.injected.get(fault, 0) + 1
        self.noticed[fault] = self.noticed.get(fault, 0) + noticed


class Run:
    """One book fed with random frames, and the slow one beside it."""

    def __init__(self, venue: str, depth: int, seed: int, faults: float) -> None:
        self._market = Market(depth, seed)
        self._wire = WIRES[venue](self._market.random, depth)
        self._faults = faults
        self._slow = SlowBook()
        self._clock = Clock()
        self._asked = 0
        self.book = FedBook(
            "BTCUSDT", self._wire.rule, resynchronise=self._ask, close=lambda: None, clock=self._clock
        )
        self.report = Report(venue, depth)
        self._update_id = 1000

    def _ask(self) -> None:
        self._asked += 1

    def go(self, deltas: int) -> Report:
        started = time.monotonic()
        self._replace()
        while self.report.deltas < deltas:
            if self._market.random.random() < self._faults:
                self._market.random.choice(list(self._possible()))()
            else:
                self._apply(self._market.change())
            if self.report.deltas % CROWDED < EACH:
                self._compare()
        self._compare()
        self.report.unknown_deletes = self.book.stats().unknown_deletes
        assert self.report.unknown_deletes == self._slow.unknown_deletes
        self.report.seconds = time.monotonic() - started
        return self.report

    def _possible(self) -> Iterator[Callable[[], None]]:
        yield from (self._drop, self._cross, self._unknown_delete, self._replace)
        if self._wire.numbered:
            yield from (self._lose, self._repeat, self._restart)

    def _handle(self, whole: bool, sides: Sides) -> None:
        assert self.book.handle(self._wire.push(whole, sides, self._update_id))

    def _apply(self, sides: Sides) -> None:
        self._update_id += 1
        self.report.deltas += 1
        self._slow.apply(sides)
        self._handle(False, sides)
        assert not self.book.is_stale, self.book.stale_reason
        assert (self.book.best_bid, self.book.best_ask) == self._slow.best()

    def _replace(self) -> None:
        """A whole book, as it comes after a subscription, and now and then without one."""
        # At depth 1 the same number again would be a repeat.
        self._update_id += self._market.random.randrange(int(self.report.depth == 1), 5)
        sides = self._market.whole()
        self._slow.replace(sides)
        self._handle(True, sides)
        self._compare()

    def _compare(self) -> None:
        assert not self.book.is_stale and not self.book.is_crossed
        snapshot = self.book.snapshot()
        assert self.book.bids() == list(snapshot.bids) == self._slow.bids()
        assert self.book.asks() == list(snapshot.asks) == self._slow.asks()
        assert self.book.update_id == (self._update_id if self._wire.numbered else None)
        self.report.compared += 1

    def _unknown_delete(self) -> None:
        before = self.book.stats().unknown_deletes
        self._apply(self._market.unknown_delete())
        self.report.count("unknown delete", self.book.stats().unknown_deletes == before + 1)

    def _lose(self) -> None:
        self._market.change()
        self._update_id += 1
        self._broken("lost", self._market.change(), 1)

    def _repeat(self) -> None:
        self._broken("repeated", self._market.unknown_delete(), 0)

    def _cross(self) -> None:
        self._broken("crossed", self._market.crossing(touching=self._market.random.random() < 0.5), 1)

    def _broken(self, fault: str, sides: Sides, step: int) -> None:
        """The next delta must be found out. Others that follow must not go in, until a whole book comes."""
        self._clock.now += 1000.0
        self._update_id += step
        asked, before = self._asked, self.book.stats()
        self._handle(False, sides)
        after = self.book.stats()
        self.report.count(
            fault,
            self.book.is_stale and self._asked == asked + 1 and after.gaps + after.crossed == before.gaps + before.crossed + 1,
        )
        self._until_whole()

    def _drop(self) -> None:
        self.report.count("dropped", self.book.stale("the connection dropped") and self.book.is_stale)
        self.book.live()
        self._until_whole()

    def _restart(self) -> None:
        self._update_id = 1
        sides = self._market.whole()
        self._slow.replace(sides)
        self._handle(True, sides)
        self.report.count("restart", not self.book.is_stale and self.book.update_id == 1)
        self._compare()

    def _until_whole(self) -> None:
        ignored = self.book.stats().ignored
        for _ in range(2):
            self._update_id += 1
            assert not self.book.handle(self._wire.push(False, self._market.change(), self._update_id))
        assert self.book.is_stale and self.book.stats().ignored == ignored + 2
        self._replace()


def run(venue: str, deltas: int, *, depth: int = 50, seed: int = 1, faults: float = 0.002) -> Report:
    """Raises ``AssertionError`` at the first difference; a fault that was not noticed is for the reader of the report."""
    return Run(venue, depth, seed, faults).go(deltas)


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.books", description=__doc__.splitlines()[0])
    parser.add_argument("--deltas", type=int, default=20_000, help="a venue")
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venue", choices=list(WIRES), action="append", help="all of them by default")
    options = parser.parse_args(arguments)
    good = True
    for venue in options.venue or WIRES:
        report = run(venue, options.deltas, depth=options.depth, seed=options.seed)
        faults = ", ".join(f"{name} {report.noticed[name]}/{count}" for name, count in sorted(report.injected.items()))
        print(
            f"{venue:10} depth {report.depth}: {report.deltas} deltas, best prices equal after each; whole book equal "
            f"{report.compared} times and at the end; {report.seconds:.0f} s; noticed of injected: {faults}",
            flush=True,
        )
        good = good and report.noticed == report.injected
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
