"""A client in a forked child: it starts afresh, keeps its subscriptions, and leaves the parent's connection alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Optional

import pytest

from dbxsdk import ConnectionLost, DigiFinexClient, State
from dbxsdk.session.pending import RequestFuture
from dbxsdk.session.subscription import Subscription
from dbxsdk.session.topics import Status, Waiter, WantedTopics
from dbxsdk.sim import DigiFinexVenue
from tests.session.fake import Network

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# Runs by itself, so that the fork meets no threads of the test run. ``argv``: the venue's URL, whether the fork hooks run.
SCRIPT = """
import json, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
url, hooks, hold, iterate = sys.argv[1], sys.argv[2] == "hooks", sys.argv[3] == "hold", sys.argv[3] == "iterate"

if not hooks:
    os.register_at_fork = lambda **kwargs: None
import dbxsdk

arrived = threading.Event()
client = dbxsdk.DigiFinexClient(url=url, options=dbxsdk.Options(request_timeout=5, connect_timeout=5))
client.subscribe("trades", "BTC_USDT", callback=lambda update: arrived.set())
assert arrived.wait(5)
messages = client.messages("trades", "BTC_USDT") if iterate else None
descriptor = client._session._connection._socket.fileno()

locked = threading.Event()
def holder():
    with client._session._lock, client._session.callbacks.queue._changed:
        locked.set()
        threading.Event().wait(1.0)
if hold:
    threading.Thread(target=holder, daemon=True).start()
    locked.wait(5)

read, write = os.pipe()
child = os.fork()
if child == 0:
    told = {}
    try:
        if not hooks:
            told["state_before"] = client.state.value
        else:
            client.postfork()
            told["state_before"] = client.state.value
            try:
                os.fstat(descriptor)
                told["descriptor"] = "open"
            except OSError:
                told["descriptor"] = "closed"
        arrived = threading.Event()
        if iterate:
            assert next(messages).symbol == "BTC_USDT"
        told["time"] = client.server_time() > 0
        told["update"] = arrived.wait(5)
        told["threads"] = sorted(t.name for t in threading.enumerate() if t.name.startswith("dbxsdk-"))
        client.close()
        told["closed"] = client.state.value
    except BaseException as error:
        told["error"] = repr(error)
    os.write(write, json.dumps(told).encode())
    os._exit(0)
os.close(write)
with os.fdopen(read) as pipe:
    told = json.loads(pipe.read() or "{}")
os.waitpid(child, 0)
# The parent's connection is the same as before, and works.
arrived = threading.Event()
told["parent_time"] = client.server_time() > 0
told["parent_update"] = arrived.wait(5)
told["parent_reconnects"] = client.stats().reconnects
client.close()
print(json.dumps(told))
"""


@pytest.mark.parametrize("hooks", ["hooks", "no hooks"])
@pytest.mark.parametrize("way", ["hold", "free", "iterate"])
def test_parent_and_child_each_have_a_connection_of_their_own(hooks: str, way: str) -> None:
    with DigiFinexVenue(rate=50, symbols=["BTC_USDT"]) as venue:
        script = SCRIPT.replace(
            "callback=lambda update: arrived.set()", 'callback=lambda update: globals()["arrived"].set()'
        )
        run = subprocess.run(
            [sys.executable, "-c", script, venue.url(), hooks, way],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=os.getcwd(),
        )
        assert run.returncode == 0, run.stderr
        told = json.loads(run.stdout)
        assert venue.wait_until(lambda: venue.connections == 0)
        assert venue.connection_count == 2
        subscribes = [r.document for r in venue.requests if r.document and r.document["method"] == "trades.subscribe"]
        assert len(subscribes) == 2, "the child asked for what it wished for"
    assert told.pop("error", None) is None
    if hooks == "hooks":
        assert told.pop("descriptor") == "closed", "the child has given the parent's socket up"
    assert told == {
        "state_before": "new",
        "time": True,
        "update": True,
        "threads": ["dbxsdk-digifinex-callbacks", "dbxsdk-digifinex-heartbeat", "dbxsdk-digifinex-reader"],
        "closed": "closed",
        "parent_time": True,
        "parent_update": True,
        "parent_reconnects": 0,
    }


def pretend_fork(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the client believe that it is in a child; its threads of before are the test's to end."""
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)


def test_requests_in_flight_fail_in_the_child_even_where_their_lock_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda connection, request: None)
    client = network.client()
    client.open()
    run, connection = client._session._run, network.now
    assert run is not None
    queue_changed = run.queue._changed
    future = client.submit("order")
    assert isinstance(future, RequestFuture)
    held = future._condition
    held.acquire()
    pretend_fork(client, monkeypatch)
    client.postfork()
    error = future.exception(0)
    assert isinstance(error, ConnectionLost)
    assert error.request_id == connection.sent[-1]["id"]
    assert client.state is State.NEW
    assert client.stats().pending == 0
    held.release()
    end_parents_threads(run, connection, queue_changed)
    client.close()


