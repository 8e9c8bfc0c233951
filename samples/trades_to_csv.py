"""Writes DigiFinex's trades of one symbol to a CSV file, each once, until Ctrl-C. Run again, it goes on where it was.

    python samples/trades_to_csv.py trades.csv --symbol BTC_USDT
    python samples/trades_to_csv.py trades.csv --local --seconds 5    # a local venue: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import csv
import sys
from typing import IO

import dbxsdk
from dbxsdk.digifinex.models import Trade

FIELDS = ("id", "time", "symbol", "type", "amount", "price")


class Writer:
    """Writes what is newer than the file's last line. What was missed, by a gap or between two runs, comes in its place."""

    def __init__(self, file: IO[str]) -> None:
        file.seek(0)
        self.last_id = max((int(row["id"]) for row in csv.DictReader(file)), default=0)
        self.file = file
        self.rows = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        if not self.last_id:
            file.truncate(0)
            self.rows.writeheader()

    def __call__(self, update: dbxsdk.Update[tuple[Trade, ...]]) -> None:
        for record in sorted(update.records(), key=lambda record: int(record["id"])):
            if record["id"] > self.last_id:
                self.rows.writerow(record)
                self.last_id = record["id"]
        self.file.flush()


parser = argparse.ArgumentParser(description="Writes DigiFinex's trades to a CSV file.")
parser.add_argument("path", help="a file, new or from before")
parser.add_argument("--symbol", default="BTC_USDT")
parser.add_argument("--seconds", type=float, help="end after so many seconds")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        writer = Writer(stack.enter_context(open(arguments.path, "a+", newline="", encoding="utf-8", errors="backslashreplace")))
        client = dbxsdk.DigiFinexClient()
        if arguments.local:
            from dbxsdk.sim import DigiFinexVenue

            client = stack.enter_context(DigiFinexVenue()).client()
        stack.callback(client.close)
        client.on_event(lambda event: print(event, file=sys.stderr))
        since = str(writer.last_id) if writer.last_id else None
        client.subscribe("trades", arguments.symbol, callback=writer, backfill=True, since=since)
        client.wait(arguments.seconds)
    except (dbxsdk.DbxError, ValueError, LookupError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
