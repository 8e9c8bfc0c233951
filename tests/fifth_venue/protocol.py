"""Atoll's rules: requests to frames, frames to replies and updates."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from typing import Any, Collection, Optional, Sequence, Tuple

from dbxsdk import clean, codec
from dbxsdk.arguments import check_choice, check_credential
from dbxsdk.errors import AuthError, ProtocolError, SubscribeError, VenueError
from dbxsdk.fields import each, reader
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request
from tests.fifth_venue.models import Book, Fill, Trade

CHANNELS = {"trades": each(reader(Trade)), "book": reader(Book), "fills": each(reader(Fill))}


class AtollProtocol(Protocol):
    """The venue's one socket."""

    venue = "atoll"
    client = "AtollClient"
    granted = {"ok": True}
    heartbeat_interval = 15.0
    longest_heartbeat_interval = 20.0

    def __init__(self, api_key: Optional[str] = None, api_secret: Optional[str] = None) -> None:
        if (api_key is None) != (api_secret is None):
            raise ValueError("api_key and api_secret: give both or neither")
        self._api_key = None if api_key is None else check_credential("api_key", api_key)
        self._api_secret = b"" if api_secret is None else check_credential("api_secret", api_secret).encode()
        self._ids = itertools.count(1)

    def reset(self) -> None:
        pass  # nothing is carried from frame to frame

    # -- requests and replies ------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        if params is not None and not isinstance(params, dict):
            raise TypeError(f"params must be a dict, not {type(params).__name__}")
        return self._request(method, params or {})

    def heartbeat(self) -> Request:
        return self._request("ping", {})

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = codec.decode(payload)
        if not isinstance(document, dict):
            raise ProtocolError("no object")
        if "topic" in document:
            return (_push(document),)
        if type(document.get("id")) is not int:
            raise ProtocolError("neither a reply nor an update")
        return (Reply(document["id"], document),)

    def conclude(self, request: Request, reply: Reply) -> Any:
        document = reply.document
        if document.get("ok") is True:
            return document.get("result")
        kind = AuthError if request.kind == "login" else VenueError
        raise kind(clean(document.get("text"), 200), code=document.get("code"), reply=document)

    def _request(self, method: str, params: Any, topics: Sequence[str] = (), secret: bool = False) -> Request:
        number = next(self._ids)
        frame = codec.encode({"id": number, "do": method, "with": params})
        return Request(number, frame, method, tuple(topics), secret=secret)

    # -- subscriptions -------------------------------------------------------------------------------

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        check_choice("channel", channel, tuple(CHANNELS))
        if channel == "fills":
            if symbols or self._api_key is None:
                raise ValueError("channel 'fills' takes no symbols, and needs api_key and api_secret")
            return (channel,)
        if not symbols:
            raise ValueError("symbols must name a symbol")
        return tuple(dict.fromkeys(f"{channel}:{symbol.upper()}" for symbol in symbols))

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        check_choice("channel", channel, tuple(CHANNELS))
        return tuple(topic for topic in topics if topic.partition(":")[0] == channel)

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return (self._request("join", {"topics": list(topics)}, topics),)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return (self._request("leave", {"topics": list(topics)}, topics),)

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        try:
            self.conclude(request, reply)
        except VenueError as error:
            named = reply.document.get("topics")
            named = named if isinstance(named, list) else request.topics
            bad = tuple(topic for topic in request.topics if topic in named) or request.topics
            refusal = SubscribeError(error.message, topics=bad, code=error.code, reply=error.reply)
            good = tuple(topic for topic in request.topics if topic not in bad)
            return Acknowledgement(good, dict.fromkeys(bad, refusal))
        return Acknowledgement(request.topics)

    # -- the account ---------------------------------------------------------------------------------

    def login(self, now_ms: int) -> Tuple[Request, ...]:
        if self._api_key is None:
            return ()
        sign = hmac.new(self._api_secret, f"{self._api_key}{now_ms}".encode(), hashlib.sha256).hexdigest()
        return (self._request("login", {"key": self._api_key, "at": now_ms, "sign": sign}, secret=True),)


def _push(document: Any) -> Push:
    topic, moment = document["topic"], document.get("at")
    channel, _, symbol = topic.partition(":") if isinstance(topic, str) else ("", "", "")
    if channel not in CHANNELS or (moment is not None and type(moment) is not int):
        raise ProtocolError("no documented update")
    if channel == "book":
        kind = "snapshot" if document.get("whole") else "delta"
        return Push(topic, channel, symbol, kind, document, document, CHANNELS[channel], moment)
    return Push(topic, channel, symbol, "update", document, document.get("rows"), CHANNELS[channel], moment)
