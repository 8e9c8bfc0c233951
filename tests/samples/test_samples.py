"""The samples, run as a user runs them, against local venues."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).parents[2]
LINES = {
    "order_book.py": r" +\d+\.\d+ +\d+\.\d+|-- BTCUSDT spread \d+\.\d+",
}

each_sample = pytest.mark.parametrize("sample", sorted(LINES))


def start(sample, *arguments, cold=False):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return warm.start([ROOT / "samples" / sample, *arguments], env={**os.environ, "PYTHONPATH": path}, cold=cold)


def run(sample, *arguments, cold=False):
    with start(sample, *arguments, cold=cold) as process:
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()  # does nothing to one that has ended
    return process.returncode, out, err


def test_every_sample_is_tested():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.name for path in (ROOT / "samples").glob("*.py") if path.stem not in tests] == []


@each_sample
def test_prints_what_it_promises(sample):
    code, out, err = run(sample, "--local", "--seconds", "1", cold=True)
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if not re.fullmatch(LINES[sample], line)] == []
    assert "Failed" not in err and "Traceback" not in err
    spreads = [float(line.rpartition(" ")[2]) for line in lines if "spread" in line]
    assert bool(spreads) == (sample == "order_book.py")
    assert all(spread > 0 for spread in spreads)  # a level that was not deleted would cross the book


@each_sample
def test_ctrl_c_ends_it(sample):
    with start(sample, "--local") as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err


@each_sample
def test_without_a_connection_it_says_so_in_one_line(sample, run_here):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else can get it
        code, out, err = run_here(sample, "--url", f"ws://127.0.0.1:{unused.getsockname()[1]}/")
    assert (code, out) == (1, "")
    assert err.startswith("ConnectError: 127.0.0.1:") and "refused" in err and err.count("\n") == 1


@each_sample
@pytest.mark.parametrize("arguments", [["--url", "http://x"], ["--local", "--symbol", ""], ["--local", "--symbol", "NOSUCH"]])
def test_wrong_arguments_are_told_in_one_line(sample, arguments, run_here):
    code, out, err = run_here(sample, *arguments)
    assert (code, out) == (1, "")
    assert re.match("ValueError: |SubscribeError: ", err) and err.count("\n") == 1


@each_sample
def test_a_reader_that_goes_away_ends_it(sample):
    with start(sample, "--local") as process:
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=20)
        assert "BrokenPipeError" in process.stderr.read()
