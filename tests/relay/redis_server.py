"""A real Redis server of the tests' own: on a free port, in a temporary directory, ended with the test."""

from __future__ import annotations

import contextlib
import pathlib
import random
import shutil
import signal
import socket
import subprocess
from typing import Any, Iterator, List, Optional

import redis

from tests.waiting import eventually

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")


def free_port() -> int:
    """A port that stays the server's while it is down: below those that the system gives to clients, which while they try to
    connect to it might get the very port, and connect to themselves."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """Can be ended, started again with the data that it has saved or without, and stopped as by SIGSTOP."""

    def __init__(self, directory: pathlib.Path, *arguments: str) -> None:
        assert PROGRAM is not None
        self.directory = directory
        self.arguments = arguments
        self.port = free_port()
        self.password = ""
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self._clients: List[Any] = []
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        assert self.process is None and PROGRAM is not None
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""]
        command += ["--daemonize", "no", "--loglevel", "warning", *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.answers, 10)

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError):
            with self.client(probe=True) as client:
                return bool(client.ping())
        return False

    def client(self, probe: bool = False) -> Any:
        client = redis.Redis(port=self.port, password=self.password or None, socket_timeout=0.2 if probe else 5)
        if not probe:
            self._clients.append(client)
        return client

    def close(self) -> None:
        """End the server, and what its tests have asked it with."""
        self.stop()
        for client in self._clients:
            client.close()

    def stop(self, kill: bool = True) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            process.wait(10)

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def redis_server(directory: pathlib.Path, *arguments: str) -> Iterator[RedisServer]:
    server = RedisServer(directory, *arguments)
    try:
        yield server
    finally:
        server.close()
