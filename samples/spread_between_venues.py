"""Prints what buying on one venue and selling on the other would bring, before fees: Bybit's spot market and DigiFinex.

    python samples/spread_between_venues.py --coin BTC
    python samples/spread_between_venues.py --local --seconds 3    # local venues: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
from typing import Optional

import dbxsdk


def line(bybit: dbxsdk.BookSnapshot, digifinex: dbxsdk.BookSnapshot) -> Optional[str]:
    """None while one of the books cannot be trusted: a price from before a dropped connection is no price."""
    if bybit.is_stale or digifinex.is_stale:
        return None
    if not (bybit.best_bid and bybit.best_ask and digifinex.best_bid and digifinex.best_ask):
        return None
    there, back = digifinex.best_bid[0] - bybit.best_ask[0], bybit.best_bid[0] - digifinex.best_ask[0]
    return f"Bybit to DigiFinex {there:+f}, DigiFinex to Bybit {back:+f} USDT"


parser = argparse.ArgumentParser(description="Prints the spread between two venues.")
parser.add_argument("--coin", default="BTC")
parser.add_argument("--every", type=float, default=0.5, help="seconds between two lines")
parser.add_argument("--seconds", type=float, help="end after so many seconds")
parser.add_argument("--local", action="store_true", help="use local venues")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        bybit, digifinex = dbxsdk.BybitPublicClient("spot"), dbxsdk.DigiFinexClient()
        if arguments.local:
            from dbxsdk.sim import BybitVenue, DigiFinexVenue

            bybit = stack.enter_context(BybitVenue()).client("spot")
            digifinex = stack.enter_context(DigiFinexVenue()).client()
        for client in (bybit, digifinex):
            stack.callback(client.close)
        books = (bybit.order_book(f"{arguments.coin}USDT"), digifinex.order_book(f"{arguments.coin}_USDT"))
        for book in books:
            book.wait_ready(10)
        left = None if arguments.seconds is None else arguments.seconds / arguments.every
        while left is None or left > 0:
            left = None if left is None else left - 1
            print(line(books[0].snapshot(), books[1].snapshot()) or "waiting for a book", flush=True)
            bybit.wait(arguments.every)
    except (dbxsdk.DbxError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
