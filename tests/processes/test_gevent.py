"""gevent, patched first (G1): threads are greenlets of one hub, and nothing of ours stops the others."""

from __future__ import annotations

import json
import pathlib
import socket
import ssl

import pytest
import trustme

from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import scripts
from tests.transport.conftest import authority, server_context  # noqa: F401
from tests.waiting import eventually

# ``argv``: the venues' addresses, the certificate, an address where nobody answers.
SCRIPT = """
from gevent import monkey
monkey.patch_all()
import faulthandler, json, os, ssl, sys, threading, time
faulthandler.dump_traceback_later(25, exit=True)
import gevent
import dbxsdk
from dbxsdk.transport import NotSent, SendFailed
from dbxsdk.transport.wire import Wire

settings = json.loads(sys.argv[1])
problems = []
ticks = [0]

def tick():
    while True:
        gevent.sleep(0.002)
        ticks[0] += 1
gevent.spawn(tick)

class Meanwhile:
    # While the block waits, other greenlets run.
    def __init__(self, what):
        self.what = what
    def __enter__(self):
        self.before = ticks[0]
    def __exit__(self, *_):
        if ticks[0] == self.before:
            problems.append(f"{self.what} stopped the others")

def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]

for url in (settings["ws"], settings["wss"]):
    options = dbxsdk.Options(
        connect_timeout=8, request_timeout=8, ssl_context=ssl.create_default_context(cafile=settings["cafile"])
    )
    client = dbxsdk.DigiFinexClient(url=url, options=options)
    seen = []
    client.subscribe("trades", "BTC_USDT", callback=lambda update: seen.append(client.server_time()))
    book = client.order_book("BTC_USDT")
    with Meanwhile("a flood of requests"):
        calls = [gevent.spawn(client.server_time) for _ in range(40)] + [gevent.spawn(client.ping) for _ in range(10)]
        gevent.joinall(calls, timeout=8)
        if not all(call.successful() and call.value > 0 for call in calls):
            problems.append(f"{url}: {[call.exception or call.dead for call in calls]}")
    with Meanwhile("waiting for updates"):
        assert book.wait_ready(8) and book.best_bid is not None
        with client.messages("trades", "BTC_USDT") as messages:
            assert next(messages).symbol == "BTC_USDT"
        assert client.submit("server.time").result(8) > 0
        while not seen:
            assert book.wait_update(8)
    with Meanwhile("wait()"):
        assert client.wait(0.1) is False
    waiting = gevent.spawn(client.wait, 8)
    started = time.monotonic()
    client.close()
    if time.monotonic() - started > 2:
        problems.append(f"close() took {time.monotonic() - started} s")
    assert waiting.get(timeout=8) is True
    if threads():
        problems.append(f"left: {threads()}")

# A fork: greenlets are there in the child, too. The parent's do nothing there any more.
client = dbxsdk.DigiFinexClient(url=settings["ws"], options=dbxsdk.Options(connect_timeout=8, request_timeout=8))
updates, events = [], []
client.on_event(events.append)
client.subscribe("trades", "BTC_USDT", callback=updates.append)
assert client.server_time() > 0
pid = os.fork()
if pid == 0:
    updates.clear()
    events.clear()
    status = 1
    try:
        assert client.server_time() > 0
        while len(updates) < 5:
            gevent.sleep(0.01)
        assert [type(event) for event in events] == [dbxsdk.Connected, dbxsdk.Gap], events
        client.close()
        assert threads() == [], threads()
        status = 0
    finally:
        os._exit(status)
if os.waitpid(pid, 0)[1]:
    problems.append("the child failed")
assert client.server_time() > 0
if client.stats().reconnects:
    problems.append("the fork cost the parent its connection")
client.close()

# A peer that takes a connection and never says a word.
mute = dbxsdk.DigiFinexClient(url=settings["mute"], options=dbxsdk.Options(connect_timeout=0.2))
with Meanwhile("a mute peer"):
    try:
        mute.open()
    except dbxsdk.ConnectError as error:
        assert "not answered in time" in str(error), error
# The same while it is sent more than it takes: the time limit holds.
host, port = settings["mute"].split("/")[2].split(":")
import socket
wire = Wire(socket.create_connection((host, int(port))))
with Meanwhile("a peer that does not read"):
    for _ in range(20):
        try:
            with gevent.Timeout(5):
                wire.write(b"x" * 50_000_000, 0.05)
            problems.append("it was written")
        except SendFailed:
            continue  # until there is no room to begin with
        except NotSent:
            pass
        except gevent.Timeout:
            problems.append("a write is not bounded")
        break
    else:
        problems.append("there was always room")
wire.release()
if threads():
    problems.append(f"left: {threads()}")
print(json.dumps({"problems": problems}))
"""


def test_patched_first(
    server_context: ssl.SSLContext, authority: trustme.CA, tmp_path: pathlib.Path  # noqa: F811
) -> None:
    pytest.importorskip("gevent")
    cafile = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(cafile))
    options = {"rate": 25, "symbols": ["BTC_USDT"]}
    with DigiFinexVenue(**options) as plain, DigiFinexVenue(ssl_context=server_context, **options) as secure:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            settings = {
                "ws": plain.url(),
                "wss": secure.url(),
                "cafile": str(cafile),
                "mute": f"ws://127.0.0.1:{mute.getsockname()[1]}/",
            }
            (printed,) = scripts(SCRIPT, arguments=[[json.dumps(settings)]], timeout=30)
        assert printed.strip() == json.dumps({"problems": []}), "and nothing on standard error"
        for venue, connections in ((plain, 1 + 2), (secure, 1)):
            eventually(lambda v=venue: v.connections == 0)
            assert venue.connection_count == connections
