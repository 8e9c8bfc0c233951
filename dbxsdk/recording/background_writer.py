"""One process's part of a recorder: the queue, the thread that empties it, the losses, and how they are reported."""

from __future__ import annotations

import collections
import os
import threading
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.errors import RecordingError
from dbxsdk.events import RecordingFailed
from dbxsdk.recording.deflate import compressor_of
from dbxsdk.recording.files import Files, Member
from dbxsdk.recording.format import (
    LONGEST_PAYLOAD,
    Closed,
    Frame,
    Lost,
    Opened,
    encode,
    frame_end,
    frame_lines,
    frame_start,
)
from dbxsdk.recording.recorded_connection import FRAME_BYTES, OnError, RecordedConnection
from dbxsdk.recording.redaction import Secrets
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.runtime.reentrancy import calls_user_code

logger = SafeLogger(__name__)

_MEMBER_BYTES = 1024 * 1024
"""Lines in one gzip member: what is lost with one, and what a reader must hold."""
_SLICE = 16 * 1024
"""Bytes of lines made in one go. Compressing lets other threads run: they never wait longer than a slice takes."""


@attrs.frozen
class RecorderStats:
    """A recorder's counters in this process.

    Attributes:
        frames: frames written.
        lost: frames lost.
        queued_bytes: bytes of frames waiting to be written.
        raw_bytes: bytes of lines written, before compression.
        file_bytes: bytes written to all files.
        files: how many files there are.
        path: the file in use, or the last; None before the first frame.
        failing: why nothing can be written at the moment, or None.
        compressor: ``"isal"`` or ``"zlib"``, which compresses.
    """

    frames: int
    lost: int
    queued_bytes: int
    raw_bytes: int
    file_bytes: int
    files: int
    path: Optional[str]
    failing: Optional[str]
    compressor: str


@attrs.frozen(kw_only=True)
class Settings:
    max_bytes: Optional[int]
    max_seconds: Optional[float]
    flush_interval: float
    max_queue_bytes: int
    level: int
    retry_interval: float
    on_error: Optional[OnError]
    place: str


