"""The part of ``BybitVenue`` that answers HTTP: its REST side, beside the sockets on the same port."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional, Tuple

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.sim.bybit.order import Changes
from dbxsdk.sim.bybit.rest import ENDPOINTS, RestService
from dbxsdk.sim.bybit.trading import TradingVenue
from dbxsdk.sim.market.market import Market
from dbxsdk.sim.rest_side import RestAnswer, RestSide


class RestVenue(TradingVenue, RestSide):
    """REST over the markets and the account of the sockets: ``market/time``, ``market/recent-trade``, ``market/kline``,
    ``order/realtime``, ``order/history``, ``execution/list``, ``position/list`` and ``account/wallet-balance``."""

    rest_paths = ENDPOINTS
    rest_prefix = "/v5/"

    def _trade_in(self, markets: Mapping[str, Market]) -> None:
        super()._trade_in(markets)
        clocks = self._server_ms, self._shift_ms, self._now_ms, time.monotonic
        self._service_of_rest = RestService(
            self._desk, markets, (self.api_key, self.api_secret), clocks, self._price, self._mark
        )

    @property
    def rest_requests(self) -> List[Tuple[str, Dict[str, str]]]:
        """The REST requests so far, path and parameters, oldest first; the last 10,000 are kept."""
        with self._lock:
            return list(self._service_of_rest.requests)

    def lag_history(self, seconds: float) -> None:
        """Show orders in ``order/history`` so many seconds after they closed, as the venue may; 0 ends it."""
        check_seconds("seconds", seconds, zero=True)
        with self._lock:
            self._service_of_rest.lag = seconds

    def limit_rest(self, requests: Optional[int] = 600) -> None:
        """Allow so many REST requests in 5 s, beyond which they get HTTP 403; None: as many as one likes, a second, too."""
        if requests is not None:
            check_int("requests", requests, least=0)
        with self._lock:
            self._service_of_rest.per_address = requests

    def forget_closed(self) -> None:
        """Clear the closed orders that ``order/realtime`` knows, as a restart of the venue's service does."""
        with self._lock:
            self._service_of_rest.forget_closed()

    def _taken(self) -> Changes:
        changes = super()._taken()
        self._service_of_rest.note(changes.orders)
        return changes

    def _answer_rest(self, path: str, query: str, headers: Mapping[str, str]) -> RestAnswer:
        return self._service_of_rest.answer(path, query, headers)

    def _refuse_rest(self, code: int, message: str) -> Any:
        return self._service_of_rest.document(code, message, {})
