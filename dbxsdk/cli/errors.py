"""Reasons why a command fails, beside the library's own errors; ``main`` turns them into exit codes."""

from __future__ import annotations

import signal
import sys
from typing import Sequence

INTERRUPTED = 128 + signal.SIGINT
"""As a shell reports a program that the signal ended."""


class WrongArguments(Exception):
    """The command line is wrong in a way that argparse cannot see: usage, the message, exit code 2."""


class NotInstalled(Exception):
    """An extra is needed and not installed: the message, exit code 1."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs a package that is not installed: pip install "dbxsdk[{extra}]"')


class Failed(Exception):
    """The work was not done, for the reason that the message says: exit code 1."""


def interrupted(words: Sequence[str], interrupt: KeyboardInterrupt) -> int:
    """Say in one line that a command was interrupted, and what it adds to that. Returns the exit code."""
    name = " ".join(["dbxsdk", *(word for word in words[:1] if not word.startswith("-"))])
    print(f"{name}: {'; '.join(['interrupted', *map(str, interrupt.args)])}", file=sys.stderr, flush=True)
    return INTERRUPTED
