"""``dbxsdk convert``: makes a recording of frames that were kept as lines of JSON, or a Parquet file of a recording."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import Any, BinaryIO, Iterator

import attrs

from dbxsdk.cli.arguments import add_json, seconds
from dbxsdk.cli.commands.replay import what_is_missing
from dbxsdk.cli.display.progress import Progress
from dbxsdk.cli.errors import Failed, WrongArguments
from dbxsdk.cli.parquet import write_parquet
from dbxsdk.cli.rendering import to_line
from dbxsdk.cli.targets import EXIT_CODES
from dbxsdk.cli.venues import default_client
from dbxsdk.recording import convert
from dbxsdk.recording.convert import LONGEST_LINE

HELP = "make a recording of frames kept as lines of JSON, or a Parquet file of a recording"
USAGE = "%(prog)s [options] LINES RECORDING, or %(prog)s RECORDING --parquet FILE"

DESCRIPTION = """\
Makes a recording, for "dbxsdk replay", of frames that were kept as lines of JSON, one object a line:

  {"venue": "bybit", "direction": "in", "frame": {...}}

frame is the frame itself, as JSON or as a text; "client" (a class of the SDK, "BybitPublicClient"), "settings"
({"category": "spot"}), "wall_ns" (when it was) and "kind" are read if present, and guessed if not. Lines whose kind begins
with REST are skipped. The whole description is in dbxsdk.recording.convert.

  dbxsdk convert lines.jsonl recording.jsonl.gz
  dbxsdk convert recording.jsonl.gz --parquet trades.parquet

With --parquet it writes what was subscribed in a recording as a table, for pandas, Polars or DuckDB: a row an item of an update,
with the columns of Update.records(floats=True, times=True).
"""

EPILOG = f"""\
with --json, one document: {{frames, skipped, path}}; with --parquet {{rows, gaps, bad_frames, path}}

{EXIT_CODES}
Frames that are missing in the recording are reported once all else was written, with exit code 1."""


def add_arguments(parser: Any) -> None:
    parser.add_argument("lines", metavar="LINES", help='a file of lines; "-" is stdin; with --parquet a recording')
    parser.add_argument(
        "path", nargs="?", metavar="RECORDING", help="a folder, or a new file's name that ends in .gz; none with --parquet"
    )
    parser.add_argument("--parquet", metavar="FILE", help="write a new Parquet file of the recording (extra parquet)")
    parser.add_argument("--exact", action="store_true", help="with --parquet: prices as texts, not as floats: no digit changes")
    parser.add_argument(
        "--interval", type=seconds, default=0.001, metavar="N", help="seconds between lines without wall_ns (default 0.001)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.parquet is not None:
        if arguments.path is not None:
            raise WrongArguments("argument RECORDING: with --parquet, name one recording, and FILE")
        return _write_parquet(arguments)
    if arguments.path is None:
        raise WrongArguments("the following arguments are required: RECORDING")
    if arguments.exact:
        raise WrongArguments("argument --exact: goes with --parquet")
    with contextlib.ExitStack() as stack:
        file = sys.stdin.buffer if arguments.lines == "-" else stack.enter_context(open(arguments.lines, "rb"))
        progress = Progress()
        stack.callback(progress.close)
        done = convert(_shown(file, progress), arguments.path, interval=arguments.interval, client_of=default_client)
    if arguments.json:
        print(to_line(attrs.asdict(done)), flush=True)
    else:
        print(f"{done.frames:,} frames, {done.skipped:,} lines skipped: {done.path}", flush=True)
    return 0


def _write_parquet(arguments: argparse.Namespace) -> int:
    with contextlib.closing(Progress()) as progress:
        written, played = write_parquet(arguments.lines, arguments.parquet, exact=arguments.exact, shown=progress.show)
    if arguments.json:
        print(to_line(attrs.asdict(written)), flush=True)
    else:
        lost = f", {written.gaps:,} gaps" if written.gaps else ""
        lost += f", {written.bad_frames:,} frames that could not be read" if written.bad_frames else ""
        print(f"{written.rows:,} rows{lost}: {written.path}", flush=True)
    if not played.complete:
        raise Failed(what_is_missing(played))
    return 0


def _shown(file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    total = os.fstat(file.fileno()).st_size if file is not sys.stdin.buffer else 0
    read = 0
    for line in iter(lambda: file.readline(LONGEST_LINE + 1), b""):
        read += len(line)
        progress.show(f"{read:,} bytes" + (f" of {total:,}" if total else ""))
        yield line
