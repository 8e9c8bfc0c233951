"""The words of a command line that name a venue's socket, and what is asked of it."""

from __future__ import annotations

import argparse
from typing import Mapping, Optional, Tuple

import attrs

from dbxsdk.bybit.public.channels import CATEGORIES

SOCKETS: Mapping[str, Tuple[str, ...]] = {
    "bybit": ("linear", "spot", "inverse", "option", "private", "trade"),
    "digifinex": (),
    "cryptomus": (),
    "dbot": ("trade", "data"),
}
"""The venues' sockets; the first is meant where none is named."""

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "bybit": {"api_key": "BYBIT_API_KEY", "api_secret": "BYBIT_API_SECRET"},
    "digifinex": {"api_key": "DIGIFINEX_API_KEY", "api_secret": "DIGIFINEX_API_SECRET"},
    "cryptomus": {"user_id": "CRYPTOMUS_USER_ID", "api_key": "CRYPTOMUS_API_KEY"},
    "dbot": {"api_key": "DBOT_API_KEY"},
}
"""The environment variable of each key, by the client's argument."""

Topic = Tuple[str, str]
"""A channel, and a symbol or ``""``."""


@attrs.frozen
class Word:
    """A venue as it is named on the command line: ``bybit:linear``; ``socket`` is ``""`` where the venue has one."""

    venue: str
    socket: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.socket}" if self.socket else self.venue

    @property
    def path(self) -> Optional[str]:
        """Of the socket in the venue's address; None where there is one."""
        if self.venue == "bybit":
            return f"/v5/{'public/' if self.socket in CATEGORIES else ''}{self.socket}"
        return f"/{self.socket}/ws/" if self.venue == "dbot" else None


@attrs.frozen
class Wish:
    """What is to be subscribed: a channel of a venue, and its symbols, if any."""

    word: Word
    channel: str
    symbols: Tuple[str, ...]


ALL_WORDS = tuple(str(Word(venue, socket)) for venue, sockets in SOCKETS.items() for socket in sockets or ("",))


def word(text: str) -> Word:
    """The argument VENUE."""
    venue, _, socket = text.partition(":")
    sockets = SOCKETS.get(venue)
    if sockets is None or (":" in text and socket not in sockets):
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(ALL_WORDS)}, not {text!r}")
    return Word(venue, socket or (sockets[0] if sockets else ""))
