"""Updates and events as plain documents and as rows of text. Decimals are texts in them: no digit is lost or added."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any, Dict, List

import attrs

from dbxsdk.events import Connected, Disconnected, Gap
from dbxsdk.models import Update


def plain(value: Any) -> Any:
    """Return ``value`` as a JSON value."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {one_line(value)}"
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    return value


def update_document(update: Update[Any]) -> Dict[str, Any]:
    names = ("venue", "channel", "symbol", "kind", "venue_time_ms", "received_ns")
    return {"type": "update", **{name: getattr(update, name) for name in names}, "data": plain(update.data)}


def event_document(source: str, event: Any) -> Dict[str, Any]:
    return {"type": "event", "venue": source, "event": type(event).__name__, **plain(event)}


def to_line(document: Any) -> str:
    """Return one line of JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)


def rows(update: Update[Any]) -> List[Dict[str, str]]:
    """Return the update's data as texts by field, one row an item, without absent fields."""
    data = update.data if isinstance(update.data, (list, tuple)) else (update.data,)
    documents = (each if isinstance(each, dict) else {"data": each} for each in plain(data))
    return [{name: _text(value) for name, value in each.items() if value not in (None, "")} for each in documents]


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        if isinstance(value, list) and value and isinstance(value[0], list):
            return f"{len(value)} levels"  # of a book: a line has no room for them
        return to_line(value)
    return value if isinstance(value, str) else to_line(value)


def describe(event: Any) -> str:
    """Describe an event in a few words."""
    if isinstance(event, Connected):
        return "connected again" if event.reconnects else "connected"
    if isinstance(event, Disconnected):
        retry = ", not tried again" if event.retry_in is None else f", next try in {event.retry_in:.2f} s"
        return f"disconnected{retry}: {event.reason}"
    if isinstance(event, Gap):
        return f"gap of {event.seconds:.2f} s in {', '.join(event.topics)}"
    fields = ", ".join(f"{name} {value}" for name, value in plain(event).items())
    return f"{type(event).__name__}: {fields}"


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def clock(received_ns: int) -> str:
    """Return the time of day here, to the millisecond."""
    return datetime.datetime.fromtimestamp(received_ns / 1e9).strftime("%H:%M:%S.%f")[:-3]
