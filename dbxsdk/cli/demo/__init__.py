"""``dbxsdk demo``: the SDK's main job against local venues, with connections pulled on the way."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from dbxsdk.cli.arguments import add_json, seconds
from dbxsdk.cli.errors import NotInstalled

if TYPE_CHECKING:
    from dbxsdk.cli.demo.lines import Lines

HELP = "the main job against local venues, without a network"

DESCRIPTION = """\
Starts all four local venues on this machine, subscribes market data and the account's streams with callbacks, and
makes blocking requests beside them: pings, orders at Bybit, fast trades and a follow order at DBot. One connection of
each venue is pulled on the way: the gap is announced, the client reconnects, subscribes again and fetches the trades
that it missed (DigiFinex, Cryptomus). Bybit's is pulled in the middle of an order, whose outcome is unknown then: the
demo does not send it again, but asks the venue what became of it (resolve). At the end it says what was sent,
delivered, lost and recovered, compared with the venues' own records.

It needs no network and no account. Exit code 0: nothing was lost, no request failed, no order's outcome is unknown, and
every pulled connection was recovered (or Ctrl-C ended the demo early, with nothing lost); otherwise 1.
"""

EPILOG = """\
with --json, each line is one document; "type" says which, "at" is in seconds since the start, prices are texts,
"connection" ("bybit trade") says whose it is:

  start    seconds (planned), connections: [{connection, url, topics}]
  standing connection, state, received (frames), delivered (updates), requests, answered, round_trip_ms; bid, ask (market
           data, else null); orders, accepted (order entry, else null); once a second for each connection
  event    connection, event (Connected, Disconnected, Gap, ...), and the event's own fields; the demo's own events are
           Pulled (amid: in the middle of what), Recovered (after: seconds since the pull), OutcomeAsked (order,
           carried_out, status; at Bybit resolved: the outcome that resolve said) and RequestFailed (error)
  summary  ok, interrupted, received, delivered, lost, losses: {trades, books, fills, orders, dropped, bad_frames,
           callback_errors}, checked (found right) and in_gap (made in an announced gap and not sent later): {trades,
           books, fills}, pulled, recovered, offline_seconds, requests (orders included), answered, cut_off (requests
           whose connection was pulled), failed, orders, accepted, asked (orders without an answer, about which the
           venue was asked), carried_out (of these), unknown (orders whose outcome is not known), round_trip_ms (median)
"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("--seconds", type=seconds, default=20.0, metavar="N", help="how long to run (default 20)")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        display = _display(arguments.json)
        from dbxsdk.cli.demo.course import Course
        from dbxsdk.cli.demo.setup import local_venues
    except ImportError:
        raise NotInstalled("the demo", "demo") from None
    return 0 if Course(local_venues(), arguments.seconds, display).run()["ok"] else 1


def _display(as_json: bool) -> "Lines":
    from dbxsdk.cli.demo.lines import JsonLines, Lines

    if as_json:
        return JsonLines()
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return Lines()
    # The one place that needs rich: without a terminal it is not needed.
    from dbxsdk.cli.demo.screen import Screen

    return Screen()
