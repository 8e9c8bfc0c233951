"""The guard: the one lock round the machine, and the one place where its effects are carried out, in one order.

Under the lock, as they were decided: futures get their outcome, sinks become live or stale, events go into their queues,
frames into the outbox, threads are woken. None of this waits, and none of it runs users' code. After the lock: frames are
written, connections aborted, futures' callbacks run, events delivered inline, lines logged.

Lock order: the guard's, then one of a future, a queue, a book or an outbox; never back. No lock is held over users' code.
"""

from __future__ import annotations

import collections
import threading
import weakref
from typing import Any, Callable, Deque, Dict, Optional, Tuple, TypeVar

from dbxsdk.errors import DbxError, OutcomeUnknown, fresh
from dbxsdk.runtime.log import ClientLog
from dbxsdk.runtime.waiting import Bells
from dbxsdk.session.core.effects import Abort, Arm, Changed, Effect, Emit, End, Fail, Flow, Live, Log, Send, Stale
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.core.requests import Entry, name_orders
from dbxsdk.session.delivery.dispatcher import Dispatcher
from dbxsdk.session.futures import RequestFuture
from dbxsdk.session.outbox import Outbox

T = TypeVar("T")


class Guard:
    """Every thread comes to the machine through ``do``."""

    def __init__(
        self, machine: Machine, dispatcher: Dispatcher, log: ClientLog, entries: "weakref.WeakSet[Entry]"
    ) -> None:
        """``entries`` has all users' requests without an outcome."""
        self._entries = entries
        self.machine = machine
        self._dispatcher = dispatcher
        self._log = log
        # Taken by ``with`` on the lock itself, which a signal handler that raises cannot leave locked.
        self.lock = threading.Lock()
        self.changed = Bells()
        """Rung when the link or an acknowledgement has changed."""
        self.connection: Any = None
        self.outbox: Optional[Outbox] = None
        self.wake_watch: Callable[[], None] = _nothing
        # What has to be done after the lock. Kept here until it is done: where a signal handler's exception takes one thread
        # away from it, the watch goes on.
        self._decided: Deque[RequestFuture] = collections.deque()
        self._aborting: Deque[Tuple[Any, str]] = collections.deque()
        self._logging: Deque[Log] = collections.deque()

    def do(self, decide: Callable[..., T], *arguments: Any) -> T:
        """Have the machine decide, and carry out what it has decided. Raises what ``decide`` raises."""
        whole = sends = False
        try:
            with self.lock:
                try:
                    result = decide(*arguments)
                    sends = self.carry_out()
                    whole = True
                    return result
                except (DbxError, ValueError, TypeError):
                    whole = True  # the machine's own no, before it has changed anything
                    raise
                finally:
                    if not whole:
                        self._mend()
        finally:
            self.settle(sends)

    def do_quietly(self, decide: Callable[..., T]) -> T:
        """``do``, but futures' callbacks are left to the watch: one that blocks must not hold up the caller."""
        try:
            with self.lock:
                try:
                    return decide()
                finally:
                    self.carry_out()
        finally:
            self._abort()
            self.wake_watch()

    def _mend(self) -> None:
        """A decision was left half-way, by a signal handler that raised or by a defect of ours: nothing that the tables say can
        be relied on. As after a dropped connection, all that is wanted is asked for again; what was written may have been
        carried out."""
        if self.outbox is not None:
            self.outbox.shut()
        undecided = [entry for entry in list(self._entries) if not entry.future.done()]
        self.machine.mend(sorted(undecided, key=lambda entry: entry.number))
        self.carry_out()

    # -- under the lock ------------------------------------------------------------------------------

    def carry_out(self) -> bool:
        """Carry out the machine's effects, or note them for ``settle``. The caller holds the lock, and settles after it.
        Returns True if there is something to be written."""
        effects = self.machine.effects
        if not effects:
            return False
        assert self.lock.locked()
        sends = False
        for effect in effects:
            kind = type(effect)
            CARRY_OUT[kind](self, effect)
            sends = sends or kind is Send
        effects.clear()
        return sends

    def _send(self, effect: Send) -> None:
        if self.outbox is not None:
            self.outbox.put(effect.entry)

    def _fail(self, effect: Fail) -> None:
        entry = effect.entry
        if entry.outbox is not None:
            entry.outbox.settle()
        error = effect.if_written if entry.written else effect.if_unwritten
        if isinstance(error, OutcomeUnknown):
            name_orders(error, entry.request)
        if entry.future.decide(error if error.__traceback__ is None else fresh(error)):
            self._decided.append(entry.future)

    def _emit(self, effect: Emit) -> None:
        self._dispatcher.put(effect.event)

    def _live(self, effect: Live) -> None:
        effect.sink.live(effect.epoch)

    def _stale(self, effect: Stale) -> None:
        effect.sink.stale(effect.epoch, effect.reason, effect.renewed)

    def _end(self, effect: End) -> None:
        subscription = effect.subscription
        if subscription.sink is not None:
            subscription.sink.end(effect.error, effect.reason)
        if subscription.filler is not None:
            subscription.filler.end()
        if subscription.on_end is not None:
            subscription.on_end(effect.error, effect.reason)
        if subscription.queue is not None:  # whoever iterates over it must not wait for ever
            subscription.queue.discard()
            subscription.queue.drain()

    def _note_abort(self, effect: Abort) -> None:
        if self.connection is not None:
            self._aborting.append((self.connection, effect.reason))

    def _arm(self, effect: Arm) -> None:
        self.wake_watch()

    def _flow(self, effect: Flow) -> None:
        self._dispatcher.poke()

    def _notify(self, effect: Changed) -> None:
        self.changed.ring_all()

    def _note_line(self, effect: Log) -> None:
        self._logging.append(effect)

    # -- after the lock ------------------------------------------------------------------------------

    def settle(self, sends: bool = False) -> None:
        """Do what was noted under the lock, in the order that the module's first lines give. ``sends``: something was put
        into the outbox."""
        outbox = self.outbox if sends else None
        if outbox is not None:
            self.pump(outbox)
            if outbox.waits:
                self.wake_watch()  # which writes it as soon as there is room
        if self._aborting:
            self._abort()
        while self._decided:
            try:
                future = self._decided.popleft()
            except IndexError:
                break
            future.run_callbacks()
        if self._dispatcher.inline and threading.get_ident() == self._dispatcher.reader_id:
            self._dispatcher.deliver_waiting()
        while self._logging:
            try:
                line = self._logging.popleft()
            except IndexError:
                break
            self._log.log(line.level, line.message, *line.arguments)

    def pump(self, outbox: Outbox) -> None:
        """Write what waits in the outbox, as far as the way is free."""
        for entry, reason in outbox.pump():
            self.do(self.machine.not_written, entry, reason)

    @property
    def has_callbacks(self) -> bool:
        """True if there are decided futures whose callbacks have not begun to run."""
        return bool(self._decided)

    def _abort(self) -> None:
        while self._aborting:
            try:
                connection, reason = self._aborting.popleft()
            except IndexError:
                break
            connection.abort(reason)


def _nothing() -> None:
    """Before there is a watch."""


CARRY_OUT: Dict[type, Callable[[Any, Any], None]] = {
    Send: Guard._send,
    Fail: Guard._fail,
    Emit: Guard._emit,
    Live: Guard._live,
    Stale: Guard._stale,
    End: Guard._end,
    Abort: Guard._note_abort,
    Arm: Guard._arm,
    Flow: Guard._flow,
    Changed: Guard._notify,
    Log: Guard._note_line,
}
"""How each effect is carried out, with the lock held."""

assert set(CARRY_OUT) == set(Effect.__args__)  # type: ignore[attr-defined]
