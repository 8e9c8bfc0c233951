"""The machine: every decision of a session, in one place and without a thread.

Each method says that something happened, at ``now`` (monotonic seconds), and leaves effects in ``effects``. Its driver
calls one at a time, and carries the effects out in the order in which they were decided.
"""

from __future__ import annotations

import collections
import logging
from typing import Deque, Dict, Optional, Sequence, Tuple

from dbxsdk.errors import (
    AuthError,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DbxError,
    RequestTimeout,
    VenueError,
    fresh,
)
from dbxsdk.events import Connected, ConnectFailed, Disconnected, Silent
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Reply, Request
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import FLOW, Abort, Arm, Changed, End, Fail, Send
from dbxsdk.session.core.link import Life, Verdict
from dbxsdk.session.core.liveness import Liveness, Look
from dbxsdk.session.core.renewal import Renewal
from dbxsdk.session.core.requests import HEARTBEAT, LOGIN, SUBSCRIBE, UNSUBSCRIBE, USER, Entry, Requests
from dbxsdk.session.core.subscribing import Subscribing
from dbxsdk.session.core.topics import Hole, Topic
from dbxsdk.session.state import State

IDLE_LOOK = 5.0
"""Seconds between two ticks at most: after a suspend of the machine the driver's own waits go on where they stood."""


