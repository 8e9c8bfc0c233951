"""What DBot's two sockets have in common: the heartbeat, and how refusals are read.

No page shows a single error frame: ``err`` is documented, the rest is read as found.
"""

from __future__ import annotations

import abc
import itertools
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from dbxsdk.errors import VenueError
from dbxsdk.protocol import Protocol, Reply, Request

_MESSAGES = ("message", "msg", "errorMessage", "error")
_CODES = ("code", "errorCode")
_GOOD_STATUS = (None, "ack", "ok", "success")


class DBotProtocol(Protocol):
    """Either socket."""

    venue = "dbot"
    heartbeat_interval = 30.0  # as in the venue's own samples
    longest_heartbeat_interval = 55.0  # it closes after a minute without a heartbeat, and advises 30 to 55 s
    only_heartbeats_count = True  # "heartbeat at least once a minute": no page says that requests count

    def __init__(self) -> None:
        self._numbers = itertools.count(1)  # next() on it is atomic: any thread makes requests
        self.reset()

    def heartbeat(self) -> Request:
        return self._ping()

    def _ping(self, topics: Sequence[str] = ()) -> Request:
        """Make a WebSocket ping. With ``topics`` it follows a request that ends them and whose answer no page describes: the
        venue reads frames in order, so the pong says that the request was read."""
        payload = f"dbxsdk-{next(self._numbers)}"
        return Request(key=payload, frame=payload, kind="ping", topics=tuple(topics), is_ping=True)

    def conclude(self, request: Request, reply: Reply) -> Any:
        if request.is_ping:
            return None
        document = contents(reply)
        refused = refusal(document, request.kind)
        if refused is not None:
            raise refused
        return self._result(request, document)

    @abc.abstractmethod
    def _result(self, request: Request, document: Dict[str, Any]) -> Any:
        """Return the result in an answer that does not say no."""


def contents(reply: Reply) -> Dict[str, Any]:
    return reply.document if isinstance(reply.document, dict) else {}


def failed(document: Mapping[str, Any]) -> bool:
    """Return True if a frame says that something went wrong."""
    result = document.get("result")
    parts = (document, result) if isinstance(result, dict) else (document,)
    if any(_says_no(part.get("err")) for part in parts):
        return True
    if any(part.get("err") is False for part in parts):
        return False
    return any(bool(part.get("error")) for part in parts) or document.get("status") not in _GOOD_STATUS


def refusal(document: Mapping[str, Any], what: str) -> Optional[VenueError]:
    """Return the exception for a frame that says no, or None. ``what`` names the request."""
    if not failed(document):
        return None
    code, message = _reason(document)
    return VenueError(message or f"the venue refused {what} and gave no reason", code=code, reply=document)


def _says_no(err: Any) -> bool:
    # Only true is documented; a text or an object in its place would be a reason.
    return err is True or bool(isinstance(err, (str, dict)) and err)


def _reason(document: Mapping[str, Any]) -> Tuple[Any, Optional[str]]:
    result = document.get("result")
    message: Optional[str] = result if isinstance(result, str) and result else None
    code: Any = None
    for part in (result, document):
        for place in (part.get("res"), part.get("err"), part.get("error"), part) if isinstance(part, dict) else ():
            if isinstance(place, str) and place:
                message = message or place
            if isinstance(place, dict):
                texts = (place.get(key) for key in _MESSAGES)
                message = message or next((text for text in texts if isinstance(text, str) and text), None)
                codes = (place.get(key) for key in _CODES)
                code = next((value for value in codes if _is_code(value)), None) if code is None else code
    return code, message


def _is_code(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool) and value != ""
