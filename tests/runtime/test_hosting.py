"""Where a client's threads cannot do their work: one warning, and nothing left behind."""

from __future__ import annotations

import os
import sys
import threading
import types
from typing import Any, Dict, List

import pytest

from dbxsdk import Connected, ConnectError, State
from dbxsdk.runtime import hosting
from tests.session.fake import Network
from tests.waiting import eventually

WITHOUT, MASTER = "runs without threads", "master process"


def uwsgi(options: Any, **attributes: Any) -> types.ModuleType:
    module = types.ModuleType("uwsgi")
    vars(module).update({} if options is None else {"opt": options}, **attributes)
    return module


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "_told", False)


def warnings(caplog: pytest.LogCaptureFixture) -> List[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dbxsdk.runtime.hosting"]


@pytest.mark.parametrize(
    "options",
    [{}, {b"threads": b"1"}, {"threads": "1"}, {b"enable-threads": b"false"}, {b"master": True, b"processes": b"2"}],
    ids=str,
)
def test_one_warning_at_the_first_use_of_the_first_client(
    options: Dict[Any, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(options))
    network = Network()
    first, second = network.client(), network.client()
    assert warnings(caplog) == [], "a client that is not used is no trouble"
    for client in (first, second):
        with client:
            assert client.call("echo", 1) == 1
    (warning,) = warnings(caplog)
    assert WITHOUT in warning and "--lazy-apps --enable-threads" in warning


@pytest.mark.parametrize(
    "module",
    [
        None,
        uwsgi(None),
        uwsgi("half there"),
        uwsgi({b"enable-threads": True}),
        uwsgi({"enable-threads": b"true"}),
        uwsgi({b"threads": b"4"}),
        uwsgi({"threads": 2}),
        uwsgi({"threads": "many"}, has_threads=1),
        uwsgi({}, has_threads=1),
        uwsgi({}, has_threads=1, masterpid=lambda: 0),
        uwsgi({}, has_threads=1, masterpid=lambda: os.getpid() + 1),
        uwsgi({"py-call-uwsgi-fork-hooks": True}, has_threads=1, masterpid=os.getpid),
    ],
    ids=range(12),
)
def test_no_false_alarm(module: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    if module is not None:
        monkeypatch.setitem(sys.modules, "uwsgi", module)
    with Network().client():
        pass
    assert warnings(caplog) == []


def test_a_client_in_the_master_process(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi({b"master": True}, has_threads=1, masterpid=os.getpid))
    with Network().client():
        pass
    (warning,) = warnings(caplog)
    assert MASTER in warning and "--lazy-apps" in warning


@pytest.mark.parametrize("which", ["reader", "heartbeat", "callbacks"])
def test_a_thread_that_cannot_start_leaves_nothing_behind(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    client = network.client()
    events: List[Any] = []
    client.on_event(events.append)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith(which):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for use in (client.open, lambda: client.call("echo", 1), lambda: client.subscribe("a", callback=print)):
        with pytest.raises(ConnectError, match="can't start new thread"):
            use()
    with pytest.raises(ConnectError, match="can't start new thread"):
        client.submit("echo", 1)
    assert client.state is State.NEW and client.stats().pending == 0 and network.connections == []
    for thread in threading.enumerate():
        if thread.name.startswith("dbxsdk-"):
            thread.join(2)
            assert not thread.is_alive()
    monkeypatch.setattr(threading.Thread, "start", start)
    with client:  # once there is room again
        assert client.call("echo", 1) == 1
        eventually(lambda: events)
        assert [type(event) for event in events] == [Connected], "nothing of what came to nothing"
    assert len(network.connections) == 1
