"""A client whose updates and events are held against the ledger."""

from __future__ import annotations

import collections
import re
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type

from dbxsdk import State, events
from tests.soak.ledger import Ledger, digest_of
from tests.soak.stream import Stream

_HARMLESS = ("which is not subscribed", "an answer to no request in flight")
"""Late frames: of a topic that was left, or of a request that was given up, or that came twice."""


class Watched:
    """``slow`` makes callbacks slow while it is set."""

    passing = False

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        make: Callable[[str], Any],
        tell: Callable[[str], None],
        slow: Optional[threading.Event] = None,
        repeating: Callable[[], bool] = lambda: False,
    ) -> None:
        """``make`` makes the client from its name, which goes into its address."""
        self.name = name
        self.tell = tell
        self._ledger = ledger
        self._slow = slow
        self._repeating = repeating
        self._lock = threading.Lock()  # guards the list of streams
        self._streams: List[Stream] = []
        self._never = threading.Event()
        self.counts: Dict[str, int] = collections.Counter()
        self.reasons: Dict[str, int] = collections.Counter()
        self.finished: Dict[str, int] = collections.Counter()
        self.client = make(name)
        self.client.on_event(self._on_event)

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def subscribe(self, channel: str, symbols: Sequence[str], topics: Sequence[str], **arguments: Any) -> "Following":
        """Subscribes; raises what ``subscribe`` raises. ``topics`` are the ledger's names of what comes of it."""
        following = Following(self, topics)
        try:
            following.subscription = self.client.subscribe(
                channel, symbols or (), callback=following.received, **arguments
            )
        except BaseException:
            following.end()
            raise
        return following

    def iterate(self, channel: str, symbols: Sequence[str], topic: str, count: int) -> None:
        """Takes so many updates from an iterator, gaps not counted."""
        stream = self.begin(topic, Iterated)
        try:
            with self.client.messages(channel, symbols) as messages:
                for item in messages:
                    if isinstance(item, events.Gap):
                        stream.gap()
                        continue
                    stream.received(digest_of(item.raw))
                    count -= 1
                    if count <= 0:
                        return
        finally:
            self.end(stream)

    def begin(self, topic: str, kind: Type[Stream] = Stream) -> Stream:
        stream = kind(self.name, topic, self.tell)
        stream.may_repeat = self._repeating()
        with self._lock:
            self._streams.append(stream)
        self._ledger.begin(self.name, stream)
        return stream

    def end(self, stream: Stream) -> None:
        self._ledger.end(self.name, stream)
        with self._lock:
            self._streams.remove(stream)
            self.finished.update(_numbers(stream))

    @property
    def streams(self) -> List[Stream]:
        with self._lock:
            return list(self._streams)

    def numbers(self) -> Dict[str, int]:
        """Updates sent, delivered, dropped, in gaps, outside of gaps and repeated, of all subscriptions so far."""
        with self._lock:
            total = collections.Counter(self.finished)
            for stream in self._streams:
                total.update(_numbers(stream))
        return total

    def expect_repeats(self) -> None:
        for stream in self.streams:
            stream.may_repeat = True

    # -- on the callbacks thread -------------------------------------------------------------------------------------

    def topic_of(self, document: Any) -> Optional[str]:
        return self._ledger.wire.topic_of(document)

    def linger(self) -> None:
        if self._slow is not None and self._slow.is_set():
            self._never.wait(0.004)

    def _on_event(self, event: Any) -> None:
        self.counts[type(event).__name__] += 1
        if isinstance(event, events.Gap):
            for stream in self.streams:
                if stream.topic in event.topics and not isinstance(stream, Iterated):
                    stream.gap()
        elif isinstance(event, events.Dropped):
            for stream in self.streams:
                if stream.topic == event.topic:
                    stream.drop(event.count)
        elif isinstance(event, events.Disconnected):
            self.reasons[re.sub(r"[0-9]+(\.[0-9]+)?", "N", event.reason)] += 1
        elif isinstance(event, (events.CallbackFailed, events.RecordingFailed, events.Refused)):
            self.tell(f"{self.name}: {event}")
        elif isinstance(event, events.BadFrame) and not any(each in str(event.error) for each in _HARMLESS):
            self.tell(f"{self.name}: {event}")

    # -- at the end --------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return bool(self.client.state is State.READY)

    def close(self) -> None:
        self.client.close()
        stats = self.client.stats()
        if stats.pending or stats.queued:
            self.tell(f"{self.name}: closed with {stats.pending} requests and {stats.queued} updates left")
        for stream in self.streams:
            self.end(stream)


class Iterated(Stream):
    """One that is told of gaps by its iterator, not by the client's events."""


class Following:
    """One subscription and its streams, one for each topic."""

    subscription: Any = None

    def __init__(self, watched: Watched, topics: Sequence[str]) -> None:
        self._watched = watched
        self._streams: Dict[str, Stream] = {topic: watched.begin(topic) for topic in topics}
        self.came = threading.Event()

    def received(self, update: Any) -> None:
        self._watched.linger()
        document = update if isinstance(update, dict) else update.raw
        topic = self._watched.topic_of(document)
        stream = self._streams.get(topic or "")
        if stream is None:
            self._watched.tell(f"{self._watched.name}: a callback for {sorted(self._streams)} got an update of {topic}")
            return
        stream.received(digest_of(document))
        self.came.set()

    def unsubscribe(self) -> None:
        self.subscription.unsubscribe()
        self.end()

    def end(self) -> None:
        for stream in self._streams.values():
            self._watched.end(stream)


def _numbers(stream: Stream) -> Dict[str, int]:
    names: Tuple[str, ...] = ("sent", "delivered", "dropped", "in_gaps", "outside", "repeated")
    return {name: getattr(stream, name) for name in names}
