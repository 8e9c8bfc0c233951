"""DigiFinex spot WebSocket v1: the client, its channels, and the models of what they send. Those of swaps are in ``swap``."""

from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand

if TYPE_CHECKING:
    from dbxsdk.digifinex.account import Account, AccountSnapshot
    from dbxsdk.digifinex.client import MAINLAND_URL, URL, DigiFinexClient
    from dbxsdk.digifinex.models import AlgoOrder, Balance, Depth, Order, Ticker, Trade
    from dbxsdk.digifinex.protocol import ALGO_ORDERS, ALL_TICKERS, BALANCES, DEPTH, ORDERS, TICKERS, TRADES

__all__ = [
    "ALGO_ORDERS",
    "ALL_TICKERS",
    "Account",
    "AccountSnapshot",
    "AlgoOrder",
    "BALANCES",
    "Balance",
    "DEPTH",
    "Depth",
    "DigiFinexClient",
    "MAINLAND_URL",
    "ORDERS",
    "Order",
    "TICKERS",
    "TRADES",
    "Ticker",
    "Trade",
    "URL",
]

_HOMES = {
    "dbxsdk.digifinex.account": "Account AccountSnapshot",
    "dbxsdk.digifinex.client": "MAINLAND_URL URL DigiFinexClient",
    "dbxsdk.digifinex.models": "AlgoOrder Balance Depth Order Ticker Trade",
    "dbxsdk.digifinex.protocol": "ALGO_ORDERS ALL_TICKERS BALANCES DEPTH ORDERS TICKERS TRADES",
    "dbxsdk.digifinex.swap": "",
}

if not TYPE_CHECKING:  # ``swap`` as an attribute, without having been imported
    __getattr__, __dir__ = on_demand(__name__, _HOMES, ("swap",))
