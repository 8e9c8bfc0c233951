"""Reads the venue's refusals. No page shows a single error frame: ``err`` is documented, the rest is read as found."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from dbxsdk.errors import VenueError

_MESSAGES = ("message", "msg", "errorMessage", "error")
_CODES = ("code", "errorCode")
_GOOD_STATUS = (None, "ack", "ok", "success")


def failed(document: Mapping[str, Any]) -> bool:
    """Return True if a frame says that something went wrong."""
    result = document.get("result")
    parts = (document, result) if isinstance(result, dict) else (document,)
    if any(_says_no(part.get("err")) for part in parts):
        return True
    if any(part.get("err") is False for part in parts):
        return False
    return any(bool(part.get("error")) for part in parts) or document.get("status") not in _GOOD_STATUS


def error(document: Mapping[str, Any], what: str) -> VenueError:
    """Return the exception for a frame that ``failed``. ``what`` names the request."""
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
