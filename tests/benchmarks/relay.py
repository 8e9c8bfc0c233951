"""``python -m tests.benchmarks relay [--quick]``: updates a second and added latency of a relay with 1, 4 and 16 readers.

A flood (or 1,000 trades a second, each with the time of its sending) goes from the benchmarks' server through a serving process,
a real redis-server, and readers in processes of their own. Beside it: the same by a direct client, and a plain redis-py loop that
publishes each update by itself.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import Any, Dict, List

from tests.benchmarks.server import Plan
from tests.relay.redis_server import RedisServer

READ = """
import json, os, sys, threading, time, dbxsdk
frames, where = int(sys.argv[1]), sys.argv[2]
seen, times, first, last, done = 0, [], 0.0, 0.0, threading.Event()
def take(document):
    global seen, first, last
    last = time.monotonic()
    seen += 1
    if seen == 1:
        first = last
    stamp = document["ts"]
    if stamp < 10 ** 18 and stamp > 10 ** 13 or frames <= 10_000:
        times.append((time.monotonic_ns() - stamp) / 1e6)
    if document["data"][0]["i"].endswith("%012x" % (frames - 1)):
        done.set()
gaps = []
if where.startswith("ws"):
    client = dbxsdk.BybitPublicClient("linear", url=where)
else:
    client = dbxsdk.Relay(where).client("bybit:linear")
client.on_event(lambda event: gaps.append(1) if isinstance(event, dbxsdk.Gap) else None)
print("made", flush=True)
sys.stdin.readline()
before = os.times()
client.subscribe("publicTrade", "BTCUSDT", callback=take, raw=True, timeout=60)
done.wait(120)
spent = os.times()
print(json.dumps({"seen": seen, "seconds": last - first, "cpu": spent.user + spent.system - before.user - before.system,
                  "times": times, "gaps": len(gaps)}))
client.close()
"""
SERVE = """
import json, os, sys, threading, dbxsdk
relay = dbxsdk.Relay(sys.argv[1], keep_entries=1_000_000)
threading.Thread(target=lambda: (sys.stdin.readline(), relay.close()), daemon=True).start()
client = dbxsdk.BybitPublicClient("linear", url=sys.argv[2])
before = os.times()
relay.serve(client)
spent = os.times()
print(json.dumps({"cpu": spent.user + spent.system - before.user - before.system}))
"""
PUBLISH = """
import redis, sys, time
client, payload, count = redis.Redis.from_url(sys.argv[1]), b"x" * 220, int(sys.argv[2])
begun = time.monotonic()
for number in range(count):
    client.publish("feed", payload)
print(count / (time.monotonic() - begun))
"""


def start(code: str, *arguments: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def nudge(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def measure(port: int, redis: RedisServer, plan: Plan, readers: int) -> Dict[str, Any]:
    """One run; ``readers`` 0 is a direct client."""
    url = f"ws://127.0.0.1:{port}/?{plan.query()}"
    with redis.client() as client:
        client.flushall()
    server = start(SERVE, redis.url, url) if readers else None
    processes = [start(READ, plan.frames, redis.url if readers else url) for _ in range(max(readers, 1))]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "made\n"
    for process in processes:
        nudge(process)
    found: List[Dict[str, Any]] = [said(process) for process in processes]
    for process in processes:
        process.communicate()
    result: Dict[str, Any] = {"readers": readers, "rates": [round(each["seen"] / (each["seconds"] or 1)) for each in found]}
    result["reader_us"] = statistics.mean(each["cpu"] / max(each["seen"], 1) * 1e6 for each in found)
    times = sorted(value for each in found for value in each["times"])
    if times:
        result["median_ms"], result["p99_ms"] = times[len(times) // 2], times[len(times) * 99 // 100]
    result["gaps"] = sum(each["gaps"] for each in found)
    if server is not None:
        nudge(server)
        result["serving_us"] = said(server)["cpu"] / plan.frames * 1e6
        server.communicate()
    return result


def main(arguments: List[str]) -> None:
    """Measure, and print a line for each run."""
    quick = "--quick" in arguments
    frames = 20_000 if quick else 150_000
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.benchmarks.server", "", ""]
        flooding = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        redis = RedisServer(pathlib.Path(directory))
        try:
            port = said(flooding)["ws"]
            for readers in (0, 1, 4) if quick else (0, 1, 4, 16):
                flood = measure(port, redis, Plan(frames=frames, pause=1.5), readers)
                name = "direct client" if not readers else f"relay, {readers} readers"
                serving = f"; serving process {flood['serving_us']:.1f} us of CPU an update" if readers else ""
                rates = f"{min(flood['rates']):,} to {max(flood['rates']):,} updates/s each"
                print(f"{name:18} {rates}; reader {flood['reader_us']:.1f} us{serving}; {flood['gaps']} gaps", flush=True)
            for readers in (0, 1, 4):
                steady = measure(port, redis, Plan(frames=1_000 if quick else 5_000, rate=1_000.0, pause=1.5), readers)
                name = "direct client" if not readers else f"relay, {readers} readers"
                print(f"{name:18} at 1,000/s: median {steady['median_ms']:.3f} ms, p99 {steady['p99_ms']:.3f} ms", flush=True)
            publish = start(PUBLISH, redis.url, 5_000 if quick else 50_000)
            print(f"plain redis-py     {float(publish.communicate()[0]):,.0f} updates/s published, one by one")
        finally:
            flooding.communicate()
            redis.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
