"""Bybit v5's order entry socket: login, order requests, and what their replies mean.

Source: https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Callable, Collection, Dict, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials, Login
from dbxsdk.bybit.envelope import check_method, checked, is_pong, read_object, refusal, request_id, whole_number, words
from dbxsdk.codec import encode
from dbxsdk.bybit.trade_results import ServerFailed
from dbxsdk.errors import AuthError, ProtocolError, RateLimited, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Reply, Request

CREATE, AMEND, CANCEL = "order.create", "order.amend", "order.cancel"
CREATE_BATCH, AMEND_BATCH, CANCEL_BATCH = "order.create-batch", "order.amend-batch", "order.cancel-batch"

BAD_PARAMS, BAD_TIMESTAMP, BAD_KEY, BAD_SIGN, NO_PERMISSION, BAD_ADDRESS = 10001, 10002, 10003, 10004, 10005, 10010
SERVER_ERROR, RESTARTING, UNKNOWN_OP = 10016, 10019, 10404

_AUTH = frozenset((BAD_KEY, BAD_SIGN, NO_PERMISSION, BAD_ADDRESS))
_RATE_LIMITED = frozenset((10006, 10403, 10429, 20003))
_BAD_LOGIN = _AUTH | {BAD_PARAMS, BAD_TIMESTAMP}

# The venue's own words may be none (10404), or leave open what to do.
_ADVICE: Mapping[int, str] = {
    BAD_TIMESTAMP: "the request's time is outside the receive window: this machine's clock, or the request waited too long",
    SERVER_ERROR: "the venue does not say whether it was carried out: ask for the order before trying again",
    RESTARTING: "this node of the venue is restarting and takes no new requests, those in flight go on: use a new client",
    UNKNOWN_OP: "unknown operation, or a category that it does not support",
    20006: "a request id was used twice",
}


@attrs.frozen
class TypedRequest(Request):
    """A request whose result is more than the reply's ``data``. ``read(document)`` makes it."""

    read: Callable[[Dict[str, Any]], Any] = attrs.field(kw_only=True, repr=False, eq=False)


