"""Kept HTTP connections to one origin, for several threads at once."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from dbxsdk.errors import ConnectError
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import ForkAware
from dbxsdk.transport.http import HttpAnswer, HttpSession

_KEPT = 4


class HttpPool(ForkAware):
    """GET requests to ``origin``. Any thread may ask; up to four idle connections are kept for the next."""

    def __init__(self, origin: str, options: Options) -> None:
        self._origin = origin
        self._options = options
        self.host = urlsplit(origin).hostname or ""
        self._closed = self._aborted = False
        self._after_fork()
        self._follow_forks()

    def _after_fork(self) -> None:
        self._idle: List[HttpSession] = []
        self._busy: Dict[int, HttpSession] = {}

    def close(self) -> None:
        """Close the connections. Requests may still be made, each over a connection of its own."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def abort(self) -> None:
        """Shut down the connections of requests under way. Later ones are refused."""
        self._aborted = True
        for session in tuple(self._check_process()._busy.values()):
            session.abort()

    def get(self, target: str, headers: Optional[Mapping[str, str]], deadline: float) -> HttpAnswer:
        """Send a GET request for ``target`` (path and query), bounded by ``deadline`` (of ``runtime.clock.monotonic``) and
        ``Options.request_timeout``. Raises ``ConnectError``; a retry is safe."""
        self._check_process()
        try:
            session, kept = self._idle.pop(), True
        except IndexError:
            session, kept = HttpSession(self._origin, self._options), False
        failed: Optional[ConnectError] = None
        while True:
            left = deadline - monotonic()
            if left <= 0:
                session.close()
                raise failed or ConnectError(f"{self.host}: HTTP: no time left to ask")
            seconds = min(left, self._options.request_timeout)
            self._busy[id(session)] = session
            try:
                if self._aborted:  # after the line above, so that one of the two threads sees what the other did
                    raise ConnectError(f"{self.host}: HTTP: closed")
                answer = session.get(self._origin + target, timeout=seconds, total=left, headers=headers)
            except ConnectError as error:
                if not kept or self._aborted:
                    raise
                kept, failed = False, error  # the venue may have closed it meanwhile: once more, over a new one
                continue
            finally:
                self._busy.pop(id(session), None)
            if self._closed or len(self._idle) >= _KEPT:
                session.close()
            else:
                self._idle.append(session)
            return answer
