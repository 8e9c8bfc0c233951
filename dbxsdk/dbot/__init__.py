"""DBot's WebSockets: trading tasks and their results, and market data. Unofficial; mind the venue's terms."""

from dbxsdk.dbot.data.client import DATA_URL, DBotDataClient
from dbxsdk.dbot.models import (
    NewPair,
    PairInfo,
    SwapOrder,
    TokenAmount,
    TokenInfo,
    TradeResult,
    Transaction,
    WalletTransaction,
    Window,
)
from dbxsdk.dbot.trade.client import TRADE_URL, DBotTradeClient
from dbxsdk.dbot.trade.result_types import TYPES

__all__ = [
    "DATA_URL",
    "DBotDataClient",
    "DBotTradeClient",
    "NewPair",
    "PairInfo",
    "SwapOrder",
    "TRADE_URL",
    "TYPES",
    "TokenAmount",
    "TokenInfo",
    "TradeResult",
    "Transaction",
    "WalletTransaction",
    "Window",
]
