"""What the swap socket sends, as it is documented: the samples of the reference, and what is known of the account's rows."""

from __future__ import annotations

from typing import Any, Dict

BTC = "BTCUSDTPERP"
MS = 1_790_000_000_123

TICKER: Dict[str, Any] = {
    "instrument_id": BTC, "best_bid": "61234.5", "best_bid_size": "124.000000", "best_ask": "61234.6", "best_ask_size": "42",
    "high_24h": "62010.1", "open_24h": "60777.0", "low_24h": "60450.2", "last": "61234.6", "last_qty": "3",
    "volume_24h": "8123456", "volume_token_24h": "8123.456", "open_interest": "-", "timestamp": MS,
}
WHOLE: Dict[str, Any] = {
    "instrument_id": BTC, "level": 10, "timestamp": 1_790_000_000_200, "asks": [["61234.6", 42], ["61235", 310]],
    "bids": [["61234.5", 118], ["61234.1", 77]],
}
CHANGE: Dict[str, Any] = {
    "instrument_id": BTC, "level": 10, "timestamp": 1_790_000_000_350, "asks": [["61234.6", 0], ["61235.3", 15]],
    "bids": [["61233.9", 20], ["61234.5", 120]],
}
TRADE: Dict[str, Any] = {
    "instrument_id": BTC, "trade_id": "1700000000000000001", "direction": "1", "volume": "3", "price": "61234.6",
    "trade_time": MS,
}
CANDLE: Dict[str, Any] = {
    "instrument_id": BTC, "granularity": "1m",
    "candle": [1_789_999_980_000, "61200.1", "61240.0", "61199.9", "61234.6", "1540", "1.54"],
}
MARK_CANDLE: Dict[str, Any] = {
    "instrument_id": BTC, "granularity": "1m", "mark_candle": [1_789_999_980_000, "61201.0", "61239.2", "61200.4", "61233.8"],
}
FUND_RATE: Dict[str, Any] = {
    "instrument_id": BTC, "funding_rate": "0.0001", "funding_time": 1_790_006_400_000, "next_funding_rate": "-3e-05",
    "next_funding_time": "1790035200000",
}
ACCOUNT: Dict[str, Any] = {
    "currency": "USDT", "equity": "1002.5", "avail_balance": "940.1", "margin": "50", "frozen_margin": "12.4",
    "realized_pnl": "0.5", "unrealized_pnl": "2", "time_stamp": MS,
}
POSITION: Dict[str, Any] = {
    "instrument_id": BTC, "side": "long", "margin_mode": "crossed", "position": "2", "avail_position": "2",
    "avg_cost": "61000.5", "leverage": "20", "timestamp": MS,
}
ORDER: Dict[str, Any] = {
    "order_id": "1700000000000000009", "instrument_id": BTC, "price": "60000", "size": "5", "filled_qty": "2",
    "price_avg": "60000", "state": 1, "type": 1, "order_type": 0, "time_stamp": MS,
}


def update(name: str, data: Any, **more: Any) -> Dict[str, Any]:
    return {"event": f"{name}.update", **more, "data": data}


PRICES = {
    "index_price": {"instrument_id": BTC, "index_price": "61233.1", "timestamp": MS},
    "mark_price": {"instrument_id": BTC, "mark_price": "61233.2", "timestamp": MS},
    "price_range": {"instrument_id": BTC, "highest": "64295", "lowest": "58172", "timestamp": MS},
    "fund_rate": FUND_RATE,
    "estimated_settle_price": {"instrument_id": "BTC2-MOVE-20220909", "estimated_settle_price": "61233.3", "timestamp": MS},
}

UPDATES = [
    update("ticker", TICKER),
    update("all_ticker", [TICKER, {**TICKER, "instrument_id": "BTCPERP"}]),
    [TICKER],
    update("depth", WHOLE, full_data=True),
    update("depth", CHANGE),
    update("trades", [TRADE]),
    update("cur_candle", CANDLE),
    update("mark_candle", MARK_CANDLE),
    *(update(name, data) for name, data in PRICES.items()),
    update("account", [ACCOUNT]),
    update("position", [POSITION]),
    update("order", [ORDER]),
]
