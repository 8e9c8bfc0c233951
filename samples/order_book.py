"""Keeps an order book of Bybit's linear contracts and prints it as a ladder, at most five times a second, until Ctrl-C.

    python samples/order_book.py                   # live
    python samples/order_book.py --symbol ETHUSDT
    python samples/order_book.py --local           # against a local venue, without a network

``--local`` needs the extra ``sim``: pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import sys

import dbxsdk

ROWS = 5


def show(book: dbxsdk.BookSnapshot) -> None:
    """The best asks, the spread and the best bids of one moment; nothing while they cannot be trusted."""
    if book.is_stale or book.best_bid is None or book.best_ask is None:
        return
    rows = [f"{price:>12} {size:>12}" for price, size in reversed(book.asks[:ROWS])]
    rows.append(f"-- {book.symbol} spread {book.best_ask[0] - book.best_bid[0]}")
    rows += [f"{price:>12} {size:>12}" for price, size in book.bids[:ROWS]]
    print("\n".join(rows), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints an order book of Bybit's linear contracts as a ladder.")
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
            client = stack.enter_context(dbxsdk.BybitPublicClient("linear", url=url))
            book = client.order_book(arguments.symbol, depth=50)
            client.on_event(lambda event: print(event, file=sys.stderr))
            left = None if arguments.seconds is None else int(arguments.seconds * 5)
            while left is None or left > 0:
                left = None if left is None else left - 1
                show(book.snapshot())
                client.wait(0.2)  # raises what ended the client, if anything did
        except (dbxsdk.DbxError, ValueError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
