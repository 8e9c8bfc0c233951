"""Finds out over REST what became of requests for tasks: asks, never sends again."""

from __future__ import annotations

import functools
import threading
from typing import Any, Collection, List, Optional, Tuple, Union
from urllib.parse import urlsplit

from dbxsdk.arguments import check_seconds
from dbxsdk.backfill.twin import Twinned
from dbxsdk.credentials import hidden
from dbxsdk.dbot.models import read_swap_order
from dbxsdk.dbot.rest import DBotRest
from dbxsdk.dbot.trade.matching import (
    EARLY_MS, SWAPS, UNNAMED, Found, Made, Plan, Row, judge_creation, judge_deletion, judge_update, plan, same,
)
from dbxsdk.dbot.trade.protocol import CHANNEL, DBotTradeProtocol
from dbxsdk.errors import AuthError, ClientClosed, ConnectError, DbxError, OutcomeUnknown
from dbxsdk.protocol import Request
from dbxsdk.resolution import Resolution
from dbxsdk.rest_client import RestClient
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.sent_requests import SentRequest, SentRequests
from dbxsdk.transport.connect import warn_if_readable
from dbxsdk.transport.http import parse_origin

_SINCE_MS = EARLY_MS + 30_000
"""How long before a request another one, whose answer names no task, may have made one of the same time."""

_PAUSE = 0.5
"""Seconds between two rounds."""


class Resolver:
    """One ``resolve``: rounds of questions until all is decided or time is up."""

    def __init__(self, side: DBotRest, requests: SentRequests, made: Made, timeout: float) -> None:
        self._side = side
        self._requests = requests
        self._made = made
        self._deadline = monotonic() + timeout
        self._checked_ns = wall_ns()
        self._listed: Optional[List[Any]] = None
        """The ids that the last pass over all lists showed, if it came to an end."""

    def run(self, sent: SentRequest, wanted: Plan) -> Tuple[Resolution, ...]:
        """Return what became of each task. Raises nothing that has to do with the venue."""
        with sent.awaited() as wake:
            return self._run(sent, wanted, wake)

    def _run(self, sent: SentRequest, wanted: Plan, wake: threading.Event) -> Tuple[Resolution, ...]:
        found = [Found(outcome=None, reason="time was up before the venue was asked")] * len(wanted.items)
        heard = False
        while True:
            if sent.answers:
                accepted, words = sent.answers[0]
                return tuple(self._answered(accepted, words, each) for each in found)
            try:
                found = self._round(sent, wanted)
                heard = True
            except DbxError as error:
                if monotonic() < self._deadline or not heard:  # else only time is up, which says less
                    heard = True
                    found = [Found(outcome=None, reason=str(error)) if each.outcome is None else each for each in found]
                if isinstance(error, AuthError):
                    break
            left = self._deadline - monotonic()
            if all(each.outcome for each in found) or left <= 0:
                break
            wake.wait(min(_PAUSE, left))
        return tuple(self._resolution(wanted, each) for each in found)

    def _round(self, sent: SentRequest, wanted: Plan) -> List[Found]:
        rows: List[Row] = []
        ahead_ms = 0.0
        before, self._listed = self._listed, None
        for path, params in wanted.lists:
            listed, ahead_ms = self._side.rows(path, params, self._deadline)
            rows += listed
            if wanted.kind == "update" and {item.get("id") for item in wanted.items} <= {row.get("id") for row in rows}:
                break  # the other lists have other tasks
        self._checked_ns = wall_ns()
        if wanted.kind == "update":
            return [judge_update(item, rows, wanted.whole) for item in wanted.items]
        if wanted.kind == "delete":
            self._listed = [row.get("id") for row in rows]
            return [judge_deletion(item, rows, self._listed == before) for item in wanted.items]
        own = [row for row in rows if not self._made.is_of_another(row.get("id"), sent)]
        times = sent.time_ms + ahead_ms, wall_ns() / 1_000_000 + ahead_ms
        found = [
            judge_creation(item, own, *times, functools.partial(self._equal_requests, item, sent)) for item in wanted.items
        ]
        for each in found:
            for row in (each.row,) if each.row is not None else each.candidates if each.outcome == "executed" else ():
                self._made.claim(row.get("id"), sent)
        return found

    def _equal_requests(self, item: Row, sent: SentRequest, names: Collection[str]) -> int:
        """Return how many tasks that are like ``item`` in the fields ``names`` were asked for by requests of which no answer
        names the task, itself counted."""
        count = 0
        for each in self._requests.newest_first():
            if each.answers and not (each.answers == ((True, UNNAMED),) and each.time_ms > sent.time_ms - _SINCE_MS):
                continue
            other = plan(each.operation, each.params)
            if other is not None and other.kind == "create":
                equal = sum(all(same(item[name], one.get(name)) for name in names) for one in other.items)
                count += max(equal - (self._made.claimed(each) if each is not sent else 0), 0)
        return max(count, 1)

    def _answered(self, accepted: Optional[bool], words: str, found: Found) -> Resolution:
        if accepted:
            reason = "the venue's answer came late: it was accepted"
            return Resolution(outcome="executed", reason=reason, checked_ns=self._checked_ns, order=found.row)
        return Resolution(outcome="not_executed", reason=f"the venue refused it: {words}", checked_ns=self._checked_ns)

    def _resolution(self, wanted: Plan, found: Found) -> Resolution:
        order: Any = found.row
        if order is not None and wanted.lists is SWAPS:
            order = read_swap_order({**order, "tradeType": order.get("type", order.get("tradeType"))})
        return Resolution(
            outcome=found.outcome or "unknown",
            order=order,
            candidates=found.candidates,
            reason=found.reason,
            checked_ns=self._checked_ns,
        )


