"""The recording's file format, version 1: records to lines and back. Pure.

A file is a row of gzip members (RFC 1952), one after the other, each holding whole lines: ``zcat`` reads it. A member is
written at once and never changed, so what a crash can damage is the last one. A line is one JSON object in UTF-8,
ended by a line feed; readers ignore fields that they do not know.

The first line is the header::

    {"format":"dbxsdk-recording","version":1,"dbxsdk":"0.1.0","recording":"6f1c2a9be0d4","file":1,
     "started_ns":..., "wall_ns":..., "monotonic_ns":...}

``recording`` names the recording (one recorder in one process), ``file`` numbers its files from 1; ``started_ns`` is the
wall clock when it began, the other two are the clocks when this file did. Each other line has a ``type``, and, but for
``end``, the number of its ``connection``; each has ``monotonic_ns`` (comparable within a recording) and ``wall_ns``
(since 1970), in this order:

============ =======================================================================================================
``opened``   a connection: ``venue``, ``client`` (class), ``settings`` (what its protocol is made of, without secrets),
             ``endpoint`` (without query), ``owner`` (a number for each client object: its connections share it),
             ``repeated`` (true: repeated at the head of a later file)
``closed``   its end: ``reason``, the WebSocket close ``code`` received or null, ``retry_in``: seconds until the next try,
             or null if none follows, and ``received_ns``, the monotonic time of the last byte received, or null
``frame``    ``direction`` (``in``, ``out``); ``number`` of an outgoing text; the payload in one field that names its kind:
             ``text``; ``text_base64`` (a text frame that is not UTF-8, or would be long as text); ``binary``, ``ping``,
             ``pong``, ``close``, all base64; or ``removed``: the kind of a frame whose payload was left out because it held
             a secret, or is of more than 32 MiB
``not_sent`` the outgoing frame ``number`` was recorded and then not sent
``lost``     here ``frames`` frames of the connection are missing, since ``monotonic_ns``, by ``reason``
``end``      nothing follows in this file, by ``reason``: ``rotated`` or ``closed``
============ =======================================================================================================

A line that does not begin as that of a frame does here, letter by letter, has 1 MiB at most: this is what bounds the memory that
a line of JSON takes. A line of the type ``opened``, which players keep, has 8 KiB at most.

Outgoing frames are recorded just before they are written to the socket: no answer stands before its question. The long
names cost nothing: short ones were measured to make the compressed file 1 % smaller.
"""

from __future__ import annotations

import binascii
import collections.abc
import json
import re
import typing
from json.decoder import scanstring  # type: ignore[attr-defined]  # the C one
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import attrs

from dbxsdk import codec
from dbxsdk.cleaning import clean
from dbxsdk.errors import RecordingError

FORMAT = "dbxsdk-recording"
VERSION = 1
KINDS = ("text", "binary", "ping", "pong", "close")
DIRECTIONS = ("in", "out")
LONGEST_PAYLOAD = 32 * 1024 * 1024
LONGEST_OTHER = 1024 * 1024
"""Bytes of a line in any other form than that of the frames here."""
LONGEST_OPENED = 8 * 1024


@attrs.frozen
class Header:
    """The head of a file."""

    version: int
    dbxsdk: str
    recording: str
    file: int
    started_ns: int
    wall_ns: int
    monotonic_ns: int


@attrs.frozen
class OfConnection:
    """What each record has: the number of its connection, and when it was."""

    connection: int
    monotonic_ns: int
    wall_ns: int


@attrs.frozen
class Opened(OfConnection):
    """A connection begins. ``client`` is the class, ``settings`` what its protocol is made of; connections of one
    client object share their ``owner``."""

    venue: str
    client: str
    settings: Mapping[str, Any]
    endpoint: str
    owner: int
    repeated: bool = False


@attrs.frozen
class Closed(OfConnection):
    """A connection ended. ``code`` and ``retry_in`` as in the event ``Disconnected``; ``received_ns`` is when the last byte
    was received, by the monotonic clock."""

    reason: str
    code: Optional[int] = None
    retry_in: Optional[float] = None
    received_ns: Optional[int] = None


@attrs.frozen
class Frame(OfConnection):
    """One WebSocket message or control frame. ``direction`` is ``"in"`` or ``"out"``; ``kind`` one of ``KINDS``;
    ``payload`` the bytes of the wire, or None if they held a secret. ``number`` counts the connection's outgoing
    texts."""

    direction: str
    kind: str
    payload: Optional[bytes]
    number: Optional[int] = None


