"""Places a limit order on Bybit's test network and cancels it. Ends with 3 where nobody knows whether it is open.

    export BYBIT_API_KEY=... BYBIT_API_SECRET=...    # of the test network
    python samples/place_and_cancel.py --price 20000
    python samples/place_and_cancel.py --price 20000 --local    # a local venue: pip install "dbxsdk[sim]"

bybit_place_order.py is the same with more care: it follows the order on the private stream.
"""

import argparse
import contextlib
import os
import sys
import uuid
from typing import Any

import dbxsdk


def place_and_cancel(client: dbxsdk.BybitTradeClient, order: dict[str, Any]) -> int:
    name = {key: order[key] for key in ("category", "symbol", "orderLinkId")}
    code = 0
    try:
        result = client.place_order(**order, side="Buy", orderType="Limit")
        print(f"accepted as {dbxsdk.clean(result.order_id)}")
    except dbxsdk.OutcomeUnknown as error:
        # It may exist. Never place it again: cancel it, by the name that it has in any case.
        print(f"no answer: {error}", file=sys.stderr)
        code = 3
    try:
        client.cancel_order(**name)
        print("cancelled")
        return 0
    except dbxsdk.DbxError as error:
        print(f"ask the venue for {name['orderLinkId']}: not cancelled: {error}", file=sys.stderr)
        return code if isinstance(error, dbxsdk.VenueError) else 3


parser = argparse.ArgumentParser(description="Places a limit order on Bybit, and cancels it.")
parser.add_argument("--symbol", default="BTCUSDT")
parser.add_argument("--qty", default="0.001")
parser.add_argument("--price", required=True, help="far below the market, so that the order stays open")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
fields = {"category": "linear", "symbol": arguments.symbol, "qty": arguments.qty, "price": arguments.price}
with contextlib.ExitStack() as stack:
    try:
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            client = stack.enter_context(BybitVenue()).client("trade")
        else:
            client = dbxsdk.BybitTradeClient(os.environ["BYBIT_API_KEY"], os.environ["BYBIT_API_SECRET"], testnet=True)
        stack.callback(client.close)
        # The order's name, made before it is sent: whatever happens then, it can be asked for.
        sys.exit(place_and_cancel(client, {**fields, "orderLinkId": uuid.uuid4().hex}))
    except (dbxsdk.DbxError, ValueError, KeyError) as error:
        sys.exit(f"nothing was placed: {type(error).__name__}: {error}")
