"""One feed for many processes: one writes Bybit's trades to a Redis stream, any number of others read them there.

    python samples/redis_feed.py feed                # one process of its own; needs pip install "dbxsdk[redis]"
    python samples/redis_feed.py read                # web workers, scripts: no connection to the venue, no callback twice
    python samples/redis_feed.py feed --local        # a local venue: pip install "dbxsdk[redis,sim]"
"""

import argparse
import contextlib
import json
import sys
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

import dbxsdk


def feed(store: Any, arguments: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    def write(kind: str, records: Any) -> None:
        # Redis may be away for a while: the client's queue holds what comes meanwhile, then the reader waits.
        pipeline = store.pipeline()
        for record in records:
            entry = {"kind": kind, "data": json.dumps(record, default=str)}
            pipeline.xadd(f"trades:{arguments.symbol}", entry, maxlen=10_000, approximate=True)
        pipeline.execute()

    client = dbxsdk.BybitPublicClient("linear")
    if arguments.local:
        from dbxsdk.sim import BybitVenue

        client = stack.enter_context(BybitVenue()).client("linear")
    stack.callback(client.close)
    client.on_event(lambda event: print(event, file=sys.stderr))
    # Readers have to know where trades are missing, too.
    client.on_event(lambda event: write("gap", [{"seconds": event.seconds}]) if isinstance(event, dbxsdk.Gap) else None)
    client.subscribe("publicTrade", arguments.symbol, callback=lambda update: write("trade", update.records()))
    client.wait(arguments.seconds)


def read(store: Any, arguments: argparse.Namespace) -> None:
    last = "0"
    while True:  # at most so many seconds without anything new
        found = store.xread({f"trades:{arguments.symbol}": last}, block=int((arguments.seconds or 3600) * 1000))
        if not found:
            return
        for _, entry in found[0][1]:
            print(entry["kind"], entry["data"], flush=True)
        last = found[0][1][-1][0]


parser = argparse.ArgumentParser(description="One feed for many processes, by way of Redis.")
parser.add_argument("what", choices=("feed", "read"))
parser.add_argument("--redis", default="redis://127.0.0.1:6379/0", help="the server's URL")
parser.add_argument("--symbol", default="BTCUSDT")
parser.add_argument("--seconds", type=float)
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        store = redis.Redis.from_url(arguments.redis, decode_responses=True, retry=Retry(ExponentialBackoff(), 10))
        feed(store, arguments, stack) if arguments.what == "feed" else read(store, arguments)
    except (dbxsdk.DbxError, ValueError, redis.RedisError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
