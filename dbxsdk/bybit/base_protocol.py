"""What Bybit's sockets have in common: heartbeats and logins, and the requests and frames of those with topics."""

from __future__ import annotations

import abc
import os
import sys
from typing import Any, Collection, Dict, Optional, Sequence, Tuple

from dbxsdk.arguments import check_word
from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials, Login
from dbxsdk.bybit.envelope import checked, code, contents, is_pong, is_zero, pong_time_ms, request_id, words
from dbxsdk.bybit.venue_clock import VenueClock
from dbxsdk.codec import decode_object, encode
from dbxsdk.errors import ProtocolError, VenueError
from dbxsdk.protocol import Inbound, Protocol, Push, Reply, Request


def new_key() -> str:
    # 32 random characters (36 are allowed): a counter would start again in a forked child, and the venue refuses ids that
    # were used.
    return os.urandom(16).hex()


class BybitProtocol(Protocol):
    """Any of the sockets."""

    venue = "bybit"
    heartbeat_interval = 20.0
    connection_budget = (500, 300.0)

    def heartbeat(self) -> Request:
        # The JSON ping, since WebSocket ping frames do not keep the connection open.
        return self.request("ping", None)

    @abc.abstractmethod
    def _refusal(self, request: Request, document: Dict[str, Any]) -> Optional[VenueError]:
        """Return what the answer to ``request`` means; None for a yes."""

    def _pong(self, document: Dict[str, Any], id_name: str) -> Reply:
        # Without an id one cannot be told from another, and it does not matter: each proves life.
        return Reply(request_id(document, id_name), document, "ping", ordered=True)


class AccountProtocol(BybitProtocol):
    """A socket that logs in. Logins have a time, by a clock to which each pong states the venue's."""

    needs_time = False
    """True if the first login asks for the venue's time in any case."""

    def __init__(
        self, credentials: Credentials, auth_window: float = AUTH_WINDOW, *, clock: Optional[VenueClock] = None
    ) -> None:
        self._credentials = credentials
        self._clock = clock or VenueClock()
        self._login = Login(credentials, auth_window, self._clock, self.request, needs_time=self.needs_time)

    def reset(self) -> None:
        self._clock.connection_lost()  # its measurements are valid for the next one, too

    def login(self, now_ms: int) -> Tuple[Request, ...]:
        return self._login.start()  # by its own clock, which may know better

    def login_refusal(self) -> Optional[VenueError]:
        return self._login.undecided()

    def login_answered(self, request: Request, reply: Reply, now_ms: int) -> Tuple[Request, ...]:
        document = contents(reply)
        return self._login.answered(request, document, self._refusal(request, document), self._is_about_time(document))

    @abc.abstractmethod
    def _is_about_time(self, document: Dict[str, Any]) -> bool:
        """Return True if a refused login may mean that its time was wrong."""

    def _pong(self, document: Dict[str, Any], id_name: str) -> Reply:
        reply = super()._pong(document, id_name)
        self._clock.pong_came(reply.key, pong_time_ms(document))
        return reply


class TopicProtocol(BybitProtocol):
    """A socket with topics, public or private."""

    granted = {"success": True}
    topic_key = "topic"
    topic_prefix = b'{"topic":"'

    _most_topics = sys.maxsize
    """Topics of one request."""

    def request(self, method: str, params: Any) -> Request:
        if params is not None and not isinstance(params, (list, tuple)):
            raise TypeError(f"params must be a list, or None, not {type(params).__name__}")
        key = new_key()
        document: Dict[str, Any] = {"req_id": key, "op": method}
        if params is not None:
            document["args"] = list(params)
        topics: Tuple[str, ...] = ()
        if method in ("subscribe", "unsubscribe"):
            topics = tuple(topic for topic in params or () if isinstance(topic, str))
        return Request(key, encode(document), self._kind(method), topics, secret=method == "auth")

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        if not all(check_word("channel", channel).split(".")):
            raise ValueError(f"channel must not have empty parts between its dots: {channel!r}")
        return tuple(dict.fromkeys(f"{channel}.{symbol}" for symbol in symbols)) or (channel,)

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return self._split("subscribe", topics)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return self._split("unsubscribe", topics)

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = decode_object(payload, binary)
        topic = document.get("topic")
        if isinstance(topic, str):
            return (self._push(topic, document),)
        if topic is not None:
            raise ProtocolError(f"the topic is {type(topic).__name__}, not a text")
        return (self._reply(document),)

    def conclude(self, request: Request, reply: Reply) -> Any:
        refused = self._refusal(request, contents(reply))
        if refused is not None:
            raise refused
        return reply.document

    @abc.abstractmethod
    def _push(self, topic: str, document: Dict[str, Any]) -> Push:
        """Read an update of ``topic``."""

    def _split(self, op: str, topics: Sequence[str]) -> Tuple[Request, ...]:
        size = self._most_topics
        return tuple(self.request(op, topics[start:start + size]) for start in range(0, len(topics), size))

    def _kind(self, op: str) -> str:
        """Return the kind of the requests ``op``, by which a reply without an id finds them."""
        return op

    def _reply(self, document: Dict[str, Any]) -> Reply:
        if is_pong(document):
            return self._pong(document, "req_id")
        if "retCode" in document:
            id_name = "reqId"  # the order entry socket's envelope: the address is not that of this socket
        elif isinstance(document.get("success"), bool):
            id_name = "req_id"
        elif document.get("type") == "error" or "ret_code" in document:
            raise ProtocolError(f"the venue could not read a request: {words(document)}")
        else:
            raise ProtocolError("neither an update nor the reply to a request")
        op = document.get("op")
        return checked(Reply(request_id(document, id_name), document, self._kind(op) if isinstance(op, str) and op else None))

    def _refusal(self, request: Request, document: Dict[str, Any]) -> Optional[VenueError]:
        if is_pong(document) or document.get("success") is True or is_zero(document.get("retCode")):
            return None
        message = words(document) or "the venue refused the request and gave no reason"
        return VenueError(message, code=code(document), reply=document)
