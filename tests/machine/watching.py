"""The watch's part of the driver, and time: nothing happens later than it was armed for, and as little as may be earlier."""

from __future__ import annotations

from typing import Optional

from dbxsdk.session.core.liveness import Look
from dbxsdk.session.core.requests import Role
from dbxsdk.session.outbox import STUCK
from tests.machine.reading import Reading
from tests.machine.setting import Setting
from tests.machine.users import Book, UserCall
from tests.machine.venue import YES

_RETRY_WRITE = 0.25
"""Seconds between attempts to write to a peer that does not read: the session's are more often."""


class Watching(Reading):
    """Does what ``watch`` does."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.heartbeats = setting.heartbeats

    def tick(self, look: Optional[Look] = None) -> None:
        """One round of the watch, if there is one. ``look``: in place of the true one."""
        threads, machine = self.threads, self.machine
        if threads is None or threads.stop:
            return
        wire, outbox = self.wire, self.outbox
        sinks = machine.topics.sinks() if machine.link.ready else []
        if look is None and wire is not None:
            look = Look(wire.silent_for(self.now), wire.seen_until(self.now), wire.last_sent, wire.last_message)
        threads.watch_at = float("inf")
        due = self.do(machine.tick, self.now, None if wire is None else look)
        for sink in sinks:
            if isinstance(sink, Book):
                at = sink.state.ask_when_due(self.now)
                due = due if at is None else min(due, at)
        if outbox is not None and wire is not None and outbox.waits:
            due = min(due, self.now + _RETRY_WRITE)
            outbox.push()
            self.pump(outbox)
            if wire.stuck_since is not None and self.now - wire.stuck_since > STUCK:
                wire.abort("the peer does not read")
        threads.watch_at = min(threads.watch_at, max(due, self.now + 0.001))
        self.promises.ticked()
        if self.heartbeats != "as it comes":
            self._meet_heartbeats()

    def _meet_heartbeats(self) -> None:
        wire = self.wire
        frames = {entry.request.frame for entry in self.machine.requests.of_role(Role.HEARTBEAT)}
        for frame in [frame for frame in (wire.inbox if wire is not None else ()) if frame in frames]:
            assert wire is not None
            wire.inbox.remove(frame)
            if self.heartbeats == "at once":
                self.venue.handle(frame, YES)
                self.read(len(wire.down))

    def pass_time(self, seconds: float) -> None:
        """Time passes, and everything that is due meanwhile happens when it is due."""
        end = self.now + seconds
        while True:
            self.reader_sees()
            self.run_calls()
            threads = self.threads
            moments = [call.deadline for call in self.calls]
            if threads is not None:
                if not threads.stop:
                    moments.append(threads.watch_at)
                if threads.phase == "begun":
                    moments.append(self.now)
                elif threads.phase == "waiting":
                    moments.append(threads.retry_at)
            moment = min(moments, default=float("inf"))
            if moment > end:
                break
            self.now = max(self.now, moment)
            if threads is not None:
                if not threads.stop and threads.watch_at <= self.now:
                    self.tick()
                if self.threads is threads and (
                    threads.phase == "begun" or threads.phase == "waiting" and threads.retry_at <= self.now
                ):
                    self.connect()
        self.now = end
        self.run_calls()

    def run_calls(self) -> None:
        """Run the users' threads that were woken, or whose time is over."""
        running = True
        while running:
            running = False
            for call in list(self.calls):
                if call.woken or self.now >= call.deadline:
                    call.woken = False
                    running = True
                    self.advance(call)

    def advance(self, call: UserCall) -> None:
        raise NotImplementedError
