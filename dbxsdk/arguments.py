"""Checks of what callers give, before any I/O: a ``TypeError`` or ``ValueError`` that names the argument.

Each returns the value that it was given.
"""

from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence

MAX_SECONDS = 30_000_000


def check_text(name: str, value: Any) -> str:
    """Any text that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    return value


def check_word(name: str, value: Any) -> str:
    """A symbol, an id, a word of a venue's vocabulary: no blanks, nothing that cannot be printed."""
    word = check_text(name, value)
    if not _is_word(word):
        raise ValueError(f"{name} must not be empty and not hold blanks: {value!r}")
    return word


def check_credential(name: str, value: Any) -> str:
    """A key or a secret, fit for a header. The value is in no message."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value or not value.isascii() or not _is_word(value):
        raise ValueError(f"{name} must not be empty and hold printable ASCII alone, without blanks or line breaks")
    return value


def check_flag(name: str, value: Any) -> bool:
    """A real boolean: a text like ``"false"`` may well count as true at a venue."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def check_int(name: str, value: Any, *, least: Optional[int] = None, most: Optional[int] = None) -> int:
    """A whole number from ``least`` to ``most``, where these are given. A boolean is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if least is not None and value < least or most is not None and value > most:
        wanted = f"{least} or more" if most is None else f"{most} or less" if least is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {wanted}, not {value}")
    return value


def check_seconds(name: str, value: Any, *, zero: bool = False) -> float:
    """A time, above 0 (``zero``: or 0)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    # What is beyond the limit, infinity included, the operating system's waits would not take.
    if not 0 <= value <= MAX_SECONDS or (value == 0 and not zero):
        raise ValueError(f"{name} must be {'0' if zero else 'above 0'} to {MAX_SECONDS} seconds, not {value}")
    return float(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of ``known`` that is spelled most like ``name``."""
    import difflib  # for mistakes alone

    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]


def _is_word(value: str) -> bool:
    return value.isprintable() and not any(character.isspace() for character in value)
