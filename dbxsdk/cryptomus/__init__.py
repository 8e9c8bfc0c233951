"""Cryptomus's exchange: the client, its channels, and the models of what they send."""

from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand

if TYPE_CHECKING:
    from dbxsdk.cryptomus.account import Account, AccountSnapshot
    from dbxsdk.cryptomus.client import DEPTH_SCALES_URL, MARKETS_URL, TOKEN_URL, URL, CryptomusClient
    from dbxsdk.cryptomus.models import Balance, Deal, Depth, DepthScale, LastPrice, Market, Order, Ticker, Trade
    from dbxsdk.cryptomus.protocol import BALANCES, DEALS, DEPTH, LAST_PRICES, ORDERS, TICKERS, TRADES

__all__ = [
    "Account",
    "AccountSnapshot",
    "BALANCES",
    "Balance",
    "CryptomusClient",
    "DEALS",
    "DEPTH",
    "DEPTH_SCALES_URL",
    "Deal",
    "Depth",
    "DepthScale",
    "LAST_PRICES",
    "LastPrice",
    "MARKETS_URL",
    "Market",
    "ORDERS",
    "Order",
    "TICKERS",
    "TOKEN_URL",
    "TRADES",
    "Ticker",
    "Trade",
    "URL",
]

_HOMES = {
    "dbxsdk.cryptomus.account": "Account AccountSnapshot",
    "dbxsdk.cryptomus.client": "DEPTH_SCALES_URL MARKETS_URL TOKEN_URL URL CryptomusClient",
    "dbxsdk.cryptomus.models": "Balance Deal Depth DepthScale LastPrice Market Order Ticker Trade",
    "dbxsdk.cryptomus.protocol": "BALANCES DEALS DEPTH LAST_PRICES ORDERS TICKERS TRADES",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
