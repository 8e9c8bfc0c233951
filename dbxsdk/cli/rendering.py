"""Updates and events as plain documents and as rows of text. Decimals are texts in them: no digit is lost or added."""

from __future__ import annotations

import datetime
import json
import re
from decimal import Decimal
from typing import Any, Callable, Dict, List, Optional

import attrs

from dbxsdk.cleaning import clean
from dbxsdk.errors import ProtocolError
from dbxsdk.events import Connected, Disconnected, Filled, Gap
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
        return f"{type(value).__name__}: {clean(value)}"
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    return value


def update_document(update: Update[Any]) -> Dict[str, Any]:
    names = ("venue", "channel", "symbol", "kind", "venue_time_ms", "received_ns")
    return {"type": "update", **{name: getattr(update, name) for name in names}, "data": _plain_data(update)}


def event_document(source: str, event: Any) -> Dict[str, Any]:
    return {"type": "event", "venue": source, "event": type(event).__name__, **plain(event)}


# What ``str.isprintable`` refuses of all but rare characters, quicker than it is asked for each.
_UNPRINTABLE = re.compile(r"[^ -~\w]")


def _plain_data(update: Update[Any]) -> Any:
    try:
        return plain(update.data)
    except RecursionError:  # decoding goes deeper
        raise ProtocolError(f"{update.channel}: the data have too many levels") from None


def to_line(document: Any, indent: Optional[int] = None) -> str:
    """Return one line of JSON, or several with ``indent``. What does not print is escaped: a venue's text stays what it is, and
    does nothing to a terminal."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(document, ensure_ascii=False, separators=separators, default=str, indent=indent)
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: "re.Match[str]") -> str:
    character = found[0]
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]


def rows(update: Update[Any], text: Optional[Callable[[Any], str]] = None) -> List[Dict[str, str]]:
    """Return the update's data as texts by field, one row an item, without absent fields. ``text`` writes a value."""
    data = _plain_data(update)
    data = data if isinstance(data, list) else [data]
    documents = (each if isinstance(each, dict) else {"data": each} for each in data)
    write = text or _text
    return [{name: write(value) for name, value in each.items() if value not in (None, "", {}, [])} for each in documents]


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        if isinstance(value, list) and value and isinstance(value[0], list):
            return f"{len(value)} levels"  # of a book: a line has no room for them
        return to_line(value)
    return value if isinstance(value, str) else to_line(value)


_WHAT = ("symbol", "coin", "currency", "pair", "token", "id")
_HOW_MUCH = ("wallet_balance", "balance", "equity", "size", "qty", "amount", "value", "price")


def summary(value: Any) -> str:
    """Write a value for a line that has little room: of nested rows what they are of and how much, nothing empty."""
    if isinstance(value, dict):
        what, amount = (next((each for name in names if (each := value.get(name)) not in (None, "")), None)
                        for names in (_WHAT, _HOW_MUCH))
        if what is not None and amount is not None:
            return f"{_text(what)} {_text(amount)}"
        return " ".join(f"{name} {summary(each)}" for name, each in value.items() if each not in (None, "", {}, []))
    if isinstance(value, list) and not (value and isinstance(value[0], list)):
        return ", ".join(summary(each) for each in value)
    return _text(value)


def describe(event: Any) -> str:
    """Describe an event in a few words, cleaned."""
    if isinstance(event, Connected):
        return "connected again" if event.reconnects else "connected"
    if isinstance(event, Disconnected):
        retry = ", not tried again" if event.retry_in is None else f", next try in {event.retry_in:.2f} s"
        return clean(f"disconnected{retry}: {event.reason}")
    if isinstance(event, Filled):
        how = "the gap is closed" if event.complete else "some may be missing"
        return clean(f"{event.count} missed items of {', '.join(event.topics)} fetched: {how}")
    if isinstance(event, Gap):
        return clean(f"gap of {event.seconds:.2f} s in {', '.join(event.topics)}")
    fields = ", ".join(f"{name} {value}" for name, value in plain(event).items())
    return clean(f"{type(event).__name__}: {fields}")


def clock(received_ns: int) -> str:
    """Return the time of day here, to the millisecond."""
    return datetime.datetime.fromtimestamp(received_ns / 1e9).strftime("%H:%M:%S.%f")[:-3]
