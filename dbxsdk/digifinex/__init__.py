"""DigiFinex spot WebSocket v1."""

from dbxsdk.digifinex.client import MAINLAND_URL, URL, DigiFinexClient
from dbxsdk.digifinex.models import AlgoOrder, Balance, Depth, Order, Ticker, Trade

__all__ = ["AlgoOrder", "Balance", "Depth", "DigiFinexClient", "MAINLAND_URL", "Order", "Ticker", "Trade", "URL"]
