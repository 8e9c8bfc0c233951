"""``dbxsdk replay``: plays a recording and shows its updates as ``watch`` does."""

from __future__ import annotations

import argparse
import functools
import math
import os
import sys
import time
from typing import Any, List, Optional, Tuple

from dbxsdk.book.order_book import OrderBook
from dbxsdk.cli.arguments import add_json, count, whole
from dbxsdk.cli.commands.record import read_selections
from dbxsdk.cli.commands.watch import make_display, subscribe
from dbxsdk.cli.display.progress import Progress
from dbxsdk.cli.errors import Failed, WrongArguments
from dbxsdk.cli.follow import Display, follow
from dbxsdk.cli.inbox import Inbox
from dbxsdk.cli.recorded_clients import Recorded, recorded_clients
from dbxsdk.cli.rendering import plain, to_line
from dbxsdk.cli.targets import EXIT_CODES
from dbxsdk.cli.words import Selection
from dbxsdk.playback import Replay, Replayed, replay
from dbxsdk.recording import read

HELP = "play a recording"
USAGE = "%(prog)s [options] PATH [VENUE CHANNEL [SYMBOL ...] [+ VENUE CHANNEL [SYMBOL ...]] ...]"

DESCRIPTION = """\
Plays a recording through clients like those that made it, and shows the updates as "dbxsdk watch" does: a live screen on
a terminal, else lines. PATH is a file, or a folder of a recording's files. All that was subscribed is shown, or what
you name:

  dbxsdk replay day/
  dbxsdk replay day/ --speed max --json | gzip > updates.jsonl.gz
  dbxsdk replay all.jsonl.gz --speed 10 bybit:linear orderbook.50 BTCUSDT + digifinex trades BTC_USDT

Frames that were kept as lines of JSON are made a recording by "dbxsdk convert".
"""

EPILOG = f"""\
with --json, each line is one document: updates and events as for watch, received_ns is the recorded time; at the end
{{"type": "summary", "frames", "seconds", "lost", "removed", "torn", "missing", "complete"}}. Two replays print the same.

On a terminal, stderr shows how far it has come.

{EXIT_CODES}
What cannot be read at the end of a file (it was being written when the power failed), missing files and frames that were
lost while recording are reported on stderr once all else was played, with exit code 1.
"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("path", metavar="PATH", help="see above")
    parser.add_argument(
        "selections", nargs="*", default=[], metavar="VENUE CHANNEL [SYMBOL ...]", help="optional: without it, all that was"
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="1 (default) as recorded, 10 ten times as fast, or max"
    )
    parser.add_argument("--count", type=count, metavar="N", help="end after so many updates")
    parser.add_argument(
        "--levels", type=whole(1, 1000), default=12, metavar="N", help="of a ladder, a side (default 12, and as they fit)"
    )
    add_json(parser)
    parser.set_defaults(rest="selections")


def run(arguments: argparse.Namespace) -> int:
    selections = read_selections(arguments.selections) if arguments.selections else []
    started = time.monotonic()
    progress = Progress()
    try:
        with replay(arguments.path, speed=arguments.speed) as playing:
            done, shown = _play(arguments, playing, selections, progress)
    finally:
        progress.close()
    if done is None:
        return 0  # --count was enough
    if arguments.json:
        print(to_line({"type": "summary", **plain(done)}), flush=True)
    else:
        took = time.monotonic() - started
        print(f"{done.frames:,} frames of {done.seconds:.1f} s played in {took:.1f} s", file=sys.stderr, flush=True)
    if not done.complete:
        raise Failed(what_is_missing(done))
    if arguments.count:
        raise Failed(f"the recording has {shown} of {arguments.count} updates")
    return 0


def _play(
    arguments: argparse.Namespace, playing: Replay, selections: List[Selection], progress: Progress
) -> Tuple[Optional[Replayed], int]:
    """Return what was played (None if ``--count`` ended it) and how many updates were shown."""
    recorded = _look_through(arguments.path, progress)
    chosen = _choose(recorded, selections)
    if not chosen:
        raise Failed("nothing was subscribed in this recording; say what to play: VENUE CHANNEL [SYMBOL ...]")
    inbox = Inbox()
    display: Optional[Display] = None
    try:
        for index in sorted({number for number, _ in chosen}):
            client = playing.clients[index]
            client.on_event(functools.partial(inbox.put, str(recorded[index].word)))
        books: List[Tuple[str, OrderBook]] = []
        for index, selection in chosen:
            try:
                books += subscribe(playing.clients[index], selection, inbox, as_books=not arguments.json)
            except WrongArguments as error:
                if selections:
                    raise
                # In converted frames it may have been subscribed by other clients than ours.
                print(f"{selection.word} {selection.channel}: not played: {error}", file=sys.stderr, flush=True)
        display = make_display(os.path.basename(os.path.abspath(arguments.path)), arguments, books)
        progress.close()
        playing.start()
        is_over = functools.partial(_look, playing, display, progress)
        shown = follow(inbox, display, look=is_over, count=arguments.count)
        return (None if shown == arguments.count else playing.wait()), shown
    finally:
        inbox.close()  # before the clients are: their callbacks may wait for us
        if display is not None:
            display.close()


def _look_through(path: str, progress: Progress) -> List[Recorded]:
    with read(path) as reader:
        return recorded_clients(
            reader, lambda: progress.show(f"looking through {_percent(reader.bytes_read, reader.bytes_total)}")
        )


def _choose(recorded: List[Recorded], selections: List[Selection]) -> List[Tuple[int, Selection]]:
    """Return the selections to play, each with the number of its client."""
    if not selections:
        return [(index, selection) for index, each in enumerate(recorded) for selection in each.selections]
    known = sorted({str(each.word) for each in recorded})
    for selection in selections:
        if str(selection.word) not in known:
            raise WrongArguments(f"argument VENUE: {selection.word} is not in the recording, which has {', '.join(known)}")
    return [(index, selection) for selection in selections for index, each in enumerate(recorded) if each.word == selection.word]


def _look(playing: Replay, display: Display, progress: Progress) -> bool:
    """Show how far it has come. True if it is over."""
    now = playing.progress
    line = f"{_percent(now.bytes_read, now.bytes_total)}, {now.frames:,} frames, {now.seconds:.0f} s"
    if hasattr(display, "status"):
        display.status = line  # a screen has its own place for it
    elif not sys.stdout.isatty():
        progress.show(line)
    return playing.wait(0) is not None


def what_is_missing(done: Replayed) -> str:
    """Say why what was played is not whole."""
    missing = [f"{torn.path}: the last {torn.lost_bytes} bytes cannot be read" for torn in done.torn]
    missing += [f"file {number} of recording {recording} is missing" for recording, number in done.missing]
    missing += [f"{done.lost:,} frames were lost while recording"] if done.lost else []
    return "played, but incomplete: " + ("; ".join(missing) or "the recording was not ended by its recorder")


def _percent(part: int, whole_: int) -> str:
    return f"{100 * part // max(whole_, 1)} %"


def _speed(text: str) -> Optional[float]:
    if text == "max":
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, or max, not {text!r}")
    return number
