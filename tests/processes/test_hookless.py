"""A fork without Python's hooks, as uWSGI's is by default: whatever a child calls first, it finds out by itself."""

from __future__ import annotations

import os
import pathlib
from typing import Any, Dict

import pytest

import dbxsdk
from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import scripts, told

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# The interpreter's own hooks run: without them a child may wait for the GIL before any code of ours. See test_uwsgi, too.
START = """
import concurrent.futures, faulthandler, json, logging, os, sys, threading, warnings
warnings.simplefilter("ignore")
os.register_at_fork = lambda **hooks: None
from tests.processes import locks  # first: it sees all that are made from now on
import dbxsdk

recorder = dbxsdk.Recorder(sys.argv[2], flush_interval=0.05)
options = dbxsdk.Options(connect_timeout=8, request_timeout=8, recorder=recorder)
client = dbxsdk.DigiFinexClient(url=sys.argv[1], options=options)
client.on_event(lambda event: None)
subscription = client.subscribe("trades", "BTC_USDT", callback=lambda update: None)
book = client.order_book("BTC_USDT")
messages = client.messages("trades", "BTC_USDT")
assert book.wait_ready(8) and client.ping() > 0
parents_bid = book.best_bid
pause, patience = threading.Event(), 500
while patience and (recorder.stats().queued_bytes or not recorder.stats().frames):  # until its thread is at rest, too
    pause.wait(0.01)
    patience -= 1

def in_child(work):
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(10, exit=True)  # where a child hangs
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid
"""

EACH = START + """
def check(value):
    assert value, value

def equal(value, expected):
    assert value == expected, (value, expected)

first_uses = {
    "Client": {
        "open": lambda: client.open(),
        "close": lambda: client.close(),
        "wait": lambda: equal(client.wait(0), False),
        "postfork": lambda: client.postfork(),
        "state": lambda: equal(client.state.value, "new"),
        "name": lambda: equal(client.name, "digifinex"),
        "stats": lambda: equal(client.stats().pending, 0),
        "on_event": lambda: client.on_event(print),
        "subscribe": lambda: check(client.subscribe("depth", "BTC_USDT", callback=lambda update: None).active),
        "unsubscribe": lambda: client.unsubscribe("trades"),
        "messages": lambda: check(client.messages("trades", "BTC_USDT").subscription.active),
        "call": lambda: check(client.call("server.time", [])),
        "submit": lambda: check(client.submit("server.time", []).result(8)),
        "ping": lambda: check(client.ping()),
        "server_time": lambda: check(client.server_time()),
        "order_book": lambda: check(client.order_book("BTC_USDT").wait_ready(8)),
        "__enter__": lambda: client.__enter__(),
        "__exit__": lambda: client.__exit__(None, None, None),
        "venue": lambda: equal(client.venue, "digifinex"),
        "__repr__": lambda: check(" new" in repr(client)),
        "_repr_html_": lambda: check("trades.BTC_USDT" in client._repr_html_()),
    },
    "Subscription": {
        "unsubscribe": lambda: (subscription.unsubscribe(), equal(subscription.active, False)),
        "active": lambda: equal(subscription.active, True),
        "topics": lambda: equal(subscription.topics, ("trades.BTC_USDT",)),
        "__repr__": lambda: check(repr(subscription)),
        "_repr_html_": lambda: check("active" in subscription._repr_html_()),
    },
    "Messages": {
        "__next__": lambda: equal([type(next(messages)).__name__, next(messages).symbol], ["Gap", "BTC_USDT"]),
        "__enter__": lambda: messages.__enter__(),
        "__exit__": lambda: messages.__exit__(),
        "close": lambda: (messages.close(), equal(list(messages), [])),
    },
    "OrderBook": {
        "best_bid": lambda: equal(book.best_bid, None),
        "best_ask": lambda: equal(book.best_ask, None),
        "mid": lambda: equal(book.mid, None),
        "spread": lambda: equal(book.spread, None),
        "bids": lambda: equal(book.bids(), []),
        "asks": lambda: equal(book.asks(1), []),
        "depth": lambda: equal(book.depth("bids", 1), 0),
        "vwap": lambda: equal(book.vwap("asks", 1), None),
        "snapshot": lambda: check(book.snapshot().is_stale),
        "is_stale": lambda: check(book.is_stale),
        "stale_reason": lambda: check("forked" in book.stale_reason),
        "is_crossed": lambda: equal(book.is_crossed, False),
        "age": lambda: check(book.age is not None and book.is_stale),
        "update_id": lambda: check(book.update_id is None and book.is_stale),
        "stats": lambda: check(book.stats()),
        "wait_ready": lambda: (check(book.wait_ready(8)), equal(book.best_bid, parents_bid)),
        "wait_update": lambda: check(book.wait_update(8)),
        "on_update": lambda: book.on_update(print),
        "close": lambda: book.close(),
        "__enter__": lambda: book.__enter__(),
        "__exit__": lambda: book.__exit__(None, None, None),
        "name": lambda: equal(book.name, "digifinex"),
        "__repr__": lambda: check("stale" in repr(book)),
        "_repr_html_": lambda: check("stale" in book._repr_html_()),
    },
    "Recorder": {
        "stats": lambda: equal(recorder.stats().frames, 0),
        "closed": lambda: equal(recorder.closed, False),
        "close": lambda: recorder.close(),
        "connection": lambda: recorder.connection(venue="v", client="c", settings={}, endpoint="e"),
        "__enter__": lambda: recorder.__enter__(),
        "__exit__": lambda: recorder.__exit__(),
        "__repr__": lambda: check(repr(recorder)),
    },
}

let_go = locks.hold_all()
children, failed = [], []
def reap():
    for name, pid in children:
        if os.waitpid(pid, 0)[1]:
            failed.append(name)
    children.clear()
for kind, uses in first_uses.items():
    for name, use in uses.items():
        children.append((f"{kind}.{name}", in_child(use)))
        if len(children) == 6:
            reap()
reap()
let_go()
assert client.ping() > 0 and book.best_bid == parents_bid and not book.is_stale
print(json.dumps({
    "failed": failed,
    "reconnects": client.stats().reconnects,
    "uses": {kind: list(uses) for kind, uses in first_uses.items()},
}))
client.close()
recorder.close()
"""

