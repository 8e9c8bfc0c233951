"""A scene: a Redis server, a local venue that sends numbered trades, serving processes and workers, and the judge.

The times that a relay takes for granted are a fifth of the real ones here, in every process.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

import dbxsdk
from dbxsdk import Disconnected, Gap
from dbxsdk.relay import connector, lease, term
from dbxsdk.sim import BybitVenue
from tests import warm
from tests.relay.redis_server import RedisServer
from tests.waiting import PATIENCE, eventually

TOPIC = "publicTrade.BTCUSDT"
SHORTER = 5
TIMES = {"lease.LEASE": lease.LEASE, "term.BEAT": term.BEAT, "connector.SILENCE": connector.SILENCE}
_FASTER = "; ".join(f"{name} = {seconds / SHORTER}" for name, seconds in TIMES.items())
SERVE = f"""
import sys, dbxsdk
from dbxsdk.relay import connector, lease, term
{_FASTER}
dbxsdk.Relay(sys.argv[1], prefix=sys.argv[3]).serve(dbxsdk.BybitPublicClient("linear", url=sys.argv[2]))
"""


def trade(number: int, topic: str = TOPIC) -> Dict[str, Any]:
    row = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "1.5", "L": "PlusTick", "i": str(number), "BT": False}
    return {"topic": topic, "type": "snapshot", "ts": 1, "data": [row]}


def judge(items: List[Any], first: int, last: int) -> List[Gap]:
    """Each number from ``first`` to ``last`` came once, in order, or lies inside a gap. Returns the gaps."""
    expected, gap, gaps = first, False, []
    for item in items:
        if isinstance(item, Gap):
            gap = True
            gaps.append(item)
        elif isinstance(item, int):
            assert item >= expected, f"{item} came again, or out of order: {items}"
            assert item == expected or gap, f"{expected} to {item - 1} are missing without a gap: {items}"
            expected, gap = item + 1, False
    assert expected == last + 1, f"{expected} to {last} did not come: {items}"
    return gaps


class Worker:
    """A relayed client, and what its callbacks saw, in their order."""

    def __init__(self, relay: Any, **arguments: Any) -> None:
        self.items: List[Any] = []
        self.client = relay.client("bybit:linear", **arguments)
        self.client.on_event(self.items.append)
        self.hold = threading.Event()
        self.hold.set()

    def take(self, document: Any) -> None:
        self.hold.wait(30)
        self.items.append(int(document["data"][0]["i"]))

    def subscribe(self, timeout: float = PATIENCE) -> "Worker":
        self.client.subscribe("publicTrade", "BTCUSDT", callback=self.take, raw=True, timeout=timeout)
        return self

    def saw(self, what: Any, timeout: float = PATIENCE) -> Any:
        """Waits for a number, or for an event of a type."""
        found = lambda: next((each for each in self.items if each == what or (isinstance(what, type) and isinstance(each, what))), None)  # noqa: E731, E501
        return eventually(lambda: found() is not None, timeout) and found()

    def of(self, kind: type) -> List[Any]:
        return [item for item in self.items if isinstance(item, kind)]


class Scene:
    """Everything of one test, ended with it."""

    def __init__(self, server: RedisServer, venue: BybitVenue, stack: contextlib.ExitStack, prefix: str = "test") -> None:
        self.server, self.venue, self.prefix, self._stack = server, venue, prefix, stack
        self.sent = 0
        self.relay = dbxsdk.Relay(server.url, prefix=prefix)

    def serve(self, topics: Any = None, *, client: Any = None, relay: Any = None) -> "Served":
        """Serve on a thread."""
        served = Served(relay or dbxsdk.Relay(self.server.url, prefix=self.prefix), client or self.venue.client("linear"), topics)
        self._stack.callback(served.stop)
        return served

    def serve_in_process(self) -> "subprocess.Popen[str]":
        process: "subprocess.Popen[str]" = warm.start(["-c", SERVE, self.server.url, self.venue.url(), self.prefix])
        self._stack.callback(_end, process)
        return process

    def worker(self, **arguments: Any) -> Worker:
        worker = Worker(self.relay, **arguments)
        self._stack.callback(worker.client.close)
        self._stack.callback(worker.hold.set)
        return worker

    def send(self, count: int = 1) -> int:
        """Have the venue send so many trades more. Returns the number of the last."""
        for _ in range(count):
            self.sent += 1
            assert self.venue.send_frame(trade(self.sent)) >= 1, "nobody is connected to the venue"
        return self.sent

    def probe(self, worker: Worker, timeout: float = 10.0) -> int:
        """Send trades until one comes through: what was broken is whole again. Returns its number."""
        pause = threading.Event()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):
                last = self.send()  # it may fall into one more gap: the next one is sent then
                for _ in range(20):
                    if last in worker.items:
                        return last
                    pause.wait(0.05)
            pause.wait(0.05)
        raise AssertionError("nothing comes through")


class Served:
    """A ``serve`` on a thread of its own."""

    def __init__(self, relay: Any, client: Any, topics: Any) -> None:
        self.relay, self.client = relay, client
        self.error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, args=(topics,), name="test-serve", daemon=True)
        self._thread.start()

    def _run(self, topics: Any) -> None:
        try:
            self.relay.serve(self.client, topics)
        except BaseException as error:  # noqa: B036 - looked at by the test
            self.error = error

    def stop(self) -> None:
        self.relay.close()
        self._thread.join(5)
        assert not self._thread.is_alive(), "serve did not end within 5 s"

    def ended(self, timeout: float = PATIENCE) -> Optional[BaseException]:
        self._thread.join(timeout)
        assert not self._thread.is_alive()
        return self.error


def _end(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.communicate(timeout=10)


@contextlib.contextmanager
def scene(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name, seconds in TIMES.items():
        module, _, constant = name.partition(".")
        monkeypatch.setattr({"lease": lease, "term": term, "connector": connector}[module], constant, seconds / SHORTER)
    with contextlib.ExitStack() as stack, BybitVenue(rate=0) as venue:
        yield Scene(server, venue, stack)


def disconnects(worker: Worker) -> List[Tuple[str, Optional[float]]]:
    return [(event.reason, event.retry_in) for event in worker.of(Disconnected)]
