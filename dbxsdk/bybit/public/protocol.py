"""Bybit v5's public sockets: intents to frames, frames to inbound events.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect and the pages of the public topics.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, FrozenSet, List, Literal, Optional, Sequence, Tuple

from dbxsdk.arguments import check_choice
from dbxsdk.bybit.base_protocol import TopicProtocol
from dbxsdk.bybit.envelope import contents, refusal, request_id, whole_number, words
from dbxsdk.bybit.endpoints import SOCKETS
from dbxsdk.bybit.public.channels import LONGEST_TOPIC, Route, check_channel, plain, route
from dbxsdk.bybit.public.ticker_merge import Tickers
from dbxsdk.errors import ProtocolError
from dbxsdk.protocol import Acknowledgement, Push, Reply, Request
from dbxsdk.schema import FrameReader, frame_reader, shape, struct

CONNECTION_CHARACTERS = 21_000
"""Lengths of all topics of one public connection, summed."""

OPTION_TOPICS = 2_000
"""Topics of one option connection; the other categories have no such limit."""

SPOT_REQUEST_TOPICS = 10
"""Topics of one spot request; the venue refuses the whole of a longer one."""

REQUEST_TOPICS = 500
"""Topics of one request of the others. The venue documents no limit; much longer requests were seen to end connections."""

REMEMBERED_TOPICS = 4_096

_KINDS = ("snapshot", "delta")

# Option and spread replies do not say which they answer, a subscribe or an unsubscribe: both are of one kind. What the sockets
# of event contracts and of the system's status reply is documented nowhere: any form is taken.
COMMAND = "command"
COMMAND_REPLY = "COMMAND_RESP"
_WITH_OPS = ("spot", "linear", "inverse")


class BybitPublicProtocol(TopicProtocol):
    """One public socket: that of one ``category``, or another of ``SOCKETS``."""

    client = "BybitPublicClient"

    def __init__(self, category: str) -> None:
        self.category = self.socket = check_choice("category", category, SOCKETS)
        self.settings = {"category": category}
        self._most_topics = SPOT_REQUEST_TOPICS if category == "spot" else REQUEST_TOPICS
        self._routes: Dict[str, Route] = {}
        self._tickers = Tickers()
        # Channel and symbol, as the user gave them, of topics that are not known here. Written by any thread, one item at a
        # time.
        self._spelled: Dict[str, Tuple[str, str]] = {}

    def reset(self) -> None:
        self._tickers.clear()
        self._routes.clear()

    # Intents to frames

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        topics = super().topics(channel, symbols)
        for topic in topics if symbols else ():
            if route(self.category, topic) is None:
                if len(self._spelled) >= REMEMBERED_TOPICS:
                    self._spelled.clear()
                self._spelled[topic] = (channel, topic[len(channel) + 1:])
        return topics

    def check_channel(self, channel: str, symbols: Sequence[str]) -> None:
        check_channel(self.category, channel, symbols)

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        # The dot keeps "order" from covering "orderbook.50.BTCUSDT".
        inside = channel + "."
        return tuple(topic for topic in topics if topic == channel or topic.startswith(inside))

    def check_capacity(self, topics: Collection[str]) -> None:
        characters = sum(map(len, topics))
        if characters > CONNECTION_CHARACTERS:
            raise ValueError(
                f"symbols: one connection takes topics of {CONNECTION_CHARACTERS} characters together, these "
                f"{len(topics)} have {characters}; use several clients"
            )
        if self.category == "option" and len(topics) > OPTION_TOPICS:
            raise ValueError(
                f"symbols: one option connection takes {OPTION_TOPICS} topics, these are {len(topics)}; use several clients"
            )

    def _kind(self, op: str) -> str:
        return COMMAND if self.category not in _WITH_OPS and op in ("subscribe", "unsubscribe") else op

    # Frames to inbound events

    def carries_state(self, topic: str) -> bool:
        found = route(self.category, topic)
        return found is not None and found.merges

    def whole(self, topic: str, document: Any) -> Any:
        data = self._tickers.latest(topic)
        return None if data is None else {**document, "type": "snapshot", "data": dict(data)}

    def _push(self, topic: str, document: Dict[str, Any]) -> Push:
        found = self._routes.get(topic) or self._find_route(topic)
        kind = "update"
        if found.stateful and document.get("type") in _KINDS:
            kind = document["type"]
        payload = document if found.whole else document.get("data")
        if found.merges:
            payload = self._tickers.merge(topic, found.read, document)
        stamp = document.get("ts")
        venue_time_ms = stamp if type(stamp) is int else whole_number(stamp)
        return Push(topic, found.channel, found.symbol, kind, document, payload, found.read, venue_time_ms)

    def frame_reader(self, topic: str) -> Optional[FrameReader]:
        found = self._routes.get(topic) or self._find_route(topic)
        read, key, field = getattr(found.read, "enveloped", (found.read, None, ""))
        inner = None if found.merges or found.whole is (key is None) else shape(read)
        if inner is None:
            return None
        fields: List[Tuple[str, str, Any, bool]] = [
            ("topic", "topic", Literal[topic], True),
            ("venue_time_ms", "ts", Optional[int], False),
            ("payload", "data", inner.type, True),
        ]
        if key is not None:
            fields.append(("beside", key, Any, False))
        if found.stateful:
            # Of a frame that has another kind, or none, the long way decides what it is.
            fields.append(("kind", "type", Literal[_KINDS], True))

        def complete(frame: Any) -> None:
            setattr(frame.payload, field, frame.beside)

        return frame_reader(
            struct("Frame", fields), inner.build, prepare=key and complete, has_kind=found.stateful,
            venue=self.venue, channel=found.channel, symbol=found.symbol,
        )

    def _find_route(self, topic: str) -> Route:
        found = route(self.category, topic)
        if found is None:
            channel, symbol = self._spelled.get(topic, (topic, ""))
            found = Route(channel, symbol, plain, stateful=True)
        # Bounded, so that a venue that invents topics cannot fill the memory.
        if len(self._routes) >= REMEMBERED_TOPICS:
            self._routes.clear()
        if len(topic) <= LONGEST_TOPIC:
            self._routes[topic] = found
        return found

    def _reply(self, document: Dict[str, Any]) -> Reply:
        if document.get("type") == COMMAND_REPLY:
            named = frozenset(_command_topics(document, "successTopics") + _command_topics(document, "failTopics"))
            return Reply(request_id(document, "req_id"), document, COMMAND, named or None)
        return super()._reply(document)

    # Replies to outcomes

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = contents(reply)
        if document.get("type") == COMMAND_REPLY:
            return _acknowledge_each(request, document)
        if document.get("success") is True:
            return Acknowledgement(accepted=request.topics)
        return self._acknowledge_refusal(request, document)

    def _acknowledge_refusal(self, request: Request, document: Dict[str, Any]) -> Acknowledgement:
        """Take in a refusal. One bad topic refuses the whole request, and the text names only the first one. Each retry has
        fewer topics than ``request``, so that it ends in any case."""
        topics = request.topics
        message = words(document)
        offender = _offender(message)
        if offender in topics:
            rest = tuple(topic for topic in topics if topic != offender)
            retry = self._split("subscribe", rest)
            if "already subscribed" in message:
                return Acknowledgement(accepted=(offender,), retry=retry)
            return Acknowledgement(refused={offender: refusal(offender, message, document)}, retry=retry)
        if len(topics) > 1 and "retCode" not in document:
            return Acknowledgement(retry=tuple(self.request("subscribe", (topic,)) for topic in topics))
        return Acknowledgement(refused={topic: refusal(topic, message, document) for topic in topics})


def _offender(message: str) -> str:
    """Return the topic that a refusal names, or an empty text.

    Futures: ``error:handler not found,topic:T``, ``error:already subscribed,topic:T``. Spot: ``Invalid symbol :[T]``,
    ``Invalid topic :[T]``.
    """
    # Without a pattern: a hostile long text would make one with two open ends slow.
    _, named, topic = message.partition("topic:")
    if named:
        return topic.strip()
    start, end = message.find("["), message.rfind("]")
    return message[start + 1:end].strip() if 0 <= start < end else ""


def _command_topics(document: Dict[str, Any], name: str) -> List[str]:
    data = document.get("data")
    if data is None:
        return []
    topics = data.get(name) if isinstance(data, dict) else data
    if topics is None:
        return []
    if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
        raise ProtocolError(f"{COMMAND_REPLY}: {name} is not a list of texts")
    return topics


def _acknowledge_each(request: Request, document: Dict[str, Any]) -> Acknowledgement:
    """Return what the option socket says about each topic. Its yes does not prove that the topic has data."""
    try:
        good: FrozenSet[str] = frozenset(_command_topics(document, "successTopics"))
        bad: FrozenSet[str] = frozenset(_command_topics(document, "failTopics"))
    except ProtocolError:
        good = bad = frozenset()
    refused = {}
    for topic in request.topics:
        if topic in bad or topic not in good:
            unexplained = "lists it among the topics that failed" if topic in bad else "says nothing about it"
            refused[topic] = refusal(topic, words(document) or f"the venue's reply {unexplained}", document)
    accepted = tuple(topic for topic in request.topics if topic not in refused)
    return Acknowledgement(accepted=accepted, refused=refused)
