"""Which clients made a recording, and what they had subscribed, read off the requests that they sent."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List

import attrs

from dbxsdk.bybit.public.channels import CATEGORIES, route
from dbxsdk.cli.words import Topic, Wish, Word
from dbxsdk.recording import Frame, Opened, RecordingReader


@attrs.define
class Recorded:
    """One client of a recording, as the command line names it; ``topics`` in the order of their subscription."""

    word: Word
    topics: Dict[Topic, None] = attrs.field(factory=dict)

    @property
    def wishes(self) -> List[Wish]:
        channels: Dict[str, List[str]] = {}
        for channel, symbol in self.topics:
            channels.setdefault(channel, []).extend([symbol] if symbol else [])
        return [Wish(self.word, channel, tuple(symbols)) for channel, symbols in channels.items()]


def recorded_clients(reader: RecordingReader, looked: Callable[[], Any]) -> List[Recorded]:
    """The clients, in the order in which they first connected. Reads it all; calls ``looked`` for each record."""
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


_SOCKETS = {
    "BybitPrivateClient": "private",
    "BybitTradeClient": "trade",
    "DBotTradeClient": "trade",
    "DBotDataClient": "data",
}


def _word(record: Opened) -> Word:
    socket = _SOCKETS.get(record.client, "")
    if record.client == "BybitPublicClient":
        socket = str(record.settings.get("category", ""))
    return Word(record.venue, socket)


def _topics(word: Word, payload: bytes) -> Iterable[Topic]:
    """What one request subscribes. What is no such request, or not as a client of ours writes it, is passed over."""
    try:
        document = json.loads(payload)
        return list(_READ[word.venue](word, document))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()


def _bybit(word: Word, document: Any) -> Iterable[Topic]:
    for topic in document["args"] if document["op"] == "subscribe" else ():
        found = route(word.socket, topic) if word.socket in CATEGORIES else None
        yield (topic, "") if found is None else (found.channel, found.symbol)


def _digifinex(word: Word, document: Any) -> Iterable[Topic]:
    channel, _, action = document["method"].rpartition(".")
    return [(channel, symbol) for symbol in document["params"] or ("",)] if action == "subscribe" else ()


def _cryptomus(word: Word, document: Any) -> Iterable[Topic]:
    channel, _, action = document["method"].rpartition("_")
    return [(channel, symbol) for symbol in document["params"]] if action == "subscribe" else ()


def _dbot(word: Word, document: Any) -> Iterable[Topic]:
    if document["method"] == "subscribeTradeResults":
        return [("tradeResults", type_) for type_ in document["tradeTypeFilter"] or ("",)]
    channel, args = document["type"], document.get("args", {})
    if document["method"] != "subscribe":
        return ()
    if channel == "pairsInfo":
        return [(f"{channel}.{args['pairsInfoInterval']}", f"{each['pair']}:{each['token']}") for each in args["pairs"]]
    if channel == "tx":
        return [(channel, pair) for pair in args["pair"]]
    if channel == "pairInfo":
        return [(channel, ":".join(filter(None, (args["pair"], args.get("token")))))]
    return [(channel, args.get("walletAddress", ""))]


_READ: Dict[str, Callable[[Word, Any], Iterable[Topic]]] = {
    "bybit": _bybit,
    "digifinex": _digifinex,
    "cryptomus": _cryptomus,
    "dbot": _dbot,
}
