"""A bot: its callback buys on Bybit's test network when a trade is made below a limit, a number of times at most.

    python samples/order_bot.py --limit 60000 --most 3    # or: --local --limit 1000000 (extra "sim")"""

import argparse
import contextlib
import os
import sys
from decimal import Decimal
from typing import Any

import dbxsdk
from dbxsdk.bybit import Trade

ORDER: Any = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.001"}


class Bot:
    """Runs on the callbacks thread of the market data, where blocking requests of any client are allowed."""
    def __init__(self, orders: dbxsdk.BybitTradeClient, limit: Decimal, most: int) -> None:
        self.orders, self.limit, self.left = orders, limit, most

    def __call__(self, update: dbxsdk.Update[tuple[Trade, ...]]) -> None:
        if self.left == 0 or min(trade.price for trade in update.data) >= self.limit:
            return
        self.left -= 1  # before it is sent: an order whose answer is lost counts
        try:
            bought = self.orders.place_order(**ORDER).order_id
        except dbxsdk.OutcomeUnknown as error:
            found = self.orders.resolve(error)  # asks, and never sends again
            print(f"no answer for {error.order_link_id}; {found.outcome}: {found.reason}", file=sys.stderr)
            self.left += {"executed": 0, "not_executed": 1}.get(found.outcome, -self.left)  # unknown: a person has to look
            bought = found.order.order_id if found.order is not None and found.outcome == "executed" else ""
        except dbxsdk.DbxError as error:
            return print(f"not bought: {error}", file=sys.stderr)
        if bought:
            print(f"bought: order {dbxsdk.clean(bought)}, {self.left} left", flush=True)


parser = argparse.ArgumentParser(description="Buys when a trade is made below a limit.")
parser.add_argument("--limit", type=Decimal, required=True)
parser.add_argument("--most", type=int, default=1, help="orders at most")
parser.add_argument("--seconds", type=float)
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        if arguments.local:
            from dbxsdk.sim import BybitVenue
            venue = stack.enter_context(BybitVenue())
            market, orders = venue.client("linear"), venue.client("trade")
        else:
            market = dbxsdk.BybitPublicClient("linear", testnet=True)
            orders = dbxsdk.BybitTradeClient(os.environ["BYBIT_API_KEY"], os.environ["BYBIT_API_SECRET"], testnet=True)
        stack.enter_context(orders)  # a key that is refused is told now, not at the first order
        stack.enter_context(market).on_event(lambda event: print(event, file=sys.stderr))
        market.subscribe("publicTrade", "BTCUSDT", callback=Bot(orders, arguments.limit, arguments.most))
        market.wait(arguments.seconds)
    except (dbxsdk.DbxError, ValueError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
