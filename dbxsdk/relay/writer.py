"""The writer: a thread that writes what the serving client gets into streams, in its order, each entry once.

Entries are numbered as they are written, without holes, and a batch whose answer was lost is sent again as it was: the server
refuses the ids that it has. While the server is away the queue keeps what comes; when it is full all of it is dropped, and what
is written next is the hole: the venue's socket is never held up.
"""

from __future__ import annotations

import collections
import functools
import itertools
import threading
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.errors import DbxError
from dbxsdk.relay.entries import (
    CONTROL,
    EPOCH,
    FORMAT,
    GAP,
    Frame,
    Id,
    encode_document,
    encode_frames,
    parse_id,
    text_id,
    times_of,
)
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import CommandRefused, Link, RelayDown, Server
from dbxsdk.runtime.clock import monotonic, wall_ns
from dbxsdk.runtime.log import ClientLog

QUEUE_BYTES = 64 * 1024 * 1024
"""Bound of what waits while the server is away or slow: of the memory that it takes, so that each thing's ``size`` is about
what Python keeps for it."""
ENTRY_SIZE, FRAME_SIZE = 400, 200
"""What an entry takes, its first frame included, and each frame more, beside their bytes."""
_BATCH = 500
_BATCH_BYTES = 512 * 1024
"""Entries, and about so many bytes, that are sent together; less after the line was too slow for it."""
_LARGE = 16 * 1024
_ATTEMPTS = 2
"""After so many attempts to send it alone, each as long as an answer may take, an entry that is large is a gap."""
_PAUSE = 0.2
"""Seconds between attempts while the server is away."""
_TRIM_EVERY = 5.0
_KEYS_LIVE = 3600
"""Seconds after which streams that nobody writes disappear, at least."""
_MARKS = 100
"""Marks of what was written when, at most: ``Bounds.seconds`` holds to a hundredth."""
_WHOLE_LIVES = 60


@attrs.frozen
class Bounds:
    """How much history streams keep: so many entries, and so many seconds, each about."""

    entries: int = 10_000
    seconds: float = 600.0


@attrs.define
class Frames:
    """What one network read brought of one topic."""

    topic: str
    read: int
    wall_ns: int
    frames: List[Frame]
    size: int


@attrs.define
class Hole:
    """Updates of topics are missing; a gap of the serving client's."""

    topics: Tuple[str, ...]
    read: int
    wall_ns: int
    seconds: float
    last_received_ns: int
    size: int = ENTRY_SIZE


@attrs.define
class Happened:
    """Something about the serving client as a whole, for the control stream."""

    read: int
    wall_ns: int
    document: Dict[str, Any]
    size: int = ENTRY_SIZE


@attrs.define
class Joined:
    """Readers of a topic may begin here, with this state if it has any."""

    topic: str
    read: int
    wall_ns: int
    whole: Optional[bytes]
    state: bool
    size: int = ENTRY_SIZE


@attrs.define
class Left:
    """Nobody wants a topic any more: its stream is let go."""

    topic: str
    read: int
    wall_ns: int
    size: int = ENTRY_SIZE


@attrs.define
class Dropped:
    """What was queued before was dropped."""

    read: int
    wall_ns: int
    since_ns: int
    size: int = 0


class Fenced(DbxError):
    """A later leader has written into the streams. ``epoch`` is what it wrote by."""

    def __init__(self, epoch: int) -> None:
        super().__init__("another process serves: it has written into the streams")
        self.epoch = epoch


