"""Reads recordings back: files in order, records one by one, in constant memory; reports damage."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import zlib
from typing import Dict, Generator, Iterable, Iterator, List, Optional, Set, Tuple, Union

import attrs

from dbxsdk.errors import RecordingError
from dbxsdk.recording.files import SUFFIX
from dbxsdk.recording.format import End, Header, Opened, Record, decode
from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

Path = Union[str, "os.PathLike[str]"]

_CHUNK = 256 * 1024
_GZIP = 31
_MAGIC = b"\x1f\x8b\x08"
_LARGEST_MEMBER = 256 * 1024 * 1024
"""Lines in one member. A recorder's are of 1 MiB; files repacked as one member are read up to here."""


@attrs.frozen
class Torn:
    """The last block of a file is not whole: ``lost_bytes`` (compressed) from ``offset`` on could not be read. It was being
    written when the process was killed or the power failed, or it still is."""

    path: str
    offset: int
    lost_bytes: int


def read(path: Union[Path, Iterable[Path]]) -> "RecordingReader":
    """Return the records of a recording, in the order in which they were made: ``for record in dbxsdk.recording.read(path)``.

    ``path`` is a file, several files in any order, or a folder whose ``*.jsonl.gz`` are taken. If they hold several
    recordings (several processes, or one started again) these follow each other by the time of their beginning, and
    the numbers of connections and owners go on counting, so that each stays unique.

    Heads of files are read at once, the rest during iteration. A torn last block is logged, and listed in ``torn``.

    Raises:
        TypeError, ValueError: ``path`` is none of these.
        RecordingError: there is no recording, the file is something else, or of a newer format version; also while
            iterating, if a file is damaged in its middle (naming file and offset). What came before was returned.
    """
    if isinstance(path, (str, os.PathLike)):
        places = [os.fspath(path)]
    elif isinstance(path, (bytes, bytearray)) or not hasattr(path, "__iter__"):
        raise TypeError(f"path must be a path or several, not {type(path).__name__}")
    else:
        places = [os.fspath(each) for each in path]
    if not places or not all(isinstance(place, str) and place for place in places):
        raise ValueError("path must name a file or a folder")
    return RecordingReader(places)


class RecordingReader:
    """An iterator of ``Opened``, ``Closed``, ``Frame``, ``NotSent`` and ``Lost``. See ``read``.

    Attributes:
        files: ``(path, Header)`` of each file, in the order of reading.
        torn: a ``Torn`` for each file whose end was not whole; grows as files are read.
        missing: files that are missing between others of their recording, as ``(recording, number)``.
        bytes_total, bytes_read: of the files, for showing progress.
        recording: that of the record returned last. Times of two recordings cannot be compared.
    """

    def __init__(self, places: List[str]) -> None:
        self.torn: Tuple[Torn, ...] = ()
        self._quiet = False
        self.bytes_read = 0
        self.recording = ""
        self._ends: Dict[str, str] = {}
        try:
            paths = [path for place in places for path in _files_of(place)]
            self.files = self._sorted(paths)
            self.bytes_total = sum(os.path.getsize(path) for path, _ in self.files)
        except OSError as error:
            raise RecordingError(f"{error.filename}: {error.strerror}") from error
        self.missing = _missing(self.files)
        for recording, number in self.missing:
            logger.warning("file %d of recording %s is missing", number, recording)
        self._records: Generator[Record, None, None] = self._read()

    def __iter__(self) -> "RecordingReader":
        return self

    def __next__(self) -> Record:
        return next(self._records)

    def __enter__(self) -> "RecordingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that is being read; the iteration ends."""
        self._records.close()

    def opened(self) -> Iterator[Opened]:
        """Return all ``Opened`` of the recording, from its beginning. Independent of the iteration, and several times
        quicker: what lies between them is inflated and not decoded."""
        scan = copy.copy(self)
        scan._ends, scan._quiet = {}, True
        return (record for record in scan._read((b'{"format"', b'{"type":"opened"')) if isinstance(record, Opened))

    @property
    def complete(self) -> bool:
        """After the last record: True if every recording was ended by its recorder, and nothing is missing or torn."""
        closed = all(self._ends.get(header.recording) == "closed" for _, header in self.files)
        return closed and not self.torn and not self.missing

    def _sorted(self, paths: List[str]) -> List[Tuple[str, Header]]:
        found: Dict[Tuple[int, str, int], Tuple[str, Header]] = {}
        for path in paths:
            header = self._head(path)
            if header is None:
                continue
            key = (header.started_ns, header.recording, header.file)
            if key in found:
                raise RecordingError(f"{path} and {found[key][0]} are the same file of one recording")
            found[key] = (path, header)
        if not found:
            message = ", ".join(f"{torn.path} is {'torn' if torn.lost_bytes else 'empty'}" for torn in self.torn)
            raise RecordingError(f"nothing was recorded: {message}")
        return [found[key] for key in sorted(found)]

    def _head(self, path: str) -> Optional[Header]:
        """Return the header; None if the recorder was killed before it was whole."""
        try:
            with contextlib.closing(_members(path)) as members:
                for _, _, content in members:
                    return _header(path, content.partition(b"\n")[0])
            torn = Torn(path, 0, 0)
        except _NotWhole as problem:
            with open(path, "rb") as file:
                start = file.read(len(_MAGIC))
            if not _MAGIC.startswith(start):
                raise RecordingError(f"{path}: not a recording of dbxsdk: it is not gzip") from None
            torn = _torn(path, problem)
        self._report_torn(torn)
        return None

    def _report_torn(self, torn: Torn) -> None:
        self.torn += (torn,)
        if self._quiet:
            return
        message = "%s: the last %d bytes, from byte %d on, are not a whole block and were left out"
        logger.warning(message, torn.path, torn.lost_bytes, torn.offset)

    def _read(self, wanted: Tuple[bytes, ...] = ()) -> Generator[Record, None, None]:
        """Yield the records. ``wanted`` is what a line must begin with; empty: all lines."""
        recording = ""
        first = last = 0  # what the recording's connection numbers follow, and the highest so far
        first_owner = last_owner = 0
        known: Set[int] = set()
        for path, _ in self.files:
            before = self.bytes_read
            try:
                for offset, size, content in _members(path):
                    for line in content.splitlines():
                        if wanted and not line.startswith(wanted):
                            continue
                        try:
                            record = decode(line, first)
                        except RecordingError as error:
                            raise RecordingError(f"{path}: damaged in the block at byte {offset}: {error}") from error
                        if isinstance(record, Header):
                            # Also in the middle: files may be joined by ``cat``.
                            if record.recording != recording:
                                recording, first, first_owner, known = record.recording, last, last_owner, set()
                                self.recording = recording
                            self._ends[recording] = ""
                        elif isinstance(record, End):
                            self._ends[recording] = record.reason
                        elif isinstance(record, Opened):
                            if record.connection in known:
                                continue  # repeated at the head of a later file
                            known.add(record.connection)
                            last = max(last, record.connection)
                            owner = record.owner + first_owner
                            last_owner = max(last_owner, owner)
                            yield attrs.evolve(record, owner=owner)
                        elif record is not None:
                            yield record
                    self.bytes_read += size
            except _NotWhole as problem:
                self._report_torn(_torn(path, problem))
                self.bytes_read = before + os.path.getsize(path)
            except OSError as error:
                raise RecordingError(f"{path}: {error.strerror}") from error


