"""The clients that made a recording, and their subscriptions, read off the requests that they sent."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List

import attrs

from dbxsdk.cli.venues import VENUES
from dbxsdk.cli.words import Topic, Selection, Word
from dbxsdk.recording import Frame, Opened, RecordingReader


@attrs.define
class Recorded:
    """One client of a recording, as the command line names it; ``topics`` in the order of their subscription."""

    word: Word
    topics: Dict[Topic, None] = attrs.field(factory=dict)

    @property
    def selections(self) -> List[Selection]:
        channels: Dict[str, List[str]] = {}
        for channel, symbol in self.topics:
            channels.setdefault(channel, []).extend([symbol] if symbol else [])
        return [Selection(self.word, channel, tuple(symbols)) for channel, symbols in channels.items()]


def recorded_clients(reader: RecordingReader, looked: Callable[[], Any]) -> List[Recorded]:
    """Return the clients, in the order in which they first connected. Reads it all; calls ``looked`` for each record."""
    owners: Dict[int, Recorded] = {}
    connections: Dict[int, Recorded] = {}
    for record in reader:
        looked()
        if isinstance(record, Opened):
            connections[record.connection] = owners.setdefault(record.owner, Recorded(_word(record)))
        elif isinstance(record, Frame) and record.direction == "out" and record.payload and b"subscribe" in record.payload:
            client = connections.get(record.connection)
            if client is not None:
                client.topics.update(dict.fromkeys(_topics(client.word, record.payload)))
    return list(owners.values())


def _word(record: Opened) -> Word:
    venue = VENUES.get(record.venue)
    return Word(record.venue, "" if venue is None else venue.socket_of(record.client, record.settings))


def _topics(word: Word, payload: bytes) -> Iterable[Topic]:
    """Return what one request subscribes. Other requests, and those not written as our clients do, are skipped."""
    try:
        return list(VENUES[word.venue].topics(word.socket, json.loads(payload)))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()
