"""A relay under attack for as long as is wanted: ``python -m tests.relay_soak [SECONDS]`` (default 1,200).

A local venue sends numbered trades. Two processes serve, others follow: plain workers, a durable one, a group. In turn everything
is killed, stopped, cut off or emptied. At the end each worker's numbers are judged by the venue's: once and in order, or inside a
``Gap`` (durable, group: at least once, or inside a ``Gap``). Exit code 1 where something is missing, doubled or out of order.
"""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Dict, List, Tuple

from dbxsdk.sim import BybitVenue
from tests.relay.redis_server import RedisServer
from tests.relay.scene import trade

RATE = 100
EVERY = 12.0
"""Seconds between attacks: longer than each of them is promised to last."""
SLACK_NS = 300_000_000
SERVE = "import sys, dbxsdk; dbxsdk.Relay(sys.argv[1]).serve(dbxsdk.BybitPublicClient('linear', url=sys.argv[2]))"
WORK = """
import sys, time, dbxsdk
print_ = lambda *words: print(*words, flush=True)
def take(document):
    print_(int(document["data"][0]["i"]))
def event(found):
    if isinstance(found, dbxsdk.Gap):
        print_("G", found.last_received_ns, found.last_received_ns + int(found.seconds * 1e9))
    else:
        print_("E", type(found).__name__, str(getattr(found, "reason", ""))[:70])
client = dbxsdk.Relay(sys.argv[1]).client("bybit:linear", **eval(sys.argv[2]))
client.on_event(event)
while True:
    try:
        client.subscribe("publicTrade", "BTCUSDT", callback=take, raw=True)
        break
    except dbxsdk.DbxError as error:
        print_("E", "subscribe", str(error)[:70])
        time.sleep(0.5)
client.wait()
"""


class Follower:
    """One worker process and its lines. Each of its lives is kept apart."""

    def __init__(self, url: str, arguments: str) -> None:
        self.url, self.arguments = url, arguments
        self.lives: List[List[str]] = []
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORK, self.url, self.arguments], stdout=subprocess.PIPE, text=True
        )
        lines: List[str] = []
        self.lives.append(lines)
        self.thread = threading.Thread(target=self._read, args=(self.process.stdout, lines), daemon=True)
        self.thread.start()

    def _read(self, pipe: Any, lines: List[str]) -> None:
        for line in pipe:
            lines.append(line.strip())

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)
        self.thread.join(10)

    def restart(self) -> None:
        self.end()
        self.start()


