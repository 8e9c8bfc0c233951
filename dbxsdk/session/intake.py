"""The intake: what each read of the network means, and whom it concerns. The reader thread's own."""

from __future__ import annotations

from concurrent.futures import InvalidStateError
from typing import Any, Dict, Optional, Sequence, Set, Tuple

from dbxsdk import codec
from dbxsdk.errors import ProtocolError
from dbxsdk.events import LateReply
from dbxsdk.protocol import Inbound, Push, Reply, Request, TooLong
from dbxsdk.schema import FrameReader
from dbxsdk.session.core.requests import LOGIN, USER, Entry, link_ids, outcome
from dbxsdk.session.core.topics import Hole, Topic
from dbxsdk.session.delivery.queue import Room
from dbxsdk.session.shared import Shared
from dbxsdk.transport import INVALID_PAYLOAD, TOO_BIG, Message

_UNKNOWN_TOPICS_REPORTED = 100
_READERS = 4096
"""Topics with readers of their own, at most."""
_NO_HEAD = b"\xff"
"""How no text begins."""
_INFLATED_AT_ONCE = 256 * 1024
"""Bytes of inflated text that are staged before the queues decide: one read may bring a thousand times its size."""


class Intake:
    """Updates go to the dispatcher, answers to the machine, and what is neither is reported. One connection after another."""

    def __init__(self, shared: Shared) -> None:
        self._protocol = shared.protocol
        self._guard = shared.guard
        self._machine = shared.machine
        self._dispatcher = shared.dispatcher
        self._recorded = shared.recorded
        self._log = shared.log
        self._clock = shared.clock
        self._name = shared.name
        self._live = shared.connector.live
        self._unknown_topics: Set[str] = set()
        self._frame_readers: Dict[bytes, Tuple[Topic, FrameReader]] = {}
        """By topic, for those of which nobody wants more than models."""
        self._seen: Dict[str, Topic] = {}
        """Topics for which a reader was made, or for which there is none."""
        self._inflated = 0
        self._only: Optional[str] = None
        """The one topic whose updates are taken; None: all are."""
        self.received = 0
        """Frames."""

    def begin(self) -> None:
        """Reset per-connection state."""
        self._unknown_topics.clear()
        self._frame_readers.clear()
        self._seen.clear()

    def messages(self, messages: Sequence[Message]) -> None:
        """Handle the messages of one network read. Never raises."""
        clock, machine, dispatcher = self._clock, self._machine, self._dispatcher
        received_ns = clock.wall_ns()
        if self._recorded.current is not None:
            self._recorded.received(messages, received_ns)
        self.received += len(messages)
        before = machine.heard_at, machine.heard_ns
        machine.heard_at, machine.heard_ns = clock.monotonic(), received_ns
        if dispatcher.inline:
            dispatcher.deliver_waiting()
        raw, key, take, deliver = machine.topics.raw, self._protocol.topic_key, dispatcher.take, dispatcher.deliver
        short, inline = key is not None and bool(raw), dispatcher.inline
        frame_readers, begin = self._frame_readers, len(self._protocol.topic_prefix)
        found, head = None, _NO_HEAD
        for payload, binary in messages:
            if frame_readers and not binary:
                # The typed way: one decoder for the whole frame. Mostly it is the topic of the frame before.
                if not payload.startswith(head):
                    end = payload.find(b'"', begin) + 1
                    found = frame_readers.get(payload[begin:end - 1])
                    head = payload[:end] if found is not None else _NO_HEAD
                # Looked at once: another thread may change it meanwhile, and the update would be nobody's.
                takers = () if found is None else found[0].typed
                if found is not None and takers:
                    try:
                        update = found[1].update(payload, received_ns, None)
                    except Exception:  # noqa: S110 - the long way has the last word
                        pass
                    else:
                        subscription = takers[0]
                        if inline and subscription.queue is None and len(takers) == 1:  # ``take``, without the call
                            deliver(dispatcher.queue, subscription, found[0].name, update)
                        else:
                            take(takers, found[0].name, update, len(payload))
                        continue
                elif found is not None and self._typed(*found, payload, received_ns):
                    continue
            # The short way, for topics of which nobody wants more than the document. Everything else takes the other.
            if short and not binary:
                try:
                    document = codec.decode(payload)
                    topic = document[key]
                    subscriptions = raw[topic]
                except (KeyError, TypeError, ValueError, ProtocolError):
                    pass
                else:
                    take(subscriptions, topic, document, len(payload))
                    continue
            if not self._message(payload, binary, received_ns):
                break
        self._flush(before)

    def share(self, topic: str, messages: Sequence[Message]) -> None:
        """Handle messages of which only the updates of ``topic`` are this client's."""
        self._only = topic
        try:
            self.messages(messages)
        finally:
            self._only = None

    def _typed(self, topic: Topic, reader: FrameReader, payload: bytes, received_ns: int) -> bool:
        """Handle a frame of a topic that has sinks, or is watched for silence. False if that is for the long way."""
        plan = topic.plan  # looked at once, as above
        if plan is None:
            return False
        takers, sinks = plan
        try:
            frame = reader.read(payload)
            update = reader.update(payload, received_ns, frame) if takers else None
        except Exception:
            return False
        if topic.max_silence is not None:
            self._heard(topic)
        for sink in sinks:
            sink.take(frame, topic.present)
        if takers:
            self._dispatcher.take(takers, topic.name, update, len(payload))
        return True

    def _flush(self, before: Tuple[float, int]) -> None:
        """Put what was staged into the queues. ``before``: when the read before the one in hand came."""
        room = self._dispatcher.flush()
        if room is Room.ENOUGH:
            return
        options = self._machine.options
        bounds = f"queue_size ({options.queue_size}) or queue_bytes ({options.queue_bytes})"
        if room is Room.REFUSED:
            self._machine.cut = Hole(*before)
            reason = f"the queue is full: {bounds}"
        else:
            reason = f"callbacks are too slow: twice {bounds} are waiting"
        connection = self._guard.connection
        if connection is not None:
            connection.abort(reason)

    def _message(self, payload: bytes, binary: bool, received_ns: int) -> bool:
        """Handle one message. False if it was the last: nothing behind what breaks the WebSocket protocol is looked at."""
        is_text = not binary
        try:
            if binary:
                text = self._protocol.inflate(payload, self._machine.options.max_message_size)
                if text is not None:
                    payload, binary = text, False
                    self._inflated += len(text)
            inbound = self._protocol.receive(payload, binary)
            if len(inbound) == 1 and type(inbound[0]) is Push:
                self._push(inbound[0], received_ns, len(payload))
            else:
                self._several(inbound, received_ns, len(payload))
            if self._inflated > _INFLATED_AT_ONCE:
                self._inflated = 0
                self._dispatcher.put_staged()
        except TooLong as error:
            self._dispatcher.bad_frame(error)
            self._guard.connection.fail(TOO_BIG, str(error))
            return False
        except ProtocolError as error:
            self._dispatcher.bad_frame(error)
            return not is_text or self._is_utf8(payload)
        except Exception as error:  # a defect of ours must not cost the connection
            self._log.exception("a frame could not be handled")
            self._dispatcher.bad_frame(ProtocolError(f"unexpected error: {error!r}"))
        return True

    def _several(self, inbound: Sequence[Inbound], received_ns: int, size: int) -> None:
        """Handle a frame that carries a reply or several updates."""
        # One document for several topics, or one value for several: a subscription that wants more than one gets it once.
        served: Optional[Set[Any]] = None if len(inbound) == 1 else set()
        for item in inbound:
            if isinstance(item, Push):
                if self._only is None or item.topic == self._only:
                    self._push(item, received_ns, size, served)
            elif self._live:
                self._dispatcher.put_staged()  # what came before it
                self.answer(item)

    def _is_utf8(self, payload: bytes) -> bool:
        """What is no JSON has still to be UTF-8, or the connection fails: the transport leaves that to the decoder."""
        try:
            payload.decode("utf-8")
        except UnicodeDecodeError as error:
            self._guard.connection.fail(INVALID_PAYLOAD, f"text that is not UTF-8: {error.reason}")
            return False
        return True

    def pong(self, payload: bytes) -> None:
        """Handle a WebSocket pong. Unasked ones are allowed, and say nothing that any other frame would not."""
        reply = Reply(payload.decode("latin-1"), None)
        with self._guard.lock:
            known = self._machine.requests.knows(reply.key)
        if known:
            self.answer(reply)

    # -- answers -------------------------------------------------------------------------------------

    def answer(self, reply: Reply) -> None:
        """Bring an answer to its request. Raises ``ProtocolError`` if there is none."""
        entry, late = self._guard.do(self._machine.answered, reply, self._clock.monotonic())
        if entry is None:
            if late is not None:
                self._late(late, reply)
            elif not (self._machine.link.state.is_over or self._guard.connection is None or self._guard.connection.stopped):
                # Else its request has ended together with the connection.
                raise ProtocolError(f"an answer to no request in flight (kind {reply.kind}, id {reply.key})")
        elif entry.role is LOGIN:
            self._login(entry.request, reply)
        elif entry.role is USER:
            self._conclude(entry, reply)

    def _conclude(self, entry: Entry, reply: Reply) -> None:
        result, error = outcome(self._protocol, entry.request, reply)
        try:
            if error is None:
                entry.future.set_result(result)
            else:
                entry.future.set_exception(error)
        except InvalidStateError:
            pass  # decided already: a decision was mended meanwhile, or the process was forked

    def _late(self, request: Request, reply: Reply) -> None:
        """Report the answer to a request whose caller got an ``OutcomeUnknown``."""
        if request.topics:
            return  # a subscription that was ended in the meantime, or asked for again
        result, error = outcome(self._protocol, request, reply)
        self._log.info("the answer to %s came after its timeout", request.kind)
        link_id, _ = link_ids(request)
        self._dispatcher.emit(LateReply(request.key, link_id, result, error, client=self._name))

    # -- login ---------------------------------------------------------------------------------------

    def login(self) -> None:
        """Ask what logs the connection in. Without a lock: a signer is users' code."""
        try:
            requests = self._protocol.login(self._now_ms())
        except Exception as error:  # a signer of the user's may raise anything
            self._login_failed(error)
        else:
            self._guard.do(self._machine.opened, requests, self._clock.monotonic())

    def _login(self, request: Request, reply: Reply) -> None:
        try:
            more = self._protocol.login_answered(request, reply, self._now_ms())
        except Exception as error:
            self._login_failed(error)
        else:
            self._guard.do(self._machine.login_answered, more, self._clock.monotonic())

    def _login_failed(self, error: Exception) -> None:
        self._guard.do(self._machine.login_failed, error)

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000

    # -- updates -------------------------------------------------------------------------------------

    def _push(self, push: Push, received_ns: int, size: int, served: Optional[Set[Any]] = None) -> None:
        topic = self._machine.topics.get(push.topic)
        if topic is None:
            self._unknown_topic(push.topic)
            return
        if topic.hole is not None:
            self._dispatcher.put_staged()  # what came before the gap
            self._guard.do(self._machine.first_update, topic, self._clock.monotonic())
        if topic.max_silence is not None:
            self._heard(topic)
        if topic.plan is not None and self._seen.get(topic.name) is not topic:
            self._make_reader(topic)
        push.received_ns = received_ns
        for sink in topic.sinks:
            sink.take(push, topic.present)
        if not topic.established:
            if not topic.present:
                return  # of an earlier subscription: those who want it now have not begun
            topic.begun = True
        if served is None:
            if topic.queued:
                self._dispatcher.take(topic.queued, push.topic, push, size)
            return
        for subscription in topic.queued:
            # By identity: a venue's protocol gives the same object if it is the same value.
            raw = subscription.raw
            what = (subscription, id(push.document if raw else push.payload), "" if raw else push.symbol)
            if what not in served:
                served.add(what)
                # What leaves in its order holds one frame at most whose first update, which weighs for all, has left.
                lane = None if subscription.overflow == "latest" else (subscription.queue, subscription.overflow)
                self._dispatcher.take((subscription,), push.topic, push, 0 if lane in served else size)
                if lane is not None:
                    served.add(lane)

    def _heard(self, topic: Topic) -> None:
        """Note that a topic with a ``max_silence`` is not silent."""
        if topic.silent:
            self._guard.wake_watch()
        topic.updated_at, topic.silent = self._machine.heard_at, False

    def _make_reader(self, topic: Topic) -> None:
        """Have the next updates of ``topic`` read the typed way, where there is one."""
        if len(self._seen) >= _READERS:
            self._frame_readers.clear()
            self._seen.clear()
        self._seen[topic.name] = topic
        try:
            reader = self._protocol.frame_reader(topic.name)
        except Exception as error:  # an old msgspec, say: it is a shorter way, and no more
            self._log.info("%s has no typed reader: %r", topic.name, error)
            return
        if reader is not None:
            self._frame_readers[topic.name.encode()] = topic, reader

    def _unknown_topic(self, topic: str) -> None:
        if not self._live:
            return  # it was subscribed then, and is not now
        # Reported once a topic and connection: the venue may send it a thousand times a second.
        report = topic not in self._unknown_topics and len(self._unknown_topics) < _UNKNOWN_TOPICS_REPORTED
        if report:
            self._unknown_topics.add(topic)
        self._dispatcher.bad_frame(ProtocolError(f"an update of {topic}, which is not subscribed"), report=report)
