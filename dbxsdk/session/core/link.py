"""The link: which state a client is in, its lives from opening to end, and whether a lost connection is tried again."""

from __future__ import annotations

from typing import Optional

import attrs

from dbxsdk.errors import AuthError, ClientClosed, ConnectError, DbxError, fresh
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.state import State

_READY = State.READY  # which takes as long as all else that is done there


class Life:
    """One life of the background threads: from an opening to the end."""

    def __init__(self) -> None:
        self.openers = 0
        """Threads that wait in an opening for it to be ready."""
        self.was_ready = False
        self.stopped = False
        """True once it has to end."""
        self.error: Optional[DbxError] = None
        """Why it ended."""


@attrs.frozen
class Verdict:
    """What follows from a connection's end: another try after ``delay`` seconds, or the end because of ``error``. Neither
    if it had to stop."""

    delay: Optional[float] = None
    error: Optional[DbxError] = None


class Link:
    """State and reconnects. Part of the machine."""

    def __init__(self, endpoint: str, backoff: Backoff, max_reconnects: Optional[int]) -> None:
        self.endpoint = endpoint
        self._backoff = backoff
        self._max_reconnects = max_reconnects
        self.state = State.NEW
        self.failure: Optional[DbxError] = None
        self.life: Optional[Life] = None
        self.connected = False
        """True while there is a connection, be it one that is being made."""
        self.ready_since: Optional[float] = None
        self.connecting_since = 0.0
        self.reconnects = 0
        self.renewing = False
        """True from the decision to replace the connection until its end."""
        self.failed = 0
        """Attempts in a row that did not get through."""

    @property
    def ready(self) -> bool:
        """True while requests may be written."""
        return self.state is _READY

    def raise_if_ended(self) -> None:
        """Raise what ended the client, if anything has."""
        if self.failure is not None:
            raise fresh(self.failure)
        if self.state is State.CLOSED:
            raise ClientClosed("the client is closed")

    def began(self, life: Life) -> None:
        """A new life of the threads begins."""
        self.life, self.state, self.failed = life, State.CONNECTING, 0

    def became_ready(self, now: float) -> None:
        """The connection is open and logged in."""
        assert self.life is not None
        if self.life.was_ready:
            self.reconnects += 1
        self.life.was_ready = True
        self.ready_since = now
        self.state = State.READY

    def renew(self, now: float) -> None:
        """The connection is to be replaced: what is asked from now on waits for the next one."""
        self.renewing, self.state, self.connecting_since = True, State.RECONNECTING, now

    def judge(self, reason: str, error: Optional[DbxError], refused: bool, now: float) -> Verdict:
        """What follows from the end of a connection. ``refused``: the venue refused the key for good."""
        life = self.life
        assert life is not None
        if self.ready_since is not None:
            self.failed = 0
            self._backoff.lasted(now - self.ready_since)
        else:
            self.failed += 1
        renewing, self.renewing = self.renewing, False
        if life.stopped:
            return Verdict()
        if renewing:
            return Verdict(delay=0.0)
        exhausted = self._max_reconnects is not None and self.failed >= self._max_reconnects
        if refused or not life.was_ready or exhausted:
            return Verdict(error=error or ConnectError(f"{self.endpoint}: {reason}"))
        return Verdict(delay=max(self._backoff.next(), getattr(error, "retry_after", None) or 0.0))

    def ended(self, error: Optional[DbxError]) -> None:
        """The life is over."""
        life, self.life, self.connected, self.ready_since = self.life, None, False, None
        assert life is not None
        life.error = error or life.error or ConnectError(f"{self.endpoint}: the opening was abandoned before it was ready")
        if self.state.is_over:
            return
        final = error is not None and (life.was_ready or isinstance(error, AuthError))
        self.state = State.FAILED if final else State.NEW
        self.failure = error if final else None

    def forget_life(self) -> None:
        """In a forked child: the threads and the connection are the parent's."""
        self.life, self.connected, self.ready_since = None, False, None
        if not self.state.is_over:
            self.state = State.NEW
