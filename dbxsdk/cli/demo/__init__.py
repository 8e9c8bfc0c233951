"""``dbxsdk demo``: the SDK's main job against local venues, with connections pulled on the way."""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from dbxsdk.errors import DbxError

if TYPE_CHECKING:
    from dbxsdk.cli.demo.report import Display

DESCRIPTION = """\
Starts all four local venues on this machine, subscribes market data and the account's streams with callbacks, and
makes blocking requests beside them: pings, orders at Bybit, fast trades and a copy trading task at DBot. One connection
of each venue is pulled on the way: the gap is announced, the client reconnects and subscribes again. Bybit's is pulled
in the middle of an order, whose outcome nobody knows then: the demo does not send it again, but asks the venue (its
own list; a program would ask over REST) and says what it found. At the end it tells what was received, lost and
recovered, compared with the venues' own records.

It needs no network and no account. Exit code 0: nothing was lost, no request failed, no order's outcome is unknown, and
every pulled connection was recovered (or Ctrl-C ended the demo early, with nothing lost); otherwise 1.
"""

JSON_FIELDS = """\
with --json, each line is one document; "type" says which, "at" is in seconds since the start, prices are texts,
"venue" and "connection" ("bybit", "bybit trade") say whose it is:

  start    seconds (planned), venues: [{venue, connection, url, topics}], one for each connection
  standing venue, connection, symbol, state, received, delivered, requests, answered, round_trip_ms; last, bid, ask,
           trades_per_second, books_per_second (market data, else null); orders, accepted, fills (account, else null);
           once a second for each connection
  event    venue, connection, event (Connected, Disconnected, Gap, ...), and the event's own fields; the demo's own
           events are Pulled (connections, when: in the middle of what), Recovered (after: seconds since the pull),
           OutcomeAsked (order, carried_out, status) and RequestFailed (error)
  summary  interrupted, received (frames), delivered (updates), lost, losses: {trades, books, orders, fills, dropped,
           bad_frames, callback_errors}, trades_checked, books_checked, fills_checked, pulled, recovered, gap_seconds,
           trades_in_gap, fills_in_gap (made in an announced gap and not sent later), requests (orders included),
           answered, cut_off (requests whose connection was pulled), failed (requests), orders, accepted, asked (orders
           without an answer, about which the venue was asked), carried_out (of these), unknown (orders whose outcome
           nobody knows), round_trip_ms (median), ok
"""

MISSING = 'this needs packages that are not installed: pip install "dbxsdk[demo]"'


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="the main job against local venues, without a network",
        description=DESCRIPTION,
        epilog=JSON_FIELDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=_seconds, default=20.0, metavar="N", help="how long to run (default 20)")
    parser.add_argument("--json", action="store_true", help="one JSON document a line instead of a screen")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    try:
        display = _display(arguments.json)
        from dbxsdk.cli.demo.course import Course
        from dbxsdk.cli.demo.setup import local_venues
    except ImportError as error:
        print(f"dbxsdk demo: {MISSING} ({error})", file=sys.stderr)
        return 1
    try:
        summary = Course(local_venues(), arguments.seconds, display).run()
    except BrokenPipeError:
        raise
    except (DbxError, OSError) as error:
        print(f"dbxsdk demo: {error}", file=sys.stderr)
        return 1
    return 0 if summary.ok else 1


def _display(as_json: bool) -> "Display":
    from dbxsdk.cli.demo.text_display import JsonLines, PlainLines

    if as_json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return PlainLines(sys.stdout)
    # The one place that needs rich: without a terminal nobody has to have it.
    from dbxsdk.cli.demo.screen_display import Screen

    return Screen()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, not {text!r}")
    return seconds
