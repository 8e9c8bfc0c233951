"""What the tests of recordings share."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import Any, List

from dbxsdk.recording import Frame, RecordedConnection, Recorder, read

ROOT = pathlib.Path(__file__).parents[2]


def connection(recorder: Recorder, **changes: Any) -> RecordedConnection:
    """A connection as a session would announce it."""
    settings: Any = {
        "venue": "bybit",
        "client": "BybitPublicClient",
        "settings": {"category": "linear"},
        "endpoint": "wss://stream.example/v5/public/linear",
        **changes,
    }
    return recorder.connection(**settings)


def put(to: RecordedConnection, *payloads: bytes) -> None:
    """Text frames, each read at a moment of its own."""
    for number, payload in enumerate(payloads):
        to.received([(payload, False)], 1000 + number, 500 + number)


def frames(path: Any) -> List[Frame]:
    return [record for record in read(path) if isinstance(record, Frame)]


def payloads(path: Any) -> List[Any]:
    return [frame.payload for frame in frames(path)]


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    """A Python process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=str(ROOT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: str) -> str:
    """What such a process prints; it must end well."""
    process = start(code, *arguments)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    return out
