"""``dbxsdk ping``: round trips by the venue's own ping."""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from typing import Any, Dict, List

from dbxsdk.cleaning import clean
from dbxsdk.cli.arguments import add_json, count
from dbxsdk.cli.rendering import to_line
from dbxsdk.cli.targets import EXIT_CODES, VENUES_HELP, Venues, add_connection
from dbxsdk.cli.venues import word
from dbxsdk.errors import AuthError, DbxError

HELP = "round trips to a venue"

DESCRIPTION = f"""\
Connects, logs in if there is a key, and measures round trips by the venue's own ping.

{VENUES_HELP}"""

EPILOG = f"""\
with --json, each line is one document: {{"type": "connected", "ms"}}; {{"type": "ping", "number", "ms"}} or
{{"type": "ping", "number", "error"}}; at the end {{"type": "summary", "sent", "answered", "min_ms", "median_ms", "max_ms"}}.

{EXIT_CODES}
A ping without an answer makes the exit code 1; the others are sent nevertheless. Ctrl-C prints the summary of those sent.
"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("venue", type=word, metavar="VENUE", help="see above")
    add_connection(parser)
    parser.add_argument("--count", type=count, default=5, metavar="N", help="how many (default 5)")
    parser.add_argument(
        "--interval", type=_interval, default=1.0, metavar="N", help="seconds from one to the next, 0 to 3600 (default 1)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    with Venues(arguments, [arguments.venue]) as venues:
        client = venues.client(arguments.venue)
        started = time.monotonic()
        client.open()
        took = (time.monotonic() - started) * 1000
        _print(arguments, {"type": "connected", "ms": round(took, 3)}, f"{arguments.venue}: connected in {took:.2f} ms")
        times: List[float] = []
        sent = 0
        pause = threading.Event()
        try:
            while sent < arguments.count:
                if sent:
                    pause.wait(arguments.interval)
                sent += 1
                _ping(arguments, client, sent, times)
        finally:
            _print_summary(arguments, sent, times)
    return 0 if len(times) == sent else 1


def _ping(arguments: argparse.Namespace, client: Any, number: int, times: List[float]) -> None:
    head = {"type": "ping", "number": number}
    try:
        milliseconds = client.ping() * 1000
    except AuthError:
        raise  # the client has ended
    except DbxError as error:
        reason = clean(error)
        _print(arguments, {**head, "error": reason}, f"{number}: {reason}", failed=True)
    else:
        times.append(milliseconds)
        _print(arguments, {**head, "ms": round(milliseconds, 3)}, f"{number}: {milliseconds:.2f} ms")


def _print_summary(arguments: argparse.Namespace, sent: int, times: List[float]) -> None:
    figures = {"min": min(times), "median": statistics.median(times), "max": max(times)} if times else {}
    document = {"type": "summary", "sent": sent, "answered": len(times)}
    document.update({f"{name}_ms": round(figure, 3) for name, figure in figures.items()})
    figures_text = " / ".join(f"{name} {figure:.2f}" for name, figure in figures.items())
    _print(arguments, document, f"{sent} sent, {len(times)} answered" + (f": {figures_text} ms" if figures_text else ""))


def _print(arguments: argparse.Namespace, document: Dict[str, Any], line: str, failed: bool = False) -> None:
    if arguments.json:
        print(to_line(document), flush=True)
    else:
        print(line, file=sys.stderr if failed else sys.stdout, flush=True)


def _interval(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"must be 0 to 3600 seconds, not {text!r}")
    return number
