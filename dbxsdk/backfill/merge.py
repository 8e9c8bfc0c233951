"""What was missed, what was held meanwhile, and what came before: one sequence, each item once. Pure.

One ``Merge`` has the updates of one topic of one subscription. While nothing is missing it is not asked. From a ``Gap`` on it
holds what comes, until REST has what was missed, or there is no time or room left. A hole is closed at both ends if REST has
an item from before it and the first one from after it: then whatever happened between them is among the rows, since REST
forgets nothing in the middle. What is missing is told by ids: it is in no update that came, and was not given out before. Times
say only what lies too far back, or ahead, to belong to the hole.
"""

from __future__ import annotations

import collections
from typing import Any, Callable, Counter, Dict, Hashable, Iterable, List, Optional, Sequence, Set, Tuple, Union

import attrs

from dbxsdk.backfill.hole import Came, Hole, Place
from dbxsdk.backfill.twin import Fetched, Order, Row, Since, Twin
from dbxsdk.codec import encode
from dbxsdk.errors import DbxError
from dbxsdk.events import Filled
from dbxsdk.models import Update

Given = Union[Update[Any], Filled]
_AGAIN = 0.25
"""Seconds until REST is asked once more for what it should have by then."""
_LAST_LOOK = 1.0
"""Seconds before the end at which REST is asked once more, if nothing has come to join on to: its rows may be late."""
_UNDER_WAY_MS = 1000
"""How long an update, or an answer, may be under way: so much more than it seems the clocks may differ."""
_MOST_REMEMBERED = 5000
_REMEMBERED_FOR = 10.0
"""Seconds for which the stream may bring what REST had before."""
_HISTORY_WITHIN = 1.0
"""Seconds within which the stream's own history comes, if it does: REST is not asked before."""


