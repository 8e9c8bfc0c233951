"""Bybit v5: the public, private and order entry sockets' clients, and the models of what they send."""

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
from dbxsdk.bybit.private import BybitPrivateClient
from dbxsdk.bybit.private_models import Execution, ExtraFee, FastExecution, Greeks, Order, Position, Wallet, WalletCoin
from dbxsdk.bybit.trade import BybitTradeClient
from dbxsdk.bybit.trade_results import BatchFailed, BatchOrder, BatchResult, OrderResult, RateLimit, ServerFailed

__all__ = [
    "AdlAlert",
    "BatchFailed",
    "BatchOrder",
    "BatchResult",
    "BybitPrivateClient",
    "BybitPublicClient",
    "BybitTradeClient",
    "ContractTicker",
    "Execution",
    "ExtraFee",
    "FastExecution",
    "Greeks",
    "InsurancePool",
    "Kline",
    "LatestLiquidation",
    "Liquidation",
    "OptionTicker",
    "Order",
    "OrderBookUpdate",
    "OrderResult",
    "Position",
    "PriceLimit",
    "RateLimit",
    "RpiOrderBookUpdate",
    "ServerFailed",
    "SpotTicker",
    "SpreadTicker",
    "SystemStatus",
    "Trade",
    "Wallet",
    "WalletCoin",
]