class Tape:
    """One process's part of a recorder: the queue, the thread that empties it, the files."""

    def __init__(self, settings: Settings, inherited: bool) -> None:
        self.pid = os.getpid()
        self._settings = settings
        # Guards all from here to _failing, and the numbers. Never held while writing or calling others' code.
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)  # the recorder's thread alone waits for it
        self.is_open = True
        self.connections = 0
        self.owners = 0
        self._thread: Optional[threading.Thread] = None
        self._queue: Deque[Tuple[Any, ...]] = collections.deque()
        self._queued = 0  # bytes in the queue
        self._taken = 0  # bytes that the thread took out and has not made lines of yet
        self._lost: Dict[int, Lost] = {}  # by connection: what the queue had no room for since the thread last emptied it
        self._listeners: Dict[int, OnError] = {}
        self._lost_frames = 0
        self._reported_lost = 0
        self._loss_reason = ""
        self._failing: Optional[str] = None
        self._warned_closed = False
        # The recorder's thread's own:
        self._files = Files(
            settings.place, taken=inherited, max_bytes=settings.max_bytes, max_seconds=settings.max_seconds
        )
        self._live: Dict[int, str] = {}  # the lines that open them again in the next file
        self._frames = 0
        self._raw_bytes = 0

    # -- any thread ----------------------------------------------------------------------------------

    def open_connection(self, connection: RecordedConnection, opened: Opened) -> None:
        with self.lock:
            if self.is_open:
                if connection.on_error is not None:
                    self._listeners[connection.number] = connection.on_error
                self._append((connection, opened), 0)
                self._ensure_thread()
                return
            warn, self._warned_closed = not self._warned_closed, True
        if warn:
            logger.warning("a client connected after its recorder was closed: it is not recorded")

    def close_connection(self, connection: RecordedConnection, closed: Closed) -> None:
        self.put((connection, closed), 0, 0)
        with self.lock:
            self._listeners.pop(connection.number, None)

    def put(self, item: Tuple[Any, ...], size: int, frames: int) -> None:
        """Queue an item. ``frames`` is 0 for what is never thrown away: it is small, and there is little of it."""
        with self.lock:
            if not self.is_open:
                return
            if frames and (self._lost or self._queued + self._taken + size > self._settings.max_queue_bytes):
                # Once something is lost, all is, until the thread empties the queue: the loss is marked in its place.
                self._lose(item, frames)
            else:
                self._append(item, size)

    def stats(self) -> RecorderStats:
        with self.lock:
            return RecorderStats(
                frames=self._frames,
                lost=self._lost_frames,
                queued_bytes=self._queued + self._taken,
                raw_bytes=self._raw_bytes,
                file_bytes=self._files.total_bytes,
                files=self._files.count,
                path=self._files.path,
                failing=self._failing,
                compressor=compressor_of(self._settings.level),
            )

    def finish(self, timeout: float) -> None:
        if self.pid != os.getpid():
            return  # a forked child's exit
        with self.lock:
            self.is_open = False
            self._changed.notify_all()
            thread = self._thread
            unattended = thread is None and bool(self._queue)
            if unattended:
                self._thread = threading.current_thread()
        if unattended:  # the thread could not be started
            self._run()
        elif thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                logger.error("%s: the recorder could not write everything within %g s", self._settings.place, timeout)

    def forget(self) -> None:
        """Forget all, in a forked child: nothing here is ours. The lock may be held by a thread that the child does not have."""
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self.is_open = False
        self._queue.clear()
        self._files.forget()

    # Under the lock:

    def _append(self, item: Tuple[Any, ...], size: int) -> None:
        if self._lost:
            self._mark_losses()
        before = self._queued
        self._queued += size
        self._queue.append(item)
        # Not for each frame: waking a thread costs more than all the rest.
        if len(self._queue) == 1 or before < _MEMBER_BYTES <= self._queued:
            self._changed.notify()

    def _lose(self, item: Tuple[Any, ...], frames: int) -> None:
        connection, what = item[0], item[1]
        lost = self._lost.get(connection.number)
        if lost is None:
            times = (what.monotonic_ns, what.wall_ns) if isinstance(what, Frame) else item[2:4]
            self._loss_reason = self._failing or "frames came faster than they could be written"
            lost = Lost(connection.number, times[0], times[1], 0, self._loss_reason)
        self._lost[connection.number] = attrs.evolve(lost, frames=lost.frames + frames)
        self._lost_frames += frames
        if not self._queue:
            self._changed.notify()

    def _mark_losses(self) -> None:
        """Queue a mark of the losses, where they happened."""
        for lost in self._lost.values():
            self._queue.append((None, lost))
        self._lost.clear()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="dbxsdk-recorder", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # too many threads, or the interpreter is shutting down
                # The next connection tries again; until then frames wait, as long as there is room.
                logger.error("the recorder's thread could not be started: %s", error)
            else:
                self._thread = thread

    # -- the recorder's thread -----------------------------------------------------------------------

    def _run(self) -> None:
        going = True
        while going:
            items, going = self._take()
            try:
                self._write(items)
            except Exception as error:  # a defect of ours must not end the recording
                logger.exception("unexpected error in the recorder's thread")
                self._abandon(sum(len(item[1]) if len(item) > 2 else isinstance(item[1], Frame) for item in items), error)
            self._report_losses()
        try:
            self._files.end("closed")
        except OSError as error:
            self._report("the recording's end could not be written", error)

    def _take(self) -> "tuple[Deque[Tuple[Any, ...]], bool]":
        """Return what is queued, once it fills a block or has waited long enough; and True if more may come."""
        with self.lock:
            self._changed.wait_for(lambda: self._queue or self._lost or not self.is_open)
            self._changed.wait_for(
                lambda: self._queued >= _MEMBER_BYTES or not self.is_open, self._settings.flush_interval
            )
            self._mark_losses()
            items, self._queue = self._queue, collections.deque()
            self._taken, self._queued = self._queued, 0
            return items, self.is_open

    def _write(self, items: Deque[Tuple[Any, ...]]) -> None:
        block = _Block(self._settings.level, self._live)
        while items:
            # Its memory is free as soon as its lines are made.
            for lines, frames, size in self._lines(*items.popleft()):
                block.add(lines, frames, size)
                if block.pending >= _SLICE:
                    block = self._compress(block)
        self._compress(block, last=True)

    def _lines(self, connection: Any, what: Any, *received: int) -> Iterator[Tuple[bytes, int, int]]:
        """Yield the lines of an item, some at a time, with the frames in them and the memory that they took."""
        if received:  # payloads that came at one moment
            monotonic_ns, wall_ns, binary, size = received
            start = frame_start(connection.number, "in", monotonic_ns, wall_ns)
            at_once = len(what) * _SLICE // size
            if len(what) == 1 or at_once <= 1 or size > LONGEST_PAYLOAD:
                for payload in what:
                    yield _line_of(connection.secrets, start, binary, payload), 1, FRAME_BYTES + len(payload)
                return
            for begin in range(0, len(what), at_once):
                some = what[begin:begin + at_once]
                # Its memory is free when all of it has been written.
                taken = size if begin + at_once >= len(what) else 0
                yield _lines_of(connection.secrets, start, binary, some), len(some), taken
        elif isinstance(what, Frame):
            shown = what.payload and connection.secrets.hide_in_frame(what.payload, what.kind == "text")
            yield encode(attrs.evolve(what, payload=shown)).encode(), 1, FRAME_BYTES + len(what.payload or b"")
        else:
            if isinstance(what, Opened):
                self._live[what.connection] = encode(attrs.evolve(what, repeated=True))
            elif isinstance(what, Closed):
                self._live.pop(what.connection, None)
            yield encode(what).encode(), 0, 0

    def _compress(self, block: "_Block", last: bool = False) -> "_Block":
        """Compress what is pending, and store the block if it is large enough or the last; return the next."""
        done = block.compress()
        with self.lock:
            self._taken = 0 if last else max(self._taken - done, 0)
        if block.member.raw_bytes < _MEMBER_BYTES and not last:
            return block
        if block.member.raw_bytes:
            self._store(block)
        return _Block(self._settings.level, self._live)

    def _store(self, block: "_Block") -> None:
        """Write the block, however many tries it takes; abandon it only if the recorder is closed meanwhile."""
        whole = block.member.finish()
        while True:
            is_open = self.is_open  # before the try: the last one is made after the closing
            try:
                self._files.append(whole, lambda: block.head, sync=not self._queue or not is_open)
                break
            except OSError as error:
                if self._failing is None:
                    with self.lock:
                        self._failing = str(error)
                    self._report("recording is interrupted", error)
                if not is_open:
                    self._abandon(block.frames, error)
                    return
            with self.lock:
                self._changed.wait_for(lambda: not self.is_open, self._settings.retry_interval)
        with self.lock:
            self._frames += block.frames
            self._raw_bytes += block.member.raw_bytes
            recovered, self._failing = self._failing is not None, None
        if recovered:
            logger.warning("%s: recording goes on; %d frames were lost so far", self._settings.place, self._lost_frames)

    # -- reporting -------------------------------------------------------------------------------------

    def _abandon(self, frames: int, error: Exception) -> None:
        with self.lock:
            self._lost_frames += frames
            self._reported_lost = self._lost_frames
        self._report(f"{frames} frames could not be written", error)

    def _report_losses(self) -> None:
        """Report losses at most once per write cycle."""
        with self.lock:
            more = self._lost_frames - self._reported_lost
            self._reported_lost = self._lost_frames
            reason = self._loss_reason
        if more:
            self._report("frames are lost", RecordingError(f"{more} frames: {reason}"))

    def _report(self, what: str, error: Exception) -> None:
        with self.lock:
            lost = self._lost_frames
            listeners = list(self._listeners.values())
        if self._settings.on_error is not None:
            listeners.append(self._settings.on_error)
        logger.error("%s: %s: %s", self._settings.place, what, error)
        _notify(listeners, RecordingFailed(error, lost))


