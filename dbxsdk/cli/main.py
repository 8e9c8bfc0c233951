"""Reads the command line and runs the subcommand that it names.

A subcommand is a module of its name: its help in ``HELP``, ``DESCRIPTION``, ``EPILOG`` and, if argparse's own will not do,
``USAGE``; ``add_arguments(parser)``; and ``run``, from the parsed arguments to the exit code. What it needs beyond the core
it imports when it runs: ``dbxsdk --help`` works everywhere.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
import json
import os
import signal
import sys
import threading
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import dbxsdk
from dbxsdk.cli import demo, doctor
from dbxsdk.cli.commands import call, channels, completion, convert, ping, record, relay, replay, sim, watch
from dbxsdk.cli.display.lines import complain
from dbxsdk.cli.errors import Failed, NotInstalled, WrongArguments, interrupted
from dbxsdk.cli.wrapping import Parser
from dbxsdk.errors import DbxError

COMMANDS = (demo, doctor, watch, channels, call, ping, sim, record, replay, relay, convert, completion)

BROKEN_PIPE = 128 + 13
"""As a shell reports a program that the signal ended."""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line ``argv`` (default: ``sys.argv``) and return the exit code. Wrong usage exits with 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal, or a pipe, may not have all the letters that a venue writes
            stream.reconfigure(errors=_ESCAPED)
    arguments = _parse(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        with _terminated_in_order():
            return run(arguments)
    except WrongArguments as error:
        parser: argparse.ArgumentParser = arguments.parser
        parser.error(str(error))
    except BrokenPipeError:
        _discard_stdout()  # the reader has gone
        return BROKEN_PIPE
    except (DbxError, OSError, NotInstalled, Failed) as error:
        complain(arguments.command, error)
        try:
            sys.stdout.flush()
        except OSError:  # that was the error: a full disk
            _discard_stdout()
        return 1
    except KeyboardInterrupt as interrupt:
        return interrupted([arguments.command], interrupt)


def _escape(error: UnicodeError) -> Tuple[str, int]:
    """Return what a stream cannot encode as JSON escapes it: lines of JSON stay JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


_ESCAPED = "dbxsdk-escaped"
codecs.register_error(_ESCAPED, _escape)


def _discard_stdout() -> None:
    """Redirect stdout to nowhere: Python flushes it once more at its end, which must not raise again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser, commands = _parser()
    completion.answer_shell(parser, commands)
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"]:  # as git and others have it
        words = [*words[1:2], "--help"]
    arguments, rest = parser.parse_known_args(words)
    if rest:
        # argparse refuses positionals that come in two parts: watch VENUE CHANNEL --local SYMBOL.
        name = getattr(arguments, "rest", None)
        if name is None or any(word.startswith("-") and word != "-" for word in rest):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        setattr(arguments, name, [*getattr(arguments, name), *rest])
    return arguments


@contextlib.contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Make SIGTERM, by which services are stopped, end a command as Ctrl-C does: a recording is closed whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> Tuple[argparse.ArgumentParser, List[argparse.ArgumentParser]]:
    parser = Parser(
        prog="dbxsdk",
        description="Tools for trading venues' WebSocket APIs.",
        epilog='"dbxsdk help COMMAND" explains a command. Without a network and an account: "dbxsdk demo".',
    )
    parser.add_argument("--version", action="version", version=f"dbxsdk {dbxsdk.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS:
        parts = {"description": command.DESCRIPTION, "epilog": command.EPILOG, "usage": getattr(command, "USAGE", None)}
        name = command.__name__.rpartition(".")[2]
        added = subparsers.add_parser(name, help=command.HELP, **parts)
        added.set_defaults(run=command.run, parser=added)
        command.add_arguments(added)
    return parser, list(subparsers.choices.values())
