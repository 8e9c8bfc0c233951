"""``OrderBook``: one order book kept current, readable from any thread, that says so when it cannot be trusted."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
from decimal import Decimal
from typing import Any, Callable, ContextManager, List, Optional, Tuple, Type

import attrs

from dbxsdk.arguments import check_choice, check_seconds
from dbxsdk.book.rule import Action, BookRule
from dbxsdk.book.side import Level, Side
from dbxsdk.errors import DbxError, ProtocolError, fresh
from dbxsdk.fields import decimal
from dbxsdk.protocol import Push
from dbxsdk.runtime import reentrancy
from dbxsdk.runtime.fork import first_use

logger = logging.getLogger(__name__)

SIDES = ("bids", "asks")

PATIENCE = 5.0
"""Seconds between two requests for a whole book; doubled with each request, up to ``LONGEST_PATIENCE``, and back to
this when for twice that long there was none."""

LONGEST_PATIENCE = 60.0

# As names of the module, since looking a member up takes a while in older Pythons.
APPLY, REPLACE = Action.APPLY, Action.REPLACE

_NOTHING_YET = "no whole book has come yet"
_CLOSED = "it is closed"


@attrs.frozen
class BookSnapshot:
    """An order book at one moment. A value: it never changes.

    Attributes:
        symbol: the venue's symbol.
        bids, asks: tuples of (price, size), best first; empty where the venue has not told of any.
        update_id: the venue's number of the last update in it, or None where the venue has none.
        venue_time_ms: the venue's time of that update in ms since 1970, or None where it sends none.
        version: grows with each change of the book in this process; for ``OrderBook.wait_update``.
        is_stale, is_crossed: as they were in the book.
    """

    symbol: str
    bids: Tuple[Level, ...] = attrs.field(repr=False)
    asks: Tuple[Level, ...] = attrs.field(repr=False)
    update_id: Optional[int]
    venue_time_ms: Optional[int]
    version: int
    is_stale: bool
    is_crossed: bool

    @property
    def best_bid(self) -> Optional[Level]:
        """(price, size), or None where there is no bid."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Optional[Level]:
        """(price, size), or None where there is no ask."""
        return self.asks[0] if self.asks else None


@attrs.frozen
class BookStats:
    """Counters since the book was made.

    Attributes:
        updates: whole books and changes that went into the book.
        repeats: updates that said again what the book held.
        ignored: changes that came while the book waited for a whole one.
        gaps: updates that did not follow the one before, or could not be read.
        crossed: times that the best bid came to reach the best ask, other than the venue's page shows it.
        unknown_deletes: deletions of prices that the book did not have; they are passed over.
        resynchronisations: times that the venue was asked for a whole book because of all these.
    """

    updates: int
    repeats: int
    ignored: int
    gaps: int
    crossed: int
    unknown_deletes: int
    resynchronisations: int


