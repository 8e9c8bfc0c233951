"""Keeps one order book of Bybit's linear contracts and prints its best prices, until Ctrl-C.

    python samples/bybit_orderbook.py                   # live
    python samples/bybit_orderbook.py --symbol ETHUSDT
    python samples/bybit_orderbook.py --local           # against a local venue, without a network

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
from decimal import Decimal
from typing import Dict, Tuple

import dbxsdk


class Book:
    """Sizes by price. A snapshot replaces everything; a delta sets each price that it names, and size 0 deletes it.

    Nothing special is needed after a reconnect: behind the ``Gap`` event the venue sends a snapshot first.
    """

    def __init__(self) -> None:
        self.bids: Dict[Decimal, Decimal] = {}
        self.asks: Dict[Decimal, Decimal] = {}
        self.shown: Tuple[Decimal, ...] = ()

    def __call__(self, update: dbxsdk.Update) -> None:
        if update.kind == "snapshot":
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, update.data.bids), (self.asks, update.data.asks)):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        if self.bids and self.asks:
            self.show(update.symbol)

    def show(self, symbol: str) -> None:
        """Prints the best prices where they changed."""
        bid, ask = max(self.bids), min(self.asks)
        best = (bid, self.bids[bid], ask, self.asks[ask])
        if best != self.shown:
            self.shown = best
            print(f"{symbol} bid {bid} ({best[1]}) ask {ask} ({best[3]}) spread {ask - bid}", flush=True)


def on_event(client: dbxsdk.BybitPublicClient, event: dbxsdk.Event) -> None:
    print(event, file=sys.stderr)
    if isinstance(event, dbxsdk.CallbackFailed):
        client.close()  # by itself a client goes on; here nobody reads the output any more


def main() -> int:
    parser = argparse.ArgumentParser(description="Keeps one order book of Bybit's linear contracts.")
    parser.add_argument("--symbol", default="BTCUSDT")
    parser.add_argument("--local", action="store_true", help="use a local venue")
    parser.add_argument("--url", help="another address of the venue")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    arguments = parser.parse_args()

    with contextlib.ExitStack() as stack:
        url = arguments.url
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            url = stack.enter_context(BybitVenue()).url("/v5/public/linear")
        try:
            client = dbxsdk.BybitPublicClient("linear", url=url)
            stack.callback(client.close)
            client.subscribe("orderbook.50", arguments.symbol, callback=Book())
            client.on_event(lambda event: on_event(client, event))
            client.wait(arguments.seconds)
        except (dbxsdk.DbxError, ValueError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
