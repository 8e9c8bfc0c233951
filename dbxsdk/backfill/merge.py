"""What was missed, what was held meanwhile, and what came before: one sequence, each item once. Pure.

One ``Merge`` has the updates of one topic of one subscription. While nothing is missing it is not asked. From a ``Gap`` on it
holds what comes, until REST has what was missed, or there is no time or room left. A hole is closed at both ends if REST has
an item from before it and the first one from after it: then whatever happened between them is among the rows, since REST
forgets nothing in the middle. Rows with the time of either end may belong to either side of it: they are told by their ids.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Hashable, Iterable, List, Optional, Sequence, Set, Tuple, Union

import attrs

from dbxsdk.backfill.twin import Fetched, Row, Since, Twin
from dbxsdk.errors import DbxError
from dbxsdk.events import Filled
from dbxsdk.models import Update

Given = Union[Update[Any], Filled]

_AGAIN = 0.25
"""Seconds until REST is asked once more for what it should have by then."""
_LAST_LOOK = 1.0
"""Seconds before the end at which REST is asked once more, if nothing has come to join on to: its rows may be late."""
BEFORE = 16
"""How many updates from before a hole tell where it begins."""
_UNDER_WAY_MS = 1000
"""How long an update may be under way: so much more than it seems the venue's clock may be ahead of this machine's."""
_MOST_REMEMBERED = 5000
_REMEMBERED_FOR = 10.0
"""Seconds for which the stream may bring what REST had before."""


@attrs.define
class _Hole:
    """What lies between two updates that came, and what was held behind it."""

    since: Since
    last_order: Optional[Tuple[int, ...]]
    """The place of the last item before it; None if none is known."""
    from_ms: int
    """Since when items may be missing, if no item before it is known."""
    held: List[Update[Any]] = attrs.Factory(list)

    def first(self, merge: "Merge") -> Optional[Tuple[Hashable, Tuple[int, ...]]]:
        """The first item from after it."""
        return next((place for update in self.held for place in merge.places(update)), None)


class Merge:
    """See the module. Not thread-safe: used by the thread that runs the callback. Times are monotonic seconds."""

    def __init__(
        self, twin: Twin, topic: str, make: Callable[..., Update[Any]], seconds: float, room: int, wall_ns: Callable[[], int]
    ) -> None:
        """``make(kind, data, venue_time_ms, raw)`` makes an update of the topic; ``seconds`` and ``room`` (updates) bound what
        is held."""
        self.topic = topic
        self._twin = twin
        self._make = make
        self._wall_ns = wall_ns
        self._seconds = seconds
        self._room = room
        self._holes: List[_Hole] = []
        self._rows: Optional[Fetched] = None
        """All that REST has said since it began to hold."""
        self._torn: Tuple[int, ...] = ()
        """Between two of REST's answers: since when, and until when (ms), items may be in neither."""
        self._error: Optional[DbxError] = None
        self._given: Set[Hashable] = set()
        """What was given out of REST and may come from the stream still."""
        self._forget_at = 0.0
        self._ahead_ms = 0
        """By how much the venue's clock seems to be ahead, by the last updates that came."""
        self.deadline: Optional[float] = None
        """Until when it holds. None: it does not."""
        self.ask_at: Optional[float] = None
        """When REST is to be asked. None: not now, or it is being asked."""

    @property
    def is_holding(self) -> bool:
        """True while updates are held."""
        return bool(self._holes)

    @property
    def remembers(self) -> bool:
        """True if updates have to be looked at still, since REST may have had some of their items."""
        return bool(self._given)

    @property
    def since(self) -> Since:
        """From where on REST is to be asked."""
        return self._holes[0].since

    # -- what happens --------------------------------------------------------------------------------

    def begin(self, before: Sequence[Update[Any]], from_ms: int, now: float) -> List[Given]:
        """Updates may be missing since ``before``, the last ones that were given out, or since ``from_ms`` if there are none."""
        places = [place for update in before for place in self.places(update)]
        came = [(each.received_ns // 1_000_000, self.places(each)) for each in before if each.kind != "backfill"]
        self._ahead_ms = max((order[0] - at for at, items in came for _, order in items), default=0)
        last = max((order for _, order in places), default=None)
        since = Since(frozenset(key for key, _ in places), last[0] if last else from_ms)
        self._open(_Hole(since, last, from_ms), now)
        return []

    def begin_since(self, since: Since, now: float) -> None:
        """All is wanted from there on, though nothing came before."""
        self._open(_Hole(since, None, since.from_ms or 0), now)

    def started(self, now: float) -> None:
        """The time for what ``begin_since`` wants begins now."""
        if self._holes:
            self.deadline, self.ask_at = now + self._seconds, now

    def gap(self, from_ms: int, now: float) -> List[Given]:
        """One more ``Gap``, while updates are held because of another."""
        held = self._holes[-1].held
        if held:
            self.begin(held[-BEFORE:], from_ms, now)
        self.ask_at = now
        return []

    def take(self, update: Update[Any], now: float) -> List[Given]:
        """Hold ``update``, or give it out without the items that were given before."""
        if not self._holes:
            if now >= self._forget_at:
                self._given.clear()
            return self._without_given(update)
        hole = self._holes[-1]
        if self._rows is not None and hole.first(self) is None:
            self.ask_at = now  # for the place at which what comes now joins on
        hole.held.append(update)
        if sum(len(each.held) for each in self._holes) >= self._room:
            return self._conclude(now)
        return []

    def fetched(self, fetched: Fetched, now: float) -> List[Given]:
        """REST has answered."""
        if not self._holes:
            return []
        self._rows, self._error = self._joined(fetched), None
        if self._twin.is_state:
            return self._conclude(now)
        keys = {row.key for row in self._rows.rows}
        first = self._holes[-1].first(self)
        if first is not None:
            if first[0] in keys:
                return self._conclude(now)
            self.ask_at = now + _AGAIN
        elif self.deadline is not None and now < self.deadline - _LAST_LOOK:
            self.ask_at = self.deadline - _LAST_LOOK
        return []

    def failed(self, error: DbxError, now: float, final: bool) -> List[Given]:
        """REST could not be asked. ``final``: it is useless to try again."""
        if not self._holes:
            return []
        self._error = error
        self.ask_at = now + _AGAIN
        return self._conclude(now) if final else []

    def tick(self, now: float) -> List[Given]:
        """Time has passed."""
        return self._conclude(now) if self.deadline is not None and now >= self.deadline else []

    def given_up(self, error: DbxError) -> List[Given]:
        """Nothing can be decided: what is held goes on, and what was missed is missing."""
        holes, now_ms = self._holes, self._now_ms()
        self.drop()
        self._given.clear()
        held = [update for hole in holes for update in hole.held]
        return [self._told(0, False, (holes[0].from_ms if holes else now_ms, now_ms), error), *held]

    def drop(self) -> None:
        """Forget all that is held: the subscription has ended, or it is another process's."""
        self._holes, self._rows, self._error, self._torn = [], None, None, ()
        self.deadline = self.ask_at = None

    # -- items ---------------------------------------------------------------------------------------

    def places(self, update: Update[Any]) -> List[Tuple[Hashable, Tuple[int, ...]]]:
        """The id and the place of each item that has them."""
        found = []
        for item in _items(update):
            try:
                found.append(self._twin.place(item, update))
            except Exception:  # noqa: S110 - whatever is wrong with it is reported where its field is read
                pass
        return found

    # -- within --------------------------------------------------------------------------------------

    def _open(self, hole: _Hole, now: float) -> None:
        self._holes.append(hole)
        if self.deadline is None:
            self.deadline = now + self._seconds
        self.ask_at = now

    def _joined(self, fetched: Fetched) -> Fetched:
        """The rows of all answers. What REST shows of a busy market may have moved on by more than it shows."""
        before = self._rows
        if before is None or not before.rows or self._twin.is_state or fetched.whole:
            return fetched
        rows = {row.key: row for row in (*before.rows, *fetched.rows)}
        if fetched.rows and len(rows) == len(before.rows) + len(fetched.rows):
            newest, oldest = max(row.order for row in before.rows)[0], min(row.order for row in fetched.rows)[0]
            self._torn = (min(newest, *self._torn), max(oldest, *self._torn)) if self._torn else (newest, oldest)
        return Fetched(tuple(rows.values()))

    def _conclude(self, now: float) -> List[Given]:
        """Give out all that there is, in its order."""
        holes, fetched, error, torn = self._holes, self._rows, self._error, self._torn
        late = self.deadline is not None and now >= self.deadline
        given: List[Given] = []
        if self._twin.is_state:
            given = self._state(holes, fetched, error)
            self.drop()
            return given
        rows = sorted(fetched.rows, key=lambda row: row.order) if fetched is not None else []
        self._find_beginning(holes[0], rows)
        held = {key for hole in holes for update in hole.held for key, _ in self.places(update)}
        known = {key for hole in holes for key in hole.since.known}
        keys = {row.key for row in rows}
        fresh = [row for row in rows if row.key not in held and row.key not in known and not row.is_open]
        self._given.clear()
        self._forget_at = now + _REMEMBERED_FOR
        shares = self._shared_out(holes, fresh)
        for index, hole in enumerate(holes):
            given += [self._make("backfill", (row.data,), row.order[0], row.raw) for row in shares[index]]
            whole = fetched is not None and (fetched.whole or _reaches(rows, hole))
            below = whole or bool(keys & hole.since.known)
            first = hole.first(self)
            above = first[0] in keys if first is not None else None
            given.append(self._filled(hole, shares[index], torn, below, above, error, late))
            given += hole.held
        self.drop()  # not before: if something goes wrong here, what is held is there still
        return given

    @staticmethod
    def _find_beginning(hole: _Hole, rows: Sequence[Row]) -> None:
        """Of an item that the user named by its id alone, REST knows the place."""
        if hole.last_order is None:
            hole.last_order = next((row.order for row in rows if row.key in hole.since.known), None)

    def _shared_out(self, holes: Sequence[_Hole], rows: Iterable[Row]) -> List[List[Row]]:
        """Each hole's own rows: those between the last item before it and the first one after it."""
        bounds = []
        for hole in holes:
            places = [order for update in hole.held for _, order in self.places(update)]
            bounds.append((places[0] if places else None, max(places) if places else None))
        shares: List[List[Row]] = [[] for _ in holes]
        for row in rows:
            if not _is_behind(row, holes[0]):
                continue
            for index, (first, last) in enumerate(bounds):
                if first is None or row.order <= first:
                    shares[index].append(row)
                    self._remember(row)
                    break
                if last is not None and row.order < last:
                    break  # among what came: it comes, or was dropped by the overflow policy
        return shares

    def _filled(
        self,
        hole: _Hole,
        share: Sequence[Row],
        torn: Sequence[int],
        below: bool,
        above: Optional[bool],
        error: Optional[DbxError],
        late: bool,
    ) -> Filled:
        begin = hole.last_order[0] if hole.last_order else hole.from_ms
        first = hole.first(self)
        newest = share[-1].order[0] if share else begin
        # Nothing behind the first one that came is missing.
        end = first[1][0] if first is not None else self._now_ms()
        missing = [torn[0], min(torn[1], end)] if torn and torn[0] < end else []
        complete = below and not missing and (above is True or above is None and late)
        if not below:
            missing += [begin, share[0].order[0] if share else end]
        if above is not True:
            missing += [newest, end]
        return self._told(len(share), complete, missing, None if complete else error)

    def _state(self, holes: Sequence[_Hole], fetched: Optional[Fetched], error: Optional[DbxError]) -> List[Given]:
        """The state, and what is newer than it of what was held."""
        held = [update for hole in holes for update in hole.held]
        if fetched is None:
            begin = holes[0].last_order[0] if holes[0].last_order else holes[0].from_ms
            return [self._told(0, False, (begin, self._now_ms()), error), *held]
        rows = fetched.rows
        state = {row.key: row.order for row in rows}
        newest = max((row.order[0] for row in rows), default=None)
        snapshot = self._make("snapshot", tuple(row.data for row in rows), newest, [row.raw for row in rows])
        newer = [kept for update in held for kept in self._newer(update, state)]
        return [snapshot, self._told(len(rows), True, (), None), *newer]

    def _told(self, count: int, complete: bool, missing_ms: Sequence[int], error: Optional[DbxError]) -> Filled:
        begin, end = (min(missing_ms) * 1_000_000, max(missing_ms) * 1_000_000) if missing_ms else (None, None)
        return Filled((self.topic,), count, complete, begin, end, error)

    def _newer(self, update: Update[Any], state: Dict[Hashable, Tuple[int, ...]]) -> List[Update[Any]]:
        return self._filtered(update, lambda key, order: key not in state or order > state[key])

    def _without_given(self, update: Update[Any]) -> List[Given]:
        return list(self._filtered(update, lambda key, order: key not in self._given))

    def _filtered(self, update: Update[Any], wanted: Any) -> List[Update[Any]]:
        items = _items(update)
        kept = []
        for item in items:
            try:
                if wanted(*self._twin.place(item, update)):
                    kept.append(item)
            except Exception:  # as above
                kept.append(item)
        if len(kept) == len(items):
            return [update]
        if not kept:
            return []
        return [attrs.evolve(update, data=tuple(kept))]

    def _remember(self, row: Row) -> None:
        if len(self._given) < _MOST_REMEMBERED:
            self._given.add(row.key)

    def _now_ms(self) -> int:
        """Return the time by the venue's clock, or a moment later: what has happened there happened before."""
        return self._wall_ns() // 1_000_000 + max(self._ahead_ms, 0) + _UNDER_WAY_MS


def _items(update: Update[Any]) -> Sequence[Any]:
    return update.data if isinstance(update.data, (tuple, list)) else (update.data,)


def _is_behind(row: Row, hole: _Hole) -> bool:
    return row.order >= hole.last_order if hole.last_order is not None else row.order[0] >= hole.from_ms


def _reaches(rows: Sequence[Row], hole: _Hole) -> bool:
    """True if REST has older rows than what is missing: nothing in between has left it."""
    if not rows:
        return False
    return rows[0].order < hole.last_order if hole.last_order is not None else rows[0].order[0] < hole.from_ms
