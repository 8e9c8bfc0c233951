"""A term of leadership: a new epoch, an entry of it in every stream (which shuts the old leader out), the venue's client, and
what workers want, until it ends: by ``stop``, by a later leader, or by what ends the client for good.
"""

from __future__ import annotations

import collections
import threading
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk import codec
from dbxsdk.client import Client
from dbxsdk.errors import ClientClosed, ConnectError, DbxError, ProtocolError, VenueError
from dbxsdk.events import Event
from dbxsdk.relay.entries import FORMAT
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.lease import ANSWER, Lease
from dbxsdk.relay.server import Link, RelayDown, Server
from dbxsdk.relay.tap import RelayedTopic, Tap, subscription_of
from dbxsdk.relay.writer import Bounds, Writer
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.log import ClientLog
from dbxsdk.session import State, Subscription
from dbxsdk.version import __version__

BEAT = 1.0
"""Seconds between signs of life, and between renewals of the lease."""
LEAVE_AFTER = 12.0
"""Seconds for which a topic must have been unwanted before it is left: longer than workers' pauses between saying what they
want."""
ASK_AGAIN = 60.0
"""Seconds after which a topic that the venue has refused is asked for again, unless a worker asks for it."""
LOOK = 0.25
"""Seconds between a standby's looks at the lease, and for which a call is waited for at most."""
_GOODBYE = 1.5
"""Seconds that may be taken to write what is queued, at the end."""
_MOST_TOPICS = 10_000
_MOST_CALLS = 1_000


@attrs.frozen
class RelayStatus:
    """What one ``serve`` is doing.

    Attributes:
        name: the client's: ``"bybit:linear"``.
        leading: False while it waits for another process to end.
        connected: True while the venue's connection is ready.
        topics: those that are subscribed.
        written: entries written by this leader; each is what one read of the network brought of a topic, or an event.
        queued: entries that wait to be written.
        dropped: those that were dropped because too many waited.
        down: why nothing can be written at present, or None.
        readers: each worker's name (host, process, number), its topics, and the ms from the serving process to its callbacks'
            queue at the last update, by both machines' clocks.
    """

    name: str
    leading: bool
    connected: bool = False
    topics: Tuple[str, ...] = ()
    written: int = 0
    queued: int = 0
    dropped: int = 0
    down: Optional[str] = None
    readers: Tuple[Tuple[str, int, float], ...] = ()


@attrs.define(eq=False)
class Served:
    """A topic that the venue is asked for."""

    topic: RelayedTopic
    subscription: Subscription
    live: bool = False


