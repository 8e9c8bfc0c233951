"""The sample that records and replays, run as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest

from dbxsdk.recording import Frame, read
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(ROOT / "samples" / "record_and_replay.py"), *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may ignore Ctrl-C, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def numbers(out: str) -> Tuple[int, int]:
    """The updates, live and replayed."""
    live, replayed = r"live:     (\d+) updates, [\d.]+ traded", r"replayed: (\d+) updates, [\d.]+ traded; [\d.]+ s recorded"
    found = re.fullmatch(f"{live}\n{replayed}\n", out)
    assert found, out
    return int(found[1]), int(found[2])


def test_it_replays_what_it_has_recorded(tmp_path: Path) -> None:
    path = tmp_path / "trades.gz"
    with start("--local", "--seconds", "0.6", "--path", str(path)) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    live, replayed = numbers(out)
    frames = [record for record in read(path) if isinstance(record, Frame) and record.direction == "in"]
    pushed = sum(b'"publicTrade.' in (frame.payload or b"") for frame in frames)
    # What was on its way to the callback when the client was closed is in the recording alone.
    assert 0 < live <= replayed == pushed


def test_ctrl_c_ends_the_recording_and_not_the_replay(tmp_path: Path) -> None:
    path = tmp_path / "trades.gz"
    with start("--local", "--seconds", "60", "--path", str(path)) as process:
        eventually(path.exists, timeout=20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err, err
    assert numbers(out)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--path", "nowhere/trades.gz"), "RecordingError: "),
        (("--local", "--symbol", "NO_SUCH"), "SubscribeError: "),
        (("--local", "--symbol", ""), "ValueError: symbols"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: Tuple[str, ...], message: str, run_here: Callable[..., Any]) -> None:
    code, out, err = run_here("record_and_replay.py", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(message) and err.count("\n") == 1
