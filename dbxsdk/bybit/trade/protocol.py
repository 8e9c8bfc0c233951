"""Bybit v5's order entry socket: login, order requests, and the meaning of their replies.

Source: https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Collection, Dict, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials
from dbxsdk.bybit.base_protocol import AccountProtocol, new_key
from dbxsdk.bybit.envelope import checked, contents, is_pong, refusal, request_id, time_ms, whole_number, words
from dbxsdk.bybit.trade.results import BatchResult, ServerFailed, read_batch
from dbxsdk.bybit.venue_clock import NOTABLE_MS, VenueClock
from dbxsdk.codec import decode_object, encode
from dbxsdk.errors import AuthError, OutcomeUnknown, ProtocolError, RateLimited, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Reply, Request
from dbxsdk.sent_requests import Answers, SentRequests

CREATE, AMEND, CANCEL = "order.create", "order.amend", "order.cancel"
BATCHES = CREATE_BATCH, AMEND_BATCH, CANCEL_BATCH = "order.create-batch", "order.amend-batch", "order.cancel-batch"

BATCH_ORDERS = 20

BAD_PARAMS, BAD_TIMESTAMP, BAD_KEY, BAD_SIGN, NO_PERMISSION, BAD_ADDRESS = 10001, 10002, 10003, 10004, 10005, 10010
SERVER_ERROR, RESTARTING, UNKNOWN_OP = 10016, 10019, 10404

_AUTH = frozenset((BAD_KEY, BAD_SIGN, NO_PERMISSION, BAD_ADDRESS))
_RATE_LIMITED = frozenset((10006, 10403, 10429, 20003))
_BAD_LOGIN = _AUTH | {BAD_PARAMS, BAD_TIMESTAMP}

# The venue's own text may be empty (10404), or leave open what to do.
_ADVICE: Mapping[int, str] = {
    BAD_TIMESTAMP: "the request's time is outside the receive window: this machine's clock is wrong, or it waited too long",
    SERVER_ERROR: "the venue does not say whether it was carried out: ask for the order before trying again",
    RESTARTING: "this node of the venue is restarting and takes no new requests; those in flight are processed: use a new client",
    UNKNOWN_OP: "unknown operation, or a category that it does not support",
    20006: "a request id was used twice",
}


# In 10002's text, if the reply has no header.
_SERVER_TIMESTAMP = re.compile(r"server_timestamp\[(\d{1,20})\]")


@attrs.frozen
class OrderRequest(Request):
    """A request with a time in it: ``time_ms``, taken at ``made_at`` of the steady clock. ``read(document)`` makes its
    result; None: it is the reply's ``data``."""

    made_at: float = attrs.field(kw_only=True, repr=False, eq=False)
    time_ms: int = attrs.field(kw_only=True, repr=False, eq=False)
    read: Optional[Callable[[Dict[str, Any]], Any]] = attrs.field(default=None, kw_only=True, repr=False, eq=False)


