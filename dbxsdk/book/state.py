"""``BookState``: the levels of one order book and whether they can be trusted. Updates go in on one thread, any reads."""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional, Tuple

import attrs

from dbxsdk.book.resync import ACROSS, EQUAL, Resync
from dbxsdk.book.rule import APPLY, REPEAT, REPLACE, BookRule
from dbxsdk.book.side import CutSide, Level, Side
from dbxsdk.book.values import BookSnapshot, BookStats
from dbxsdk.errors import DbxError, ProtocolError, fresh
from dbxsdk.protocol import Push
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import ForkAware
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.runtime.reentrancy import calls_user_code
from dbxsdk.runtime.waiting import Bells, ring

_UNACKNOWLEDGED = "the venue has not acknowledged its subscription yet"


@attrs.define(eq=False, repr=False)  # slots: an update takes 5 % less, there are too many for the fast way of CPython without
class BookState(ForkAware):
    """What a client keeps of one book: ``OrderBook`` is the users' view of it.

    ``resynchronise`` asks the venue for a whole book and must not block; ``handle`` and ``ask_when_due`` call it.
    ``handle``, ``stale`` and ``notify`` are each called by one thread, in the order of arrival; all else by any.
    """

    symbol: str
    _rule: BookRule
    _resynchronise: Callable[[], None] = attrs.field(kw_only=True)
    _log: SafeLogger = attrs.field(default=SafeLogger(__name__), kw_only=True)
    client: str = attrs.field(default="", kw_only=True)
    """The client's name."""
    _clock: Callable[[], float] = attrs.field(default=monotonic, kw_only=True)
    lock: threading.Lock = attrs.field(init=False)
    """Guards all below; what is one value, replaced as a whole, is read without it. Never held while user code or
    a hook runs."""
    _changed: Bells = attrs.field(factory=Bells, init=False)
    waiters: bool = attrs.field(default=False, init=False)
    bids: Side = attrs.field(init=False)
    asks: Side = attrs.field(init=False)
    top: Tuple[Optional[Level], Optional[Level]] = attrs.field(init=False)
    """Best bid and ask: one value, so that they fit together."""
    is_crossed: bool = attrs.field(init=False)
    _snapshot: Optional[BookSnapshot] = attrs.field(default=None, init=False)  # of this version, once somebody wanted it
    version: int = attrs.field(default=0, init=False)
    update_id: Optional[int] = attrs.field(default=None, init=False)
    _venue_time_ms: Optional[int] = attrs.field(default=None, init=False)
    updated_at: Optional[float] = attrs.field(default=None, init=False)
    stale_reason: Optional[str] = attrs.field(default="no whole book has come yet", init=False)
    _whole: bool = attrs.field(default=False, init=False)
    """True if the levels are a whole book of this epoch, of which nothing was missed since."""
    _epoch: int = attrs.field(default=0, init=False)
    """The topic's: it grows whenever the topic stops to be subscribed at the venue."""
    _live: bool = attrs.field(default=False, init=False)
    """True while the topic is subscribed at the venue."""
    closed: bool = attrs.field(default=False, init=False)
    _error: Optional[DbxError] = attrs.field(default=None, init=False)
    _resync: Resync = attrs.field(factory=Resync, init=False)
    _callbacks: Tuple[Callable[[], Any], ...] = attrs.field(default=(), init=False)
    _not_updates: int = attrs.field(default=0, init=False)
    _repeats: int = attrs.field(default=0, init=False)
    _ignored: int = attrs.field(default=0, init=False)
    _gaps: int = attrs.field(default=0, init=False)
    _crossed: int = attrs.field(default=0, init=False)
    _unknown_deletes: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.lock = threading.Lock()
        self._clear()
        self._follow_forks()

    # -- updates -----------------------------------------------------------------------------------------

    def handle(self, push: Push, epoch: int) -> bool:
        """Take an update of the topic's ``epoch`` in. Return True if the book changed, so that ``notify`` is due. Runs no
        user code.

        Raises ``ProtocolError`` if it cannot be read: then, too, the book changed, and is stale.
        """
        now = self._clock()
        whole = self._whole
        try:
            change = self._rule.read(push, self.update_id if whole else None)
            if change is None:
                return False
            action, bids, asks, update_id = change
            if action is APPLY and whole:
                with self.lock:
                    if not self._whole:  # closed, or renewed, by another thread
                        return False
                    try:
                        unknown = self.bids.apply(bids) + self.asks.apply(asks)
                    except BaseException:  # whatever it was: half a change is no book
                        self._make_stale("half of an update went in")
                        self._clear()
                        raise
                    if unknown:
                        self._unknown_deletes += unknown
                    must_ask = self._commit(update_id, push.venue_time_ms, now)
                if must_ask:
                    self._ask(now)
                return True
            if action is REPLACE:
                sides = self._side(bids, True), self._side(asks, False)
                return self._replace(sides, update_id, push.venue_time_ms, now, epoch)
        except ProtocolError as error:
            self.lost(f"an update could not be read: {error}")
            raise
        if not whole:
            self._ignore(now)
            return False
        if action is REPEAT:
            with self.lock:
                self._repeats += 1
                self.updated_at = now
            return False
        self.lost(f"update {update_id} does not follow {self.update_id}")
        return True

    def live(self, epoch: int) -> bool:
        """The topic is subscribed at the venue. Return True if the book changed."""
        with self.lock:
            self._live, self._epoch = True, epoch
            if self.closed:
                return False
            if not self._whole:
                self._resync.ignored(self._clock())  # it comes now; if it does not, it is asked for
                return False
            if self.stale_reason is None:
                return False
            self._change(None)
        return True

    def stale(self, epoch: int, reason: str, renewed: bool) -> bool:
        """The topic is not subscribed at the venue any more; ``epoch`` comes next, and begins with a whole book.
        ``renewed``: that was asked for, for another book of the topic maybe. Return True if the book changed."""
        with self.lock:
            self._live, self._epoch = False, epoch
            if not renewed:
                self._resync.dropped()
            elif self.stale_reason is None:
                self._resync.renewed(self.is_crossed)
            unknown = not self._whole
            self._whole = False
            if self.closed:
                return False
            if unknown:
                if not renewed:
                    self.stale_reason = reason  # the newer one says more; the levels are what they were
                return False
            self._change(reason)
        return True

    def lost(self, reason: str) -> None:
        """An update is missing, or unreadable, while the connection lives: the venue is asked for a whole book."""
        now = self._clock()
        with self.lock:
            if self.closed:
                return
            self._gaps += 1
            self._resync.lost(now)
            self._make_stale(reason)
        self._ask(now)

    def ask_when_due(self, now: float) -> Optional[float]:
        """Ask for a whole book where the time for it has come, for a market so quiet that no update comes to do so. Return
        when to call it again, if at all."""
        due = self._resync.due if self._live else None
        if due is not None and now >= due:
            self._ask(now)
            due = self._resync.due
        return due

    # -- the end -----------------------------------------------------------------------------------------

    def close(self) -> bool:
        """End it for its user. Return True if it had not ended before."""
        with self.lock:
            if self.closed:
                return False
            self.closed = True
            self._make_stale("it is closed")
        return True

    def end(self, error: Optional[DbxError], reason: str) -> None:
        """End it because nothing comes any more, through ``error`` or in good order. Threads that wait for it, now or
        later, are reported."""
        with self.lock:
            if not self.closed:
                self.closed = True
                self._error = error
                self._make_stale(reason)

    check_process = ForkAware._check_process
    """Return it, put right before a forked child waits for a lock of the parent's, or takes the parent's book for current."""

    def _after_fork(self) -> None:
        # The lock may be held, and the sides half changed, by a thread that the child does not have.
        self.lock = threading.Lock()
        self._changed = Bells()
        self.waiters = False
        with self.lock:
            self._clear()
            self._live = False
            if not self.closed:
                self._make_stale("the process was forked")

    # -- callbacks ---------------------------------------------------------------------------------------

    @property
    def is_watched(self) -> bool:
        """True if there is anything that ``notify`` would call."""
        return bool(self._callbacks)

    def watch(self, callback: Callable[[], Any]) -> None:
        """Have ``notify`` call ``callback``, too."""
        with self.lock:
            self._callbacks += (callback,)

    @calls_user_code
    def notify(self) -> None:
        """Run the callbacks, on the calling thread. All of them run; what the first one raised is raised again, what
        others raised is logged."""
        error: Optional[BaseException] = None
        for callback in self._callbacks:
            try:
                callback()
            except BaseException as raised:  # noqa: B036 - raised again, or logged
                if error is None:
                    error = raised
                else:
                    self._log.error("%s: a callback of an order book raised", self.symbol, exc_info=raised)
        if error is not None:
            raise error

    # -- reads -------------------------------------------------------------------------------------------

    def snapshot(self) -> BookSnapshot:
        """Both sides of one moment. Made at most once a change, however many ask."""
        found = self._snapshot
        if found is not None:
            return found
        with self.lock:
            made = self._snapshot = BookSnapshot(
                self.symbol,
                tuple(self.bids.levels()),
                tuple(self.asks.levels()),
                self.update_id,
                self._venue_time_ms,
                self.version,
                self.stale_reason is not None,
                self.is_crossed,
            )
        return made

    def age(self) -> Optional[float]:
        """Seconds since the last update or repeat; None before the first."""
        updated_at = self.updated_at
        return None if updated_at is None else max(self._clock() - updated_at, 0.0)

    def stats(self) -> BookStats:
        """Counters, as one frozen value."""
        with self.lock:
            return BookStats(
                self.version - self._not_updates,
                self._repeats,
                self._ignored,
                self._gaps,
                self._crossed,
                self._unknown_deletes,
                self._resync.requests,
            )

    def wait_for(self, predicate: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Block until ``predicate`` holds or the book ends; what ended it, if not ``close``, is raised."""
        deadline = None if seconds is None else monotonic() + seconds
        while True:
            with self.lock:
                left = None if deadline is None else deadline - monotonic()
                if self.closed or predicate() or (left is not None and left <= 0):
                    if self._error is not None:
                        raise fresh(self._error)
                    return not self.closed and predicate()
                bell = self._changed.hang()
                self.waiters = True
            ring(bell, left)

    # -- within ------------------------------------------------------------------------------------------

    def _replace(
        self, sides: Tuple[Side, Side], update_id: Optional[int], time_ms: Optional[int], now: float, epoch: int
    ) -> bool:
        with self.lock:
            if self.closed:
                return False
            if epoch != self._epoch:  # of a subscription that has ended
                self._ignored += 1
                return False
            self.bids, self.asks = sides
            self._resync.replaced(self._rule.shows_locked)
            must_ask = self._commit(update_id, time_ms, now)
        if must_ask:
            self._ask(now)
        return True

    def _commit(self, update_id: Optional[int], time_ms: Optional[int], now: float) -> bool:
        """Commit an update that is in both sides (lock held). Return True if the book is crossed and a whole one must be
        asked for."""
        self.update_id = update_id
        self._venue_time_ms = time_ms
        self.updated_at = now
        self.version += 1
        self._snapshot = None
        bid, ask = top = self.bids.best, self.asks.best
        if self.waiters:
            self._changed.ring_all()
            self.waiters = False
        # Readers without the lock: prices that cannot be trusted must not be seen before the book is stale, nor may it
        # be seen to be fresh before its new prices.
        if bid is None or ask is None or bid[0] < ask[0]:
            self._resync.tolerated = 0
            is_crossed = False
        else:
            self.is_crossed = is_crossed = True
            if not self._resync.crossed(EQUAL if bid[0] == ask[0] else ACROSS, now):
                self._crossed += 1
                self._whole = False
                self.stale_reason = f"it is crossed: bid {bid[0]}, ask {ask[0]}"
                self.top = top
                return True
        self.top = top
        self.is_crossed = is_crossed
        self._whole = True
        self.stale_reason = None if self._live else _UNACKNOWLEDGED
        return False

    def _ignore(self, now: float) -> None:
        with self.lock:
            self._ignored += 1
            self._resync.ignored(now)
        self._ask(now)

    def _ask(self, now: float) -> None:
        """Ask for a whole book, if it is time to."""
        with self.lock:
            if self.closed or not self._live or not self._resync.ask(now):
                return
        self._log.warning("%s: asking for a whole book: %s", self.symbol, self.stale_reason)
        self._resynchronise()

    def _make_stale(self, reason: str) -> None:
        """Lock held."""
        self._whole = False
        self._change(reason)

    def _change(self, stale_reason: Optional[str]) -> None:
        """Lock held. Not by an update."""
        self.stale_reason = stale_reason
        self.version += 1
        self._not_updates += 1
        self._snapshot = None
        self._changed.ring_all()

    def _side(self, rows: Any, bids: bool) -> Side:
        most, kept = self._rule.most_levels, self._rule.kept_levels
        return Side(rows, bids=bids, most=most) if kept is None else CutSide(rows, bids=bids, most=most, kept=kept)

    def _clear(self) -> None:
        """Lock held."""
        self.bids, self.asks = self._side([], True), self._side([], False)
        self.top = (None, None)
        self.is_crossed = False
