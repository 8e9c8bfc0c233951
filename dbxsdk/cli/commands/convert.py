"""``dbxsdk convert``: makes a recording of frames that were kept as lines of JSON."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import Any, BinaryIO, Iterator

import attrs

from dbxsdk.cli.arguments import add_json, seconds
from dbxsdk.cli.display.progress import Progress
from dbxsdk.cli.rendering import to_line
from dbxsdk.cli.targets import EXIT_CODES
from dbxsdk.cli.venues import default_client
from dbxsdk.recording import convert
from dbxsdk.recording.convert import LONGEST_LINE

HELP = "make a recording of frames kept as lines of JSON"

DESCRIPTION = """\
Makes a recording, for "dbxsdk replay", of frames that were kept as lines of JSON, one object a line:

  {"venue": "bybit", "direction": "in", "frame": {...}}

frame is the frame itself, as JSON or as a text; "client" (a class of the SDK, "BybitPublicClient"), "settings"
({"category": "spot"}), "wall_ns" (when it was) and "kind" are read if present, and guessed if not. Lines whose kind begins
with REST are skipped. The whole description is in dbxsdk.recording.convert.
"""

EPILOG = f"with --json, one document: {{frames, skipped, path}}\n\n{EXIT_CODES}"


def add_arguments(parser: Any) -> None:
    parser.add_argument("lines", metavar="LINES", help='a file of lines; "-" is stdin')
    parser.add_argument("path", metavar="RECORDING", help="a folder, or a new file's name that ends in .gz")
    parser.add_argument(
        "--interval", type=seconds, default=0.001, metavar="N", help="seconds between lines without wall_ns (default 0.001)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
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


def _shown(file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    total = os.fstat(file.fileno()).st_size if file is not sys.stdin.buffer else 0
    read = 0
    for line in iter(lambda: file.readline(LONGEST_LINE + 1), b""):
        read += len(line)
        progress.show(f"{read:,} bytes" + (f" of {total:,}" if total else ""))
        yield line
