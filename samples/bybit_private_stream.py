"""Prints what happens to a Bybit account: orders, executions and balances, until Ctrl-C.

    export BYBIT_API_KEY=... BYBIT_API_SECRET=...
    python samples/bybit_private_stream.py                # the test network's account, with its own keys
    python samples/bybit_private_stream.py --live         # the real account; nothing is changed
    python samples/bybit_private_stream.py --demo         # paper trading, with keys made in demo mode
    python samples/bybit_private_stream.py --local        # against a local venue, without a network or keys

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
from typing import Dict, Set, Tuple

import dbxsdk
from dbxsdk.bybit import BybitPrivateClient, Execution, Order, Wallet, WalletCoin


def print_orders(update: dbxsdk.Update[Tuple[Order, ...]]) -> None:
    for order in update.data:
        line = f"order {order.symbol} {order.side} {order.qty} at {order.price or 'market'}: {order.order_status}, "
        print(dbxsdk.clean(line + f"filled {order.cum_exec_qty}"), flush=True)


class Executions:
    """Prints each execution once: the venue may send one twice."""

    def __init__(self) -> None:
        self.seen: Set[str] = set()

    def __call__(self, update: dbxsdk.Update[Tuple[Execution, ...]]) -> None:
        for execution in update.data:
            if execution.exec_id not in self.seen:
                self.seen.add(execution.exec_id)
                line = f"execution {execution.symbol} {execution.side} {execution.exec_qty} at {execution.exec_price}, "
                print(dbxsdk.clean(line + f"fee {execution.exec_fee} {execution.fee_currency or ''}"), flush=True)


class Balances:
    """The account's coins, merged: an update has those that changed, and may have others. Prints what changed."""

    def __init__(self) -> None:
        self.coins: Dict[str, WalletCoin] = {}

    def __call__(self, update: dbxsdk.Update[Tuple[Wallet, ...]]) -> None:
        for wallet in update.data:
            for coin in wallet.coin:
                if self.coins.get(coin.coin) != coin:
                    self.coins[coin.coin] = coin
                    print(dbxsdk.clean(f"balance {coin.coin} {coin.wallet_balance}"), flush=True)


def print_event(event: dbxsdk.Event) -> None:
    # After a Gap, orders and balances have to be asked for over REST: the venue does not repeat what was missed.
    print(event, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints what happens to a Bybit account.")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--live", action="store_true", help="the real account, not the test network's")
    network.add_argument("--demo", action="store_true", help="the account of the venue's paper trading")
    network.add_argument("--local", action="store_true", help="use a local venue")
    network.add_argument("--url", help="another address of the venue")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    arguments = parser.parse_args()

    with contextlib.ExitStack() as stack:
        key, secret, url = os.environ.get("BYBIT_API_KEY", ""), os.environ.get("BYBIT_API_SECRET", ""), arguments.url
        venue = None
        if arguments.local:
            from dbxsdk.sim import BybitVenue

            venue = stack.enter_context(BybitVenue())
            key, secret, url = venue.api_key, venue.api_secret, venue.url("/v5/private")
        if not key or not secret:
            parser.error("set BYBIT_API_KEY and BYBIT_API_SECRET to your keys")
        testnet = not (arguments.live or arguments.demo or url)
        try:
            client = BybitPrivateClient(key, secret, testnet=testnet, demo=arguments.demo, url=url)
        except ValueError as error:
            parser.error(str(error))
        stack.callback(client.close)
        client.on_event(print_event)
        try:
            client.order_stream(print_orders)
            client.execution_stream(Executions())
            client.wallet_stream(Balances())
            if venue is not None:  # where nobody trades, nothing is to be seen
                venue.place_order("spot", symbol="BTCUSDT", side="Buy", orderType="Market", qty="500")
            client.wait(arguments.seconds)
        except dbxsdk.DbxError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
