"""Bybit's REST side, as far as recovery needs it: signed GET requests, paced by the venue's limits and bounded in time.

Source: https://bybit-exchange.github.io/docs/v5/guide, rate-limit/rate-limit, market/time.
"""

from __future__ import annotations

import collections
import threading
from typing import Any, Deque, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

import attrs

from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.envelope import time_ms, whole_number, words
from dbxsdk.bybit.venue_clock import VenueClock
from dbxsdk.errors import AuthError, ConnectError, ProtocolError, RateLimited, VenueError
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.transport.http import HttpAnswer
from dbxsdk.transport.http_pool import HttpPool
from dbxsdk.transport.rest import list_of_rows

logger = SafeLogger(__name__)

TIME = "/v5/market/time"
OPEN_ORDERS = "/v5/order/realtime"
ORDER_HISTORY = "/v5/order/history"
EXECUTIONS = "/v5/execution/list"
POSITIONS = "/v5/position/list"
WALLET = "/v5/account/wallet-balance"

RECV_WINDOW_MS = 5000
"""The venue's default."""

PAUSE = 600.0
"""Seconds to leave the venue alone after HTTP 403, "access too frequent"."""

_BUDGET, _BUDGET_SECONDS = 500, 5.0  # the venue allows an address 600 requests in 5 s, over all programs on it
_MOST_PAGES = 100
_MARKETS: Tuple[Mapping[str, str], ...] = (
    {"category": "spot"},
    {"category": "linear", "settleCoin": "USDT"},
    {"category": "linear", "settleCoin": "USDC"},
    {"category": "inverse"},
    {"category": "option"},
)
_LEAST_WAIT = 0.05

BAD_TIMESTAMP, RATE_LIMITED = 10002, 10006
_AUTH = frozenset((10003, 10004, 10005, 10010))


@attrs.define
class _Host:
    """What this process owes a host: its budget is the address's, whoever in the process asks."""

    paused_until: float = 0.0
    asked: Deque[float] = attrs.field(factory=lambda: collections.deque(maxlen=_BUDGET))


_hosts: Dict[str, _Host] = {}


