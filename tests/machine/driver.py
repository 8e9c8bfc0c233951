"""The driver: a client without threads, beside a model venue; and what may happen to it as a whole: its end, the death of a
thread, a fork, a signal handler that raises."""

from __future__ import annotations

import sys
from typing import Any, Callable, List, Optional

from dbxsdk.errors import ConnectionLost, DbxError
from dbxsdk.session.core.effects import Emit
from dbxsdk.session.state import State
from tests.machine.calling import Calling
from tests.machine.guarding import T
from tests.machine.setting import Setting
from tests.machine.users import Asked, Interrupted, Subscriber, UserCall

NEVER = 10_000
"""Lines of the machine: more than one of its steps has."""


class Forked(BaseException):
    """The thread that was at work does not exist in the child."""


class _Cut(BaseException):
    """A step of the machine ends here, half done."""


class Driver(Calling):
    """One client's history."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.forks_after: Optional[int] = None
        """The next step of the machine is cut off by a fork, after so many of its lines; its effects are not carried out."""
        self.interrupts_after: Optional[int] = None
        """The same by a signal handler that raises, on a user's thread."""
        self._at_users = 0
        self._orphans: List[UserCall] = []

    name = "driver"

    @property
    def state(self) -> State:
        """What subscriptions say of it, as they do of its name."""
        return self.machine.link.state

    def do(self, decide: Callable[..., T], *arguments: Any, **named: Any) -> T:
        if self.forks_after is not None:
            lines, self.forks_after = self.forks_after, None
            self._fork_in_step(lambda: decide(*arguments, **named), lines)
        if self.interrupts_after is not None and self._at_users:
            lines, self.interrupts_after = self.interrupts_after, None
            return super().do(lambda: self._interrupted(lambda: decide(*arguments, **named), lines))
        return super().do(decide, *arguments, **named)

    # -- users' threads ------------------------------------------------------------------------------

    def advance(self, call: UserCall, interrupt: bool = False) -> None:
        self._at_users += 1
        try:
            super().advance(call, interrupt)
        finally:
            self._at_users -= 1

    def submit(self, method: str) -> Asked:
        self._at_users += 1
        try:
            return super().submit(method)
        finally:
            self._at_users -= 1

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._at_users += 1
        try:
            super().unsubscribe(subscriber)
        finally:
            self._at_users -= 1

    def reader_sees(self) -> None:
        at_users, self._at_users = self._at_users, 0  # the reader's own thread, whoever waits for it
        try:
            super().reader_sees()
        finally:
            self._at_users = at_users

    # -- the end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """The user closes the client: what waits for nothing; the reader sees it at some time later."""
        threads = self.threads

        def close() -> None:
            self.machine.close()
            if threads is not None:
                threads.stop = True

        self.do(close)
        if self.wire is not None:
            self.wire.closing = True
            self.wire.reason = "closed"
        self.promises.closed()

    def die(self, which: int) -> None:
        """One of the threads dies of an unexpected error: the reader, or another."""
        threads = self.threads
        if threads is None:
            return
        error = DbxError("unexpected error in a thread")
        self.do(self.machine.failed, error)
        threads.stop = threads.life.stopped = True
        if which == 0:
            if self.wire is not None:
                self.wire.lost_at = self.now
                self.venue.disconnected()
            self.end_life(threads, error)
            self.wire = self.outbox = None

    # -- steps that are left half-way ----------------------------------------------------------------

    def _interrupted(self, step: Callable[[], T], lines: int) -> T:
        try:
            return _cut_short(step, lines)
        except _Cut:
            if self.outbox is not None:
                self.outbox.shut()
            undecided = self.promises.undecided()
            for asked in undecided:
                asked.mended = True
            self.machine.mend([asked.entry for asked in undecided])
            raise Interrupted from None

    def _fork_in_step(self, step: Callable[[], Any], lines: int) -> None:
        self.steps += 1
        try:
            _cut_short(step, lines)
        except (_Cut, DbxError):
            pass  # the parent's
        for effect in self.machine.effects:
            if isinstance(effect, Emit):  # told in the parent, whose thread goes on
                self.promises.emitted(effect.event)
        self.fork()
        raise Forked

    def fork(self) -> None:
        """From now on this is the child. The parent's connection and its threads are the parent's."""
        if self.wire is not None:
            self.wire.lost_at = self.now
            if self.venue.wire is self.wire:
                self.venue.disconnected()
        for call in self.calls:
            call.orphaned = True
        self._orphans += self.calls  # their generators must not be closed, as long as there is the driver
        self.calls.clear()
        self.threads = self.wire = self.outbox = None
        self.holds_back = self.closes_between = False
        self.interrupts_after = None
        self.steps += 1
        self.machine.after_fork_in_child()
        self.promises.forked()
        for subscriber in self.subscribers:
            if subscriber.book is not None:
                subscriber.book.state._after_fork()
        self.carry_out()
        for asked in self.promises.undecided():
            asked.tell("fork", ConnectionLost("the process was forked before the answer came"))


def _cut_short(step: Callable[[], T], lines: int) -> T:
    """Run it as far as to so many lines of the machine."""
    if lines >= NEVER:
        return step()
    left, before = [lines], sys.gettrace()

    def trace(frame: Any, what: str, _: Any) -> Any:
        if what == "line" and "/session/core/" in frame.f_code.co_filename.replace("\\", "/"):
            left[0] -= 1
            if left[0] < 0:
                raise _Cut
        return trace

    sys.settrace(trace)
    try:
        return step()
    finally:
        sys.settrace(before)
