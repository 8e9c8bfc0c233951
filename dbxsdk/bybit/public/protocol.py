"""Bybit v5's public sockets (spot, linear, inverse, option): intents to frames, frames to inbound events.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect and the pages of the public topics.
"""

from __future__ import annotations

import itertools
import secrets
from typing import Any, Collection, Dict, FrozenSet, List, Optional, Sequence, Tuple

from dbxsdk.bybit.envelope import (
    check_method,
    check_name,
    checked,
    code,
    is_pong,
    is_zero,
    refusal,
    request_id,
    whole_number,
    words,
)
from dbxsdk.bybit.public.channels import CATEGORIES, LONGEST_TOPIC, Route, plain, route
from dbxsdk.bybit.public.ticker_merge import Tickers
from dbxsdk.codec import decode_object, encode
from dbxsdk.errors import ProtocolError, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request

CONNECTION_CHARACTERS = 21_000
"""Lengths of all topics of one public connection, summed."""

OPTION_TOPICS = 2_000
"""Topics of one option connection; the other categories have no such limit."""

SPOT_REQUEST_TOPICS = 10
"""Topics of one spot request; the venue refuses the whole of a longer one."""

REQUEST_TOPICS = 500
"""Topics of one request of the others. The venue documents no limit; much longer requests were seen to end connections."""

REMEMBERED_TOPICS = 4_096

# Option replies do not say which they answer, a subscribe or an unsubscribe: both are of one kind.
COMMAND = "command"
COMMAND_REPLY = "COMMAND_RESP"


class BybitPublicProtocol(Protocol):
    """One public socket. ``category`` is ``"spot"``, ``"linear"``, ``"inverse"`` or ``"option"``."""

    venue = "bybit"
    client = "BybitPublicClient"
    granted = {"success": True}
    heartbeat_interval = 20.0
    topic_key = "topic"
    connection_budget = (500, 300.0)

    def __init__(self, category: str) -> None:
        if not isinstance(category, str):
            raise TypeError(f"category must be a str, not {type(category).__name__}")
        if category not in CATEGORIES:
            raise ValueError(f"category must be one of {', '.join(CATEGORIES)}, not {category!r}")
        self.category = self.socket = category
        self.settings = {"category": category}
        self._request_topics = SPOT_REQUEST_TOPICS if category == "spot" else REQUEST_TOPICS
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)  # next() on it is atomic: any thread makes requests
        self._routes: Dict[str, Route] = {}
        self._tickers = Tickers()
        # Channel and symbol, as the user gave them, of topics that are not known here. Written by any thread, one item at a
        # time.
        self._spelled: Dict[str, Tuple[str, str]] = {}

    def reset(self) -> None:
        self._tickers.clear()
        self._routes.clear()

    # Intents to frames

    def request(self, method: str, params: Any) -> Request:
        check_method(method)
        if params is not None and not isinstance(params, (list, tuple)):
            raise TypeError(f"params must be a list, or None, not {type(params).__name__}")
        key = self._key()
        document: Dict[str, Any] = {"req_id": key, "op": method}
        if params is not None:
            document["args"] = list(params)
        topics: Tuple[str, ...] = ()
        kind = method
        if method in ("subscribe", "unsubscribe"):
            topics = tuple(topic for topic in params or () if isinstance(topic, str))
            kind = self._kind(method)
        return Request(key, encode(document), kind, topics, secret=method == "auth")

    def heartbeat(self) -> Request:
        # The JSON ping, since WebSocket ping frames do not keep the connection open.
        return self.request("ping", None)

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        check_name("channel", channel)
        if not all(channel.split(".")):
            raise ValueError(f"channel must not have empty parts between its dots: {channel!r}")
        symbols = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        if not symbols:
            return (channel,)
        topics: Dict[str, None] = {}
        for symbol in symbols:
            check_name("symbols", symbol)
            topic = f"{channel}.{symbol}"
            topics[topic] = None
            if route(self.category, topic) is None:
                if len(self._spelled) >= REMEMBERED_TOPICS:
                    self._spelled.clear()
                self._spelled[topic] = (channel, symbol)
        return tuple(topics)

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

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return self._split("subscribe", topics)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return self._split("unsubscribe", topics)

    def _split(self, op: str, topics: Sequence[str]) -> Tuple[Request, ...]:
        size = self._request_topics
        return tuple(self.request(op, topics[start:start + size]) for start in range(0, len(topics), size))

    def _kind(self, op: str) -> str:
        return COMMAND if self.category == "option" else op

    def _key(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    # Frames to inbound events

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = decode_object(payload, binary)
        topic = document.get("topic")
        if isinstance(topic, str):
            return (self._push(topic, document),)
        if topic is not None:
            raise ProtocolError(f"the topic is {type(topic).__name__}, not a text")
        return (self._reply(document),)

    def carries_state(self, topic: str) -> bool:
        found = route(self.category, topic)
        return found is not None and found.merges

    def _push(self, topic: str, document: Dict[str, Any]) -> Push:
        found = self._routes.get(topic) or self._find_route(topic)
        kind = "update"
        if found.stateful and document.get("type") in ("snapshot", "delta"):
            kind = document["type"]
        payload = document if found.whole else document.get("data")
        if found.merges:
            payload = self._tickers.merge(topic, found.read, document)
        stamp = document.get("ts")
        venue_time_ms = stamp if type(stamp) is int else whole_number(stamp)
        return Push(topic, found.channel, found.symbol, kind, document, payload, found.read, venue_time_ms)

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
        op = document.get("op")
        if is_pong(document):
            # Without an id one cannot be distinguished from another, and it does not matter: each proves life.
            return Reply(request_id(document, "req_id"), document, "ping", ordered=True)
        if "retCode" in document:
            # The order entry socket's envelope: the address is not that of a public socket.
            return checked(Reply(request_id(document, "reqId"), document, self._reply_kind(op)))
        if isinstance(document.get("success"), bool):
            return checked(Reply(request_id(document, "req_id"), document, self._reply_kind(op)))
        if document.get("type") == "error" or "ret_code" in document:
            raise ProtocolError(f"the venue could not read a request: {words(document)}")
        raise ProtocolError("neither an update nor the reply to a request")

    def _reply_kind(self, op: Any) -> Optional[str]:
        if not isinstance(op, str) or not op:
            return None
        return self._kind(op) if op in ("subscribe", "unsubscribe") else op

    # Replies to outcomes

    def conclude(self, request: Request, reply: Reply) -> Any:
        document = reply.document if isinstance(reply.document, dict) else {}
        if is_pong(document) or document.get("success") is True or is_zero(document.get("retCode")):
            return document
        raise VenueError(
            words(document) or "the venue refused the request and gave no reason",
            code=code(document),
            reply=reply.document,
        )

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = reply.document if isinstance(reply.document, dict) else {}
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
    accepted = tuple(topic for topic in request.topics if topic in good and topic not in bad)
    refused = {}
    for topic in request.topics:
        if topic in bad:
            message = words(document) or "the venue lists it among the topics that failed"
            refused[topic] = refusal(topic, message, document)
        elif topic not in good:
            message = words(document) or "the venue's reply says nothing about it"
            refused[topic] = refusal(topic, message, document)
    return Acknowledgement(accepted=accepted, refused=refused)
