"""The files of one recording: whole gzip members appended, rotated by size and time, never overwritten."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from typing import Any, Callable, Iterable, List, Optional

import attrs

from dbxsdk.errors import RecordingError
from dbxsdk.recording import deflate
from dbxsdk.recording.format import VERSION, End, Header, encode
from dbxsdk.runtime.clock import monotonic, monotonic_ns
from dbxsdk.version import __version__

SUFFIX = ".jsonl.gz"
_END_BYTES = 160
"""More than the end of a file takes."""


class Member:
    """A gzip member in the making."""

    def __init__(self, level: int) -> None:
        self._deflate = deflate.member(level)
        self._parts: List[bytes] = []
        self.raw_bytes = 0

    def add(self, lines: bytes) -> None:
        self.raw_bytes += len(lines)
        self._parts.append(self._deflate.compress(lines))

    def finish(self) -> bytes:
        return b"".join((*self._parts, self._deflate.flush()))


def member(lines: str) -> bytes:
    whole = Member(6)
    whole.add(lines.encode())
    return whole.finish()


def check_place(path: Any) -> str:
    """Return ``path`` made absolute, if a recording can be made there: a folder (with a separator at its end), or the name
    of a file that does not exist yet.

    Raises ``TypeError`` or ``ValueError`` if it is no such name, ``RecordingError`` if the file system refuses."""
    try:
        place = os.fspath(path)
    except TypeError:
        raise TypeError(f"path must be a str or a path, not {type(path).__name__}") from None
    if not isinstance(place, str):
        raise TypeError(f"path must be a str or a path, not {type(place).__name__}")
    if not place or "\0" in place:
        raise ValueError("path must be the name of a folder or of a file")
    # A daemon changes its working directory.
    place = os.path.abspath(place)
    if os.path.isdir(place):
        folder = place = os.path.join(place, "")
    elif not place.endswith(".gz"):
        raise RecordingError(f"{place}: no such folder. Make it first, or name a file that ends in {SUFFIX}")
    elif os.path.lexists(place):
        raise RecordingError(f"{place}: exists already, and recordings are never overwritten. Name another file, or a folder")
    else:
        folder = os.path.dirname(place)
        if not os.path.isdir(folder):
            raise RecordingError(f"{place}: no such folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"{place}: no permission to write there")
    return place


@attrs.define(eq=False, repr=False)
class Files:
    """The files, one open at a time. For one thread. Every method may raise ``OSError``; after that the same call
    may be repeated, and goes on so that a reader finds all that was written before, whole."""

    _place: str
    """It has been through ``check_place``."""
    _taken: bool = attrs.field(default=False, kw_only=True)
    """True if the place, where it is a file, is one already: of the parent process, maybe."""
    _max_bytes: Optional[int] = attrs.field(default=None, kw_only=True)
    _max_seconds: Optional[float] = attrs.field(default=None, kw_only=True)
    _started_ns: int = attrs.field(factory=time.time_ns, kw_only=True)
    recording: str = attrs.field(factory=lambda: secrets.token_hex(6), init=False)
    _descriptor: Optional[int] = attrs.field(default=None, init=False)
    _opened: float = attrs.field(default=0.0, init=False)
    _size: int = attrs.field(default=0, init=False)
    count: int = attrs.field(default=0, init=False)
    path: Optional[str] = attrs.field(default=None, init=False)
    """The file being written, or the last one written."""
    total_bytes: int = attrs.field(default=0, init=False)

    def append(self, whole: bytes, head: Callable[[], Iterable[str]], *, sync: bool) -> None:
        """Write a member, with ``sync`` down to the disk itself: that is for power cuts; what a process has written
        survives its own death without it. If the member begins a file, ``head()`` are the lines at its beginning."""
        if self._descriptor is not None and self._is_full(len(whole)):
            self.end("rotated")
        if self._descriptor is None:
            self._open("".join(head()))
        self._write(whole, sync)

    def end(self, reason: str) -> None:
        """End the open file, if there is one."""
        if self._descriptor is not None:
            try:
                self._write(member(encode(End(monotonic_ns(), time.time_ns(), reason))), True)
            finally:
                self.forget()

    def _is_full(self, more: int) -> bool:
        if self._max_bytes is not None and self._size + more + _END_BYTES > self._max_bytes:
            return True
        return self._max_seconds is not None and monotonic() - self._opened >= self._max_seconds

    def _open(self, head: str) -> None:
        wall_ns = time.time_ns()
        path, descriptor = self._create(wall_ns)
        self._descriptor, self._size, self._opened = descriptor, 0, monotonic()

        header = Header(
            VERSION, __version__, self.recording, self.count + 1, self._started_ns, wall_ns, monotonic_ns()
        )
        try:
            self._write(member(encode(header) + head), True)
        except OSError:
            self.forget()
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        self.count += 1
        self.path = path
        self._taken = True
        _sync_folder(os.path.dirname(path))

    def _create(self, wall_ns: int) -> "tuple[str, int]":
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        is_folder = not os.path.basename(self._place)
        if not is_folder and not self._taken:
            with contextlib.suppress(FileExistsError):
                return self._place, os.open(self._place, flags, 0o600)
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall_ns // 1_000_000_000))
        name = f"{moment}-{self.recording}-{self.count + 1:04d}{SUFFIX}"
        if is_folder:
            path = os.path.join(self._place, f"dbxsdk-{name}")
        else:
            stem = self._place[: -len(SUFFIX if self._place.endswith(SUFFIX) else ".gz")]
            path = f"{stem}-{name}"
        return path, os.open(path, flags, 0o600)  # accounts' data: for the owner alone

    def _write(self, whole: bytes, sync: bool) -> None:
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            if os.fstat(descriptor).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "the recording's file was removed", self.path)
            rest = memoryview(whole)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if sync:
                os.fsync(descriptor)
        except OSError as error:
            self._undo(error)
            raise
        self._size += len(whole)
        self.total_bytes += len(whole)

    def _undo(self, error: OSError) -> None:
        """Take back a part of a member: it would be damage in the middle once writing goes on."""
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, self._size)
            usable = error.errno != errno.ENOENT
        except OSError:
            usable = False
        if not usable:
            self.forget()  # the next file is a new one

    def forget(self) -> None:
        """Close the descriptor only: in a forked child, whose file is the parent's, and where nothing more can be written."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Make sure that a power cut does not take the whole new file. Not every system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
