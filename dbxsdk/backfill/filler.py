"""Drives the merges of one subscription, on the thread that runs its callback.

Nothing here is locked: updates, gaps and answers of REST come one at a time, in one order, to that one thread. REST is asked by
a thread that lives as long as something is held, and whose answers come back through the same queue as the updates.
"""

from __future__ import annotations

import collections
import functools
import threading
from typing import Any, Callable, Deque, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.backfill.merge import Given, Merge
from dbxsdk.backfill.twin import Fetched, Since, Twin
from dbxsdk.errors import AuthError, DbxError, ProtocolError
from dbxsdk.events import Filled, Gap
from dbxsdk.models import Update
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.runtime.log import ClientLog

_JOIN_TIME = 1.0


class Filler:
    """What stands between a subscription and its callback."""

    def __init__(
        self,
        twin: Twin,
        topics: Mapping[str, str],
        venue: str,
        channel: str,
        *,
        seconds: float,
        room: int,
        room_bytes: int,
        post: Callable[[Callable[[], None]], None],
        callback: Callable[[Update[Any]], Any],
        give: Callable[[str, Update[Any]], None],
        tell: Callable[[Filled], None],
        log: ClientLog,
        name: str,
    ) -> None:
        """``topics`` by symbol. ``seconds``, ``room`` (updates) and ``room_bytes`` bound what is held. ``post`` has something
        called on the thread of the callback, behind what came before; ``give`` calls ``callback`` for an update of a topic, and
        never raises; ``tell`` emits an event."""
        self._topics = topics
        groups = {symbol: (topic,) for symbol, topic in topics.items()} if twin.by_symbol else {"": tuple(topics.values())}
        self._groups = {topic: group for group, named in groups.items() for topic in named}
        self._merges = {
            group: Merge(twin, named, functools.partial(_make, twin, venue, channel, group), seconds, wall_ns)
            for group, named in groups.items()
        }
        self._only = None if twin.by_symbol else self._merges[""]
        keep: Callable[[], Deque[Update[Any]]] = functools.partial(collections.deque, maxlen=twin.kept)
        self._recent: Dict[str, Deque[Update[Any]]] = collections.defaultdict(keep)
        self._twin = twin
        self._room = room
        self._room_bytes = room_bytes
        self._post = post
        self._callback = callback
        self._give = give
        self._tell = tell
        self._log = log
        self._name = name
        self._idle = True
        """True while no update has to be looked at."""
        self._round = 0
        """Counts the times that something began to be held: answers to earlier questions are not taken."""
        self._wake = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self.ended = False
        self.passes: Callable[[], Iterable[int]] = tuple
        """The ``last_received_ns`` of gaps that are none of the subscription's."""

    # -- the thread of the callback ------------------------------------------------------------------

    def take(self, update: Update[Any]) -> None:
        """Give ``update`` out, or hold it."""
        if self._idle:
            self._recent[update.symbol].append(update)
            self._callback(update)
            return
        merge = self._only or self._merges.get(update.symbol)
        if merge is None or not (merge.is_holding or merge.remembers):
            self._out(update.symbol, (update,))
        else:
            self._out(update.symbol, self._decided(merge, merge.take, update, monotonic()))
            self._make_room()
            self._wake.set()

    def take_with_history(self, update: Update[Any]) -> None:
        """Do the same for a stream that begins with history, and may repeat it."""
        if update.kind != "snapshot":
            self.take(update)
            return
        before, merge = self._recent[update.symbol], self._merges.get(update.symbol)
        if not before or merge is None or merge.is_holding:
            self.take(update)
            return
        self._out(update.symbol, self._decided(merge, merge.repeated, tuple(before), update, monotonic()))
        if merge.is_holding:
            self._work()

    def _known(self, group: str) -> Tuple[Update[Any], ...]:
        """Return what came last."""
        if self._only is None:
            return tuple(self._recent[group])
        every = (update for recent in self._recent.values() for update in recent)
        return tuple(sorted(every, key=lambda update: update.received_ns))[-self._twin.kept :]

    def _make_room(self) -> None:
        holding = [(symbol, merge) for symbol, merge in self._merges.items() if merge.is_holding]
        held, size = sum(merge.held for _, merge in holding), sum(merge.held_bytes for _, merge in holding)
        if held >= self._room or size >= self._room_bytes:
            for symbol, merge in holding:
                self._out(symbol, self._decided(merge, merge.full, monotonic()))

    def _decided(self, merge: Merge, decide: Callable[..., Sequence[Given]], *arguments: Any) -> Sequence[Given]:
        """What ``merge`` decides. A defect of ours costs what was to be fetched; not the callbacks thread, nor what is held."""
        try:
            return decide(*arguments)
        except Exception as error:
            self._log.exception("%s: what was missed cannot be filled", ", ".join(merge.topics))
            return merge.given_up(ProtocolError(f"unexpected error: {error!r}"))

    def gap(self, gap: Gap) -> None:
        """Behind what came before it, and behind users' own event callbacks."""
        if self.ended or gap.last_received_ns in self.passes():
            return
        groups = dict.fromkeys(self._groups[topic] for topic in gap.topics if topic in self._groups)
        for group in groups:
            merge, from_ms, now = self._merges[group], gap.last_received_ns // 1_000_000, monotonic()
            if merge.is_holding:
                self._out(group, self._decided(merge, merge.gap, from_ms, now))
            else:
                self._out(group, self._decided(merge, merge.begin, self._known(group), from_ms, now))
        if groups:
            self._work()

    def hold(self, since: Since) -> None:
        """Before the subscription begins: what comes waits until ``start``."""
        for merge in self._merges.values():
            merge.begin_since(since, monotonic())
        self._idle = False

    def start(self) -> None:
        """The subscription is acknowledged: what was there before it is asked for."""
        self._post(self._start)

    def _start(self) -> None:
        if self.ended:
            return
        for merge in self._merges.values():
            merge.started(monotonic())
        self._work()

    def _answered(self, symbol: str, round_: int, answer: Any) -> None:
        merge, now = self._merges[symbol], monotonic()
        if self.ended or round_ != self._round:
            return
        if isinstance(answer, Fetched):
            given = self._decided(merge, merge.fetched, answer, now)
        else:
            given = self._decided(merge, merge.failed, answer, now, isinstance(answer, AuthError))
        self._out(symbol, given)
        self._wake.set()

    def _tick(self, symbol: str) -> None:
        if not self.ended:
            merge = self._merges[symbol]
            self._out(symbol, self._decided(merge, merge.tick, monotonic()))
            self._wake.set()

    def _out(self, symbol: str, given: Sequence[Given]) -> None:
        for each in given:
            if self.ended:
                return
            if isinstance(each, Filled):
                if each.error is not None:
                    named = ", ".join(each.topics)
                    self._log.warning("%s: what was missed could not be fetched: %s", named, each.error)
                self._tell(attrs.evolve(each, client=self._name))
            else:
                self._recent[each.symbol].append(each)
                self._give(self._topics.get(each.symbol) or self._topics.get(symbol) or next(iter(self._topics.values())), each)
        self._idle = not any(merge.is_holding or merge.remembers for merge in self._merges.values())

    # -- any thread ----------------------------------------------------------------------------------

    def end(self) -> None:
        """The subscription is over. Waits for nothing, and may be called with locks held."""
        self.ended = True
        self._wake.set()

    def join(self) -> None:
        """Wait a moment for the thread, once it has been ended."""
        thread = self._thread
        if thread is not None and thread.ident is not None and thread is not threading.current_thread():
            thread.join(_JOIN_TIME)

    def after_fork_in_child(self) -> None:
        """What is held is the parent's to give out, and its thread is not here. What came before is known still."""
        self._wake, self._thread = threading.Event(), None
        self._round += 1
        for merge in self._merges.values():
            merge.drop()
        self._idle = True

    # -- the thread of REST --------------------------------------------------------------------------

    def _work(self) -> None:
        self._idle = False
        self._round += 1
        self._wake.set()  # for the thread of the round before, which ends
        name = f"dbxsdk-{self._name}-backfill"
        self._thread = threading.Thread(target=self._ask, args=(self._round,), name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread is to be had: at the interpreter's exit, or there are too many
            for symbol, merge in self._merges.items():
                self._out(symbol, merge.failed(DbxError(f"no thread for REST: {error}"), monotonic(), True))

    def _ask(self, round_: int) -> None:
        """Ask whatever is due, until nothing is held or another thread has taken over."""
        asked: Dict[str, Tuple[Optional[float], Optional[float]]] = {}
        while not self.ended and self._round == round_:
            self._wake.clear()
            try:
                due = self._look(round_, asked)
            except Exception:  # a defect of ours must not hold the stream for ever: the deadlines are kept here
                self._log.exception("REST could not be asked")
                due = monotonic() + 1.0
            if due is None:
                return
            self._wake.wait(max(due - monotonic(), 0.02))

    def _look(self, round_: int, asked: Dict[str, Tuple[Optional[float], Optional[float]]]) -> Optional[float]:
        """Do what is due. Return when something is due again; None if nothing is. ``asked``: the questions and deadlines that
        were served."""
        due: Optional[float] = None
        for symbol, merge in self._merges.items():
            at, deadline, since = merge.ask_at, merge.deadline, merge.since
            if deadline is None or since is None:
                continue
            served = asked.get(symbol, (None, None))
            if at is not None and at != served[0] and at <= monotonic() < deadline:
                asked[symbol] = served = at, served[1]
                self._post(functools.partial(self._answered, symbol, round_, self._fetch(symbol, since, deadline)))
            if deadline != served[1] and monotonic() >= deadline:
                asked[symbol] = served = served[0], deadline
                self._post(functools.partial(self._tick, symbol))
            nearest = deadline if at is None or at == served[0] else min(at, deadline)
            due = nearest if due is None else min(due, nearest)
        return due

    def _fetch(self, symbol: str, since: Since, deadline: float) -> Any:
        """What REST answered, or the error."""
        try:
            return self._twin.fetch(symbol, since, deadline)
        except DbxError as error:
            return error
        except Exception as error:  # a defect of ours must not hold the stream
            self._log.exception("REST could not be asked")
            return ProtocolError(f"unexpected error: {error!r}")


def _make(
    twin: Twin, venue: str, channel: str, group: str, kind: str, data: Any, time_ms: Optional[int], raw: Any
) -> Update[Any]:
    symbol = group if kind == "snapshot" else twin.symbol_of(group, raw)
    return Update(venue, channel, symbol, kind, data, time_ms, wall_ns(), raw)
