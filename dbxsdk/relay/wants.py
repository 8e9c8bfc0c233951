"""Wants: a thread that says in Redis, again and again, what a relayed client wants, and asks the serving process to look."""

from __future__ import annotations

import threading
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

from dbxsdk.errors import DbxError
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import Link, RelayDown, Server
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.waiting import Alarm

LIVES = 50
"""Seconds for which something stays wanted that nobody says again."""
_AGAIN = 10.0
_PAUSE = 0.3
_MOST_CALLS = 1000


class Wants:
    """One connection's. Its thread has a connection to the server of its own: the reader's may wait for hours."""

    def __init__(self, server: Server, keys: Keys, failed: Callable[[DbxError], None]) -> None:
        """``failed`` is called, on the thread, with a refusal for good."""
        self._server, self._keys, self._failed = server, keys, failed
        self._wake = Alarm()
        self._stopped = False
        self._wanted: Tuple[str, ...] = ()
        # Filled by any thread and emptied by this one, in single steps.
        self._calls: Set[str] = set()
        self._positions: Dict[str, str] = {}
        self._consumer = ""
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
                again_at = monotonic() + _AGAIN
            except RelayDown:
                again_at = monotonic() + _PAUSE
            except DbxError as error:
                self._failed(error)
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
        if self._stopped:
            return commands
        wanted = self._wanted
        if wanted:
            commands.append(("TIME",))
        calls = []
        while self._calls:
            calls.append(self._calls.pop())
        if calls:
            commands += [("RPUSH", self._keys.calls, *calls), ("LTRIM", self._keys.calls, -_MOST_CALLS, -1)]
        return commands

    def _send(self, commands: List[Tuple[object, ...]]) -> None:
        try:
            if self._link is None:
                self._link = self._server.connect()
            if ("TIME",) in commands:
                # By the server's clock, which is the same for all.
                until = int(self._link.call("TIME")[0]) + LIVES
                pairs = [part for name in self._wanted for part in (until, name)]
                commands = [("ZADD", self._keys.wanted, *pairs), *(each for each in commands if each != ("TIME",))]
            for answer in self._link.call_all(commands):
                if isinstance(answer, DbxError):
                    raise answer
        except RelayDown as error:
            if self._link is not None and not getattr(error, "answered", False):
                self._link.close()
                self._link = None
            for command in commands:  # asked again: twice does no harm
                if command[0] == "RPUSH":
                    self._calls.update(str(each) for each in command[2:])
                elif command[0] == "HSET":
                    parts = [str(each) for each in command[2:]]
                    self._positions = {**dict(zip(parts[::2], parts[1::2])), **self._positions}  # noqa: B905
            raise
