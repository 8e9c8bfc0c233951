"""Argument types that several commands share: numbers with their limits, in the words of the command line."""

from __future__ import annotations

import argparse
from typing import Any, Callable

from dbxsdk.arguments import check_seconds

_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def seconds(text: str) -> float:
    """Read a time above 0."""
    try:
        return check_seconds("it", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, not {text!r}") from None


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within limits."""

    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return check


count = whole(1, 1_000_000_000)


def size(text: str) -> int:
    """Read a number of bytes: ``1000000``, ``500K``, ``100M``, ``2G``."""
    number, unit = (text[:-1], _UNITS[text[-1:].upper()]) if text[-1:].upper() in _UNITS else (text, 1)
    if not (number.isascii() and number.isdigit()) or not 0 < int(number) * unit < 1 << 60:
        raise argparse.ArgumentTypeError(f"must be a number of bytes like 1000000, 500K, 100M or 2G, not {text!r}")
    return int(number) * unit


def add_json(parser: Any) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document a line instead of text for people")
