"""DigiFinex swap WebSocket v2: the client, its channels, and the models of what they send."""

from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand

if TYPE_CHECKING:
    from dbxsdk.digifinex.swap.channels import (
        ACCOUNTS,
        ALL_TICKERS,
        ESTIMATED_SETTLE_PRICES,
        FUND_RATES,
        INDEX_PRICES,
        MARK_PRICES,
        ORDERS,
        POSITIONS,
        PRICE_RANGES,
        TICKERS,
        TRADES,
        cur_candle,
        depth,
        mark_candle,
    )
    from dbxsdk.digifinex.swap.client import URL, DigiFinexSwapClient
    from dbxsdk.digifinex.swap.models import (
        Account,
        Candle,
        Depth,
        EstimatedSettlePrice,
        FundRate,
        IndexPrice,
        MarkPrice,
        Order,
        Position,
        PriceRange,
        Ticker,
        Trade,
    )
    from dbxsdk.digifinex.swap.protocol import CODES, MOST_CHANNELS

__all__ = [
    "ACCOUNTS",
    "ALL_TICKERS",
    "Account",
    "CODES",
    "Candle",
    "Depth",
    "DigiFinexSwapClient",
    "ESTIMATED_SETTLE_PRICES",
    "EstimatedSettlePrice",
    "FUND_RATES",
    "FundRate",
    "INDEX_PRICES",
    "IndexPrice",
    "MARK_PRICES",
    "MOST_CHANNELS",
    "MarkPrice",
    "ORDERS",
    "Order",
    "POSITIONS",
    "PRICE_RANGES",
    "Position",
    "PriceRange",
    "TICKERS",
    "TRADES",
    "Ticker",
    "Trade",
    "URL",
    "cur_candle",
    "depth",
    "mark_candle",
]

_HOMES = {
    "dbxsdk.digifinex.swap.channels": (
        "ACCOUNTS ALL_TICKERS ESTIMATED_SETTLE_PRICES FUND_RATES INDEX_PRICES MARK_PRICES ORDERS POSITIONS "
        "PRICE_RANGES TICKERS TRADES cur_candle depth mark_candle"
    ),
    "dbxsdk.digifinex.swap.client": "URL DigiFinexSwapClient",
    "dbxsdk.digifinex.swap.models": (
        "Account Candle Depth EstimatedSettlePrice FundRate IndexPrice MarkPrice Order Position PriceRange "
        "Ticker Trade"
    ),
    "dbxsdk.digifinex.swap.protocol": "CODES MOST_CHANNELS",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
