"""Bybit's trade socket: authentication, order requests and batches of them, and how each is answered.

Pure but for the orders that it has carried out. Shapes and codes are those of the venue's documents and of captured
frames; where nothing is known, the comment says that the answer is an assumption.
"""

from __future__ import annotations

import random
import re
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple

import attrs

from dbxsdk.sim.bybit.access import Gate, Problem
from dbxsdk.sim.bybit.order import Order
from dbxsdk.sim.bybit.orders import OrderDesk
from dbxsdk.sim.bybit.parameters import PARAMETER_ERROR
from dbxsdk.sim.refused import Refused

Document = Dict[str, Any]

CATEGORIES = ("linear", "inverse", "spot", "option")
OPERATIONS = ("order.create", "order.amend", "order.cancel")
BATCHES = tuple(f"{operation}-batch" for operation in OPERATIONS)

RECV_WINDOW_MS = 5000
EARLY_MS = 1000
REQUEST_ID_LENGTH = 36

TIMESTAMP_ERROR = 10002
UNAUTHORISED = 10005
RATE_LIMITED = 10006
UNKNOWN_OPERATION = 10404
REPEATED_AUTH = 20001
DUPLICATE_ID = 20006

_AUTH_ERRORS = {
    Problem.ARGS: (PARAMETER_ERROR, "Params Error"),
    # Assumption: the documents have no other code for it, and the private socket calls it a parameter error, too.
    Problem.EXPIRES: (PARAMETER_ERROR, "Params Error"),
    Problem.API_KEY: (10003, "API key is invalid."),
    Problem.SIGNATURE: (10004, "Error sign, please check your signature generation algorithm."),
}
_MILLISECONDS = re.compile(r"[0-9]{1,15}")


@attrs.define
class Fault:
    """The answer to the next order requests, which are not carried out."""

    code: int
    message: str
    with_req_id: bool
    with_header: bool


class RateLimits:
    """Requests (on options) or orders (elsewhere) a second, for each operation and category. They are always counted, and
    enforced once ``per_second`` is set; until then the headers show the documented default."""

    def __init__(self) -> None:
        self.per_second: Optional[int] = None
        self._used: Dict[Tuple[str, str], Tuple[int, int]] = {}  # the second it began, and how many since

    def limit(self, operation: str, category: str) -> int:
        if self.per_second is not None:
            return self.per_second
        return 20 if category == "spot" and operation != "order.amend" else 10

    def spend(self, operation: str, category: str, now_ms: int) -> bool:
        """Count one; return False if that is one too many."""
        began, used = self._used.get((operation, category), (0, 0))
        if not 0 <= now_ms - began < 1000:
            began, used = now_ms, 0
        if self.per_second is not None and used >= self.per_second:
            return False
        self._used[operation, category] = (began, used + 1)
        return True

    def headers(self, operation: str, category: str, now_ms: int) -> Dict[str, str]:
        limit = self.limit(operation, category)
        began, used = self._used.get((operation, category), (now_ms, 0))
        reset = began + 1000 if self.per_second is not None and used >= limit else now_ms
        return {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(max(0, limit - used)),
            "X-Bapi-Limit-Reset-Timestamp": str(reset),
        }


@attrs.define
class TradeSession:
    """One connection to ``/v5/trade``."""

    connection_id: str
    authenticated: bool = False
    request_ids: Set[str] = attrs.field(factory=set)