@calls_user_code
def _notify(listeners: Iterable[OnError], event: RecordingFailed) -> None:
    for listener in listeners:
        try:
            listener(event)
        except BaseException:  # noqa: B036 - also SystemExit: it would end the thread in silence
            logger.exception("an on_error callback of the recorder raised")


def _lines_of(secrets: Secrets, start: bytes, binary: int, payloads: Sequence[bytes]) -> bytes:
    if not (secrets and binary) and not secrets.plainly_within(payloads):
        lines = frame_lines(start, binary, payloads)
        if lines is not None:
            return lines
    return b"".join(_line_of(secrets, start, binary, payload) for payload in payloads)


def _line_of(secrets: Secrets, start: bytes, binary: int, payload: bytes) -> bytes:
    shown = secrets.hide_in_frame(payload, not binary)
    return start + frame_end("binary" if binary else "text", shown)


class _Block:
    """A member in the making: lines waiting to be compressed, and the sums of all its lines."""

    def __init__(self, level: int, live: Mapping[int, str]) -> None:
        self.member = Member(level)
        self.head = list(live.values())  # as before the block, which may become the first of a file
        self.frames = 0
        self.pending = 0
        self._lines: List[bytes] = []
        self._size = 0

    def add(self, lines: bytes, frames: int, size: int) -> None:
        self._lines.append(lines)
        self.frames += frames
        self.pending += len(lines)
        self._size += size

    def compress(self) -> int:
        """Return the queue's bytes that have become lines."""
        if self._lines:
            self.member.add(b"".join(self._lines))
            self._lines.clear()
        size, self._size, self.pending = self._size, 0, 0
        return size
