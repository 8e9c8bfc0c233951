"""Real processes for tests: each in a session of its own, with its output kept, and gone with everything it started."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

import requests

import dbxsdk
from tests.waiting import eventually

ROOT = pathlib.Path(dbxsdk.__file__).parents[1]
PATIENCE = 20.0
"""Seconds for a program to start, do its work and end: machines that run tests are busy."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def program(name: str) -> Optional[str]:
    """The path of a program that came with a package of this Python, or None."""
    path = pathlib.Path(sys.executable).parent / name
    return str(path) if path.exists() else None


class Hosted:
    """A program at work. Standard output and error go to one file, for the failure message."""

    def __init__(self, *command: str, folder: Optional[pathlib.Path] = None, **environment: str) -> None:
        self.name = pathlib.Path(command[0]).name
        self._output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            # Loopback alone: nothing of the machine's proxies.
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_PROXY": "*", **environment},
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def finished(self, timeout: float = PATIENCE) -> int:
        """The exit status, once it has ended."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {timeout} s") from None

    def stop(self, timeout: float, how: int = signal.SIGTERM) -> float:
        """Asks it to end; returns the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(how)
        self.finished(timeout)
        return time.monotonic() - started

    def kill(self) -> None:
        """It and all that it started, workers whose master is gone included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)
        self._output.close()


@contextlib.contextmanager
def hosting(*programs: Hosted) -> Iterator[None]:
    """Kills them at the end; where something failed, what they wrote is in the message."""
    try:
        yield
    except BaseException as error:  # noqa: B036 - raised again, with more to read
        texts = [f"--- what {each.name} wrote:\n{each.output}" for each in programs]
        raise AssertionError("\n".join([f"{type(error).__name__}: {error}", *texts])) from None
    finally:
        for each in programs:
            each.kill()


def scripts(*sources: str, arguments: Sequence[Sequence[str]] = (), timeout: float = PATIENCE) -> List[str]:
    """Runs Python scripts at the same time; returns what each printed. Each has to end well."""
    running = [
        Hosted(sys.executable, "-W", "error", "-c", source, *(arguments[index] if arguments else ()))
        for index, source in enumerate(sources)
    ]
    with hosting(*running):
        for each in running:
            assert each.finished(timeout) == 0
        return [each.output for each in running]


def told(printed: str) -> Any:
    """The JSON object that a script printed; beside it there may be what a child had to say."""
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    assert len(lines) == 1, printed
    return json.loads(lines[0])


class Web:
    """A web server under test."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._base = f"http://127.0.0.1:{port}"
        self._http = requests.Session()
        self._http.trust_env = False
        # A connection for each request: kept ones would stay with one worker.
        self._http.headers["Connection"] = "close"

    def get(self, path: str, timeout: float = 10.0) -> Any:
        answer = self._http.get(self._base + path, timeout=timeout)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json()

    def up(self, path: str = "/pid", but: Any = None) -> None:
        """Waits until it answers; a process other than that with the id ``but``."""

        def answers() -> bool:
            try:
                return self.get(path, 2.0)["pid"] != but
            except requests.RequestException:
                return False

        eventually(answers, PATIENCE)

    def workers(self, count: int, path: str) -> Dict[int, Any]:
        """The answers of ``count`` different processes; each says its ``pid``."""
        found: Dict[int, Any] = {}

        def enough() -> bool:
            # At the same time: one after the other may all go to the same worker.
            for answer in pool.map(self.get, [path] * 2 * count):
                found[answer["pid"]] = answer
            return len(found) >= count

        with concurrent.futures.ThreadPoolExecutor(2 * count) as pool:
            eventually(enough, PATIENCE)
        return found

    def close(self) -> None:
        self._http.close()
