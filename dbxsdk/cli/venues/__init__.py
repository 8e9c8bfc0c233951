"""The venues of the command line, a module each: the one place where tools know venues."""

from __future__ import annotations

import argparse
from typing import Any, Mapping, Tuple

from dbxsdk.cli.venues.bybit import BybitTools
from dbxsdk.cli.venues.cryptomus import CryptomusTools
from dbxsdk.cli.venues.dbot import DBotTools
from dbxsdk.cli.venues.digifinex import DigiFinexTools
from dbxsdk.cli.venues.tools import VenueTools
from dbxsdk.cli.words import Word
from dbxsdk.errors import RecordingError

VENUES: Mapping[str, VenueTools] = {
    venue.name: venue for venue in (BybitTools(), DigiFinexTools(), CryptomusTools(), DBotTools())
}
ALL_WORDS = tuple(str(Word(name, socket)) for name, venue in VENUES.items() for socket in venue.sockets or ("",))
SHORT_WORDS = tuple(name for name, venue in VENUES.items() if venue.sockets and venue.sockets[0])
"""Venues of several sockets, whose name alone means their first."""


def word(text: str) -> Word:
    """Read the argument VENUE."""
    name, _, socket = text.partition(":")
    venue = VENUES.get(name)
    if venue is None or (":" in text and (not socket or socket not in venue.sockets)):
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(ALL_WORDS)}, not {text!r}")
    return Word(name, socket or (venue.sockets[0] if venue.sockets else ""))


def default_client(line: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
    """Return the client class that a line's frame belongs to, for ``recording.convert``. If a frame fits several (a Bybit
    ticker of linear or inverse contracts), it is a guess: say it in the line instead."""
    name, frame = line["venue"], line["frame"]
    venue = VENUES.get(name)
    if venue is None:
        raise RecordingError(f"the client of venue {name!r:.40} is not known: give client and settings")
    return venue.client_of(str(line.get("kind", "")), frame if isinstance(frame, dict) else {})
