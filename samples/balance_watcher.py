"""Prints how the balances of a Cryptomus account change, and what they are then, until Ctrl-C.

    export CRYPTOMUS_USER_ID=... CRYPTOMUS_API_KEY=...
    python samples/balance_watcher.py
    python samples/balance_watcher.py --local --seconds 5    # a local venue: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
from decimal import Decimal

import dbxsdk
from dbxsdk.cryptomus import Balance

balances: dict[str, Decimal] = {}


def on_balance(update: dbxsdk.Update[Balance]) -> None:
    change = update.data
    code = dbxsdk.clean(change.currency_code, 20)
    before = balances.get(change.currency_code, change.old_balance)
    if before != change.old_balance:
        print(f"{code}: {change.old_balance - before:+f} came unseen", flush=True)
    balances[change.currency_code] = change.new_balance
    print(f"{code}: {change.change:+f} to {change.new_balance:f}", flush=True)


parser = argparse.ArgumentParser(description="Prints how the balances of a Cryptomus account change.")
parser.add_argument("--currency", default="all")
parser.add_argument("--seconds", type=float, help="end after so many seconds")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        if arguments.local:
            from dbxsdk.sim import CryptomusVenue

            client = stack.enter_context(CryptomusVenue()).client()
        else:
            client = dbxsdk.CryptomusClient(os.environ["CRYPTOMUS_USER_ID"], os.environ["CRYPTOMUS_API_KEY"])
        stack.callback(client.close)
        client.on_event(lambda event: print(event, file=sys.stderr))
        client.subscribe("balance", arguments.currency, callback=on_balance)
        client.wait(arguments.seconds)
    except (dbxsdk.DbxError, ValueError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
