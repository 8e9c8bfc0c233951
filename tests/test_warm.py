"""A program that begins warm finds what one that begins cold finds, and ends as it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Dict

import pytest

from tests import warm

TELLS = """
import json, os, signal, sys, threading, warnings
print(json.dumps({
    "name": __name__, "arguments": sys.argv, "path": sys.path[0], "folder": os.getcwd(), "own": os.environ.get("OWN"),
    "other": "HOME" in os.environ, "threads": threading.active_count(), "main": vars(sys.modules["__main__"]) is globals(),
    "first filter": warnings.filters[0][0], "out": [sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering],
    "err": [sys.stderr.encoding, sys.stderr.errors, sys.stderr.line_buffering], "options": sys.warnoptions,
    "ctrl-c": signal.getsignal(signal.SIGINT) is signal.default_int_handler, "optimized": sys.flags.optimize,
    "group": os.getpgrp() == os.getpid(),
}))
"""


@pytest.mark.parametrize("script", [False, True], ids=["-c", "a script"])
def test_what_it_finds(script: bool, tmp_path: Path) -> None:
    words = ["-c", TELLS]
    if script:
        (tmp_path / "tells.py").write_text(TELLS)
        words = [str(tmp_path / "tells.py")]
    found = []
    for cold in (True, False):
        env = {**{name: value for name, value in os.environ.items() if name != "HOME"}, "OWN": "there"}
        done = warm.run([*words, "a", "b c"], env=env, cwd=tmp_path, cold=cold)
        assert (done.returncode, done.stderr) == (0, "")
        told: Dict[str, Any] = json.loads(done.stdout)
        assert told.pop("group") is False and told["own"] == "there" and not told["other"] and told["threads"] == 1
        found.append(told)
    assert found[0] == found[1]


ENDS = {
    "the end": "print('said', end='')",
    "a code": "import sys; sys.exit(7)",
    "words": "import sys; sys.exit('it cannot be')",
    "an exception": "raise ValueError('of the user')",
    "a warning": "import warnings; warnings.warn('mind', UserWarning)",
    "Ctrl-C": "import os, signal; os.kill(os.getpid(), signal.SIGINT); input()",
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "at the end of a thread": "import atexit, threading, time; atexit.register(print, 'last'); "
                              "threading.Thread(target=lambda: (time.sleep(0.02), print('first'))).start()",
}


@pytest.mark.parametrize("code", ENDS.values(), ids=list(ENDS))
def test_how_it_ends(code: str) -> None:
    cold, warmed = (warm.run(["-c", code], cold=cold) for cold in (True, False))
    assert (warmed.returncode, warmed.stdout) == (cold.returncode, cold.stdout)
    assert warmed.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


def test_several_at_once_each_with_its_own_end() -> None:
    waiting = "import sys, time; print('begun', flush=True); time.sleep(60)"
    first, second = (warm.start(["-c", waiting]) for _ in range(2))
    with first, second:
        assert first.stdout.readline() == second.stdout.readline() == "begun\n"
        assert first.poll() is None and second.poll() is None and first.pid != second.pid
        with pytest.raises(subprocess.TimeoutExpired):
            first.communicate(timeout=0.01)
        first.kill()
        assert first.wait(20) == -signal.SIGKILL and second.poll() is None
        second.terminate()
        assert second.wait(20) == -signal.SIGTERM
