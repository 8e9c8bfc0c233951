"""The watch: sleeps until something is due. Every deadline of a client is kept by this one thread."""

from __future__ import annotations

from typing import Any, Optional

from dbxsdk.runtime.clock import monotonic
from dbxsdk.session.core.liveness import Look
from dbxsdk.session.delivery.book_feed import BookFeed
from dbxsdk.session.outbox import STUCK
from dbxsdk.session.shared import Shared
from dbxsdk.session.supervisor import Threads

_RETRY_WRITE = 0.02
"""Seconds between attempts to write to a peer that does not read."""


class Watch:
    """Calls the machine's ``tick`` when it is due, and writes what could not be written at once."""

    def __init__(self, shared: Shared) -> None:
        self._guard = shared.guard
        self._machine = shared.machine
        self._log = shared.log

    def run(self, threads: Threads) -> None:
        """Watch until the life of ``threads`` ends."""
        while not threads.stop.is_set():
            try:
                wait = max(self._look_after(monotonic()) - monotonic(), 0.001)
            except Exception:  # a defect of ours must not end the watch
                self._log.exception("unexpected error in the heartbeat thread")
                wait = 1.0
            threads.wake_watch.wait(wait)
        self._guard.settle()  # what the end has decided

    def _look_after(self, now: float) -> float:
        """Do what is due. Return when something may be due again."""
        guard, machine = self._guard, self._machine
        with guard.lock:
            connection, outbox = guard.connection, guard.outbox
            ready = machine.link.ready
            sinks = machine.topics.sinks() if ready else []
        due = guard.do(machine.tick, now, None if connection is None else _look(connection, now))
        for sink in sinks:
            if isinstance(sink, BookFeed):
                at = sink.state.ask_when_due(now)
                due = due if at is None else min(due, at)
        if outbox is not None and outbox.waits:
            due = min(due, now + _RETRY_WRITE)
            outbox.push()
            guard.pump(outbox)
            stuck_since: Optional[float] = connection.stuck_since
            if stuck_since is not None and now - stuck_since > STUCK:
                connection.abort("a frame could not be written: the peer does not read")
        return due


def _look(connection: Any, now: float) -> Look:
    return Look(
        connection.silent_for(now), connection.seen_until(now), connection.last_sent, connection.received_message_at
    )
