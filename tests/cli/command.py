"""Runs the real command in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).parents[2]


def environment(stubs: Optional[Path] = None, **more: str) -> "dict[str, str]":
    """The child's environment. Modules in ``stubs`` come before all others."""
    path = [str(each) for each in (stubs, ROOT) if each is not None]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "error", **more}


def start(*arguments: str, env: Optional["dict[str, str]"] = None, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dbxsdk", *arguments],
        env=env or environment(),
        # Whoever runs the tests in the background may ignore Ctrl-C, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def run(*arguments: str, env: Optional["dict[str, str]"] = None) -> "subprocess.CompletedProcess[str]":
    with start(*arguments, env=env) as process:
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
