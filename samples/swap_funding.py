"""Prints what it costs to hold DigiFinex swaps: the funding rate, and how far the mark price is from the index.

    python samples/swap_funding.py BTCUSDTPERP ETHUSDTPERP
    python samples/swap_funding.py --local --seconds 5    # a local venue: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
from datetime import datetime, timezone
from decimal import Decimal

import dbxsdk
from dbxsdk.digifinex import swap

index: dict[str, Decimal] = {}


def on_funding(update: dbxsdk.Update[swap.FundRate]) -> None:
    rate, due = update.data.funding_rate, datetime.fromtimestamp(update.data.funding_time / 1000, timezone.utc)
    print(f"{update.symbol}: {'longs' if rate > 0 else 'shorts'} pay {abs(rate):.4%} at {due:%H:%M} UTC", flush=True)


def on_index(update: dbxsdk.Update[swap.IndexPrice]) -> None:
    index[update.symbol] = update.data.index_price


def on_mark(update: dbxsdk.Update[swap.MarkPrice]) -> None:
    if update.symbol in index:
        apart = update.data.mark_price / index[update.symbol] - 1
        print(f"{update.symbol}: mark {update.data.mark_price}, {apart:+.4%} from the index", flush=True)


def on_event(event: dbxsdk.Event) -> None:
    if isinstance(event, dbxsdk.Gap):
        index.clear()  # what it was before the gap says nothing about now
    print(event, file=sys.stderr)


parser = argparse.ArgumentParser(description="Prints what it costs to hold DigiFinex swaps.")
parser.add_argument("contracts", nargs="*", default=["BTCUSDTPERP"], metavar="CONTRACT")
parser.add_argument("--seconds", type=float, help="end after so many seconds")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        if arguments.local:
            from dbxsdk.sim import DigiFinexVenue

            client = stack.enter_context(DigiFinexVenue()).client("swap")
        else:
            client = dbxsdk.DigiFinexSwapClient()
        stack.callback(client.close)
        client.on_event(on_event)
        client.subscribe(swap.FUND_RATES, arguments.contracts, callback=on_funding)
        client.subscribe(swap.INDEX_PRICES, arguments.contracts, callback=on_index)
        client.subscribe(swap.MARK_PRICES, arguments.contracts, callback=on_mark)
        client.wait(arguments.seconds)
    except (dbxsdk.DbxError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
