"""The feed: one client of the market, and what the page shows of it, as one document ten times a second."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from decimal import Decimal
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

import attrs

import dbxsdk
from dbxsdk import BybitPublicClient, OrderBook, State, Update
from dbxsdk.bybit import ContractTicker, Trade
from dbxsdk.metrics import Measured

from dashboard.latest import Latest

logger = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between two states of the page: more is more than an eye can read."""
PATIENCE = 1.0
"""Seconds after which a state is sent though nothing came."""
RETRY = 2.0
"""Seconds between attempts to subscribe for the first time; later the client itself connects again."""
DEPTH, TRADES, GAPS = 50, 40, 5
LINE = 120
"""Seconds of the small chart, one price each."""

Document = Dict[str, Any]


@attrs.frozen
class Status:
    """How far the prices can be trusted.

    Attributes:
        word: ``"connecting"``, ``"live"``, ``"reconnecting"``, ``"stale"`` (connected, and nothing usable came for a
            while) or ``"failed"`` (it will not come back by itself).
        age: seconds since the last update; None before the first.
        reason: what happened, in words; None where it is live.
        gap_since: ms since 1970 of the last update before a gap that is still open; None where there is none. It is open
            until the client's ``Gap`` says how long it was.
    """

    word: str
    age: Optional[float]
    reason: Optional[str]
    gap_since: Optional[int] = None


