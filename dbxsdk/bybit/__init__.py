"""Bybit v5: the public, private and order entry sockets' clients, and the models of what they send."""

from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand

if TYPE_CHECKING:
    from dbxsdk.bybit.private.client import BybitPrivateClient
    from dbxsdk.bybit.private.models import Execution, ExtraFee, FastExecution, Greeks, Order, Position, Wallet, WalletCoin
    from dbxsdk.bybit.public.client import BybitPublicClient
    from dbxsdk.bybit.public.models import (
        AdlAlert,
        InsurancePool,
        Kline,
        LatestLiquidation,
        Liquidation,
        OrderBookUpdate,
        PriceLimit,
        RpiOrderBookUpdate,
        SystemStatus,
        Trade,
    )
    from dbxsdk.bybit.public.ticker_models import ContractTicker, OptionTicker, SpotTicker, SpreadTicker
    from dbxsdk.bybit.trade.client import BybitTradeClient
    from dbxsdk.bybit.trade.results import BatchFailed, BatchOrder, BatchResult, OrderResult, RateLimit, ServerFailed

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
    "dbxsdk.bybit.public.client": "BybitPublicClient",
    "dbxsdk.bybit.public.models": (
        "AdlAlert InsurancePool Kline LatestLiquidation Liquidation OrderBookUpdate PriceLimit RpiOrderBookUpdate "
        "SystemStatus Trade"
    ),
    "dbxsdk.bybit.public.ticker_models": "ContractTicker OptionTicker SpotTicker SpreadTicker",
    "dbxsdk.bybit.private.client": "BybitPrivateClient",
    "dbxsdk.bybit.private.models": "Execution ExtraFee FastExecution Greeks Order Position Wallet WalletCoin",
    "dbxsdk.bybit.trade.client": "BybitTradeClient",
    "dbxsdk.bybit.trade.results": "BatchFailed BatchOrder BatchResult OrderResult RateLimit ServerFailed",
}

if not TYPE_CHECKING:  # type checkers know the names from above, and no others
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
