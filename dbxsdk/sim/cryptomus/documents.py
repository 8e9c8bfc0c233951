"""The local Cryptomus venue's documents: updates, trades, tickers, the list of markets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Union

from dbxsdk.sim.market.market import Instrument, Ticker, Trade


def update_document(channel: str, data: Dict[str, Any], update_id: Union[int, str] = 0) -> Dict[str, Any]:
    # Updates have ids that belong to no request: 0 for market data, texts for the account's.
    return {"id": update_id, "method": f"{channel}_update", "data": data, "error": None}


def trade_document(trade: Trade) -> Dict[str, Any]:
    return {
        "price": float(trade.price),  # JSON numbers here, texts everywhere else
        "quantity": float(trade.size),
        "timestamp": trade.time_us // 1_000_000,
        "direction": "buy" if trade.buy else "sell",
    }


def ticker_document(symbol: str, ticker: Ticker, now: int) -> Dict[str, Any]:
    percent = (ticker.last - ticker.open_24h) / ticker.open_24h * 100
    return {
        "symbol": symbol,
        "timestamp": now,
        "price": format(ticker.last, "f"),
        "open": format(ticker.open_24h, "f"),
        "high": format(ticker.high_24h, "f"),
        "low": format(ticker.low_24h, "f"),
        "volume": format(ticker.base_volume_24h, "f"),
        "quote_volume": format(ticker.quote_volume_24h, "f"),
        "price_change": format(percent, ".2f"),
    }


def _places(number: Decimal) -> str:
    """Return the number of decimal places, as the text that the list of markets has for it."""
    return str(max(0, -int(number.normalize().as_tuple().exponent)))


def market_document(number: int, traded: Instrument) -> Dict[str, str]:
    return {
        "id": f"01LOCAL{number:019d}",
        "symbol": traded.symbol,
        "baseCurrency": traded.base,
        "quoteCurrency": traded.quote,
        "baseMinSize": format(traded.lot_size, ".16f"),
        "quoteMinSize": "0.1000000000000000",
        "baseMaxSize": "10000000000.0000000000000000",
        "quoteMaxSize": "99999999.0000000000000000",
        "basePrec": _places(traded.lot_size),
        "quotePrec": _places(traded.tick_size),
        "baseCurrencyFullName": traded.base,
        "quoteCurrencyFullName": traded.quote,
    }
