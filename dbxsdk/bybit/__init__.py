"""Bybit v5: the public, private and order entry sockets' clients, their channels, and the models of what they send."""

from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand

if TYPE_CHECKING:
    from dbxsdk.bybit.private.account import Account
    from dbxsdk.bybit.private.account_state import AccountSnapshot
    from dbxsdk.bybit.private.channels import (
        EVENT_POSITIONS,
        EXECUTIONS,
        FAST_EXECUTIONS,
        GREEKS,
        ORDERS,
        POSITIONS,
        WALLETS,
    )
    from dbxsdk.bybit.private.client import BybitPrivateClient
    from dbxsdk.bybit.private.event_models import EventExecution, EventOrder, EventPosition
    from dbxsdk.bybit.private.models import Execution, ExtraFee, FastExecution, Greeks, Order, Position, Wallet, WalletCoin
    from dbxsdk.bybit.public.channels import (
        ADL_ALERTS,
        EVENT_ORDERBOOK,
        EVENT_TRADES,
        INSURANCE,
        LIQUIDATIONS,
        PRICE_LIMITS,
        RPI_ORDERBOOK,
        SYSTEM_STATUS,
        TICKERS,
        TRADES,
        kline,
        orderbook,
        undocumented,
    )
    from dbxsdk.bybit.public.client import BybitPublicClient
    from dbxsdk.bybit.public.event_models import EventBookUpdate, EventTrade
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
    from dbxsdk.bybit.rest_rows import from_rest
    from dbxsdk.bybit.trade.client import BybitTradeClient
    from dbxsdk.bybit.trade.results import BatchFailed, BatchOrder, BatchResult, OrderResult, RateLimit, ServerFailed

__all__ = [
    "ADL_ALERTS",
    "Account",
    "AccountSnapshot",
    "AdlAlert",
    "BatchFailed",
    "BatchOrder",
    "BatchResult",
    "BybitPrivateClient",
    "BybitPublicClient",
    "BybitTradeClient",
    "ContractTicker",
    "EVENT_ORDERBOOK",
    "EVENT_POSITIONS",
    "EVENT_TRADES",
    "EXECUTIONS",
    "EventBookUpdate",
    "EventExecution",
    "EventOrder",
    "EventPosition",
    "EventTrade",
    "Execution",
    "ExtraFee",
    "FAST_EXECUTIONS",
    "FastExecution",
    "GREEKS",
    "Greeks",
    "INSURANCE",
    "InsurancePool",
    "Kline",
    "LIQUIDATIONS",
    "LatestLiquidation",
    "Liquidation",
    "ORDERS",
    "OptionTicker",
    "Order",
    "OrderBookUpdate",
    "OrderResult",
    "POSITIONS",
    "PRICE_LIMITS",
    "Position",
    "PriceLimit",
    "RPI_ORDERBOOK",
    "RateLimit",
    "RpiOrderBookUpdate",
    "SYSTEM_STATUS",
    "ServerFailed",
    "SpotTicker",
    "SpreadTicker",
    "SystemStatus",
    "TICKERS",
    "TRADES",
    "Trade",
    "WALLETS",
    "Wallet",
    "WalletCoin",
    "from_rest",
    "kline",
    "orderbook",
    "undocumented",
]

_HOMES = {
    "dbxsdk.bybit.public.channels": (
        "ADL_ALERTS EVENT_ORDERBOOK EVENT_TRADES INSURANCE LIQUIDATIONS PRICE_LIMITS RPI_ORDERBOOK SYSTEM_STATUS "
        "TICKERS TRADES kline orderbook undocumented"
    ),
    "dbxsdk.bybit.private.account": "Account",
    "dbxsdk.bybit.private.account_state": "AccountSnapshot",
    "dbxsdk.bybit.private.channels": "EVENT_POSITIONS EXECUTIONS FAST_EXECUTIONS GREEKS ORDERS POSITIONS WALLETS",
    "dbxsdk.bybit.private.event_models": "EventExecution EventOrder EventPosition",
    "dbxsdk.bybit.public.event_models": "EventBookUpdate EventTrade",
    "dbxsdk.bybit.public.client": "BybitPublicClient",
    "dbxsdk.bybit.public.models": (
        "AdlAlert InsurancePool Kline LatestLiquidation Liquidation OrderBookUpdate PriceLimit RpiOrderBookUpdate "
        "SystemStatus Trade"
    ),
    "dbxsdk.bybit.public.ticker_models": "ContractTicker OptionTicker SpotTicker SpreadTicker",
    "dbxsdk.bybit.private.client": "BybitPrivateClient",
    "dbxsdk.bybit.private.models": "Execution ExtraFee FastExecution Greeks Order Position Wallet WalletCoin",
    "dbxsdk.bybit.rest_rows": "from_rest",
    "dbxsdk.bybit.trade.client": "BybitTradeClient",
    "dbxsdk.bybit.trade.results": "BatchFailed BatchOrder BatchResult OrderResult RateLimit ServerFailed",
}

if not TYPE_CHECKING:  # type checkers know the names from above, and no others
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
