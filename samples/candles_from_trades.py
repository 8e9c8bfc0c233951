"""Makes candles of any length from Bybit's trades of BTCUSDT and prints each when it is over, until Ctrl-C.

    python samples/candles_from_trades.py --length 15    # or: --local --length 1; pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
import time

import dbxsdk
from dbxsdk.bybit import Trade


class Candles:
    """The first candle, and each that a gap was in, is marked: trades are missing in it."""

    def __init__(self, length: float) -> None:
        self.length_ms, self.start_ms, self.incomplete = int(length * 1000), 0, True
        self.trades: list[Trade] = []

    def __call__(self, update: dbxsdk.Update[tuple[Trade, ...]]) -> None:
        for trade in update.data:
            start_ms = trade.time_ms - trade.time_ms % self.length_ms
            if start_ms > self.start_ms:
                if self.trades:
                    self.show()
                self.start_ms, self.trades = start_ms, []
            self.trades.append(trade)

    def on_event(self, event: dbxsdk.Event) -> None:
        self.incomplete = self.incomplete or isinstance(event, dbxsdk.Gap)

    def show(self) -> None:
        prices = [trade.price for trade in self.trades]
        row = f"O {prices[0]} H {max(prices)} L {min(prices)} C {prices[-1]} V {sum(trade.size for trade in self.trades)}"
        at = time.strftime("%H:%M:%S", time.gmtime(self.start_ms / 1000))
        print(at, row, "incomplete" if self.incomplete else "", flush=True)
        self.incomplete = False


parser = argparse.ArgumentParser(description="Makes candles from Bybit's trades.")
parser.add_argument("--length", type=float, default=60.0, help="seconds that a candle has")
parser.add_argument("--seconds", type=float)
parser.add_argument("--local", action="store_true")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        client = dbxsdk.BybitPublicClient("linear")
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            client = stack.enter_context(BybitVenue()).client("linear")
        stack.callback(client.close)
        candles = Candles(arguments.length)
        client.on_event(candles.on_event)
        client.subscribe("publicTrade", "BTCUSDT", callback=candles)
        client.wait(arguments.seconds)
    except (dbxsdk.DbxError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
