"""One feed for many processes: one serves Bybit's trades by way of Redis, any number of others read the same.

    python samples/redis_feed.py serve               # one process, or two: the second takes over; pip install "dbxsdk[redis]"
    python samples/redis_feed.py read                # web workers, scripts: no connection to the venue
    python samples/redis_feed.py serve --local       # a local venue: pip install "dbxsdk[redis,sim]"
"""

import argparse
import contextlib
import sys
import threading

import dbxsdk

parser = argparse.ArgumentParser(description="One feed for many processes, by way of Redis.")
parser.add_argument("what", choices=("serve", "read"))
parser.add_argument("--redis", default="redis://127.0.0.1:6379/0", help="the server's URL")
parser.add_argument("--symbol", default="BTCUSDT")
parser.add_argument("--seconds", type=float)
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()


def read(relay: dbxsdk.Relay) -> None:
    client = relay.client("bybit:linear")
    client.on_event(lambda event: print(event, file=sys.stderr))  # Gap: where trades are missing
    with client:
        client.subscribe("publicTrade", arguments.symbol, callback=lambda update: print(*update.records(), flush=True))
        client.wait(arguments.seconds)


def serve(relay: dbxsdk.Relay, stack: contextlib.ExitStack) -> None:
    client = dbxsdk.BybitPublicClient("linear")
    if arguments.local:
        from dbxsdk.sim import BybitVenue

        client = stack.enter_context(BybitVenue()).client("linear")
    client.on_event(lambda event: print(event, file=sys.stderr))
    if arguments.seconds:
        timer = threading.Timer(arguments.seconds, relay.close)
        timer.start()
        stack.callback(timer.cancel)
    relay.serve(client)  # what workers ask for, until Ctrl-C or SIGTERM


with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        relay = dbxsdk.Relay(arguments.redis)
        serve(relay, stack) if arguments.what == "serve" else read(relay)
    except (dbxsdk.DbxError, ValueError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
