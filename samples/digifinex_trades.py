"""Prints DigiFinex's trades of one symbol as they happen, until Ctrl-C.

    python samples/digifinex_trades.py                    # live
    python samples/digifinex_trades.py --symbol ETH_USDT
    python samples/digifinex_trades.py --local            # against a local venue, without a network

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys
from datetime import datetime, timezone

import dbxsdk


class Trades:
    """Prints each trade once: after every subscription the venue repeats its recent history."""

    def __init__(self) -> None:
        self.last_id = 0

    def __call__(self, update: dbxsdk.Update) -> None:
        for trade in sorted(update.data, key=lambda trade: trade.id):
            if trade.id > self.last_id:
                self.last_id = trade.id
                time = datetime.fromtimestamp(float(trade.time), timezone.utc)
                print(f"{time:%H:%M:%S.%f} {update.symbol} {trade.type:4} {trade.amount} at {trade.price}", flush=True)


def on_event(client: dbxsdk.DigiFinexClient, event: dbxsdk.Event) -> None:
    print(event, file=sys.stderr)
    if isinstance(event, dbxsdk.CallbackFailed):
        client.close()  # by itself a client goes on; here nobody reads the output any more


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints DigiFinex's trades of one symbol.")
    parser.add_argument("--symbol", default="BTC_USDT")
    parser.add_argument("--local", action="store_true", help="use a local venue")
    parser.add_argument("--url", help="another address of the venue")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    arguments = parser.parse_args()

    with contextlib.ExitStack() as stack:
        url = arguments.url
        if arguments.local:
            from dbxsdk.sim import DigiFinexVenue

            url = stack.enter_context(DigiFinexVenue()).url()
        try:
            client = dbxsdk.DigiFinexClient(url=url)
            stack.callback(client.close)
            client.subscribe("trades", arguments.symbol, callback=Trades())
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
