"""The columns that the trades of all venues have in common."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dbxsdk import Update, bybit, cryptomus, dbot, digifinex
from dbxsdk.digifinex import swap
from dbxsdk.models import TRADE_COLUMNS, trade_columns

NOW = 1_700_000_000_123
BYBIT = {"T": NOW, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "60000.10", "i": "an-id"}
SPOT = {"id": 7, "time": 1_700_000_000.123, "price": "60000.10", "amount": "0.5", "type": "sell"}
SWAP = {"instrument_id": "BTCUSDTPERP", "trade_id": "1234567890123456789", "price": "60000.10", "volume": "3", "trade_time": NOW}
CRYPTOMUS = {"price": Decimal("60000.10"), "quantity": Decimal("0.5"), "timestamp": NOW // 1000, "direction": "buy"}
DBOT = {"tx": "hash", "tt": "sell", "i": "7", "t": NOW // 1000, "u": "10", "q": "4"}
PRICE = Decimal("60000.10")


@pytest.mark.parametrize("channel, payload, expected", [
    (bybit.TRADES, [BYBIT], (PRICE, Decimal("0.5"), "buy", NOW, "an-id")),
    (digifinex.TRADES, [SPOT], (PRICE, Decimal("0.5"), "sell", NOW, "7")),
    (swap.TRADES, [{**SWAP, "direction": "1"}], (PRICE, Decimal(3), "buy", NOW, "1234567890123456789")),
    (swap.TRADES, [{**SWAP, "direction": "3"}], (PRICE, Decimal(3), "sell", NOW, "1234567890123456789")),
    (swap.TRADES, [{**SWAP, "direction": "9"}], (PRICE, Decimal(3), None, NOW, "1234567890123456789")),
    (cryptomus.TRADES, {"trades": [CRYPTOMUS]}, (PRICE, Decimal("0.5"), "buy", NOW // 1000 * 1000, None)),
    (dbot.TRANSACTIONS, [DBOT], (Decimal("2.5"), Decimal(4), "sell", NOW // 1000 * 1000, "7")),
    (dbot.TRANSACTIONS, [{**DBOT, "tt": "addLiq", "q": "0"}], (None, Decimal(0), None, NOW // 1000 * 1000, "7")),
])
def test_the_trades_of_every_venue_have_them(channel: Any, payload: Any, expected: Any) -> None:
    data = channel.read(payload)
    update: Any = Update(channel.venue, channel.name, "X", "update", data, None, 1, {})
    (record,) = update.records()
    assert tuple(record[name] for name in TRADE_COLUMNS) == expected
    (record,) = update.records(floats=True, times=True)
    price, size, side, time, _ = (record[name] for name in TRADE_COLUMNS)
    assert isinstance(size, float) and (price is None or isinstance(price, float)) and time.year == 2023 and side == expected[2]


@pytest.mark.parametrize("row", [None, {}, {"price": 1}, "text", (1, 2), 7])
def test_what_is_no_trade_has_none(row: Any) -> None:
    assert trade_columns(row) == {}
