"""Records Bybit's trades and order book of one contract into a folder, a file an hour, until Ctrl-C.

    python samples/record_day.py day --symbol BTCUSDT
    python samples/record_day.py day --local --seconds 3    # a local venue: pip install "dbxsdk[sim]"

replay_day.py plays it again.
"""

import argparse
import contextlib
import os
import sys

import dbxsdk


def ignore(update: object) -> None:
    """What is subscribed is recorded; there is nothing else to do with it."""


parser = argparse.ArgumentParser(description="Records Bybit's trades and order book of one contract.")
parser.add_argument("folder")
parser.add_argument("--symbol", default="BTCUSDT")
parser.add_argument("--seconds", type=float, default=86400.0, help="end after so many seconds")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        os.makedirs(arguments.folder, exist_ok=True)
        recorder = stack.enter_context(dbxsdk.Recorder(arguments.folder, max_seconds=3600))
        options = dbxsdk.Options(recorder=recorder)
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            client = stack.enter_context(BybitVenue()).client("linear", options=options)
        else:
            client = dbxsdk.BybitPublicClient("linear", options=options)
        stack.callback(client.close)
        # A dropped connection is recorded as well; RecordingFailed tells where the disk could not keep up.
        client.on_event(lambda event: print(event, file=sys.stderr))
        client.subscribe("publicTrade", arguments.symbol, callback=ignore, raw=True)
        client.subscribe("orderbook.50", arguments.symbol, callback=ignore, raw=True)
        client.wait(arguments.seconds)
        client.close()  # what comes until then is recorded, too
        print(f"{client.stats().received} frames recorded")
    except (dbxsdk.DbxError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
