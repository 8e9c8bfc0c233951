"""The part of ``BybitVenue`` that answers HTTP: its REST side, beside the sockets on the same port."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional, Tuple

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.codec import encode
from dbxsdk.sim.bybit.order import Changes
from dbxsdk.sim.bybit.rest import ENDPOINTS, RestFault, RestService
from dbxsdk.sim.bybit.trading import TradingVenue
from dbxsdk.sim.connection import Wire
from dbxsdk.sim.http import response
from dbxsdk.sim.market.market import Market


class RestVenue(TradingVenue):
    """REST over the markets and the account of the sockets: ``market/time``, ``market/recent-trade``, ``market/kline``,
    ``order/realtime``, ``order/history``, ``execution/list``, ``position/list`` and ``account/wallet-balance``."""

    def _trade_in(self, markets: Mapping[str, Market]) -> None:
        super()._trade_in(markets)
        clocks = self._server_ms, self._now_ms, time.monotonic
        self._rest = RestService(self._desk, markets, (self.api_key, self.api_secret), clocks, self._price, self._mark)
        self._rest_delay = 0.0

    def rest_url(self) -> str:
        """Return the origin of the REST side, for ``rest_url=`` of clients."""
        return "http" + self.url("/")[len("ws") : -1]

    @property
    def rest_requests(self) -> List[Tuple[str, Dict[str, str]]]:
        """The REST requests so far, path and parameters, oldest first; the last 10,000 are kept."""
        with self._lock:
            return list(self._rest.requests)

    def fail_rest(
        self, code: Optional[int] = 503, message: str = "", *, times: Optional[int] = None, endpoint: Optional[str] = None
    ) -> None:
        """Fail the next ``times`` REST requests (None: all), of ``endpoint`` (such as ``"order/history"``) or of all.

        Args:
            code: an HTTP status (below 1000), a code of the venue's (``retCode``) with ``message``, or None: the connection
                is cut without an answer.
        """
        if code is not None:
            check_int("code", code, least=200)
        if times is not None:
            check_int("times", times, least=1)
        paths = tuple(path for path in ENDPOINTS if endpoint is None or path == f"/v5/{endpoint}")
        if not paths:
            raise ValueError(f"endpoint must be one of {', '.join(path[len('/v5/'):] for path in ENDPOINTS)}, not {endpoint!r}")
        with self._lock:
            self._rest.faults.append(RestFault(code, message, times, paths))

    def accept_rest(self) -> None:
        """End ``fail_rest()``."""
        with self._lock:
            self._rest.faults.clear()

    def delay_rest(self, seconds: float) -> None:
        """Hold back each REST answer, which is made at once, for so long; 0 ends it."""
        check_seconds("seconds", seconds, zero=True)
        with self._lock:
            self._rest_delay = seconds

    def lag_history(self, seconds: float) -> None:
        """Show orders in ``order/history`` so many seconds after they closed, as the venue may; 0 ends it."""
        check_seconds("seconds", seconds, zero=True)
        with self._lock:
            self._rest.lag = seconds

    def limit_rest(self, requests: Optional[int] = 600) -> None:
        """Allow so many REST requests in 5 s, beyond which they get HTTP 403; None: as many as one likes."""
        if requests is not None:
            check_int("requests", requests, least=0)
        with self._lock:
            self._rest.per_address = requests

    def forget_closed(self) -> None:
        """Clear the closed orders that ``order/realtime`` knows, as a restart of the venue's service does."""
        with self._lock:
            self._rest.forget_closed()

    def _taken(self) -> Changes:
        changes = super()._taken()
        self._rest.note(changes.orders)
        return changes

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        path, _, query = request.path.partition("?")
        if path not in ENDPOINTS or self._stopping.is_set():
            return super()._answer_upgrade(wire, request)
        with self._lock:
            status, document, headers = self._rest.answer(path, query, request.headers)
            delay = self._rest_delay
            self._changed()
        if delay:
            self._stopping.wait(delay)
        if status == 0 and isinstance(wire, Wire):
            wire.cut()
        return _json(status or 503, document, headers)


def _json(status: int, document: Any, headers: Mapping[str, str]) -> Response:
    body = b"" if document is None else encode(document).encode()
    return response(status, body, {"Content-Type": "application/json", **headers})
