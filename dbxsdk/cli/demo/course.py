"""The course of the demo: subscribe, watch, pull one connection, watch, and draw up the summary."""

from __future__ import annotations

import contextlib
import queue
import signal
import statistics
import threading
import time
from typing import Any, Callable, Iterator, List, Optional, Sequence

from dbxsdk.cli.demo.feed import Feed
from dbxsdk.cli.demo.markets import LocalMarket
from dbxsdk.cli.demo.report import Display, Happening, Losses, Summary

PULL_AFTER = 1 / 3
RECOVERY_TIMEOUT = 15.0
"""How long beyond the planned time a pulled connection may take to recover."""

COMPARE_EVERY = 1.0


class Course:
    """One run of the demo."""

    def __init__(self, markets: Sequence[LocalMarket], seconds: float, display: Display) -> None:
        self._markets = markets
        self._seconds = seconds
        self._display = display
        # From the clients' threads, and from the signal handler, to the main thread, which alone shows things. A
        # SimpleQueue, because its put() may interrupt its get() in the same thread.
        self._inbox: "queue.SimpleQueue[Optional[Happening]]" = queue.SimpleQueue()
        self._feeds: List[Feed] = []
        self._interrupted = False
        self._started = self._next_standing = self._next_compare = time.monotonic()

    def run(self) -> Summary:
        """Runs it to its end, or to Ctrl-C. Leaves no thread and no socket."""
        with _interrupts(lambda: self._inbox.put(None)), contextlib.ExitStack() as stack:
            stack.callback(self._display.close)
            for market in self._markets:
                self._feeds.append(stack.enter_context(Feed(market, self._tell)))
            self._display.started(self._seconds, [feed.start() for feed in self._feeds])
            for feed in self._feeds:
                feed.subscribe()
            self._next_standing = time.monotonic() + self._display.interval
            self._watch(self._started + self._seconds * PULL_AFTER)
            if not self._interrupted:
                self._feeds[0].pull()
            self._watch(self._started + self._seconds)
            self._watch(time.monotonic() + RECOVERY_TIMEOUT, self._all_recovered)
            for feed in self._feeds:
                feed.finish()
            self._show_rest()
            summary = self._summary()
            self._display.finished(summary)
        return summary

    def _tell(self, venue: str, event: Any) -> None:
        """From any thread."""
        self._inbox.put(Happening(self._now(), venue, event))

    def _now(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _watch(self, until: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Shows what happens until the monotonic time ``until``, until ``enough()``, or until Ctrl-C."""
        while not self._interrupted and not enough():
            now = time.monotonic()
            if now >= until:
                return
            if now >= self._next_compare:
                self._next_compare = now + COMPARE_EVERY
                for feed in self._feeds:
                    feed.compare()
            if now >= self._next_standing:
                self._next_standing = now + self._display.interval
                self._show_standing()
            try:
                happening = self._inbox.get(timeout=max(0.0, min(until, self._next_standing) - time.monotonic()))
            except queue.Empty:
                continue
            if happening is None:
                self._interrupted = True
            else:
                self._display.happened(happening)

    def _show_standing(self) -> None:
        at = self._now()
        self._display.standing([feed.standing(at) for feed in self._feeds])

    def _show_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                happening = self._inbox.get_nowait()
                if happening is not None:
                    self._display.happened(happening)
        self._show_standing()

    def _all_recovered(self) -> bool:
        return all(feed.recovered >= feed.pulled for feed in self._feeds)

    def _summary(self) -> Summary:
        feeds = self._feeds
        losses = [feed.losses() for feed in feeds]
        round_trips = [seconds for feed in feeds for seconds in feed.asking.round_trips]
        return Summary(
            at=self._now(),
            interrupted=self._interrupted,
            received=sum(feed.stats.received for feed in feeds),
            delivered=sum(feed.stats.delivered for feed in feeds),
            losses=Losses(
                trades=sum(each.trades for each in losses),
                books=sum(each.books for each in losses),
                dropped=sum(each.dropped for each in losses),
                bad_frames=sum(each.bad_frames for each in losses),
                callback_errors=sum(each.callback_errors for each in losses),
            ),
            trades_checked=sum(feed.trades.checked for feed in feeds),
            books_checked=sum(feed.books.checked for feed in feeds),
            pulled=sum(feed.pulled for feed in feeds),
            recovered=sum(feed.recovered for feed in feeds),
            gap_seconds=round(sum(feed.gap_seconds for feed in feeds), 3),
            trades_in_gap=sum(feed.trades.in_gap for feed in feeds),
            requests=sum(feed.asking.made for feed in feeds),
            answered=sum(feed.asking.answered for feed in feeds),
            cut_off=sum(feed.asking.cut_off for feed in feeds),
            failed=sum(feed.asking.failed for feed in feeds),
            round_trip_ms=round(statistics.median(round_trips) * 1000, 3) if round_trips else None,
        )


@contextlib.contextmanager
def _interrupts(interrupt: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls ``interrupt`` in place of raising somewhere in the middle; a second one raises as ever."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return

    def handle(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        interrupt()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
