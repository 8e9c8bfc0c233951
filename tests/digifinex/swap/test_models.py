"""The models of the swap socket: the documented rows, the doubtful ones, and what is not a row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict

import pytest

from dbxsdk import ProtocolError, Update
from dbxsdk.digifinex.swap import models
from dbxsdk.digifinex.swap.channels import ACCOUNTS, KINDS, ORDERS, POSITIONS, TICKERS, TRADES
from dbxsdk.fields import reader
from tests.digifinex.swap.frames import ACCOUNT, BTC, CANDLE, FUND_RATE, MARK_CANDLE, ORDER, POSITION, TICKER, TRADE, WHOLE


def test_a_ticker() -> None:
    ticker = TICKERS.read(TICKER)
    assert (ticker.best_bid_size, ticker.last, ticker.open_interest) == (Decimal("124.000000"), Decimal("61234.6"), "-")
    bare = TICKERS.read({name: TICKER[name] for name in ("instrument_id", "last", "timestamp")})
    assert bare.best_bid is None and bare.volume_token_24h is None
    assert TICKERS.read({**TICKER, "open_interest": 12}).open_interest == "12"


@pytest.mark.parametrize("direction, side", [("1", "buy"), ("2", "sell"), ("3", "sell"), ("4", "buy"), (4, "buy"), ("5", None)])
def test_the_side_of_a_trade(direction: Any, side: Any) -> None:
    (trade,) = TRADES.read([{**TRADE, "direction": direction, "trade_id": 1_700_000_000_000_000_001}])
    assert (trade.side, trade.trade_id, trade.volume) == (side, "1700000000000000001", 3)


def test_levels_are_decimals_also_where_sizes_are_numbers() -> None:
    depth = reader(models.Depth)({**WHOLE, "bids": [["61234.5", 1.5], ["61234.1", "7"]]})
    assert depth.asks == ((Decimal("61234.6"), Decimal(42)), (Decimal("61235"), Decimal(310)))
    assert depth.bids == ((Decimal("61234.5"), Decimal("1.5")), (Decimal("61234.1"), Decimal(7)))


def test_candles() -> None:
    candle = KINDS["cur_candle"].read(CANDLE)
    assert (candle.start, candle.open, candle.volume, candle.volume_token) == (
        1_789_999_980_000, Decimal("61200.1"), 1540, Decimal("1.54")
    )
    mark = KINDS["mark_candle"].read(MARK_CANDLE)
    assert (mark.close, mark.volume) == (Decimal("61233.8"), None)
    seven = KINDS["mark_candle"].read({**MARK_CANDLE, "mark_candle": [*MARK_CANDLE["mark_candle"], "5", "6", "7"]})
    assert (seven.volume, seven.volume_token) == (5, 6)


@pytest.mark.parametrize(
    "figures", [None, [], [1, "2", "3", "4"], "12345", {"a": 1}, [None, "1", "1", "1", "1"], [1, "x", "1", "1", "1"]]
)
def test_what_is_no_candle(figures: Any) -> None:
    with pytest.raises(ProtocolError):
        KINDS["cur_candle"].read({**CANDLE, "candle": figures})


@pytest.mark.parametrize(
    "name", ["index_price", "mark_price", "price_range", "fund_rate", "estimated_settle_price", "cur_candle"]
)
def test_small_updates_that_are_no_objects(name: str) -> None:
    for wrong in ([], None, 5, {}):
        with pytest.raises(ProtocolError):
            KINDS[name].read(wrong)


def test_fund_rates_may_be_small_and_their_times_texts() -> None:
    rate = KINDS["fund_rate"].read(FUND_RATE)
    assert (rate.next_funding_rate, rate.next_funding_time) == (Decimal("-0.00003"), 1_790_035_200_000)
    assert KINDS["fund_rate"].read({**FUND_RATE, "next_funding_rate": ""}).next_funding_rate is None


@pytest.mark.parametrize("channel, row", [(ACCOUNTS, ACCOUNT), (POSITIONS, POSITION), (ORDERS, ORDER)])
def test_rows_of_the_account_keep_what_nobody_knows(channel: Any, row: Dict[str, Any]) -> None:
    (plain,), (more,) = channel.read([row]), channel.read([{**row, "new": [1], "other": None}])
    assert plain.more == {} and more.more == {"new": [1], "other": None} and hash(plain) == hash(more)
    update = Update("digifinex", channel.name, BTC, "update", (more,), None, 1, row)
    assert update.records()[0]["more"] == {"new": [1], "other": None}


def test_fields_that_were_seen_in_rest_rows_alone_do_not_cost_the_update() -> None:
    odd = {"liquidation_price": "--", "margin": {}, "risk_score": "5", "margin_ratio": None, "realized_pnl": True}
    (position,) = POSITIONS.read([{**POSITION, **odd}])
    assert (position.liquidation_price, position.margin, position.risk_score, position.realized_pnl) == (None, None, 5, None)
    with pytest.raises(ProtocolError, match="'position' cannot be read"):
        POSITIONS.read([{**POSITION, "position": "--"}])


def test_orders_have_numbers_as_texts_and_the_reverse() -> None:
    (order,) = ORDERS.read([{**ORDER, "order_id": 1_700_000_000_000_000_009, "state": "-1", "price": 60000, "type": "4"}])
    assert (order.order_id, order.state, order.price, order.type) == ("1700000000000000009", -1, 60000, 4)
    (bare,) = ORDERS.read([{"order_id": "1", "instrument_id": BTC}])
    assert bare.state is None and bare.filled_qty is None


@pytest.mark.parametrize("channel, row, key", [
    (ACCOUNTS, ACCOUNT, "currency"), (POSITIONS, POSITION, "side"), (ORDERS, ORDER, "order_id"), (TRADES, TRADE, "trade_id"),
])
def test_a_row_needs_what_it_is_about(channel: Any, row: Dict[str, Any], key: str) -> None:
    with pytest.raises(ProtocolError, match=f"{key!r} is missing"):
        channel.read([{**row, key: None}])