def _header(path: str, line: bytes) -> Header:
    try:
        header = decode(line)
    except RecordingError as error:
        if b'"format"' in line:
            raise RecordingError(f"{path}: {error}") from None
        header = None
    if not isinstance(header, Header):
        raise RecordingError(f"{path}: not a recording of dbxsdk: it does not begin with a header")
    return header


class _NotWhole(Exception):
    """The member at ``offset`` cannot be inflated, or ends too early."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def _members(path: str, offset: int = 0) -> Generator[Tuple[int, int, bytes], None, None]:
    """Yield the members of a file from ``offset`` on: offset, size, content. Raises ``_NotWhole``, and ``RecordingError`` for
    one too large."""
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(_CHUNK)
        while data:
            inflate = zlib.decompressobj(_GZIP)
            parts: List[bytes] = []
            inflated = taken = 0
            try:
                while not inflate.eof:
                    data = data or file.read(_CHUNK)
                    if not data:
                        raise _NotWhole(offset)
                    parts.append(inflate.decompress(data))
                    inflated += len(parts[-1])
                    if inflated > _LARGEST_MEMBER:
                        raise RecordingError(f"{path}: the block at byte {offset} has more than {_LARGEST_MEMBER} bytes")
                    taken += len(data) - len(inflate.unused_data)
                    data = inflate.unused_data
            except zlib.error:
                raise _NotWhole(offset) from None
            yield offset, taken, b"".join(parts)
            offset += taken
            data = data or file.read(_CHUNK)


def _torn(path: str, problem: _NotWhole) -> Torn:
    """Return what is left out at the end of the file. Raises ``RecordingError`` if a whole member follows: then it is no
    tear, but damage in the middle."""
    size = os.path.getsize(path)
    after = next((at for at in _magics(path, problem.offset + 1) if _is_whole(path, at)), None)
    if after is not None:
        raise RecordingError(
            f"{path}: damaged in the block at byte {problem.offset}; whole blocks follow from byte {after} on. The file was "
            f"changed after it was written, or the disk is failing"
        )
    return Torn(path, problem.offset, size - problem.offset)


def _magics(path: str, offset: int) -> Iterator[int]:
    """Yield the places from ``offset`` on where a member may begin."""
    kept = b""
    with open(path, "rb") as file:
        file.seek(offset)
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            data = kept + chunk
            yield from (offset - len(kept) + found.start() for found in re.finditer(_MAGIC, data))
            offset += len(chunk)
            kept = data[1 - len(_MAGIC) :]


def _is_whole(path: str, offset: int) -> bool:
    try:
        with contextlib.closing(_members(path, offset)) as members:
            next(members)
    except _NotWhole:
        return False
    return True


def _files_of(place: str) -> List[str]:
    if not os.path.isdir(place):
        return [place]
    found = [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(SUFFIX)]
    if not found:
        raise RecordingError(f"{place}: there is no recording (*{SUFFIX}) in this folder")
    return found


def _missing(files: List[Tuple[str, Header]]) -> Tuple[Tuple[str, int], ...]:
    return tuple(
        (header.recording, number)
        for (_, before), (_, header) in zip(files, files[1:])  # noqa: B905
        if before.recording == header.recording
        for number in range(before.file + 1, header.file)
    )