TOGETHER = START + """
sys.setswitchinterval(1e-6)
def several():
    answers, start = [], threading.Barrier(8)
    def first():
        start.wait(8)
        answers.append(client.server_time() > 0 and recorder.stats() is not None and book.wait_ready(8))
    threads = [threading.Thread(target=first, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(8)
    assert answers == [True] * 8, answers
    client.close()
    recorder.close()
statuses = [os.waitpid(in_child(several), 0)[1] for _ in range(6)]
print(json.dumps({"statuses": statuses, "reconnects": client.stats().reconnects}))
client.close()
recorder.close()
"""


def test_every_method_may_be_the_first_in_a_child(tmp_path: pathlib.Path) -> None:
    with DigiFinexVenue(rate=0, symbols=["BTC_USDT"]) as venue, DigiFinexVenue(rate=0, symbols=["BTC_USDT"]) as crowded:
        folders = [tmp_path / "each", tmp_path / "together"]
        for folder in folders:
            folder.mkdir()
        venue.step(30)
        crowded.step(30)
        each, together = scripts(
            EACH, TOGETHER, arguments=[[venue.url(), str(folders[0])], [crowded.url(), str(folders[1])]], timeout=40
        )
        assert crowded.wait_until(lambda: crowded.connections == 0)
        assert crowded.connection_count == 1 + 6, "one connection a child, however many threads come first"
    found = told(each)
    assert (found["failed"], found["reconnects"]) == ([], 0), each
    assert told(together) == {"statuses": [0] * 6, "reconnects": 0}, together
    kinds: Dict[str, Any] = {
        "Client": dbxsdk.DigiFinexClient,
        "Messages": dbxsdk.Messages,
        "OrderBook": dbxsdk.OrderBook,
        "Recorder": dbxsdk.Recorder,
        "Subscription": dbxsdk.Subscription(None, "trades", (), print),  # type: ignore[arg-type]
    }
    plain = {"channel", "subscription", "symbol", "account"}  # the last makes an account of the process that calls it
    for kind, uses in found["uses"].items():
        public = {name for name in dir(kinds[kind]) if not name.startswith("_")} - plain
        assert public - set(uses) == set(), f"{kind}: not tried as the first use"
