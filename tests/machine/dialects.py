"""How the model venue speaks: a protocol of four small words, its replies with ids or without."""

from __future__ import annotations

import itertools
from typing import Any, Collection, Dict, Sequence, Set, Tuple

from dbxsdk.errors import AuthError, ProtocolError, SubscribeError, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request
from tests.machine.setting import Setting

TRADES, BOOKS = "t", "b"
GOOD = ("t.a", "t.b", "b.c", "b.d")
BAD = ("t.bad", "b.bad")


class ModelProtocol(Protocol):
    """Frames are texts ``"number method topic,topic"``. Messages are documents, of which nothing has to be decoded:

    * ``{"topic", "kind", "n"}``: an update;
    * ``{"number", "method", "topics"}`` and what the venue says: ``"no"`` (its text; ``"final"`` for good), ``"refused"`` and
      ``"dropped"`` (topics), ``"garbled"``.
    """

    venue = "model"
    heartbeat_interval = 10.0

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.topic_key = "topic" if setting.short_way else None
        self.longest_connection = setting.longest
        self._numbers = itertools.count(1)
        self._steps = 0
        self._wanted: Set[str] = set()

    def reset(self) -> None:
        self._steps = self.setting.logins
        self._wanted.clear()

    # -- intents to frames ---------------------------------------------------------------------------

    def login(self, now_ms: int) -> Sequence[Request]:
        return self._login()

    def login_answered(self, request: Request, reply: Reply, now_ms: int) -> Sequence[Request]:
        self.conclude(request, reply)
        return self._login()

    def _login(self) -> Sequence[Request]:
        if not self._steps:
            return ()
        self._steps -= 1
        return (self._request("login"),)

    def request(self, method: str, params: Any) -> Request:
        return self._request(method)

    def heartbeat(self) -> Request:
        if self.setting.pings == "frame":
            number = next(self._numbers)
            return Request(str(number), str(number), "ping", is_ping=True)
        return self._request("ping")

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        return tuple(dict.fromkeys(f"{channel}.{symbol}" for symbol in symbols))

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        return tuple(topic for topic in topics if topic.partition(".")[0] == channel)

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Sequence[Request]:
        self._wanted.update(topics)
        return (self._request("subscribe", topics, live if self.setting.drops else ()),)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Sequence[Request]:
        self._wanted.difference_update(topics)
        known = [topic for topic in topics if not (self.setting.endless and topic.startswith(TRADES))]
        return (self._request("unsubscribe", known),) if known else ()

    def renewed_with(self, topic: str) -> Collection[str]:
        channel = topic.partition(".")[0]
        return self.topics_of(channel, GOOD) if self.setting.together else (topic,)

    def _request(self, method: str, topics: Sequence[str] = (), beside: Collection[str] = ()) -> Request:
        number = next(self._numbers)
        frame = f"{number} {method} {','.join(topics)}"
        by_topics = self.setting.dialect == "topics" and bool(topics)
        alone = bool(topics) and (self.setting.dialect == "kinds" or self.setting.drops)
        decided = tuple(topics) if by_topics else tuple(dict.fromkeys((*topics, *beside)))
        return Request(number, frame, "command" if by_topics else method, decided, alone=alone)

    # -- messages to events --------------------------------------------------------------------------

    def receive(self, payload: Any, binary: bool) -> Sequence[Inbound]:
        if "topic" in payload:
            topic = payload["topic"]
            channel, _, symbol = topic.partition(".")
            return (Push(topic, channel, symbol, payload["kind"], payload, payload["n"], _read),)
        return (self._reply(payload),)

    def _reply(self, document: Dict[str, Any]) -> Reply:
        number, method, topics = document["number"], document["method"], document["topics"]
        dialect = self.setting.dialect
        if method == "ping" and self.setting.pings == "ordered":
            return Reply(None, document, "ping", ordered=True)
        if topics and dialect == "topics":
            return Reply(None, document, "command", frozenset(topics))
        if topics and dialect == "kinds":
            return Reply(None, document, method, ordered=method == "unsubscribe")
        if "no" in document and dialect == "kinds" and method == "order":
            return Reply(None, document, method)  # refusals come without the id
        return Reply(number, document)

    def carries_state(self, topic: str) -> bool:
        return topic.startswith(BOOKS)

    # -- replies to outcomes -------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        if reply.document is None:
            return None
        if "no" in reply.document:
            kind = AuthError if reply.document.get("final") else VenueError
            raise kind(reply.document["no"], code=reply.document["number"], reply=reply.document)
        if "garbled" in reply.document:
            raise ProtocolError("neither yes nor no")
        return reply.document["number"]

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = reply.document
        asked, dropped = document["topics"], [topic for topic in document.get("dropped", ()) if topic in request.topics]
        # Each of these may end others in its turn.
        again = tuple(self.subscribe([topic], request.topics)[0] for topic in dropped if topic in self._wanted)
        if "no" in document and len(asked) > 1:
            alone = tuple(self.subscribe([topic], request.topics)[0] for topic in asked)
            return Acknowledgement(retry=alone + again, dropped=tuple(dropped))
        bad = asked if "no" in document or "garbled" in document else document.get("refused", ())
        refused = {topic: SubscribeError("unknown", topics=(topic,), code=9) for topic in bad}
        accepted = tuple(topic for topic in asked if topic not in refused)
        return Acknowledgement(accepted, refused, again, tuple(dropped))


def _read(payload: Any) -> Any:
    return payload
