"""Cryptomus's REST side, as far as recovery needs it: signed GET requests, page by page, bounded in time.

Source: doc.cryptomus.com, "exchange" and "market-cap". No limit of requests is published.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Tuple

from dbxsdk.cryptomus.http import signature
from dbxsdk.errors import ProtocolError, VenueError
from dbxsdk.options import Options
from dbxsdk.transport.http import HttpAnswer
from dbxsdk.transport.rest import RestSide, list_of_rows, query_of
from dbxsdk.transport.retry_after import http_date

_USER_API = "/v2/user-api/exchange/"
ORDERS = _USER_API + "orders"
HISTORY = _USER_API + "orders/history"
BALANCES = _USER_API + "account/balance"
TRADES = "/v1/exchange/market/trades/"

_PAGE = 100
_OVERLAP = 20
"""Rows that are asked for once more with the next page: what ends meanwhile pulls the others forward."""
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class CryptomusRest(RestSide):
    """GET requests of one account: see ``RestSide``."""

    pauses = (10.0, 60.0, 600.0)  # nothing is published
    answers = (200, 404, 422)

    def __init__(self, user_id: str, api_key: str, origin: str, options: Options) -> None:
        super().__init__(origin, options)
        # Of a GET request the body, which is empty, is signed, and not the query.
        self._headers = {"userId": user_id, "sign": signature(api_key)}

    def trades(self, market: str, deadline: float) -> Tuple[List[Dict[str, Any]], Optional[float]]:
        """Return the last trades of a market, and the venue's time in seconds since 1970, if the answer says it."""
        path = TRADES + market
        answer = self.ask(path, "", {}, deadline)
        return self._rows(path, answer), http_date(answer.headers.get("Date", ""))

    def rows(self, path: str, params: Mapping[str, Any], deadline: float) -> List[Dict[str, Any]]:
        """Return the rows of an answer that has no pages."""
        return self._rows(path, self.ask(path, query_of(params), self._headers, deadline))

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        most: int,
        deadline: float,
        enough: Callable[[List[Dict[str, Any]]], bool] = lambda page: False,
    ) -> Tuple[List[Dict[str, Any]], bool]:
        """Return the rows of up to ``most`` pages, and True if those are all; what is on two pages is there twice. ``enough``
        says of a page that no more are wanted. Raises ``ProtocolError`` if a page does not join on to the one before: rows that
        left the list meanwhile have pulled others out of what is asked for."""
        found: List[Dict[str, Any]] = []
        before: FrozenSet[str] = frozenset()
        for page in range(most):
            rows = self.rows(path, {**params, "limit": _PAGE, "offset": page * (_PAGE - _OVERLAP)}, deadline)
            keys = frozenset(str(row.get("id")) for row in rows)
            if before and before.isdisjoint(keys):
                raise ProtocolError(f"{path}: the list changed while it was read")
            found += rows
            if len(rows) < _PAGE:
                return found, True
            if enough(rows):
                break
            before = keys
        return found, False

    def _rows(self, path: str, answer: HttpAnswer) -> List[Dict[str, Any]]:
        document = answer.document
        rows = document.get("result", document.get("data")) if isinstance(document, dict) else document
        if isinstance(document, dict) and (answer.status != 200 or document.get("state", 0) != 0 or "code" in document):
            words, code = document.get("message"), document.get("code", document.get("state", answer.status))
            raise VenueError(f"{path}: {words if isinstance(words, str) else 'refused'}", code=code, reply=document)
        if answer.status != 200:
            raise VenueError(f"{path}: HTTP {answer.status}", code=answer.status, reply=document)
        found = list_of_rows(path, rows)
        self.accepted()
        return found


def seconds_of(identifier: Any, text: Any) -> int:
    """Return the seconds since 1970 at which something happened that has an id and a time.

    A ULID begins with its time. The texts (``2025-01-01 12:00:00``) have no zone: some are UTC, and one example of the pages is 4
    hours off. Raises ``ProtocolError`` if neither can be read.
    """
    if isinstance(identifier, str) and len(identifier) == 26 and not set(identifier.upper()) - set(_ULID):
        ms = 0
        for letter in identifier.upper()[:10]:
            ms = ms * 32 + _ULID.index(letter)
        return ms // 1000
    return seconds_of_text(text)


def seconds_of_text(text: Any) -> int:
    """Return the same of a time alone, taken for UTC."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    try:
        return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp())
    except (TypeError, ValueError):
        raise ProtocolError(f"{str(text)!r:.60} is not a time") from None
