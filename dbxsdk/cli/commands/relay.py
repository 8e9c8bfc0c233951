"""``dbxsdk relay``: one connection to each venue, for any number of workers, by way of Redis."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from dbxsdk.cleaning import clean
from dbxsdk.cli.arguments import add_json, seconds
from dbxsdk.cli.commands.record import read_selections
from dbxsdk.cli.errors import NotInstalled, WrongArguments
from dbxsdk.cli.inbox import Inbox
from dbxsdk.cli.rendering import event_document, plain, to_line
from dbxsdk.cli.targets import EXIT_CODES, VENUES_HELP, Venues, add_connection
from dbxsdk.cli.venues import VENUES, word
from dbxsdk.cli.words import Word
from dbxsdk.relay import Relay, RelayStatus

HELP = "serve channels to many workers by way of Redis"
USAGE = "%(prog)s [options] REDIS_URL VENUE [CHANNEL SYMBOL ...] [+ VENUE [CHANNEL SYMBOL ...]] ..."

DESCRIPTION = f"""\
Reads from the venues and writes to Redis Streams, from which workers on any machine read with dbxsdk.Relay(URL).client(VENUE),
and "dbxsdk watch ... --relay URL" shows. Without a CHANNEL it serves what workers ask for; with one, that and nothing else.
A second process that serves the same waits, and takes over.

  dbxsdk relay redis://localhost:6379/0 bybit:linear
  dbxsdk relay redis://localhost:6379/0 bybit:linear publicTrade BTCUSDT + bybit:linear orderbook.50 BTCUSDT + digifinex

{VENUES_HELP}"""

EPILOG = f"""\
On a terminal a live table, elsewhere a line each ten seconds and for each event. Ctrl-C and SIGTERM hand over at once. A
password in REDIS_URL is seen in the list of processes: give "-" to have the URL read from DBXSDK_RELAY_URL.

with --json, each line is one document: {{"type": "status" (once a second), name, leading, connected, topics, written, queued,
dropped, down, readers: [[name, topics, lag in ms], ...]}}, or {{"type": "event", venue, event, ...}} as for watch.