class OrderBook:
    """One order book, kept current by its client. ``client.order_book(...)`` makes it; end it with ``close``.

    Every method and property may be used by any thread, and each sees the book between two updates, never in the
    middle of one. What must fit together has to come out of one call: ``snapshot()`` has both sides of one moment,
    while ``best_bid`` and then ``best_ask`` may be of two. Prices and sizes are ``Decimal``, read from the wire's text;
    sums and averages follow the calling thread's decimal context.

    A book that cannot be trusted is stale (``is_stale``, ``stale_reason``): before its first whole book, and from a
    dropped connection, a lost update or one that cannot be read, or a crossed book (best bid at or above best ask)
    until the next whole book. After a drop the venue sends one by itself; after the others it is asked for one: at
    once, and again when changes come and no whole book does, with pauses that grow from 5 to 60 seconds. It is asked,
    too, when another book of the same topic is made, and all of them are stale until it has come.

    Reads of a stale book give what was known last; only after an unreadable change is it empty, since half of it may
    have gone in, and in a forked child, where it is stale until the client has connected afresh. Where the whole book
    that was asked for is crossed as well, the venue means it: ``is_crossed`` stays, and the book is not stale.
    """

    # An update takes 5 % less with them: there are too many for the fast way of CPython without.
    __slots__ = (
        "symbol",
        "_rule",
        "_resynchronise",
        "_close",
        "_waiting",
        "_clock",
        "_pid",
        "_lock",
        "_changed",
        "_waiters",
        "_bids",
        "_asks",
        "_top",
        "_snapshot",
        "_version",
        "_update_id",
        "_venue_time_ms",
        "_updated_at",
        "_stale_reason",
        "_closed",
        "_error",
        "_tolerated",
        "_is_crossed",
        "_asked_since_crossed",
        "_ask_at",
        "_asked_at",
        "_patience",
        "_callbacks",
        "_not_updates",
        "_repeats",
        "_ignored",
        "_gaps",
        "_crossed",
        "_unknown_deletes",
        "_resynchronisations",
        "__weakref__",
    )

    def __init__(
        self,
        symbol: str,
        rule: BookRule,
        *,
        resynchronise: Callable[[], None],
        close: Callable[[], None],
        waiting: Callable[[Optional[float]], ContextManager[None]] = lambda timeout: contextlib.nullcontext(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``resynchronise`` asks the venue for a whole book and must not block; it is called by ``handle``. ``close`` ends
        the subscription. A thread waits for the book inside ``waiting(timeout)``, which raises where it must not."""
        self.symbol = symbol
        self._rule = rule
        self._resynchronise = resynchronise
        self._close = close
        self._waiting = waiting
        self._clock = clock
        self._pid = os.getpid()
        self._lock = threading.Lock()
        """Guards all below; what is one value, replaced as a whole, is read without it. Never held while user code or
        a hook runs."""
        self._changed = threading.Condition(self._lock)
        self._waiters = 0
        self._bids = Side([], bids=True)
        self._asks = Side([], bids=False)
        # One value, so that the best prices fit together.
        self._top: Tuple[Optional[Level], Optional[Level]] = (None, None)
        self._snapshot: Optional[BookSnapshot] = None  # of this version, once somebody wanted it
        self._version = 0
        self._update_id: Optional[int] = None
        self._venue_time_ms: Optional[int] = None
        self._updated_at: Optional[float] = None
        self._stale_reason: Optional[str] = _NOTHING_YET
        self._closed = False
        self._error: Optional[DbxError] = None
        # How far crossed the book may be: 0 not at all, 1 best bid and ask may be equal, 2 in any way.
        self._tolerated = 0
        self._is_crossed = False
        self._asked_since_crossed = False
        # When the next update that finds the book stale shall ask for a whole one; None: some time after that update.
        self._ask_at: Optional[float] = None
        self._asked_at = float("-inf")
        self._patience = PATIENCE
        self._callbacks: Tuple[Callable[["OrderBook"], Any], ...] = ()
        self._not_updates = self._repeats = self._ignored = self._gaps = self._crossed = 0
        self._unknown_deletes = self._resynchronisations = 0

    def __repr__(self) -> str:
        self._check_process()
        bid, ask = self._top
        state = f" stale: {self._stale_reason}" if self._stale_reason is not None else ""
        return f"<OrderBook {self.symbol} bid {bid and bid[0]} ask {ask and ask[0]}{state}>"

    # -- reads -----------------------------------------------------------------------------------------

    @property
    def best_bid(self) -> Optional[Level]:
        """(price, size), or None where there is no bid."""
        self._check_process()
        return self._top[0]

    @property
    def best_ask(self) -> Optional[Level]:
        """(price, size), or None where there is no ask."""
        self._check_process()
        return self._top[1]

    @property
    def mid(self) -> Optional[Decimal]:
        """Half way between the best prices, or None where a side is empty."""
        self._check_process()
        bid, ask = self._top
        return None if bid is None or ask is None else (bid[0] + ask[0]) / 2

    @property
    def spread(self) -> Optional[Decimal]:
        """Best ask less best bid, or None where a side is empty; 0 or less in a crossed book."""
        self._check_process()
        bid, ask = self._top
        return None if bid is None or ask is None else ask[0] - bid[0]

    def bids(self, n: Optional[int] = None) -> List[Level]:
        """The best ``n`` bids (None: all) as a new list of (price, size), best first."""
        return self._levels("bids", n)

    def asks(self, n: Optional[int] = None) -> List[Level]:
        """The best ``n`` asks (None: all) as a new list of (price, size), best first."""
        return self._levels("asks", n)

    def depth(self, side: str, price: Any) -> Decimal:
        """The size of all levels of ``side`` (``"bids"`` or ``"asks"``) at ``price`` or better, added up.

        ``price`` is a ``Decimal``, an ``int``, a ``float`` or a text. 0 where no level is as good.

        Raises:
            TypeError, ValueError: naming the argument.
        """
        self._check_process()
        limit = _number("price", price)
        bids = check_choice("side", side, SIDES) == "bids"
        total = Decimal(0)
        with self._lock:
            for level, size in self._side(side).levels():
                if level < limit if bids else level > limit:
                    break
                total += size
        return total

    def vwap(self, side: str, size: Any) -> Optional[Decimal]:
        """The average price of trading ``size`` against ``side``: ``"asks"`` to buy, ``"bids"`` to sell.

        None where the levels that the book has hold less than ``size``: it is no error of the caller's, and there may
        be more beyond the book's depth.

        Raises:
            TypeError, ValueError: naming the argument; ``size`` must be above 0.
        """
        self._check_process()
        left = wanted = _number("size", size)
        if wanted <= 0:
            raise ValueError(f"size must be above 0, not {size!r}")
        check_choice("side", side, SIDES)
        cost = Decimal(0)
        with self._lock:
            for price, available in self._side(side).levels():
                taken = min(left, available)
                cost += price * taken
                left -= taken
                if left <= 0:
                    return cost / wanted
        return None

    def snapshot(self) -> BookSnapshot:
        """Both sides of one moment, as a frozen value. Made at most once a change of the book, however many ask."""
        self._check_process()
        found = self._snapshot
        if found is not None:
            return found
        with self._lock:
            made = self._snapshot = BookSnapshot(
                self.symbol,
                tuple(self._bids.levels()),
                tuple(self._asks.levels()),
                self._update_id,
                self._venue_time_ms,
                self._version,
                self._stale_reason is not None,
                self._is_crossed,
            )
        return made

    @property
    def is_stale(self) -> bool:
        """Whether the book may not be what the venue has now. See the class."""
        self._check_process()
        return self._stale_reason is not None

    @property
    def stale_reason(self) -> Optional[str]:
        """Why it is stale, in words; None where it is not."""
        self._check_process()
        return self._stale_reason

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        self._check_process()
        return self._is_crossed

    @property
    def age(self) -> Optional[float]:
        """Seconds since the venue last told of this book, be it by repeating it; None before the first time."""
        self._check_process()
        updated_at = self._updated_at
        return None if updated_at is None else max(self._clock() - updated_at, 0.0)

    @property
    def update_id(self) -> Optional[int]:
        """The venue's number of the last update in the book; None where the venue has none, or before the first."""
        self._check_process()
        return self._update_id

    def stats(self) -> BookStats:
        """Counters, as one frozen value."""
        self._check_process()
        with self._lock:
            return BookStats(
                self._version - self._not_updates,
                self._repeats,
                self._ignored,
                self._gaps,
                self._crossed,
                self._unknown_deletes,
                self._resynchronisations,
            )

    # -- waiting ---------------------------------------------------------------------------------------

    def wait_ready(self, timeout: Optional[float] = None) -> bool:
        """Blocks until the book is not stale and returns True; False after ``timeout`` seconds (None: no limit), or once
        the book is closed.

        Raises:
            DbxError: what ended the client, where it was not ``close``; in a forked child also that there was no
                connection in time.
            WrongThreadError: called on the thread that keeps the book current.
            TypeError, ValueError: naming the argument.
        """
        return self._wait(lambda: self._stale_reason is None, timeout)

    def wait_update(self, timeout: Optional[float] = None, *, after: Optional[int] = None) -> bool:
        """Blocks until the book changes and returns True; False after ``timeout`` seconds (None: no limit), or once the
        book is closed. That it became stale is a change, too; a repeat is none.

        With ``after``, the ``version`` of a snapshot, a change since then counts, so that a loop misses none that came
        while it was busy.

        Raises:
            DbxError: what ended the client, where it was not ``close``; in a forked child also that there was no
                connection in time.
            WrongThreadError: called on the thread that keeps the book current.
            TypeError, ValueError: naming the argument.
        """
        if after is not None and (isinstance(after, bool) or not isinstance(after, int)):
            raise TypeError(f"after must be the version of a snapshot, an int, not {type(after).__name__}")
        seen = self._version if after is None else after
        return self._wait(lambda: self._version != seen, timeout)

    def on_update(self, callback: Callable[["OrderBook"], Any]) -> None:
        """Calls ``callback(book)`` after a change of the book, its becoming stale included, on the client's callbacks
        thread. It may read the book and call every method of the client. By then the book may have moved on: changes
        that come before the callback has had its turn are told of once. With ``dispatch="inline"`` it is called after
        each, on the reader thread. One that raises is reported like every callback of the client."""
        if not callable(callback):
            raise TypeError(f"callback must be callable, not {type(callback).__name__}")
        self._check_process()
        with self._lock:
            self._callbacks += (callback,)

    def close(self) -> None:
        """Ends the subscription; the book stays as it is, and stale. From any thread, also from inside a callback;
        by a signal handler and by a destructor, too (see ``Client.close``). Calling it again does nothing. ``on_update``
        callbacks are not called again, but for one that is running now."""
        reentrancy.run(self._end_by_user)

    def _end_by_user(self) -> None:
        self._check_process()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._make_stale(_CLOSED)
        self._close()

    def __enter__(self) -> "OrderBook":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self.close()

    # -- for the client: one thread, in the order of arrival -----------------------------------------------

    def handle(self, push: Push) -> bool:
        """Takes an update in. Whether the book changed, so that ``notify`` is due. Runs no user code.

        Raises ``ProtocolError`` where it cannot be read: then, too, the book changed, and is stale.
        """
        now = self._clock()
        stale = self._stale_reason is not None
        try:
            change = self._rule.read(push, None if stale else self._update_id)
            if change is None:
                return False
            action, bids, asks, update_id = change
            if action is APPLY and not stale:
                with self._lock:
                    if self._stale_reason is not None:  # closed, or renewed, by another thread
                        return False
                    try:
                        unknown = self._bids.apply(bids) + self._asks.apply(asks)
                    except BaseException:  # whatever it was: half a change is no book
                        self._make_stale("half of an update went in")
                        self._clear()
                        raise
                    if unknown:
                        self._unknown_deletes += unknown
                    must_ask = self._took(update_id, push.venue_time_ms, now)
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
            with self._lock:
                self._repeats += 1
                self._updated_at = now
            return False
        self.lost(f"update {update_id} does not follow {self._update_id}")
        return True

    @property
    def is_watched(self) -> bool:
        """Whether there is anybody whom ``notify`` would call."""
        return bool(self._callbacks)

    def notify(self) -> None:
        """Runs the ``on_update`` callbacks, on the calling thread. All of them run; what the first one raised is raised
        again, what others raised is logged."""
        error: Optional[BaseException] = None
        for callback in self._callbacks:
            try:
                callback(self)
            except BaseException as raised:  # noqa: B036 - raised again, or logged
                if error is None:
                    error = raised
                else:
                    logger.error("%s: a callback of an order book raised", self.symbol, exc_info=raised)
        if error is not None:
            raise error

    def stale(self, reason: str) -> bool:
        """The connection dropped: a whole book will come by itself once there is another. Whether the book changed."""
        with self._lock:
            self._ask_at = None
            self._asked_since_crossed = False
            if self._closed or self._stale_reason is not None:
                return False
            self._make_stale(reason)
        return True

    def renewed(self) -> None:
        """The venue is about to be asked for a whole book, for another book of the topic maybe. By any thread."""
        with self._lock:
            if self._stale_reason is None:
                # A crossed book that was found to be meant is not to be asked for once more.
                self._asked_since_crossed = self._is_crossed
                self._make_stale("it is subscribed anew")

    def lost(self, reason: str) -> None:
        """An update is missing, or unreadable, while the connection lives: the venue is asked for a whole book."""
        now = self._clock()
        with self._lock:
            if self._closed:
                return
            self._gaps += 1
            self._ask_at = max(now, self._asked_at + self._patience)
            self._make_stale(reason)
        self._ask(now)

    def end(self, error: Optional[DbxError], reason: str) -> None:
        """Nothing comes any more, because of ``error`` or in good order: whoever waits, now or later, is told. No hook
        is called."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._error = error
                self._make_stale(reason)

    def after_fork_in_child(self) -> None:
        """The lock may be held, and the sides half changed, by a thread that the child does not have."""
        with first_use():
            if self._pid != os.getpid():
                self._lock = threading.Lock()
                self._changed = threading.Condition(self._lock)
                self._waiters = 0
                with self._lock:
                    self._clear()
                    if not self._closed:
                        self._make_stale("the process was forked")
                self._pid = os.getpid()  # last: other threads of the child may look at it

    def _check_process(self) -> None:
        # Fork hooks are skipped by some servers: then the child finds out here, before it waits for a lock of the
        # parent's or takes the parent's book for current.
        if self._pid != os.getpid():
            self.after_fork_in_child()

    # -- within ------------------------------------------------------------------------------------------

    def _replace(self, bids: Side, asks: Side, update_id: Optional[int], time_ms: Optional[int], now: float) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._bids, self._asks = bids, asks
            self._ask_at = None
            self._tolerated = 2 if self._asked_since_crossed else 1 if self._rule.shows_locked else 0
            self._asked_since_crossed = False
            must_ask = self._took(update_id, time_ms, now)
        if must_ask:
            self._ask(now)
        return True

    def _took(self, update_id: Optional[int], time_ms: Optional[int], now: float) -> bool:
        """An update is in both sides. Under the lock. Whether a whole book must be asked for, this one being crossed."""
        self._update_id = update_id
        self._venue_time_ms = time_ms
        self._updated_at = now
        self._version += 1
        self._snapshot = None
        bid, ask = top = self._bids.best(), self._asks.best()
        if self._waiters:
            self._changed.notify_all()
        # Readers without the lock: prices that cannot be trusted must not be seen before the book is stale, nor may it
        # be seen to be fresh before its new prices.
        if bid is None or ask is None or bid[0] < ask[0]:
            self._top = top
            self._is_crossed = False
            self._tolerated = 0
            self._stale_reason = None
            return False
        crossing = 1 if bid[0] == ask[0] else 2
        self._is_crossed = True
        if crossing <= self._tolerated:
            self._top = top
            self._tolerated = crossing
            self._stale_reason = None
            return False
        self._crossed += 1
        self._asked_since_crossed = True
        self._ask_at = max(now, self._asked_at + self._patience)
        self._stale_reason = f"it is crossed: bid {bid[0]}, ask {ask[0]}"
        self._top = top
        return True

    def _ignore(self, now: float) -> None:
        with self._lock:
            self._ignored += 1
            if self._ask_at is None:
                self._ask_at = now + self._patience
        self._ask(now)

    def _ask(self, now: float) -> None:
        """Asks for a whole book, if it is time to. A market in which updates are lost again and again must not make
        the client subscribe without a pause: the venue would end it."""
        with self._lock:
            if self._closed or self._ask_at is None or now < self._ask_at:
                return
            if now - self._asked_at > 2 * LONGEST_PATIENCE:
                self._patience = PATIENCE
            else:
                self._patience = min(self._patience * 2, LONGEST_PATIENCE)
            self._asked_at = now
            self._ask_at = now + self._patience
            self._resynchronisations += 1
        logger.warning("%s: asking for a whole book: %s", self.symbol, self._stale_reason)
        self._resynchronise()

    def ask_when_due(self, now: float) -> Optional[float]:
        """Asks for a whole book where the time for it has come, for a market so quiet that no update comes to do so. Returns
        when to call it again, if at all. By any thread."""
        due = self._ask_at
        if due is not None and now >= due:
            self._ask(now)
            due = self._ask_at
        return due

    def _make_stale(self, reason: str) -> None:
        """Under the lock."""
        self._stale_reason = reason
        self._version += 1
        self._not_updates += 1
        self._snapshot = None
        self._changed.notify_all()

    def _clear(self) -> None:
        """Under the lock."""
        self._bids, self._asks = Side([], bids=True), Side([], bids=False)
        self._top = (None, None)
        self._is_crossed = False

    def _side(self, side: str) -> Side:
        return self._bids if side == "bids" else self._asks

    def _levels(self, side: str, n: Optional[int]) -> List[Level]:
        if n is not None:
            if isinstance(n, bool) or not isinstance(n, int):
                raise TypeError(f"n must be an int, or None, not {type(n).__name__}")
            if n < 0:
                raise ValueError(f"n must not be below 0: {n}")
        self._check_process()
        with self._lock:
            return list(itertools.islice(self._side(side).levels(), n))

    def _wait(self, predicate: Callable[[], bool], timeout: Optional[float]) -> bool:
        seconds = None if timeout is None else check_seconds("timeout", timeout, zero=True)
        deadline = None if seconds is None else time.monotonic() + seconds
        self._check_process()
        if seconds == 0 or self._closed or predicate():
            return self._wait_until(predicate, 0.0)
        with self._waiting(seconds):
            return self._wait_until(predicate, None if deadline is None else deadline - time.monotonic())

    def _wait_until(self, predicate: Callable[[], bool], seconds: Optional[float]) -> bool:
        with self._lock:
            self._waiters += 1
            try:
                self._changed.wait_for(lambda: self._closed or predicate(), seconds)
            finally:
                self._waiters -= 1
            if self._error is not None:
                raise fresh(self._error)
            return not self._closed and predicate()


def _number(name: str, value: Any) -> Decimal:
    try:
        # A plain one also of a subclass: comparing may be user code there, and is done under the lock.
        return decimal(str(Decimal(value)) if isinstance(value, Decimal) else value)
    except TypeError:
        raise TypeError(f"{name} must be a number or a text of one, not {type(value).__name__}") from None
    except (ValueError, ArithmeticError):
        raise ValueError(f"{name} must be a finite number, not {value!r}") from None
