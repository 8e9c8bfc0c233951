"""Bybit v5: the public, private and order entry sockets' clients, and the models of what they send."""

from typing import TYPE_CHECKING

from dbxsdk.on_demand import on_demand

if TYPE_CHECKING:
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

_HOMES = {
    "dbxsdk.bybit.client": "BybitPublicClient",
    "dbxsdk.bybit.models": (
        "AdlAlert ContractTicker InsurancePool Kline LatestLiquidation Liquidation OptionTicker "
        "OrderBookUpdate PriceLimit RpiOrderBookUpdate SpotTicker SpreadTicker SystemStatus Trade"
    ),
    "dbxsdk.bybit.private": "BybitPrivateClient",
    "dbxsdk.bybit.private_models": "Execution ExtraFee FastExecution Greeks Order Position Wallet WalletCoin",
    "dbxsdk.bybit.trade": "BybitTradeClient",
    "dbxsdk.bybit.trade_results": "BatchFailed BatchOrder BatchResult OrderResult RateLimit ServerFailed",
}

if not TYPE_CHECKING:  # type checkers know the names from above, and no others
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
