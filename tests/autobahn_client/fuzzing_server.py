"""What a client says to an Autobahn fuzzing server: each request is a connection of dbxsdk's own transport.

The server is the examiner: ``/runCase`` sends valid and invalid frames and watches what comes back. A text message is
to be sent back as text, a binary one as binary, and everything else (pongs, close codes) is the transport's to do.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Callable, List, Optional, Tuple
from urllib.parse import urlencode

import attrs

from dbxsdk import Options
from dbxsdk.arguments import check_seconds
from dbxsdk.transport import INVALID_PAYLOAD, Connection, Ending, Message, NotSent, SendFailed, parse_url

_GRACE = 5.0
"""Seconds that an aborted connection may take to end."""

UNFINISHED = "UNFINISHED"
"""The behavior of a case that did not end in time, or of which the server tells no result."""


class NoAnswer(Exception):
    """The server did not do what was asked of it."""


@attrs.frozen
class Result:
    """How one case went. ``behavior`` is the server's word (``OK``, ``FAILED``, ...) or ``UNFINISHED``."""

    number: int
    case: str
    behavior: str
    seconds: float
    ending: str

    @property
    def good(self) -> bool:
        return self.behavior not in ("FAILED", UNFINISHED)


class FuzzingServer:
    """An Autobahn fuzzing server at ``url`` that knows us as ``agent``. ``timeout`` seconds bound each connection."""

    def __init__(self, url: str, agent: str, timeout: float) -> None:
        parse_url("url", url)
        check_seconds("timeout", timeout)
        self._url = url.rstrip("/")
        self._agent = agent
        self._timeout = timeout
        self._options = Options(connect_timeout=timeout, max_message_size=32 << 20)

    def case_count(self) -> int:
        return int(self._ask("/getCaseCount"))

    def run_case(self, number: int) -> Result:
        """Runs the case, from 1 to ``case_count()``, to its end, and asks the server how it went."""
        case = str(self._ask("/getCaseInfo", case=number)["id"])
        began = time.monotonic()
        ending, in_time = self._converse("/runCase", self._echo, case=number, agent=self._agent)
        seconds = time.monotonic() - began
        try:
            behavior = str(self._ask("/getCaseStatus", case=number, agent=self._agent)["behavior"])
        except NoAnswer:
            behavior = UNFINISHED
        return Result(number, case, behavior if in_time else UNFINISHED, seconds, ending.reason)

    def _echo(self, connection: Connection, messages: List[Message]) -> None:
        for payload, binary in messages:
            try:
                connection.send(payload if binary else payload.decode(), self._timeout)
            except UnicodeDecodeError:
                # Whole text frames are the receiver's to check: a JSON decoder does it on the way.
                connection.fail(INVALID_PAYLOAD, "text that is not UTF-8")
                return
            except (NotSent, SendFailed):
                return  # the connection has ended, and the server knows whether it should have

    def update_reports(self) -> None:
        """Has the server write its reports, in its own folder."""
        ending, in_time = self._converse("/updateReports", _ignore, agent=self._agent)
        if ending.error is not None or not in_time:
            raise NoAnswer(f"/updateReports: {ending.reason}")

    def _ask(self, path: str, **query: Any) -> Any:
        """The JSON of the one message that the server sends before it closes."""
        answers: List[bytes] = []

        def keep(_: Connection, messages: List[Message]) -> None:
            answers.extend(payload for payload, _ in messages)

        ending, _ = self._converse(path, keep, **query)
        if not answers:
            raise NoAnswer(f"{path}: {ending.reason}")
        try:
            return json.loads(answers[0])
        except ValueError:
            raise NoAnswer(f"{path}: the answer is no JSON: {answers[0][:80]!r}") from None

    def _converse(
        self, path: str, on_messages: Callable[[Connection, List[Message]], None], **query: Any
    ) -> Tuple[Ending, bool]:
        """One connection, from its begin to its end; and whether that came in time."""
        url = f"{self._url}{path}" + (f"?{urlencode(query)}" if query else "")
        ended: Optional[Ending] = None
        fault: Optional[Exception] = None

        def take(messages: List[Message]) -> None:
            nonlocal fault
            try:
                on_messages(connection, messages)
            except Exception as error:  # the server may take the broken connection that follows for a good answer
                fault = error
                connection.abort(repr(error))

        def run() -> None:
            nonlocal ended
            ended = connection.run()

        connection = Connection(
            parse_url("url", url), self._options, on_open=lambda: None, on_messages=take, on_pong=lambda _: None
        )
        thread = threading.Thread(target=run, name="autobahn-client", daemon=True)
        thread.start()
        thread.join(self._timeout)
        in_time = not thread.is_alive()
        if not in_time:
            connection.abort(f"not ended within {self._timeout:g} s")
            thread.join(_GRACE)
        if fault is not None:
            raise fault
        return ended or Ending("the connection did not even end when it was aborted"), in_time


def _ignore(connection: Connection, messages: List[Message]) -> None:
    pass