class Soak:
    """The whole of it."""

    def __init__(self, directory: pathlib.Path, venue: BybitVenue) -> None:
        self.venue = venue
        self.redis = RedisServer(directory, "--appendonly", "yes", "--appendfsync", "everysec")
        self.sent_at: List[int] = [0]  # by number, ns
        self.stop = threading.Event()
        self.servers = [self._server() for _ in range(2)]
        self.followers = {
            name: Follower(self.redis.url, arguments)
            for name, arguments in {
                "plain 1": "{}", "plain 2": "{}", "durable": "{'durable': 'soak'}",
                "group 1": "{'group': 'soak'}", "group 2": "{'group': 'soak'}",
            }.items()
        }

    def _server(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", SERVE, self.redis.url, self.venue.url()], stderr=subprocess.DEVNULL)

    def send(self) -> None:
        due = time.monotonic()
        while not self.stop.is_set():
            self.sent_at.append(time.time_ns())
            self.venue.send_frame(trade(len(self.sent_at) - 1))
            due += 1 / RATE
            self.stop.wait(max(due - time.monotonic(), 0))

    # -- attacks -------------------------------------------------------------------------------------

    def replace_server(self, how: signal.Signals) -> None:
        number = random.randrange(2)
        self.servers[number].send_signal(how)
        if how == signal.SIGSTOP:
            self.stop.wait(7)
            self.servers[number].send_signal(signal.SIGCONT)
            return
        self.servers[number].wait(60)  # the machine may be busy with other things
        self.servers[number] = self._server()

    def restart_redis(self) -> None:
        self.redis.stop()
        self.stop.wait(random.choice([0.0, 2.0, 7.0]))
        self.redis.start()

    def pause_redis(self) -> None:
        self.redis.pause()
        self.stop.wait(random.choice([1.0, 8.0]))
        self.redis.resume()

    def fill_redis(self) -> None:
        with self.redis.client() as client:
            client.config_set("maxmemory", 1)
            self.stop.wait(2)
            client.config_set("maxmemory", 0)

    def empty_redis(self) -> None:
        with self.redis.client() as client:
            client.flushall()

    def pause_worker(self) -> None:
        process = self.followers["plain 2"].process
        process.send_signal(signal.SIGSTOP)
        self.stop.wait(5)
        process.send_signal(signal.SIGCONT)

    def attacks(self) -> List[Tuple[str, Callable[[], None]]]:
        return [
            ("the venue drops its connections", lambda: void(self.venue.drop_connections())),
            ("a serving process is killed", lambda: self.replace_server(signal.SIGKILL)),
            ("a serving process is stopped for 7 s", lambda: self.replace_server(signal.SIGSTOP)),
            ("a serving process is ended", lambda: self.replace_server(signal.SIGTERM)),
            ("redis is killed and started again", self.restart_redis),
            ("redis is stopped for a while", self.pause_redis),
            ("redis is out of memory for 2 s", self.fill_redis),
            ("redis is emptied", self.empty_redis),
            ("a worker is killed", lambda: self.followers["plain 1"].restart()),
            ("a worker is stopped for 5 s", self.pause_worker),
            ("the durable worker is killed", lambda: self.followers["durable"].restart()),
            ("a worker of the group is killed", lambda: self.followers["group 1"].restart()),
        ]

    def run(self, seconds: float) -> int:
        sender = threading.Thread(target=self.send, daemon=True)
        sender.start()
        begun = time.monotonic()
        counts: Dict[str, int] = {}
        attacks = itertools.cycle(self.attacks())
        self.stop.wait(EVERY)
        while time.monotonic() - begun < seconds - EVERY:
            name, attack = next(attacks)
            print(f"{time.monotonic() - begun:7.1f} s, trade {len(self.sent_at) - 1}: {name}", flush=True)
            counts[name] = counts.get(name, 0) + 1
            attack()
            self.stop.wait(EVERY)
        self.stop.wait(EVERY)
        self.stop.set()
        sender.join()
        time.sleep(2)
        for follower in self.followers.values():
            follower.end()
        for server in self.servers:
            server.kill()
            server.wait(10)
        self.redis.stop()
        print("attacks:", counts)
        return self.judge()

    # -- the judge -----------------------------------------------------------------------------------

    def judge(self) -> int:
        last = len(self.sent_at) - 1
        faults = 0
        for name in ("plain 1", "plain 2"):
            for life, lines in enumerate(self.followers[name].lives):
                is_last = life == len(self.followers[name].lives) - 1
                faults += report(f"{name}, life {life + 1}", in_order(lines, last if is_last else None))
        faults += report("durable", self.at_least_once(["durable"]))
        faults += report("group", self.at_least_once(["group 1", "group 2"]))
        print("trades sent:", last)
        return 1 if faults else 0

    def at_least_once(self, names: List[str]) -> Tuple[int, int, List[str]]:
        lines = [line for name in names for life in self.followers[name].lives for line in life]
        seen = {int(line) for line in lines if line.isdigit()}
        gaps = [tuple(map(int, line.split()[1:])) for line in lines if line.startswith("G")]
        missing = [number for number in range(min(seen), len(self.sent_at)) if number not in seen]
        faults = [
            f"{number} is missing without a gap" for number in missing
            if not any(begin - SLACK_NS <= self.sent_at[number] <= end + SLACK_NS for begin, end in gaps)
        ]
        return len(seen), len(gaps), faults


def in_order(lines: List[str], last: Any) -> Tuple[int, int, List[str]]:
    """Each number once and in order, or inside a gap."""
    faults: List[str] = []
    expected, gap, gaps, seen = None, False, 0, 0
    for line in lines:
        if line.startswith("G"):
            gap, gaps = True, gaps + 1
        elif line.isdigit():
            number = int(line)
            if expected is not None and number < expected:
                faults.append(f"{number} came after {expected - 1}")
            elif expected is not None and number > expected and not gap:
                faults.append(f"{expected} to {number - 1} are missing without a gap")
            expected, gap, seen = number + 1, False, seen + 1
    if last is not None and expected != last + 1:
        faults.append(f"the last that came is {expected}, of {last}")
    return seen, gaps, faults


def report(name: str, found: Tuple[int, int, List[str]]) -> int:
    seen, gaps, faults = found
    print(f"{name:18} {seen:7} numbers, {gaps:3} gaps, {len(faults)} faults", *faults[:5], sep="\n    " if faults else " ")
    return len(faults)


def void(_: Any) -> None:
    """Takes what is not needed."""


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1200.0
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        venue = stack.enter_context(BybitVenue(rate=0, idle_timeout=None))
        soak = Soak(pathlib.Path(directory), venue)
        stack.callback(soak.redis.stop)
        return soak.run(seconds)


if __name__ == "__main__":
    sys.exit(main())
