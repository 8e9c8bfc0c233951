"""Reads the command line and runs the subcommand that it names.

A subcommand is a module with ``add_parser(subparsers)``, which sets ``run`` to a function from the parsed arguments
to the exit code. What a subcommand needs beyond the core it imports when it runs: ``dbxsdk --help`` works everywhere.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Callable, Optional, Sequence

import dbxsdk
from dbxsdk.cli import demo

COMMANDS = (demo,)

# What a shell reports of a program that the signal itself ended.
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + 13


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command line ``argv`` (``sys.argv`` without it) and returns the exit code. Wrong usage exits with 2."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except BrokenPipeError:
        # Whoever read stdout has gone. Python flushes stdout once more at its end: that must not raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dbxsdk", description="Tools for trading venues' WebSocket APIs.")
    parser.add_argument("--version", action="version", version=f"dbxsdk {dbxsdk.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser
