"""The guard's part of the driver: one machine call after another, and its effects, in the order in which they were decided."""

from __future__ import annotations

import collections
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple, TypeVar

from dbxsdk.protocol import Protocol
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import Abort, Arm, Changed, Emit, Flow, Log, Send
from dbxsdk.session.core.link import Life
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.guard import CARRY_OUT
from dbxsdk.session.outbox import Outbox
from tests.machine.promises import Promises
from tests.machine.setting import Setting
from tests.machine.users import Subscriber, UserCall
from tests.machine.venue import Venue, venue_for
from tests.machine.wire import Wire

T = TypeVar("T")

START = 1000.0
_WALL = 1_700_000_000_000_000_000


class Threads:
    """The threads of one life: how far its reader is, and when its watch looks again."""

    def __init__(self) -> None:
        self.life = Life()
        self.stop = False
        self.phase = "begun"
        """The reader's: begun, connecting, open, or waiting for the next try."""
        self.retry_at = 0.0
        self.watch_at = float("-inf")


class Guarding:
    """Has the machine decide, and carries out what it has decided."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.now = START
        self.resumed_at = START
        """When the process last went on after a stop."""
        self.options = setting.options()
        self.written: Set[str] = set()
        """Each frame of which a connection took a part, or all."""
        self.given_up: Set[str] = set()
        """The frames of requests that must not be written any more."""
        self.venue: Venue = venue_for(setting, lambda: self.now)
        self.protocol: Protocol = self.venue.protocol()
        backoff = Backoff(self.options.backoff_initial, self.options.backoff_max, self._between)
        self.machine = Machine(self.protocol, self.options, "venue:1", "client", backoff)
        self.threads: Optional[Threads] = None
        self.wire: Optional[Wire] = None
        self.outbox: Optional[Outbox] = None
        self.calls: List[UserCall] = []
        self.subscribers: List[Subscriber] = []
        self.steps = 0
        """Calls of the machine."""
        self.effects: Dict[str, int] = {}
        """How many of each kind."""
        self.holds_back = False
        """The next frames are not written before somebody else writes."""
        self._aborting: Deque[Tuple[Wire, str]] = collections.deque()
        self._decided: Deque[Any] = collections.deque()
        """As the guard has it. The model's requests have no callbacks."""
        self.promises = Promises(self)  # type: ignore[arg-type]  # the whole driver

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self.setting.jitter

    @property
    def wall_ns(self) -> int:
        return self.wall(self.now)

    @staticmethod
    def wall(moment: float) -> int:
        return _WALL + round((moment - START) * 1e9)

    # -- the guard -----------------------------------------------------------------------------------

    def do(self, decide: Callable[..., T], *arguments: Any, **named: Any) -> T:
        self.steps += 1
        sends = False
        try:
            return decide(*arguments, **named)
        finally:
            sends = self.carry_out()
            self._settle(sends)

    def carry_out(self) -> bool:
        """What the guard does with its lock held."""
        effects, sends = self.machine.effects, False
        for effect in effects:
            kind = type(effect)
            self.effects[kind.__name__] = self.effects.get(kind.__name__, 0) + 1
            self.promises.decided(effect)
            _CARRY_OUT[kind](self, effect)
            sends = sends or kind is Send
        effects.clear()
        self.promises.stepped()
        return sends

    def _emit(self, effect: Emit) -> None:
        self.promises.emitted(effect.event)

    def _abort(self, effect: Abort) -> None:
        if self.wire is not None:
            self._aborting.append((self.wire, effect.reason))

    def _arm(self, effect: Arm) -> None:
        # No earlier than it has to: a watch that is woken by each of them would hide one that is missing.
        if self.threads is not None:
            self.threads.watch_at = min(self.threads.watch_at, effect.at)

    def _notify(self, effect: Changed) -> None:
        for call in self.calls:
            call.woken = True

    def _nothing(self, effect: Any) -> None:
        """A reader that stands still before a full queue, and the log, are not in the model."""

    def _settle(self, sends: bool) -> None:
        """What the guard does after its lock."""
        outbox = self.outbox if sends else None
        if outbox is not None:
            if self.holds_back:
                self.holds_back = False
                self.wake_watch()  # its thread comes back to it at some time, or the watch does
            else:
                self.pump(outbox)
            if outbox.waits:
                self.wake_watch()
        self._decided.clear()
        while self._aborting:
            wire, reason = self._aborting.popleft()
            wire.abort(reason)

    def pump(self, outbox: Outbox) -> None:
        for entry, reason in outbox.pump():
            self.do(self.machine.not_written, entry, reason)

    def wake_watch(self) -> None:
        if self.threads is not None:
            self.threads.watch_at = min(self.threads.watch_at, self.now)


# Requests, futures, sinks and subscriptions are the guard's own matter here, too.
_CARRY_OUT: Dict[type, Callable[[Any, Any], None]] = {
    **CARRY_OUT,
    Emit: Guarding._emit,
    Abort: Guarding._abort,
    Arm: Guarding._arm,
    Flow: Guarding._nothing,
    Changed: Guarding._notify,
    Log: Guarding._nothing,
}