@attrs.frozen
class NotSent(OfConnection):
    """The outgoing frame ``number`` did not leave after all."""

    number: int


@attrs.frozen
class Lost(OfConnection):
    """``frames`` frames of the connection are missing here. The times are those of the first of them."""

    frames: int
    reason: str


@attrs.frozen
class End:
    """The file was ended on purpose: ``"rotated"`` (another follows) or ``"closed"``."""

    monotonic_ns: int
    wall_ns: int
    reason: str


Record = Union[Opened, Closed, Frame, NotSent, Lost]
"""A record as a reader returns it."""
Line = Union[Header, Record, End]

_TYPES: Dict[str, Any] = {"opened": Opened, "closed": Closed, "not_sent": NotSent, "lost": Lost, "end": End}
_NAMES = {record: name for name, record in _TYPES.items()}
_FIELDS = {record: attrs.fields(record) for record in (Header, *_NAMES)}
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
_decode = json.JSONDecoder().decode


def encode(record: Line) -> str:
    """Return the line, with its line feed. Raises ``TypeError`` or ``ValueError`` if ``settings`` are not JSON."""
    if isinstance(record, Frame):
        start = frame_start(record.connection, record.direction, record.monotonic_ns, record.wall_ns)
        number = b"" if record.number is None else b'"number":%d,' % record.number
        return (start + number + frame_end(record.kind, record.payload)).decode()
    document = {field.name: getattr(record, field.name) for field in _FIELDS[type(record)]}
    head: Dict[str, Any] = {"format": FORMAT} if isinstance(record, Header) else {"type": _NAMES[type(record)]}
    return _encode({**head, **document}) + "\n"


_INTEGER = r"(0|[1-9][0-9]{0,18})"
_FRAME = re.compile(
    rf'{{"type":"frame","connection":{_INTEGER},"direction":"(in|out)","monotonic_ns":{_INTEGER},"wall_ns":{_INTEGER},'
    rf'(?:"number":{_INTEGER},)?"(text|text_base64|binary|ping|pong|close)":"'
)
_FRAME_START = b'{"type":"frame","connection":%d,"direction":"%b","monotonic_ns":%d,"wall_ns":%d,'


def frame_start(connection: int, direction: str, monotonic_ns: int, wall_ns: int) -> bytes:
    """Return the beginning of the lines of all frames read at one moment."""
    return _FRAME_START % (connection, direction.encode(), monotonic_ns, wall_ns)


def frame_end(kind: str, payload: Optional[bytes]) -> bytes:
    """Return the rest of the line."""
    if payload is None or len(payload) > LONGEST_PAYLOAD:
        return b'"removed":"%b"}\n' % kind.encode()
    if kind == "text":
        try:
            quoted = codec.quote(payload.decode())
            if len(quoted) - 2 <= 2 * len(payload):
                return b'"text":' + quoted + b"}\n"
        except UnicodeDecodeError:
            pass
        kind = "text_base64"
    return b'"%b":"%b"}\n' % (kind.encode(), binascii.b2a_base64(payload, newline=False))


def frame_lines(start: bytes, binary: int, payloads: Sequence[bytes]) -> Optional[bytes]:
    """Return the lines of all these frames, none of which has more than ``LONGEST_PAYLOAD``, in one go. None if one of them is
    a text that is written in another way, as only ``frame_end`` can tell."""
    if binary:
        head, tail = start + b'"binary":"', b'"}\n'
        parts = [binascii.b2a_base64(payload, newline=False) for payload in payloads]
    else:
        head, tail = start + b'"text":', b"}\n"
        try:
            parts = [codec.quote(payload.decode()) for payload in payloads]
        except UnicodeDecodeError:
            return None
        # Twice as long is not too long. A look at the longest and the shortest is enough, mostly.
        if max(map(len, parts)) - 2 > 2 * min(map(len, payloads)):
            if any(len(part) - 2 > 2 * len(payload) for part, payload in zip(parts, payloads)):  # noqa: B905
                return None
    return head + (tail + head).join(parts) + tail


