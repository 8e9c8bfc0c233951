"""The command line in this process: ``dbx(...)`` runs it and gives what it printed."""

from __future__ import annotations

import io
import json
import threading
from typing import Any, Callable, Iterator, List

import attrs
import pytest

from dbxsdk.cli.main import main

KEYS = (
    "BYBIT_API_KEY",
    "BYBIT_API_SECRET",
    "DIGIFINEX_API_KEY",
    "DIGIFINEX_API_SECRET",
    "CRYPTOMUS_USER_ID",
    "CRYPTOMUS_API_KEY",
    "DBOT_API_KEY",
)


@attrs.frozen
class Done:
    """What a command did."""

    code: Any
    out: str
    err: str

    @property
    def documents(self) -> List[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, kind: str) -> List[Any]:
        return [document for document in self.documents if document["type"] == kind]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever runs the tests may have keys; after each test no thread is left."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []


class Terminal(io.StringIO):
    """What is written to a terminal that shows 80 columns and 24 lines."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Like ``dbx``, on a terminal: all that was written is in ``out``."""
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "80"), ("LINES", "24")):
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Done:
        written = Terminal()
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", written)
            patch.setattr("sys.stderr", written)
            code = main(arguments)
        return Done(code, written.getvalue(), "")

    return run


@pytest.fixture
def dbx(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*arguments: str) -> Done:
        capsys.readouterr()
        try:
            code: Any = main(arguments)
        except SystemExit as exited:
            code = exited.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(code, out, err)

    return run
