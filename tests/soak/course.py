"""The course of a soak: everything at once, and from time to time a stop at which everything is compared."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

import dbxsdk
from dbxsdk.book.resync import PATIENCE as BOOK_PATIENCE
from dbxsdk.recording import Frame, Recorder
from tests.soak import forks, measures
from tests.soak.actors import Actor, Gate
from tests.soak.calls import OUTCOMES
from tests.soak.measures import Measure
from tests.soak.problems import Problems
from tests.soak.scenes import Scene
from tests.soak.venues import BybitScene, CryptomusScene, DBotScene, DigiFinexScene, certificates

CHECK_EVERY = 20.0
FORK_EVERY = 5.0
PROGRESS_EVERY = 10.0
PATIENCE = 20.0
"""Seconds within which all clients are well again, and have what was sent."""
LONGEST_ACT = 90.0
JUDGED_FROM = 600.0
"""Seconds of run from which the memory's slope is judged: before that it shows how a process warms up."""
SLOPE_LIMITS = {"memory_kib": 1500.0, "allocated_kib": 200.0, "blocks": 2000.0}
"""Growth a minute. Resident memory goes on growing for long in a process that makes and ends a hundred threads a minute,
while what is allocated stands still: the allocators' free pieces lie scattered. So its limit is a wide one."""


