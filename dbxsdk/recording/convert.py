"""Makes a recording of frames that were kept as lines of JSON, one frame a line.

A line is an object. Its fields that are read:

============== =====================================================================================================
``venue``      the venue's name; required
``direction``  ``"in"`` or ``"out"``; required
``frame``      the frame: a JSON document, which is copied letter by letter (no number is changed); or a JSON text, for a
               frame that is not JSON; required
``kind``       words about the frame (``"data.orderbook.50.snapshot"``, ``"subscribe.ok.spot"``); a line whose kind begins
               with ``REST`` came over HTTP and is skipped
``client``,    the client class (``"BybitPublicClient"``) and its settings (``{"category": "spot"}``); if they are
``settings``   missing, ``client_of`` gives them
``wall_ns``    the time (ns since 1970); if it is missing, ``interval`` after the line before
============== =====================================================================================================

All else (``provenance``, ``source``) is for people. A line has 8 MiB at most. Each client becomes one connection of the
recording, whose end is not known.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Tuple, Union

import attrs

from dbxsdk.arguments import check_seconds
from dbxsdk.errors import RecordingError
from dbxsdk.recording.files import Files, Member, check_place
from dbxsdk.recording.format import DIRECTIONS, LONGEST_OPENED, Frame, Opened, encode

Line = Mapping[str, Any]
ClientOf = Callable[[Line], Tuple[str, Mapping[str, Any]]]
"""Returns the client class, and its settings, that a line's frame belongs to."""

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes (of a text: characters). A line may be any JSON, and of brackets alone it takes twenty times its length in memory."""
_MEMBER_BYTES = 1024 * 1024
_START_NS = 1_000_000_000
_LOGINS = ("auth", "server.auth")

_decoder = json.JSONDecoder()


@attrs.frozen
class Converted:
    """The result: frames in the recording, lines skipped, and the file."""

    frames: int
    skipped: int
    path: str


def convert(
    lines: Iterable[Union[str, bytes]],
    path: Union[str, "os.PathLike[str]"],
    *,
    interval: float = 0.001,
    client_of: Optional[ClientOf] = None,
) -> Converted:
    """Write the frames of ``lines`` as a recording to ``path`` (a folder, or a new file's name), one ``interval``
    (seconds) after the other. Login frames are written without their text. Empty lines are skipped.

    Raises:
        TypeError, ValueError: an argument is wrong.
        RecordingError: a line cannot be read (naming its number), or the file cannot be written. No file is left.
    """
    interval_ns = int(check_seconds("interval", interval) * 1e9)
    files = Files(check_place(path), started_ns=_START_NS)
    conversion = _Conversion(client_of or _unknown, interval_ns)
    member = Member(1)
    whole = False
    try:
        for number, line in enumerate(lines, 1):
            try:
                member.add(conversion.records(line).encode())
            except (RecordingError, ValueError, RecursionError) as error:
                # JSON can say what no recording can hold: half a surrogate pair, a settings' NaN, a number without end.
                raise RecordingError(f"line {number}: {error}") from error
            if member.raw_bytes >= _MEMBER_BYTES:
                files.append(member.finish(), tuple, sync=False)
                member = Member(1)
        files.append(member.finish(), tuple, sync=True)
        files.end("closed")
        whole = True
    except OSError as error:
        raise RecordingError(f"{files.path or path}: {error.strerror}") from error
    finally:
        files.forget()
        if not whole and files.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(files.path)
    assert files.path is not None
    return Converted(conversion.frames, conversion.skipped, files.path)


def _unknown(line: Line) -> Tuple[str, Mapping[str, Any]]:
    raise RecordingError("nothing says whose frame it is: give client and settings, or client_of")


class _Conversion:
    def __init__(self, client_of: ClientOf, interval_ns: int) -> None:
        self._client_of = client_of
        self._interval_ns = interval_ns
        self._now_ns = _START_NS
        self._connections: Dict[Tuple[str, str, str], int] = {}
        self._numbers: Dict[int, int] = {}
        self.frames = self.skipped = 0

    def records(self, line: Union[str, bytes]) -> str:
        """Return the recording's lines for one line."""
        if len(line) > LONGEST_LINE:
            raise RecordingError(f"more than {LONGEST_LINE} bytes")
        fields, spans = _members(line)
        if not fields or str(fields.get("kind", "")).startswith("REST"):
            self.skipped += 1
            return ""
        venue, direction = fields.get("venue"), fields.get("direction")
        if not isinstance(venue, str) or direction not in DIRECTIONS or "frame" not in fields:
            raise RecordingError(f"it needs a venue, a direction ({' or '.join(DIRECTIONS)}) and a frame")
        frame = fields["frame"]
        payload = (frame if isinstance(frame, str) else spans["frame"]).encode("utf-8", "surrogatepass")
        wall_ns = fields.get("wall_ns", self._now_ns + self._interval_ns)
        if type(wall_ns) is not int or wall_ns.bit_length() > 63:
            raise RecordingError("wall_ns must be a whole number of 64 bits")
        self._now_ns = wall_ns
        connection, opened = self._connection(venue, fields)
        number = None
        if direction == "out":
            number = self._numbers[connection] = self._numbers[connection] + 1
        is_login = direction == "out" and isinstance(frame, dict) and frame.get("op", frame.get("method")) in _LOGINS
        self.frames += 1
        return opened + encode(
            Frame(connection, wall_ns, wall_ns, direction, "text", None if is_login else payload, number)
        )

    def _connection(self, venue: str, fields: Line) -> Tuple[int, str]:
        client, settings = fields.get("client"), fields.get("settings", {})
        if client is None:
            client, settings = self._client_of(fields)
        if not isinstance(client, str) or not isinstance(settings, dict):
            raise RecordingError("client must be the name of a class, settings an object")
        key = (venue, client, json.dumps(settings, sort_keys=True))
        known = self._connections.get(key)
        if known is not None:
            return known, ""
        number = self._connections[key] = len(self._connections) + 1
        self._numbers[number] = 0
        opened = encode(Opened(number, self._now_ns, self._now_ns, venue, client, settings, "converted", number))
        if len(opened.encode()) > LONGEST_OPENED:
            raise RecordingError(f"venue, client and settings have more than {LONGEST_OPENED} bytes")
        return number, opened


def _members(line: Union[str, bytes]) -> Tuple[Dict[str, Any], Dict[str, str]]:
    """Return the members of the line's object, as values and as they are written."""
    values: Dict[str, Any] = {}
    texts: Dict[str, str] = {}
    try:
        text = (line if isinstance(line, str) else line.decode("utf-8-sig")).strip()
        if not text:
            return values, texts
        if not isinstance(_decoder.decode(text), dict):
            raise ValueError("another value")
        at = _skip(text, 1)
        while text[at] != "}":
            name, at = _decoder.raw_decode(text, at)
            start = _skip(text, _skip(text, at) + 1)  # over the colon
            values[name], at = _decoder.raw_decode(text, start)
            texts[name] = text[start:at]
            at = _skip(text, at)
            if text[at] == ",":
                at = _skip(text, at + 1)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"not a JSON object: {error}") from error
    return values, texts


def _skip(text: str, at: int) -> int:
    """Skip JSON's blanks; return the next place."""
    while text[at] in " \t\r\n":
        at += 1
    return at