class Merge:
    """See the module. Not thread-safe: used by the thread that runs the callback. Times are monotonic seconds."""

    def __init__(
        self, twin: Twin, topics: Sequence[str], make: Callable[..., Update[Any]], seconds: float, wall_ns: Callable[[], int]
    ) -> None:
        """``make(kind, data, venue_time_ms, raw)`` makes an update of ``topics``, which is one unless they are fetched together;
        ``seconds`` bounds how long updates are held."""
        self.topics = tuple(topics)
        self._twin = twin
        self._make = make
        self._wall_ns = wall_ns
        self._seconds = seconds
        self._made_ms = wall_ns() // 1_000_000
        self._holes: List[Hole] = []
        self.held = 0
        """Updates that are held, and their bytes."""
        self.held_bytes = 0
        self._rows: Optional[Fetched] = None
        """All that REST has said since it began to hold."""
        self._torn: Tuple[Order, ...] = ()
        """Between two of REST's answers: the places between which items may be in neither."""
        self._error: Optional[DbxError] = None
        self._filled: Dict[Hashable, None] = {}
        """What was given out of REST and may come from the stream still, the newest last."""
        self._forget_at = 0.0
        self._counts: Counter[Hashable] = collections.Counter()
        """Of items without ids: how many equal ones have come."""
        self._ahead_ms = 0
        """By how much the venue's clock seems to be ahead of this machine's."""
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
        return bool(self._filled)

    @property
    def since(self) -> Optional[Since]:
        """From where on REST is to be asked; None if nothing is missing. By any thread."""
        holes = self._holes  # replaced, never emptied
        return holes[0].since if holes else None

    # -- what happens --------------------------------------------------------------------------------

    def begin(self, before: Sequence[Update[Any]], from_ms: int, now: float) -> List[Given]:
        """Updates may be missing since ``before``, the last ones that were given out, or since ``from_ms`` (by this machine's
        clock) if there are none."""
        self._counts.clear()
        self._begin([self._placed(each) for each in before], from_ms, now)
        return []

    def _begin(self, before: Sequence[Came], from_ms: int, now: float) -> None:
        places = [place for each in before for place in each.places]
        live = [(each.update.received_ns // 1_000_000, each.places) for each in before if each.update.kind != "backfill"]
        ahead = (self._twin.time_ms(order) - at for at, items in live for _, order in items)
        self._ahead_ms = max(ahead, default=self._ahead_ms)
        orders = [order for _, order in places]
        last = max(orders, default=None)
        since = Since(frozenset(key for key, _ in places), self._twin.time_ms(last) if last else from_ms, by_our_clock=not last)
        self._open(Hole(since, last, min(orders) if len(before) >= self._twin.kept else None), now)
        if self._twin.begins_with_history:
            self.ask_at = now + _HISTORY_WITHIN

    def begin_since(self, since: Since, now: float) -> None:
        """All is wanted from there on, though nothing came before. Its time begins with ``started``."""
        self._counts.clear()
        self._open(Hole(since, None), now)
        self.deadline = self.ask_at = None

    def started(self, now: float) -> None:
        """The time for what ``begin_since`` wants begins now."""
        if self._holes:
            self.deadline, self.ask_at = now + self._seconds, now

    def gap(self, from_ms: int, now: float) -> List[Given]:
        """One more ``Gap``, while updates are held because of another."""
        hole = self._holes[-1]
        if hole.held:
            self._begin(hole.held[-self._twin.kept:], from_ms, now)
        hole.joined = hole.joined and bool(hole.held)
        self.ask_at = now + _HISTORY_WITHIN if self._twin.begins_with_history else now
        return []

    def take(self, update: Update[Any], now: float) -> List[Given]:
        """Hold ``update``, or give it out without the items that were given before."""
        if not self._holes:
            if now >= self._forget_at:
                self._filled.clear()
            return list(self._without(self._placed(update), self._filled))
        hole = self._holes[-1]
        if self._twin.begins_with_history and update.kind == "snapshot":
            return self._take_history(hole, update, now)
        if self._rows is not None and hole.first is None and not hole.joined:
            self.ask_at = now  # for the place at which what comes now joins on
        hole.held.append(self._placed(update))
        self.held += 1
        self.held_bytes += _bytes_of(update)
        return []

    def _take_history(self, hole: Hole, update: Update[Any], now: float) -> List[Given]:
        """Use the stream's own history first; REST only if it does not reach back to what came before."""
        self._rows, hole.joined = self._joined(Fetched(self._twin.history(update))), True
        rows = sorted(self._rows.rows, key=lambda row: row.order)
        self._find_beginning(self._holes[0], rows)
        known = self._holes[0].since.known
        if not self._torn and (any(row.key in known for row in rows) or self._reaches(rows, self._holes[0])):
            return self._conclude(now)
        if self.deadline is not None:
            self.ask_at = now
        return []

    def repeated(self, before: Sequence[Update[Any]], update: Update[Any], now: float) -> List[Given]:
        """Return what is new in a history that the stream repeats while nothing was missed. If it does not join on to ``before``,
        it came too late for its hole: then that is open still, and is filled as any other."""
        places = [place for each in before for place in self._placed(each).places]
        known, last = {key for key, _ in places}, max((order for _, order in places), default=())
        rows = sorted(self._twin.history(update), key=lambda row: row.order)
        if places and rows and rows[0].order > last and known.isdisjoint(row.key for row in rows):
            return [*self.begin(before, 0, now), *self.take(update, now)]
        # REST may have brought the last one, with another time.
        return [self._backfilled(row) for row in rows if row.order > last and row.key not in known]

    def full(self, now: float) -> List[Given]:
        """There is no room for more."""
        return self._conclude(now) if self._holes else []

    def fetched(self, fetched: Fetched, now: float) -> List[Given]:
        """REST has answered."""
        if not self._holes:
            return []
        self._rows, self._error = self._joined(fetched), None
        if fetched.ahead_ms is not None:
            self._ahead_ms = fetched.ahead_ms
        if self._twin.is_state:
            return self._conclude(now)
        first, joined = self._holes[-1].first, self._holes[-1].joined
        if joined or first is not None:
            covered = joined and bool(fetched.rows) and not self._torn
            if covered or first is not None and any(row.key == first[0] for row in self._rows.rows):
                return self._conclude(now)
            self.ask_at = now + _AGAIN
        elif self.deadline is not None and now < self.deadline - _LAST_LOOK:
            self.ask_at = self.deadline - _LAST_LOOK
        return []

    def failed(self, error: DbxError, now: float, final: bool) -> List[Given]:
        """REST could not be asked. ``final``: it is useless to try again."""
        if not self._holes:
            return []
        if self._error is None or self.deadline is None or now < self.deadline:
            self._error = error  # one at the end may say only that there was no time left
        self.ask_at = now + _AGAIN
        return self._conclude(now) if final else []

    def tick(self, now: float) -> List[Given]:
        """Time has passed."""
        return self._conclude(now) if self.deadline is not None and now >= self.deadline else []

    def given_up(self, error: DbxError) -> List[Given]:
        """Nothing can be decided: what is held goes on, and what was missed is missing."""
        holes, now_ms = self._holes, self._now_ms()
        self.drop()
        self._filled.clear()
        held = [came.update for hole in holes for came in hole.held]
        begin = self._begin_ms(holes[0]) if holes else now_ms
        return [self._make_filled(0, False, (begin, now_ms), error), *held]

    def drop(self) -> None:
        """Forget all that is held: the subscription has ended, or it is another process's."""
        self._holes, self._rows, self._error, self._torn = [], None, None, ()
        self.held = self.held_bytes = 0
        self.deadline = self.ask_at = None

    # -- items ---------------------------------------------------------------------------------------

    def _placed(self, update: Update[Any]) -> Came:
        """Find the place of each item. To be asked once for an update, since equal items may be counted."""
        found: List[Tuple[Any, Optional[Place]]] = []
        for item in update.data if isinstance(update.data, (tuple, list)) else (update.data,):
            try:
                key, order = self._twin.place(item, update)
            except Exception:
                found.append((item, None))
                continue
            if self._twin.counted:
                self._counts[key] += 1
                key = key, self._counts[key]
            found.append((item, (key, order)))
        return Came(update, found)

    def _numbered(self, fetched: Fetched) -> Fetched:
        """Count the equal ones of an answer."""
        if not self._twin.counted:
            return fetched
        counts: Counter[Hashable] = collections.Counter()
        rows = []
        for row in fetched.rows:
            counts[row.key] += 1
            rows.append(attrs.evolve(row, key=(row.key, counts[row.key])))
        return attrs.evolve(fetched, rows=tuple(rows))

    # -- within --------------------------------------------------------------------------------------

    def _open(self, hole: Hole, now: float) -> None:
        self._holes = [*self._holes, hole]
        if self.deadline is None:
            self.deadline = now + self._seconds
        self.ask_at = now

    def _joined(self, fetched: Fetched) -> Fetched:
        """The rows of all answers, each once. What REST shows of a busy market may have moved on by more than it shows."""
        fetched = self._numbered(fetched)
        rows = {row.key: row for row in fetched.rows}
        before = self._rows
        if before is not None and before.rows and not self._twin.is_state and not fetched.whole:
            oldest, newest = self._ends(fetched.rows or before.rows)
            if self._torn and oldest < self._torn[0] and newest > self._torn[1]:
                self._torn = ()  # this answer has what lies between the others
            elif rows and rows.keys().isdisjoint(row.key for row in before.rows):
                older, newer = sorted((self._ends(before.rows), (oldest, newest)))
                self._torn = (min(older[1], *self._torn), max(newer[0], *self._torn)) if self._torn else (older[1], newer[0])
            rows = {**{row.key: row for row in before.rows}, **rows}
        return attrs.evolve(fetched, rows=tuple(rows.values()))

    @staticmethod
    def _ends(rows: Sequence[Row]) -> Tuple[Order, Order]:
        orders = [row.order for row in rows]
        return min(orders), max(orders)

    def _conclude(self, now: float) -> List[Given]:
        """Give out all that there is, in its order."""
        holes, fetched, torn = self._holes, self._rows, self._torn
        given: List[Given] = []
        if self._twin.is_state:
            given = self._state(holes, fetched)
            self.drop()
            return given
        rows = sorted(fetched.rows, key=lambda row: row.order) if fetched is not None else []
        self._find_beginning(holes[0], rows)
        keys = {row.key for row in rows}
        known = {key for hole in holes for key in hole.since.known} | set(self._filled)
        held = {key for hole in holes for came in hole.held for key, _ in came.places}
        if self._twin.counted and not self._can_be_compared(holes, rows):
            rows, keys = [], set()
        fresh = [row for row in rows if row.key not in held and row.key not in known and not row.is_open]
        shares = self._shared_out(holes, fresh)
        before = set(self._filled) | holes[0].since.known
        for index, hole in enumerate(holes):
            given += [self._backfilled(row) for row in shares[index]]
            below = fetched is not None and (fetched.whole or self._reaches(rows, hole)) or bool(keys & hole.since.known)
            given.append(self._filled_hole(hole, shares[index], keys, torn, below, now))
            given += [kept for came in hole.held for kept in self._without(came, before)]
            before |= {key for came in hole.held for key, _ in came.places}
        for row in (row for share in shares for row in share):
            self._filled[row.key] = None
        for key in list(self._filled)[:-_MOST_REMEMBERED]:
            del self._filled[key]
        self._forget_at = now + _REMEMBERED_FOR
        self.drop()  # not before: if something goes wrong here, what is held is there still
        return given

    def _can_be_compared(self, holes: Sequence[Hole], rows: Sequence[Row]) -> bool:
        """False if none of the items that should be among the rows are: then the two sides do not write them alike, and what
        came would come twice."""
        came = [(key, order) for hole in holes for each in hole.held for key, order in each.places]
        came += [(key, holes[0].last) for key in holes[0].since.known if holes[0].last is not None]
        keys = {row.key for row in rows}
        should = [key for key, order in came if rows and rows[0].order < order <= rows[-1].order]
        return not should or any(key in keys for key in should)

    def _backfilled(self, row: Row) -> Update[Any]:
        data = row.data if self._twin.single else (row.data,)
        return self._make("backfill", data, self._twin.time_ms(row.order), row.raw)

    @staticmethod
    def _find_beginning(hole: Hole, rows: Sequence[Row]) -> None:
        """Of an item that the user named by its id alone, REST knows the place."""
        if hole.last is None:
            hole.last = next((row.order for row in rows if row.key in hole.since.known), None)

    def _shared_out(self, holes: Sequence[Hole], rows: Iterable[Row]) -> List[List[Row]]:
        """Each hole's own rows: those between the last item before it and the first one after it."""
        places = [[order for came in hole.held for _, order in came.places] for hole in holes]
        shares: List[List[Row]] = [[] for _ in holes]
        for row in rows:
            if not self._is_behind(row, holes[0]):
                continue
            for index, orders in enumerate(places):
                if not orders or row.order <= orders[0]:
                    shares[index].append(row)
                    break
                if row.order < max(orders) and not self._twin.slack_ms:
                    break  # among what came: it comes, or was dropped by the overflow policy
            else:
                if self._twin.slack_ms:  # the stream may have brought later ones before it
                    shares[-1].append(row)
        return shares

    def _is_behind(self, row: Row, hole: Hole) -> bool:
        if hole.last is None:
            return self._latest_ms(row) >= self._begin_ms(hole)
        if hole.oldest is not None and row.order <= hole.oldest:
            return False  # it may have come
        if not self._twin.slack_ms:
            return row.order >= hole.last
        # Not what was there before the subscription.
        made_ms = self._made_ms + self._ahead_ms - 2 * _UNDER_WAY_MS
        return self._twin.time_ms(row.order) >= max(self._twin.time_ms(hole.last) - self._twin.slack_ms, made_ms)

    def _latest_ms(self, row: Row) -> int:
        return self._twin.time_ms(row.order) + self._twin.unit_ms - 1

    def _reaches(self, rows: Sequence[Row], hole: Hole) -> bool:
        """True if REST has older rows than what is missing: nothing in between has left it."""
        if not rows:
            return False
        return rows[0].order < hole.last if hole.last is not None else self._latest_ms(rows[0]) < self._begin_ms(hole)

    def _begin_ms(self, hole: Hole) -> int:
        """Since when items may be missing, by the venue's clock."""
        if hole.last is not None:
            return self._twin.time_ms(hole.last)
        begin = hole.since.from_ms or 0
        return begin + self._ahead_ms - 2 * _UNDER_WAY_MS if hole.since.by_our_clock else begin

    def _filled_hole(
        self, hole: Hole, share: Sequence[Row], keys: Set[Hashable], torn: Sequence[Order], below: bool, now: float
    ) -> Filled:
        begin, first, time_ms = self._begin_ms(hole), hole.first, self._twin.time_ms
        above = True if hole.joined else None if first is None else first[0] in keys
        # Nothing behind the first one that came is missing.
        end = time_ms(first[1]) if first is not None else self._now_ms()
        # By places: a market does much in one millisecond.
        is_torn = bool(torn) and (first is None or torn[0] <= first[1])
        missing = [time_ms(torn[0]), min(time_ms(torn[1]), end)] if is_torn else []
        if self._rows is not None and self._rows.hides:
            missing += [begin, end]
        late = self.deadline is not None and now >= self.deadline
        complete = below and not missing and (above is True or above is None and late)
        if not below:
            missing += [begin, time_ms(share[0].order) if share else end]
        if above is not True:
            missing += [time_ms(share[-1].order) if share else begin, end]
        return self._make_filled(len(share), complete, missing, None if complete else self._error)

    def _state(self, holes: Sequence[Hole], fetched: Optional[Fetched]) -> List[Given]:
        """The state, and what of what was held is not older."""
        held = [came for hole in holes for came in hole.held]
        if fetched is None:
            span = self._begin_ms(holes[0]), self._now_ms()
            return [self._make_filled(0, False, span, self._error), *(came.update for came in held)]
        rows = fetched.rows
        state = {row.key: row.order for row in rows}
        newest = max((self._twin.time_ms(row.order) for row in rows), default=None)
        missing = () if fetched.whole else (self._begin_ms(holes[0]), self._now_ms())
        snapshot = self._make("snapshot", tuple(row.data for row in rows), newest, [row.raw for row in rows])
        # Of two of one time the stream's is the newer one: REST may have been read before it.
        newer = [kept for came in held for kept in self._picked(came, lambda key, order: order >= state.get(key, order))]
        return [snapshot, self._make_filled(len(rows), fetched.whole, missing, None), *newer]

    def _make_filled(self, count: int, complete: bool, missing_ms: Sequence[int], error: Optional[DbxError]) -> Filled:
        end_ms = max(missing_ms) + self._twin.unit_ms - 1 if missing_ms else 0
        begin, end = (min(missing_ms) * 1_000_000, end_ms * 1_000_000) if missing_ms else (None, None)
        return Filled(self.topics, count, complete, begin, end, error)

    def _without(self, came: Came, keys: Iterable[Hashable]) -> List[Update[Any]]:
        """An update without what was given out before."""
        return self._picked(came, lambda key, order: key not in keys or self._twin.changes(key))

    @staticmethod
    def _picked(came: Came, wanted: Callable[[Hashable, Order], bool]) -> List[Update[Any]]:
        kept = tuple(item for item, place in came.items if place is None or wanted(*place))
        if len(kept) == len(came.items):
            return [came.update]
        return [attrs.evolve(came.update, data=kept)] if kept else []

    def _now_ms(self) -> int:
        """Return the time by the venue's clock, or a moment later: what has happened there happened before."""
        return self._wall_ns() // 1_000_000 + max(self._ahead_ms, 0) + _UNDER_WAY_MS


def _bytes_of(update: Update[Any]) -> int:
    payload = getattr(update, "_payload", None)
    return len(encode(update.raw) if payload is None else payload)
