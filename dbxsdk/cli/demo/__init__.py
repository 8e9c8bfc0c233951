"""``dbxsdk demo``: the SDK's main job against local venues, with one connection pulled on the way."""

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
Starts local venues on this machine, subscribes trades and order books with callbacks, and makes blocking requests
beside them. After a third of the time it pulls the first venue's connection: the gap is announced, the client
reconnects and subscribes again. At the end it tells what was received, lost and recovered.

It needs no network and no account. Exit code 0: nothing was lost, and every pulled connection was recovered (or
Ctrl-C ended the demo early, with nothing lost); otherwise 1.
"""

JSON_FIELDS = """\
with --json, each line is one document; "type" says which, "at" is in seconds since the start, prices are texts:

  start    seconds (planned), venues: [{venue, url, topics}]
  standing venue, symbol, state, last, bid, ask, trades_per_second, books_per_second, received, delivered, requests,
           answered, round_trip_ms; once a second for each venue
  event    venue, event (Connected, Disconnected, Gap, ...), and the event's own fields; the demo's own events are
           Pulled (connections), Recovered (after: seconds since the pull) and RequestFailed (error)
  summary  interrupted, received (frames), delivered (updates), lost, losses: {trades, books, dropped, bad_frames,
           callback_errors}, trades_checked, books_checked, pulled, recovered, gap_seconds, trades_in_gap (made in an
           announced gap and not sent later), requests, answered, cut_off (requests whose connection was pulled),
           failed (requests), round_trip_ms (median), ok
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
        from dbxsdk.cli.demo.markets import markets
    except ImportError as error:
        print(f"dbxsdk demo: {MISSING} ({error})", file=sys.stderr)
        return 1
    try:
        summary = Course(markets(), arguments.seconds, display).run()
    except BrokenPipeError:
        raise
    except (DbxError, OSError) as error:
        print(f"dbxsdk demo: {error}", file=sys.stderr)
        return 1
    return 0 if summary.ok else 1


def _display(as_json: bool) -> "Display":
    from dbxsdk.cli.demo.lines import JsonLines, PlainLines

    if as_json:
        return JsonLines(sys.stdout)
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return PlainLines(sys.stdout)
    # The one place that needs rich: without a terminal nobody has to have it.
    from dbxsdk.cli.demo.screen import Screen

    return Screen()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, not {text!r}")
    return seconds
