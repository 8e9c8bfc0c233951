"""Places a limit order on Bybit, follows it, and cancels it.

    export BYBIT_API_KEY=... BYBIT_API_SECRET=...
    python samples/bybit_place_order.py --price 20000                # on the test network, with its own keys
    python samples/bybit_place_order.py --price 20000 --live         # with real money
    python samples/bybit_place_order.py --local                      # against a local venue, without a network or keys

Ends with 0 where the order was placed and is over, 1 where it was not placed, 2 where an argument is wrong, and 3 where
it may be open still.

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
import threading
import uuid
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Dict, List, Tuple

import dbxsdk
from dbxsdk.bybit import BybitPrivateClient, BybitTradeClient, Order

DONE, NOT_PLACED, WRONG_ARGUMENTS, UNKNOWN = 0, 1, 2, 3

OVER = ("Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated")


class Watch:
    """What the private socket tells of one order. A reply on the order entry socket says "accepted", and no more."""

    def __init__(self, order_link_id: str) -> None:
        self._order_link_id = order_link_id
        self._changed = threading.Condition()
        self._states: List[Order] = []
        self._shown = 0

    def __call__(self, update: dbxsdk.Update[Tuple[Order, ...]]) -> None:
        with self._changed:
            self._states += [order for order in update.data if order.order_link_id == self._order_link_id]
            self._changed.notify_all()

    def wait(self, seconds: float, what: Callable[[Order], bool] = lambda order: True) -> bool:
        """Whether the order was seen, and was last as ``what`` says, within so many seconds. Prints what was seen."""
        with self._changed:
            seen = self._changed.wait_for(lambda: bool(self._states) and what(self._states[-1]), seconds)
            new, self._shown = self._states[self._shown:], len(self._states)
        for order in new:
            line = f"order {order.order_id} is {order.order_status}, filled {order.cum_exec_qty} of {order.qty}"
            print(dbxsdk.clean(line), flush=True)  # the venue's words may be meant for the terminal
        return seen


def is_over(order: Order) -> bool:
    return order.order_status in OVER


def place(client: BybitTradeClient, fields: Dict[str, Any]) -> bool:
    """Places the order. False where it certainly does not exist."""
    try:
        result = client.place_order(**fields)
    except dbxsdk.OutcomeUnknown as error:
        # It was sent, and no answer came: it may exist. Placing it again might make two of it.
        print(f"no answer: {error}; looking for {error.order_link_id} ...", file=sys.stderr)
        return True
    except dbxsdk.VenueError as error:
        print(f"refused: {error}", file=sys.stderr)
        return bool(error.code == 10016)  # the one refusal that does not say that nothing was done
    except dbxsdk.DbxError as error:
        print(f"not sent: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    left = result.rate_limit.remaining if result.rate_limit else "?"
    print(f"accepted as {dbxsdk.clean(result.order_id)}; {left} more requests in this second", flush=True)
    return True


def cancel(client: BybitTradeClient, watch: Watch, fields: Dict[str, Any], patience: float) -> int:
    """Cancels it: whether or not it was seen, since to cancel what does not exist does no harm."""
    name = {key: fields[key] for key in ("category", "symbol", "orderLinkId")}
    try:
        client.cancel_order(**name)
    except dbxsdk.VenueError as error:
        # Filled just now, or never there.
        print(f"not cancelled: {error}", file=sys.stderr)
    except dbxsdk.DbxError as error:
        print(f"the cancellation: {type(error).__name__}: {error}", file=sys.stderr)
    if watch.wait(patience, is_over):
        return DONE
    print(f"unknown: ask the venue for the order with the orderLinkId {fields['orderLinkId']}", file=sys.stderr)
    return UNKNOWN


def number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def main() -> int:
    parser = argparse.ArgumentParser(description="Places a limit order on Bybit, follows it, and cancels it.")
    parser.add_argument("--category", default="linear", choices=("spot", "linear", "inverse", "option"))
    parser.add_argument("--symbol", default="BTCUSDT")
    parser.add_argument("--side", default="Buy", choices=("Buy", "Sell"))
    parser.add_argument("--qty", type=number, default=Decimal("0.001"))
    parser.add_argument("--price", type=number, help="may be left out with --local")
    parser.add_argument("--live", action="store_true", help="the venue itself, with real money, not its test network")
    parser.add_argument("--local", action="store_true", help="use a local venue")
    parser.add_argument("--host", help="with --live: another host of the venue, e.g. wss://stream.bybit.eu")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for an answer")
    arguments = parser.parse_args()
    if arguments.price is None and not arguments.local:
        parser.error("the following arguments are required: --price")
    if arguments.live and arguments.local:
        parser.error("either --live or --local")
    if arguments.host and not arguments.live:
        parser.error("--host goes with --live")

    with contextlib.ExitStack() as stack:
        key, secret = os.environ.get("BYBIT_API_KEY", ""), os.environ.get("BYBIT_API_SECRET", "")
        host, price = arguments.host, arguments.price
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            venue = stack.enter_context(BybitVenue())
            key, secret, host = venue.api_key, venue.api_secret, venue.url("/")[:-1]
            # The last price of the book: far from the market, so that the order stays open.
            book = venue.book(arguments.symbol, arguments.category)
            price = price or book["bids" if arguments.side == "Buy" else "asks"][-1][0]
        if not key or not secret:
            parser.error("set BYBIT_API_KEY and BYBIT_API_SECRET to your keys")
        # The order's name, made before it is sent: whatever happens then, it can be asked for.
        fields = {
            "category": arguments.category,
            "symbol": arguments.symbol,
            "side": arguments.side,
            "orderType": "Limit",
            "qty": arguments.qty,
            "price": price,
            "timeInForce": "GTC",
            "orderLinkId": f"sample-{uuid.uuid4().hex[:24]}",
        }
        options = dbxsdk.Options(request_timeout=arguments.timeout)
        network: Dict[str, Any] = {"testnet": not (arguments.live or arguments.local), "options": options}
        try:
            private = BybitPrivateClient(key, secret, url=host and host + "/v5/private", **network)
            trade = BybitTradeClient(key, secret, url=host and host + "/v5/trade", **network)
        except ValueError as error:
            parser.error(str(error))
        stack.callback(private.close)
        stack.callback(trade.close)
        watch = Watch(fields["orderLinkId"])
        try:
            private.order_stream(watch)
        except dbxsdk.DbxError as error:
            print(f"not placed: {type(error).__name__}: {error}", file=sys.stderr)
            return NOT_PLACED
        try:
            if not place(trade, fields):
                return NOT_PLACED
            # Not seen is no proof that it does not exist: an update may be lost with a connection.
            watch.wait(arguments.timeout)
            return cancel(trade, watch, fields, arguments.timeout)
        except ValueError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            print(f"interrupted: the order {fields['orderLinkId']} may be open", file=sys.stderr)
            return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
