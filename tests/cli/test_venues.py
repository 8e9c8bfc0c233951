"""What the command line knows of the venues."""

from __future__ import annotations

from typing import Any

import pytest

import dbxsdk
from dbxsdk.cli.venues import ALL_WORDS, VENUES, default_client, word
from dbxsdk.client import Client
from dbxsdk.recording import RecordingError


@pytest.mark.parametrize("name", ALL_WORDS)
def test_every_socket_has_what_the_tools_ask_for(name: str) -> None:
    which = word(name)
    venue = VENUES[which.venue]
    assert venue.name == which.venue
    kind: Any = venue.client_class(which.socket)
    assert issubclass(kind, Client) and kind.__name__ in dbxsdk.__all__
    assert set(venue.variables_of(which.socket)) <= set(venue.variables)
    assert list(venue.channels(which.socket)) or which.socket == "trade"
    settings = {"category": which.socket} if venue.positional(which.socket) else {}
    assert venue.socket_of(kind.__name__, settings) == which.socket
    assert venue.local_class().name == venue.name


@pytest.mark.parametrize(
    "venue, kind, frame, client, settings",
    [
        ("digifinex", "", {"method": "trades.update"}, "DigiFinexClient", {}),
        ("digifinex", "", {"event": "trades.update"}, "DigiFinexSwapClient", {}),
        ("cryptomus", "", {"method": "pong"}, "CryptomusClient", {}),
        ("dbot", "", {"type": "pairInfo"}, "DBotDataClient", {}),
        ("dbot", "", {"method": "subscribe"}, "DBotDataClient", {}),
        ("dbot", "", {"method": "rpcResponse"}, "DBotTradeClient", {}),
        ("bybit", "", {"op": "order.create"}, "BybitTradeClient", {}),
        ("bybit", "auth.ok.trade", {"op": "auth"}, "BybitTradeClient", {}),
        ("bybit", "order.create.error.wrong-endpoint", {"op": "order.create"}, "BybitPrivateClient", {}),
        ("bybit", "", {"op": "auth"}, "BybitPrivateClient", {}),
        ("bybit", "", {"topic": "wallet"}, "BybitPrivateClient", {}),
        ("bybit", "", {"topic": "spread.order"}, "BybitPrivateClient", {}),
        ("bybit", "", {"topic": "rfq.open.public.trades"}, "BybitPublicClient", {"category": "linear"}),
        ("bybit", "", {"op": "subscribe", "args": ["order"]}, "BybitPrivateClient", {}),
        ("bybit", "subscribe.ok.spot", {"op": "subscribe"}, "BybitPublicClient", {"category": "spot"}),
        ("bybit", "", {"topic": "tickers.BTC-6JAN23-17500-C"}, "BybitPublicClient", {"category": "option"}),
        ("bybit", "", {"topic": "tickers.BTC-26DEC25"}, "BybitPublicClient", {"category": "linear"}),
        ("bybit", "", {"topic": "tickers.BTCUSD"}, "BybitPublicClient", {"category": "inverse"}),
        ("bybit", "", {"topic": "publicTrade.BTCUSDT"}, "BybitPublicClient", {"category": "linear"}),
    ],
)
def test_whose_frame_it_is(venue: str, kind: str, frame: Any, client: str, settings: Any) -> None:
    assert default_client({"venue": venue, "kind": kind, "frame": frame}) == (client, settings)


def test_a_frame_that_is_no_object_and_a_venue_that_is_not_known() -> None:
    assert default_client({"venue": "digifinex", "frame": "text"}) == ("DigiFinexClient", {})
    with pytest.raises(RecordingError, match="the client of venue 'kraken' is not known"):
        default_client({"venue": "kraken", "frame": {}})
