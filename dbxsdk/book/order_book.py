"""``OrderBook``: one order book kept current, readable from any thread, that says so when it cannot be trusted."""

from __future__ import annotations

import contextlib
import functools
import itertools
from decimal import Decimal
from typing import Any, Callable, ContextManager, List, Optional, Type

from dbxsdk import html
from dbxsdk.arguments import check_callback, check_choice, check_int, check_seconds
from dbxsdk.book.side import Level, Side
from dbxsdk.book.state import BookState
from dbxsdk.book.values import BookSnapshot, BookStats
from dbxsdk.fields import decimal
from dbxsdk.runtime import reentrancy
from dbxsdk.runtime.clock import monotonic

SIDES = ("bids", "asks")


class OrderBook:
    """One order book, kept current by its client. ``client.order_book(...)`` makes it; end it with ``close``.

    Every method and property may be used by any thread, and each sees the book between two updates, never in the
    middle of one. What must fit together has to come out of one call: ``snapshot()`` has both sides of one moment,
    while ``best_bid`` and then ``best_ask`` may be of two. Prices and sizes are ``Decimal``, read from the wire's text;
    sums and averages follow the calling thread's decimal context.

    A book that cannot be trusted is stale (``is_stale``, ``stale_reason``): before its first whole book, and from a
    dropped connection, a lost update or one that cannot be read, a side that outgrew its depth (four times, or 10,000
    levels where the venue names none) or a crossed book (best bid at or above best ask) until the next whole book. After
    a drop the venue sends one by itself; after the others it is asked for one: at once, and again when changes come and
    no whole book does, with pauses that grow from 5 to 60 seconds. It is asked, too, when another book of the same topic
    is made, and all of them are stale until it has come.

    Reads of a stale book give what was known last; only after an unreadable change is it empty, since half of it may
    have gone in, and in a forked child, where it is stale until the client has connected again. Where the whole book
    that was asked for is crossed as well, the venue means it: ``is_crossed`` stays, and the book is not stale.
    """

    __slots__ = ("symbol", "_state", "_close", "_waiting", "__weakref__")

    def __init__(
        self,
        state: BookState,
        *,
        close: Callable[[], None],
        waiting: Callable[[Optional[float]], ContextManager[None]] = lambda timeout: contextlib.nullcontext(),
    ) -> None:
        """``close`` ends the subscription. A thread waits for the book inside ``waiting(timeout)``, which raises where it
        must not."""
        self.symbol = state.symbol
        self._state = state
        self._close = close
        self._waiting = waiting

    def __repr__(self) -> str:
        state = self._state.check_process()
        (bid, ask), reason = state.top, state.stale_reason
        how = f" {'closed' if state.closed else 'stale'}: {reason}" if reason is not None else ""
        return f"<OrderBook {' '.join((self.name, self.symbol)).strip()} bid {bid and bid[0]} ask {ask and ask[0]}{how}>"

    def _repr_html_(self) -> str:
        return html.book(self, self._state.check_process().closed)

    # -- reads -----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of its client."""
        return self._state.client

    @property
    def best_bid(self) -> Optional[Level]:
        """(price, size), or None where there is no bid."""
        return self._state.check_process().top[0]

    @property
    def best_ask(self) -> Optional[Level]:
        """(price, size), or None where there is no ask."""
        return self._state.check_process().top[1]

    @property
    def mid(self) -> Optional[Decimal]:
        """Half way between the best prices, or None where a side is empty."""
        bid, ask = self._state.check_process().top
        return None if bid is None or ask is None else (bid[0] + ask[0]) / 2

    @property
    def spread(self) -> Optional[Decimal]:
        """Best ask less best bid, or None where a side is empty; 0 or less in a crossed book."""
        bid, ask = self._state.check_process().top
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
        self._state.check_process()
        limit = _number("price", price)
        bids = check_choice("side", side, SIDES) == "bids"
        total = Decimal(0)
        with self._state.lock:
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
        self._state.check_process()
        left = wanted = _number("size", size)
        if wanted <= 0:
            raise ValueError(f"size must be above 0, not {size!r}")
        check_choice("side", side, SIDES)
        cost = Decimal(0)
        with self._state.lock:
            for price, available in self._side(side).levels():
                taken = min(left, available)
                cost += price * taken
                left -= taken
                if left <= 0:
                    return cost / wanted
        return None

    def snapshot(self) -> BookSnapshot:
        """Both sides of one moment, as a frozen value. Made at most once a change of the book, however many ask."""
        return self._state.check_process().snapshot()

    @property
    def is_stale(self) -> bool:
        """True if the book may not be what the venue has now. See the class."""
        return self._state.check_process().stale_reason is not None

    @property
    def stale_reason(self) -> Optional[str]:
        """Why it is stale, in words; None where it is not."""
        return self._state.check_process().stale_reason

    @property
    def is_crossed(self) -> bool:
        """True if the best bid is at or above the best ask."""
        return self._state.check_process().is_crossed

    @property
    def age(self) -> Optional[float]:
        """Seconds since the venue last sent this book or an update of it, even a repeated one; None before the first."""
        return self._state.check_process().age()

    @property
    def update_id(self) -> Optional[int]:
        """The venue's number of the last update in the book; None where the venue has none, or before the first."""
        return self._state.check_process().update_id

    def stats(self) -> BookStats:
        """Counters, as one frozen value."""
        return self._state.check_process().stats()

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
        return self._wait(lambda: self._state.stale_reason is None, timeout)

    def wait_update(self, timeout: Optional[float] = None, *, after: Optional[int] = None) -> bool:
        """Blocks until the book changes and returns True; False after ``timeout`` seconds (None: no limit), or once the
        book is closed. That it became stale is a change, too; a repeat is none.

        With ``after``, the ``version`` of a snapshot, a change since then counts, so that a loop misses none that came
        while it was busy. Raises what ``wait_ready`` raises.
        """
        seen = self._state.version if after is None else check_int("after", after)
        return self._wait(lambda: self._state.version != seen, timeout)

    def on_update(self, callback: Callable[["OrderBook"], Any]) -> None:
        """Calls ``callback(book)`` after a change of the book, its becoming stale included, on the client's callbacks
        thread. It may read the book and call every method of the client. By then the book may have moved on: changes
        that come before the callback has had its turn are reported once. With ``dispatch="inline"`` it is called after
        each, on the reader thread. One that raises is reported like every callback of the client."""
        check_callback(callback)
        self._state.check_process().watch(functools.partial(callback, self))

    def close(self) -> None:
        """Ends the subscription; the book stays as it is, and stale. From any thread, also from inside a callback;
        by a signal handler and by a destructor, too (see ``Client.close``). Calling it again does nothing. ``on_update``
        callbacks are not called again, but for one that is running now."""
        reentrancy.run(self._end_by_user)

    def _end_by_user(self) -> None:
        if self._state.check_process().close():
            self._close()

    def __enter__(self) -> "OrderBook":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        reentrancy.run(self._end_by_user)

    # -- within ------------------------------------------------------------------------------------------

    def _side(self, side: str) -> Side:
        return self._state.bids if side == "bids" else self._state.asks

    def _levels(self, side: str, n: Optional[int]) -> List[Level]:
        if n is not None:
            check_int("n", n, least=0)
        with self._state.check_process().lock:
            return list(itertools.islice(self._side(side).levels(), n))

    def _wait(self, predicate: Callable[[], bool], timeout: Optional[float]) -> bool:
        seconds = None if timeout is None else check_seconds("timeout", timeout, zero=True)
        deadline = None if seconds is None else monotonic() + seconds
        state = self._state.check_process()
        if seconds == 0 or state.closed or predicate():
            return state.wait_for(predicate, 0.0)
        with self._waiting(seconds):
            return state.wait_for(predicate, None if deadline is None else deadline - monotonic())


def _number(name: str, value: Any) -> Decimal:
    try:
        # A plain one also of a subclass: comparing may be user code there, and is done under the lock.
        return decimal(str(Decimal(value)) if isinstance(value, Decimal) else value)
    except TypeError:
        raise TypeError(f"{name} must be a number or a text of one, not {type(value).__name__}") from None
    except (ValueError, ArithmeticError):
        raise ValueError(f"{name} must be a finite number, not {value!r}") from None
