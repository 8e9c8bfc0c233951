"""Records Bybit's trades for a while, then plays the recording again through the same callback, as fast as it goes.

    python samples/record_and_replay.py --seconds 60 --path minute.gz  # live; without --path nothing is kept
    python samples/record_and_replay.py --local                        # against a local venue, without a network

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
import tempfile
from decimal import Decimal
from typing import List

import dbxsdk


def on_trades(volumes: List[Decimal], update: dbxsdk.Update) -> None:
    volumes.append(sum((trade.size for trade in update.data), Decimal(0)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Records Bybit's trades for a while, then replays the recording.")
    parser.add_argument("--symbol", default="BTCUSDT")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to record")
    parser.add_argument("--path", help="a new file's name, which ends in .gz; else the recording is thrown away")
    parser.add_argument("--local", action="store_true", help="use a local venue")
    arguments = parser.parse_args()

    with contextlib.ExitStack() as stack:
        url = None
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            url = stack.enter_context(BybitVenue()).url("/v5/public/linear")
        path = arguments.path or os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "trades.gz")
        live: List[Decimal] = []
        again: List[Decimal] = []
        try:
            with dbxsdk.Recorder(path) as recorder:
                with dbxsdk.BybitPublicClient("linear", url=url, options=dbxsdk.Options(recorder=recorder)) as client:
                    client.subscribe("publicTrade", arguments.symbol, callback=lambda update: on_trades(live, update))
                    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: that is enough
                        client.wait(arguments.seconds)
            print(f"live:     {len(live)} updates, {sum(live)} traded", flush=True)
            with dbxsdk.replay(path, speed=None) as replay:  # speed=1.0 takes as long as it took
                client = replay.client(dbxsdk.BybitPublicClient)
                client.subscribe("publicTrade", arguments.symbol, callback=lambda update: on_trades(again, update))
                replayed = replay.run()
            print(f"replayed: {len(again)} updates, {sum(again)} traded; {replayed.seconds:.1f} s recorded")
        except (dbxsdk.DbxError, ValueError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
