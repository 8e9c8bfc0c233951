"""Rows of REST become the stream's models: names that differ, candles, what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict

import pytest

from dbxsdk.bybit import from_rest
from dbxsdk.bybit.rest_rows import candle_end
from dbxsdk.errors import ProtocolError

ORDER = {"symbol": "S", "orderId": "o", "orderLinkId": "l", "side": "Buy", "orderStatus": "New", "qty": "1", "price": "2.50"}
EXECUTION = {"symbol": "S", "side": "Buy", "orderId": "o", "execId": "e", "execPrice": "1", "execQty": "2", "execTime": "5"}
POSITION = {"symbol": "S", "side": "Sell", "size": "1", "positionIdx": 0, "avgPrice": "7.5", "seq": -1}
TRADE = {"execId": "9", "symbol": "S", "price": "1.0", "size": "2", "side": "Sell", "time": "5", "seq": "77"}


def test_an_order_gets_the_category_that_stands_beside_the_rows() -> None:
    order = from_rest("order", ORDER, category="linear")
    assert (order.category, order.order_link_id, order.price, order.avg_price) == ("linear", "l", Decimal("2.50"), None)
    assert from_rest("order", {**ORDER, "category": "spot"}).category == "spot"


def test_names_that_differ() -> None:
    assert from_rest("position", POSITION, category="linear").entry_price == Decimal("7.5")
    trade = from_rest("publicTrade", {**TRADE, "isBlockTrade": False, "isRPITrade": True})
    read = (trade.trade_id, trade.time_ms, trade.sequence, trade.price, trade.is_block_trade, trade.is_rpi, trade.tick_direction)
    assert read == ("9", 5, 77, Decimal("1.0"), False, True, None)


@pytest.mark.parametrize(
    "fees, rates", [("", []), (None, []), ('[{"feeRate":"0.1"}]', [Decimal("0.1")]), ([{"feeRate": "0.2"}], [Decimal("0.2")])]
)
def test_extra_fees_are_a_text(fees: Any, rates: Any) -> None:
    execution = from_rest("execution", {**EXECUTION, "extraFees": fees}, category="spot")
    assert [fee.fee_rate for fee in execution.extra_fees] == rates


def test_a_wallet_needs_no_category() -> None:
    wallet = from_rest("wallet", {"accountType": "UNIFIED", "coin": [{"coin": "BTC", "walletBalance": "3"}]})
    assert wallet.coin[0].wallet_balance == 3


@pytest.mark.parametrize("now, closed, stamp", [(1_000_030_000, False, 1_000_030_000), (1_000_060_000, True, 1_000_059_999)])
def test_a_candle_is_closed_once_its_end_has_passed(now: int, closed: bool, stamp: int) -> None:
    candle = from_rest("kline.1", ["1000000000", "1", "4", "0.5", "2", "10", "20"], server_ms=now)
    assert (candle.start, candle.end, candle.interval) == (10**9, 1_000_059_999, "1")
    assert (candle.confirm, candle.timestamp) == (closed, stamp)
    assert (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.turnover) == (
        *map(Decimal, ("1", "4", "0.5", "2", "10", "20")),
    )


def test_the_lengths_of_candles() -> None:
    day = 86_400_000
    assert candle_end("720", 0) == day // 2 - 1 and candle_end("D", 0) == day - 1 and candle_end("W", 0) == 7 * day - 1
    february = 1_706_745_600_000  # of 2024, a leap year
    assert candle_end("M", february) == february + 29 * day - 1
    december = 1_701_388_800_000
    assert candle_end("M", december) == december + 31 * day - 1


def test_open_candles_go_by_this_machines_clock_if_none_is_given() -> None:
    assert from_rest("kline.D", ["0", *"111111"]).confirm


@pytest.mark.parametrize("channel", ["kline", "kline.", "kline.0", "kline.1.BTCUSDT", "orderbook.50", "wallets", "kline.٣x"])
def test_channels_that_rest_does_not_have(channel: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        from_rest(channel, {})


def test_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="category"):
        from_rest("order", ORDER)
    with pytest.raises(ValueError, match="category"):
        from_rest("order", ORDER, category="futures")
    with pytest.raises(TypeError, match="channel"):
        from_rest(None, {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="server_ms"):
        from_rest("kline.1", [], server_ms=-1)


BAD: Dict[str, Any] = {
    "order": {**ORDER, "qty": "many"},
    "execution": {**EXECUTION, "extraFees": "[{"},
    "position": [],
    "publicTrade": {**TRADE, "execId": None},
    "kline.1": [["0"]],
    "kline.5": ["soon", *"111111"],
    "kline.M": ["9" * 30, *"111111"],
    "wallet": None,
}


@pytest.mark.parametrize("channel", BAD)
def test_rows_that_do_not_parse(channel: str) -> None:
    with pytest.raises(ProtocolError):
        from_rest(channel, BAD[channel], category="linear")
