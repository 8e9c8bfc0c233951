"""Switches one of DBot's copy trading tasks on or off.

    export DBOT_API_KEY=...
    python samples/dbot_follow_order.py ORDER_ID --enable
    python samples/dbot_follow_order.py ORDER_ID --disable --close-pnl-orders
    python samples/dbot_follow_order.py --disable --local     # a task in a local venue, without a network or a key

Ends with 0 where the venue did it, 1 where it was not done, 2 where an argument is wrong, and 3 where nobody knows.

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
from typing import Optional

import dbxsdk
from dbxsdk.dbot import DBotTradeClient

DONE, NOT_DONE, WRONG_ARGUMENTS, UNKNOWN = 0, 1, 2, 3


def switch(client: DBotTradeClient, order_id: str, enabled: bool, close_pnl_orders: bool) -> int:
    try:
        client.update_follow_order(order_id, enabled, close_pnl_order=close_pnl_orders)
    except dbxsdk.VenueError as error:
        print(f"refused: {error}; the venue's answer: {dbxsdk.clean(error.reply)}", file=sys.stderr)
        return NOT_DONE
    except dbxsdk.OutcomeUnknown as error:
        # It was sent, and no answer came: it may have been done. Never guess: ask for the task's state.
        print(f"no answer: {error}; asking for the task ...", file=sys.stderr)
        return look(client, order_id, enabled)
    except dbxsdk.ProtocolError as error:
        print(f"unreadable answer: {error}; asking for the task ...", file=sys.stderr)
        return look(client, order_id, enabled)
    except dbxsdk.DbxError as error:
        print(f"not sent: {type(error).__name__}: {error}", file=sys.stderr)
        return NOT_DONE
    print(f"{order_id} is {'enabled' if enabled else 'disabled'}")
    return DONE


def look(client: DBotTradeClient, order_id: str, enabled: bool) -> int:
    """What the venue says of the task now. Asking changes nothing, so it may be done as often as one likes."""
    try:
        state = find(client, order_id)
    except (dbxsdk.DbxError, LookupError, TypeError) as error:
        print(f"unknown: the task could not be asked for: {type(error).__name__}: {error}", file=sys.stderr)
        return UNKNOWN
    if state is None:
        print(f"unknown: {order_id} is not among the copy trading tasks", file=sys.stderr)
        return UNKNOWN
    print(f"{order_id} is {'enabled' if state else 'disabled'}")
    if state is enabled:
        return DONE
    # Switching is the same whether it is done once or twice: here a second try would be safe. A trade is not.
    print("it was not carried out; it is safe to run this again", file=sys.stderr)
    return NOT_DONE


def find(client: DBotTradeClient, order_id: str) -> Optional[bool]:
    """Whether the task is enabled; None where the venue does not list it."""
    page = 0
    while True:
        orders = client.list_follow_orders(page=page, size=20)
        for order in orders:
            if order["id"] == order_id:
                return bool(order["enabled"])
        if len(orders) < 20:
            return None
        page += 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Switches one of DBot's copy trading tasks on or off.")
    parser.add_argument("order_id", nargs="?", help="the task's id; may be left out with --local")
    wish = parser.add_mutually_exclusive_group(required=True)
    wish.add_argument("--enable", action="store_true")
    wish.add_argument("--disable", action="store_true")
    parser.add_argument(
        "--close-pnl-orders", action="store_true", help="with --disable: close its take profit and stop loss tasks, too"
    )
    parser.add_argument("--local", action="store_true", help="use a local venue")
    parser.add_argument("--url", help="another address of the venue")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for an answer")
    arguments = parser.parse_args()
    if arguments.order_id is None and not arguments.local:
        parser.error("the following arguments are required: order_id")
    if arguments.close_pnl_orders and arguments.enable:
        parser.error("--close-pnl-orders goes with --disable")

    with contextlib.ExitStack() as stack:
        url, api_key, order_id = arguments.url, os.environ.get("DBOT_API_KEY", ""), arguments.order_id
        if arguments.local:
            from dbxsdk.sim import DBotVenue

            venue = stack.enter_context(DBotVenue())
            url, api_key = venue.url(), venue.api_key
            order_id = order_id or venue.add_follow_order(enabled=arguments.disable)
        if not api_key:
            parser.error("set DBOT_API_KEY to your API key")
        try:
            client = DBotTradeClient(api_key, url=url, options=dbxsdk.Options(request_timeout=arguments.timeout))
        except ValueError as error:
            parser.error(str(error))
        stack.callback(client.close)
        try:
            return switch(client, order_id, arguments.enable, arguments.close_pnl_orders)
        except ValueError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            print("interrupted: it may have been carried out", file=sys.stderr)
            return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