class Machine(Subscribing):
    """One client's truth: its link, requests and topics."""

    def __init__(
        self,
        protocol: Protocol,
        options: Options,
        endpoint: str,
        name: str,
        backoff: Backoff,
        live: bool = True,
        lasting: bool = True,
    ) -> None:
        """``name`` is the client's, for events; ``live``, ``lasting``: see ``Connector``."""
        super().__init__(protocol, options, endpoint, name, backoff)
        self.live = live
        self.lasting = lasting
        self.liveness = Liveness(protocol, options.heartbeat_interval, options.silence_timeout)
        self.renewal = Renewal(protocol.longest_connection, backoff.spread)
        self._login: Deque[Request] = collections.deque()
        self.login_error: Optional[DbxError] = None
        """What the present connection's login ended with, if it was that."""
        # Preparing, connecting and logging in have limits of their own; this is the limit of all of them together.
        self.opening_limit = 2 * options.connect_timeout + options.request_timeout
        self.cut: Optional[Hole] = None
        """Set by the reader where updates were refused for lack of room: since when they may be missing."""

    # -- life ----------------------------------------------------------------------------------------

    def begin(self, life: Life) -> None:
        """Threads begin to work."""
        self.link.raise_if_ended()
        self.link.began(life)

    def connecting(self, now: float) -> bool:
        """A connection is about to be made. False if there must be none."""
        assert self.link.life is not None
        if self.link.life.stopped:
            return False
        self.link.connected, self.link.connecting_since, self.link.ready_since = True, now, None
        self.cut = self.login_error = None
        self._arm(now + self.opening_limit)
        return True

    def opened(self, requests: Sequence[Request], now: float, report: bool = True) -> None:
        """The connection is open; ``requests`` log it in, one after the other."""
        self._login = collections.deque(requests)
        self._continue_login(now, report)

    def report_connected(self) -> None:
        """Emit that there is a connection."""
        self._emit(Connected(self.link.reconnects, client=self.name))

    def login_answered(self, more: Sequence[Request], now: float) -> None:
        """The answer to a login request was read, and leads to ``more``."""
        self._login.extend(more)
        self._continue_login(now)

    def login_failed(self, error: Exception) -> None:
        """The venue refused the login, or it could not be made."""
        if isinstance(error, VenueError):
            self.login_error = error
            self.effects.append(Abort(f"the venue refused the login: {error}"))
            return
        # Without the error's text, which may hold what was to be signed.
        reason = f"{self.link.endpoint}: the login could not be made: {type(error).__name__}"
        self.login_error = ConnectError(reason)
        self.login_error.__cause__ = error
        self.effects.append(Abort(reason))

    def _continue_login(self, now: float, report: bool = True) -> None:
        link = self.link
        if link.life is None or link.life.stopped or link.state.is_over:
            return
        if self._login:
            self._file(Entry(self._login.popleft(), LOGIN, now + self.options.request_timeout))
            return
        link.became_ready(now)
        self.liveness.begin(now)
        self.renewal.begin(now)
        self.heard_at = max(self.heard_at, now)
        again = f" again, reconnect {link.reconnects}" if link.reconnects else ""
        self._log(logging.INFO, "connected to %s%s", link.endpoint, again)
        # Before anything that this connection brings.
        if report:
            self.report_connected()
        self._ask(now)
        for entry in self.requests.take_unsent():
            self._file(entry)
        self.effects.append(Changed())
        self._arm(now)

    def lost(
        self,
        reason: str,
        now: float,
        *,
        code: Optional[int] = None,
        error: Optional[DbxError] = None,
        refused: bool = False,
        last_received: Optional[float] = None,
        retry_in: Optional[float] = None,
    ) -> Verdict:
        """The connection has ended, or could not be made (because of ``error``). ``refused``: for good; ``last_received``:
        when its last byte came; ``retry_in``: what one that is not live says of the next. Nothing is written to it any more."""
        link = self.link
        was_ready = link.ready_since is not None
        link.connected = False
        self._alone.clear()
        self._login.clear()
        self._end_in_flight(reason, keep=link.life is not None and not link.life.stopped)
        since = last_received or link.ready_since or now
        hole = self.cut or Hole(since, self.heard_ns)
        self.topics.disconnected(hole, f"the connection was lost: {reason}")
        verdict = link.judge(reason, error, refused, now) if self.lasting else Verdict(retry_in)
        if not self.live and verdict.delay is not None:
            verdict = Verdict(retry_in)  # the connection itself knows when the next one can be
        link.ready_since = None
        if link.state is State.READY:
            link.state = State.RECONNECTING
        closed = link.life is not None and link.life.stopped
        if was_ready:
            self._emit(Disconnected("closed" if closed else reason, code, verdict.delay, client=self.name))
        elif not closed:
            self._emit(ConnectFailed(reason, link.failed, verdict.delay, client=self.name))
        what = "disconnected" if was_ready else f"reconnect attempt {link.failed} failed"
        if verdict.delay is not None:
            self._log(logging.WARNING, "%s: %s; next try in %.1f s", what, reason, verdict.delay)
        elif self.live and not closed and link.life is not None and link.life.was_ready:  # else ``open`` raises it
            self._log(logging.ERROR, "%s: %s; not tried again", what, reason)
        self.effects.append(Changed())
        return verdict

    def _end_in_flight(self, reason: str, keep: bool) -> None:
        kept: Dict[Entry, None] = {}
        for entry in self.requests.drain():
            if keep and entry.role is USER and not entry.written:
                entry.outbox, kept[entry] = None, None  # not a byte has left: it waits for the next connection
            else:
                what = f"the connection ended ({reason}) before the answer to {entry.request.kind} came"
                lost = ConnectionLost(f"{what}; it may have been carried out")
                self._fail(entry, lost, ConnectError(f"{what}; it was not sent"))
        # Before those that have waited since: they were asked for earlier.
        self.requests.unsent = {**kept, **self.requests.unsent}

    def _fail(self, entry: Entry, if_written: DbxError, if_unwritten: DbxError) -> None:
        entry.abandoned = True
        if entry.role is USER:
            self.effects.append(Fail(entry, if_written, if_unwritten))

    def _fail_all(self, if_written: DbxError, if_unwritten: DbxError) -> None:
        for entry in (*self.requests.drain(), *self.requests.take_unsent()):
            self._fail(entry, fresh(if_written), fresh(if_unwritten))

    def ended(self, error: Optional[DbxError]) -> None:
        """The life is over: no connection will be made any more."""
        link = self.link
        life = link.life
        link.ended(error)
        assert life is not None and life.error is not None
        self._fail_all(life.error, life.error)
        if link.state.is_over:
            self._end_subscriptions(link.failure, f"the client has ended: {life.error}")
        self.effects.append(Changed())

    def failed(self, error: DbxError) -> None:
        """One of the threads died of an unexpected error: nothing can be promised any more."""
        link = self.link
        if link.state.is_over:
            return
        link.state, link.failure = State.FAILED, error
        if link.life is not None:
            link.life.stopped, link.life.error = True, error
        self._fail_all(ConnectionLost(str(error)), error)
        self._end_subscriptions(error, f"the client has ended: {error}")
        self.effects += [Abort(str(error)), Changed()]

    def close(self) -> None:
        """The user closes the client."""
        link = self.link
        if not link.state.is_over:
            link.state = State.CLOSED
        if link.life is not None:
            link.life.stopped = True
        self._fail_all(
            ConnectionLost("the client was closed before the answer came"),
            ClientClosed("the client was closed before the request was sent"),
        )
        self._end_subscriptions(None, "the client is closed")
        self.effects.append(Changed())

    def mend(self, entries: Sequence[Entry]) -> None:
        """The tables cannot be relied on: make them again, from the users' requests without an outcome and from what is
        wanted. The connection, if there is one, has to end."""
        # What was decided stays so: a gap is reported once, an outcome is the only one. But nothing is written any more.
        self.effects[:] = [effect for effect in self.effects if not isinstance(effect, Send)]
        self.requests = Requests()
        self._alone.clear()
        self._login.clear()
        reason = "a call was interrupted in the middle of the SDK's own code"
        for entry in entries:
            if entry.written or self.link.state.is_over:
                lost = ConnectionLost(f"{reason}; {entry.request.kind} may have been carried out")
                self._fail(entry, lost, ClientClosed(reason))
            elif not entry.abandoned:
                entry.outbox, self.requests.unsent[entry] = None, None
        self.topics.rebuild(self._hole(self.heard_at), reason)
        if self.link.state is State.READY:
            self.link.state = State.RECONNECTING  # what is asked from now on waits behind those
        self.armed = self.heard_at
        self.effects += [Abort(reason), Arm(self.armed), Changed()]

    def after_fork_in_child(self) -> None:
        """Forget what belongs to the parent, which may have been in the middle of anything; what users want stays."""
        self.effects.clear()
        self.requests = Requests()
        self._alone.clear()
        self._login.clear()
        self.armed = float("inf")
        self.link.forget_life()
        self.topics.rebuild(Hole(self.heard_at, self.heard_ns), "the process was forked")

    def _end_subscriptions(self, error: Optional[DbxError], reason: str) -> None:
        for subscription in self.topics.subscriptions():
            if subscription.has_end and subscription.queue is None:
                self.effects.append(End(subscription, error, reason))

    # -- requests ------------------------------------------------------------------------------------

    def request(self, entry: Entry) -> None:
        """A user asks something."""
        self.link.raise_if_ended()
        if self.link.ready:
            self._file(entry)
        else:
            self.requests.unsent[entry] = None
            self._arm(entry.deadline)
        self.effects.append(FLOW)

    def abandon(self, entry: Entry) -> bool:
        """Nobody waits for it any more. False if its outcome was decided before."""
        return self.requests.abandon(entry)

    def not_written(self, entry: Entry, reason: str) -> None:
        """The system did not take a single byte of it, for a reason that says nothing about the connection."""
        if self.requests.withdraw(entry):
            if entry.role is USER:
                error = ConnectError(f"{self.link.endpoint}: the request could not be sent: {reason}")
                self._fail(entry, error, error)
            else:
                self.effects.append(Abort(f"{entry.request.kind} could not be sent: {reason}"))

    def answered(self, reply: Reply, now: float) -> Tuple[Optional[Entry], Optional[Request]]:
        """An answer came. Returns the entry that it belongs to, if the driver has to read it (a user's request or a
        login), or the abandoned request to which it came too late."""
        entry = self.requests.take(reply)
        if entry is None:
            return None, self.requests.take_late(reply)
        if entry.role is HEARTBEAT:
            for older in self.requests.of_role(HEARTBEAT):
                if older.deadline < entry.deadline:
                    self.requests.withdraw(older)
        elif entry.role is SUBSCRIBE:
            self._subscribe_answered(entry.request, reply, now)
            self._next_alone(entry.request, now)
        elif entry.role is UNSUBSCRIBE:
            self._unsubscribed(entry.request, now)
            self._next_alone(entry.request, now)
        return entry, None

    # -- time ----------------------------------------------------------------------------------------

    def tick(self, now: float, look: Optional[Look]) -> float:
        """Time has passed. ``look`` is what can be seen of the connection, if there is one. Returns when to tick again."""
        self.armed = now + IDLE_LOOK
        for entry in self.requests.expired(now):
            self._expired(entry, now)
        deadline = self.requests.next_deadline()
        if deadline is not None:
            self.armed = min(self.armed, deadline)
        if self.link.connected and look is not None:
            self._watch(look, now)
        return self.armed

    def _expired(self, entry: Entry, now: float) -> None:
        if entry.role is USER:
            self._fail(entry, no_answer(entry.request), not_connected(self.link.endpoint))
        elif entry.role is LOGIN:
            self.effects.append(Abort("the venue did not answer the login in time"))
        elif entry.role is SUBSCRIBE:
            self._subscribe_unanswered(entry.request, now)
            self._next_alone(entry.request, now)
        else:
            self._unsubscribed(entry.request, now, answered=False)
            self._next_alone(entry.request, now)

    def _watch(self, look: Look, now: float) -> None:
        if not self.link.ready:
            limit = self.link.connecting_since + self.opening_limit
            if now >= limit:
                self.effects.append(Abort("the connection was not ready in time"))
            else:
                self.armed = min(self.armed, limit)
            return
        reason, due = self.liveness.end_or_next(look, self.requests.of_role(HEARTBEAT), now)
        self.armed = min(self.armed, due)
        if reason is not None:
            self.effects.append(Abort(reason))
            return
        renew, due = self.renewal.due_or_next(look, bool(self.requests.awaited), now)
        self.armed = min(self.armed, due)
        if renew:
            self.link.renew(now)
            self.effects.append(Abort("it is renewed, since the venue ends connections of its age"))
            return
        beat_at = self.liveness.beat_at(look, self.requests.of_role(HEARTBEAT), now)
        if now >= beat_at:
            self.liveness.beaten(now)
            self._file(Entry(self.protocol.heartbeat(), HEARTBEAT, now + self.liveness.silence))
            beat_at = now + self.liveness.interval
        self.armed = min(self.armed, beat_at)
        silent, due_topic = self.liveness.silent_topics(self.topics.watched(), look, now)
        if due_topic is not None:
            self.armed = min(self.armed, due_topic)
        for topic, seconds in silent:
            self._silent(topic, seconds, now)

    def look_for_silence(self, now: float) -> None:
        """Report the topics that have become silent by a recording's clock."""
        silent, _ = self.liveness.silent_topics(self.topics.watched(), Look(0.0, now, None, None), now)
        for topic, seconds in silent:
            self._silent(topic, seconds, now)

    def _silent(self, topic: Topic, seconds: float, now: float) -> None:
        self._log(logging.WARNING, "no update of %s for %.1f s", topic.name, seconds)
        self._emit(Silent(topic.name, seconds, client=self.name))
        if not self.live:
            return
        if topic.on_silence == "reconnect":
            self.effects.append(Abort(f"no update of {topic.name} for {seconds:.1f} s"))
        elif topic.on_silence == "resubscribe":
            self.renew((topic.name,), now)


def no_answer(request: Request) -> RequestTimeout:
    """The error of a request that was written and not answered in time."""
    return RequestTimeout(f"no answer to {request.kind} in time; it may have been carried out", request_id=request.key)


def not_connected(endpoint: str) -> ConnectError:
    """The error of a request that could not be written in time."""
    return ConnectError(f"{endpoint}: no connection in time; nothing was sent")


def is_final(error: Optional[DbxError], about_address: bool) -> bool:
    """True if the venue has refused the key for good. ``about_address``: the refusal was of a prepared address, whose
    token was too old when it came; the next attempt has another."""
    return isinstance(error, AuthError) and not about_address