{EXIT_CODES}"""

_LINE_EVERY = 10.0


def add_arguments(parser: Any) -> None:
    parser.add_argument("redis_url", metavar="REDIS_URL", help="the Redis server; - for DBXSDK_RELAY_URL")
    parser.add_argument(
        "selections", nargs="*", metavar="VENUE [CHANNEL SYMBOL ...]", help="what to serve; + begins the next VENUE"
    )
    add_connection(parser)
    add_prefix(parser)
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after so many seconds")
    add_json(parser)
    parser.set_defaults(rest="selections")


def add_prefix(parser: Any) -> None:
    """Add the option that ``make_relay`` reads."""
    parser.add_argument("--prefix", default="dbxsdk", metavar="TEXT", help="with which the relay's keys begin (default dbxsdk)")


def make_relay(url: str, prefix: str) -> Relay:
    """Make the relay of a command line. Raises ``WrongArguments`` or ``NotInstalled``."""
    if url == "-":
        url = os.environ.get("DBXSDK_RELAY_URL", "")
        if not url:
            raise WrongArguments("argument REDIS_URL: the environment variable DBXSDK_RELAY_URL is not set")
    try:
        return Relay(url, prefix=prefix)
    except (TypeError, ValueError) as error:
        raise WrongArguments(f"argument REDIS_URL or --prefix: {error}") from None
    except ImportError:
        raise NotInstalled("a relay", "redis") from None


def run(arguments: argparse.Namespace) -> int:
    wanted = _wanted(arguments.selections)
    relay = make_relay(arguments.redis_url, arguments.prefix)
    venues = Venues(arguments, list(wanted))
    inbox = Inbox()
    threads: List[threading.Thread] = []
    errors: List[BaseException] = []
    try:
        with venues, _show(arguments.json) as show:
            for which, topics in wanted.items():
                client = venues.client(which)
                client.on_event(functools.partial(inbox.put, str(which)))
                work = functools.partial(_serve, relay, client, topics, errors)
                threads.append(threading.Thread(target=work, name=f"dbxsdk-{which}-relay"))
            try:
                for thread in threads:
                    thread.start()
                _follow(arguments.seconds, errors, venues, lambda: show(relay.status(), list(inbox.take(0.25))))
            finally:
                inbox.close()
                relay.close()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
    except KeyboardInterrupt:
        if arguments.seconds:
            raise
    for error in errors:
        if isinstance(error, (TypeError, ValueError)):
            raise WrongArguments(str(error)) from None
        raise error
    return 0


def _wanted(words: List[str]) -> Dict[Word, Optional[List[Tuple[str, Tuple[str, ...]]]]]:
    """Read VENUE [CHANNEL SYMBOL ...] + ...: topics by socket, None for what workers ask for."""
    wanted: Dict[Word, Optional[List[Tuple[str, Tuple[str, ...]]]]] = {}
    part: List[str] = []
    for each in (*words, "+"):
        if each != "+":
            part.append(each)
            continue
        if len(part) == 1:
            try:
                which = word(part[0])
            except argparse.ArgumentTypeError as error:
                raise WrongArguments(f"argument VENUE: {error}") from None
            if which in wanted:
                raise WrongArguments(f"argument VENUE: {which} stands once with and once without a CHANNEL")
            wanted[which] = None
        else:
            for selection in read_selections(part):
                VENUES[selection.word.venue].check_selection(selection)
                topics = wanted.setdefault(selection.word, [])
                if topics is None:
                    raise WrongArguments(f"argument VENUE: {selection.word} stands once with and once without a CHANNEL")
                topics.append((selection.channel, selection.symbols))
        part = []
    return wanted


def _serve(relay: Relay, client: Any, topics: Any, errors: List[BaseException]) -> None:
    try:
        relay.serve(client, topics)
    except BaseException as error:  # noqa: B036 - raised again by the main thread
        errors.append(error)


def _follow(limit: Optional[float], errors: List[BaseException], venues: Venues, show: Callable[[], None]) -> None:
    until = None if limit is None else time.monotonic() + limit
    while not errors and (until is None or time.monotonic() < until):
        show()
        venues.look()


Show = Callable[[Tuple[RelayStatus, ...], List[Any]], None]


@contextlib.contextmanager
def _show(as_json: bool) -> Any:
    """The display: called several times a second with what is served and the events since."""
    if not as_json and sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        try:
            from rich.live import Live
        except ImportError:
            raise NotInstalled("the live screen (--json and a pipe do without)", "cli") from None
        with Live(refresh_per_second=4) as live:
            rates = _Rates()
            yield lambda states, events: live.update(_table(states, rates))
        return
    due = [0.0]

    def lines(states: Tuple[RelayStatus, ...], events: List[Any]) -> None:
        for source, event in events:
            print(to_line(event_document(source, event)) if as_json else f"{source}  {clean(event)}", flush=True)
        if states and time.monotonic() >= due[0]:
            due[0] = time.monotonic() + (1.0 if as_json else _LINE_EVERY)
            for state in states:
                print(to_line({"type": "status", **plain(state)}) if as_json else _line(state), flush=True)

    yield lines


def _line(state: RelayStatus) -> str:
    if not state.leading:
        return f"{state.name}  waits: another process serves"
    what = "connected" if state.connected else "not connected"
    behind = f", {state.queued} wait: {state.down}" if state.down else ""
    return f"{state.name}  {what}, {len(state.topics)} topics, {state.written} entries, {len(state.readers)} readers{behind}"


class _Rates:
    """Entries a second, by name."""

    def __init__(self) -> None:
        self._last: Dict[str, Tuple[float, int, float]] = {}

    def of(self, state: RelayStatus) -> float:
        now = time.monotonic()
        at, written, rate = self._last.get(state.name, (now, state.written, 0.0))
        if now - at >= 1:
            rate = (state.written - written) / (now - at)
            self._last[state.name] = now, state.written, rate
        elif state.name not in self._last:
            self._last[state.name] = at, written, rate
        return rate


def _table(states: Tuple[RelayStatus, ...], rates: _Rates) -> Any:
    from rich.table import Table

    table = Table()
    for column in ("client", "venue", "topics", "entries/s", "queued", "dropped", "readers", "lag, ms"):
        table.add_column(column)
    for state in states:
        venue = ("connected" if state.connected else "not connected") if state.leading else "waits"
        numbers = f"{rates.of(state):,.0f}", f"{state.queued:,}", f"{state.dropped:,}"
        lags = " ".join(f"{lag:.1f}" for _, _, lag in state.readers[:8])
        table.add_row(state.name, state.down or venue, str(len(state.topics)), *numbers, str(len(state.readers)), lags)
    return table
