"""A sample in this process, where what is wrong with its arguments ends it at once."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Tuple[Any, str, str]]:
    """``run_here("sample.py", "--option")``: the exit code, the output and the errors. Takes a tenth of a process's time."""

    def run(sample: str, *arguments: str) -> Tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", [sample, *arguments])
        with pytest.raises(SystemExit) as raised:
            runpy.run_path(str(SAMPLES / sample), run_name="__main__")
        return (raised.value.code, *capsys.readouterr())

    return run
