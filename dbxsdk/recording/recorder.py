"""``Recorder``: what users make and give to their clients."""

from __future__ import annotations

import os
import time
import weakref
from typing import Any, Iterable, Mapping, Optional, Union

from dbxsdk.arguments import check_int, check_seconds
from dbxsdk.recording.background_writer import RecorderStats, Settings, Tape
from dbxsdk.recording.files import check_place
from dbxsdk.recording.format import Opened, encode
from dbxsdk.recording.recorded_connection import OnError, RecordedConnection
from dbxsdk.recording.redaction import Secrets
from dbxsdk.runtime import reentrancy
from dbxsdk.runtime import exit as at_exit
from dbxsdk.runtime.clock import monotonic_ns
from dbxsdk.runtime.fork import ForkAware

_AT_END = 5.0
"""Seconds to write what is queued; at the interpreter's exit, of all recorders together."""


class Recorder(ForkAware):
    """Writes what clients receive and send to a file that ``read`` and ``dbxsdk replay`` take.

    One recorder may serve many clients (``Options(recorder=...)``), from any thread. No client ever waits for it: frames
    are put into a queue, and the thread ``dbxsdk-recorder`` (a daemon, started at the first connection) compresses and
    writes them. Keys, tokens, signatures and login frames are left out; account data (orders, balances) are recorded, so
    the files are readable by their owner alone (mode 0600). Of a frame of more than 32 MiB it is recorded that it came.

    If frames come faster than they can be written, or the disk is full, clients carry on. What does not fit into
    ``max_queue_bytes`` is lost, counted, logged, reported as ``RecordingFailed`` and marked in the recording where it
    is missing; recording resumes automatically as soon as it can.

    In a forked child the recorder makes a recording of its own (new files beside the parent's, at the child's first
    connection); what the parent had queued is the parent's to write.

    Args:
        path: a folder, which gets files named ``dbxsdk-<UTC time>-<recording>-<number>.jsonl.gz``; or the name of a file,
            ending in ``.gz``, that does not exist yet. Files that follow it (rotation, children) get that tail after its name.
        max_bytes: a file is ended before it would grow beyond this (compressed; a single block of up to 1 MiB of lines is
            never split); None (default) is no limit.
        max_seconds: a file is ended at the first write after it is older than this; None (default): no limit.
        flush_interval: seconds after which frames are in the file at the latest, as a whole block (1). With the block that
            is being written this is what a crash or a power cut may cost.
        max_queue_bytes: memory for frames that wait to be written (64 MiB).
        level: zlib's, 1 (default, fast) to 9. Level 5 makes files a fifth smaller for twice the work. Where isal is installed
            (the extra ``fast``), levels 1 to 3 are its own: files of about the size of zlib's, level 1 a tenth smaller, in a
            fifth of the time. Higher levels are always zlib's. ``stats().compressor`` tells which of the two compresses.
        retry_interval: seconds between two tries after the disk refused (5).
        on_error: called with each ``RecordingFailed``, on the recorder's thread (clients emit it as an event, too).

    Raises:
        TypeError, ValueError: an argument is wrong.
        RecordingError: no recording can be made at ``path``: there is no such folder, no permission, or a file already.
            The constructor looks at the place and writes nothing; the file is made with the first connection.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        *,
        max_bytes: Optional[int] = None,
        max_seconds: Optional[float] = None,
        flush_interval: float = 1.0,
        max_queue_bytes: int = 64 * 1024 * 1024,
        level: int = 1,
        retry_interval: float = 5.0,
        on_error: Optional[OnError] = None,
    ) -> None:
        if on_error is not None and not callable(on_error):
            raise TypeError(f"on_error must be callable, not {type(on_error).__name__}")
        self._settings = Settings(
            max_bytes=None if max_bytes is None else check_int("max_bytes", max_bytes, least=1),
            max_seconds=None if max_seconds is None else check_seconds("max_seconds", max_seconds),
            flush_interval=check_seconds("flush_interval", flush_interval),
            max_queue_bytes=check_int("max_queue_bytes", max_queue_bytes, least=1),
            level=check_int("level", level, least=1, most=9),
            retry_interval=check_seconds("retry_interval", retry_interval),
            on_error=on_error,
            place=check_place(path),
        )
        self._owners: "weakref.WeakKeyDictionary[Any, int]" = weakref.WeakKeyDictionary()
        self._begin(inherited=False)
        self._follow_forks()
        _recorders.add(self)

    def _begin(self, inherited: bool, is_open: bool = True) -> None:
        tape = Tape(self._settings, inherited)
        tape.is_open = is_open
        self._finish = weakref.finalize(self, _finish, tape)
        self._finish.atexit = False  # see _at_exit
        self._tape = tape

    def __repr__(self) -> str:
        return f"<Recorder {self._settings.place}>"

    def connection(
        self,
        *,
        venue: str,
        client: str,
        settings: Mapping[str, Any],
        endpoint: str,
        owner: Any = None,
        secrets: Iterable[str] = (),
        on_error: Optional[OnError] = None,
    ) -> RecordedConnection:
        """Register an open connection; return what to call for its frames. Never raises for what the disk does.

        ``client`` is the class, ``settings`` are JSON, what the protocol is made of; ``owner`` the client object (kept weakly),
        so that connections of one client are known as such. ``secrets`` are replaced by asterisks in all texts,
        and a binary frame that holds one is left out. ``on_error`` is called with failures while the connection lives.
        """
        self._check_process()
        tape = self._tape
        with tape.lock:
            # Beside the tape's own work, the lock guards the numbers of owners and connections.
            tape.connections += 1
            number = tape.connections
            whose = None if owner is None else self._owners.get(owner)
            if whose is None:
                tape.owners += 1
                whose = tape.owners
                if owner is not None:
                    self._owners[owner] = whose
        hidden = Secrets(secrets)
        connection = RecordedConnection(number, hidden, on_error, tape.put, tape.close_connection)
        endpoint = hidden.hide(endpoint.split("?")[0].split("#")[0])
        known = hidden.hide_in(dict(settings))
        opened = Opened(number, monotonic_ns(), time.time_ns(), venue, client, known, endpoint, whose)
        encode(opened)  # raises here, not on the recorder's thread, for settings that are not JSON
        tape.open_connection(connection, opened)
        return connection

    def stats(self) -> RecorderStats:
        """Return counters of its work so far."""
        self._check_process()
        return self._tape.stats()

    @property
    def closed(self) -> bool:
        return not self._tape.is_open

    def close(self, timeout: float = _AT_END) -> None:
        """Write what is queued, end the file and the thread, within ``timeout`` seconds. From any thread; calling it again
        does nothing. Close the clients first: what they still receive is not recorded.

        When the interpreter exits, this happens automatically after all clients were closed. Called by a signal handler or
        a destructor in the middle of the SDK's own code, it returns at once (see ``Client.close``).
        """
        seconds = check_seconds("timeout", timeout, zero=True)
        self._check_process()
        reentrancy.run(lambda: self._tape.finish(seconds))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._check_process()
        reentrancy.run(lambda: self._tape.finish(_AT_END))

    def _after_fork(self) -> None:
        was_open = self._tape.is_open
        self._finish.detach()
        self._tape.forget()
        self._owners = weakref.WeakKeyDictionary()
        self._begin(inherited=True, is_open=was_open)


def _finish(tape: Tape) -> None:
    """Finish a recorder that was thrown away: in a destructor, anywhere."""
    reentrancy.run(lambda: tape.finish(_AT_END))


_recorders: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


def _at_exit() -> None:
    deadline = time.monotonic() + _AT_END
    for recorder in at_exit.members(_recorders):
        recorder._tape.finish(max(deadline - time.monotonic(), 0.0))


# When the clients are closed: what they received last, and their end, belong into the recording.
at_exit.afterwards(_at_exit)
