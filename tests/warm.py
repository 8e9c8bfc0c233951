"""Python programs in processes of their own that begin warm: forked from one that has imported what each of them would import.

``start(["-m", "dbxsdk", ...])`` is ``Popen([sys.executable, "-W", "error", ...])`` where there is a fork to rely on: the
import of the package and of its tools takes most programs of the tests longer than their work. The program runs in the main
thread of a process that has done nothing else, and the interpreter ends as it always does. What an environment changes before
``main`` (``PYTHONPATH``, stubs of packages) needs ``cold=True``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import warnings
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

ROOT = Path(__file__).parents[1]
IMPORTS = ("argparse", "csv", "json", "requests", "dbxsdk.sim", "dbxsdk.cli.main", "dbxsdk.metrics")
FOR_SCREENS = ("rich.live", "dbxsdk.cli.display.screen", "argcomplete", "redis")
"""Those that may not be installed."""


def start(
    words: Sequence[str], env: Optional[Mapping[str, str]] = None, cwd: Any = None, cold: bool = False, stdout: Any = None
) -> Any:
    """Begin ``python -W error`` with these words: ``-m MODULE``, ``-c CODE`` or a script, each with arguments. What it gives
    is used as a ``Popen`` of text; output and errors are pipes, but for ``stdout``, a file that is given."""
    env = dict(os.environ if env is None else env)
    env["PYTHONPATH"] = env.get("PYTHONPATH") or str(ROOT)
    words = [str(word) for word in words]
    if cold or sys.platform != "linux":
        pipe = subprocess.PIPE
        command = [sys.executable, "-W", "error", *words]
        return subprocess.Popen(
            command, env=env, cwd=cwd, text=True, stdout=stdout or pipe, stderr=pipe, preexec_fn=_listen_to_ctrl_c
        )
    return Forked(words, env, str(cwd or os.getcwd()), stdout)


def run(words: Sequence[str], timeout: float = 30, **options: Any) -> "subprocess.CompletedProcess[str]":
    """The program, once it has ended."""
    with start(words, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Forked:
    """As much of a ``Popen`` as the tests use."""

    def __init__(self, words: List[str], env: Dict[str, str], cwd: str, stdout: Any) -> None:
        self.args = words
        self.returncode: Optional[int] = None
        told, tells = os.pipe()
        self._told = os.fdopen(told, "rb", buffering=0)
        ends = []
        self.stdout = self.stderr = None
        if stdout is None:
            ours, theirs = os.pipe()
            self.stdout = os.fdopen(ours)
            ends.append(theirs)
        ours, theirs = os.pipe()
        self.stderr = os.fdopen(ours)
        ends.append(theirs)
        descriptors = [tells, *([] if stdout is None else [stdout.fileno()]), *ends]
        order = json.dumps({"words": words, "env": env, "cwd": cwd}).encode()
        try:
            with _sending:
                socket.send_fds(_parent(os.getpid()), [order], descriptors)
        finally:
            for descriptor in (tells, *ends):
                os.close(descriptor)
        self.pid = int(self._line())

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._told.read(1)
            assert byte, "what forks the programs has ended"
            line += byte
        return line

    def wait(self, timeout: Optional[float] = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = int(self._line())
        return self.returncode

    def poll(self) -> Optional[int]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, timeout: Optional[float] = None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        read: Dict[str, str] = {}
        files = {name: file for name, file in (("out", self.stdout), ("err", self.stderr)) if file and not file.closed}
        readers = [
            threading.Thread(target=lambda name=name, file=file: read.update({name: file.read()}), daemon=True)  # type: ignore
            for name, file in files.items()
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if deadline is None else max(deadline - time.monotonic(), 0))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(None if deadline is None else max(deadline - time.monotonic(), 0))
        return read.get("out"), read.get("err")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()
        self.wait()
        self._told.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            for file in (self.stdout, self.stderr, self._told):
                if file is not None:
                    file.close()


# ---- the process that forks ------------------------------------------------------------------------------------------

_sending = threading.Lock()


@functools.lru_cache(maxsize=None)
def _parent(pid: int) -> socket.socket:
    """The line to this process's own one, which ends with the line."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.set_inheritable(False)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.warm", str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for its children, by their number
        )
    atexit.register(_end, pid, ours, process)
    return ours


def _end(pid: int, line: socket.socket, process: Any) -> None:
    line.close()
    if os.getpid() == pid:
        process.wait(5)


def _serve(line: socket.socket) -> Optional[Dict[str, Any]]:
    """Fork for each order; returns its own order in the child, None at the end."""
    running: Dict[int, int] = {}
    while True:
        if select.select([line], [], [], 0.005 if running else None)[0]:
            data, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 3)
            if not data:
                return None
            tells, out, err = descriptors
            child = os.fork()
            if child == 0:
                for descriptor in (*running.values(), tells):
                    os.close(descriptor)
                line.close()
                os.dup2(out, 1)
                os.dup2(err, 2)
                os.close(out)
                os.close(err)
                order: Dict[str, Any] = json.loads(data)
                return order
            os.close(out)
            os.close(err)
            os.write(tells, b"%d\n" % child)
            running[child] = tells
        while running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            tells = running.pop(child)
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            with contextlib.suppress(BrokenPipeError):
                os.write(tells, b"%d\n" % code)
            os.close(tells)


def _become(order: Dict[str, Any]) -> None:
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.stdout = sys.__stdout__ = _opened(1, sys.stdout)
    sys.stderr = sys.__stderr__ = _opened(2, sys.stderr)
    first, *rest = order["words"]
    if first == "-m":
        sys.argv = rest
        sys.path[0] = os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path[0] = ""
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    else:
        sys.argv = [first, *rest]
        sys.path[0] = str(Path(first).resolve().parent)
        runpy.run_path(first, run_name="__main__")


def _opened(descriptor: int, like: Any) -> io.TextIOWrapper:
    """A stream like the one that was there, which has looked at what the descriptor meant before."""
    return io.TextIOWrapper(
        open(descriptor, "wb", 0 if like.write_through else -1, closefd=False),
        like.encoding, like.errors, line_buffering=like.line_buffering, write_through=like.write_through,
    )  # fmt: skip


def _import_all() -> None:
    with warnings.catch_warnings():  # some packages set filters of their own
        for name in IMPORTS:
            importlib.import_module(name)
        for name in FOR_SCREENS:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _line = socket.socket(fileno=int(sys.argv[1]))
    _import_all()
    _main = sys.modules["__main__"]  # what runs here stays whole when another takes its name
    _order = _serve(_line)
    if _order is not None:
        _become(_order)
