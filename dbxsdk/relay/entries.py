"""Entries of streams: what the serving process writes and every worker reads. Pure.

An entry has the id ``<epoch>-<n>`` and one field, whose name is the format's version. Its value begins with a header: the kind,
the number of the network read that it belongs to, and the wall clock (ns). All entries of one epoch that belong to one read
have its number; the numbers grow in the order in which things happened, over all streams of a client. What follows is

* frames: each with its place in the read and its length;
* everything else: one JSON object.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple

import attrs

from dbxsdk import codec
from dbxsdk.errors import ProtocolError
from dbxsdk.transport import Message

FORMAT = b"1"
"""The name of an entry's field. Another one is of a later or earlier edition of this package, and cannot be read."""

FRAMES, GAP, EPOCH, CONTROL, UNREADABLE = b"f", b"g", b"e", b"c", b"?"
"""Kinds: frames; a hole in the venue's updates, as the serving client reported it; the first entry of an epoch in a topic's
stream; what happened to the serving client; what no serving process wrote, whose body says why."""

_HEADER = struct.Struct("<cQQ")
_FRAME = struct.Struct("<II")
_BINARY = 1 << 31

Frame = Tuple[int, Message]
"""A frame's place in its network read, and the frame."""

Id = Tuple[int, int]
"""Epoch and number."""


@attrs.define
class Entry:
    """One entry that was read. ``body`` are its frames, or its document."""

    id: Id
    kind: bytes
    read: int
    wall_ns: int
    body: Any
    claimed: bool = False
    """True if another worker of the group has left it."""
    hole_ns: Optional[int] = None
    """Of one that was left: entries before it are missing, which nobody may have told, since then (ns)."""

    @property
    def at(self) -> Id:
        """When it happened: comparable over all streams of a client."""
        return self.id[0], self.read


def encode_frames(read: int, wall_ns: int, frames: Sequence[Frame]) -> bytes:
    """Return the value of an entry with frames."""
    parts = [_HEADER.pack(FRAMES, read, wall_ns)]
    for place, (payload, binary) in frames:
        parts.append(_FRAME.pack(place | _BINARY if binary else place, len(payload)))
        parts.append(payload)
    return b"".join(parts)


def encode_document(kind: bytes, read: int, wall_ns: int, document: Dict[str, Any]) -> bytes:
    """Return the value of an entry of another kind."""
    return _HEADER.pack(kind, read, wall_ns) + codec.encode(document).encode()


def times_of(value: bytes) -> Tuple[int, int]:
    """Return the read and the wall clock (ns) of an entry's value."""
    _, read, wall_ns = _HEADER.unpack_from(value)
    return read, wall_ns


def decode(id_: bytes, fields: Optional[Sequence[bytes]]) -> Entry:
    """Return an entry as the server gives it. Raises ``ProtocolError`` if this edition cannot read it."""
    try:
        epoch, _, number = id_.partition(b"-")
        assert fields is not None
        if fields[0] != FORMAT:
            raise ProtocolError(f"an entry of format {fields[0]!r:.20}, where this dbxsdk reads {FORMAT!r}: update the older one")
        value = fields[1]
        kind, read, wall_ns = _HEADER.unpack_from(value)
        body = _frames(value) if kind == FRAMES else codec.decode_object(value[_HEADER.size:])
        return Entry((int(epoch), int(number)), kind, read, wall_ns, body)
    except (struct.error, ValueError, IndexError, AssertionError) as error:
        raise ProtocolError(f"not an entry of a relay: {error!r:.100}") from None


def decode_all(rows: Sequence[Tuple[bytes, Optional[Sequence[bytes]]]], read: int = 0) -> List[Entry]:
    """Return the entries of a topic's stream, behind one of the network read ``read``; one that cannot be read stands for
    itself. What was deleted meanwhile is left out."""
    entries: List[Entry] = []
    for id_, fields in rows:
        if fields is None:
            continue
        try:
            entry = decode(id_, fields)
        except ProtocolError as error:
            entry = Entry(parse_id(id_) or (0, 0), UNREADABLE, read, 0, str(error))
        read = entry.read
        entries.append(entry)
    return entries


def _frames(value: bytes) -> List[Frame]:
    frames: List[Frame] = []
    at, end = _HEADER.size, len(value)
    while at < end:
        place, length = _FRAME.unpack_from(value, at)
        at += _FRAME.size + length
        if at > end:
            raise ValueError("cut off")
        payload = value[at - length:at]
        frames.append((place, (payload, False)) if place < _BINARY else (place - _BINARY, (payload, True)))
    return frames


def text_id(id_: Id) -> str:
    """Return an id as the server writes it."""
    return f"{id_[0]}-{id_[1]}"


def parse_id(text: Any) -> Optional[Id]:
    """Return the id that ``text`` means; None if it is none."""
    try:
        epoch, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return int(epoch), int(number)
    except (ValueError, AttributeError):
        return None


def follows(last: Id, entry: Entry) -> bool:
    """True if nothing is missing between ``last`` and ``entry`` of the same stream."""
    epoch, number = entry.id
    if epoch == last[0]:
        return number == last[1] + 1
    return entry.kind == EPOCH and number == 0 and parse_id(entry.body.get("previous")) == last


def in_order(streams: Sequence[Tuple[Sequence[Entry], bool]]) -> List[Entry]:
    """Return entries of several streams, read at one moment, in the order in which they happened. The flag of a stream says
    that it may have more: then later entries of the others have to wait, and are left out."""
    limit = min((entries[-1].at for entries, more in streams if more and entries), default=None)
    found = [entry for entries, _ in streams for entry in entries if limit is None or entry.at <= limit]
    if sum(1 for entries, _ in streams if entries) > 1:
        found.sort(key=when)
    return found


def when(entry: Entry) -> Tuple[int, int, bool]:
    """The order in which entries of one client happened."""
    # A gap comes before the updates of its read, an epoch begins with its entry.
    return entry.id[0], entry.read, entry.kind == FRAMES
