"""Children that use a client of the parent's and one of their own, and exit."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable, List

from dbxsdk.errors import DbxError
from tests.soak.measures import client_threads

PATIENCE = 25.0
"""Seconds that each of a child's clients may take beside all the faults."""


class Inherited:
    """A client whose updates are only counted: its connections are the parent's and the children's."""

    def __init__(self, client: Any, channel: str, symbols: List[str]) -> None:
        self.client = client
        self._what = (channel, symbols)
        self._updates = 0  # without a lock, which might be held at the moment of a fork

    def start(self) -> None:
        channel, symbols = self._what
        self.client.subscribe(channel, symbols or (), callback=self._count)

    def _count(self, update: Any) -> None:
        self._updates += 1

    def use(self, deadline: float) -> None:
        """A request is answered and an update comes, sooner or later."""
        self._updates = 0
        pause = threading.Event()
        _answered(self.client, deadline)
        while not self._updates:
            assert time.monotonic() < deadline, f"{self.client} is answered, and gets no update"
            pause.wait(0.02)


def _answered(client: Any, deadline: float) -> None:
    while True:
        try:
            client.ping(timeout=2)
            return
        except DbxError as error:
            assert time.monotonic() < deadline, f"{client} got no answer: {type(error).__name__}: {error}"


def fork(inherited: Inherited, make: Callable[[], Any]) -> str:
    """Forks; returns "" where all went well in the child, else what did not."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _live(inherited, make, write)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"a forked child was ended by signal {os.WTERMSIG(status)} {told}"
    return told


def _live(inherited: Inherited, make: Callable[[], Any], write: int) -> None:
    told = ""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.alarm(int(PATIENCE * 3))  # whatever hangs here
        left = client_threads()
        assert not left, f"threads in a fresh child: {left}"
        inherited.use(time.monotonic() + PATIENCE)
        own = make()
        _answered(own, time.monotonic() + PATIENCE)
        own.close()
        inherited.client.close()
        left = client_threads()
        assert not left, f"threads left in a child: {left}"
    except BaseException as error:  # noqa: B036 - nothing of the parent's code may run here
        told = f"in a forked child: {type(error).__name__}: {error}"
    os.write(write, told.encode())
    os._exit(0)
