"""``BookState``: the levels of one order book and whether they can be trusted. Updates go in on one thread, any reads."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Optional, Tuple

from dbxsdk.book.resync import ACROSS, EQUAL, Resync
from dbxsdk.book.rule import Action, BookRule
from dbxsdk.book.side import Level, Side
from dbxsdk.book.values import BookSnapshot, BookStats
from dbxsdk.errors import DbxError, ProtocolError, fresh
from dbxsdk.protocol import Push
from dbxsdk.runtime.fork import ForkAware
from dbxsdk.runtime.reentrancy import calls_user_code

logger = logging.getLogger(__name__)

# As names of the module, since looking a member up takes a while in older Pythons.
APPLY, REPLACE = Action.APPLY, Action.REPLACE

_NOTHING_YET = "no whole book has come yet"
_CLOSED = "it is closed"


class BookState(ForkAware):
    """What a client keeps of one book: ``OrderBook`` is the users' view of it.

    ``handle``, ``stale`` and ``notify`` are each called by one thread, in the order of arrival; all else by any.
    """

    # An update takes 5 % less with them: there are too many for the fast way of CPython without.
    __slots__ = (
        "symbol",
        "lock",
        "bids",
        "asks",
        "top",
        "version",
        "update_id",
        "updated_at",
        "stale_reason",
        "closed",
        "is_crossed",
        "waiters",
        "_rule",
        "_resynchronise",
        "_clock",
        "_changed",
        "_snapshot",
        "_venue_time_ms",
        "_error",
        "_resync",
        "_callbacks",
        "_not_updates",
        "_repeats",
        "_ignored",
        "_gaps",
        "_crossed",
        "_unknown_deletes",
    )

    def __init__(
        self,
        symbol: str,
        rule: BookRule,
        *,
        resynchronise: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``resynchronise`` asks the venue for a whole book and must not block; ``handle`` and ``ask_when_due`` call it."""
        self.symbol = symbol
        self._rule = rule
        self._resynchronise = resynchronise
        self._clock = clock
        self.lock = threading.Lock()
        """Guards all below; what is one value, replaced as a whole, is read without it. Never held while user code or
        a hook runs."""
        self._changed = threading.Condition(self.lock)
        self.waiters = 0
        self.bids = Side([], bids=True)
        self.asks = Side([], bids=False)
        self.top: Tuple[Optional[Level], Optional[Level]] = (None, None)
        """Best bid and ask: one value, so that they fit together."""
        self._snapshot: Optional[BookSnapshot] = None  # of this version, once somebody wanted it
        self.version = 0
        self.update_id: Optional[int] = None
        self._venue_time_ms: Optional[int] = None
        self.updated_at: Optional[float] = None
        self.stale_reason: Optional[str] = _NOTHING_YET
        self.closed = False
        self._error: Optional[DbxError] = None
        self.is_crossed = False
        self._resync = Resync()
        self._callbacks: Tuple[Callable[[], Any], ...] = ()
        self._not_updates = self._repeats = self._ignored = self._gaps = self._crossed = self._unknown_deletes = 0
        self._follow_forks()

    # -- updates -----------------------------------------------------------------------------------------

    def handle(self, push: Push) -> bool:
        """Take an update in. Return True if the book changed, so that ``notify`` is due. Runs no user code.

        Raises ``ProtocolError`` where it cannot be read: then, too, the book changed, and is stale.
        """
        now = self._clock()
        stale = self.stale_reason is not None
        try:
            change = self._rule.read(push, None if stale else self.update_id)
            if change is None:
                return False
            action, bids, asks, update_id = change
            if action is APPLY and not stale:
                with self.lock:
                    if self.stale_reason is not None:  # closed, or renewed, by another thread
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
                return self._replace(Side(bids, bids=True), Side(asks, bids=False), update_id, push.venue_time_ms, now)
        except ProtocolError as error:
            self.lost(f"an update could not be read: {error}")
            raise
        if stale:
            self._ignore(now)
            return False
        if action is Action.REPEAT:
            with self.lock:
                self._repeats += 1
                self.updated_at = now
            return False
        self.lost(f"update {update_id} does not follow {self.update_id}")
        return True

    def stale(self, reason: str) -> bool:
        """The connection dropped: a whole book comes by itself once there is another. Return True if the book changed."""
        with self.lock:
            self._resync.dropped()
            if self.closed or self.stale_reason is not None:
                return False
            self._make_stale(reason)
        return True

    def renewed(self) -> None:
        """The venue is about to be asked for a whole book, for another book of the topic maybe."""
        with self.lock:
            if self.stale_reason is None:
                self._resync.renewed(self.is_crossed)
                self._make_stale("it is subscribed anew")

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
        due = self._resync.due
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
            self._make_stale(_CLOSED)
        return True

    def end(self, error: Optional[DbxError], reason: str) -> None:
        """End it because nothing comes any more, through ``error`` or in good order. Threads that wait for it, now or
        later, are told."""
        with self.lock:
            if not self.closed:
                self.closed = True
                self._error = error
                self._make_stale(reason)

    check_process = ForkAware._check_process
    """Before a forked child waits for a lock of the parent's, or takes the parent's book for current."""

    def _after_fork(self) -> None:
        # The lock may be held, and the sides half changed, by a thread that the child does not have.
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self.waiters = 0
        with self.lock:
            self._clear()
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
                    logger.error("%s: a callback of an order book raised", self.symbol, exc_info=raised)
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
        with self.lock:
            self.waiters += 1
            try:
                self._changed.wait_for(lambda: self.closed or predicate(), seconds)
            finally:
                self.waiters -= 1
            if self._error is not None:
                raise fresh(self._error)
            return not self.closed and predicate()

    # -- within ------------------------------------------------------------------------------------------

    def _replace(self, bids: Side, asks: Side, update_id: Optional[int], time_ms: Optional[int], now: float) -> bool:
        with self.lock:
            if self.closed:
                return False
            self.bids, self.asks = bids, asks
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
        bid, ask = top = self.bids.best(), self.asks.best()
        if self.waiters:
            self._changed.notify_all()
        # Readers without the lock: prices that cannot be trusted must not be seen before the book is stale, nor may it
        # be seen to be fresh before its new prices.
        if bid is None or ask is None or bid[0] < ask[0]:
            self.top = top
            self.is_crossed = False
            self._resync.tolerated = 0
            self.stale_reason = None
            return False
        self.is_crossed = True
        if self._resync.crossed(EQUAL if bid[0] == ask[0] else ACROSS, now):
            self.top = top
            self.stale_reason = None
            return False
        self._crossed += 1
        self.stale_reason = f"it is crossed: bid {bid[0]}, ask {ask[0]}"
        self.top = top
        return True

    def _ignore(self, now: float) -> None:
        with self.lock:
            self._ignored += 1
            self._resync.ignored(now)
        self._ask(now)

    def _ask(self, now: float) -> None:
        """Ask for a whole book, if it is time to."""
        with self.lock:
            if self.closed or not self._resync.ask(now):
                return
        logger.warning("%s: asking for a whole book: %s", self.symbol, self.stale_reason)
        self._resynchronise()

    def _make_stale(self, reason: str) -> None:
        """Lock held."""
        self.stale_reason = reason
        self.version += 1
        self._not_updates += 1
        self._snapshot = None
        self._changed.notify_all()

    def _clear(self) -> None:
        """Lock held."""
        self.bids, self.asks = Side([], bids=True), Side([], bids=False)
        self.top = (None, None)
        self.is_crossed = False