class Feed:
    """``start`` begins, on a thread of its own; ``states`` has the document of the page, in JSON; ``close`` ends."""

    def __init__(self, client: BybitPublicClient, symbol: str, stale_after: float, measured: Measured) -> None:
        """``measured`` wraps a callback whose lag is to be measured."""
        self.client = client
        self.symbol = symbol
        self.states: Latest[str] = Latest()
        self._stale_after = stale_after
        self._measured = measured
        self._thread = threading.Thread(target=self._run, name="dashboard-feed", daemon=True)
        self._closing = threading.Event()
        self._changed = threading.Event()
        self._book: Optional[OrderBook] = None
        self._subscribed = False
        self._problem: Optional[str] = None
        self._failed = False
        self._lock = threading.Lock()  # guards what follows: the client's callbacks write it
        self._updated: Optional[Tuple[float, int]] = None  # monotonic, and ms since 1970
        self._gap_open = False
        self._started = _now_ms()
        self._ticker: Document = {}
        self._trades: Deque[Document] = deque(maxlen=TRADES)  # newest first, with a mark where some may be missing
        self._gaps: Deque[Document] = deque(maxlen=GAPS)  # newest first
        self._line: Deque[Tuple[int, Optional[str]]] = deque(maxlen=LINE)  # (ms, price), newest last; None: it was not live
        self._lined = 0.0  # monotonic

    def start(self) -> None:
        self.states.put(self._state())  # a page that is opened now has something to show
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._changed.set()

    def status(self) -> Status:
        seen = self._seen()
        with self._lock:
            return self._status(*seen)

    def _seen(self) -> Tuple[State, Optional[str]]:
        """The client's state, and what is wrong with it or with the book. Before the lock: the client has its own."""
        state, book = self.client.state, self._book
        if state is State.FAILED:
            return state, self._final_reason()
        stale = book.stale_reason if book is not None else None
        return state, None if stale is None else f"the order book: {stale}"

    def _status(self, state: State, wrong: Optional[str]) -> Status:
        """Under the lock, so that it agrees with the gaps that are shown beside it."""
        age, since = (time.monotonic() - self._updated[0], self._updated[1]) if self._updated is not None else (None, None)
        if self._failed or state is State.FAILED:
            return Status("failed", age, self._problem or wrong)
        if state is State.RECONNECTING or self._gap_open:
            # Connected again is not enough: until its Gap has come, nobody has said from when on the data is whole.
            return Status("reconnecting", age, self._problem, since)
        if not self._subscribed or age is None:
            return Status("connecting", age, self._problem)
        if wrong is not None:
            return Status("stale", age, wrong)
        if age > self._stale_after:
            return Status("stale", age, "connected, but nothing comes")
        return Status("live", age, None)

    # -- this feed's own thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        self.client.on_event(self._on_event)
        steps: Sequence[Callable[[], Any]] = (
            self._subscribe_book,
            lambda: self.client.subscribe("publicTrade", self.symbol, callback=self._measured(self._on_trades)),
            lambda: self.client.subscribe("tickers", self.symbol, callback=self._on_ticker),
        )
        for step in steps:
            while not self._closing.is_set() and not self._failed and not self._done(step):
                self._closing.wait(RETRY)
        self._subscribed = True
        while not self._closing.is_set():
            self._changed.wait(PATIENCE)
            self._changed.clear()
            self.states.put(self._state())
            self._closing.wait(PAUSE)

    def _done(self, step: Callable[[], Any]) -> bool:
        """Whether it worked. What is not subscribed yet is not tried again by the client, so it is tried again here."""
        try:
            step()
        except (dbxsdk.VenueError, ValueError) as error:  # no such symbol, an address that the venue refuses: for good
            self._tell(str(error), failed=True)
        except dbxsdk.DbxError as error:
            self._tell(str(error))
        else:
            self._tell(None)
            return True
        logger.warning("%s: %s", self.symbol, self._problem)
        return False

    def _tell(self, problem: Optional[str], failed: bool = False) -> None:
        with self._lock:
            self._problem, self._failed = problem, failed
        self.states.put(self._state())

    def _subscribe_book(self) -> None:
        book = self.client.order_book(self.symbol, depth=DEPTH)
        book.on_update(lambda _: self._touch())
        self._book = book

    def _final_reason(self) -> str:
        try:
            self.client.wait(0)
        except dbxsdk.DbxError as error:
            return str(error)
        return "the client was closed"

    # -- the client's callbacks thread -----------------------------------------------------------------------

    def _touch(self) -> None:
        if self._book is not None and not self._book.is_stale:
            with self._lock:
                self._updated = time.monotonic(), _now_ms()
        self._changed.set()

    def _on_ticker(self, update: Update[ContractTicker]) -> None:
        ticker = update.data
        with self._lock:
            self._updated = time.monotonic(), _now_ms()
            self._ticker = {
                "last": _text(ticker.last_price),
                "change": _text(ticker.price_24h_pcnt),
                "high": _text(ticker.high_price_24h),
                "low": _text(ticker.low_price_24h),
                "volume": _text(ticker.volume_24h),
            }
        self._changed.set()

    def _on_trades(self, update: Update[Tuple[Trade, ...]]) -> None:
        with self._lock:
            self._updated = time.monotonic(), _now_ms()
            for trade in update.data:
                price, size = _text(trade.price), _text(trade.size)
                side = dbxsdk.clean(trade.side, 40)
                self._trades.appendleft({"time": trade.time_ms, "side": side, "price": price, "size": size})
        self._changed.set()

    def _on_event(self, event: Any) -> None:
        with self._lock:
            if isinstance(event, (dbxsdk.Connected, dbxsdk.Disconnected)):
                if not self._failed:  # events may come behind what has ended this feed, which says more
                    self._problem = getattr(event, "reason", None)
                if isinstance(event, dbxsdk.Disconnected):
                    self._gap_open = self._updated is not None  # what was subscribed gets a Gap; nothing else does
            elif isinstance(event, dbxsdk.Gap):
                # From a relay each topic may have one of its own. What the page says of gaps, it says of trades.
                of_trades = f"publicTrade.{self.symbol}" in event.topics
                if of_trades or not self._subscribed:
                    self._gap_open = False
                if of_trades:  # in order with the data: the mark is where they are missing
                    gap = {"time": _now_ms(), "gap": round(event.seconds, 3)}
                    self._gaps.appendleft(gap)
                    self._trades.appendleft(gap)
        self._changed.set()

    # -- the page ----------------------------------------------------------------------------------------------

    def _state(self) -> str:
        """All that changes on the page, so that a browser which missed some states has missed nothing but motion."""
        seen, book = self._seen(), self._book
        whole = book.snapshot() if book is not None else None
        now = time.monotonic()
        with self._lock:
            status = self._status(*seen)
            if now - self._lined >= 1:
                self._lined = now
                self._line.append((_now_ms(), self._ticker.get("last") if status.word == "live" else None))
            document: Document = {
                "status": attrs.asdict(status),
                "started": self._started,
                "ticker": self._ticker,
                "line": list(self._line),
                "trades": list(self._trades),
                "gaps": list(self._gaps),
            }
        document["bids"] = _levels(whole.bids if whole else ())
        document["asks"] = _levels(whole.asks if whole else ())
        stats = self.client.stats()
        document["counts"] = {name: getattr(stats, name) for name in ("received", "reconnects", "dropped", "bad_frames")}
        return json.dumps(document, separators=(",", ":"))


def _levels(side: Sequence[Tuple[Decimal, Decimal]]) -> List[Tuple[Optional[str], Optional[str]]]:
    return [(_text(price), _text(size)) for price, size in side]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _text(number: Optional[Decimal]) -> Optional[str]:
    """As the venue wrote it: JavaScript's numbers would change it."""
    return None if number is None else format(number, "f")
