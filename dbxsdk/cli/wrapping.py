"""Text wrapped to the terminal: helps, messages. No word is broken, and what is not for a terminal stays as it is."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from typing import Any, NoReturn, TextIO

WIDEST = 110
"""Columns of a help: longer lines are hard to read."""

_LABEL = re.compile(r"\s*\S.*?\s{2,}(?=\S)")
"""An indented line's first column, if it has two."""


def columns() -> int:
    """Return how many columns the terminal has; 80 if there is none."""
    return max(shutil.get_terminal_size().columns, 20)


def wrap(text: str, width: int) -> str:
    """Wrap paragraphs; an indented line is an example or a row of a table: it is continued below its last column."""
    return "\n\n".join(_paragraph(each, width) for each in text.strip("\n").split("\n\n"))


def _paragraph(text: str, width: int) -> str:
    lines = text.splitlines()
    if not any(line.startswith(" ") for line in lines):
        return _fill(" ".join(lines), width, "")
    return "\n".join(_row(line, width) for line in lines)


def _row(line: str, width: int) -> str:
    label = _LABEL.match(line)
    indent = len(line) - len(line.lstrip())
    hanging = len(label[0]) if label and len(label[0]) <= width * 3 // 5 else indent + 4
    return _fill(line.strip(), width, " " * hanging, " " * indent)


def _fill(text: str, width: int, hanging: str, first: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )


def message(text: str, stream: TextIO) -> str:
    """Return a message for ``stream``: wrapped if that is a terminal, else one line."""
    return _fill(text, columns(), "  ") if stream.isatty() else text


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Wraps descriptions and epilogs, too."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "width": min(columns(), WIDEST) - 1})

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        if usage is None:  # the options are explained below
            words = ["[options]"] if any(each.option_strings for each in actions) else []
            words += [*(self._format_args(each, str(each.metavar)) for each in actions if not each.option_strings)]
            usage = " ".join(["%(prog)s", *words])
        begin = "usage: " if prefix is None else prefix
        return _fill(f"{begin}{usage % {'prog': self._prog}}", self._width, " " * len(begin)) + "\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent(wrap(text, width), indent)


class Parser(argparse.ArgumentParser):
    """A parser whose helps and errors fit the terminal."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, **settings})

    def error(self, text: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, message(f"{self.prog}: error: {text}", sys.stderr) + "\n")
