"""DBot's REST lists of tasks, as far as recovery needs them: GET requests with the key, page by page, bounded in time.

Source: docs.dbotx.com/reference (the pages of the lists), guide-en.dbotx.com.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode

from dbxsdk.dbot.base_protocol import refusal
from dbxsdk.errors import AuthError, ConnectError, ProtocolError, RateLimited
from dbxsdk.options import Options
from dbxsdk.runtime.clock import wall_ns
from dbxsdk.transport.http_pool import HttpPool
from dbxsdk.transport.retry_after import http_date

REST_ORIGIN = "https://api-bot-v1.dbotx.com"

_PAGE = 20  # rows, the most there are
_MOST_PAGES = 50


class DBotRest:
    """The account's lists. Any thread may ask."""

    def __init__(self, api_key: str, origin: str, options: Options) -> None:
        self._headers = {"X-API-KEY": api_key}
        self._pool = HttpPool(origin, options)

    def close(self) -> None:
        self._pool.close()

    def rows(self, path: str, params: Mapping[str, Any], deadline: float) -> Tuple[List[Dict[str, Any]], float]:
        """Return the rows of all pages, and how many ms the venue's clock is ahead of this machine's, by the answer's ``Date``.

        Raises ``ConnectError``, ``RateLimited``, ``AuthError``, ``VenueError``, ``ProtocolError``. A retry is safe.
        """
        found: List[Dict[str, Any]] = []
        ahead_ms = 0.0
        for page in range(_MOST_PAGES):
            query = urlencode({"page": page, "size": _PAGE, **params}, quote_via=quote)
            document, date = self._get(path, query, deadline)
            ahead_ms = ahead_ms if date is None else date * 1000 - wall_ns() / 1_000_000
            rows = document.get("res")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ProtocolError(f"{path}: the answer has no list of rows")
            found += rows
            if len(rows) < _PAGE:
                return found, ahead_ms
        raise ProtocolError(f"{path}: more than {_MOST_PAGES} pages")

    def _get(self, path: str, query: str, deadline: float) -> Tuple[Dict[str, Any], Optional[float]]:
        answer = self._pool.get(f"{path}?{query}", self._headers, deadline)
        where = f"{self._pool.host}: {path}"
        if answer.status in (401, 403):
            raise AuthError(f"{where}: the key was refused (HTTP {answer.status})", code=answer.status, reply=answer.document)
        if answer.status == 429:
            raise RateLimited(f"{where}: too many requests (HTTP 429)", code=429, reply=answer.document)
        if answer.status != 200:
            what = f"{where} was answered with HTTP {answer.status}. Check rest_url; 5xx are temporary"
            raise ConnectError(what, retry_after=answer.retry_after)
        document = answer.document
        if not isinstance(document, dict):
            raise ProtocolError(f"{where}: the answer is no object")
        refused = refusal(document, path)
        if refused is not None:
            raise refused
        return document, http_date(answer.headers.get("Date", ""))
