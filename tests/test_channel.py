"""Channels as constants: they mean what their names mean, and each venue's package has them all."""

from __future__ import annotations

import pickle
from typing import Any, Callable, Dict, List

import pytest

import dbxsdk
from dbxsdk import Channel, bybit, cryptomus, dbot, digifinex
from dbxsdk.bybit.private.channels import CHANNELS as PRIVATE
from dbxsdk.bybit.public.channels import CHANNELS as PUBLIC
from dbxsdk.cryptomus.protocol import CHANNELS as CRYPTOMUS
from dbxsdk.dbot.data.protocol import KINDS
from dbxsdk.digifinex import swap
from dbxsdk.digifinex.protocol import CHANNELS as DIGIFINEX
from dbxsdk.digifinex.swap.channels import KINDS as SWAP
from dbxsdk.sim import BybitVenue, DigiFinexVenue
from tests.waiting import Recorder

PACKAGES: Dict[str, Any] = {
    "bybit": bybit, "cryptomus": cryptomus, "dbot": dbot, "digifinex": digifinex, "digifinex:swap": swap,
}


def constants(package: Any) -> List[Channel[Any]]:
    return [value for value in (getattr(package, name) for name in package.__all__) if isinstance(value, Channel)]


@pytest.mark.parametrize("venue", PACKAGES)
def test_every_channel_with_a_model_has_a_constant(venue: str) -> None:
    names = {channel.name for channel in constants(PACKAGES[venue])}
    without_models = {"strategy", "dcp", "spread.order", "spread.execution"}
    without_models |= {"rfq.open.rfqs", "rfq.open.quotes", "rfq.open.trades"}
    retired = {"liquidation", "kline_lt", "tickers_lt", "lt"}
    expected = {
        "bybit": {*PRIVATE, "orderbook.25"}.union(*PUBLIC.values()) - without_models - retired - {"orderbook", "kline"},
        "cryptomus": {*CRYPTOMUS},
        "dbot": {*KINDS, "tradeResults"} - {"pairsInfo"},
        "digifinex": {*DIGIFINEX},
        "digifinex:swap": {*SWAP} - {"depth", "cur_candle", "mark_candle"},
    }
    assert names == expected[venue]
    assert {channel.venue for channel in constants(PACKAGES[venue])} == {venue}


@pytest.mark.parametrize("make, name", [
    (lambda: bybit.orderbook(50), "orderbook.50"),
    (lambda: bybit.orderbook("full"), "orderbook.full"),
    (lambda: bybit.kline(1), "kline.1"),
    (lambda: bybit.kline("D"), "kline.D"),
    (lambda: dbot.pairs_info("1m"), "pairsInfo.1m"),
    (lambda: swap.depth(20), "depth.20"),
    (lambda: swap.cur_candle("1m"), "cur_candle.1m"),
    (lambda: swap.mark_candle("1w"), "mark_candle.1w"),
])
def test_a_channel_with_a_variable_part_is_a_function(make: Callable[[], Channel[Any]], name: str) -> None:
    assert make().name == name and make() == make() and hash(make()) == hash(make())
    assert name in repr(make()) and "read" not in repr(make())


@pytest.mark.parametrize("call, error, message", [
    (lambda: bybit.orderbook(True), TypeError, "depth must be an int or a str, not bool"),
    (lambda: bybit.orderbook("5.0"), ValueError, "depth must be a number or a word"),
    (lambda: bybit.kline(None), TypeError, "interval must be an int or a str, not NoneType"),
    (lambda: bybit.kline(""), ValueError, "interval must be a number or a word"),
    (lambda: dbot.pairs_info("1m.x"), ValueError, "interval must be a word, like '1m'"),
    (lambda: dbot.pairs_info(1), TypeError, "interval"),
])
def test_a_part_that_cannot_be(call: Callable[[], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_it_is_a_value() -> None:
    assert pickle.loads(pickle.dumps(bybit.PRICE_LIMITS.name)) == "priceLimit"
    with pytest.raises(AttributeError):
        bybit.TRADES.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize("client, channel, message", [
    (lambda: dbxsdk.BybitPublicClient("spot"), digifinex.TRADES, "channel 'trades' is one of digifinex, not of bybit"),
    (lambda: dbxsdk.DigiFinexClient(), bybit.ORDERS, "channel 'order' is one of bybit, not of digifinex"),
    (lambda: dbxsdk.DigiFinexClient(), swap.TRADES, "channel 'trades' is one of digifinex:swap, not of digifinex$"),
    (lambda: dbxsdk.DigiFinexSwapClient(), digifinex.TRADES, "channel 'trades' is one of digifinex, not of digifinex:swap"),
])
def test_a_client_refuses_another_venues_channel(client: Callable[[], Any], channel: Channel[Any], message: str) -> None:
    for use in (
        lambda: client().subscribe(channel, "A", callback=print),
        lambda: client().messages(channel, "A"),
        lambda: client().unsubscribe(channel),
    ):
        with pytest.raises(ValueError, match=message):
            use()


def test_it_is_subscribed_iterated_and_unsubscribed_like_its_name() -> None:
    updates = Recorder()
    with BybitVenue(rate=0) as venue, venue.client("linear") as client:
        client.subscribe(bybit.TRADES, "BTCUSDT", callback=updates)
        with client.messages(bybit.orderbook(50), "BTCUSDT") as books:
            venue.step(20)
            first = next(books)
            assert isinstance(first, dbxsdk.Update) and first.channel == "orderbook.50" and first.data.bids
        updates.wait()
        assert updates.items[0].channel == "publicTrade" and updates.items[0].data[0].price > 0
        client.unsubscribe(bybit.TRADES, "BTCUSDT")
        seen = len(updates.items)
        venue.step(20)
        client.ping()
        assert len(updates.items) == seen


def test_raw_documents_of_a_channel() -> None:
    with DigiFinexVenue(rate=0) as venue, venue.client() as client:
        with client.messages(digifinex.DEPTH, "BTC_USDT", raw=True) as documents:
            first = next(documents)
            assert isinstance(first, dict) and first["method"] == "depth.update"
