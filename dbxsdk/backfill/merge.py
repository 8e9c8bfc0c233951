"""What was missed, what was held meanwhile, and what came before: one sequence, each item once. Pure.

One ``Merge`` has the updates of one topic of one subscription. While nothing is missing it is not asked. From a ``Gap`` on it
holds what comes, until REST has what was missed, or there is no time or room left. A hole is closed at both ends if REST has
an item from before it and the first one from after it: then whatever happened between them is among the rows, since REST
forgets nothing in the middle. What is missing is told by ids: it is in no update that came, and was not given out before. Times
say only what lies too far back, or ahead, to belong to the hole.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Hashable, Iterable, List, Optional, Sequence, Set, Tuple, Union

import attrs

from dbxsdk.backfill.twin import Fetched, Row, Since, Twin
from dbxsdk.codec import encode
from dbxsdk.errors import DbxError
from dbxsdk.events import Filled
from dbxsdk.models import PAYLOAD, Update

Given = Union[Update[Any], Filled]
Order = Tuple[int, ...]

_AGAIN = 0.25
"""Seconds until REST is asked once more for what it should have by then."""
_LAST_LOOK = 1.0
"""Seconds before the end at which REST is asked once more, if nothing has come to join on to: its rows may be late."""
_UNDER_WAY_MS = 1000
"""How long an update, or an answer, may be under way: so much more than it seems the clocks may differ."""
_MOST_REMEMBERED = 5000
_REMEMBERED_FOR = 10.0
"""Seconds for which the stream may bring what REST had before."""


@attrs.define
class _Hole:
    """What lies between two updates that came, and what was held behind it."""

    since: Since
    last: Optional[Order]
    """The place of the last item before it; None if none is known."""
    oldest: Optional[Order] = None
    """The place before which nobody knows what came."""
    held: List[Update[Any]] = attrs.Factory(list)

    def first(self, merge: "Merge") -> Optional[Tuple[Hashable, Order]]:
        """The first item from after it."""
        return next((place for update in self.held for place in merge.places(update)), None)


class Merge:
    """See the module. Not thread-safe: used by the thread that runs the callback. Times are monotonic seconds."""

    def __init__(
        self, twin: Twin, topic: str, make: Callable[..., Update[Any]], seconds: float, wall_ns: Callable[[], int]
    ) -> None:
        """``make(kind, data, venue_time_ms, raw)`` makes an update of the topic; ``seconds`` bounds how long updates are held."""
        self.topic = topic
        self._twin = twin
        self._make = make
        self._wall_ns = wall_ns
        self._seconds = seconds
        self._made_ms = wall_ns() // 1_000_000
        self._holes: List[_Hole] = []
        self.held = 0
        """Updates that are held, and their bytes."""
        self.held_bytes = 0
        self._rows: Optional[Fetched] = None
        """All that REST has said since it began to hold."""
        self._torn: Tuple[int, ...] = ()
        """Between two of REST's answers: since when, and until when (ms), items may be in neither."""
        self._error: Optional[DbxError] = None
        self._filled: Dict[Hashable, None] = {}
        """What was given out of REST and may come from the stream still, the newest last."""
        self._forget_at = 0.0
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
        came = [(each, self.places(each)) for each in before]
        places = [place for _, items in came for place in items]
        live = [(each.received_ns // 1_000_000, items) for each, items in came if each.kind != "backfill"]
        self._ahead_ms = max((order[0] - at for at, items in live for _, order in items), default=0)
        orders = [order for _, order in places]
        last = max(orders, default=None)
        since = Since(frozenset(key for key, _ in places), last[0] if last else from_ms, by_our_clock=not last)
        self._open(_Hole(since, last, min(orders) if len(before) >= self._twin.kept else None), now)
        return []

    def begin_since(self, since: Since, now: float) -> None:
        """All is wanted from there on, though nothing came before. Its time begins with ``started``."""
        self._open(_Hole(since, None), now)
        self.deadline = None

    def started(self, now: float) -> None:
        """The time for what ``begin_since`` wants begins now."""
        if self._holes:
            self.deadline, self.ask_at = now + self._seconds, now

    def gap(self, from_ms: int, now: float) -> List[Given]:
        """One more ``Gap``, while updates are held because of another."""
        held = self._holes[-1].held
        if held:
            self.begin(held[-self._twin.kept:], from_ms, now)
        self.ask_at = now
        return []

    def take(self, update: Update[Any], now: float) -> List[Given]:
        """Hold ``update``, or give it out without the items that were given before."""
        if not self._holes:
            if now >= self._forget_at:
                self._filled.clear()
            return list(self._without(update, self._filled))
        hole = self._holes[-1]
        if self._rows is not None and hole.first(self) is None:
            self.ask_at = now  # for the place at which what comes now joins on
        hole.held.append(update)
        self.held += 1
        self.held_bytes += _bytes_of(update)
        return []

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
        first = self._holes[-1].first(self)
        if first is not None:
            if any(row.key == first[0] for row in self._rows.rows):
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
        self._filled.clear()
        held = [update for hole in holes for update in hole.held]
        begin = self._begin_ms(holes[0]) if holes else now_ms
        return [self._make_filled(0, False, (begin, now_ms), error), *held]

    def drop(self) -> None:
        """Forget all that is held: the subscription has ended, or it is another process's."""
        self._holes, self._rows, self._error, self._torn = [], None, None, ()
        self.held = self.held_bytes = 0
        self.deadline = self.ask_at = None

    # -- items ---------------------------------------------------------------------------------------

    def places(self, update: Update[Any]) -> List[Tuple[Hashable, Order]]:
        """The id and the place of each item that has them."""
        return [place for _, place in self._placed(update) if place is not None]

    def _placed(self, update: Update[Any]) -> List[Tuple[Any, Optional[Tuple[Hashable, Order]]]]:
        """Each item, with its id and its place if they can be read: whatever is wrong with it is reported where its field is
        read."""
        found: List[Tuple[Any, Optional[Tuple[Hashable, Order]]]] = []
        for item in update.data if isinstance(update.data, (tuple, list)) else (update.data,):
            try:
                found.append((item, self._twin.place(item, update)))
            except Exception:
                found.append((item, None))
        return found

    # -- within --------------------------------------------------------------------------------------

    def _open(self, hole: _Hole, now: float) -> None:
        self._holes = [*self._holes, hole]
        if self.deadline is None:
            self.deadline = now + self._seconds
        self.ask_at = now

    def _joined(self, fetched: Fetched) -> Fetched:
        """The rows of all answers, each once. What REST shows of a busy market may have moved on by more than it shows."""
        rows = {row.key: row for row in fetched.rows}
        before = self._rows
        if before is not None and before.rows and rows and not self._twin.is_state and not fetched.whole:
            if rows.keys().isdisjoint(row.key for row in before.rows):
                newest, oldest = max(row.order for row in before.rows)[0], min(row.order for row in fetched.rows)[0]
                self._torn = (min(newest, *self._torn), max(oldest, *self._torn)) if self._torn else (newest, oldest)
            rows = {**{row.key: row for row in before.rows}, **rows}
        return attrs.evolve(fetched, rows=tuple(rows.values()))

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
        held = {key for hole in holes for update in hole.held for key, _ in self.places(update)}
        fresh = [row for row in rows if row.key not in held and row.key not in known and not row.is_open]
        shares = self._shared_out(holes, fresh)
        before = set(self._filled) | holes[0].since.known
        for index, hole in enumerate(holes):
            given += [self._make("backfill", (row.data,), row.order[0], row.raw) for row in shares[index]]
            below = fetched is not None and (fetched.whole or self._reaches(rows, hole)) or bool(keys & hole.since.known)
            given.append(self._filled_hole(hole, shares[index], keys, torn, below, now))
            given += [kept for update in hole.held for kept in self._without(update, before)]
            before |= {key for update in hole.held for key, _ in self.places(update)}
        for row in (row for share in shares for row in share):
            self._filled[row.key] = None
        for key in list(self._filled)[:-_MOST_REMEMBERED]:
            del self._filled[key]
        self._forget_at = now + _REMEMBERED_FOR
        self.drop()  # not before: if something goes wrong here, what is held is there still
        return given

    @staticmethod
    def _find_beginning(hole: _Hole, rows: Sequence[Row]) -> None:
        """Of an item that the user named by its id alone, REST knows the place."""
        if hole.last is None:
            hole.last = next((row.order for row in rows if row.key in hole.since.known), None)

    def _shared_out(self, holes: Sequence[_Hole], rows: Iterable[Row]) -> List[List[Row]]:
        """Each hole's own rows: those between the last item before it and the first one after it."""
        places = [[order for update in hole.held for _, order in self.places(update)] for hole in holes]
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

    def _is_behind(self, row: Row, hole: _Hole) -> bool:
        if hole.last is None:
            return row.order[0] >= self._begin_ms(hole)
        if hole.oldest is not None and row.order <= hole.oldest:
            return False  # it may have come
        if not self._twin.slack_ms:
            return row.order >= hole.last
        # Not what was there before the subscription.
        made_ms = self._made_ms + self._ahead_ms - 2 * _UNDER_WAY_MS
        return row.order[0] >= max(hole.last[0] - self._twin.slack_ms, made_ms)

    def _reaches(self, rows: Sequence[Row], hole: _Hole) -> bool:
        """True if REST has older rows than what is missing: nothing in between has left it."""
        if not rows:
            return False
        return rows[0].order < hole.last if hole.last is not None else rows[0].order[0] < self._begin_ms(hole)

    def _begin_ms(self, hole: _Hole) -> int:
        """Since when items may be missing, by the venue's clock."""
        if hole.last is not None:
            return hole.last[0]
        begin = hole.since.from_ms or 0
        return begin + self._ahead_ms - 2 * _UNDER_WAY_MS if hole.since.by_our_clock else begin

    def _filled_hole(
        self, hole: _Hole, share: Sequence[Row], keys: Set[Hashable], torn: Sequence[int], below: bool, now: float
    ) -> Filled:
        begin, first = self._begin_ms(hole), hole.first(self)
        above = None if first is None else first[0] in keys
        # Nothing behind the first one that came is missing.
        end = first[1][0] if first is not None else self._now_ms()
        missing = [torn[0], min(torn[1], end)] if torn and torn[0] < end else []
        late = self.deadline is not None and now >= self.deadline
        complete = below and not missing and (above is True or above is None and late)
        if not below:
            missing += [begin, share[0].order[0] if share else end]
        if above is not True:
            missing += [share[-1].order[0] if share else begin, end]
        return self._make_filled(len(share), complete, missing, None if complete else self._error)

    def _state(self, holes: Sequence[_Hole], fetched: Optional[Fetched]) -> List[Given]:
        """The state, and what of what was held is not older."""
        held = [update for hole in holes for update in hole.held]
        if fetched is None:
            return [self._make_filled(0, False, (self._begin_ms(holes[0]), self._now_ms()), self._error), *held]
        rows = fetched.rows
        state = {row.key: row.order for row in rows}
        newest = max((row.order[0] for row in rows), default=None)
        snapshot = self._make("snapshot", tuple(row.data for row in rows), newest, [row.raw for row in rows])
        # Of two of one time the stream's is the newer one: REST may have been read before it.
        newer = [kept for update in held for kept in self._picked(update, lambda key, order: order >= state.get(key, order))]
        return [snapshot, self._make_filled(len(rows), True, (), None), *newer]

    def _make_filled(self, count: int, complete: bool, missing_ms: Sequence[int], error: Optional[DbxError]) -> Filled:
        begin, end = (min(missing_ms) * 1_000_000, max(missing_ms) * 1_000_000) if missing_ms else (None, None)
        return Filled((self.topic,), count, complete, begin, end, error)

    def _without(self, update: Update[Any], keys: Iterable[Hashable]) -> List[Update[Any]]:
        """``update`` without what was given out before."""
        return self._picked(update, lambda key, order: key not in keys or self._twin.changes(key))

    def _picked(self, update: Update[Any], wanted: Callable[[Hashable, Order], bool]) -> List[Update[Any]]:
        items = self._placed(update)
        kept = tuple(item for item, place in items if place is None or wanted(*place))
        if len(kept) == len(items):
            return [update]
        return [attrs.evolve(update, data=kept)] if kept else []

    def _now_ms(self) -> int:
        """Return the time by the venue's clock, or a moment later: what has happened there happened before."""
        return self._wall_ns() // 1_000_000 + max(self._ahead_ms, 0) + _UNDER_WAY_MS


def _bytes_of(update: Update[Any]) -> int:
    payload = vars(update).get(PAYLOAD)
    return len(encode(update.raw) if payload is None else payload)
