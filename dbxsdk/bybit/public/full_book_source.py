"""Where ``orderbook.full`` gets its snapshots: ``GET /v5/market/full_orderbook``, on a thread of its own.

Source: https://bybit-exchange.github.io/docs/v5/market/full-ob.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, List, Optional

from dbxsdk.bybit.envelope import is_zero, words
from dbxsdk.bybit.public.full_book import Snapshot, read_snapshot
from dbxsdk.errors import DbxError, ProtocolError, VenueError
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.session import Connector
from dbxsdk.transport.http import shut_down

logger = SafeLogger(__name__)

PATH = "/v5/market/full_orderbook"

FIRST_PAUSE, LONGEST_PAUSE, AFTER_403 = 1.0, 60.0, 600.0
"""Seconds from one request to the next; doubled with each, back to the first when none was needed for ``LONGEST_PAUSE``."""


class FullBookSource:
    """The snapshots of one symbol. One request at a time; ``fetch`` may be called by any thread, as often as one likes."""

    def __init__(self, connector: Connector, origin: str, options: Options, category: str, symbol: str, name: str) -> None:
        self._connector = connector
        self._url = origin.rstrip("/") + PATH
        self._options = options
        self._params = {"category": category, "symbol": symbol}
        self._name = f"dbxsdk-{name}-snapshot"
        self.offer: Callable[[Snapshot], None] = lambda snapshot: None
        """Takes what came, on the thread of the request."""
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        # Who takes it may make a request. No lock: that would have to be thought of in signal handlers and forks.
        self._turn: List[bool] = [True]
        self._thread: Optional[threading.Thread] = None
        self._socket: Any = None
        self._asked_at = self._not_before = float("-inf")
        self._pause = FIRST_PAUSE

    def fetch(self) -> None:
        """Begin a request, unless one is under way or the pause after the last one is not over. Waits for nothing."""
        if self._pid != os.getpid():
            self._reset()  # the thread is the parent's
        now = monotonic()
        if now < self._not_before or self._closed:
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
        if self._pid == os.getpid():
            made = self._socket
            if made is not None:
                shut_down(made)

    def close(self, timeout: float = 1.0) -> None:
        """Do as ``end``, and wait so long for the request's thread."""
        self.end()
        thread = self._thread if self._pid == os.getpid() else None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _publish(self, made: Any) -> None:
        self._socket = made
        if self._closed:
            shut_down(made)

    def _run(self, turn: List[bool]) -> None:
        try:
            snapshot = self._get()
        except DbxError as error:
            if not self._closed:
                logger.warning("bybit: %s: no full book of %s: %s", PATH, self._params["symbol"], error)
        except Exception:  # a thread must not die unheard
            logger.exception("bybit: %s: unexpected error", PATH)
        else:
            if snapshot.is_empty:
                self._not_before = monotonic() + LONGEST_PAUSE / 6
                logger.info("bybit: %s has no order book now", self._params["symbol"])
            self.offer(snapshot)
        finally:
            self._socket = None
            turn.append(True)

    def _get(self) -> Snapshot:
        options = self._options
        answer = self._connector.get(self._url, options, options.request_timeout, self._params, self._publish)
        if answer.status == 403:
            self._not_before = monotonic() + AFTER_403
        if answer.status != 200:
            raise VenueError(f"HTTP {answer.status}", code=answer.status, reply=answer.document)
        document = answer.document
        if not isinstance(document, dict):
            raise ProtocolError("the answer is not an object")
        if not is_zero(document.get("retCode")):
            raise VenueError(words(document) or "refused", code=document.get("retCode"), reply=document)
        return read_snapshot(document.get("result"))
