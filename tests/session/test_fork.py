"""A client in a forked child: it starts afresh, keeps its subscriptions, and leaves the parent's connection alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dbxsdk import DigiFinexClient, State
from dbxsdk.runtime import fork
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
if hold:
    from tests.processes import locks  # first: it sees all that are made from now on
import dbxsdk
from dbxsdk.connected_elsewhere import make_client
from tests.connections import Noting

arrived, noting = threading.Event(), Noting()
options = dbxsdk.Options(request_timeout=5, connect_timeout=5)
client = make_client(dbxsdk.DigiFinexClient, noting, {"url": url, "options": options})
client.subscribe("trades", "BTC_USDT", callback=lambda update: arrived.set())
assert arrived.wait(5)
messages = client.messages("trades", "BTC_USDT") if iterate else None
descriptor = noting.now._socket.fileno()
# A fork waits for the lock of that module, if the hooks run.
let_go = locks.hold_all(*(["runtime/fork.py"] if hooks else [])) if hold else lambda: None

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
            assert isinstance(next(messages), dbxsdk.Gap)
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
let_go()
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


# Runs by itself, too; ``argv``: where the request was when the process was forked.
IN_FLIGHT = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from tests.session.fake import FakeProtocol, Network, say_yes
from tests.waiting import eventually
import dbxsdk

where, reached, go_on = sys.argv[1], threading.Event(), threading.Event()

class Protocol(FakeProtocol):
    def conclude(self, request, reply):
        if request.kind == "order":
            reached.set()
            assert go_on.wait(10)
        return super().conclude(request, reply)

network = Network(lambda connection, request: say_yes(connection, request) if request["do"] == "ask" else None)
client = network.client(Protocol())
client.open()
asked = client.submit("other")
future = client.submit("order")
sent = network.now.sent[-1]["id"]

def stand_still(_):
    reached.set()
    assert go_on.wait(10)

def hold():
    future._condition.acquire()
    reached.set()
    go_on.wait(10)
    future._condition.release()

if where == "filed, the future's lock held":
    threading.Thread(target=hold, daemon=True).start()
elif where == "answered, the future not told yet":
    network.now.push({"id": sent, "ok": 1})
elif where == "lost, the future not told yet":
    asked.add_done_callback(stand_still)
    future.add_done_callback(lambda _: None)  # those with callbacks come behind those without, one after the other
    network.now.end()
assert reached.wait(10)
pid = os.fork()
if pid == 0:
    try:
        error = future.exception(0)
        assert isinstance(error, dbxsdk.ConnectionLost), error
        assert error.request_id == sent
        assert client.state is dbxsdk.State.NEW and client.stats().pending == 0
        made = len(network.connections)
        assert client.call("ask", 1) == 1 and len(network.connections) == made + 1
        client.close()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
status = os.waitpid(pid, 0)[1]
go_on.set()
if where.startswith("answered"):
    assert future.result(5) == 1
client.close()
sys.exit(status != 0)
"""


def test_a_request_in_flight_fails_in_the_child_wherever_it_was_at_the_fork() -> None:
    places = ["filed, the future's lock held", "answered, the future not told yet", "lost, the future not told yet"]
    running = [
        subprocess.Popen([sys.executable, "-c", IN_FLIGHT, place], stderr=subprocess.PIPE, cwd=os.getcwd())
        for place in places
    ]
    for each, place in zip(running, places):  # noqa: B905 - Python 3.9
        _, errors = each.communicate(timeout=30)
        assert each.returncode == 0, f"{place}: {errors.decode()}"


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


def pretend_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes clients believe that they are in a child."""
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    fork._mark[0] = 0


def test_a_client_that_was_never_used_works_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    client = network.client()
    pretend_fork(monkeypatch)
    assert client.call("echo", 1) == 1
    client.close()


def test_a_closed_client_stays_closed_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    client = DigiFinexClient(url="ws://127.0.0.1:1/")
    client.close()
    pretend_fork(monkeypatch)
    client.postfork()
    assert client.state is State.CLOSED
    assert client.wait(0) is True
