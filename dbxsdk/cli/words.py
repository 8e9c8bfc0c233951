"""The words of a command line: a venue's socket, and a channel of it."""

from __future__ import annotations

from typing import Tuple

import attrs

Topic = Tuple[str, str]
"""A channel, and a symbol or ``""``."""


@attrs.frozen
class Word:
    """A venue as it is named on the command line: ``bybit:linear``; ``socket`` is ``""`` if the venue has one."""

    venue: str
    socket: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.socket}" if self.socket else self.venue


@attrs.frozen
class Selection:
    """A channel of a venue to subscribe, and its symbols, if any."""

    word: Word
    channel: str
    symbols: Tuple[str, ...]
