"""A session at all four venues, recorded with a dropped connection in it, and replayed."""

from __future__ import annotations

import gzip
import inspect
import pathlib
import re
import sys
import threading
from typing import Any, Dict, List

import pytest

import dbxsdk
from dbxsdk.recording import Frame, Opened, read
from tests.playback.session_of_all import CLASSES, Recorded, Sink, record, replayed, wish


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(str(tmp_path_factory.mktemp("recorded")))


def test_two_replays_and_the_live_session_are_the_same(recorded: Recorded) -> None:
    first, books, told = replayed(recorded)
    second, _, again = replayed(recorded)
    assert first.digest() == second.digest()
    assert told == again and told.complete and told.frames > 500
    for name in CLASSES:
        assert first.updates(name) == recorded.sink.updates(name), name
        assert len(first.updates(name)) >= 4, name
        assert _each_gap(first.events(name)) == _each_gap(recorded.sink.events(name)), name
    names = [event.split("(")[0] if isinstance(event, str) else "Gap" for event in _each_gap(first.events("bybit"))]
    assert names == ["Connected", "Disconnected", "Connected", "Gap", "Disconnected"]
    for name, live in recorded.books.items():
        assert not live.is_stale and len(live.bids) > 10
        assert (books[name].bids, books[name].asks, books[name].update_id) == (live.bids, live.asks, live.update_id)


_GAP = re.compile(r"Gap\(topics=\((.*?),?\), seconds=([0-9.e-]+), (last_received_ns=[0-9]+)")


def _each_gap(events: List[str]) -> List[Any]:
    """The events, and in place of the gaps between two others all of their topics. When a gap is reported, and with which
    others, depends on the acknowledgements alone: here subscriptions are granted at once."""
    found: List[Any] = []
    for event in events:
        gap = _GAP.match(event)
        if gap is None:
            found.append(event)
            continue
        if not found or not isinstance(found[-1], list):
            found.append([])
        found[-1] = sorted(found[-1] + [(topic, gap[3]) for topic in gap[1].split(", ")])
    return found


def _seconds(events: List[str]) -> Dict[str, float]:
    """How long the gap of each topic was."""
    gaps = [gap for gap in map(_GAP.match, events) if gap is not None]
    return {topic: float(gap[2]) for gap in gaps for topic in gap[1].split(", ")}


def test_gaps_are_as_long_as_recorded(recorded: Recorded) -> None:
    sink, _, _ = replayed(recorded)

    for name in ("bybit", "private", "digifinex", "data", "tasks"):
        live, again = _seconds(recorded.sink.events(name)), _seconds(sink.events(name))
        # Live it ends with the acknowledgement, or the first update, replayed with the opening before that.
        assert live.keys() == again.keys() and all(0 < again[topic] <= live[topic] for topic in live)


def test_no_secret_is_in_the_files(recorded: Recorded) -> None:
    text = b"".join(gzip.decompress(path.read_bytes()) for path in pathlib.Path(recorded.folder).iterdir())
    assert len(recorded.secrets) == 4 * 2 + 1 + 6 * 2  # keys of four venues, a token, two logins of three clients
    for secret in recorded.secrets:
        assert secret.encode() not in text
    # It is really there, without what is secret.
    assert text.count(b'"removed":"text"') == 6
    assert b'"op":"order.create"' in text.replace(b"\\", b"")


def test_everything_is_in_the_files(recorded: Recorded) -> None:
    records = list(read(recorded.folder))
    connections = {record.connection: record for record in records if isinstance(record, Opened)}
    assert sorted(record.client for record in connections.values()) == sorted(
        ["CryptomusClient", "DBotDataClient", "DBotTradeClient", "DigiFinexClient", "BybitPrivateClient", "BybitPublicClient",
         "BybitTradeClient"] + ["DBotDataClient", "DBotTradeClient", "DigiFinexClient", "BybitPrivateClient",
                                "BybitPublicClient", "BybitTradeClient"]
    )
    assert len({record.owner for record in connections.values()}) == 7
    frames = [record for record in records if isinstance(record, Frame)]
    kinds = {(frame.direction, frame.kind) for frame in frames}
    assert kinds >= {
        ("in", "text"), ("out", "text"), ("in", "binary"), ("out", "ping"), ("in", "pong"), ("out", "close"), ("in", "close"),
    }
    # No answer before its question.
    for number in connections:
        mine = [frame for frame in frames if frame.connection == number and frame.kind in ("text", "binary")]
        assert mine[0].direction == "out"
        assert [frame.number for frame in mine if frame.direction == "out"] == list(
            range(1, 1 + sum(frame.direction == "out" for frame in mine))
        )


