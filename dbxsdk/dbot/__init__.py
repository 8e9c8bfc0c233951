"""DBot's WebSockets: trading tasks and their results, and market data. Unofficial; mind the venue's terms."""

from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand

if TYPE_CHECKING:
    from dbxsdk.dbot.data.client import DATA_URL, DBotDataClient
    from dbxsdk.dbot.data.protocol import (
        MIGRATED_PAIRS,
        NEW_PAIRS,
        PAIR_INFO,
        TRANSACTIONS,
        WALLET_TRANSACTIONS,
        pairs_info,
    )
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
    from dbxsdk.dbot.trade.protocol import TRADE_RESULTS
    from dbxsdk.dbot.trade.result_types import TYPES

__all__ = [
    "DATA_URL",
    "DBotDataClient",
    "DBotTradeClient",
    "MIGRATED_PAIRS",
    "NEW_PAIRS",
    "NewPair",
    "PAIR_INFO",
    "PairInfo",
    "SwapOrder",
    "TRADE_RESULTS",
    "TRADE_URL",
    "TRANSACTIONS",
    "TYPES",
    "TokenAmount",
    "TokenInfo",
    "TradeResult",
    "Transaction",
    "WALLET_TRANSACTIONS",
    "WalletTransaction",
    "Window",
    "pairs_info",
]

_HOMES = {
    "dbxsdk.dbot.data.client": "DATA_URL DBotDataClient",
    "dbxsdk.dbot.data.protocol": "MIGRATED_PAIRS NEW_PAIRS PAIR_INFO TRANSACTIONS WALLET_TRANSACTIONS pairs_info",
    "dbxsdk.dbot.models": (
        "NewPair PairInfo SwapOrder TokenAmount TokenInfo TradeResult Transaction WalletTransaction Window"
    ),
    "dbxsdk.dbot.trade.client": "TRADE_URL DBotTradeClient",
    "dbxsdk.dbot.trade.protocol": "TRADE_RESULTS",
    "dbxsdk.dbot.trade.result_types": "TYPES",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_demand(__name__, _HOMES)