class BybitTradeProtocol(Protocol):
    """The order entry socket of one account. It has no subscriptions.

    Each request carries the time at which it was made, of which the venue accepts a few seconds. So this protocol
    alone has a clock: ``clock()`` is seconds since 1970, and what the login learned of the venue's clock is added.
    """

    venue = "bybit"
    client = "BybitTradeClient"
    heartbeat_interval = 20.0
    connection_budget = (500, 300.0)

    def __init__(
        self,
        credentials: Credentials,
        *,
        auth_window: float = AUTH_WINDOW,
        recv_window: Optional[int] = None,
        referer: Optional[str] = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._login = Login(credentials, auth_window, self.request)
        self._clock = clock
        self._header: Dict[str, str] = {}
        if recv_window is not None:
            self._header["X-BAPI-RECV-WINDOW"] = str(recv_window)
        if referer is not None:
            self._header["Referer"] = referer

    def reset(self) -> None:
        pass  # nothing is carried from frame to frame; what the login learned of the clock holds for the next one, too

    # -- login ---------------------------------------------------------------------------------------

    def login(self, now_ms: int) -> Tuple[Request, ...]:
        return self._login.start(now_ms)

    def login_answered(self, request: Request, reply: Reply, now_ms: int) -> Tuple[Request, ...]:
        document = _object(reply)
        refused = self._refusal(request, document)
        return self._login.answered(request, document, now_ms, refused, _is_about_time(document))

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        """``params`` is the one object that ``args`` holds; ``auth`` alone has a list, and ``ping`` nothing."""
        key, frame = self._frame(method, params)
        return Request(key, frame, method, secret=method == "auth")

    def typed_request(self, method: str, params: Mapping[str, Any], read: Callable[[Dict[str, Any]], Any]) -> TypedRequest:
        key, frame = self._frame(method, params)
        return TypedRequest(key, frame, method, read=read)

    def heartbeat(self) -> Request:
        # The JSON ping, since WebSocket ping frames do not keep the connection open.
        return self.request("ping", None)

    def _frame(self, method: str, params: Any) -> Tuple[str, str]:
        check_method(method)
        # 32 characters (36 are allowed) by chance alone: a counter would begin again in a forked child, and the venue
        # refuses ids that were used.
        key = secrets.token_hex(16)
        document: Dict[str, Any] = {"reqId": key, "op": method}
        if params is not None:
            if method == "auth":
                document["args"] = list(params)
            elif isinstance(params, Mapping):
                document["header"] = {"X-BAPI-TIMESTAMP": str(self._now_ms()), **self._header}
                document["args"] = [dict(params)]
            else:
                raise TypeError(f"params must be a dict (the one object of the venue's args), not {type(params).__name__}")
        return key, encode(document)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000) + self._login.clock_offset_ms

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        raise ValueError(f"channel {channel!r}: the order entry socket has no subscriptions; use BybitPrivateClient")

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        return ()

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return ()

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return ()

    # -- frames to inbound events --------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = read_object(payload, binary)
        op = document.get("op")
        kind = op if isinstance(op, str) and op else None
        if is_pong(document):
            # It has no id even where one was sent; of several it does not matter which: each proves life.
            return (Reply(request_id(document, "reqId"), document, "ping", ordered=True),)
        if "retCode" in document:
            if _code(document) is None:
                # Guessing yes or no would be worse than no answer.
                raise ProtocolError("a reply whose retCode is no number")
            return (checked(Reply(request_id(document, "reqId"), document, kind)),)
        if document.get("success") is False or (kind == "auth" and document.get("success") is True):
            # The private socket's envelope: the address is not that of the order entry socket. Its yes is none here.
            return (checked(Reply(request_id(document, "req_id"), document, kind)),)
        raise ProtocolError("no reply to a request")

    # -- replies to outcomes -------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        document = _object(reply)
        refused = self._refusal(request, document)
        if refused is not None:
            self._learn_time(document)
            raise refused
        if isinstance(request, TypedRequest):
            return request.read(document)
        data = document.get("data")
        if request.kind in (CREATE_BATCH, AMEND_BATCH, CANCEL_BATCH) and isinstance(data, dict):
            # Which of a batch's orders failed is told outside of data, and must not get lost.
            return {**data, "retExtInfo": document.get("retExtInfo")}
        return data

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = _object(reply)
        return Acknowledgement(refused={topic: refusal(topic, words(document), document) for topic in request.topics})

    def _refusal(self, request: Request, document: Dict[str, Any]) -> Optional[VenueError]:
        code = _code(document)
        if code == 0 or (code is None and is_pong(document)):
            return None
        message = self._credentials.redact(words(document))
        advice = None if code is None else _ADVICE.get(code)
        message = ": ".join(part for part in (message, advice) if part) or "the venue did not say yes, and gave no reason"
        if "retCode" not in document:
            message += " (the answer has the form of another socket: check the address)"
        if code in _RATE_LIMITED or (code == BAD_KEY and "session" in message.lower()):
            # 10003 has two meanings: an invalid key, and too many sessions of one account on this socket.
            return RateLimited(message, code=code, reply=document)
        if request.kind == "auth" and (code in _BAD_LOGIN or document.get("success") is False):
            return AuthError(f"the login was refused: {message}", code=code, reply=document)
        if code == SERVER_ERROR and request.kind != "auth":
            failed = ServerFailed(message, code=code, reply=document)
            failed.request_id = request.key
            return failed
        kind = AuthError if code in _AUTH else VenueError
        return kind(message, code=code, reply=document)

    def _learn_time(self, document: Dict[str, Any]) -> None:
        """An order refused for its time is the user's to place again; the next one is to have the venue's time."""
        header = document.get("header")
        venue_ms = whole_number(header.get("Timenow")) if isinstance(header, dict) else None
        if _code(document) == BAD_TIMESTAMP and venue_ms is not None:
            self._login.set_clock(int(self._clock() * 1000), venue_ms)


def _object(reply: Reply) -> Dict[str, Any]:
    return reply.document if isinstance(reply.document, dict) else {}


def _code(document: Mapping[str, Any]) -> Optional[int]:
    return whole_number(document.get("retCode"))


def _is_about_time(document: Mapping[str, Any]) -> bool:
    """Whether a refused login may mean that its time was wrong. The venue says so in more than one way."""
    text = words(dict(document)).lower()
    if _code(document) == BAD_SIGN:
        return "time" in text or "expire" in text
    return _code(document) in (BAD_PARAMS, BAD_TIMESTAMP) or "params error" in text
