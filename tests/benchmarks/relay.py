"""``python -m tests.benchmarks relay [--quick]``: updates a second and added latency of a relay with 1, 4 and 16 readers.

A flood (or 1,000 trades a second, each with the time of its sending) goes from the benchmarks' server through a serving process,
a real redis-server, and readers in processes of their own. Beside it: the same by a direct client, a plain redis-py loop
that publishes each update by itself, and cryptofeed's sink for Redis Streams (where cryptofeed is installed), which are given
their updates from memory.
"""

from __future__ import annotations

import importlib.util
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
# Peers: each publishes from memory, without a venue's socket before it, to readers that decode what they get.
SUBSCRIBER = """
import json, os, redis, sys, time
count, how = int(sys.argv[2]), sys.argv[3]
client, seen, first, last = redis.Redis.from_url(sys.argv[1]), 0, 0.0, 0.0
times, at = [], "0-0"
if how == "subscribe":
    feed = client.pubsub(ignore_subscribe_messages=True)
    feed.subscribe("feed")
    def updates():
        for message in feed.listen():
            yield json.loads(message["data"])
else:
    key = sys.stdin.readline().strip()
    def updates():
        at = "0-0"
        while True:
            for _, entries in client.xread({key: at}, count=1000, block=1000):
                for at, fields in entries:
                    yield {name.decode(): value for name, value in fields.items()}
print("made", flush=True)
before = os.times()
for update in updates():
    last = time.monotonic()
    first = first or last
    seen += 1
    if "sent" in update:
        times.append((time.monotonic_ns() - update["sent"]) / 1e6)
    if seen == count:
        break
spent = os.times()
print(json.dumps({"seen": seen, "seconds": last - first, "times": times, "gaps": 0,
                  "cpu": spent.user + spent.system - before.user - before.system}))
"""
PUBLISH = """
import json, os, redis, sys, time
client, count, rate = redis.Redis.from_url(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
update = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1672304486868, "data": [{"T": 1672304486865, "s": "BTCUSDT",
          "S": "Buy", "v": "0.001", "p": "16578.50", "L": "PlusTick", "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": False}]}
sys.stdin.readline()
begun, before = time.monotonic(), os.times()
for number in range(count):
    if rate:
        time.sleep(max(begun + number / rate - time.monotonic(), 0))
        update["sent"] = time.monotonic_ns()
    client.publish("feed", json.dumps(update))
spent = os.times()
print(json.dumps({"cpu": spent.user + spent.system - before.user - before.system}))
"""
CRYPTOFEED = """
import asyncio, json, os, sys
from decimal import Decimal
from cryptofeed.backends.redis import TradeStream
from cryptofeed.types import Trade
port, count = int(sys.argv[1]), int(sys.argv[2])
async def run():
    sink = TradeStream(port=port)
    sink.start(asyncio.get_running_loop())
    before = os.times()
    for number in range(count):
        trade = Trade("BYBIT", "BTC-USDT-PERP", "buy", Decimal("0.001"), Decimal("16578.50"), 1672304486.865, id=str(number))
        await sink(trade, 1672304486.868)
        if number % 20 == 19:
            await asyncio.sleep(0)
    await sink.queue.join()  # what is in the queue when it is stopped would be lost
    await sink.stop()
    await sink.worker
    spent = os.times()
    print(json.dumps({"cpu": spent.user + spent.system - before.user - before.system}))
sys.stdin.readline()
asyncio.run(run())
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


def peer(redis: RedisServer, publishing: "subprocess.Popen[str]", count: int, source: str) -> Dict[str, Any]:
    """One run of a peer with one reader: of the channel, or of a stream."""
    with redis.client() as client:
        client.flushall()
    reading = start(SUBSCRIBER, redis.url, count, source if source == "subscribe" else "read")
    if source != "subscribe":
        assert reading.stdin is not None
        reading.stdin.write(f"{source}\n")
        reading.stdin.flush()
    assert reading.stdout is not None and reading.stdout.readline() == "made\n"
    nudge(publishing)
    found = said(reading)
    result = {"rate": found["seen"] / found["seconds"], "reader_us": found["cpu"] / count * 1e6, "times": sorted(found["times"])}
    result["serving_us"] = said(publishing)["cpu"] / count * 1e6
    for process in (reading, publishing):
        process.communicate()
    return result


def told(name: str, found: Dict[str, Any], rate: int) -> None:
    """Print a peer's line."""
    if rate:
        times = found["times"]
        print(f"{name:18} at {rate:,}/s: median {times[len(times) // 2]:.3f} ms, p99 {times[len(times) * 99 // 100]:.3f} ms")
    else:
        cost = f"reader {found['reader_us']:.1f} us; publishing process {found['serving_us']:.1f} us of CPU an update"
        print(f"{name:18} {found['rate']:,.0f} updates/s to one reader; {cost}")


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
            for rate in (0, 1_000):
                count = (5_000 if quick else 50_000) if not rate else (1_000 if quick else 5_000)
                told("plain redis-py", peer(redis, start(PUBLISH, redis.url, count, rate), count, "subscribe"), rate)
            if importlib.util.find_spec("cryptofeed") is None:
                print("cryptofeed's sink is not installed (pip install cryptofeed)")
            else:
                count = 5_000 if quick else 50_000
                sink = start(CRYPTOFEED, redis.port, count)
                told("cryptofeed's sink", peer(redis, sink, count, "trades-BYBIT-BTC-USDT-PERP"), 0)
        finally:
            flooding.communicate()
            redis.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
