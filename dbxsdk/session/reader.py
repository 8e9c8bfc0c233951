"""The reader: connects again and again, and brings each connection in line with what is wanted. One thread's work."""

from __future__ import annotations

import functools
import threading
from typing import Any, Callable, Optional, Sequence

from dbxsdk.errors import AuthError, ConnectError, DbxError
from dbxsdk.protocol import Acknowledgement, Reply
from dbxsdk.session.budget import budget
from dbxsdk.session.core.link import Verdict
from dbxsdk.session.core.machine import is_final
from dbxsdk.session.core.requests import Role
from dbxsdk.session.core.topics import Hole
from dbxsdk.session.delivery.dispatcher import Notice
from dbxsdk.session.intake import Intake
from dbxsdk.session.outbox import Outbox
from dbxsdk.session.shared import Shared
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.supervisor import Threads
from dbxsdk.transport import Address, Ending, Message


class Reader:
    """The receiver of all connections of one client, one after the other."""

    def __init__(self, shared: Shared, intake: Intake) -> None:
        self._shared = shared
        self._protocol = shared.protocol
        self._address = shared.address
        self._connector = shared.connector
        self._guard = shared.guard
        self._machine = shared.machine
        self._dispatcher = shared.dispatcher
        self._recorded = shared.recorded
        self._clock = shared.clock
        self._intake = intake
        self._prepared = False
        self._opened_before = False
        self.messages: Callable[[Sequence[Message]], None] = intake.messages
        self.share: Callable[[str, Sequence[Message]], None] = intake.share
        self.pong = intake.pong

    def run(self, threads: Threads) -> Optional[DbxError]:
        """Connect, read and reconnect until there are to be no more connections. Return why, if not because of ``stop``."""
        self._dispatcher.reader_id = threading.get_ident()
        error = self._keep_connected(threads)
        if not threads.inherited:
            self._recorded.end(str(error), None, None, None)  # where an unexpected error has left it open
        return error

    def _keep_connected(self, threads: Threads) -> Optional[DbxError]:
        while True:
            verdict = self._connect_once(threads)
            if threads.inherited or threads.stop.is_set():
                return None
            if verdict.error is not None:
                return verdict.error
            if self._connector.live:
                threads.stop.wait(verdict.delay)

    def _connect_once(self, threads: Threads) -> Verdict:
        """One connection, from its making to its end."""
        guard, machine = self._guard, self._machine
        self._prepared = False
        refused = self._reserve(threads) if self._connector.live else None
        if refused is not None:
            return guard.do(functools.partial(machine.lost, error=refused), str(refused), self._clock.monotonic())
        prepare = self._shared.prepare and self._prepare_address
        connection = self._connector.connect(self._address, self._shared.options, self, prepare)
        outbox = Outbox(connection)
        with guard.lock:
            # Under the lock: no connection is made after the one that is closed together with the client.
            if not machine.connecting(self._clock.monotonic()):
                return Verdict()
            guard.connection, guard.outbox = connection, outbox
            guard.carry_out()
        self._intake.begin()
        ending: Ending = connection.run()
        if threads.inherited:
            return Verdict()
        return self._lost(connection, outbox, ending)

    def _lost(self, connection: Any, outbox: Outbox, ending: Ending) -> Verdict:
        guard, machine = self._guard, self._machine
        self._dispatcher.put_staged()
        outbox.shut()  # before it is decided what becomes of requests: what was not written by now will not be
        connection.recorded = None
        with guard.lock:
            guard.connection = guard.outbox = None
        ready = machine.link.ready_since is not None
        error = machine.login_error or (None if ready else self._protocol.login_refusal()) or ending.error
        lost = functools.partial(
            machine.lost,
            code=ending.code,
            error=error,
            refused=is_final(error, self._is_about_the_address(error)),
            last_received=connection.last_received,
            retry_in=ending.retry_in,
        )
        verdict = guard.do(lost, ending.reason, self._clock.monotonic())
        self._recorded.end(ending.reason, ending.code, verdict.delay, connection.last_received)
        return verdict

    def _is_about_the_address(self, error: Optional[DbxError]) -> bool:
        """True if a refusal says nothing of the key, which has just been accepted: the token in the prepared address was
        too old when it came. The next attempt has another."""
        return (
            self._prepared and self._machine.login_error is None and isinstance(error, AuthError) and error.code == 401
        )

    def _prepare_address(self, address: Address, publish: Callable[[Any], None]) -> Address:
        assert self._shared.prepare is not None
        prepared = self._shared.prepare(address, publish)
        self._prepared = True
        return prepared

    def _reserve(self, threads: Threads) -> Optional[ConnectError]:
        """Wait until the venue's limit of new connections allows one more; not for long if a caller waits, too."""
        while not threads.stop.is_set():
            wait = budget.reserve(self._address.endpoint, self._protocol.connection_budget)
            if not wait:
                break
            if not threads.life.was_ready and wait > self._shared.options.connect_timeout:
                reason = f"{self._address.endpoint}: the venue's limit of new connections is used up for {wait:.0f} s"
                return ConnectError(reason, retry_after=wait)
            threads.stop.wait(wait)
        return None

    # -- the receiver --------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection is open: log in."""
        self._recorded.begin(self._guard.connection)
        self._protocol.reset()
        if self._connector.live:
            self._intake.login()
        else:
            report = self._opened_before or not self._connector.silent_opening
            self._opened_before = True
            self._guard.do(self._machine.opened, (), self._clock.monotonic(), report)

    def report_connected(self) -> None:
        """Emit the ``Connected`` of the first connection."""
        self._guard.do(self._machine.report_connected)

    def grant(self) -> None:
        """Answer all that was asked with a yes: subscriptions and their ends, there is nothing else."""
        while True:
            with self._guard.lock:
                requests = self._machine.requests
                asked = [*requests.of_role(Role.SUBSCRIBE), *requests.of_role(Role.UNSUBSCRIBE)]
            if not asked:
                return
            for entry in asked:
                self._intake.answer(Reply(entry.request.key, dict(self._protocol.granted)))

    def asked(self) -> Sequence[str]:
        """Answer nothing of what was asked: return the topics that wait for ``settled``."""
        return self._guard.do(self._machine.take_asked, self._clock.monotonic())

    def wanted(self) -> Sequence[str]:
        """All topics that users want."""
        with self._guard.lock:
            return self._machine.topics.names()

    def settled(self, acknowledgement: Acknowledgement, hole: Optional[Hole] = None) -> None:
        """Take in what was decided about topics that were asked for."""
        self._dispatcher.put_staged()  # what came before it
        self._guard.do(self._machine.settled, acknowledgement, hole, self._clock.monotonic())

    def interrupted(self, topics: Sequence[str], hole: Hole, reason: str) -> None:
        """Updates of these topics are missing: they wait for ``settled`` again."""
        self._guard.do(self._machine.interrupted, topics, hole, reason)

    def takers(self, topic: str) -> Sequence[Subscription]:
        """Return the subscriptions that get the updates of ``topic`` now; none while it is not live."""
        found = self._machine.topics.get(topic)
        return found.subscriptions if found is not None and found.established else ()

    def notice(self, call: Callable[[], None]) -> None:
        """Have ``call`` called on the callbacks thread, behind all that was received before."""
        self._dispatcher.put_staged()
        self._dispatcher.put(Notice(call))
        if self._dispatcher.inline:
            self._dispatcher.deliver_waiting()

    def end_iterators(self) -> None:
        """Nothing more will come: let the iterators end."""
        for queue in self._dispatcher.all_queues()[1:]:
            queue.drain()

    def tick(self) -> None:
        """Look for silent topics by the connector's clock."""
        self._guard.do(self._machine.look_for_silence, self._clock.monotonic())

    @property
    def closing(self) -> bool:
        """True once updates that wait are thrown away."""
        return self._machine.link.state.is_over

    @property
    def idle(self) -> bool:
        """True if all that was received has been through its callbacks."""
        return self._dispatcher.idle
