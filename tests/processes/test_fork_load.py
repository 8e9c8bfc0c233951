"""Forks in the middle of everything: a flood arriving, requests in flight, threads calling. The child begins afresh, the
parent loses nothing."""

from __future__ import annotations

import os

import pytest

from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import scripts, told

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# Runs by itself, so that the fork meets no threads of the test run. The children use the inherited client at once.
SCRIPT = """
import faulthandler, json, os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
import dbxsdk

URL, FORKS, THREADS = sys.argv[1], int(sys.argv[2]), 8
options = dbxsdk.Options(connect_timeout=8, request_timeout=8, queue_size=100_000)
client = dbxsdk.DigiFinexClient(url=URL, options=options)
problems, outcomes = [], []
trades, arrived = [], threading.Event()
events = []
client.on_event(events.append)

def on_trades(update):
    trades.extend(trade.id for trade in reversed(update.data))
    arrived.set()

client.subscribe("trades", "BTC_USDT", callback=on_trades)
ticks, ticked = [], threading.Event()
client.subscribe("ticker", "BTC_USDT", callback=lambda update: (ticks.append(1), ticked.set()), raw=True)

stop = threading.Event()
def caller():
    while not stop.is_set():
        try:
            assert client.server_time() > 0
            future = client.submit("server.time")
            assert future.result(8) > 0
            outcomes.append(2)
        except Exception as error:
            problems.append(repr(error))
            return

callers = [threading.Thread(target=caller, daemon=True) for _ in range(THREADS)]
for each in callers:
    each.start()

def child(inherited):
    for future in inherited:  # what was in flight is over, and says so
        if not isinstance(future.exception(0), (dbxsdk.ConnectionLost, type(None))):
            return repr(future.exception(0))
    lost[0] = sum(future.exception(0) is not None for future in inherited)
    for name in ("arrived", "ticked"):
        globals()[name] = threading.Event()
    if not client.server_time() > 0:
        return "no answer"
    if not (arrived.wait(8) and ticked.wait(8)):
        return "no update"
    client.close()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]
    return f"left: {left}" if left else ""

lost = [0]
children = []
for number in range(FORKS):
    flight = [client.submit("server.time") for _ in range(20)]
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(12, exit=True)  # where a child hangs
        told = "nothing"
        try:
            told = child(flight)
        except BaseException as error:
            told = repr(error)
        os.write(write, f"{lost[0]} {told}".encode())
        os._exit(0)
    os.close(write)
    for future in flight:  # the parent loses none
        assert future.result(8) > 0
    children.append((pid, read))

for pid, read in children:
    with os.fdopen(read) as pipe:
        in_flight, _, told = pipe.read().partition(" ")
    lost[0] += int(in_flight or 0)
    status = os.waitpid(pid, 0)[1]
    if told or status:
        problems.append(f"child: {told!r} status {status}")
stop.set()
for each in callers:
    each.join(10)
    assert not each.is_alive(), "a call in the parent hangs"
arrived.clear()
assert arrived.wait(8)
stats = client.stats()
client.close()
numbers = sorted(set(trades))
print(json.dumps({
    "problems": problems,
    "in flight": lost[0] > 0,
    "outcomes": sum(outcomes) > 100,
    "reconnects": stats.reconnects,
    "dropped": stats.dropped,
    "pending": stats.pending,
    "bad": [repr(event) for event in events if not isinstance(event, dbxsdk.Connected)][:-1],
    "missing": numbers[-1] - numbers[0] + 1 - len(numbers),
    "trades": len(numbers) > 50,
}))
"""


def test_forks_under_load() -> None:
    with DigiFinexVenue(rate=100, symbols=["BTC_USDT"]) as venue:
        (printed,) = scripts(SCRIPT, arguments=[[venue.url(), "12"]], timeout=40)
        assert venue.wait_until(lambda: venue.connections == 0)
    assert told(printed) == {
        "problems": [],
        "in flight": True,
        "outcomes": True,
        "reconnects": 0,
        "dropped": 0,
        "pending": 0,
        "bad": [],
        "missing": 0,
        "trades": True,
    }
    assert venue.connection_count == 1 + 12