class BybitRest:
    """GET requests of one account. Any thread may ask; several may at once, each over a connection that is kept for the next.

    Every method takes ``deadline`` (seconds of ``runtime.clock.monotonic``), and raises, besides what it says:

    * ``ConnectError``: no answer, or a passing trouble of the venue's (HTTP 5xx).
    * ``RateLimited``: too many requests, and waiting for the next would take too long. After HTTP 403 for ten minutes.
    * ``AuthError``: the key, its rights or its address list.
    * ``VenueError``: any other refusal. ``ProtocolError``: an answer that cannot be read.

    A retry is safe: nothing here changes anything.
    """

    def __init__(self, credentials: Optional[Credentials], origin: str, options: Options) -> None:
        self._credentials = credentials
        self._pool = HttpPool(origin, options)
        self._clock = VenueClock()
        self._host = _hosts.setdefault(urlsplit(origin).netloc, _Host())
        self._not_before: Dict[str, float] = {}  # by path

    def close(self) -> None:
        """Close the connections. Requests may still be made, each over a connection of its own."""
        self._pool.close()

    def abort(self) -> None:
        """End the requests under way: they raise ``ConnectError``."""
        self._pool.abort()

    def server_ms(self, deadline: float) -> int:
        """Return the venue's time in ms since 1970, read now: what is asked afterwards is asked later than that."""
        asked = self._clock.moment()
        document = self._get(TIME, "", {}, deadline)
        result = document.get("result")
        nano = whole_number(result.get("timeNano")) if isinstance(result, dict) else None
        found = time_ms(document.get("time")) if nano is None else nano // 1_000_000
        if found is None:
            raise ProtocolError(f"{TIME}: the answer has no time")
        self._clock.heard(found, asked)
        return found

    @property
    def ahead_ms(self) -> Optional[int]:
        """By how much the venue's clock is ahead of this machine's, in ms; None if no answer has told."""
        return self._clock.now_ms() - wall_ns() // 1_000_000 if self._clock.is_known else None

    def rows(self, path: str, params: Mapping[str, Any], deadline: float) -> List[Dict[str, Any]]:
        """Return the rows of all pages, in the venue's order; what stands on two pages, twice. Those of a category have it."""
        found: List[Dict[str, Any]] = []
        cursors = [""]
        while True:
            result = self.result(path, {**params, "cursor": cursors[-1] or None}, deadline)
            rows = list_of_rows(path, result.get("list"))
            category = result.get("category") or params.get("category")
            found += [{"category": category, **row} for row in rows] if category else rows
            cursor = result.get("nextPageCursor") or ""
            if not cursor or not rows and cursor in cursors:  # a page without rows need not be the last one
                return found
            if not isinstance(cursor, str) or cursor in cursors or len(cursors) >= _MOST_PAGES:
                raise ProtocolError(f"{path}: the answer's pages do not end")
            cursors.append(cursor)

    def open_orders(self, deadline: float) -> Iterator[Dict[str, Any]]:
        """Return the open orders of all categories. One that changes meanwhile may come twice."""
        for asked in _MARKETS:
            yield from self.rows(OPEN_ORDERS, {**asked, "limit": 50}, deadline)

    def positions(self, deadline: float) -> Iterator[Dict[str, Any]]:
        """Return the positions of all categories."""
        for asked in _MARKETS[1:]:
            yield from self.rows(POSITIONS, {**asked, "limit": 200}, deadline)

    def wallets(self, deadline: float) -> Tuple[int, List[Dict[str, Any]]]:
        """Return the venue's time in ms, read before, and the balances: they are as new as that, or newer."""
        asked_ms = self.server_ms(deadline)
        return asked_ms, self.rows(WALLET, {"accountType": "UNIFIED"}, deadline)

    def result(self, path: str, params: Mapping[str, Any], deadline: float) -> Dict[str, Any]:
        """Return ``result`` of a signed request. What is None in ``params`` is left out."""
        if not self._clock.is_known:
            self.server_ms(deadline)
        query = urlencode({name: value for name, value in params.items() if value is not None}, quote_via=quote)
        remeasured = False
        while True:
            try:
                document = self._get(path, query, self._signed(query), deadline)
                break
            except VenueError as error:
                if error.code != BAD_TIMESTAMP or remeasured:
                    raise
                remeasured = True  # a clock was set since
                self.server_ms(deadline)
        result = document.get("result")
        if not isinstance(result, dict):
            raise ProtocolError(f"{path}: the answer has no result")
        return result

    def public(self, path: str, params: Mapping[str, Any], deadline: float) -> Dict[str, Any]:
        """Return ``result`` of a request for market data, which needs no key."""
        query = urlencode({name: value for name, value in params.items() if value is not None}, quote_via=quote)
        asked = self._clock.moment()
        document = self._get(path, query, {}, deadline)
        self._clock.heard(time_ms(document.get("time")), asked)
        result = document.get("result")
        if not isinstance(result, dict):
            raise ProtocolError(f"{path}: the answer has no result")
        return result

    def _signed(self, query: str) -> Dict[str, str]:
        assert self._credentials is not None
        now, key = str(self._clock.now_ms()), self._credentials.api_key
        return {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": now,
            "X-BAPI-RECV-WINDOW": str(RECV_WINDOW_MS),
            "X-BAPI-SIGN": self._credentials.sign(f"{now}{key}{RECV_WINDOW_MS}{query}"),
        }

    def _get(self, path: str, query: str, headers: Mapping[str, str], deadline: float) -> Dict[str, Any]:
        """Return the document of an accepted request."""
        while True:
            self._wait_turn(path, deadline)
            self._host.asked.append(monotonic())
            answer = self._pool.get(path + ("?" + query if query else ""), headers, deadline)
            self._heed(path, answer)
            refused = self._refusal(path, answer)
            if refused is None:
                document: Dict[str, Any] = answer.document
                return document
            if not isinstance(refused, RateLimited) or refused.code != RATE_LIMITED or not self._wait_before(path, deadline):
                raise refused
            if headers:
                headers = self._signed(query)  # its time has passed meanwhile

    # -- limits --------------------------------------------------------------------------------------

    def _wait_turn(self, path: str, deadline: float) -> None:
        """Wait until the venue's limits allow a request. Raises ``RateLimited`` if that is after the ``deadline``."""
        host = self._host
        while True:
            now = monotonic()
            if now < host.paused_until:
                raise RateLimited(
                    f"{self._pool.host}: the venue refused this address for too many requests (HTTP 403): it is left alone for "
                    f"another {host.paused_until - now:.0f} s",
                    code=403,
                )
            due = self._not_before.get(path, 0.0)
            if len(host.asked) == host.asked.maxlen:
                due = max(due, host.asked[0] + _BUDGET_SECONDS)
            if due <= now:
                return
            if due > deadline:
                wait = f"{due - now:.1f} s"
                raise RateLimited(f"{self._pool.host}: too many requests: the next is due in {wait}", code=RATE_LIMITED)
            pause(due - now)

    def _wait_before(self, path: str, deadline: float) -> bool:
        """True if there is time for another try after "too many visits"."""
        return self._not_before.get(path, 0.0) < deadline

    def _heed(self, path: str, answer: HttpAnswer) -> None:
        """Note when the next request may be made, as far as the answer says."""
        if answer.status == 403:
            self._host.paused_until = monotonic() + PAUSE
            logger.warning("bybit: %s refused this address for too many requests; no more for %.0f s", self._pool.host, PAUSE)
            return
        limited = isinstance(answer.document, dict) and answer.document.get("retCode") == RATE_LIMITED
        if limited or answer.headers.get("X-Bapi-Limit-Status") == "0":
            reset = time_ms(answer.headers.get("X-Bapi-Limit-Reset-Timestamp"))
            # The count is by a second that rolls: never longer, whatever the header says.
            seconds = min((reset - self._clock.now_ms()) / 1000, 1.0) if reset is not None and self._clock.is_known else 1.0
            self._not_before[path] = monotonic() + max(seconds, _LEAST_WAIT if limited else 0.0)

    # -- refusals ------------------------------------------------------------------------------------

    def _refusal(self, path: str, answer: HttpAnswer) -> Optional[Exception]:
        status, document = answer.status, answer.document
        where = f"{self._pool.host}: {path}"
        if status in (403, 429):
            return RateLimited(f"{where}: too many requests (HTTP {status})", code=status, reply=document)
        if status == 401:
            return AuthError(f"{where}: the key was refused (HTTP 401). Check the key and rest_url", code=401, reply=document)
        if status != 200:
            what = f"{where} was answered with HTTP {status}. Check rest_url; 5xx are temporary"
            return ConnectError(what, retry_after=answer.retry_after)
        code = whole_number(document.get("retCode")) if isinstance(document, dict) else None
        if code is None:
            return ProtocolError(f"{where}: the answer has no retCode")
        if code == 0:
            return None
        message = f"{path}: {words(document) or 'refused, without a reason'}"
        kind = RateLimited if code == RATE_LIMITED else AuthError if code in _AUTH else VenueError
        return kind(message, code=code, reply=document)


def pause(seconds: float, wake: Optional[threading.Event] = None) -> None:
    """Wait so many seconds, or until ``wake`` is set. Ctrl-C ends it."""
    (wake or threading.Event()).wait(max(seconds, 0.0))


def order_filter(category: str, symbol: Optional[str], order_id: str, link_id: str) -> Tuple[Tuple[str, str], ...]:
    """Return the parameters that name one order in any of the lists; of both ids the venue goes by ``orderId``."""
    named = (("orderId", order_id),) if order_id else (("orderLinkId", link_id),)
    return (("category", category), *((("symbol", symbol),) if symbol else ()), *named)
