"""The course of the demo: subscribe, request, pull one connection of each venue, and draw up the summary."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections import Counter
from typing import Any, Callable, List, Optional, Sequence

from dbxsdk.cli.demo.lines import Document, Lines
from dbxsdk.cli.demo.link import Arrived, Link, median_ms
from dbxsdk.cli.demo.setup import LocalVenue

PULLS_FROM, PULLS_TO = 0.2, 0.7
"""The first venue's pull and the last one's, as shares of the planned time."""

RECOVERY_TIMEOUT = 30.0
"""How long beyond the planned time a pulled connection may take to recover."""

PATIENCE = 10.0
"""Seconds within which a callback must have got what the venue did: far more than a loaded machine takes."""

TICK = 0.05


class Course:
    """One run of the demo. The main thread does all but requests and callbacks."""

    def __init__(self, venues: Sequence[LocalVenue], seconds: float, display: Lines) -> None:
        self._venues, self._seconds, self._display = venues, seconds, display
        self._links: List[Link] = []
        # A SimpleQueue, because its put() may interrupt its get() in the same thread: Ctrl-C puts None.
        self._inbox: "queue.SimpleQueue[Optional[Arrived]]" = queue.SimpleQueue()
        self._interrupted = False
        self._started = self._next_standing = time.monotonic()

    def run(self) -> Document:
        """Run it to its end, or to Ctrl-C, and return the summary. Leaves no thread and no socket."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._display.close)
            self._catch_interrupt(stack)
            for venue, make_links in self._venues:
                stack.enter_context(venue)
                for link in make_links():
                    stack.callback(link.close)
                    self._links.append(link)
            self._display.started(self._seconds, [link.start() for link in self._links])
            for link in self._links:
                link.subscribe(self._inbox.put)
            # Only now: what the requests bring about is to be reported to all subscriptions.
            for link in self._links:
                link.start_requests()
            self._play()
            for link in self._links:
                link.stop_requests()
            summary = self._settle()
            self._display.finished(self._now(), summary)
        return summary

    def _catch_interrupt(self, stack: contextlib.ExitStack) -> None:
        """Make Ctrl-C end the course in place of raising somewhere in its middle; a second one raises as ever."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and before not in (signal.SIG_IGN, None):

            def handle(number: int, frame: Any) -> None:
                signal.signal(signal.SIGINT, before)
                self._inbox.put(None)

            signal.signal(signal.SIGINT, handle)
            stack.callback(signal.signal, signal.SIGINT, before)

    def _play(self) -> None:
        cuts = [(link, link.cut) for link in self._links if link.cut is not None]
        for number, (link, cut) in enumerate(cuts):
            share = PULLS_FROM + (PULLS_TO - PULLS_FROM) * number / max(1, len(cuts) - 1)
            self._watch(self._started + self._seconds * share)
            if not self._interrupted:
                link.pull(cut)
        self._watch(self._started + self._seconds)
        self._watch(time.monotonic() + RECOVERY_TIMEOUT, self._all_recovered)

    def _now(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _all_recovered(self) -> bool:
        return all(link.counts["recovered"] >= link.counts["pulled"] for link in self._links)

    def _watch(self, until: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Show what happens until the monotonic time ``until``, until ``enough()``, or until Ctrl-C."""
        while not self._interrupted and not enough():
            now = time.monotonic()
            if now >= until:
                return
            if now >= self._next_standing:
                self._next_standing = now + self._display.interval
                self._show_standing()
            self._take(min(until, self._next_standing) - time.monotonic())

    def _take(self, seconds: float) -> None:
        try:
            arrived = self._inbox.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return
        if arrived is None:
            self._interrupted = True
            return
        at, link, source, item = arrived
        for event in link.handle(at, source, item):
            self._display.happened(round(at - self._started, 3), link.name, event)

    def _show_standing(self) -> None:
        for source in (source for link in self._links for source in link.sources):
            source.note()
        self._display.standing(self._now(), [link.standing() for link in self._links])

    def _settle(self) -> Document:
        """Let what is on its way arrive, if it does, and draw up the summary."""
        for link in self._links:
            if link.orders is not None:
                link.orders.ask()
        expected = [(source, source.note()) for link in self._links for source in link.sources]
        until = time.monotonic() + PATIENCE
        is_over = False
        while not is_over:
            is_over = time.monotonic() >= until
            self._take(TICK)
            while not self._inbox.empty():
                self._take(0)
            compared = [(source.kind, *source.compare(length)) for source, length in expected]
            is_over = is_over or not any(lost for _, _, lost, _ in compared)
        self._show_standing()
        losses, checked, in_gap, total = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for kind, right, lost, missed in compared:
            checked[kind] += right
            losses[kind] += lost
            in_gap[kind] += missed
        for link in self._links:
            losses.update(link.losses())
            total.update(link.totals())
        lost = sum(losses.values())
        # Ctrl-C may come in the middle of a recovery.
        is_recovered = self._interrupted or self._all_recovered()
        return {
            "ok": is_recovered and not (lost or total["failed"] or total["unknown"]),
            "interrupted": self._interrupted,
            **total,
            "lost": lost,
            "losses": dict(losses),
            "checked": dict(checked),
            "in_gap": dict(in_gap),
            "offline_seconds": round(sum(link.offline_seconds for link in self._links), 2),
            "round_trip_ms": median_ms([seconds for link in self._links for seconds in link.round_trips]),
        }
