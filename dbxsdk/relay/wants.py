"""Wants: a thread that says in Redis, again and again, what a relayed client wants, and asks the serving process to look."""

from __future__ import annotations

import collections
import os
import platform
import threading
import uuid
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

from dbxsdk import codec
from dbxsdk.errors import DbxError
from dbxsdk.relay import group
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import CommandRefused, Link, RelayDown, Server
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.waiting import Alarm
from dbxsdk.version import __version__

LIVES = 40
"""Seconds for which something stays wanted that nobody says again."""
_AGAIN = 10.0
_PAUSE = 0.3
_MOST_CALLS = 1000
_SAY: Tuple[object, ...] = ("TIME",)
"""Stands for the commands that say what is wanted: they need the server's time."""


class Wants:
    """One connection's. Its thread has a connection to the server of its own: the reader's may wait for hours."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        failed: Callable[[DbxError], None],
        member: Optional[Tuple[str, str]],
        before: Optional["Wants"],
    ) -> None:
        """``failed`` is called, on the thread, with a refusal for good. ``member``: a group, and this worker's name in it.
        ``before`` is the one of the last connection, whose updates may still be in callbacks."""
        self._server, self._keys, self._failed, self._member = server, keys, failed, member
        # What a worker of a group is at work on, by stream: filled by the reader. What it has done: by the callbacks thread.
        self._pending: "collections.deque[Tuple[bytes, str]]" = collections.deque()
        self._at_work: Dict[bytes, Dict[str, None]] = {}
        self._done: "collections.deque[Tuple[bytes, str]]" = collections.deque()
        self._left: "collections.deque[Tuple[bytes, str]]" = collections.deque()
        self._wake = Alarm()
        self._stopped = False
        self._wanted: Tuple[str, ...] = ()
        self._said: Tuple[str, ...] = ()
        self._say_at = 0.0
        """What the server was told is wanted, and when it has to hear so again: not with each position that is kept."""
        if before is not None:
            self._pending, self._at_work, self._done, self._left = before._pending, before._at_work, before._done, before._left
        # Filled by any thread and emptied by this one, in single steps.
        self._calls: Set[str] = set()
        self._positions: Dict[str, str] = {} if before is None else before._positions
        self._consumer: str = "" if before is None else before._consumer
        self._keep_at = 0.0
        self.lag_ns = 0
        """How long ago the serving process had what was delivered last."""
        self._reader = f"{platform.node()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._link: Optional[Link] = None
        self._thread = threading.Thread(target=self._run, name=f"dbxsdk-{keys.name}-wants", daemon=True)
        self._thread.start()

    def want(self, topics: Sequence[str]) -> None:
        """All that is wanted from now on."""
        self._wanted = tuple(topics)

    def call(self, topic: str) -> None:
        """Ask the serving process to let this client join ``topic``; ``""``: for a sign of life. Never waits."""
        self._calls.add(topic)
        self._wake.set()

    def keep(self, consumer: str, positions: Dict[str, str]) -> None:
        """Write the positions of a durable reader. Never waits."""
        self._consumer = consumer
        self._positions.update(positions)
        self._wake.set()

    def at_work(self, key: bytes, id_: str) -> None:
        """A worker of a group has read an entry."""
        self._pending.append((key, id_))

    def done(self, entries: Sequence[Tuple[bytes, str]]) -> None:
        """Acknowledge entries of a group. Never waits."""
        self._done.extend(entries)
        if entries:
            self._wake.set()

    def give_back(self, entries: Sequence[Tuple[bytes, str]]) -> None:
        """Leave entries of a group to whoever claims them next. Never waits."""
        self._left.extend(entries)
        if entries:
            self._wake.set()

    def stop(self, patience: float = 1.0) -> None:
        """End the thread, when it has written the positions that it has."""
        self._stopped = True
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(patience)
            link = self._link
            if self._thread.is_alive() and link is not None:
                link.interrupt()

    def _run(self) -> None:
        again_at = 0.0
        while True:
            self._wake.wait(max(again_at - monotonic(), 0.0))
            last = self._stopped
            commands = self._commands()
            try:
                if commands:
                    self._send(commands)
                again_at = monotonic() + (_AGAIN if self._member is None else group.KEEP)
            except RelayDown:
                again_at = monotonic() + _PAUSE
            except DbxError as error:
                self._failed(error)
                last = True
            except Exception as error:  # a defect of ours must not end it unnoticed
                self._failed(DbxError(f"unexpected error in the relay: {error!r}"))
                last = True
            if last:
                break
        if self._link is not None:
            self._link.close()

    def _commands(self) -> List[Tuple[object, ...]]:
        commands: List[Tuple[object, ...]] = []
        positions = {name: self._positions.pop(name) for name in list(self._positions)}
        if positions:
            fields = [part for item in positions.items() for part in item]
            commands.append(("HSET", self._keys.durable(self._consumer), *fields))
        if self._member is not None:
            commands += self._of_group(*self._member)
        if self._stopped:
            return [*commands, ("HDEL", self._keys.readers, self._reader)]
        wanted = self._wanted
        if wanted and (self._calls or wanted is not self._said or monotonic() >= self._say_at):
            commands.append(_SAY)
        calls = []
        while self._calls:
            calls.append(self._calls.pop())
        if calls:
            commands += [("RPUSH", self._keys.calls, *calls), ("LTRIM", self._keys.calls, -_MOST_CALLS, -1)]
        return commands

    def _of_group(self, name: str, consumer: str) -> List[Tuple[object, ...]]:
        while self._pending:
            key, id_ = self._pending.popleft()
            self._at_work.setdefault(key, {})[id_] = None
        done: Dict[bytes, List[str]] = {}
        while self._done:
            key, id_ = self._done.popleft()
            done.setdefault(key, []).append(id_)
            self._at_work.get(key, {}).pop(id_, None)
        left: Dict[bytes, List[str]] = {}
        while self._left:
            key, id_ = self._left.popleft()
            left.setdefault(key, []).append(id_)
            self._at_work.get(key, {}).pop(id_, None)
        commands: List[Tuple[object, ...]] = [("XACK", key, name, *ids) for key, ids in done.items()]
        commands += [group.give_back_command(name, consumer, key, ids) for key, ids in left.items()]
        if monotonic() >= self._keep_at:
            self._keep_at = monotonic() + group.KEEP
            commands += group.keep_commands(name, consumer, {key: list(ids) for key, ids in self._at_work.items()})
        return commands

    def _send(self, commands: List[Tuple[object, ...]]) -> None:
        try:
            if self._link is None:
                self._link = self._server.connect()
            said = self._wanted if _SAY in commands else None
            if said is not None:
                # By the server's clock, which is the same for all.
                until = int(self._link.call("TIME")[0]) + LIVES
                pairs = [part for name in said for part in (until, name)]
                about = {"until": until, "topics": len(said), "lag_ms": self.lag_ns / 1e6, "version": __version__}
                commands = [
                    ("ZADD", self._keys.wanted, *pairs),
                    ("HSET", self._keys.readers, self._reader, codec.encode(about)),
                    *(each for each in commands if each is not _SAY),
                ]
            for command, answer in zip(commands, self._link.call_all(commands)):  # noqa: B905
                if isinstance(answer, CommandRefused) and answer.code == "NOGROUP" and isinstance(command[1], bytes):
                    self._at_work.pop(command[1], None)  # the stream is gone, and with it all that anybody was at work on
                elif isinstance(answer, DbxError):
                    raise answer
            if said is not None:
                self._said, self._say_at = said, monotonic() + _AGAIN
        except RelayDown as error:
            if self._link is not None and not error.answered:
                self._link.close()
                self._link = None
            for command in commands:  # asked again: twice does no harm
                if command[0] == "RPUSH":
                    self._calls.update(str(each) for each in command[2:])
                elif command[0] == "XACK":
                    assert isinstance(command[1], bytes)
                    self._done.extend((command[1], str(each)) for each in command[3:])
                elif command[0] == "HSET" and command[1] != self._keys.readers:
                    parts = [str(each) for each in command[2:]]
                    for name, position in zip(parts[::2], parts[1::2]):  # noqa: B905
                        self._positions.setdefault(name, position)
            raise