class TradeService:
    """Answers every connection to the trade socket."""

    def __init__(self, desk: OrderDesk, gate: Gate, server_ms: Callable[[], int], seed: int) -> None:
        self.limits = RateLimits()
        self.faults: Deque[Fault] = deque()
        self._desk = desk
        self._gate = gate
        self._server_ms = server_ms
        self._rng = random.Random(f"{seed}:traces")

    def answer(self, session: TradeSession, document: Any) -> Document:
        """Carry out one frame and answers it."""
        if not isinstance(document, dict):
            return self._refusal(session, {}, PARAMETER_ERROR, "Params Error")  # assumption
        op = document.get("op")
        if op == "ping":
            # As documented: without the id of the request.
            data = [str(self._server_ms())]
            return {"retCode": 0, "retMsg": "OK", "op": "pong", "data": data, "connId": session.connection_id}
        if op == "auth":
            return self._authenticate(session, document)
        if not is_order(document):
            return self._refusal(session, document, UNKNOWN_OPERATION, "")
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            return self._fault(session, document, fault)
        try:
            category, fields = self._check(session, document)
        except Refused as refused:
            return self._refusal(session, document, refused.code, refused.message)
        if op in BATCHES:
            return self._batch(session, document, op[: -len("-batch")], category, fields)
        return self._single(session, document, str(op), category, fields)

    def _authenticate(self, session: TradeSession, request: Document) -> Document:
        if session.authenticated:
            return self._refusal(session, request, REPEATED_AUTH, "Repeat auth")  # the text is an assumption
        problem = self._gate.problem(request.get("args"))
        if problem is not None:
            return self._refusal(session, request, *_AUTH_ERRORS[problem])
        session.authenticated = True
        return self._refusal(session, request, 0, "OK")

    def _check(self, session: TradeSession, request: Document) -> Tuple[str, Document]:
        """Check what every order request must have; return its category, and the one object in ``args``. Raises ``Refused``.

        That all of these are refused in the gateway's shape is an assumption; it is known of unknown operations and of
        permissions.
        """
        if not session.authenticated:
            # Assumption: no answer to an order before auth is known. The code is that of a key without permission.
            raise Refused(UNAUTHORISED, "Request not authorized")
        request_id = request.get("reqId", "")
        if not isinstance(request_id, str) or len(request_id) > REQUEST_ID_LENGTH:
            raise Refused(PARAMETER_ERROR, "Params Error: reqId")
        if request_id:
            if request_id in session.request_ids:
                raise Refused(DUPLICATE_ID, "reqId is duplicated")
            session.request_ids.add(request_id)
        self._check_time(request.get("header"))
        args = request.get("args")
        if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
            raise Refused(PARAMETER_ERROR, "Params Error: args")
        category = args[0].get("category")
        if category not in CATEGORIES:
            raise Refused(UNKNOWN_OPERATION, "")
        return str(category), args[0]

    def _check_time(self, header: Any) -> None:
        header = header if isinstance(header, dict) else {}
        timestamp = _milliseconds(header.get("X-BAPI-TIMESTAMP"))
        window = _milliseconds(header.get("X-BAPI-RECV-WINDOW", RECV_WINDOW_MS))
        if timestamp is None or window is None:
            raise Refused(PARAMETER_ERROR, "Params Error: header")
        now_ms = self._server_ms()
        if not now_ms - window <= timestamp < now_ms + EARLY_MS:
            raise Refused(
                TIMESTAMP_ERROR,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window}]",
            )

    # -- what is carried out ---------------------------------------------------------------------------------------------

    def _single(self, session: TradeSession, request: Document, operation: str, category: str, fields: Document) -> Document:
        try:
            order = self._carry_out(operation, category, fields)
        except Refused as refused:
            return self._reply(session, request, operation, category, refused.code, refused.message)
        data = {"orderId": order.id, "orderLinkId": order.link_id}
        return self._reply(session, request, operation, category, 0, "OK", data)

    def _batch(self, session: TradeSession, request: Document, operation: str, category: str, fields: Document) -> Document:
        orders = fields.get("request")
        most = batch_size(category)
        if not isinstance(orders, list) or not 1 <= len(orders) <= most or not all(isinstance(each, dict) for each in orders):
            message = f"params error: request must have 1 to {most} orders"
            return self._reply(session, request, operation, category, PARAMETER_ERROR, message)
        rows: List[Document] = []
        results: List[Document] = []
        granted = category != "option" or self.limits.spend(operation, category, self._server_ms())
        for each in orders:
            row = {"category": category, "symbol": each.get("symbol", ""), "orderId": ""}
            row["orderLinkId"] = each.get("orderLinkId") or ""
            if operation == "order.create":
                row["createAt"] = ""
            try:
                if not granted:
                    raise _too_many()
                order = self._carry_out(operation, category, each, counted=category == "option")
            except Refused as refused:
                results.append({"code": refused.code, "msg": refused.message})
            else:
                row.update(orderId=order.id, orderLinkId=order.link_id)
                if operation == "order.create":
                    row["createAt"] = str(order.created_ms)
                results.append({"code": 0, "msg": "OK"})
            rows.append(row)
        return self._reply(session, request, operation, category, 0, "OK", {"list": rows}, {"list": results})

    def _carry_out(self, operation: str, category: str, fields: Document, counted: bool = False) -> Order:
        if not counted and not self.limits.spend(operation, category, self._server_ms()):
            raise _too_many()
        return self._desk.carry_out(operation, category, fields)

    # -- the shapes ------------------------------------------------------------------------------------------------------

    def _reply(
        self,
        session: TradeSession,
        request: Document,
        operation: str,
        category: str,
        code: int,
        message: str,
        data: Optional[Document] = None,
        extra: Optional[Document] = None,
    ) -> Document:
        now_ms = self._server_ms()
        header = {
            **self.limits.headers(operation, category, now_ms),
            "Traceid": f"{self._rng.getrandbits(128):032x}",
            "Timenow": str(now_ms),
        }
        begun = self._refusal(session, request, code, message)
        return {**begun, "data": data or {}, "retExtInfo": extra or {}, "header": header}

    def _refusal(self, session: TradeSession, request: Document, code: int, message: str) -> Document:
        """Return a refusal of the gateway's shape, which the acknowledgement of an authentication has, too."""
        named = {} if request.get("reqId") is None else {"reqId": request["reqId"]}
        return {**named, "retCode": code, "retMsg": message, "op": request.get("op", ""), "connId": session.connection_id}

    def _fault(self, session: TradeSession, request: Document, fault: Fault) -> Document:
        shown = request if fault.with_req_id else {**request, "reqId": None}
        if not fault.with_header:
            return self._refusal(session, shown, fault.code, fault.message)
        operation = str(request["op"]).replace("-batch", "")
        return self._reply(session, shown, operation, "linear", fault.code, fault.message)


def is_order(document: Any) -> bool:
    """True if a frame is a request about orders."""
    return isinstance(document, dict) and document.get("op") in (*OPERATIONS, *BATCHES)


def batch_size(category: str) -> int:
    """Return how many orders a batch may hold."""
    return 10 if category == "spot" else 20


def _too_many() -> Refused:
    return Refused(RATE_LIMITED, "Too many visits. Exceeded the API Rate Limit.")


def _milliseconds(given: Any) -> Optional[int]:
    """Read a number or a text of digits: the documents have texts, clients in use send both."""
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    return int(given) if isinstance(given, str) and _MILLISECONDS.fullmatch(given) else None