class Term:
    """One term: everything that ends with it."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        client: Client,
        fixed: Optional[Sequence[str]],
        bounds: Bounds,
        lease: Lease,
        log: ClientLog,
        callbacks: Sequence[Callable[[Event], Any]],
        link: Link,
        epoch: int,
    ) -> None:
        """``fixed``: the set of topics, None for what workers want; ``callbacks`` get the client's events."""
        self._server, self._keys, self._client, self._fixed = server, keys, client, fixed
        self._lease, self._log, self._callbacks, self._link = lease, log, callbacks, link
        self._protocol = client._protocol
        self._readers: Tuple[Tuple[str, int, float], ...] = ()
        self._error: Optional[DbxError] = None
        self._over = threading.Event()
        self._writer = Writer(server, keys, epoch, bounds, log, self._ended)
        self._tap = Tap(self._protocol, self._writer)
        options = attrs.evolve(self._client._options, dispatch="inline")
        self._upstream = self._client._connected_by(self._tap, options)
        self._events: Deque[Event] = collections.deque()
        self._upstream.on_event(self._tap.happened)
        if callbacks:
            self._upstream.on_event(self._events.append)
        # Guards the two tables; the threads of the term share them.
        self._lock = threading.Lock()
        self._topics: Dict[str, Served] = {}
        self._joining: Set[str] = set()
        """Topics that workers wait for."""
        self._unwanted: Dict[str, float] = {}
        """Since when topics are not wanted any more."""
        self._inherited: Set[str] = set()
        """Topics of earlier leaders, which may not be wanted either."""
        self._refused: Dict[str, float] = {}
        """Topics that the venue has refused, and when they may be asked for again."""
        self._fresh = threading.Event()
        self._threads: List[threading.Thread] = []

    def _ended(self, error: DbxError) -> None:
        self._error = self._error or error
        self._over.set()

    # -- the serving thread ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Shut the old leader out, and begin to write. Raises ``Fenced`` if another one was quicker."""
        found = self._link.call("SMEMBERS", self._keys.topics)
        topics = sorted(each.decode("utf-8", "replace") for each in found)
        self._inherited.update(topics)
        self._writer.start(self._link, topics, {"version": __version__, "format": FORMAT.decode()})
        self._log.info("serving %s", self._keys.name)

    def run(self, stopping: Callable[[float], bool], first: bool) -> None:
        """Serve until it is over. Raises ``Fenced``, or what makes serving useless."""
        for number, work in enumerate((lambda: self._open(first), self._subscribe)):
            thread = threading.Thread(target=work, name=f"dbxsdk-{self._keys.name}-relay-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        beat_at = 0.0
        wants_at = 0.0
        while not stopping(0.0) and not self._over.is_set():
            try:
                now = monotonic()
                if now >= beat_at:
                    beat_at = now + BEAT
                    if not self._lease.renew(self._link):
                        self._log.warning("another process has the lease")
                        break
                    self._beat()
                if now >= wants_at:
                    wants_at = now + BEAT
                    self._look_at_wants()
                self._take_calls()
                self._admit()
            except RelayDown as error:
                self._log.info("the relay's server is away: %s", error)
                self._link.close()
                self._over.wait(LOOK)
                if not stopping(0.0):
                    self._reconnect()
            self._deliver_events()
        ending = self._error
        if ending is not None and not isinstance(ending, RelayDown):
            raise ending

    def end(self) -> None:
        """Hand over: nothing of it is left."""
        self._over.set()
        self._fresh.set()
        self._tap.tell({"kind": "bye"})
        written = self._writer.stop(_GOODBYE)
        try:
            # A server that hangs would only take time.
            if written and not self._link.broken:
                self._lease.drop(self._link)
        except DbxError as error:
            self._log.info("the lease was left to expire: %s", error)
        self._upstream.close(1.0)
        for thread in self._threads:
            thread.join(1.0)
        self._deliver_events()

    def _deliver_events(self) -> None:
        """Give the events to the callbacks of the client's user. In single steps: the client's reader adds to them."""
        while self._events:
            event = self._events.popleft()
            for callback in self._callbacks:
                try:
                    callback(event)
                except Exception:
                    self._log.exception("an event callback raised")

    def status(self) -> RelayStatus:
        """What it is doing. By any thread."""
        writer = self._writer
        return RelayStatus(
            self._keys.name, True, self._tap.connected, self.topics, writer.written, writer.queued, writer.dropped, writer.down,
            self._readers,
        )

    def _reconnect(self) -> None:
        try:
            fresh = self._server.connect(ANSWER)
        except RelayDown:
            return
        self._link.renew(fresh)

    def _beat(self) -> None:
        self._tap.tell({"kind": "beat", "up": self._tap.connected})

    def _take_calls(self) -> None:
        """Answer what workers ask. Waits for a moment for the first."""
        found = self._link.call("BLPOP", self._keys.calls, str(LOOK))
        if found is None:
            return
        # The others that wait already, taken in the same step as they are read.
        calls = {found[1], *(self._link.call("LPOP", self._keys.calls, _MOST_CALLS) or ())}
        for call in calls:
            topic = call.decode("utf-8", "replace")
            if topic:
                self._want(topic)
        if b"" in calls:
            self._beat()

    def _look_at_wants(self) -> None:
        """Subscribe what is wanted, and leave what is not any more."""
        now = int(self._link.call("TIME")[0])
        self._look_at_readers(now)
        wanted = self._fixed if self._fixed is not None else self._wanted_by_workers(now)
        still_wanted, looked_at = set(wanted), monotonic()
        with self._lock:
            self._refused = {name: until for name, until in self._refused.items() if until > looked_at}
            asked = [name for name in wanted if name not in self._refused]
        self._ensure(asked)
        with self._lock:
            known = {*self._topics, *self._inherited} - still_wanted
            # Not at once: a server that has lost everything is told again by workers what they want.
            self._unwanted = {name: self._unwanted.get(name, looked_at) for name in known}
            gone = [name for name, since in self._unwanted.items() if looked_at - since >= LEAVE_AFTER]
            left = [(name, self._topics.pop(name, None)) for name in gone]
            self._inherited.difference_update(gone)
        for name, served in left:
            if served is not None:
                self._upstream.unsubscribe(served.subscription)
            self._tap.leave(name)

    def _wanted_by_workers(self, now: int) -> Sequence[str]:
        self._link.call("ZREMRANGEBYSCORE", self._keys.wanted, "-inf", now)
        found = self._link.call("ZRANGE", self._keys.wanted, 0, _MOST_TOPICS)
        return [each.decode("utf-8", "replace") for each in found]

    def _look_at_readers(self, now: int) -> None:
        found = self._link.call("HGETALL", self._keys.readers)
        readers = []
        for name, text in zip(found[::2], found[1::2]):  # noqa: B905
            try:
                about = codec.decode_object(text)
                if about["until"] < now:
                    self._link.call("HDEL", self._keys.readers, name)
                else:
                    readers.append((name.decode("utf-8", "replace"), int(about["topics"]), float(about["lag_ms"])))
            except (ProtocolError, KeyError, TypeError, ValueError):
                self._link.call("HDEL", self._keys.readers, name)
        self._readers = tuple(sorted(readers))

    @property
    def topics(self) -> Tuple[str, ...]:
        """Those that are subscribed."""
        with self._lock:
            return tuple(name for name, each in self._topics.items() if each.live)

    def _want(self, topic: str) -> None:
        fixed = self._fixed
        if fixed is not None and topic not in fixed:
            self._refuse(topic, f"the relay serves a fixed set of topics, and {topic} is not in it", None)
            return
        with self._lock:
            self._joining.add(topic)
        self._ensure((topic,))

    def _ensure(self, names: Sequence[str]) -> None:
        with self._lock:
            fresh = [name for name in names if name not in self._topics]
            for name in fresh:
                book_of = self._client._book_of
                self._topics[name] = Served(*subscription_of(self._upstream, self._tap, self._protocol, name, book_of))
        if fresh:
            self._fresh.set()

    def _admit(self) -> None:
        """Let workers begin that wait for topics which are there."""
        with self._lock:
            ready = [self._topics[name] for name in self._joining if name in self._topics and self._topics[name].live]
        for each in ready:
            name = each.topic.name
            if self._upstream.is_whole(name):
                with self._lock:
                    self._joining.discard(name)
                self._tap.join(each.topic)

    def _refuse(self, topic: str, message: str, code: Any) -> None:
        with self._lock:
            self._joining.discard(topic)
        self._tap.tell({"kind": "no", "topic": topic, "message": message, "code": code if isinstance(code, (int, str)) else None})

    # -- their own threads -----------------------------------------------------------------------------

    def _open(self, first: bool) -> None:
        """Connect to the venue, again and again; the first failure of all ends it, since the address may be wrong."""
        patience = 1.0
        while not self._over.is_set():
            try:
                self._upstream.open(None)
                self._fresh.set()
                self._upstream.wait(None)
                self._ended(ClientClosed("the client was closed"))
            except DbxError as error:
                if first or self._upstream.state.is_over or not isinstance(error, ConnectError):
                    self._ended(error)
                    return
                self._log.warning("the venue cannot be reached, next try in %.0f s: %s", patience, error)
                self._over.wait(patience)
                patience = min(2 * patience, 30.0)
            except Exception as error:
                self._log.exception("the venue's client could not be opened")
                self._ended(DbxError(f"unexpected error in the relay: {error!r}"))

    def _subscribe(self) -> None:
        """Subscribe the topics that are new, together."""
        while not self._over.is_set():
            self._fresh.wait()
            self._fresh.clear()
            if self._over.is_set() or self._upstream.state is not State.READY:
                continue
            with self._lock:
                fresh = [each for each in self._topics.values() if not each.live]
            if fresh:
                try:
                    self._subscribe_these(fresh)
                except DbxError as error:
                    self._log.warning("topics could not be subscribed: %s", error)
                    if not self._over.wait(LOOK):
                        self._fresh.set()
                except Exception as error:
                    self._log.exception("topics could not be subscribed")
                    self._ended(DbxError(f"unexpected error in the relay: {error!r}"))

    def _subscribe_these(self, fresh: List[Served]) -> None:
        names: Tuple[str, ...] = tuple(each.topic.name for each in fresh)
        try:
            missing = self._upstream.subscribe_all([each.subscription for each in fresh], self._client._options.request_timeout)
        except (ValueError, TypeError) as error:
            if len(fresh) > 1:
                for each in fresh:
                    self._subscribe_these([each])
                return
            missing = {names[0]: VenueError(str(error))}
        again = False
        for each in fresh:
            name = each.topic.name
            if name not in missing:
                each.live = True
                continue
            refusal = missing[name]
            with self._lock:
                self._topics.pop(name, None)
                if refusal is not None:
                    self._refused[name] = monotonic() + ASK_AGAIN
            if refusal is not None:
                self._log.warning("the venue refuses %s, asked for again in a minute: %s", name, refusal)
                self._refuse(name, refusal.message, refusal.code)
            else:
                again = True
        self._admit()
        if again:
            self._log.warning("the venue has not answered for some of %d topics", len(fresh))
