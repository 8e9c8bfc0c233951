"""Reads recordings back: files in order, records one by one, in constant memory; reports damage."""

from __future__ import annotations

import contextlib
import copy
import os
from typing import Dict, Generator, Iterable, Iterator, List, Optional, Set, Tuple, Union

import attrs

from dbxsdk.errors import RecordingError
from dbxsdk.recording.files import SUFFIX
from dbxsdk.recording.format import End, Header, Opened, Record, decode
from dbxsdk.recording.members import NotWhole, Torn, members, open_file, torn
from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

Path = Union[str, "os.PathLike[str]"]

_MAGIC = b"\x1f\x8b\x08"


def read(path: Union[Path, Iterable[Path]]) -> "RecordingReader":
    """Return the records of a recording, in the order in which they were made: ``for record in dbxsdk.recording.read(path)``.

    ``path`` is a file, several files in any order, or a folder whose ``*.jsonl.gz`` are taken. If they hold several
    recordings (several processes, or one started again) these follow each other by the time of their beginning, and
    the numbers of connections and owners go on counting, so that each stays unique.

    Heads of files are read at once, the rest during iteration. A torn last block is logged, and listed in ``torn``.

    Raises:
        TypeError, ValueError: ``path`` is none of these.
        RecordingError: there is no recording, the file is something else (a pipe or a device, too), or of a newer format
            version; also while iterating, if a file is damaged in its middle (naming file and offset), or holds lines or
            blocks larger than a recorder writes. What came before was returned.
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
            message = ", ".join(f"{each.path} is {'torn' if each.lost_bytes else 'empty'}" for each in self.torn)
            raise RecordingError(f"nothing was recorded: {message}")
        return [found[key] for key in sorted(found)]

    def _head(self, path: str) -> Optional[Header]:
        """Return the header; None if the recorder was killed before it was whole."""
        try:
            with contextlib.closing(members(path)) as found:
                for _, _, lines in found:
                    return _header(path, next(lines, b""))
            missing = Torn(path, 0, 0)
        except NotWhole as problem:
            with open_file(path) as file:
                start = file.read(len(_MAGIC))
            if not _MAGIC.startswith(start):
                raise RecordingError(f"{path}: not a recording of dbxsdk: it is not gzip") from None
            missing = torn(path, problem)
        self._report_torn(missing)
        return None

    def _report_torn(self, missing: Torn) -> None:
        self.torn += (missing,)
        if self._quiet:
            return
        message = "%s: the last %d bytes, from byte %d on, are not a whole block and were left out"
        logger.warning(message, missing.path, missing.lost_bytes, missing.offset)

    def _read(self, wanted: Tuple[bytes, ...] = ()) -> Generator[Record, None, None]:
        """Yield the records. ``wanted`` is what a line must begin with; empty: all lines."""
        recording = ""
        first = last = 0  # what the recording's connection numbers follow, and the highest so far
        first_owner = last_owner = 0
        known: Set[int] = set()
        for path, _ in self.files:
            before = self.bytes_read
            try:
                for offset, size, lines in members(path):
                    for line in lines:
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
            except NotWhole as problem:
                self._report_torn(torn(path, problem))
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