def decode(line: bytes, first_connection: int = 0) -> Optional[Line]:
    """Return the record of a line that ``encode`` made; None for an unknown type of line. ``first_connection`` is added to
    the connection's number. Raises ``RecordingError`` if it is not a line of a recording that can be read here."""
    try:
        text = line.decode()
        found = _FRAME.match(text)
        if found is not None:
            payload, end = scanstring(text, found.end())
            if text[end:] == "}":
                connection, direction, monotonic_ns, wall_ns, number, kind = found.groups()
                return Frame(
                    int(connection) + first_connection,
                    int(monotonic_ns),
                    int(wall_ns),
                    direction,
                    *_payload({kind: payload}),
                    None if number is None else int(number),
                )
        if len(line) > LONGEST_OTHER:
            raise RecordingError(f"a line of {len(line)} bytes, which is no frame's")
        document = _decode(text)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"not a line of JSON: {error}") from error
    if not isinstance(document, dict):
        raise RecordingError(f"{type(document).__name__} in place of an object")
    if "format" in document:
        return _header(document)
    type_ = document.get("type")
    if type_ == "frame":
        return _frame(document, first_connection)
    if not isinstance(type_, str):
        raise RecordingError("a line without a type")
    if type_ not in _TYPES:
        return None
    if type_ == "opened" and len(line) > LONGEST_OPENED:
        raise RecordingError(f"a connection that takes {len(line)} bytes to describe")
    record: Line = _record(_TYPES[type_], document)
    if first_connection and isinstance(record, OfConnection):
        record = attrs.evolve(record, connection=record.connection + first_connection)
    return record


def _header(document: Dict[str, Any]) -> Header:
    if document["format"] != FORMAT:
        raise RecordingError("the header of another format")
    version = _field(document, "version", int)
    if version > VERSION:
        raise RecordingError(
            f"format version {version}, and this dbxsdk reads versions up to {VERSION}: it was recorded by a newer dbxsdk "
            f"({clean(document.get('dbxsdk'), 40)}); read it with that"
        )
    header: Header = _record(Header, document)
    return header


def _accepted(annotation: Any) -> Tuple[type, ...]:
    """Return the types that a document may hold for a field annotated so, however that is spelled."""
    if typing.get_origin(annotation) is collections.abc.Mapping:
        return (dict,)
    kinds = typing.get_args(annotation) or (annotation,)
    if not {*kinds} <= {int, float, str, bool, type(None)}:
        raise TypeError(f"a field of a record cannot be a {annotation}")
    return (*kinds, int) if float in kinds else kinds  # JSON has one kind of number


_CHECKED = {
    record: tuple((field.name, _accepted(typing.get_type_hints(record)[field.name])) for field in fields)
    for record, fields in _FIELDS.items()
}


def _record(record: Any, document: Dict[str, Any]) -> Any:
    return record(*(_field(document, name, *accepted) for name, accepted in _CHECKED[record]))


def _field(document: Dict[str, Any], name: str, *types: Any) -> Any:
    value = document.get(name)
    if type(value) not in types or (type(value) is int and value.bit_length() > 64):
        raise RecordingError(f"{name} is {_shown(value)}, not of type {types[0].__name__}")
    return value


def _shown(value: Any) -> str:
    # repr() does not go as deep as decoding does.
    return clean(value, 40) if isinstance(value, (list, dict)) else f"{value!r:.40}"


def _frame(document: Dict[str, Any], first_connection: int) -> Frame:
    direction = document.get("direction")
    if direction not in DIRECTIONS:
        raise RecordingError(f"direction is {_shown(direction)}")
    kind, payload = _payload(document)
    return Frame(
        _field(document, "connection", int) + first_connection,
        _field(document, "monotonic_ns", int),
        _field(document, "wall_ns", int),
        direction,
        kind,
        payload,
        _field(document, "number", int) if "number" in document else None,
    )


def _payload(document: Dict[str, Any]) -> "tuple[str, Optional[bytes]]":
    text = document.get("text")
    if type(text) is str:
        try:
            return "text", text.encode()
        except UnicodeEncodeError as error:  # half a surrogate pair, which no recorder writes
            raise RecordingError("text that is not Unicode") from error
    if "removed" in document:
        if document["removed"] not in KINDS:
            raise RecordingError(f"removed is {_shown(document['removed'])}")
        return document["removed"], None
    for field in ("binary", "ping", "pong", "close", "text_base64"):
        if field in document:
            try:
                payload = binascii.a2b_base64(_field(document, field, str).encode("ascii"))
            except ValueError as error:
                raise RecordingError(f"{field} is not base64") from error
            return "text" if field == "text_base64" else field, payload
    raise RecordingError("a frame without a payload")
