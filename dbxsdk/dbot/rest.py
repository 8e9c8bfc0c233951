"""DBot's REST lists of tasks, as far as recovery needs them: GET requests with the key, page by page, bounded in time.

Source: docs.dbotx.com/reference (the pages of the lists), guide-en.dbotx.com.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode

from dbxsdk.dbot.base_protocol import refusal
from dbxsdk.errors import ProtocolError
from dbxsdk.options import Options
from dbxsdk.runtime.clock import wall_ns
from dbxsdk.transport.rest import RestSide, list_of_rows
from dbxsdk.transport.retry_after import http_date

REST_ORIGIN = "https://api-bot-v1.dbotx.com"

_PAGE = 20  # rows, the most there are
MOST_PAGES = 50


class DBotRest(RestSide):
    """The account's lists: see ``RestSide``."""

    pauses = (5.0, 30.0, 60.0)  # 600 requests a minute are allowed

    def __init__(self, api_key: str, origin: str, options: Options) -> None:
        super().__init__(origin, options)
        self._headers = {"X-API-KEY": api_key}

    def rows(self, path: str, params: Mapping[str, Any], deadline: float) -> Tuple[List[Dict[str, Any]], float]:
        """Return the rows of all pages, and by how many ms the venue's clock is ahead, by the answers' ``Date``."""
        found: List[Dict[str, Any]] = []
        ahead_ms = 0.0
        for rows, ahead in self.pages(path, params, deadline):
            found += rows
            ahead_ms = ahead_ms if ahead is None else ahead
        if len(found) >= _PAGE * MOST_PAGES:
            raise ProtocolError(f"{path}: more than {MOST_PAGES} pages")
        return found, ahead_ms

    def pages(
        self, path: str, params: Mapping[str, Any], deadline: float
    ) -> Iterator[Tuple[List[Dict[str, Any]], Optional[float]]]:
        """Give the rows of each page up to the last one, or to ``MOST_PAGES``, and by how much the venue's clock is ahead."""
        for page in range(MOST_PAGES):
            query = urlencode({"page": page, "size": _PAGE, **params}, quote_via=quote)
            answer = self.ask(path, query, self._headers, deadline)
            document = answer.document
            if not isinstance(document, dict):
                raise ProtocolError(f"{self._pool.host}: {path}: the answer is no object")
            refused = refusal(document, path)
            if refused is not None:
                raise refused
            rows = list_of_rows(path, document.get("res"))
            self.accepted()
            date = http_date(answer.headers.get("Date", ""))
            yield rows, None if date is None else date * 1000 - wall_ns() / 1_000_000
            if len(rows) < _PAGE:
                return
