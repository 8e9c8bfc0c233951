"""Runs the real command in a process of its own: a fork of one that has imported what it needs, or, with an environment or
descriptors of its own, a new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest

from tests import warm

ROOT = Path(__file__).parents[2]


def environment(stubs: Optional[Path] = None, **more: str) -> "dict[str, str]":
    """The child's environment. Modules in ``stubs`` come before all others."""
    path = [str(each) for each in (stubs, ROOT) if each is not None]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "error", **more}


def listen_to_ctrl_c() -> None:
    """Whoever runs the tests in the background may ignore it, which children inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments: str, env: Optional["dict[str, str]"] = None, **options: Any) -> "subprocess.Popen[str]":
    if env is None:
        forked: "subprocess.Popen[str]" = warm.start(["-m", "dbxsdk", *arguments], env=environment(), **options)
        return forked
    return subprocess.Popen(
        [sys.executable, "-m", "dbxsdk", *arguments],
        env=env,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": listen_to_ctrl_c, **options},
    )


def run(*arguments: str, env: Optional["dict[str, str]"] = None) -> "subprocess.CompletedProcess[str]":
    return ended(start(*arguments, env=env))


def ended(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    """What a process that was started has done, once it has ended."""
    with process:
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def without(package: str, directory: Path) -> "dict[str, str]":
    """An environment in which ``package`` is not installed."""
    (directory / f"{package}.py").write_text(f"raise ImportError('No module named {package}')\n")
    return environment(directory)


def in_terminal(env: "dict[str, str]", *arguments: str, code: int = 0) -> str:
    """Runs the command on a terminal of 80 columns and 24 lines, and returns all that it wrote there."""
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (24, 80)) if hasattr(termios, "tcsetwinsize") else None
        env = {**env, "COLUMNS": "80", "LINES": "24"}
        with start(*arguments, env=env, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            theirs = -1
            written = bytearray()
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # how Linux tells that the other end was closed
                    break
                if not part:
                    break
                written += part
            assert process.wait(timeout=20) == code, written.decode()
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        os.close(ours)
        if theirs != -1:
            os.close(theirs)
    return written.decode()
