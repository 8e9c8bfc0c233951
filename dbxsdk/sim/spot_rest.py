"""``SpotRest``: REST over the market and the account of a spot venue, beside its socket on the same port."""

from __future__ import annotations

import abc
import collections
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import parse_qsl

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.sim.market.market import Trade
from dbxsdk.sim.refused import Refused
from dbxsdk.sim.rest_side import RestAnswer, RestSide
from dbxsdk.sim.spot import SpotVenue

Params = Dict[str, str]
Document = Dict[str, Any]


class SpotRest(SpotVenue, RestSide):
    """The endpoints are a table of functions that make an answer's document."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._rest_lag = 0.0
        self._rest_left: Optional[int] = None
        self._rest_requests: Deque[Tuple[str, Params]] = collections.deque(maxlen=10_000)
        self._endpoints = self._make_endpoints()
        self.rest_paths = tuple(self._endpoints)

    @abc.abstractmethod
    def _make_endpoints(self) -> Dict[str, Callable[[Params], Document]]:
        """Return the functions by path. Called under the lock, they raise ``Refused``."""

    @abc.abstractmethod
    def _check_request(self, path: str, query: str, headers: Mapping[str, str]) -> Optional[RestAnswer]:
        """Return the refusal of a request whose signature, key or time is wrong."""

    @property
    def rest_requests(self) -> List[Tuple[str, Params]]:
        """The REST requests so far, path and parameters, oldest first; the last 10,000 are kept."""
        with self._lock:
            return list(self._rest_requests)

    def lag_history(self, seconds: float) -> None:
        """Show trades, and orders that ended, so many seconds of the market's time later; 0 ends it."""
        check_seconds("seconds", seconds, zero=True)
        with self._lock:
            self._rest_lag = seconds

    def limit_rest(self, requests: Optional[int] = None) -> None:
        """Allow so many REST requests more, beyond which each is refused; None: as many as one likes."""
        if requests is not None:
            check_int("requests", requests, least=0)
        with self._lock:
            self._rest_left = requests

    def orders(self) -> List[Document]:
        """Return the account's open orders as the stream shows them, by creation."""
        with self._lock:
            return [dict(order) for order in self._account.orders.values() if self._account.is_open(order)]

    def _answer_rest(self, path: str, query: str, headers: Mapping[str, str]) -> RestAnswer:
        params = dict(parse_qsl(query, keep_blank_values=True))
        self._rest_requests.append((path, params))
        if self._rest_left is not None:
            if not self._rest_left:
                return self._too_many()
            self._rest_left -= 1
        refused = self._check_request(path, query, headers)
        if refused is not None:
            return refused
        try:
            return 200, self._endpoints[path](params), {}
        except Refused as error:
            return 200, self._refuse_rest(error.code, error.message), {}

    def _too_many(self) -> RestAnswer:
        return 429, None, {}

    def _shown_ms(self) -> int:
        """Return up to when things are shown that happened."""
        return self._now_ms() - int(self._rest_lag * 1000)

    def _shown_trades(self, symbol: str, most: int) -> List[Trade]:
        """Return the last trades that are shown, newest first. Raises ``KeyError``."""
        trades = [each for each in self._market.symbols[symbol].history if each.time_us // 1000 <= self._shown_ms()]
        return trades[::-1][:most]

    def _ended_orders(self, end_ms: Callable[[Document], int]) -> List[Document]:
        """Return the orders that ended and are shown, the newest first. ``end_ms`` says when one ended."""
        ended: Iterable[Document] = (each for each in self._account.orders.values() if not self._account.is_open(each))
        return [each for each in ended if end_ms(each) <= self._shown_ms()][::-1]


def number(params: Params, name: str, default: int, most: int, refusal: Refused, least: int = 1) -> int:
    """Return a whole number out of the parameters. Raises ``refusal``."""
    given = params.get(name, str(default))
    if not given.isdecimal() or not least <= int(given) <= most:
        raise refusal
    return int(given)
