"""The market by itself: exact deltas, a book that never crosses, the same course for the same seed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, List, Optional

import pytest

from dbxsdk.sim.market.book import DepthFeed, Side
from dbxsdk.sim.market.candles import Candles, bounds
from dbxsdk.sim.market.market import Market, instrument

START_US = 1_700_000_000_000_000
STEP_US = 50_000


def make_market(seed: int = 1, **options: Any) -> Market:
    instruments = [instrument("BTC_USDT", "BTC", "USDT"), instrument("XRP_USDT", "XRP", "USDT")]
    market = Market(instruments, seed=seed, start_us=START_US, **options)
    assert market.step(START_US) == {}, "it stands still until it begins"
    market.begin()
    return market


def apply(side: Dict[int, int], changes: List[Any]) -> None:
    for tick, lots in changes:
        if lots:
            side[tick] = lots
        else:
            del side[tick]  # fails for a level that was never reported


@pytest.mark.parametrize("depth", [1, 5, 50, 200, 1000, None])
def test_a_depth_feed_sums_to_the_book_cut_at_its_depth(depth: Optional[int]) -> None:
    market = make_market(seed=depth or 7)
    book = market.symbols["BTC_USDT"].book
    feed = DepthFeed(book, depth)
    bids, asks = (dict(side) for side in feed.snapshot())
    left_window = 0
    for number in range(800):
        market.step(START_US + number * STEP_US)
        bid_changes, ask_changes = feed.advance()
        left_window += sum(1 for tick, lots in bid_changes if lots == 0 and tick in book.bids)
        apply(bids, bid_changes)
        apply(asks, ask_changes)
        assert bids == dict(book.bids.levels(depth)) and asks == dict(book.asks.levels(depth))
    if depth in (5, 50):
        assert left_window > 0  # levels that still rest in the book, but left the window


def test_a_feed_that_was_left_alone_catches_up_in_one_change() -> None:
    market = make_market()
    book = market.symbols["BTC_USDT"].book
    feed = DepthFeed(book, 50)
    bids, asks = (dict(side) for side in feed.snapshot())
    for number in range(500):
        market.step(START_US + number * STEP_US)
    bid_changes, ask_changes = feed.advance()
    apply(bids, bid_changes)
    apply(asks, ask_changes)
    assert (bids, asks) == (dict(book.bids.levels(50)), dict(book.asks.levels(50)))
    assert feed.advance() == ([], [])


@pytest.mark.parametrize("seed", range(5))
def test_the_book_never_crosses_and_stays_deep(seed: int) -> None:
    market = make_market(seed=seed)
    for number in range(2000):
        market.step(START_US + number * STEP_US)
        for symbol in market.symbols.values():
            assert 0 < symbol.book.bids.tick(0) < symbol.book.asks.tick(0)
            assert len(symbol.book.bids) >= 60 and len(symbol.book.asks) >= 60


def test_levels_are_best_first_and_positive() -> None:
    truth = make_market().truth("BTC_USDT")
    bids, asks = truth["bids"], truth["asks"]
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks)
    assert all(size > 0 for _, size in bids + asks)
    assert isinstance(bids[0][0], Decimal)


def test_trades_consume_resting_liquidity_at_the_best_price() -> None:
    market = make_market()
    symbol = market.symbols["BTC_USDT"]
    seen = 0
    for number in range(500):
        best_bid, best_ask = (level[0] for level in (symbol.ticker().bid, symbol.ticker().ask))
        trades = market.step(START_US + number * STEP_US)["BTC_USDT"]
        if trades:
            seen += 1
            first = trades[0]
            assert first.price == symbol.instrument.price_of(best_ask if first.buy else best_bid)
            assert all(trade.size > 0 for trade in trades)
            assert symbol.ticker().last == trades[-1].price
    assert seen > 100


def test_trade_ids_and_sequences_grow() -> None:
    market = make_market()
    ids: List[int] = []
    sequence = 0
    for number in range(300):
        step = market.step(START_US + number * STEP_US)
        for trades in step.values():
            ids += [trade.id for trade in trades]
        for trade in step["BTC_USDT"]:
            assert trade.sequence > sequence
            sequence = trade.sequence
    assert ids == sorted(set(ids))


def test_the_same_seed_gives_the_same_course() -> None:
    one, two, other = make_market(seed=3), make_market(seed=3), make_market(seed=4)
    for number in range(200):
        now_us = START_US + number * STEP_US
        assert one.step(now_us) == two.step(now_us)
        other.step(now_us)
    assert one.truth("XRP_USDT") == two.truth("XRP_USDT") != other.truth("XRP_USDT")


def test_a_symbol_moves_alike_whatever_is_traded_beside_it() -> None:
    alone = Market([instrument("BTC_USDT", "BTC", "USDT")], seed=1, start_us=START_US)
    alone.begin()
    beside = make_market(seed=1)
    for number in range(100):
        alone.step(START_US + number * STEP_US)
        beside.step(START_US + number * STEP_US)
    assert alone.truth("BTC_USDT") == beside.truth("BTC_USDT")


def test_the_figures_of_the_day_follow_the_trades() -> None:
    market = make_market()
    symbol = market.symbols["BTC_USDT"]
    before = symbol.ticker()
    traded = [trade for number in range(200) for trade in market.step(START_US + number * STEP_US)["BTC_USDT"]]
    after = symbol.ticker()
    assert after.base_volume_24h - before.base_volume_24h == sum(trade.size for trade in traded)
    assert after.quote_volume_24h - before.quote_volume_24h == sum(trade.size * trade.price for trade in traded)
    assert after.low_24h <= min(trade.price for trade in traded) <= max(trade.price for trade in traded) <= after.high_24h
    assert list(symbol.history)[-len(traded):] == traded


def test_candles_are_built_from_the_trades() -> None:
    market = make_market(intervals=("1", "D"))
    symbol = market.symbols["BTC_USDT"]
    start_us = START_US - START_US % 60_000_000 + 60_000_000
    traded = [trade for number in range(100) for trade in market.step(start_us + number * STEP_US)["BTC_USDT"]]
    candle = symbol.candle("1", start_us // 1000 + 5_000)
    assert candle.start_ms == start_us // 1000 and candle.end_ms == start_us // 1000 + 59_999
    assert candle.high == max(candle.open, max(trade.price for trade in traded))
    assert candle.close == traded[-1].price
    assert candle.volume == sum(trade.size for trade in traded)
    assert symbol.candle("D", start_us // 1000).volume > candle.volume


def test_a_candle_without_trades_opens_at_the_last_close() -> None:
    candles = Candles(["1"])
    candles.add(30_000, Decimal(5), Decimal(2))
    fresh = candles.at("1", 90_000, Decimal(7))
    closed = candles.closed("1")
    assert closed is not None and closed.start_ms == 0 and closed.volume == 2
    assert fresh.start_ms == 60_000 and fresh.open == fresh.close == 5 and fresh.volume == 0


@pytest.mark.parametrize(
    "interval, now_ms, start_ms, end_ms",
    [
        ("1", 61_000, 60_000, 119_999),
        ("D", 86_400_000, 86_400_000, 172_799_999),
        ("W", 1_700_000_000_000, 1_699_833_600_000, 1_700_438_399_999),  # Monday, 13 November 2023
        ("M", 1_703_000_000_000, 1_701_388_800_000, 1_704_067_199_999),  # December 2023
    ],
)
def test_candle_bounds(interval: str, now_ms: int, start_ms: int, end_ms: int) -> None:
    assert bounds(interval, now_ms) == (start_ms, end_ms)


def test_a_side_keeps_its_levels_best_first() -> None:
    bids = Side(bids=True)
    bids.set(10, 5)
    bids.set(11, 7)
    assert bids.levels() == [(11, 7), (10, 5)]
    bids.set(12, 1)
    bids.set(12, 0)
    bids.set(10, 6)
    bids.set(11, 0)
    assert bids.levels() == [(10, 6)]
    assert len(bids) == 1 and bids.tick(0) == 10 and 11 not in bids


def test_sizes_are_shown_with_all_their_places_and_a_gone_level_as_plain_zero() -> None:
    traded = instrument("BTC_USDT", "BTC", "USDT")
    assert traded.price_text(680000) == "68000.0" and traded.size_text(100) == "0.0100" and traded.size_text(0) == "0"
