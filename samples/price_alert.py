"""Rings when the price of a Bybit contract leaves a range, and again only after it was back inside, until Ctrl-C.

    python samples/price_alert.py --symbol BTCUSDT --below 60000 --above 70000
    python samples/price_alert.py --local --seconds 5    # a local venue: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
from decimal import Decimal

import dbxsdk
from dbxsdk.bybit import Trade


class Alert:
    """A ticker may skip a price between two of its updates; trades skip none."""

    def __init__(self, below: Decimal, above: Decimal) -> None:
        self.below, self.above = below, above
        self.inside = True

    def __call__(self, update: dbxsdk.Update[tuple[Trade, ...]]) -> None:
        for trade in update.data:
            inside = self.below <= trade.price <= self.above
            if self.inside and not inside:
                side = "below" if trade.price < self.below else "above"
                print(f"\a{update.symbol} is {side} the range: {trade.price}", flush=True)
            self.inside = inside


def on_event(event: dbxsdk.Event) -> None:
    print(event, file=sys.stderr)
    if isinstance(event, (dbxsdk.Gap, dbxsdk.Silent)):
        print(f"\anobody looked at the price for {event.seconds:.0f} s", flush=True)


parser = argparse.ArgumentParser(description="Rings when a price leaves a range.")
parser.add_argument("--symbol", default="BTCUSDT")
parser.add_argument("--below", type=Decimal, default=Decimal(0))
parser.add_argument("--above", type=Decimal, default=Decimal("Infinity"))
parser.add_argument("--seconds", type=float, help="end after so many seconds")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        client = dbxsdk.BybitPublicClient("linear")
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            client = stack.enter_context(BybitVenue()).client("linear")
        stack.callback(client.close)
        client.on_event(on_event)
        alert = Alert(arguments.below, arguments.above)
        client.subscribe("publicTrade", arguments.symbol, callback=alert, max_silence=60)
        client.wait(arguments.seconds)
    except (dbxsdk.DbxError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
