"""The command ``dbxsdk``, with next to no imports, so that Ctrl-C ends in one line while all else is imported, too."""

from __future__ import annotations

import sys

from dbxsdk.cli.errors import interrupted


def main() -> int:
    """Run the command line of ``sys.argv`` and return the exit code. Wrong usage exits with 2."""
    try:
        from dbxsdk.cli.main import main as run  # takes a moment

        return run()
    except KeyboardInterrupt as interrupt:
        return interrupted(sys.argv[1:], interrupt)
