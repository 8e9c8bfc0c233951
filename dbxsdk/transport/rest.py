"""One venue's REST side as recovery asks it: GET requests over kept connections, bounded in time, paused where it says so."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

import attrs

from dbxsdk.errors import AuthError, ConnectError, ProtocolError, RateLimited
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.transport.connect import warn_if_readable
from dbxsdk.transport.http import HttpAnswer, parse_origin
from dbxsdk.transport.http_pool import HttpPool

logger = SafeLogger(__name__)


@attrs.define
class _Host:
    """What this process owes a host: limits are the address's, whoever in the process asks."""

    paused_until: float = 0.0
    refusals: int = 0


_hosts: Dict[str, _Host] = {}


class RestSide:
    """GET requests of one account. Any thread may ask; several may at once.

    ``ask``, and whatever rests on it, takes ``deadline`` (seconds of ``runtime.clock.monotonic``), and raises, besides what it
    says:

    * ``ConnectError``: no answer, or a passing trouble of the venue's (HTTP 5xx).
    * ``RateLimited``: too many requests; until the pause is over no more are made.
    * ``AuthError``: the key, its rights or its address list.
    * ``VenueError``: any other refusal. ``ProtocolError``: an answer that cannot be read.

    A retry is safe: nothing here changes anything.
    """

    pauses: ClassVar[Tuple[float, ...]] = (5.0,)
    """Seconds to leave the venue alone after it refused too many requests: the first time, the second in a row and so on."""

    answers: ClassVar[Tuple[int, ...]] = (200,)
    """Statuses whose document says what the venue answered."""

    def __init__(self, origin: str, options: Options) -> None:
        self._pool = HttpPool(origin, options)
        self._host = _hosts.setdefault(urlsplit(origin).netloc, _Host())

    def close(self) -> None:
        """Close the connections. Requests may still be made, each over a connection of its own."""
        self._pool.close()

    def abort(self) -> None:
        """End the requests under way: they raise ``ConnectError``, as later ones do."""
        self._pool.abort()

    def ask(self, path: str, query: str, headers: Mapping[str, str], deadline: float) -> HttpAnswer:
        """Return the answer to one request."""
        left = self._host.paused_until - monotonic()
        if left > 0:
            raise RateLimited(f"{self._pool.host}: too many requests: it is left alone for another {left:.0f} s", code=429)
        answer = self._pool.get(path + ("?" + query if query else ""), headers, deadline)
        where, status = f"{self._pool.host}: {path}", answer.status
        if status == 429:
            raise self.too_many(f"{where}: too many requests (HTTP 429)", 429, answer)
        if status in (401, 403):
            what = f"{where}: the key was refused (HTTP {status}). Check the key and rest_url"
            raise AuthError(what, code=status, reply=answer.document)
        if status not in self.answers:
            what = f"{where} was answered with HTTP {status}. Check rest_url; 5xx are temporary"
            raise ConnectError(what, retry_after=answer.retry_after)
        return answer

    def too_many(self, message: str, code: Any, answer: HttpAnswer) -> RateLimited:
        """Note when the next request may be made. Return the error."""
        pause = max(self.pauses[min(self._host.refusals, len(self.pauses) - 1)], answer.retry_after or 0.0)
        self._host.refusals += 1
        self._host.paused_until = monotonic() + pause
        logger.warning("%s refused this address for too many requests; no more for %.0f s", self._pool.host, pause)
        return RateLimited(message, code=code, reply=answer.document)

    def accepted(self) -> None:
        """Note that the venue carried out a request: it has no reason to refuse the next."""
        self._host.refusals = 0


def list_of_rows(path: str, rows: Any) -> List[Dict[str, Any]]:
    """Return ``rows`` if they are a list of objects; else raise ``ProtocolError``."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProtocolError(f"{path}: the answer has no list of rows")
    return rows


def query_of(params: Mapping[str, Any]) -> str:
    """Return the parameters as a query, in alphabetical order. What is None is left out."""
    return urlencode(sorted((name, value) for name, value in params.items() if value is not None), quote_via=quote)


def rest_origin(rest_url: Optional[str], url: Any, known: Mapping[str, str]) -> Optional[str]:
    """Return the origin of the REST side that belongs to a socket: ``rest_url`` if it is given; what is ``known`` of the host of
    ``url``; for no ``url`` the first that is known. None: the key must not go to the live venue if its socket is elsewhere.

    Raises ``TypeError``/``ValueError`` naming ``rest_url``.
    """
    if rest_url is not None:
        origin = parse_origin("rest_url", rest_url)
        if origin.startswith("http://"):
            warn_if_readable(urlsplit(origin).hostname or "", stacklevel=3)
        return origin
    if url is None:
        return next(iter(known.values()))
    return known.get(urlsplit(url).hostname or "") if isinstance(url, str) else None  # else it is refused where it is used
