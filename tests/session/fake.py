"""A venue and a network in memory, for tests of the session: every step is the test's to decide."""

from __future__ import annotations

import collections
import itertools
import json
import queue
import threading
from typing import Any, Callable, Collection, Deque, Dict, List, Optional, Sequence, Tuple

from dbxsdk.client import Client
from dbxsdk.errors import AuthError, ProtocolError, SubscribeError, VenueError
from dbxsdk.options import Options
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request
from dbxsdk.session import Connector
from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport import Ending, NotSent
from tests.waiting import PATIENCE, eventually

_hosts = itertools.count(1)


class FakeProtocol(Protocol):
    """Requests ``{"id", "do", "params"}``; replies ``{"id", "ok" | "no" | "refused"}``; pushes ``{"topic", "n"}`` or
    ``{"topics": [...], "n"}``."""

    venue = "fake"
    heartbeat_interval = 30.0
    topic_key = "topic"

    def __init__(self, logins: Sequence[str] = (), capacity: int = 1000) -> None:
        self._ids = itertools.count(1)
        self.logins = logins
        self.capacity = capacity
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def login(self, now_ms: int) -> Tuple[Request, ...]:
        return tuple(self.request(name, [now_ms]) for name in self.logins)

    def request(self, method: str, params: Any) -> Request:
        return self._request(method, params, ())

    def heartbeat(self) -> Request:
        return self.request("ping", None)

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        return tuple(dict.fromkeys(f"{channel}.{symbol}" for symbol in symbols)) or (channel,)

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        return tuple(topic for topic in topics if topic.split(".")[0] == channel)

    def check_capacity(self, topics: Collection[str]) -> None:
        if len(topics) > self.capacity:
            raise ValueError("symbols: too many")

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return (self._request("subscribe", list(topics), tuple(topics)),)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return (self._request("unsubscribe", list(topics), tuple(topics)),)

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        try:
            document = json.loads(payload)
        except ValueError as error:
            raise ProtocolError("not JSON") from error
        if "topics" in document:
            return [self._push(topic, document) for topic in document["topics"]]
        if "topic" in document:
            return [self._push(document["topic"], document)]
        return [Reply(document.get("id"), document, document.get("kind"))]

    def conclude(self, request: Request, reply: Reply) -> Any:
        if "ok" in reply.document:
            return reply.document["ok"]
        if "no" not in reply.document:
            raise ProtocolError("neither ok nor no")
        kind = AuthError if reply.document.get("final") else VenueError
        raise kind(str(reply.document.get("no")), code=7, reply=reply.document)

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        if "no" in reply.document and len(request.topics) > 1:
            return Acknowledgement(retry=tuple(self.subscribe([topic], ())[0] for topic in request.topics))
        bad = reply.document.get("refused", request.topics if "no" in reply.document else ())
        refused = {topic: SubscribeError(f"{topic} is unknown", topics=(topic,), code=9) for topic in bad}
        return Acknowledgement(tuple(t for t in request.topics if t not in refused), refused)

    def _request(self, method: str, params: Any, topics: Tuple[str, ...]) -> Request:
        number = next(self._ids)
        return Request(number, json.dumps({"id": number, "do": method, "params": params}), method, topics)

    def _push(self, topic: str, document: Any) -> Push:
        channel, _, symbol = topic.partition(".")
        return Push(topic, channel, symbol, "update", document, document, _read)


def _read(payload: Any) -> Any:
    if "n" not in payload:
        raise ProtocolError("n is missing")
    return payload["n"]


Answer = Callable[["FakeConnection", Dict[str, Any]], Any]


def say_yes(connection: "FakeConnection", request: Dict[str, Any]) -> Any:
    """The venue that agrees to everything and gives a request its own parameters back."""
    return {"id": request["id"], "ok": request["params"]}


class Network(Connector):
    """Makes the connections of one client, and says what becomes of each."""

    def __init__(self, answer: Answer = say_yes) -> None:
        self.answer = answer
        self.connections: List[FakeConnection] = []
        self.plans: Deque[Any] = collections.deque()
        """What the next connections do instead of opening: an ``Ending``, or a ``Gate`` to wait at first."""
        self.addresses: List[Any] = []
        self.url = f"ws://fake-{next(_hosts)}.invalid/"

    def connect(self, address: Any, options: Options, receiver: Any, prepare: Any) -> "FakeConnection":
        self.addresses.append(prepare(address, lambda raw: None) if prepare else address)
        connection = FakeConnection(self, receiver)
        self.connections.append(connection)
        return connection

    @property
    def now(self) -> "FakeConnection":
        """The newest connection."""
        return self.connections[-1]

    def connection(self, number: int) -> "FakeConnection":
        """The connection of that number (1 is the first), once it is open."""
        eventually(lambda: len(self.connections) >= number)
        connection = self.connections[number - 1]
        assert connection.opened.wait(PATIENCE), "the connection did not open"
        return connection

    def client(self, protocol: Optional[FakeProtocol] = None, **options: Any) -> "FakeClient":
        return FakeClient(self, protocol or FakeProtocol(), fast(**options))


