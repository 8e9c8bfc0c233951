"""Forks from several threads at once, and the exit while other threads still make clients."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from types import FrameType
from typing import Any, List

import pytest

from dbxsdk import State
from dbxsdk.runtime import exit as at_exit
from dbxsdk.runtime.fork import Imports
from tests.session.fake import Network
from tests.waiting import Background


def test_a_fork_that_could_not_wait_takes_nobody_elses_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads fork; the first is slow (other packages' hooks), the second goes on without the lock."""
    monkeypatch.setattr("dbxsdk.runtime.fork._PATIENCE", 0.05)
    imports = Imports()
    imports.before_fork()
    Background(imports.before_fork).result()
    Background(imports.after_fork_in_parent).result()
    imports.after_fork_in_parent()

    def use() -> None:
        with imports():
            pass

    Background(use).result(2.0)


def test_a_child_of_a_fork_without_hooks_may_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock was held, and an import was under way, by threads that the child does not have."""
    imports = Imports()
    Background(imports._changed.acquire).result()
    imports._importing.append(-1)
    imports._pid = 0  # the parent's

    def fork() -> None:
        imports.before_fork()
        imports.after_fork_in_parent()

    Background(fork).result(2.0)


_LOGGING = """
import logging, os, sys, threading, types
import dbxsdk  # no module of a venue is loaded yet
import dbxsdk.runtime.fork

dbxsdk.runtime.fork._PATIENCE = 0.5

class Meeting(logging.Handler):
    def __init__(self):
        super().__init__()
        forking = threading.Thread(target=fork, daemon=True)
        forking.start()
        held.wait(5)                      # the fork has the SDK's lock, and waits for logging's, which we hold
        threading.Event().wait(0.1)
        from dbxsdk import BybitPublicClient

held = threading.Event()

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

os.register_at_fork(before=held.set)      # runs first: hooks run the last registered first
sys.modules["meeting"] = types.SimpleNamespace(Meeting=Meeting)
import logging.config
def configure():
    logging.config.dictConfig({"version": 1, "handlers": {"m": {"()": Meeting}}, "root": {"handlers": ["m"]}})
thread = threading.Thread(target=configure, daemon=True)
thread.start()
thread.join(12)
print("hung" if thread.is_alive() else "done")
os._exit(0)
"""


def test_a_fork_during_the_configuration_of_logging() -> None:
    """Whose lock Python's own hook wants, which runs behind ours: it was registered before."""
    done = subprocess.run([sys.executable, "-c", _LOGGING], capture_output=True, text=True, timeout=40)
    assert done.stdout.strip() == "done", done.stdout + done.stderr


def test_a_client_that_is_made_while_the_exit_looks_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thread that is a daemon. Nothing of the exit may be left out: other clients, and what recorders hold."""
    monkeypatch.setattr(at_exit, "sessions", weakref.WeakSet())  # not those of the rest of the test run
    kept = [Network().client() for _ in range(3)]
    afterwards: List[bool] = []
    monkeypatch.setattr(at_exit, "_afterwards", [lambda: afterwards.append(True)])

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_globals.get("__name__") == "_weakrefset" and frame.f_code.co_name == "__iter__":
            if event == "line" and "item" in frame.f_locals and len(kept) == 3:
                kept.append(Network().client())  # another thread, between two steps of the walk
            return trace
        return None

    sys.settrace(trace)
    try:
        at_exit._at_exit()
    finally:
        sys.settrace(None)
    assert len(kept) == 4 and afterwards
    assert [client.state for client in kept[:3]] == [State.CLOSED] * 3


def test_close_in_a_done_callback_of_a_users_future_has_ended_when_it_returns() -> None:
    """``concurrent.futures`` holds no lock there."""
    network = Network()
    client = network.client()
    client.open()
    alive = []

    def done(_: object) -> None:
        client.close()
        alive.extend(t.name for t in threading.enumerate() if t.name.startswith("dbxsdk-"))

    future: "Future[None]" = Future()
    future.add_done_callback(done)
    future.set_result(None)
    try:
        assert alive == []
    finally:
        client.close()
        for thread in threading.enumerate():
            if thread.name == "dbxsdk-closing":
                thread.join(5)
