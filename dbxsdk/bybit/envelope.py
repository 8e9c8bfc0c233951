"""The envelope of Bybit's replies: the fields that all its sockets have, under each socket's own names.

Public and private sockets write ``req_id``, ``success`` and ``ret_msg``, the order entry socket ``reqId``,
``retCode`` and ``retMsg``.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from dbxsdk.errors import ProtocolError, SubscribeError
from dbxsdk.fields import integer
from dbxsdk.protocol import Reply


def contents(reply: Reply) -> Dict[str, Any]:
    return reply.document if isinstance(reply.document, dict) else {}


def whole_number(value: Any) -> Optional[int]:
    """Return a time or a code that is a number or a text; None if it is neither."""
    try:
        return integer(value)
    except (TypeError, ValueError):
        return None


def time_ms(value: Any) -> Optional[int]:
    """Return the time of the venue's clock in ms since 1970; None if it is not between 2001 and 2286."""
    found = whole_number(value)
    return found if found is not None and 10**12 <= found < 10**13 else None


def is_pong(document: Dict[str, Any]) -> bool:
    # Spot, linear and inverse call their pong "ping".
    op = document.get("op")
    return op == "pong" or (op == "ping" and document.get("ret_msg") == "pong")


def pong_time_ms(document: Dict[str, Any]) -> Optional[int]:
    """Return the venue's time in a pong of the private socket (``args``) or the order entry socket (``data``); else None."""
    stamps = document.get("args", document.get("data"))
    return time_ms(stamps[0]) if isinstance(stamps, list) and stamps else None


def is_zero(code: Any) -> bool:
    return code == 0 and type(code) is int


def request_id(document: Dict[str, Any], name: str) -> Optional[str]:
    """Return the request's id, or None. If the request had none, linear and inverse send an empty one, the others no key."""
    key = document.get(name)
    if key is None or key == "":
        return None
    if not isinstance(key, str):
        raise ProtocolError(f"{name} is {type(key).__name__}, not a text")
    return key


def checked(reply: Reply) -> Reply:
    """Return ``reply``. Raises ``ProtocolError`` if nothing says which request it answers."""
    if reply.key is None and reply.kind is None:
        raise ProtocolError(f"a reply that matches no request: {words(reply.document)}")
    return reply


def words(document: Dict[str, Any]) -> str:
    """Return the venue's text, or an empty one."""
    text = document.get("ret_msg", document.get("retMsg"))
    return text if isinstance(text, str) else ""


def code(document: Dict[str, Any]) -> Any:
    """Return the venue's code, or None. Public and private sockets send none; the order entry socket does."""
    found = document.get("retCode", document.get("ret_code"))
    return found if isinstance(found, (int, str)) and not isinstance(found, bool) else None


def refusal(topic: str, message: str, document: Dict[str, Any]) -> SubscribeError:
    return SubscribeError(
        message or "the venue refused it and gave no reason", topics=(topic,), code=code(document), reply=document
    )
