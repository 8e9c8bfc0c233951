"""Reasons why a command fails, beside the library's own errors; ``main`` turns them into exit codes."""

from __future__ import annotations


class WrongArguments(Exception):
    """The command line is wrong in a way that argparse cannot see: usage, the message, exit code 2."""


class NotInstalled(Exception):
    """An extra is needed and not installed: the message, exit code 1."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs a package that is not installed: pip install "dbxsdk[{extra}]"')


class Failed(Exception):
    """The work was not done, for the reason that the message says: exit code 1."""
