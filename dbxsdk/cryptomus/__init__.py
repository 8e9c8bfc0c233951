"""Cryptomus's exchange: its WebSocket, and the HTTP requests that belong to it."""

from dbxsdk.cryptomus.client import DEPTH_SCALES_URL, MARKETS_URL, TOKEN_URL, URL, CryptomusClient
from dbxsdk.cryptomus.models import Balance, Deal, Depth, DepthScale, LastPrice, Market, Order, Ticker, Trade

__all__ = [
    "Balance",
    "CryptomusClient",
    "DEPTH_SCALES_URL",
    "Deal",
    "Depth",
    "DepthScale",
    "LastPrice",
    "MARKETS_URL",
    "Market",
    "Order",
    "TOKEN_URL",
    "Ticker",
    "Trade",
    "URL",
]