def test_clients_that_were_not_taken_cost_nothing_and_disturb_nobody(recorded: Recorded) -> None:
    sink, whole = Sink(), replayed(recorded)[0]
    with dbxsdk.replay(recorded.folder, speed=None) as replay:
        wish("cryptomus", replay.client("cryptomus"), sink, recorded.pair)
        told = replay.run()
    assert sink.items == [item for item in whole.items if item[0] == "cryptomus"]
    assert 90 < told.frames < 300


def test_clients_by_venue_class_and_number(recorded: Recorded) -> None:
    with dbxsdk.replay(recorded.folder) as replay:
        assert replay.client(dbxsdk.BybitPublicClient) is replay.client("bybit", 0) is replay.client()
        trade = replay.client(dbxsdk.BybitTradeClient)
        clients = replay.clients
        assert len(clients) == 7 and trade in clients and clients == replay.clients
        assert [type(client) for client in clients] == [*CLASSES.values(), dbxsdk.BybitTradeClient]
        assert isinstance(clients[0], dbxsdk.BybitPublicClient) and clients[0].category == "linear"
        assert replay.client("dbot", 1) is replay.client(dbxsdk.DBotTradeClient)
        with pytest.raises(LookupError, match="no such client: 0 of kraken"):
            replay.client("kraken")
        with pytest.raises(LookupError, match="no such client: 3 of bybit, and the index is 3"):
            replay.client("bybit", 3)
        for wrong in (5, b"bybit"):
            with pytest.raises(TypeError, match="kind"):
                replay.client(wrong)  # type: ignore[call-overload]
        with pytest.raises(ValueError, match="index"):
            replay.client("bybit", -1)


def test_requests_are_not_answered(recorded: Recorded) -> None:
    with dbxsdk.replay(recorded.folder) as replay:
        trade = replay.client(dbxsdk.BybitTradeClient)
        with pytest.raises(dbxsdk.ConnectError, match="order.create: a replay answers no requests; nothing was sent"):
            trade.place_order(category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="1")
        with pytest.raises(dbxsdk.ConnectError, match="replay"):
            trade.ping()
        with pytest.raises(dbxsdk.ConnectError, match="replay"):
            trade.submit("ping").result(0)
        with pytest.raises(dbxsdk.ConnectError, match="replay"):
            replay.client(dbxsdk.DigiFinexClient).server_time()


_NETWORK: List[str] = []
_watching = threading.Event()


def _audit(event: str, arguments: Any) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") and _watching.is_set():
        _NETWORK.append(f"{event} {arguments[1:]}")


sys.addaudithook(_audit)  # which cannot be taken out again: it does nothing while nobody watches


ARGUMENTS = {
    "channel": "trades", "method": "ping", "op": "ping", "symbol": "BTC_USDT", "symbols": ["BTC_USDT"], "callback": print,
    "id": "a", "ids": ["a"], "category": "linear", "side": "Buy", "orderType": "Market", "qty": "1", "orderId": "a",
    "request": [{}], "chain": "solana", "pair": "P", "enabled": False, "depth": 50, "interval": "1m",
}


@pytest.mark.filterwarnings("ignore:.* Bybit retired the channel:DeprecationWarning")
def test_no_method_of_any_replayed_client_reaches_the_network(recorded: Recorded) -> None:
    _NETWORK.clear()
    refused = set()
    with dbxsdk.replay(recorded.folder) as replay:
        _watching.set()
        try:
            for client in replay.clients:
                for name in sorted(set(dir(client)) - {"close", "exit", "wait", "on_event", "postfork"}):
                    if name.startswith("_") or not callable(method := getattr(client, name)):
                        continue
                    parameters = inspect.signature(method).parameters.values()
                    wanted: Dict[str, Any] = {
                        each.name: ARGUMENTS.get(each.name, "a") for each in parameters
                        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
                    }
                    if "timeout" in {each.name for each in parameters}:
                        wanted["timeout"] = 1.0
                    try:
                        method(**wanted)
                    except dbxsdk.ConnectError as error:
                        assert "a replay answers no requests; nothing was sent" in str(error)
                        refused.add(name)
                    except (dbxsdk.DbxError, TypeError, ValueError):
                        pass
        finally:
            _watching.clear()
    assert _NETWORK == []
    assert {"markets", "depth_scales", "server_time", "ping", "call"} <= refused
