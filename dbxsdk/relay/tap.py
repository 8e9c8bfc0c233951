"""The tap: what the serving client reads from the network, cut into entries by topic, in the order in which it came.

The client is an ordinary one. Between its connection and its session stands this: it knows which frame is being read, and each
topic has a sink that is called for each of its frames.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from dbxsdk import codec
from dbxsdk.book.rule import BookRule
from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.events import Connected, Disconnected, Event, Gap
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol
from dbxsdk.relay.writer import ENTRY_SIZE, FRAME_SIZE, Frames, Happened, Hole, Joined, Left, Writer
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.session import AnyConnection, BookFeed, Connector, Prepare, Receiver, Subscription
from dbxsdk.transport import Address, Connection, Message


class Tap(Connector):
    """The network, listened to. For one term of leadership."""

    def __init__(self, protocol: Protocol, writer: Writer) -> None:
        self._protocol = protocol
        self._writer = writer
        self._reads = itertools.count(1)
        # Guards what is staged, and the states of topics: held by the reader for one read of the network, in which events come
        # to it, too, and by others for moments. No code of users' runs under it.
        self.lock = threading.RLock()
        self._reading = False
        self._staged: Dict[str, Frames] = {}
        self._read = 0
        self._wall_ns = 0
        self.place = 0
        self.message: Optional[Message] = None
        self.connected = False
        self.connection: Any = None

    def connect(
        self, address: Address, options: Options, receiver: Receiver, prepare: Optional[Prepare]
    ) -> AnyConnection:
        """Make the next connection, with the tap between it and ``receiver``."""
        def messages(messages: Sequence[Message]) -> None:
            with self.lock:
                self._read, self._wall_ns, self._reading = next(self._reads), wall_ns(), True
                receiver.messages(_Walk(self, messages))
                self._reading = False
                self._flush()

        connection = self.connection = Connection(address, options, receiver.opened, messages, receiver.pong, prepare)
        return connection

    # -- under the lock, on the reader thread ----------------------------------------------------------

    def stage(self, topic: str) -> None:
        """The frame that is being read is one of ``topic``."""
        message, place = self.message, self.place
        assert message is not None
        staged = self._staged.get(topic)
        if staged is None:
            self._staged[topic] = Frames(topic, self._read, self._wall_ns, [(place, message)], ENTRY_SIZE + len(message[0]))
        elif staged.frames[-1][0] != place:  # it may have several updates of the topic
            staged.frames.append((place, message))
            staged.size += FRAME_SIZE + len(message[0])

    def _flush(self) -> None:
        if self._staged:
            for frames in self._staged.values():
                self._writer.put(frames)
            self._staged.clear()

    def _next(self) -> Tuple[int, int]:
        """The number and the time of something that comes behind all that was staged. Lock held."""
        self._flush()
        number = next(self._reads)
        if self._reading:
            self._read = next(self._reads)  # what else this read brings comes behind it
        return number, wall_ns()

    # -- any thread ------------------------------------------------------------------------------------

    def happened(self, event: Event) -> None:
        """Take an event of the client's. On its reader thread that is in order with the frames."""
        with self.lock:
            if isinstance(event, Gap):
                self._writer.put(Hole(event.topics, *self._next(), event.seconds, event.last_received_ns))
            elif isinstance(event, Connected):
                self.connected = True
                self._writer.put(Happened(*self._next(), {"kind": "up", "reconnects": event.reconnects}))
            elif isinstance(event, Disconnected):
                self.connected = False
                document = {"kind": "down", "reason": event.reason, "code": event.code, "retry_in": event.retry_in}
                number, now_ns = self._next()
                self._writer.put(Happened(number, now_ns, {**document, "since_ns": now_ns - self._silent_ns()}))

    def _silent_ns(self) -> int:
        """For how long nothing had been received when the connection ended."""
        last = None if self.connection is None else self.connection.last_received
        return 0 if last is None else max(int((monotonic() - last) * 1e9), 0)

    def tell(self, document: Dict[str, Any]) -> None:
        """Write something into the control stream."""
        with self.lock:
            self._writer.put(Happened(*self._next(), document))

    def leave(self, topic: str) -> None:
        """Say that ``topic`` is not served any more."""
        with self.lock:
            self._writer.put(Left(topic, *self._next()))

    def join(self, topic: "RelayedTopic") -> None:
        """Let readers of the topic begin here."""
        with self.lock:
            number, now_ns = self._next()
            whole = topic.whole()
            self._writer.put(Joined(topic.name, number, now_ns, whole, topic.has_state, ENTRY_SIZE + len(whole or b"")))


