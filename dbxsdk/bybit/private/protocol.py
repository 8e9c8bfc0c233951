"""Bybit v5's private socket: login, subscriptions, and the account's updates.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect and the pages of the private topics.
"""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Any, Callable, Collection, Dict, List, Optional, Sequence, Tuple

from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials, Login
from dbxsdk.bybit.envelope import (
    check_method,
    check_name,
    checked,
    code,
    is_pong,
    is_zero,
    pong_time_ms,
    refusal,
    request_id,
    whole_number,
    words,
)
from dbxsdk.bybit.private.channels import channel_of, conflict, reader_of
from dbxsdk.bybit.venue_clock import VenueClock, steady, wall
from dbxsdk.codec import decode_object, encode
from dbxsdk.errors import AuthError, ProtocolError, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request

# The venue's text for a signature whose time is wrong, and for everything else that is wrong with a login.
_PARAMS_ERROR = "params error"


class BybitPrivateProtocol(Protocol):
    """The private socket of one account. Logins have a time, so it is given clocks: ``clock()`` is seconds since 1970,
    ``steady()`` seconds by a clock that is never set. Each pong states the venue's time.
    """

    venue = "bybit"
    socket = "private"
    client = "BybitPrivateClient"
    granted = {"success": True}
    heartbeat_interval = 20.0
    topic_key = "topic"
    connection_budget = (500, 300.0)

    def __init__(
        self,
        credentials: Credentials,
        auth_window: float = AUTH_WINDOW,
        *,
        clock: Callable[[], float] = wall,
        steady: Callable[[], float] = steady,
    ) -> None:
        self._credentials = credentials
        self._clock = VenueClock(clock, steady)
        self._login = Login(credentials, auth_window, self._clock, self.request)
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)  # next() on it is atomic: any thread makes requests

    def reset(self) -> None:
        self._clock.connection_lost()  # its measurements are valid for the next one, too

    # -- login ---------------------------------------------------------------------------------------

    def login(self, now_ms: int) -> Tuple[Request, ...]:
        return self._login.start()  # by its own clock, which may know better

    def login_refusal(self) -> Optional[VenueError]:
        return self._login.undecided()

    def login_answered(self, request: Request, reply: Reply, now_ms: int) -> Tuple[Request, ...]:
        document = _object(reply)
        refused = self._refusal(request, document)
        about_time = words(document).strip().lower() == _PARAMS_ERROR
        return self._login.answered(request, document, refused, about_time)

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        check_method(method)
        if params is not None and not isinstance(params, (list, tuple)):
            raise TypeError(f"params must be a list, or None, not {type(params).__name__}")
        key = f"{self._prefix}-{next(self._numbers)}"
        if method == "ping":
            self._clock.ping_made(key)
        document: Dict[str, Any] = {"req_id": key, "op": method}
        if params is not None:
            document["args"] = list(params)
        topics: Tuple[str, ...] = ()
        if method in ("subscribe", "unsubscribe"):
            topics = tuple(topic for topic in params or () if isinstance(topic, str))
        return Request(key, encode(document), method, topics, secret=method == "auth")

    def heartbeat(self) -> Request:
        # The JSON ping, since WebSocket ping frames do not keep the connection open.
        return self.request("ping", None)

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        check_name("channel", channel)
        if not all(channel.split(".")):
            raise ValueError(f"channel must not have empty parts between its dots: {channel!r}")
        symbols = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        for symbol in symbols:
            check_name("symbols", symbol)
        return tuple(dict.fromkeys(f"{channel}.{symbol}" for symbol in symbols)) or (channel,)

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        # By the known channels, since "execution" begins "execution.fast"; unknown ones by whole parts.
        inside = channel + "."
        return tuple(
            topic
            for topic in topics
            if topic == channel or channel_of(topic) == channel or (channel_of(topic) is None and topic.startswith(inside))
        )

    def check_capacity(self, topics: Collection[str]) -> None:
        """Raise ``ValueError`` if the all-in-one and a categorised form of one channel are both wanted. The venue refuses
        them in one request, and says nothing about two requests. It documents no limit of topics."""
        clash = conflict(topics)
        if clash is not None:
            whole, part = clash
            raise ValueError(
                f"channel: {whole!r} has the updates of all categories, including {part!r}, and the venue does not take "
                f"both; unsubscribe one of them, or use a second client"
            )

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return (self.request("subscribe", topics),) if topics else ()

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return (self.request("unsubscribe", topics),) if topics else ()

    # -- frames to inbound events --------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = decode_object(payload, binary)
        topic = document.get("topic")
        if isinstance(topic, str):
            stamp = whole_number(document.get("creationTime"))
            # The topic is the channel, categories included: what follows the dot is not a symbol.
            return (Push(topic, topic, "", "update", document, document.get("data"), reader_of(topic), stamp),)
        if topic is not None:
            raise ProtocolError(f"the topic is {type(topic).__name__}, not a text")
        op = document.get("op")
        kind = op if isinstance(op, str) and op else None
        if is_pong(document):
            # Without an id one cannot be distinguished from another, and it does not matter: each proves life.
            key = request_id(document, "req_id")
            self._clock.pong_came(key, pong_time_ms(document))
            return (Reply(key, document, "ping", ordered=True),)
        if "retCode" in document:
            # The order entry socket's envelope: the address is not that of a private socket.
            return (checked(Reply(request_id(document, "reqId"), document, kind)),)
        if isinstance(document.get("success"), bool):
            return (checked(Reply(request_id(document, "req_id"), document, kind)),)
        if document.get("type") == "error" or "ret_code" in document:
            raise ProtocolError(f"the venue could not read a request: {self._credentials.redact(words(document))}")
        raise ProtocolError("neither an update nor the reply to a request")

    # -- replies to outcomes -------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        refused = self._refusal(request, _object(reply))
        if refused is not None:
            raise refused
        return reply.document

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        """Return what is decided: a request may succeed in part, and then the text lists what did, and what did not."""
        document = _object(reply)
        topics = request.topics
        message = self._credentials.redact(words(document))
        good, bad = _listed(message)
        refused = {topic: refusal(topic, message, document) for topic in topics if topic in bad}
        if document.get("success") is True:
            return Acknowledgement(tuple(topic for topic in topics if topic not in refused), refused)
        accepted = tuple(topic for topic in topics if topic in good and topic not in refused)
        unnamed = tuple(topic for topic in topics if topic not in good and topic not in refused)
        if len(topics) > 1:
            # A text without lists, or in an unknown form, decides nothing: a request for each alone is a plain yes or no.
            return Acknowledgement(accepted, refused, tuple(self.request("subscribe", (topic,)) for topic in unnamed))
        refused.update((topic, refusal(topic, message, document)) for topic in unnamed)
        return Acknowledgement(accepted, refused)

    def _refusal(self, request: Request, document: Dict[str, Any]) -> Optional[VenueError]:
        if is_pong(document) or document.get("success") is True or is_zero(document.get("retCode")):
            return None
        message = self._credentials.redact(words(document)) or "the venue refused the request and gave no reason"
        if request.kind == "auth":
            # Here the venue sends no codes, only texts, and the same one for most causes.
            return AuthError(f"the login was refused: {message}", code=code(document), reply=document)
        return VenueError(message, code=code(document), reply=document)


def _object(reply: Reply) -> Dict[str, Any]:
    return reply.document if isinstance(reply.document, dict) else {}


def _listed(message: str) -> Tuple[Collection[str], Collection[str]]:
    """Return the topics that a text lists in brackets as successful, and those that it lists as failed.

    ``Batch subscription partially succeeded and partially failed.Successful subscriptions are as follows:[A, B].
    Subscription to the following topics failed because ...:[C].`` The separator within one list was never seen: no
    topic has a blank, comma, semicolon or quote.
    """
    good: List[str] = []
    bad: List[str] = []
    end = 0
    # No pattern with two open ends: a hostile long text would make it slow.
    for found in re.finditer(r"\[[^\[\]]*\]", message):
        before = message[end:found.start()].lower()
        end = found.end()
        names = [name for name in re.split(r"[\s,;\"']+", found.group()[1:-1]) if name]
        # Both words may precede the list: the nearer one is meant.
        if before.rfind("success") > before.rfind("fail"):
            good += names
        elif "fail" in before:
            bad += names
    return frozenset(good), frozenset(bad)
