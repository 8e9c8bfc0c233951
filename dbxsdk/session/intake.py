"""The intake: what each read of the network means, and whom it concerns. The reader thread's own."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Optional, Sequence, Set, Tuple

from dbxsdk import codec
from dbxsdk.errors import ProtocolError, UnreadableReply
from dbxsdk.options import Options
from dbxsdk.protocol import Inbound, Protocol, Push, Reply
from dbxsdk.runtime.clock import Clock
from dbxsdk.session.callbacks import Callbacks
from dbxsdk.session.gap import GapTracker
from dbxsdk.session.pending import PendingRequests
from dbxsdk.session.recorded import Recorded
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.topics import WantedTopics
from dbxsdk.transport import INVALID_PAYLOAD, Batch, Message

logger = logging.getLogger(__name__)

_UNKNOWN_TOPICS_TOLD = 100


class Intake:
    """Updates go to the callbacks, answers to their requests, and what is neither is told of. One connection after
    another."""

    def __init__(
        self,
        protocol: Protocol,
        options: Options,
        topics: WantedTopics,
        callbacks: Callbacks,
        recorded: Recorded,
        lock: threading.Lock,
        pending: PendingRequests,
        clock: Clock,
        is_over: Callable[[], bool],
        watch_again: Callable[[], None],
    ) -> None:
        """``lock`` guards ``pending``. ``watch_again`` is told that a topic with a ``max_silence`` speaks again."""
        self._protocol = protocol
        self._options = options
        self._topics = topics
        self._callbacks = callbacks
        self._recorded = recorded
        self._lock = lock
        self._pending = pending
        self._clock = clock
        self._is_over = is_over
        self._watch_again = watch_again
        self._told_unknown: Set[str] = set()
        self.connection: Any = None
        """The one whose frames these are."""
        self.gap = GapTracker()
        self.received = 0
        """Frames."""
        self.last_received_ns = 0
        """Wall clock."""

    def begin(self, connection: Any) -> None:
        """Of a new connection."""
        self.connection = connection
        self._told_unknown.clear()

    def messages(self, messages: Sequence[Message]) -> None:
        """What one read of the network brought. Never raises."""
        received_ns = self._clock.wall_ns()
        if self._recorded.current is not None:
            self._recorded.received(messages, received_ns)
        self.received += len(messages)
        self.last_received_ns = received_ns
        if self._callbacks.inline:
            self._callbacks.deliver_waiting_events()
        raw, key, take = self._topics.raw, self._protocol.topic_key, self._callbacks.take
        usable = key is not None and bool(raw)
        short = usable and not self.gap.due
        source = messages.source if isinstance(messages, Batch) else None
        decode = codec.decode if source is None or not usable else codec.decoder(source)
        for payload, binary in messages:
            # The short way, for what nobody wants more of than the document. Everything else takes the other.
            if short and not binary:
                try:
                    document = decode(payload)
                    topic = document[key]
                    subscriptions = raw[topic]
                except (KeyError, TypeError, ValueError, ProtocolError):
                    pass
                else:
                    take(subscriptions, topic, document)
                    continue
            if not self._message(payload, binary, received_ns):
                break
            short = usable and not self.gap.due  # the answer to a login makes one due, the first update ends it
        self.flush()

    def _message(self, payload: bytes, binary: bool, received_ns: int) -> bool:
        """False where it was the last: nothing behind what breaks the WebSocket protocol is to be looked at."""
        try:
            inbound = self._protocol.receive(payload, binary)
            if len(inbound) == 1 and type(inbound[0]) is Push:
                self._push(inbound[0], received_ns)
            else:
                self._take_in(inbound, received_ns)
        except ProtocolError as error:
            self._callbacks.bad_frame(error)
            return binary or self._is_utf8(payload)
        except Exception as error:  # a defect of ours must not cost the connection
            logger.exception("%s: a frame could not be handled", self._protocol.venue)
            self._callbacks.bad_frame(ProtocolError(f"unexpected error: {error!r}"))
        return True

    def flush(self) -> None:
        if not self._callbacks.flush():
            self.connection.abort(f"the queue of {self._options.queue_size} updates is full (overflow='disconnect')")

    def _take_in(self, inbound: Sequence[Inbound], received_ns: int) -> None:
        """All that one frame means, where that is not one update."""
        # One document for several topics, or one value for several: whoever wants more than one gets it once.
        served: Optional[Set[Tuple[Subscription, int, str]]] = None if len(inbound) == 1 else set()
        for item in inbound:
            if isinstance(item, Push):
                self._push(item, received_ns, served)
            else:
                self.flush()  # what came before it
                self._reply(item)

    def _is_utf8(self, payload: bytes) -> bool:
        """What is no JSON has still to be UTF-8, or the connection fails: the transport leaves that to the decoder."""
        try:
            payload.decode("utf-8")
        except UnicodeDecodeError as error:
            self.connection.fail(INVALID_PAYLOAD, f"text that is not UTF-8: {error.reason}")
            return False
        return True

    def pong(self, payload: bytes) -> None:
        """A WebSocket pong. Unasked ones are allowed, and say nothing that any other frame would not."""
        reply = Reply(payload.decode("latin-1"), None)
        with self._lock:
            known = self._pending.has(reply)
        if known:
            self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        with self._lock:
            entry = self._pending.take(reply)
        if entry is None and self._is_over():
            return  # close() has ended its request
        if entry is None:
            raise ProtocolError(f"an answer to no request in flight (kind {reply.kind}, id {reply.key})")
        if entry.handler is not None:
            entry.handler(entry.request, reply)
        if entry.future is None:
            return
        try:
            result = self._protocol.conclude(entry.request, reply)
        except ProtocolError as error:
            # It was carried out, or it was not: the venue knows.
            reason = f"the answer to {entry.request.kind} cannot be read: {error}"
            entry.future.set_exception(UnreadableReply(reason, request_id=entry.request.key))
        except Exception as error:
            entry.future.set_exception(error)
        else:
            entry.future.set_result(result)

    def _push(self, push: Push, received_ns: int, served: Optional[Set[Tuple[Subscription, int, str]]] = None) -> None:
        topic = self._topics.get(push.topic)
        if topic is None:
            self._unknown_topic(push.topic)
            return
        if self.gap.due:
            self.announce_gap()
        if topic.max_silence is not None:
            if topic.silent:
                self._watch_again()
            topic.updated_at, topic.silent = self._clock.monotonic(), False
        push.received_ns = received_ns
        if served is None:
            self._callbacks.take(topic.subscriptions, push.topic, push)
            return
        for subscription in topic.subscriptions:
            # By identity: a venue's protocol gives the same object where it is the same value.
            raw = subscription.raw
            what = (subscription, id(push.document if raw else push.payload), "" if raw else push.symbol)
            if what not in served:
                served.add(what)
                self._callbacks.take((subscription,), push.topic, push)

    def _unknown_topic(self, topic: str) -> None:
        # Told once a topic and connection: the venue may send it a thousand times a second.
        tell = topic not in self._told_unknown and len(self._told_unknown) < _UNKNOWN_TOPICS_TOLD
        if tell:
            self._told_unknown.add(topic)
        self._callbacks.bad_frame(ProtocolError(f"an update of {topic}, which is not subscribed"), tell=tell)

    def announce_gap(self) -> None:
        gap = self.gap.announce(self._clock.monotonic())
        logger.warning(
            "%s: updates of %d topics may be missing from %.3f s", self._protocol.venue, len(gap.topics), gap.seconds
        )
        self._callbacks.emit(gap)
