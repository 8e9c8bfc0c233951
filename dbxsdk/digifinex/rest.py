"""DigiFinex's REST side (spot v3), as far as recovery needs it: signed GET requests, bounded in time.

Source: docs.digifinex.com, spot v3 REST. Its text says that parameters are signed in alphabetical order, its example is right
only if they are signed as they are sent: they are sent in alphabetical order.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import Any, Dict, List, Mapping, Optional

from dbxsdk.clock_skew import bounds, in_words, middle
from dbxsdk.credentials import SecretText
from dbxsdk.errors import AuthError, ProtocolError, VenueError
from dbxsdk.options import Options
from dbxsdk.runtime.clock import wall_ns
from dbxsdk.transport.rest import RestSide, list_of_rows, query_of

TIME, TRADES = "/v3/time", "/v3/trades"

_BAD_TIMESTAMP, _TOO_OFTEN = 10008, 10005
_AUTH = frozenset((10002, 10003, 10004, 10006, 10007, _BAD_TIMESTAMP))
_WORDS = {
    10002: "the key is wrong",
    10003: "the signature is wrong",
    10004: "the API is closed for this key or address",
    10005: "too many requests",
    10006: "the key has no right to this",
    10007: "the address is not on the key's list",
    10008: "the timestamp is wrong",
}


def signature(api_secret: str, params: str) -> str:
    """Return the header ``ACCESS-SIGN`` for parameters as they are sent; ``""`` if there are none."""
    return SecretText(hmac.new(api_secret.encode(), params.encode(), hashlib.sha256).hexdigest())


class DigiFinexRest(RestSide):
    """GET requests of one account, or without a key those for market data: see ``RestSide``."""

    pauses = (120.0, 600.0, 1800.0)  # the venue's own, once 1,200 requests were too many

    def __init__(self, api_key: Optional[str], api_secret: Optional[str], origin: str, options: Options) -> None:
        super().__init__(origin, options)
        self._api_key = api_key
        self._api_secret = api_secret
        self._skew_ms: Optional[float] = None
        """The venue's clock minus this machine's."""

    def public(self, path: str, params: Mapping[str, Any], deadline: float) -> Dict[str, Any]:
        """Return the document of a request for market data."""
        return self._get(path, query_of(params), {}, deadline)

    def private(self, path: str, params: Mapping[str, Any], deadline: float) -> Dict[str, Any]:
        """Return the document of a signed request."""
        query = query_of(params)
        for last in (False, True):
            if self._skew_ms is None:
                self._measure(deadline)
            try:
                return self._get(path, query, self._signed(query), deadline)
            except VenueError as error:
                if error.code != _BAD_TIMESTAMP:
                    raise
                if last:
                    what = f"{error.message} ({in_words(self._skew_ms, 2000)})"
                    raise AuthError(what, code=error.code, reply=error.reply) from None
                self._skew_ms = None  # a clock was set since
        raise AssertionError

    def rows(self, path: str, params: Mapping[str, Any], deadline: float) -> List[Dict[str, Any]]:
        """Return the rows of a signed request."""
        return rows_of(path, self.private(path, params, deadline))

    def ahead_ms(self, deadline: float) -> float:
        """Return by how much the venue's clock is ahead of this machine's."""
        if self._skew_ms is None:
            self._measure(deadline)
        return self._skew_ms or 0.0

    def _measure(self, deadline: float) -> None:
        asked = wall_ns() / 1_000_000
        seconds = self._get(TIME, "", {}, deadline).get("server_time")
        if isinstance(seconds, bool) or not isinstance(seconds, int):
            raise ProtocolError(f"{TIME}: the answer has no time")
        self._skew_ms = middle(*bounds(seconds * 1000, 1000, asked, wall_ns() / 1_000_000))

    def _signed(self, query: str) -> Dict[str, str]:
        assert self._api_key is not None and self._api_secret is not None
        # Whole seconds, cut: it may be some behind the venue's, and hardly ahead.
        now = math.floor((wall_ns() / 1_000_000 + (self._skew_ms or 0)) / 1000)
        sign = signature(self._api_secret, query)
        return {"ACCESS-KEY": self._api_key, "ACCESS-TIMESTAMP": str(now), "ACCESS-SIGN": sign}

    def _get(self, path: str, query: str, headers: Mapping[str, str], deadline: float) -> Dict[str, Any]:
        answer = self.ask(path, query, headers, deadline)
        document = answer.document
        code = document.get("code") if isinstance(document, dict) else None
        if isinstance(code, bool) or not isinstance(code, int):
            raise ProtocolError(f"{path}: the answer has no code")
        if code == _TOO_OFTEN:
            raise self.too_many(f"{path}: {_WORDS[code]}", code, answer)
        if code:
            words = document.get("msg") or document.get("message") or _WORDS.get(code, "refused")
            raise (AuthError if code in _AUTH else VenueError)(f"{path}: {words}", code=code, reply=document)
        self.accepted()
        return document  # type: ignore[no-any-return]


def rows_of(path: str, document: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the rows of an answer, which are under ``data`` or ``list``. One that is alone may come without a list."""
    rows = document.get("data", document.get("list"))
    if isinstance(rows, dict):
        rows = [rows]
    return list_of_rows(path, rows)
