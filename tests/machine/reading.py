"""The reader's part of the driver: connections one after another, and what comes in."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

from dbxsdk.errors import AuthError, ConnectError, DbxError, ProtocolError
from dbxsdk.events import LateReply
from dbxsdk.protocol import Push, Reply, Request
from dbxsdk.session.core.link import Verdict
from dbxsdk.session.core.machine import is_final
from dbxsdk.session.core.requests import Entry, Role, link_ids, outcome
from dbxsdk.session.core.topics import Hole
from dbxsdk.session.outbox import Outbox
from dbxsdk.session.subscription import Subscription
from tests.machine.guarding import Guarding, Threads
from tests.machine.setting import Setting
from tests.machine.wire import Message, Wire


class Reading(Guarding):
    """Does what ``reader`` and ``intake`` do."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.refuses_from: Optional[int] = None
        """From which update on the next read finds the queue full."""
        self.closes_between = False
        """The user closes the client while the reader is between two steps of the machine."""
        self.bad_frames = 0
        self.late_replies: List[Any] = []
        self._refused = False
        self._taken = 0

    # -- connections ---------------------------------------------------------------------------------

    def connect(self, out_of_budget: bool = False) -> None:
        """The reader begins its next attempt."""
        threads = self.threads
        assert threads is not None and threads.phase in ("begun", "waiting")
        if threads.phase == "waiting" and threads.stop:
            pass  # it sees that there must be no connection
        elif out_of_budget:
            reason = "the venue's limit of new connections is used up for 20 s"
            error = ConnectError(reason, retry_after=20.0)
            self._decide(self.do(self.machine.lost, reason, self.now, error=error))
            return
        wire = Wire(lambda: self.now, self.written, self.given_up)
        if not self.machine.connecting(self.now):
            self.steps += 1
            self._decide(Verdict())
            return
        self.wire, self.outbox = wire, Outbox(wire)
        self.steps += 1
        self.carry_out()
        threads.phase = "connecting"

    def opened(self) -> None:
        """The handshake is done."""
        threads, wire = self.threads, self.wire
        assert threads is not None and wire is not None and threads.phase == "connecting"
        threads.phase = "open"
        wire.opened = True
        wire.last_byte = wire.last_sent = self.now
        self.venue.connected(wire)
        self.protocol.reset()
        requests = self.protocol.login(self.wall_ns // 1_000_000)
        self.between()
        self.do(self.machine.opened, requests, self.now)

    def ends(
        self, reason: str, error: Optional[DbxError] = None, code: Optional[int] = None
    ) -> None:
        """The reader finds that its connection has ended, or could not be made."""
        wire, outbox, machine = self.wire, self.outbox, self.machine
        assert wire is not None and outbox is not None
        outbox.shut()
        wire.stopped = True
        wire.lost_at = self.now
        if self.venue.wire is wire:
            self.venue.disconnected()
        if not wire.opened and error is None:
            error = ConnectError(f"venue:1: {reason}")
        self.wire = self.outbox = None
        ready = machine.link.ready_since is not None
        error = machine.login_error or (None if ready else self.protocol.login_refusal()) or error
        verdict = self.do(
            machine.lost,
            reason,
            self.now,
            code=code,
            error=error,
            refused=is_final(error, False),
            last_received=wire.last_byte,
        )
        self._decide(verdict)

    def _decide(self, verdict: Verdict) -> None:
        threads = self.threads
        assert threads is not None
        if threads.stop:
            self.end_life(threads, None)
        elif verdict.error is not None:
            self.end_life(threads, verdict.error)
        else:
            assert verdict.delay is not None
            threads.phase, threads.retry_at = "waiting", self.now + verdict.delay

    def end_life(self, threads: Threads, error: Optional[DbxError]) -> None:
        """The last that the reader does."""
        threads.stop = threads.life.stopped = True

        def end() -> None:
            self.machine.ended(error)
            self.threads = None

        self.do(end)

    def reader_sees(self) -> None:
        """The reader finds what has become of its connection, or of its life."""
        threads, wire = self.threads, self.wire
        if threads is None:
            return
        if wire is not None and (wire.stopped or wire.closing):
            self.ends(wire.reason)
        elif threads.phase in ("begun", "waiting") and threads.stop:
            self.connect()

    def between(self) -> None:
        """The reader has no lock now: another thread may come in between."""
        if self.closes_between:
            self.closes_between = False
            self.close()

    def close(self) -> None:
        raise NotImplementedError

    # -- what comes in -------------------------------------------------------------------------------

    def read(self, count: int) -> bool:
        """One read of the network brings so many messages. False if there are none to be read."""
        wire, machine = self.wire, self.machine
        if wire is None or wire.stopped or wire.busy_since is not None or not wire.down:
            return False
        messages = [wire.down.popleft() for _ in range(min(count, len(wire.down)))]
        before = machine.heard_at, machine.heard_ns
        machine.heard_at, machine.heard_ns = self.now, self.wall_ns
        wire.last_byte = wire.last_message = self.now
        self._refused, self._taken = False, 0
        for message in messages:
            wire.truth = message.truth
            wire.read_at.append(self.now)
            self._message(message)
            self.promises.read(wire)
        self.refuses_from = None
        if self._refused:
            machine.cut = Hole(*before)
            if self.wire is not None:
                self.wire.abort("the queue is full")
        return True

    def _message(self, message: Message) -> None:
        machine, payload = self.machine, message.payload
        if message.pong:
            reply = Reply(str(payload), None)
            if machine.requests.knows(reply.key):
                self._answer(reply)
            return
        key = self.protocol.topic_key
        if key is not None and machine.topics.raw and isinstance(payload, dict) and key in payload:
            subscriptions = machine.topics.raw.get(payload[key])
            if subscriptions is not None:
                for subscription in subscriptions:
                    self._deliver(subscription, payload[key], payload[key], payload["n"])
                return
        if self.setting.dialect == "kinds" and payload.get("topics") and payload["number"] not in machine.requests._by_key:
            return  # a late answer without an id would be that to the next request: no client could know
        try:
            for item in self.protocol.receive(payload, False):
                if isinstance(item, Push):
                    self._push(item)
                else:
                    self._answer(item)
        except ProtocolError:
            self.bad_frames += 1

    def _push(self, push: Push) -> None:
        topic = self.machine.topics.get(push.topic)
        if topic is None:
            self.bad_frames += 1
            return
        if topic.hole is not None:
            self.do(self.machine.first_update, topic, self.now)
        if topic.max_silence is not None:
            if topic.silent:
                self.wake_watch()
            topic.updated_at, topic.silent = self.machine.heard_at, False
        push.received_ns = self.machine.heard_ns
        for sink in topic.sinks:
            sink.take(push, topic.present)
        number = push.payload if isinstance(push.payload, int) else push.document["data"]["n"]
        for subscription in topic.queued:
            self._deliver(subscription, push.topic, f"{push.channel}.{push.symbol}", number)

    def _deliver(self, subscription: Subscription, topic: str, market: str, number: int) -> None:
        if self.refuses_from is not None and self._taken >= self.refuses_from:
            self._refused = True
            return
        self._taken += 1
        self.promises.delivered(subscription, topic, market, number)

    # -- answers -------------------------------------------------------------------------------------

    def _answer(self, reply: Reply) -> None:
        entry, late = self.do(self.machine.answered, reply, self.now)
        self.promises.answered(reply, entry, late)
        if entry is not None and entry.role is Role.USER:
            self.promises.in_hand = entry.future
        self.between()
        if entry is None:
            if late is not None:
                self._late(late, reply)
            elif not self.machine.link.state.is_over:
                raise ProtocolError("an answer to no request in flight")
        elif entry.role is Role.LOGIN:
            self._login(entry.request, reply)
        elif entry.role is Role.USER:
            self._conclude(entry, reply)

    def _conclude(self, entry: Entry, reply: Reply) -> None:
        result, error = outcome(self.protocol, entry.request, reply)
        self.promises.in_hand = None
        entry.future.tell("venue", result if error is None else error)

    def _late(self, request: Request, reply: Reply) -> None:
        if request.topics:
            return
        result, error = outcome(self.protocol, request, reply)
        link_id, _ = link_ids(request)
        self.late_replies.append(request.key)
        self.promises.emitted(LateReply(request.key, link_id, result, error))

    def _login(self, request: Request, reply: Reply) -> None:
        try:
            more: Sequence[Request] = self.protocol.login_answered(request, reply, self.wall_ns // 1_000_000)
        except Exception as error:
            self.do(self.machine.login_failed, error)
        else:
            self.do(self.machine.login_answered, more, self.now)


def refusal(kind: int) -> Optional[DbxError]:
    """Why a connection cannot be made."""
    errors: Tuple[DbxError, ...] = (
        ConnectError("venue:1: refused"),
        ConnectError("venue:1: busy", retry_after=15.0),
        AuthError("no such key", code=403),
    )
    return errors[kind % len(errors)]
