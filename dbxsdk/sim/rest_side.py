"""REST on a local venue's port, beside its sockets: answers, and their failures and delays on request."""

from __future__ import annotations

import abc
from typing import Any, List, Mapping, Optional, Tuple

import attrs
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.codec import encode
from dbxsdk.sim.connection import Wire
from dbxsdk.sim.http import response
from dbxsdk.sim.venue import Venue

RestAnswer = Tuple[int, Any, Mapping[str, str]]
"""HTTP status, document (None: no body), headers."""


@attrs.define
class RestFault:
    """A failure in place of answers: an HTTP status, a code of the venue's (from 1000), or None for a cut connection."""

    code: Optional[int]
    message: str
    left: Optional[int]
    paths: Tuple[str, ...]


class RestSide(Venue):
    """A venue that answers HTTP requests for ``rest_paths``."""

    rest_paths: Tuple[str, ...]
    rest_prefix = "/"
    """What the names of endpoints leave out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._rest_faults: List[RestFault] = []
        self._rest_delay = 0.0

    @abc.abstractmethod
    def _answer_rest(self, path: str, query: str, headers: Mapping[str, str]) -> RestAnswer:
        """Answer one request. Called under the lock."""

    @abc.abstractmethod
    def _refuse_rest(self, code: int, message: str) -> Any:
        """Return the document of the venue's refusal."""

    def rest_url(self) -> str:
        """Return the origin of the REST side, for ``rest_url=`` of clients."""
        return "http" + self.url("/")[len("ws") : -1]

    def fail_rest(
        self, code: Optional[int] = 503, message: str = "", *, times: Optional[int] = None, endpoint: Optional[str] = None
    ) -> None:
        """Fail the next ``times`` REST requests (None: all), of one ``endpoint`` or of all.

        Args:
            code: an HTTP status (below 1000), a code of the venue's with ``message``, or None: the connection is cut without an
                answer.
            endpoint: its path without the venue's prefix, such as ``"order/history"`` of Bybit.
        """
        if code is not None:
            check_int("code", code, least=200)
        if times is not None:
            check_int("times", times, least=1)
        prefix = self.rest_prefix
        paths = tuple(path for path in self.rest_paths if endpoint is None or path == prefix + endpoint)
        if not paths:
            known = ", ".join(path[len(prefix) :] for path in self.rest_paths)
            raise ValueError(f"endpoint must be one of {known}, not {endpoint!r}")
        with self._lock:
            self._rest_faults.append(RestFault(code, message, times, paths))

    def accept_rest(self) -> None:
        """End ``fail_rest()``."""
        with self._lock:
            self._rest_faults.clear()

    def delay_rest(self, seconds: float) -> None:
        """Hold back each REST answer, which is made at once, for so long; 0 ends it."""
        check_seconds("seconds", seconds, zero=True)
        with self._lock:
            self._rest_delay = seconds

    def _rest(self, path: str, query: str, headers: Mapping[str, str]) -> RestAnswer:
        """Answer one request, or fail it; status 0 stands for a connection that is cut."""
        fault = next((fault for fault in self._rest_faults if path in fault.paths), None)
        if fault is None:
            return self._answer_rest(path, query, headers)
        if fault.left is not None:
            fault.left -= 1
            if not fault.left:
                self._rest_faults.remove(fault)
        if fault.code is None or fault.code < 1000:
            return fault.code or 0, None, {}
        return 200, self._refuse_rest(fault.code, fault.message), {}

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        path, _, query = request.path.partition("?")
        if path not in self.rest_paths or self._stopping.is_set():
            return super()._answer_upgrade(wire, request)
        with self._lock:
            status, document, headers = self._rest(path, query, request.headers)
            delay = self._rest_delay
            self._changed()
        if delay:
            self._stopping.wait(delay)
        if status == 0 and isinstance(wire, Wire):
            wire.cut()
        body = b"" if document is None else encode(document).encode()
        return response(status or 503, body, {"Content-Type": "application/json", **headers})
