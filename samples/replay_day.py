"""Plays a recording of record_day.py through an idea: buy when buyers outweigh sellers in the book, sell when not.

    python samples/replay_day.py day                  # as fast as it goes
    python samples/replay_day.py day --speed 1        # as it was
    python samples/replay_day.py --local              # records a local venue for 2 s first: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
import tempfile
from decimal import Decimal

import dbxsdk


class Idea:
    """Plays at the best prices and without fees, so it shows what an idea is not worth, never what it is."""

    def __init__(self) -> None:
        self.cash = self.held = Decimal(0)
        self.orders = 0

    def on_book(self, book: dbxsdk.OrderBook) -> None:
        now = book.snapshot()
        if now.is_stale or not (now.bids and now.asks):
            return  # as it would have been live
        buyers = sum((size for _, size in now.bids[:5]), Decimal(0))
        sellers = sum((size for _, size in now.asks[:5]), Decimal(0))
        if buyers > sellers and not self.held:
            self.trade(Decimal(1), now.asks[0][0])
        elif sellers > buyers and self.held:
            self.trade(Decimal(-1), now.bids[0][0])

    def trade(self, size: Decimal, price: Decimal) -> None:
        self.held, self.cash, self.orders = self.held + size, self.cash - size * price, self.orders + 1


parser = argparse.ArgumentParser(description="Plays a recording through an idea.")
parser.add_argument("folder", nargs="?", help="may be left out with --local")
parser.add_argument("--symbol", default="BTCUSDT")
parser.add_argument("--speed", type=float, help="1: as it was; default: as fast as it goes")
parser.add_argument("--local", action="store_true", help="record a local venue first")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        folder = arguments.folder or stack.enter_context(tempfile.TemporaryDirectory())
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            with dbxsdk.Recorder(folder) as recorder, BybitVenue() as venue:
                with venue.client("linear", options=dbxsdk.Options(recorder=recorder)) as live:
                    live.order_book(arguments.symbol)
                    live.wait(2)
        replay, idea = stack.enter_context(dbxsdk.replay(folder, speed=arguments.speed)), Idea()
        replay.client(dbxsdk.BybitPublicClient).order_book(arguments.symbol).on_update(idea.on_book)
        print(f"{replay.run().frames} frames, {idea.orders} orders, {idea.held} held, {idea.cash:+f} USDT")
    except (dbxsdk.DbxError, LookupError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