class Writer:
    """Writes for one term of leadership."""

    def __init__(
        self, server: Server, keys: Keys, epoch: int, bounds: Bounds, log: ClientLog, ended: Callable[[DbxError], None]
    ) -> None:
        """``ended`` is called on the writer's thread with what makes writing useless: ``Fenced``, or a refusal for good."""
        self._server, self._keys, self._bounds, self._log, self._ended = server, keys, bounds, log, ended
        self.epoch = epoch
        self._live = int(max(_KEYS_LIVE, bounds.seconds))
        self._changed = threading.Condition(threading.Lock())  # its lock guards the queue and what is counted of it
        self._queue: Deque[Any] = collections.deque()
        self._bytes = 0
        self._stopping = False
        self._deadline = 0.0
        self.dropped = 0
        """Entries."""
        self.written = 0
        self.down: Optional[str] = None
        """Why nothing can be written at present."""
        # The thread's own:
        self._link: Optional[Link] = None
        self._numbers: Dict[str, int] = {}
        """By key of a stream: the number of its last entry."""
        self._topics: Dict[str, str] = {}
        """Topics with streams of this epoch: their keys."""
        self._first = 0
        """A number that no stream of this epoch which was let go has come to."""
        self._marks: Deque[Tuple[float, Dict[str, int]]] = collections.deque()
        self._trim_at = monotonic() + _TRIM_EVERY
        self._at_once = _BATCH
        """Commands that the line has borne lately."""
        self._alone = 0
        """Failed attempts to send the one at hand alone."""
        self._thread = threading.Thread(target=self._run, name=f"dbxsdk-{keys.name}-relay-writer", daemon=True)

    # -- any thread ----------------------------------------------------------------------------------

    def start(self, link: Link, topics: Sequence[str], served: Dict[str, Any]) -> None:
        """Shut earlier leaders out, over ``link``, which stays the caller's; then begin to write. Raises what that raises."""
        self._link = link
        try:
            key = self._keys.control
            document = {"kind": "lead", "previous": text_id(self._top(key)), **served}
            self._add_first(key, encode_document(CONTROL, 0, wall_ns(), document))
            for topic in topics:
                self._open_topic(topic)
        finally:
            self._link = None
        self._thread.start()

    def put(self, item: Any) -> None:
        """Queue something. Never waits for the server."""
        with self._changed:
            if self._bytes + item.size > QUEUE_BYTES:
                self._drop(item)
            self._queue.append(item)
            self._bytes += item.size
            self._changed.notify()

    def _drop(self, item: Any) -> None:
        """Lock held."""
        first = self._queue[0] if self._queue else item
        since_ns = first.since_ns if isinstance(first, Dropped) else first.wall_ns
        self.dropped += len(self._queue) - isinstance(first, Dropped)
        self._queue.clear()
        # As what was dropped last: what is queued now comes behind it.
        self._queue.append(Dropped(item.read, item.wall_ns, since_ns))
        self._bytes = 0

    @property
    def queued(self) -> int:
        """Entries that wait."""
        return len(self._queue)

    def stop(self, patience: float) -> bool:
        """Write what waits, for ``patience`` seconds at most, and end. Return False if the server hangs."""
        with self._changed:
            self._stopping, self._deadline = True, monotonic() + patience
            self._changed.notify()
        if self._thread.ident is None:
            return True
        self._thread.join(patience)
        in_time = not self._thread.is_alive()
        link = self._link
        if not in_time and link is not None:
            link.interrupt()
            self._thread.join(1.0)
        return in_time

    # -- the writer's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                items = self._next_items()
                if items is None:
                    return
                if items:
                    self._write(items)
                if monotonic() >= self._trim_at:
                    self._trim()
        except DbxError as error:
            self._ended(error)
        except Exception as error:  # a defect of ours must not look like a server that is away
            self._log.exception("unexpected error in the relay's writer")
            self._ended(DbxError(f"unexpected error in the relay's writer: {error!r}"))
        finally:
            if self._link is not None:
                self._link.close()

    def _next_items(self) -> Optional[List[Any]]:
        with self._changed:
            if not self._queue and not self._stopping:
                self._changed.wait(max(self._trim_at - monotonic(), 0.0))
            if not self._queue:
                return None if self._stopping else []
            taken: List[Any] = []
            size = 0
            while self._queue and len(taken) < _BATCH and size < _BATCH_BYTES:
                taken.append(self._queue.popleft())
                size += taken[-1].size
            self._bytes -= size
            return taken

    def _write(self, items: List[Any]) -> None:
        commands: "Deque[Tuple[Any, ...]]" = collections.deque()
        for item in items:
            for topic in (item.topic,) if isinstance(item, (Frames, Joined)) else getattr(item, "topics", ()):
                if topic not in self._topics:
                    self._send_all(commands)  # it may have been left just before
                    self._until_done(functools.partial(self._open_topic, topic))
            commands += self._commands(item)
        self._send_all(commands)
        self.written += len(items)

    def _send_all(self, commands: "Deque[Tuple[Any, ...]]") -> None:
        while commands:
            self._until_done(lambda: self._send_some(commands))

    def _send_some(self, commands: "Deque[Tuple[Any, ...]]") -> None:
        """Send as many of them as the line bears: after a failure singly, then twice as many each time."""
        some = list(itertools.islice(commands, self._at_once))
        try:
            self._send(some)
        except RelayDown as error:
            if not error.answered:
                self._alone = self._alone + 1 if len(some) == 1 else 0
                self._at_once = 1
                if self._alone >= _ATTEMPTS:
                    self._shorten(commands)
            raise
        self._alone, self._at_once = 0, min(2 * self._at_once, _BATCH)
        for _ in some:
            commands.popleft()

    def _shorten(self, commands: "Deque[Tuple[Any, ...]]") -> None:
        """The line is too slow for the first of them: put a gap in its place, with the same id. A state for late readers is
        left out: they ask again."""
        self._alone = 0
        name, *others, value = commands[0]
        if name == "SET":
            commands.popleft()
        elif isinstance(value, bytes) and len(value) >= _LARGE:  # else it is not the line
            self._log.warning("an entry of %d bytes could not be written in time: a gap", len(value))
            read, at_ns = times_of(value)
            document = {"seconds": max(wall_ns() - at_ns, 0) / 1e9, "last_received_ns": at_ns}
            commands[0] = (name, *others, encode_document(GAP, read, at_ns, document))

    def _until_done(self, work: Callable[[], None]) -> None:
        """Do ``work``, again and again while the server is away. Raises what cannot be mended."""
        while True:
            try:
                if self._link is None:
                    self._link = self._server.connect()
                work()
                if self.down is not None:
                    self.down = None
                    self._log.warning("the relay's server takes entries again")
                return
            except RelayDown as error:
                if self.down is None:
                    self._log.warning("nothing can be written, %d entries wait: %s", len(self._queue), error)
                self.down = str(error)
                if not error.answered and self._link is not None:
                    self._link.close()
                    self._link = None
            with self._changed:
                if self._stopping and monotonic() + _PAUSE >= self._deadline:
                    raise RelayDown(f"what was queued could not be written: {self.down}")
                self._changed.wait_for(lambda: self._stopping and monotonic() >= self._deadline, _PAUSE)

    def _send(self, commands: Sequence[Tuple[Any, ...]]) -> None:
        assert self._link is not None
        down: Optional[DbxError] = None
        refused: Set[str] = set()
        for command, answer in zip(commands, self._link.call_all(commands)):  # noqa: B905
            if isinstance(answer, CommandRefused) and "equal or smaller" in str(answer):
                refused.add(command[1])
            elif isinstance(answer, RelayDown):
                down = answer
            elif isinstance(answer, DbxError):
                raise answer
        for key in refused:
            self._check_fence(key)
        if down is not None:
            raise down

    def _check_fence(self, key: str) -> None:
        """An id was refused. Raise ``Fenced`` if that was because of a later leader; else the entry is there already."""
        epoch = self._top(key)[0]
        if epoch > self.epoch:
            raise Fenced(epoch)

    def _top(self, key: str) -> Id:
        """The last id that a stream had, though it may be empty; ``(0, 0)`` if there is no such stream."""
        assert self._link is not None
        try:
            answer = self._link.call("XINFO", "STREAM", key)
        except CommandRefused as error:
            if "no such key" in str(error):
                return 0, 0
            raise
        return parse_id(answer[answer.index(b"last-generated-id") + 1]) or (0, 0)

    def _open_topic(self, topic: str) -> None:
        assert self._link is not None
        key = self._keys.topic(topic)
        self._link.call("SADD", self._keys.topics, topic)
        top = self._top(key)
        if top[0] > self.epoch:
            raise Fenced(top[0])
        if top != (self.epoch, self._numbers.get(key)):  # else the answer to an earlier attempt was lost
            # Where the topic was left in this epoch its numbers go on: what came meanwhile is missing.
            number = top[1] + 1 if top[0] == self.epoch else self._first
            self._add_first(key, encode_document(EPOCH, 0, wall_ns(), {"previous": text_id(top)}), number)
        self._topics[topic] = key

    def _add_first(self, key: str, value: bytes, number: int = 0) -> None:
        assert self._link is not None
        self._numbers[key] = number
        self._send([("XADD", key, "MAXLEN", "~", self._bounds.entries, f"{self.epoch}-{number}", FORMAT, value)])

    # -- what is written -----------------------------------------------------------------------------

    def _commands(self, item: Any) -> List[Tuple[Any, ...]]:
        if isinstance(item, Frames):
            return [self._add(self._topics[item.topic], encode_frames(item.read, item.wall_ns, item.frames))]
        if isinstance(item, Happened):
            return [self._control(item, item.document)]
        if isinstance(item, Hole):
            return self._holes(item.topics, item.read, item.wall_ns, item.seconds, item.last_received_ns)
        if isinstance(item, Joined):
            return self._joined(item)
        if isinstance(item, Left):
            return self._leave(item)
        assert isinstance(item, Dropped)
        seconds = max(wall_ns() - item.since_ns, 0) / 1e9
        document = {"kind": "lost", "since_ns": item.since_ns}
        return [self._control(item, document), *self._holes(tuple(self._topics), item.read, item.wall_ns, seconds, item.since_ns)]

    def _holes(self, topics: Sequence[str], read: int, at_ns: int, seconds: float, last_ns: int) -> List[Tuple[Any, ...]]:
        value = encode_document(GAP, read, at_ns, {"seconds": seconds, "last_received_ns": last_ns})
        return [self._add(self._topics[topic], value) for topic in topics]

    def _joined(self, item: Joined) -> List[Tuple[Any, ...]]:
        key = self._topics[item.topic]
        at = f"{self.epoch}-{self._numbers[key]}"
        document = {"kind": "join", "topic": item.topic, "at": at, "whole": item.whole is not None, "state": item.state}
        commands = [self._control(item, document)]
        if item.whole is not None:
            value = at.encode() + b" " + encode_frames(item.read, item.wall_ns, [(0, (item.whole, False))])
            commands.insert(0, ("SET", self._keys.whole(item.topic), value, "EX", _WHOLE_LIVES))
        return commands

    def _leave(self, item: Left) -> List[Tuple[Any, ...]]:
        commands = [self._control(item, {"kind": "left", "topic": item.topic}), ("SREM", self._keys.topics, item.topic)]
        key = self._topics.pop(item.topic, None)
        if key is not None:
            self._first = max(self._first, self._numbers.pop(key) + 1)
            commands.append(("EXPIRE", key, self._live))
        return commands

    def _control(self, item: Any, document: Dict[str, Any]) -> Tuple[Any, ...]:
        return self._add(self._keys.control, encode_document(CONTROL, item.read, item.wall_ns, document))

    def _add(self, key: str, value: bytes) -> Tuple[Any, ...]:
        number = self._numbers[key] = self._numbers[key] + 1
        return "XADD", key, "MAXLEN", "~", self._bounds.entries, f"{self.epoch}-{number}", FORMAT, value

    def _trim(self) -> None:
        """Let entries go that are too old, and streams live on."""
        now = monotonic()
        self._trim_at = now + _TRIM_EVERY
        oldest: Dict[str, int] = {}
        if not self._marks or now - self._marks[-1][0] >= self._bounds.seconds / _MARKS:
            self._marks.append((now, dict(self._numbers)))
        while self._marks and self._marks[0][0] <= now - self._bounds.seconds:
            oldest = self._marks.popleft()[1]
        commands: List[Tuple[Any, ...]] = [("EXPIRE", key, self._live) for key in self._numbers]
        commands += [("EXPIRE", self._keys.topics, self._live), ("EXPIRE", self._keys.epoch, 30 * 24 * _KEYS_LIVE)]
        commands += [("XTRIM", key, "MINID", "~", f"{self.epoch}-{number}") for key, number in oldest.items()]
        if self.down is None and self._link is not None:
            try:
                self._send(commands)
            except RelayDown as error:
                self._log.info("streams were not trimmed: %s", error)
                if not error.answered:
                    self._link.close()
                    self._link = None
