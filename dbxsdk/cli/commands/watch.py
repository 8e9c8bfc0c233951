"""``dbxsdk watch``: a channel's updates, live."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from typing import Any, Callable, List, Tuple

from dbxsdk.book.order_book import OrderBook
from dbxsdk.cli.arguments import add_json, count, seconds, whole
from dbxsdk.cli.display.lines import JsonLines, PlainLines
from dbxsdk.cli.errors import Failed, NotInstalled, WrongArguments
from dbxsdk.cli.follow import Display, follow
from dbxsdk.cli.inbox import BookTop, Inbox
from dbxsdk.cli.targets import EXIT_CODES, VENUES_HELP, Venues, add_connection
from dbxsdk.cli.venues import VENUES, word
from dbxsdk.cli.words import Selection

HELP = "a channel's updates, live"

DESCRIPTION = f"""\
Shows a channel's updates: on a terminal a live table, for order books a ladder; elsewhere a line for each update, for
order books one for each change of the best prices. Channels and symbols are those of the SDK:

  dbxsdk watch bybit:linear orderbook.50 BTCUSDT
  dbxsdk watch bybit:private wallet
  dbxsdk watch bybit:spot tickers BTCUSDT --json
  dbxsdk watch digifinex trades BTC_USDT ETH_USDT
  dbxsdk watch cryptomus depth BTC_USDT:0

{VENUES_HELP}"""

EPILOG = f"""\
with --json, each line is one document: {{"type": "update", venue, channel, symbol, kind, venue_time_ms, received_ns, data}}
as the SDK's Update has them, of order books the changes as they come; or {{"type": "event", venue, event, ...}} for
Connected, Disconnected, Gap and the other events. Prices and sizes are texts.

--count ends it after so many updates, --seconds after so many seconds. With both, fewer updates than --count are a failure.

{EXIT_CODES}"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("venue", type=word, metavar="VENUE", help="see above")
    parser.add_argument("channel", metavar="CHANNEL", help='one of the venue\'s: "dbxsdk channels VENUE" lists them')
    parser.add_argument("symbols", nargs="*", default=[], metavar="SYMBOL", help="optional for channels of the account")
    add_connection(parser)
    parser.add_argument("--count", type=count, metavar="N", help="end after so many updates")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after so many seconds")
    parser.add_argument(
        "--levels", type=whole(1, 1000), default=12, metavar="N", help="of a ladder, a side (default 12, and as they fit)"
    )
    add_json(parser)
    parser.set_defaults(rest="symbols")


def run(arguments: argparse.Namespace) -> int:
    selection = Selection(arguments.venue, arguments.channel, tuple(arguments.symbols))
    VENUES[selection.word.venue].check_selection(selection)
    venues = Venues(arguments, [selection.word])
    inbox = Inbox()
    display = None
    try:
        with venues:
            client = venues.client(selection.word)
            try:
                client.on_event(functools.partial(inbox.put, str(selection.word)))
                books = subscribe(client, selection, inbox, as_books=not arguments.json)
                display = make_display(f"{selection.word} {selection.channel}", arguments, books)
                shown = follow(inbox, display, look=venues.look, count=arguments.count, seconds=arguments.seconds)
            finally:
                inbox.close()  # before the client is: its callbacks may wait for us
                if display is not None:
                    display.close()
    except KeyboardInterrupt:
        if display is None or arguments.count or arguments.seconds:
            raise
        return 0
    if arguments.count and shown < arguments.count:
        raise Failed(f"{shown} of {arguments.count} updates came in {arguments.seconds:g} s")
    return 0


def subscribe(client: Any, selection: Selection, inbox: Inbox, *, as_books: bool) -> List[Tuple[str, OrderBook]]:
    """Subscribe the selection; its updates go into the inbox. Return the books, if it is about books, each with its source."""
    put: Callable[[Any], None] = functools.partial(inbox.put, str(selection.word))
    wanted = VENUES[selection.word.venue].books_of(selection) if as_books else None
    try:
        if wanted is None:
            client.subscribe(selection.channel, selection.symbols, callback=put)
        books = [client.order_book(**each) for each in wanted or ()]
    except (TypeError, ValueError) as error:
        raise WrongArguments(str(error)) from None
    for book in books:
        book.on_update(lambda changed: put(BookTop.of(changed)))
    return [(str(selection.word), book) for book in books]


def make_display(title: str, arguments: argparse.Namespace, books: List[Tuple[str, OrderBook]]) -> Display:
    if arguments.json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return PlainLines(sys.stdout)
    try:
        # The one place that needs rich: without a terminal it is not needed.
        from dbxsdk.cli.display.screen import Screen
    except ImportError:
        raise NotInstalled("the live screen (--json and a pipe do without)", "cli") from None
    return Screen(title, arguments.levels, books)
