"""Windows and macOS, as far as they can be tried elsewhere: what they do not have is taken away, in processes of their own,
before anything is imported; then clients have to do their work, against a local venue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from dbxsdk.sim import BybitVenue
from tests.waiting import eventually

NO_WAIT, NO_POLL = ["socket.MSG_DONTWAIT"], ["select.poll"]
NO_FORK = ["os.fork", "os.register_at_fork", "os.forkpty"]
NO_CLOCKS = ["time.CLOCK_BOOTTIME", "time.CLOCK_MONOTONIC", "time.clock_gettime", "time.clock_gettime_ns"]
NO_SIGNALS = [f"signal.{name}" for name in ("SIGKILL", "SIGPIPE", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGCHLD", "pthread_sigmask")]
NO_UNIX = [
    "select.epoll", "selectors.EpollSelector", "selectors.PollSelector", "socket.SO_REUSEPORT",
    "os.O_NONBLOCK", "os.O_CLOEXEC", "os.geteuid", "os.getuid", "os.uname", "os.sched_getaffinity", "os.sysconf",
    "os.set_blocking", "!fcntl", "!pwd", "!resource", "!termios", "!grp",
]  # fmt: skip
SYSTEMS: Dict[str, List[str]] = {
    "windows": [*NO_WAIT, *NO_POLL, *NO_FORK, *NO_CLOCKS, *NO_SIGNALS, *NO_UNIX],
    "macos": ["time.CLOCK_BOOTTIME", "select.epoll", "selectors.EpollSelector", "os.sched_getaffinity", "=darwin"],
    "no poll, no fork": [*NO_POLL, *NO_FORK],
}
"""What each has not; ``!`` a module, ``=`` what ``sys.platform`` is."""

CHILD = """
import importlib, json, sys
url, folder, gone = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
import select, selectors, shutil, subprocess, tempfile  # they are made for the system that they run on
for name in gone:
    module, _, attribute = name.partition(".")
    if name[0] == "=":
        sys.platform = name[1:]
    elif name[0] == "!":
        sys.modules[name[1:]] = None
    elif hasattr(importlib.import_module(module), attribute):
        delattr(sys.modules[module], attribute)
selectors.DefaultSelector = getattr(selectors, "EpollSelector", getattr(selectors, "PollSelector", selectors.SelectSelector))

import threading, time
import dbxsdk
from dbxsdk import BybitPublicClient, ConnectError, Gap, Options, Recorder, replay
from dbxsdk.runtime import clock

heard, gap, found = threading.Event(), threading.Event(), {}
updates = []

def on_trades(update):
    updates.append(update)
    heard.set()

options = Options(backoff_initial=0.01, backoff_max=0.05, recorder=Recorder(folder))
client = BybitPublicClient("linear", url=url, options=options)
client.on_event(lambda event: isinstance(event, Gap) and gap.set())
with client:
    client.subscribe("publicTrade", "BTCUSDT", callback=on_trades)
    book = client.order_book("BTCUSDT")
    found["book"] = book.wait_ready(20) and book.best_bid is not None
    found["ping"] = client.ping() > 0
    found["trades"] = heard.wait(20)
    print("ready", flush=True)
    found["gap"] = gap.wait(20)  # the venue drops the connection
    heard.clear()
    found["again"] = heard.wait(20) and book.wait_ready(20)
    with client.messages("publicTrade", "ETHUSDT") as messages:
        found["iterated"] = next(messages).symbol == "ETHUSDT"
    found["reconnects"] = client.stats().reconnects == 1
options.recorder.close()
count = len(updates)
try:
    BybitPublicClient("linear", url="ws://127.0.0.1:9/", options=Options(connect_timeout=2)).open()
except ConnectError:
    found["refused"] = True
played = []
with replay(folder, speed=None) as playing:
    playing.clients[0].subscribe("publicTrade", "BTCUSDT", callback=played.append)
    playing.start()
    found["replayed"] = playing.wait(20).complete and len(played) >= count
first = clock.monotonic()
found["clock"] = clock.monotonic() >= first > 0
found["threads"] = [each.name for each in threading.enumerate() if each.name.startswith("dbxsdk-")] == []
found["client"] = True
print(json.dumps(found), flush=True)
# The command line and a local venue of its own.
from dbxsdk.cli.main import main
sys.exit(main(["watch", "digifinex", "trades", "BTC_USDT", "--local", "--json", "--count", "2"]))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dict[str, Any]]:
    """What the processes have done: exit code, what worked, standard error. They run side by side."""
    with BybitVenue(rate=50) as venue:
        children = {}
        for name, gone in SYSTEMS.items():
            arguments = [venue.url("/v5/public/linear"), str(tmp_path_factory.mktemp("recorded")), json.dumps(gone)]
            children[name] = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", CHILD, *arguments],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
            )  # fmt: skip
        begun = {name: child.stdout.readline() for name, child in children.items() if child.stdout is not None}
        venue.drop_connections()
        found = {}
        for name, child in children.items():
            try:
                out, err = child.communicate(timeout=50)
            except subprocess.TimeoutExpired:
                child.kill()
                out, err = child.communicate()
            found[name] = (child.returncode, [begun[name], *out.splitlines()], err)
        eventually(lambda: venue.connections == 0)
    yield found


@pytest.mark.parametrize("name", SYSTEMS)
def test_clients_work_where_a_system_has_less(told: Dict[str, Any], name: str) -> None:
    code, out, err = told[name]
    assert (code, err) == (0, ""), out
    assert out[0] == "ready\n"
    found = json.loads(out[1])
    assert [what for what, worked in found.items() if not worked] == [] and len(found) == 12
    lines = [json.loads(line) for line in out[2:]]
    assert [line["type"] for line in lines] == ["event", "update", "update"]