class ResolvingClient(RestClient):
    """A client of the trade socket that remembers what it sent, and can ask what became of it."""

    _protocol: DBotTradeProtocol

    _rest: Optional[DBotRest]

    def _resolve_at(self, rest_url: Optional[str], api_key: str) -> None:
        """Say where ``resolve`` asks. Raises ``TypeError``/``ValueError`` naming the argument."""
        origin = self._origin = None if rest_url is None else parse_origin("rest_url", rest_url)
        if origin is not None and origin.startswith("http://"):
            warn_if_readable(urlsplit(origin).hostname or "", stacklevel=3)
        self._key = hidden(api_key)
        # Of its own: a closed client can still be asked.
        self._rest = None if origin is None else self._make_rest(origin)

    def _make_rest(self, origin: str) -> DBotRest:
        return DBotRest(self._key, origin, self._options)

    _fetchable = (CHANNEL,)

    def _twin(self, topic: str) -> Optional[Twinned]:
        from dbxsdk.dbot.trade.twins import ResultsTwin  # most clients never need it

        return Twinned(ResultsTwin(self._rest_side()), CHANNEL, topic[len(CHANNEL) + 1 :])

    def close(self, timeout: float = 5) -> None:
        super().close(timeout)
        if self._rest is not None:
            self._rest.close()

    def resolve(self, unknown: Union[OutcomeUnknown, int], *, timeout: float = 15.0) -> Any:
        """Find out over REST what became of a request whose answer did not come. Asks, and never sends it again.

        The venue takes no id of yours and accepts a request however late: so ``"not_executed"`` is only said if its refusal
        comes late, and what is not found stays ``"unknown"``. What sets a state is ``"executed"`` once the task is as it was to
        be, unless something that was sent is not to be seen in a list (``close_pnl_order``, an expiry): then the ``reason`` names
        it. What deletes is, once two passes over the lists agree that it is listed no more, and what creates if exactly one task
        fits (chain, pair, wallet, amount, and made since 5 s before the request) that no other request of this client has made;
        several are ``candidates``. A task that another program makes meanwhile, and that is equal, would be taken for it.

        Works while the connection is down. May be called from any thread but the reader's. A retry is safe.

        Args:
            unknown: the exception, or its ``request_id``, of a request of this client.
            timeout: seconds.

        Returns:
            A ``Resolution``; a tuple of them, one a task, for methods that take ``ids``, ``settings`` or several wallets. Its
            ``order`` is a ``SwapOrder`` for fast trades, otherwise the venue's dict. Trouble with REST gives ``"unknown"``, and
            the ``reason``.

        Raises:
            TypeError, ValueError: naming the argument, before any I/O; also for a request that changes nothing, which can be
                made again.
            WrongThreadError: called on the reader thread. ConnectError: called on a client that replays a recording.

        Source: docs.dbotx.com/reference (the pages of the lists).
        """
        seconds = check_seconds("timeout", timeout, zero=True)
        if isinstance(unknown, bool) or not isinstance(unknown, (OutcomeUnknown, int)):
            raise TypeError(f"unknown must be an OutcomeUnknown or a request_id, not {type(unknown).__name__}")
        if self._rest is None:
            raise ValueError("rest_url is needed: this client's url is not the venue's own, and says nothing of its REST side")
        sent = self._protocol.sent.by_key(unknown.request_id if isinstance(unknown, OutcomeUnknown) else unknown)
        wanted = None if sent is None else plan(sent.operation, sent.params)
        if sent is None or wanted is None:
            raise ValueError("unknown: this client has not sent that request, or it changes nothing that the venue lists")
        self._guard_blocking("resolve")
        if not self._connector.live:
            raise ConnectError("a replay answers no requests; nothing was sent")
        found = Resolver(self._rest, self._protocol.sent, self._protocol.made, seconds).run(sent, wanted)
        return found[0] if wanted.single else found

    def _request(self, method: Any, params: Any) -> Request:
        request = super()._request(method, params)
        self._protocol.sent.made(request.key, request.kind, request.frame, wall_ns() // 1_000_000)
        return request

    def _send(self, request: Request, seconds: Optional[float]) -> Any:
        try:
            return super()._send(request, seconds)
        except (ConnectError, ClientClosed):  # never sent: no task of it is to be looked for
            self._protocol.sent.forget(request.key)
            raise
