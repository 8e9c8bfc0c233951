"""Prints what happens to the account's orders at Cryptomus, until Ctrl-C.

    export CRYPTOMUS_USER_ID=... CRYPTOMUS_API_KEY=...
    python samples/cryptomus_orders.py                    # live
    python samples/cryptomus_orders.py --symbol BTC_USDT  # of one market only
    python samples/cryptomus_orders.py --local            # against a local venue, without a network or a key

The key is one of the personal account. ``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
from datetime import datetime, timezone

import dbxsdk


def print_order(update: dbxsdk.Update) -> None:
    order = update.data
    seconds = order.finish_ts or order.update_ts or order.create_ts
    time = datetime.fromtimestamp(seconds, timezone.utc)
    price = "the market's price" if order.price is None else f"{order.price.normalize():f}"
    filled = f"{order.filled_quantity.normalize():f} of {(order.quantity or order.filled_quantity).normalize():f} filled"
    end = f", {order.state}" if order.state else ""
    print(f"{time:%H:%M:%S} {order.symbol} {order.id} {order.direction} at {price}: {order.type}, {filled}{end}", flush=True)


def on_event(client: dbxsdk.CryptomusClient, event: dbxsdk.Event) -> None:
    print(event, file=sys.stderr)
    if isinstance(event, dbxsdk.CallbackFailed):
        client.close()  # by itself a client goes on; here nobody reads the output any more


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints what happens to the account's orders at Cryptomus.")
    parser.add_argument("--symbol", default="all")
    parser.add_argument("--local", action="store_true", help="use a local venue")
    parser.add_argument("--url", help="another address of the venue")
    parser.add_argument("--token-url", help="another address for the one-time tokens")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    arguments = parser.parse_args()

    with contextlib.ExitStack() as stack:
        user_id, api_key = os.environ.get("CRYPTOMUS_USER_ID", ""), os.environ.get("CRYPTOMUS_API_KEY", "")
        url, token_url = arguments.url, arguments.token_url
        if arguments.local:
            from dbxsdk.sim import CryptomusVenue

            venue = stack.enter_context(CryptomusVenue())
            user_id, api_key, url, token_url = venue.user_id, venue.api_key, venue.url(), venue.token_url()
        try:
            client = dbxsdk.CryptomusClient(user_id, api_key, url=url, token_url=token_url)
            stack.callback(client.close)
            client.subscribe("order", arguments.symbol, callback=print_order)
            # After a reconnect a Gap event says from when to when updates may be missing.
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
