"""The command ``dbxsdk``: ``command_line``, imported so that Ctrl-C ends in one line at any moment."""

from __future__ import annotations

import signal
import sys
from typing import Optional, Sequence

INTERRUPTED = 128 + signal.SIGINT
"""As a shell reports a program that the signal ended."""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line ``argv`` (default: ``sys.argv``) and return the exit code. Wrong usage exits with 2."""
    try:
        from dbxsdk.cli.command_line import run  # takes a moment

        return run(argv)
    except KeyboardInterrupt as interrupt:  # some commands say more
        words = [word for word in (sys.argv[1:] if argv is None else argv)[:1] if not word.startswith("-")]
        text = "; ".join(["interrupted", *map(str, interrupt.args)])
        print(f"{' '.join(['dbxsdk', *words])}: {text}", file=sys.stderr, flush=True)
        return INTERRUPTED