def fast(**options: Any) -> Options:
    return Options(
        **{"backoff_initial": 0.01, "backoff_max": 0.05, "request_timeout": 5.0, "connect_timeout": 5.0, **options}
    )


class Gate:
    """A connection that waits here before it opens, or ends."""

    def __init__(self, ending: Optional[Ending] = None) -> None:
        self.ending = ending
        self.reached = threading.Event()
        self.open = threading.Event()


class FakeClient(Client):
    """A client whose connections come from a ``Network``."""

    def __init__(self, network: Network, protocol: FakeProtocol, options: Options) -> None:
        self._connector = network
        super().__init__(protocol, network.url, options=options)


class FakeConnection:
    """Stands in for ``transport.Connection``."""

    def __init__(self, network: Network, receiver: Any) -> None:
        self._network = network
        self._on_open = receiver.opened
        self._on_messages = receiver.messages
        self._inbox: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._ending: Optional[Ending] = None
        self._reader: Optional[int] = None
        self._waiting_since: Optional[float] = None
        self.opened = threading.Event()
        self.ended = threading.Event()
        self.stopped = False
        self.mute = False
        """Does not answer our close."""
        self.sent: List[Dict[str, Any]] = []
        self.send_failures: Deque[Exception] = collections.deque()
        self.abort_reasons: List[str] = []
        self.failures: List[int] = []
        self.last_received: Optional[float] = None
        self.last_sent: Optional[float] = None
        self.received_message_at: Optional[float] = None
        self.deaf = False
        """Takes nothing, like a peer that does not read."""
        self.stuck_since: Optional[float] = None
        self.recorded: Any = None
        self.secrets: Tuple[str, ...] = ()
        self._caught_up = 0.0

    # -- what the session calls ----------------------------------------------------------------------

    def run(self) -> Ending:
        self._reader = threading.get_ident()
        try:
            return self._run()
        finally:
            self._waiting_since = None
            self.ended.set()

    def _run(self) -> Ending:
        plan = self._network.plans.popleft() if self._network.plans else None
        if isinstance(plan, Gate):
            plan.reached.set()
            while not plan.open.wait(0.002):
                if self._ending is not None:
                    return self._ending
            plan = plan.ending
        if isinstance(plan, Ending):
            return plan
        if self._ending is not None:
            return self._ending
        self.last_received = self.last_sent = monotonic()
        self.opened.set()
        self._on_open()
        while self._ending is None:
            self._caught_up = self.last_received
            self._waiting_since = monotonic()
            item = self._inbox.get()
            self._waiting_since = None
            if isinstance(item, Ending):
                return item
            if item is not None and self._ending is None:
                payloads, done = item
                self.last_received = self.received_message_at = monotonic()
                self._on_messages([(payload, False) for payload in payloads])
                done.set()
        return self._ending

    def offer(self, text: str, *, ping: bool = False) -> bool:
        if self.stopped or not self.opened.is_set():
            raise NotSent("the connection is not open")
        if self.send_failures:
            raise self.send_failures.popleft()
        if self.deaf:
            self.stuck_since = self.stuck_since or monotonic()
            return False
        document = json.loads(text)
        self.sent.append(document)
        self.last_sent = monotonic()
        replies = self._network.answer(self, document)
        if replies is None:
            return True
        done = [self.push_documents(reply) for reply in (replies if isinstance(replies, list) else [replies])]
        if threading.get_ident() != self._reader and not self._waiting_held():
            # The answer is taken in before offer() has returned, as a fast venue's may be.
            done[-1].wait(0.2)
        return True

    def push(self, *documents: Any) -> Any:
        """Delivers messages (see ``push_documents``). Without any, as the session calls it: writes what is left."""
        if documents:
            return self.push_documents(*documents)
        if not self.deaf:
            self.stuck_since = None
        return not self.deaf

    def close(self) -> None:
        self.stopped = True
        if not self.mute:
            self._inbox.put(Ending("closed"))

    def abort(self, reason: str) -> None:
        self.stopped = True
        self.abort_reasons.append(reason)
        if self._ending is None:
            self._ending = Ending(reason)
        self._inbox.put(None)

    def fail(self, code: int, reason: str) -> None:
        self.failures.append(code)
        self.abort(reason)

    def forget(self) -> None:
        pass

    def silent_for(self, now: float) -> float:
        since = self._waiting_since
        return 0.0 if since is None else now - since

    def seen_until(self, now: float) -> float:
        return now if self._waiting_since is not None else self._caught_up

    # -- what tests call -----------------------------------------------------------------------------

    def push_documents(self, *documents: Any) -> threading.Event:
        """Delivers messages, as of one read of the network; the event is set when the session has taken them in."""
        done = threading.Event()
        texts = [document if isinstance(document, bytes) else json.dumps(document).encode() for document in documents]
        self._inbox.put((texts, done))
        return done

    def end(self, reason: str = "cut", code: Optional[int] = None, error: Any = None) -> None:
        """The peer ends the connection, after what was pushed before."""
        self._inbox.put(Ending(reason, code, error))

    def asked(self, method: str) -> List[Any]:
        """The parameters of the requests of this kind, in order."""
        return [request["params"] for request in self.sent if request["do"] == method]

    def _waiting_held(self) -> bool:
        return self._waiting_since is None