class _Walk(Sequence[Message]):
    """The messages of one read. Whoever walks through them lets the tap know which one is at hand."""

    def __init__(self, tap: Tap, messages: Sequence[Message]) -> None:
        self._tap, self._messages = tap, messages

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, index: Any) -> Any:
        return self._messages[index]

    def __iter__(self) -> Iterator[Message]:
        tap = self._tap
        for tap.place, message in enumerate(self._messages):
            tap.message = message
            yield message


class RelayedTopic:
    """One topic of the serving client: a sink that stages its frames, and knows its state if late readers need one."""

    def __init__(self, tap: Tap, protocol: Protocol, name: str, feed: Optional[BookFeed], carries_state: bool) -> None:
        self.name = name
        self._tap, self._protocol, self._feed, self._carries_state = tap, protocol, feed, carries_state
        self._last: Optional[Message] = None

    @property
    def has_state(self) -> bool:
        """True if a late reader has to begin with more than the next update."""
        return self._feed is not None or self._carries_state

    def note(self) -> None:
        """An update is in the frame at hand."""
        tap = self._tap
        self._last = tap.message
        tap.stage(self.name)

    def whole(self) -> Optional[bytes]:
        """A frame with the whole of the state, after the last update; None if it has none or it is not known. Under the tap's
        lock."""
        if self._last is None or not self.has_state:
            return None
        try:
            document = self._document(self._last)
            if self._feed is None:
                found = self._protocol.whole(self.name, document)
            else:
                found = self._book(document, self._feed)
            return None if found is None else codec.encode(found).encode()
        except (DbxError, KeyError, TypeError, ValueError):
            return None

    def _document(self, message: Message) -> Any:
        payload, binary = message
        if binary:
            text = self._protocol.inflate(payload, 1 << 26)
            if text is None:
                raise ProtocolError("a binary frame")
            payload = text
        return codec.decode_object(payload)

    def _book(self, document: Any, feed: BookFeed) -> Any:
        snapshot = feed.state.snapshot()
        if snapshot.is_stale:
            return None
        sides: List[List[List[str]]] = [
            [[format(price, "f"), format(size, "f")] for price, size in side] for side in (snapshot.bids, snapshot.asks)
        ]
        return feed.rule.whole(document, *sides)


class PlainSink:
    """A topic without a book."""

    def __init__(self, noted: Callable[[], None]) -> None:
        self._noted = noted

    def take(self, push: Any, epoch: int) -> None:
        """Stage the frame at hand."""
        self._noted()

    def live(self, epoch: int) -> None:
        """The venue has it."""

    def stale(self, epoch: int, reason: str, renewed: bool) -> None:
        """The venue does not have it."""

    def end(self, error: Optional[DbxError], reason: str) -> None:
        """Nothing comes any more."""


class RelayedBook(BookFeed):
    """A topic with a book, whose state late readers begin with."""

    noted: Callable[[], None]

    def take(self, push: Any, epoch: int) -> None:
        """Stage the frame at hand, and take the update in."""
        self.noted()
        super().take(push, epoch)


BookOf = Callable[[str], Optional[Tuple[str, BookRule]]]
"""Returns symbol and rule of the book that a topic's updates make, or None."""


def subscription_of(session: Any, tap: Tap, protocol: Protocol, name: str, book_of: BookOf) -> Tuple[RelayedTopic, Subscription]:
    """Return a topic to be relayed, and its subscription, which is not subscribed yet."""
    found = book_of(name)
    if found is None:
        topic = RelayedTopic(tap, protocol, name, None, protocol.carries_state(name))
        return topic, Subscription(session, name, (name,), _nothing, sink=PlainSink(topic.note))
    feed: RelayedBook = session.book_feed(name, (name,), *found, kind=RelayedBook)
    topic = RelayedTopic(tap, protocol, name, feed, False)
    feed.noted = topic.note
    return topic, feed.subscription


def _nothing(_: Any) -> None:
    """The callback of a subscription whose updates go into a sink."""
