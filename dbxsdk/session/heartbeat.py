"""The heartbeat thread's work: heartbeats, the watch over silent connections, and every deadline."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, List, Optional, Tuple

from dbxsdk.events import Event, Silent
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol, Reply, Request
from dbxsdk.session.books import feeds
from dbxsdk.session.pending import Entry
from dbxsdk.session.requests import SEND_TIMEOUT, Requests, send
from dbxsdk.session.topics import Topic, WantedTopics
from dbxsdk.transport import NotSent, SendFailed

logger = logging.getLogger(__name__)

_SECOND_LOOK = 0.1
"""Seconds between finding a connection silent and giving it up, and between looks at a topic behind a busy reader."""


class Heartbeat:
    """Sleeps until something is due. The heartbeat is judged on what was sent, silence on what was received."""

    def __init__(
        self,
        protocol: Protocol,
        options: Options,
        lock: threading.Lock,
        requests: Requests,
        topics: WantedTopics,
        connection: Callable[[], Tuple[Any, bool, float]],
        opening_limit: float,
        emit: Callable[[Event], None],
    ) -> None:
        """``connection()``, under the lock, is the present one, whether it is ready, and since when it is made;
        ``opening_limit`` the seconds that this may take."""
        self._protocol = protocol
        self._lock = lock
        self._requests = requests
        self._topics = topics
        self._connection = connection
        self._opening_limit = opening_limit
        self._beaten: Any = None
        """The connection that ``_last_beat`` is of."""
        self._last_beat = 0.0
        self._suspected: Any = None
        """The connection that was found silent at the last look."""
        self._emit = emit
        self._interval = options.heartbeat_interval or protocol.heartbeat_interval
        # A heartbeat is answered: one interval without anything to send, and time for the answer.
        self._silence = options.silence_timeout or self._interval + 10.0

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        while not stop.is_set():
            try:
                wait = self._look_after(time.monotonic())
            except Exception:  # a defect of ours must not end the watch
                logger.exception("%s: unexpected error in the heartbeat thread", self._protocol.venue)
                wait = 1.0
            wake.wait(wait)
            wake.clear()

    def _look_after(self, now: float) -> Optional[float]:
        """Does what is due. Returns the seconds until something may be due again; None where nothing will be."""
        with self._lock:
            connection, ready, since = self._connection()
            tell = self._requests.expire(now)
            watched = self._topics.watched() if ready else []
            books = feeds(self._topics.subscriptions()) if ready else []
        tell()
        # What came after that moment may lie unread.
        seen = now if connection is None else connection.seen_until(now)
        due: List[Optional[float]] = [self._check_silence(topic, now, seen) for topic in watched]
        due += [feed.state.ask_when_due(now) for feed in books]
        if connection is not None:
            due.append(self._check_alive(connection, now))
            if ready:
                due.append(self._beat(connection, now))
            else:
                due.append(self._check_opening(connection, now, since))
        with self._lock:
            due.append(self._requests.next_deadline())
        moments = [moment for moment in due if moment is not None]
        return max(min(moments) - now, 0.001) if moments else None

    def _check_alive(self, connection: Any, now: float) -> float:
        # Only while the reader waits for the network: one that stands still for a full queue, or runs a callback,
        # says nothing about the venue.
        silent = connection.silent_for(now)
        if silent < self._silence:
            self._suspected = None
        elif self._suspected is not connection:
            # After a stop of the whole process (a frozen container, a debugger, a held GIL) what came in the meantime
            # lies unread: the reader gets the time to take it.
            self._suspected = connection
            return now + _SECOND_LOOK
        else:
            connection.abort(f"nothing was received for {silent:.1f} s")
        return float(now + max(self._silence - silent, 1.0))

    def _check_opening(self, connection: Any, now: float, since: float) -> Optional[float]:
        """The steps of an opening have limits of their own; this is the limit of all of them."""
        limit = since + self._opening_limit
        if now < limit:
            return limit
        connection.abort("the connection was not ready in time")
        return None

    def _beat(self, connection: Any, now: float) -> float:
        """Sends a heartbeat where nothing was sent for an interval. Returns when the next may be due."""
        if self._protocol.only_heartbeats_count:
            if connection is not self._beaten:
                self._beaten, self._last_beat = connection, now
            last_sent = self._last_beat
        else:
            last_sent = connection.last_sent or now
        if now < last_sent + self._interval:
            return float(last_sent + self._interval)
        request = self._protocol.heartbeat()
        with self._lock:
            self._requests.pending.file(Entry(request, handler=_ignore, deadline=now + self._silence, awaited=False))
        try:
            send(request, connection, min(SEND_TIMEOUT, self._silence))
        except (NotSent, SendFailed) as error:
            connection.abort(f"the heartbeat could not be sent: {error}")
        self._last_beat = now
        return now + self._interval

    def _check_silence(self, topic: Topic, now: float, seen: float) -> Optional[float]:
        if topic.silent or topic.max_silence is None:
            return None  # told already; the next update ends it
        limit = topic.updated_at + topic.max_silence
        if seen < limit:
            return max(limit, now + _SECOND_LOOK)
        topic.silent = True
        silence = seen - topic.updated_at
        logger.warning("%s: no update of %s for %.1f s", self._protocol.venue, topic.name, silence)
        self._emit(Silent(topic.name, silence))
        return None


def _ignore(request: Request, reply: Optional[Reply]) -> None:
    """The answer to a heartbeat: that it came is all."""
