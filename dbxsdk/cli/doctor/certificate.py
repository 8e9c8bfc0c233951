"""Reads a peer's certificate, even an invalid one: who issued it to whom, and when it holds."""

from __future__ import annotations

import datetime
from typing import Dict, List, Optional, Tuple

import attrs

from dbxsdk.cleaning import clean


@attrs.frozen
class Certificate:
    """Who issued it to whom, and from when to when it holds (UTC)."""

    subject: str
    issuer: str
    valid_from: datetime.datetime
    valid_until: datetime.datetime


_NAME_PARTS = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O"}


def read_certificate(der: bytes) -> Optional[Certificate]:
    """Read the facts for people in a DER certificate; None if it cannot be read. Python itself reads only checked
    ones."""
    try:
        fields = _parts(_parts(_parts(der)[0][1])[0][1])
        if fields[0][0] == 0xA0:  # the version, if it is not the first one
            fields = fields[1:]
        _, _, (_, issuer), (_, validity), (_, subject) = fields[:5]
        begin, end = (_time(tag, text) for tag, text in _parts(validity))
        return Certificate(_name(subject), _name(issuer), begin, end)
    except (ValueError, IndexError):
        return None


def _parts(data: bytes) -> List[Tuple[int, bytes]]:
    """Return the tags and contents of the elements in ``data``."""
    parts = []
    while data:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise ValueError("it ends too early")
        parts.append((tag, data[start : start + length]))
        data = data[start + length :]
    return parts


def _name(data: bytes) -> str:
    found: Dict[str, str] = {}
    for _, group in _parts(data):
        for _, pair in _parts(group):
            (_, kind), (tag, text) = _parts(pair)
            if kind in _NAME_PARTS:
                found[_NAME_PARTS[kind]] = text.decode("utf-16-be" if tag == 0x1E else "utf-8", "replace")
    name = ", ".join(dict.fromkeys(found[part] for part in ("CN", "O") if part in found))
    return clean(name, 200)


def _time(tag: int, text: bytes) -> datetime.datetime:
    digits = text.decode("ascii").rstrip("Z")
    if tag == 0x17:  # two digits of a year, 1950 to 2049
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=datetime.timezone.utc)
