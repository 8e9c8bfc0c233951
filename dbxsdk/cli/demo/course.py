"""The course of the demo: subscribe, ask, pull one connection of each venue, and draw up the summary."""

from __future__ import annotations

import contextlib
import queue
import signal
import statistics
import threading
import time
from typing import Any, Callable, Iterator, Optional, Sequence

from dbxsdk.cli.demo.feed import Feed
from dbxsdk.cli.demo.orders import PrivateLink, TradeLink
from dbxsdk.cli.demo.report import Display, Happening, Losses, Summary
from dbxsdk.cli.demo.setup import LocalVenue
from dbxsdk.cli.demo.tasks import TaskLink

PULLS_FROM, PULLS_TO = 0.2, 0.7
"""The first venue's pull and the last one's, as shares of the planned time."""

RECOVERY_TIMEOUT = 30.0
"""How long beyond the planned time a pulled connection may take to recover."""

COMPARE_EVERY = 1.0


class Course:
    """One run of the demo."""

    def __init__(self, venues: Sequence[LocalVenue], seconds: float, display: Display) -> None:
        self._venues = venues
        self._links = [link for local in venues for link in local.links]
        self._seconds = seconds
        self._display = display
        # From the clients' threads, and from the signal handler, to the main thread, which alone shows things. A
        # SimpleQueue, because its put() may interrupt its get() in the same thread.
        self._inbox: "queue.SimpleQueue[Optional[Happening]]" = queue.SimpleQueue()
        self._interrupted = False
        self._started = self._next_standing = self._next_compare = time.monotonic()

    def run(self) -> Summary:
        """Runs it to its end, or to Ctrl-C. Leaves no thread and no socket."""
        with _interrupts(lambda: self._inbox.put(None)), contextlib.ExitStack() as stack:
            stack.callback(self._display.close)
            for local in self._venues:
                stack.enter_context(local.venue)
                for link in local.links:
                    link.open(self._tell)
                    stack.callback(link.close)
            self._display.started(self._seconds, [link.start() for link in self._links])
            # First all subscriptions, then the requests: what these bring about is to be told to those.
            for link in self._links:
                link.subscribe()
            for link in self._links:
                link.ask()
            self._next_standing = time.monotonic() + self._display.interval
            for number, local in enumerate(self._venues):
                share = PULLS_FROM + (PULLS_TO - PULLS_FROM) * number / max(1, len(self._venues) - 1)
                self._watch(self._started + self._seconds * share)
                if not self._interrupted:
                    local.pull()
            self._watch(self._started + self._seconds)
            self._watch(time.monotonic() + RECOVERY_TIMEOUT, self._all_recovered)
            for link in self._links:
                link.stop_asking()
            for link in self._links:
                link.finish()
            self._show_rest()
            summary = self._summary()
            self._display.finished(summary)
        return summary

    def _tell(self, venue: str, connection: str, event: Any) -> None:
        """From any thread."""
        self._inbox.put(Happening(self._now(), venue, connection, event))

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
                for link in self._links:
                    link.compare()
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
        self._display.standing([link.standing(at) for link in self._links])

    def _show_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                happening = self._inbox.get_nowait()
                if happening is not None:
                    self._display.happened(happening)
        self._show_standing()

    def _all_recovered(self) -> bool:
        return all(link.recovered >= link.pulled for link in self._links)

    def _summary(self) -> Summary:
        links = self._links
        feeds = [link for link in links if isinstance(link, Feed)]
        fills = [link.fills for link in links if isinstance(link, PrivateLink)]
        fills += [link.results for link in links if isinstance(link, TaskLink)]
        outcomes = [link.outcomes for link in links if isinstance(link, (TradeLink, TaskLink))]
        round_trips = [seconds for link in links for seconds in link.asking.round_trips]
        return Summary(
            at=self._now(),
            interrupted=self._interrupted,
            received=sum(link.stats.received for link in links),
            delivered=sum(link.stats.delivered for link in links),
            losses=sum((link.losses() for link in links), Losses()),
            trades_checked=sum(feed.trades.checked for feed in feeds),
            books_checked=sum(feed.books.checked for feed in feeds),
            fills_checked=sum(each.checked for each in fills),
            pulled=sum(link.pulled for link in links),
            recovered=sum(link.recovered for link in links),
            gap_seconds=round(sum(link.gap_seconds for link in links), 3),
            trades_in_gap=sum(feed.trades.in_gap for feed in feeds),
            fills_in_gap=sum(each.in_gap for each in fills),
            requests=sum(link.asking.made for link in links),
            answered=sum(link.asking.answered for link in links),
            cut_off=sum(link.asking.cut_off for link in links),
            failed=sum(link.asking.failed for link in links),
            orders=sum(each.placed for each in outcomes),
            accepted=sum(each.accepted for each in outcomes),
            asked=sum(each.asked for each in outcomes),
            carried_out=sum(each.found for each in outcomes),
            unknown=sum(each.unknown for each in outcomes),
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
