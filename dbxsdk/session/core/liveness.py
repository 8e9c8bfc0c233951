"""Liveness: when a heartbeat is due, and when a connection or a topic counts as silent."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import attrs

from dbxsdk.protocol import Protocol
from dbxsdk.session.core.requests import Entry
from dbxsdk.session.core.topics import Topic

_SECOND_LOOK = 0.1
"""Seconds between finding a connection silent and giving it up, and between looks at a topic behind a busy reader."""


@attrs.frozen
class Look:
    """What can be seen of a connection at one moment.

    Attributes:
        silent_for: seconds for which the reader has waited for the network without receiving a byte; 0 while it is busy.
        seen_until: all that had come by this moment was read and taken in.
        last_sent: when the last request or ping was sent.
        last_message: when the last whole message was read; None before the first.
    """

    silent_for: float
    seen_until: float
    last_sent: Optional[float]
    last_message: Optional[float]


class Liveness:
    """One connection after another. A heartbeat is due by what was sent, silence is judged by what was received."""

    def __init__(self, protocol: Protocol, interval: Optional[float], silence: Optional[float]) -> None:
        self._protocol = protocol
        self.interval = interval or protocol.heartbeat_interval
        # A heartbeat is answered: one interval without anything to send, and time for the answer.
        self.silence = silence or self.interval + 10.0
        self._last_beat = 0.0
        self._suspected = False

    def begin(self, now: float) -> None:
        """A new connection is ready."""
        self._last_beat = now
        self._suspected = False

    def beat_at(self, look: Look, unanswered: Sequence[Entry], now: float) -> float:
        """When the next heartbeat is due: after an interval without anything sent, or without anything received."""
        last = self._last_beat if self._protocol.only_heartbeats_count else look.last_sent or now
        due = last + self.interval
        if not unanswered:
            # Requests alone would keep up the appearance of life on a connection that brings no answers.
            due = min(due, max(look.last_message or 0.0, self._last_beat) + self.interval)
        return due

    def beaten(self, now: float) -> None:
        """A heartbeat is about to be written."""
        self._last_beat = now

    def end_or_next(self, look: Look, unanswered: Sequence[Entry], now: float) -> Tuple[Optional[str], float]:
        """Why the connection has to end, if it has to, and when to look again."""
        reason = self._silent(look, unanswered, now)
        if reason is None:
            self._suspected = False
            deadlines = [now + max(self.silence - look.silent_for, _SECOND_LOOK)]
            deadlines += [max(entry.deadline, now + _SECOND_LOOK) for entry in unanswered[:1]]
            return None, min(deadlines)
        if not self._suspected:
            # After a stop of the whole process (a frozen container, a debugger, a held GIL) what came in the meantime
            # lies unread: the reader gets the time to take it.
            self._suspected = True
            return None, now + _SECOND_LOOK
        return reason, now + _SECOND_LOOK

    def _silent(self, look: Look, unanswered: Sequence[Entry], now: float) -> Optional[str]:
        # Only what the reader has seen counts: one that stands still for a full queue, or runs a callback, says nothing
        # about the venue.
        if look.silent_for >= self.silence:
            return f"nothing was received for {look.silent_for:.1f} s"
        if unanswered and look.seen_until >= unanswered[0].deadline:
            waited = now - unanswered[0].deadline + self.silence
            return f"a heartbeat was not answered for {waited:.1f} s"
        return None

    @staticmethod
    def silent_topics(topics: Sequence[Topic], look: Look, now: float) -> Tuple[List[Tuple[Topic, float]], Optional[float]]:
        """The topics that have become silent, each with its seconds, and when to look again."""
        silent, due = [], []
        for topic in topics:
            if topic.silent or topic.max_silence is None:
                continue  # reported already; the next update ends it
            limit = topic.updated_at + topic.max_silence
            if look.seen_until < limit:
                due.append(max(limit, now + _SECOND_LOOK))  # what came after that moment may lie unread
            else:
                topic.silent = True
                silent.append((topic, look.seen_until - topic.updated_at))
        return silent, min(due, default=None)
