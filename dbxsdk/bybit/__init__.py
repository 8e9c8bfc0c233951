"""Bybit v5: the public sockets' client, and the models of what they send."""

from dbxsdk.bybit.client import BybitPublicClient
from dbxsdk.bybit.models import (
    AdlAlert,
    ContractTicker,
    InsurancePool,
    Kline,
    LatestLiquidation,
    Liquidation,
    OptionTicker,
    OrderBookUpdate,
    PriceLimit,
    RpiOrderBookUpdate,
    SpotTicker,
    SpreadTicker,
    SystemStatus,
    Trade,
)

__all__ = [
    "AdlAlert",
    "BybitPublicClient",
    "ContractTicker",
    "InsurancePool",
    "Kline",
    "LatestLiquidation",
    "Liquidation",
    "OptionTicker",
    "OrderBookUpdate",
    "PriceLimit",
    "RpiOrderBookUpdate",
    "SpotTicker",
    "SpreadTicker",
    "SystemStatus",
    "Trade",
]