class Course:
    """One soak of ``seconds``. ``run`` once; ``table`` at any time."""

    def __init__(self, seconds: float, seed: int, say: Callable[[Dict[str, Any]], None]) -> None:
        self._seconds = seconds
        self._seed = seed
        self._say = say
        self._short = seconds < 30
        self.problems = Problems(lambda at, what: say({"type": "violation", "at": at, "what": what}))
        self.scenes: List[Scene] = []
        self.measures: List[Measure] = []
        self.forks = 0
        self.checks = 0
        self.recorded = 0
        self._before: Optional[Measure] = None
        self._after: Optional[Measure] = None
        self._gate = Gate()
        self._actors: List[Actor] = []
        self._stack = contextlib.ExitStack()
        self._started = time.monotonic()
        self._ended: Optional[float] = None
        self.interrupted = False

    def run(self) -> None:
        """Ctrl-C ends it early."""
        children = set(measures.children())
        tls = certificates()
        self._before = measures.take(0.0)
        with tempfile.TemporaryDirectory() as folder, self._stack:
            recorder = Recorder(os.path.join(folder, "soak.jsonl.gz"), max_bytes=64 * 1024 * 1024)
            self._stack.callback(recorder.close)
            try:
                self._begin(tls, recorder)
                self._soak()
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                self._ended = time.monotonic()
                self._end(recorder, folder)
        self._check_nothing_left(children)

    def _at(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    # -- the course --------------------------------------------------------------------------------------------------

    def _begin(self, tls: Any, recorder: Recorder) -> None:
        kinds: Tuple[Callable[..., Scene], ...] = (
            BybitScene,
            lambda *arguments: DigiFinexScene(*arguments, recorder=recorder),
            CryptomusScene,
            DBotScene,
        )
        for number, kind in enumerate(kinds):
            scene = kind(random.Random(f"{self._seed}:{number}"), self.problems.add, tls, 10.0, self._short)
            self.scenes.append(scene)
            self._stack.callback(scene.close)
            scene.pace.start()
            scene.begin()
        self._started = time.monotonic()
        chance = random.Random(f"{self._seed}:pauses")
        acts = [(scene, *act) for scene in self.scenes for act in scene.acts()]
        self._actors = [self._actor(f"{scene.name}-{name}", act, pause, chance) for scene, name, act, pause in acts]
        self._actors.append(self._actor("forks", self._fork, 0.3 if self._short else FORK_EVERY, chance))
        for actor in self._actors:
            actor.start()

    def _actor(self, name: str, act: Callable[[], Any], pause: float, chance: random.Random) -> Actor:
        return Actor(name, self._gate, act, lambda: chance.expovariate(1 / pause), self.problems.add)

    def _soak(self) -> None:
        every = min(CHECK_EVERY, max(self._seconds / 2, 0.5))
        check, told = self._started + every, self._started + PROGRESS_EVERY
        pause = threading.Event()
        while self._at() < self._seconds:
            pause.wait(max(0.01, min(check, told, self._started + self._seconds) - time.monotonic()))
            if time.monotonic() >= told:
                told += PROGRESS_EVERY
                self._say(self.progress())
            if time.monotonic() >= check and self._at() < self._seconds:
                self.check()
                check = time.monotonic() + every

    def _end(self, recorder: Recorder, folder: str) -> None:
        if self._actors:
            self.check(last=True)
        for actor in self._actors:
            actor.stop()
        self._gate.open()
        for actor in self._actors:
            if actor.thread.ident is not None:
                actor.thread.join(LONGEST_ACT)
        recorded = next((scene.recorded for scene in self.scenes if isinstance(scene, DigiFinexScene)), None)
        for scene in self.scenes:
            scene.close()
        recorder.close()
        if recorded is not None:
            self._check_recording(recorder, folder, recorded.client.stats().received)

    # -- forks -------------------------------------------------------------------------------------------------------

    def _fork(self) -> None:
        chance = random.Random(f"{self._seed}:fork:{self.forks}")
        scene = chance.choice(self.scenes)
        inherited = chance.choice(scene.inherited)
        which, path = scene._main()
        told = forks.fork(inherited, lambda: scene.make(which, chance.choice(scene.roads), "child", path))
        self.forks += 1
        if told:
            self.problems.add(told)

    # -- the stops ---------------------------------------------------------------------------------------------------

    def check(self, last: bool = False) -> None:
        """Has everybody stand still, and compares everything. After the ``last`` one nobody goes on."""
        stuck = self._gate.shut(LONGEST_ACT)
        for each in stuck:
            self.problems.add(f"hangs: {each}")
        try:
            for scene in self.scenes:
                scene.faults.calm()
            self._wait("clients are not ready", self._not_ready)
            # The market goes on: an update that finds a book stale has it ask for a whole one. Not often, so that books
            # which were broken again and again are given a new connection, which brings one at once.
            if not self._wait("", self._stale_books, BOOK_PATIENCE + 1):
                for scene in self.scenes:
                    scene.venue.drop_connections()
                self._wait("books are stale", self._stale_books)
                self._wait("clients are not ready", self._not_ready)
            for scene in self.scenes:
                scene.tidy()
                scene.pace.flood(3)
            self._compare()
            for scene in self.scenes:
                scene.calls.reconcile()
                for watched in scene.watched:
                    for stream in watched.streams:
                        stream.calm()
            self._wait("threads of clients", self._wrong_threads)
            self._wait("requests or updates are left", self._left_over)
            self.measures.append(measures.take(self._at()))
            self.checks += 1
        finally:
            if not last:
                self._gate.open()

    def _wait(self, what: str, look: Callable[[], List[str]], patience: float = PATIENCE) -> bool:
        """Until ``look`` finds nothing wrong; whether that came. A problem where it did not, unless it has no name."""
        deadline = time.monotonic() + patience
        pause = threading.Event()
        while True:
            wrong = look()
            if not wrong:
                return True
            if time.monotonic() > deadline:
                if what:
                    self.problems.add(f"{what}: {'; '.join(wrong[:10])}")
                return False
            pause.wait(0.01)

    def _not_ready(self) -> List[str]:
        return [
            f"{name}: {client.state.value} {_failure(client)}"
            for name, client in self._clients()
            if client.state not in (dbxsdk.State.NEW, dbxsdk.State.READY)
        ]

    def _stale_books(self) -> List[str]:
        return [f"{each.name}: {each.book.stale_reason}" for scene in self.scenes for each in scene.books if each.book.is_stale]

    def _clients(self) -> List[Tuple[str, Any]]:
        watched = [(each.name, each.client) for scene in self.scenes for each in scene.watched]
        return watched + [(f"{scene.name}-inherited", each.client) for scene in self.scenes for each in scene.inherited]

    def _compare(self) -> None:
        """The markets stand still from here on."""
        with contextlib.ExitStack() as halted:
            wanted = []
            for scene in self.scenes:
                halted.enter_context(scene.pace.halted())
                with scene.venue._lock:
                    scene.venue.step()
                    wanted += [(scene, each, each.truth()) for each in scene.books]

            def different() -> List[str]:
                return [
                    f"{each.name} is {each.book.stale_reason or 'not the venue' + chr(39) + 's'}"
                    for _, each, truth in wanted
                    if each.book.is_stale or {"bids": each.book.bids(), "asks": each.book.asks()} != truth
                ]

            self._wait("books", different)
            for scene, _, _ in wanted:
                scene.books_compared += 1
            self._wait("updates", self._outstanding)

    def _outstanding(self) -> List[str]:
        found = [
            (watched, stream, stream.outstanding())
            for scene in self.scenes
            for watched in scene.watched
            for stream in watched.streams
        ]
        return [f"{watched.name} {stream.topic}: {what}" for watched, stream, what in found if what]

    def _wrong_threads(self) -> List[str]:
        expected = 0
        for _, client in self._clients():
            if client.state is not dbxsdk.State.NEW:
                expected += 2 if client._options.dispatch == "inline" else 3
        there = measures.client_threads()
        return [] if len(there) == expected else [f"{len(there)} in place of {expected}: {sorted(there)}"]

    def _left_over(self) -> List[str]:
        stats = [(watched, watched.client.stats()) for scene in self.scenes for watched in scene.watched]
        return [
            f"{watched.name}: {each.pending} requests, {each.queued} updates"
            for watched, each in stats
            if each.pending or each.queued > 5
        ]

    def _check_recording(self, recorder: Recorder, folder: str, received: int) -> None:
        if recorder.stats().lost:
            self.problems.add(f"the recorder lost {recorder.stats().lost} frames")
        with dbxsdk.recording.read(folder) as reading:
            self.recorded = sum(
                isinstance(record, Frame) and record.direction == "in" and record.kind in ("text", "binary")
                for record in reading
            )
            if not reading.complete:
                self.problems.add("the recording is not complete")
        if self.recorded != received:
            self.problems.add(f"the recording has {self.recorded} frames, and {received} were received")

    def _check_nothing_left(self, children: "set[str]") -> None:
        assert self._before is not None
        before = self._before
        deadline = time.monotonic() + 5
        pause = threading.Event()
        while True:
            after = self._after = measures.take(self._at())
            # The random number generator and the like open one or two that stay.
            left = after.threads > before.threads or after.descriptors > before.descriptors + 2
            if not left or time.monotonic() > deadline:
                break
            pause.wait(0.05)
        if after.threads > before.threads:
            self.problems.add(f"threads are left: {sorted(measures.library_threads())[:20]}")
        if after.descriptors > before.descriptors + 2:
            self.problems.add(f"{after.descriptors} descriptors, {before.descriptors} before: {measures.descriptors()[-10:]}")
        new = [child for child in measures.children() if child not in children]
        if new:
            self.problems.add(f"child processes are left: {new}")
        for name, limit in SLOPE_LIMITS.items():
            growth = self._slope(name)
            if growth is not None and self._at() >= JUDGED_FROM and growth[0] - 2 * growth[1] > limit:
                self.problems.add(f"{name} grows by {growth[0]:.0f} a minute")

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _slope(self, name: str) -> Optional[Tuple[float, float]]:
        return measures.slope([(each.at, getattr(each, name)) for each in self.measures])

    def progress(self) -> Dict[str, Any]:
        numbers = [scene.numbers() for scene in self.scenes]
        return {
            "type": "progress",
            "seconds": round(self._at(), 1),
            "updates": sum(each["delivered"] for each in numbers),
            "outside": sum(each["outside"] for each in numbers),
            "faults": sum(sum(scene.faults.counts.values()) for scene in self.scenes),
            "requests": sum(sum(scene.calls.outcomes.values()) for scene in self.scenes),
            "forks": self.forks,
            "checks": self.checks,
            "memory_kib": self.measures[-1].memory_kib if self.measures else None,
            "problems": self.problems.count,
        }

    def table(self) -> Dict[str, Any]:
        """The whole result as one document."""
        slopes = {name: self._slope(name) for name in SLOPE_LIMITS}
        return {
            "type": "table",
            "seed": self._seed,
            "seconds": round(self._at(), 1),
            "interrupted": self.interrupted,
            "venues": [self._row(scene) for scene in self.scenes],
            "forks": self.forks,
            "checks": self.checks,
            "recorded_frames": self.recorded,
            "threads": [self._before and self._before.threads, self._after and self._after.threads],
            "descriptors": [self._before and self._before.descriptors, self._after and self._after.descriptors],
            **{name: [getattr(each, name) for each in self.measures] for name in SLOPE_LIMITS},
            "slopes": {name: each and [round(number, 1) for number in each] for name, each in slopes.items()},
            "violations": self.problems.count,
            "told": [{"at": at, "what": what} for at, what in self.problems.told],
        }

    def _row(self, scene: Scene) -> Dict[str, Any]:
        numbers, events = scene.numbers(), scene.happened()
        return {
            "venue": scene.name,
            "minutes": round(self._at() / 60, 2),
            "clients": scene.clients_made,
            "connections": scene.venue.connection_count,
            "reconnects": max(0, events.get("Connected", 0) - scene.clients_made),
            "faults": dict(sorted(scene.faults.counts.items())),
            "gaps": events.get("Gap", 0),
            **{name: numbers[name] for name in ("sent", "delivered", "dropped", "in_gaps", "outside", "repeated")},
            "bad_frames": events.get("BadFrame", 0),
            "requests": {outcome: scene.calls.outcomes.get(outcome, 0) for outcome in OUTCOMES},
            "orders": scene.calls.orders,
            "orders_carried_out": scene.calls.executed,
            "books": scene.books_compared,
            "disconnections": dict(sorted(scene.disconnections().items(), key=lambda each: -each[1])[:8]),
        }


def _failure(client: Any) -> str:
    """What ended it, if anything has."""
    try:
        client.wait(0)
    except dbxsdk.DbxError as error:
        return str(error)
    return ""
