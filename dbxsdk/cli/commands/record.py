"""``dbxsdk record``: writes what channels of one or several venues send, frame by frame, to a recording."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from typing import Any, Dict, List

from dbxsdk.cli.arguments import add_json, seconds, size, whole
from dbxsdk.cli.display.progress import Progress
from dbxsdk.cli.errors import Failed, WrongArguments
from dbxsdk.cli.follow import follow
from dbxsdk.cli.inbox import Inbox
from dbxsdk.cli.rendering import describe, event_document, to_line
from dbxsdk.cli.targets import EXIT_CODES, VENUES_HELP, Venues, add_connection
from dbxsdk.cli.venues import VENUES, word
from dbxsdk.cli.words import Selection
from dbxsdk.recording import Recorder

HELP = "record what channels send"
USAGE = "%(prog)s [options] PATH VENUE CHANNEL [SYMBOL ...] [+ VENUE CHANNEL [SYMBOL ...]] ..."

DESCRIPTION = f"""\
Records every frame, both ways, with its times; keys, tokens, signatures and logins are left out. PATH is a folder, or a new
file's name that ends in .gz. "dbxsdk replay" and "dbxsdk.replay" play it; the format is in dbxsdk.recording.format.

  dbxsdk record day/ bybit:linear orderbook.50 BTCUSDT ETHUSDT --max-bytes 100M
  dbxsdk record all.jsonl.gz bybit:spot publicTrade BTCUSDT + digifinex trades BTC_USDT + bybit:spot tickers BTCUSDT

A "+" begins another VENUE CHANNEL [SYMBOL ...]; those of one venue's socket share a connection.

{VENUES_HELP}"""

EPILOG = f"""\
On a terminal, stderr shows frames, bytes and seconds as it goes. Ctrl-C, --seconds and SIGTERM end the recording whole.
A full disk ends nothing: it is reported, lost frames are counted and marked in the recording, and the exit code is 1.

with --json, each line is one document: {{"type": "progress" (once a second), "seconds", "frames", "lost", "raw_bytes",
"file_bytes", "files", "path"}}, at the end the same as "summary"; {{"type": "event", venue, event, ...}} as for watch.

{EXIT_CODES}"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("path", metavar="PATH", help="see above")
    parser.add_argument("selections", nargs="*", default=[], metavar="VENUE CHANNEL [SYMBOL ...]", help="what to record")
    add_connection(parser)
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after so many seconds")
    parser.add_argument("--max-bytes", type=size, metavar="SIZE", help="begin a new file before one grows beyond 500K, 100M, 2G")
    parser.add_argument("--max-seconds", type=seconds, metavar="N", help="begin a new file after so many seconds")
    parser.add_argument("--level", type=whole(1, 9), default=1, metavar="N", help="of compression, 1 (default, fast) to 9")
    add_json(parser)
    parser.set_defaults(rest="selections")


def run(arguments: argparse.Namespace) -> int:
    selections = read_selections(arguments.selections)
    venues = Venues(arguments, [selection.word for selection in selections])
    recorder = Recorder(
        arguments.path, max_bytes=arguments.max_bytes, max_seconds=arguments.max_seconds, level=arguments.level
    )
    inbox = Inbox()
    display = _Display(arguments.json, recorder)
    begun = False
    try:
        with recorder, venues:
            try:
                for selection in selections:
                    _subscribe(venues, recorder, selection, inbox)
                begun = True
                follow(inbox, display, look=venues.look, seconds=arguments.seconds)
            finally:
                inbox.close()
    except KeyboardInterrupt:
        if not begun or arguments.seconds:
            raise
    finally:
        display.close()
        if recorder.stats().path is not None:
            display.summary()
    lost = recorder.stats().lost
    if lost:
        raise Failed(f"{lost} frames could not be written")
    return 0


def read_selections(words: List[str]) -> List[Selection]:
    """Read VENUE CHANNEL [SYMBOL ...], and so on behind each +. Raises ``WrongArguments``."""
    groups: List[List[str]] = [[]]
    for each in words:
        if each == "+":
            groups.append([])
        else:
            groups[-1].append(each)
    if any(len(group) < 2 for group in groups):
        where = ", also behind each +" if len(groups) > 1 else ""
        raise WrongArguments(f"the following arguments are required: VENUE, CHANNEL{where}")
    try:
        selections = [Selection(word(group[0]), group[1], tuple(group[2:])) for group in groups]
    except argparse.ArgumentTypeError as error:
        raise WrongArguments(f"argument VENUE: {error}") from None
    for selection in selections:
        VENUES[selection.word.venue].check_selection(selection)
    return selections


def _subscribe(venues: Venues, recorder: Recorder, selection: Selection, inbox: Inbox) -> None:
    known = venues.clients
    client = venues.client(selection.word, recorder)
    if client not in known:
        client.on_event(functools.partial(inbox.put, str(selection.word)))
    try:
        # The recording has it before a callback does.
        client.subscribe(selection.channel, selection.symbols, callback=_nothing, raw=True)
    except (TypeError, ValueError) as error:
        raise WrongArguments(str(error)) from None


def _nothing(document: Any) -> None:
    pass


class _Display:
    """Shows events and figures of the recording."""

    def __init__(self, as_json: bool, recorder: Recorder) -> None:
        self._json = as_json
        self._recorder = recorder
        self._progress = Progress()
        self._started = time.monotonic()
        self._shown = self._started

    def show(self, source: str, item: Any) -> bool:
        if self._json:
            print(to_line(event_document(source, item)), flush=True)
        else:
            self._progress.close()
            print(f"{source}: {describe(item)}", file=sys.stderr, flush=True)
        return False

    def tick(self) -> None:
        if not self._json:
            self._progress.show(self._line())
        elif time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            print(to_line({"type": "progress", **self._figures()}), flush=True)

    def close(self) -> None:
        self._progress.close()

    def summary(self) -> None:
        print(to_line({"type": "summary", **self._figures()}) if self._json else self._line(), flush=True)

    def _figures(self) -> Dict[str, Any]:
        stats = self._recorder.stats()
        names = ("frames", "lost", "raw_bytes", "file_bytes", "files", "path")
        took = round(time.monotonic() - self._started, 1)
        return {"seconds": took, **{name: getattr(stats, name) for name in names}}

    def _line(self) -> str:
        stats = self._recorder.stats()
        files = f"{stats.files} files, the last {stats.path}" if stats.files > 1 else stats.path or "no file yet"
        lost = f", {stats.lost:,} LOST" if stats.lost else ""
        took = time.monotonic() - self._started
        return f"{stats.frames:,} frames{lost}, {stats.file_bytes:,} bytes in {took:.1f} s: {files}"