class BybitTradeProtocol(AccountProtocol):
    """The order entry socket of one account. It has no subscriptions.

    Each request carries the time at which it was made, and the venue accepts it for a few seconds. The login asks for the
    venue's own time, and each pong and each answer to an order states it again.
    """

    socket = "trade"
    client = "BybitTradeClient"
    needs_time = True  # an order is refused if its time is a second ahead, which no login would show

    def __init__(
        self,
        credentials: Credentials,
        *,
        auth_window: float = AUTH_WINDOW,
        recv_window: Optional[int] = None,
        referer: Optional[str] = None,
        clock: Optional[VenueClock] = None,
    ) -> None:
        super().__init__(credentials, auth_window, clock=clock)
        header = {"X-BAPI-RECV-WINDOW": recv_window, "Referer": referer}
        self._header = {name: str(value) for name, value in header.items() if value is not None}
        self.sent = SentRequests(lambda document: document["args"][0])

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        """Make a request. ``params`` is the one object in ``args``; only ``auth`` has a list, and ``ping`` nothing."""
        if isinstance(params, Mapping) and method != "auth":
            return self.typed_request(method, params, None)
        key = new_key()
        document: Dict[str, Any] = {"reqId": key, "op": method}
        if params is not None:
            if method != "auth":
                raise TypeError(f"params must be a dict (the one object of the venue's args), not {type(params).__name__}")
            document["args"] = list(params)
        if method == "ping":
            self._clock.ping_made(key)
        return Request(key, encode(document), method, secret=method == "auth")

    def typed_request(
        self, method: str, params: Mapping[str, Any], read: Optional[Callable[[Dict[str, Any]], Any]]
    ) -> OrderRequest:
        key, made_at = new_key(), self._clock.moment()
        now_ms = self._clock.now_ms()
        header = {"X-BAPI-TIMESTAMP": str(now_ms), **self._header}
        frame = encode({"reqId": key, "op": method, "header": header, "args": [dict(params)]})
        ids = _order_link_ids(params)
        self.sent.made(key, method, frame, now_ms)
        return OrderRequest(key, frame, method, order_link_ids=ids, made_at=made_at, time_ms=now_ms, read=read)

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
        document = decode_object(payload, binary)
        op = document.get("op")
        kind = op if isinstance(op, str) and op else None
        if is_pong(document):
            return (self._pong(document, "reqId"),)  # it has no id even if one was sent
        if "retCode" in document:
            if _code(document) is None:
                # Guessing yes or no would be worse than no answer.
                raise ProtocolError("a reply whose retCode is not a number")
            return (checked(Reply(request_id(document, "reqId"), document, kind)),)
        if document.get("success") is False or (kind == "auth" and document.get("success") is True):
            # The private socket's envelope: the address is not that of the order entry socket. Its yes does not count here.
            return (checked(Reply(request_id(document, "req_id"), document, kind)),)
        raise ProtocolError("not a reply to a request")

    # -- replies to outcomes -------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        document = contents(reply)
        if isinstance(request, OrderRequest):
            self._clock.heard(_venue_ms(document), request.made_at)
        refused = self._refusal(request, document)
        if refused is not None:
            if not isinstance(refused, OutcomeUnknown):
                self._note(request, ((False, str(refused)),) * max(len(request.order_link_ids), BATCH_ORDERS))
            raise refused
        result = request.read(document) if isinstance(request, OrderRequest) and request.read is not None else None
        if request.kind in BATCHES:
            batch = result if isinstance(result, BatchResult) else read_batch(document, "", [{}] * BATCH_ORDERS)
            self._note(request, tuple((None if each.code is None else each.ok, each.message) for each in batch))
        else:
            self._note(request, ((True, ""),))
        if result is not None:
            return result
        data = document.get("data")
        if request.kind in BATCHES and isinstance(data, dict):
            # Which of a batch's orders failed stands outside of data, and must not get lost.
            return {**data, "retExtInfo": document.get("retExtInfo")}
        return data

    def _note(self, request: Request, answers: Answers) -> None:
        """Keep an answer for ``resolve``, in time or late: for each of the request's orders."""
        if isinstance(request, OrderRequest):
            self.sent.answered(request.key, answers)

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = contents(reply)
        return Acknowledgement(refused={topic: refusal(topic, words(document), document) for topic in request.topics})

    def _refusal(self, request: Request, document: Dict[str, Any]) -> Optional[VenueError]:
        code = _code(document)
        if code == 0 or (code is None and is_pong(document)):
            return None
        message = words(document)
        advice = None if code is None else _ADVICE.get(code)
        if code == BAD_TIMESTAMP and isinstance(request, OrderRequest):
            advice = self._about_time(request, document) or advice
        message = ": ".join(part for part in (message, advice) if part)
        message = message or "the venue did not accept the request and gave no reason"
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

    def _is_about_time(self, document: Dict[str, Any]) -> bool:
        # The venue says so in more than one way.
        text = words(document).lower()
        if _code(document) == BAD_SIGN:
            return "time" in text or "expire" in text
        return _code(document) in (BAD_PARAMS, BAD_TIMESTAMP) or "params error" in text

    def _about_time(self, request: OrderRequest, document: Dict[str, Any]) -> Optional[str]:
        """Return why an order's time was refused, and what to do; None if that is not known."""
        venue_ms = _venue_ms(document)
        if venue_ms is None:
            return None
        if abs(self._clock.error_ms(request.time_ms, request.made_at)) >= NOTABLE_MS:
            if abs(self._clock.skew_ms() or 0) < NOTABLE_MS:  # the time was right until one of the clocks was set
                return "the venue's clock was set since it was measured; its new time is used from now on: try again"
            return f"{self._clock.in_words()}; the venue's time is used from now on: try again, and set this machine's clock"
        return f"the request reached the venue {(venue_ms - request.time_ms) / 1000:,.1f} s after it was made: try again"


def _order_link_ids(params: Mapping[str, Any]) -> Tuple[str, ...]:
    """Return the caller's own ids of the orders in the one object of ``args``, which holds one order or a batch."""
    batch = params.get("request")
    orders = [params, *(batch if isinstance(batch, (list, tuple)) else ())]
    found = [order.get("orderLinkId") for order in orders if isinstance(order, Mapping)]
    return tuple(link_id for link_id in found if isinstance(link_id, str))


def _venue_ms(document: Mapping[str, Any]) -> Optional[int]:
    """Return the venue's time in the answer to an order: from its header, or from the text of the gateway's refusal."""
    header = document.get("header")
    if isinstance(header, dict):
        return time_ms(header.get("Timenow"))
    if _code(document) != BAD_TIMESTAMP:
        return None
    found = _SERVER_TIMESTAMP.search(words(dict(document)))
    return time_ms(found.group(1)) if found else None


def _code(document: Mapping[str, Any]) -> Optional[int]:
    return whole_number(document.get("retCode"))