def test_a_request_on_its_way_between_two_tables_fails_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent had taken it out of one and not yet put it into the other, or not yet told its future."""
    network = Network(lambda connection, request: None)
    client = network.client()
    client.open()
    run, connection = client._session._run, network.now
    assert run is not None
    queue_changed = run.queue._changed
    future = client.submit("order")
    entries, _ = client._session._requests.end()
    assert [entry.future for entry in entries] == [future]
    pretend_fork(client, monkeypatch)
    client.postfork()
    error = future.exception(0)
    assert isinstance(error, ConnectionLost)
    assert error.request_id == connection.sent[-1]["id"]
    end_parents_threads(run, connection, queue_changed)
    client.close()


class Forked(BaseException):
    """Where the thread that the child does not have was."""


@pytest.mark.parametrize("way", ["add", "remove"])
@pytest.mark.parametrize("steps", range(30))
def test_a_fork_in_the_middle_of_a_change_of_topics(steps: int, way: str) -> None:
    """After each line of what changes the table, the child's is whole: each that wishes for a topic gets its updates, and
    the shortcut for raw ones has the same subscriptions as the table, or none."""
    topics = WantedTopics(lambda name: False)
    raw, typed = subscription(raw=True, max_silence=None), subscription(raw=False, max_silence=9.0)
    topics.add(["a"], raw, Waiter(["a"]), 0.0)
    if way == "remove":
        topics.add(["a"], typed, Waiter(["a"]), 0.0)
        typed.ended_topics, typed.active = frozenset(["a"]), False
    left = [steps]

    def trace(frame: Any, what: str, _: Any) -> Any:
        if what == "line" and frame.f_code.co_filename.endswith("topics.py"):
            left[0] -= 1
            if left[0] < 0:
                raise Forked
        return trace

    sys.settrace(trace)
    try:
        if way == "add":
            topics.add(["a"], typed, Waiter(["a"]), 0.0)
        else:
            topics.remove(["a"], typed)
    except Forked:
        pass
    finally:
        sys.settrace(None)
    topics.after_fork_in_child()
    topic = topics.get("a")
    assert topic is not None and topic.status is Status.WANTED
    wishing = topic.subscriptions
    assert wishing in ((raw,), (raw, typed))
    assert way == "add" or wishing == (raw,), "what was ended stays so"
    assert topic.max_silence == (9.0 if typed in wishing else None)
    assert topics.raw == ({} if typed in wishing else {"a": (raw,)})
    if steps == 29:
        assert left[0] >= 0 and wishing == ((raw, typed) if way == "add" else (raw,)), "the last step is behind the change"


def subscription(raw: bool, max_silence: Optional[float]) -> Subscription:
    session: Any = None
    return Subscription(
        session, "a", ("a",), print, raw=raw, overflow="block", max_silence=max_silence, queue=None
    )


def end_parents_threads(run: Any, connection: Any, queue_changed: Any) -> None:
    """``queue_changed`` is what the callbacks thread waits for, as it was before the fork."""
    run.stop.set()
    connection.abort("end of test")
    run.wake_heartbeat.set()
    run.queue.drain()
    with queue_changed:
        queue_changed.notify_all()
    run.join(2.0)


FORK_IN_CALLBACK = """
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import dbxsdk
url, dispatch, returns = sys.argv[1], sys.argv[2], sys.argv[3] == "returns"
client = dbxsdk.DigiFinexClient(url=url, options=dbxsdk.Options(dispatch=dispatch, request_timeout=8, connect_timeout=8))
children, done = [], threading.Event()

def on_trades(update):
    if children:
        return
    children.append(os.fork())
    if children[0] == 0:
        signal.alarm(15)  # a child that hangs ends by this signal
        if not returns:
            assert client.server_time() > 0
            client.close()
            os._exit(0)
        return  # in the child, too: this thread has nothing to do there
    done.set()

client.subscribe("trades", "BTC_USDT", callback=on_trades)
assert done.wait(8)
assert client.server_time() > 0 and client.stats().reconnects == 0
assert os.waitpid(children[0], 0)[1] == 0
client.close()
"""


def test_a_fork_in_a_callback() -> None:
    """The child may use the client there and then; where its callback returns, the thread and with it the process end."""
    with DigiFinexVenue(rate=50, symbols=["BTC_USDT"]) as venue:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", FORK_IN_CALLBACK, venue.url(), dispatch, end], stderr=subprocess.PIPE, cwd=os.getcwd()
            )
            for dispatch, end in [("thread", "works"), ("inline", "works"), ("thread", "returns")]
        ]
        for each in running:
            _, errors = each.communicate(timeout=30)
            assert each.returncode == 0, errors.decode()
        assert venue.connection_count == 3 + 2


def test_postfork_in_the_same_process_does_nothing() -> None:
    network = Network()
    with network.client() as client:
        client.postfork()
        assert client.call("echo", 1) == 1
        assert len(network.connections) == 1


def test_iterators_are_counted_once_after_a_fork() -> None:
    network = Network()
    client = network.client()
    queue = client._session.new_iterator_queue()
    client._session.callbacks.reset_for_process()
    assert client._session.callbacks.all_queues()[1:] == (queue,)
    client.close()


def test_a_client_that_was_never_used_works_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    client = network.client()
    pretend_fork(client, monkeypatch)
    assert client.call("echo", 1) == 1
    client.close()


def test_a_closed_client_stays_closed_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    client = DigiFinexClient(url="ws://127.0.0.1:1/")
    client.close()
    pretend_fork(client, monkeypatch)
    client.postfork()
    assert client.state is State.CLOSED
    assert client.wait(0) is True
