"""Where ``orderbook.full`` gets its snapshots: ``GET /v5/market/full_orderbook``, on a thread of its own.

Source: https://bybit-exchange.github.io/docs/v5/market/full-ob.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Callable, List, Optional

from dbxsdk.bybit.public.full_book import Snapshot, read_snapshot
from dbxsdk.errors import DbxError
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import ForkAware
from dbxsdk.runtime.log import ClientLog

if TYPE_CHECKING:
    from dbxsdk.bybit.rest import BybitRest

PATH = "/v5/market/full_orderbook"

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds from one request to the next; doubled with each, back to the first when none was needed for twice ``LONGEST_PAUSE``."""
EMPTY_PAUSE = 10.0
"""Seconds after which a symbol that has no book is asked for again."""


class FullBookSource(ForkAware):
    """The snapshots of one symbol. One request at a time; ``fetch`` may be called by any thread, as often as one likes."""

    def __init__(self, rest: Optional[BybitRest], category: str, symbol: str, timeout: float, name: str) -> None:
        """``rest`` is the source's own; None: nothing is asked, as in a replay. ``timeout`` bounds a request."""
        self._rest = rest
        self._timeout = timeout
        self._params = {"category": category, "symbol": symbol}
        self._name = f"dbxsdk-{name}-snapshot"
        self._log = ClientLog(__name__, "bybit", name)
        self.offer: Callable[[Snapshot], None] = lambda snapshot: None
        """Takes what came, on the thread of the request."""
        self._closed = False
        self._after_fork()
        self._follow_forks()

    def _after_fork(self) -> None:
        # Who takes it may make a request. No lock: that would have to be thought of in signal handlers and forks.
        self._turn: List[bool] = [True]
        self._thread: Optional[threading.Thread] = None
        self._asked_at = self._not_before = float("-inf")
        self._pause = FIRST_PAUSE

    def fetch(self) -> None:
        """Begin a request, unless one is under way or the pause after the last one is not over. Waits for nothing."""
        self._check_process()  # in a forked child the thread is the parent's
        now = monotonic()
        if now < self._not_before or self._closed or self._rest is None:
            return
        try:
            self._turn.pop()
        except IndexError:
            return  # one is under way
        fresh = now - self._asked_at > 2 * LONGEST_PAUSE
        self._pause = FIRST_PAUSE if fresh else min(self._pause * 2, LONGEST_PAUSE)
        self._asked_at, self._not_before = now, now + self._pause
        self._thread = threading.Thread(target=self._run, args=(self._turn,), name=self._name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread is to be had now
            self._thread = None
            self._turn.append(True)

    def end(self) -> None:
        """End the request that is under way, without waiting for it. No other is made."""
        self._closed = True
        if self._rest is not None:
            self._rest.abort()

    def close(self, timeout: float = 1.0) -> None:
        """Do as ``end``, and wait so long for the request's thread."""
        self.end()
        thread = self._check_process()._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self, turn: List[bool]) -> None:
        assert self._rest is not None
        try:
            snapshot = read_snapshot(self._rest.public(PATH, self._params, monotonic() + self._timeout))
        except DbxError as error:
            if not self._closed:
                self._log.warning("%s: no full book of %s: %s", PATH, self._params["symbol"], error)
        except Exception:  # a thread must not die unheard
            self._log.exception("%s: unexpected error", PATH)
        else:
            if snapshot.is_empty:
                self._not_before = monotonic() + EMPTY_PAUSE
                self._log.info("%s has no order book now", self._params["symbol"])
            self.offer(snapshot)
        finally:
            turn.append(True)
