"""The gzip members of a recording's file, read in memory and time that are bounded, whatever the file holds.

Nothing is given out of a member that is not whole: a member is inflated to its checksum first. A small one is kept meanwhile, a
large one is inflated a second time.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from typing import BinaryIO, Generator, Iterable, Iterator, List, Tuple

import attrs

from dbxsdk.errors import RecordingError

LONGEST_LINE = 64 * 1024 * 1024 + 64 * 1024
"""Bytes. More than a frame of 32 MiB takes, which is the largest that a recorder writes."""

_GZIP = 31
_MAGIC = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
_MAGIC_BYTES = 4
# What follows a small member's end in a chunk is copied: a large chunk would be copied for each of thousands of members.
_CHUNK = 16 * 1024
_PIECE = 256 * 1024
_KEPT = 4 * 1024 * 1024
_LARGEST_MEMBER = 256 * 1024 * 1024
"""Lines in one member. A recorder's are of 1 MiB; files repacked as one member are read up to here."""
_SEARCH = 64 * 1024 * 1024
"""Bytes that the search behind a damaged member may read and inflate, beside eight times the rest of the file."""
_CANDIDATE = 1024
"""Bytes that are worth the time which a beginning of a member costs, however soon it turns out to be none."""


@attrs.frozen
class Torn:
    """The last block of a file is not whole: ``lost_bytes`` (compressed) from ``offset`` on could not be read. It was being
    written when the process was killed or the power failed, or it still is."""

    path: str
    offset: int
    lost_bytes: int


class NotWhole(Exception):
    """The member at ``offset`` cannot be inflated, or ends too early."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def open_file(path: str) -> BinaryIO:
    """Open a regular file. Raise ``RecordingError`` for anything else: pipes and devices may have no end, or never begin."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise RecordingError(f"{path}: not a regular file")
    # Without waiting, should it be a pipe by now.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))


def members(path: str) -> Generator[Tuple[int, int, Iterator[bytes]], None, None]:
    """Yield the members of a file: offset, size, lines. The lines must be taken before the next member is. Raise ``NotWhole``,
    and ``RecordingError`` for what is too large, or no file."""
    with open_file(path) as file:
        offset, data = 0, file.read(_CHUNK)
        while data:
            inflate = _Inflate(file, data)
            kept: List[bytes] = []
            try:
                for piece in inflate.pieces():
                    if inflate.inflated <= _KEPT:
                        kept.append(piece)
                    elif inflate.inflated > _LARGEST_MEMBER:
                        raise RecordingError(f"{path}: the block at byte {offset} has more than {_LARGEST_MEMBER} bytes")
                    else:
                        kept.clear()
            except (EOFError, zlib.error):
                raise NotWhole(offset) from None
            where = f"{path}: damaged in the block at byte {offset}"
            yield offset, inflate.taken, _lines(where, kept if inflate.inflated <= _KEPT else _again(path, offset))
            offset += inflate.taken
            data = inflate.rest or file.read(_CHUNK)


class _Inflate:
    """One member, inflated piece by piece from ``data`` and what follows it in ``file``."""

    def __init__(self, file: BinaryIO, data: bytes) -> None:
        self._file = file
        self._data = data
        self._read = len(data)
        self._inflate = zlib.decompressobj(_GZIP)
        self.inflated = 0

    def pieces(self) -> Iterator[bytes]:
        """Yield its content. Raise ``EOFError`` if the file ends before it, ``zlib.error`` if it is no member."""
        inflate, data = self._inflate, self._data
        while not inflate.eof:
            if not data:
                data = self._file.read(_CHUNK)
                if not data:
                    raise EOFError
                self._read += len(data)
            piece = inflate.decompress(data, _PIECE)
            data = inflate.unconsumed_tail
            self.inflated += len(piece)
            yield piece

    @property
    def rest(self) -> bytes:
        """Return what was read and is behind its end."""
        return self._inflate.unused_data

    @property
    def taken(self) -> int:
        """Return the bytes of the file that were used up."""
        return self._read - len(self._inflate.unused_data) - len(self._inflate.unconsumed_tail)


def _again(path: str, offset: int) -> Iterator[bytes]:
    with open_file(path) as file:
        file.seek(offset)
        try:
            yield from _Inflate(file, file.read(_CHUNK)).pieces()
        except (EOFError, zlib.error):
            raise RecordingError(f"{path}: it was changed while it was read") from None


def _lines(where: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut lines out of pieces. ``where`` begins the message of the ``RecordingError`` for one that is too long."""
    begun: List[bytes] = []  # of a line that goes on in the next piece
    size = 0
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        if ended:
            yield b"".join((*begun, ended[0]))
            yield from ended[1:]
            begun, size = [], 0
        begun.append(rest)
        size += len(rest)
        if size > LONGEST_LINE:
            raise RecordingError(f"{where}: a line of more than {LONGEST_LINE} bytes")
    if size:
        yield b"".join(begun)


def torn(path: str, problem: NotWhole) -> Torn:
    """Return what is left out at the end of the file. Raise ``RecordingError`` if a whole member follows: then it is no
    tear, but damage in the middle; or if so much behind it looks like a member that nobody can tell within seconds."""
    where = f"{path}: damaged in the block at byte {problem.offset}"
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        left = _SEARCH + 8 * (size - problem.offset)
        for at in _beginnings(file, problem.offset + 1):
            file.seek(at)
            # A small chunk first: most beginnings are none.
            inflate = _Inflate(file, file.read(_CANDIDATE))
            left -= _CANDIDATE
            try:
                for _ in inflate.pieces():
                    if inflate.taken + inflate.inflated > left:
                        raise RecordingError(f"{where}, and too much behind it looks like the beginning of a block")
            except (EOFError, zlib.error):
                left -= inflate.taken + inflate.inflated
            else:
                raise RecordingError(
                    f"{where}; whole blocks follow from byte {at} on. The file was changed after it was written, or the disk is "
                    f"failing"
                )
    return Torn(path, problem.offset, size - problem.offset)


def _beginnings(file: BinaryIO, offset: int) -> Iterator[int]:
    """Yield the places from ``offset`` on where a member may begin. The file may be moved in between."""
    kept = b""
    while True:
        file.seek(offset)
        chunk = file.read(_PIECE)
        if not chunk:
            return
        data = kept + chunk
        yield from (offset - len(kept) + found.start() for found in _MAGIC.finditer(data))
        offset += len(chunk)
        kept = data[1 - _MAGIC_BYTES :]
