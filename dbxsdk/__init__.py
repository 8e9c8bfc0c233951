"""Synchronous, thread-based clients for the WebSocket APIs of trading venues.

::

    client = dbxsdk.DigiFinexClient()
    client.subscribe("trades", "BTC_USDT", callback=print)  # pushes reach the callback
    client.server_time()                                    # blocks, returns or raises
    client.close()
"""

import logging
from typing import TYPE_CHECKING

from dbxsdk.runtime.lazy_import import on_demand
from dbxsdk.version import __version__ as __version__  # noqa: F401

if TYPE_CHECKING:
    from dbxsdk.book.order_book import OrderBook
    from dbxsdk.book.values import BookSnapshot, BookStats
    from dbxsdk.bybit.private.client import BybitPrivateClient
    from dbxsdk.bybit.public.client import BybitPublicClient
    from dbxsdk.bybit.trade.client import BybitTradeClient
    from dbxsdk.bybit.trade.results import BatchFailed, BatchOrder, BatchResult, OrderResult, RateLimit, ServerFailed
    from dbxsdk.channel import Channel
    from dbxsdk.cleaning import clean as clean
    from dbxsdk.client import Client
    from dbxsdk.cryptomus.client import CryptomusClient
    from dbxsdk.dbot import DBotDataClient, DBotTradeClient
    from dbxsdk.digifinex.client import DigiFinexClient
    from dbxsdk.digifinex.swap.client import DigiFinexSwapClient
    from dbxsdk.errors import (
        AuthError,
        ClientClosed,
        ConnectError,
        ConnectionLost,
        DbxError,
        OutcomeUnknown,
        ProtocolError,
        RateLimited,
        RecordingError,
        RequestTimeout,
        SubscribeError,
        TransportError,
        UnreadableField,
        UnreadableReply,
        VenueError,
        WrongThreadError,
    )
    from dbxsdk.events import (
        BadFrame,
        CallbackFailed,
        Connected,
        ConnectFailed,
        Disconnected,
        Drift,
        Dropped,
        Event,
        Filled,
        Gap,
        LateReply,
        RecordingFailed,
        Refused,
        Silent,
    )
    from dbxsdk.models import Update
    from dbxsdk.notebook import close_all
    from dbxsdk.options import Options
    from dbxsdk.playback import Replay, Replayed, ReplayProgress, replay
    from dbxsdk.recording import Recorder
    from dbxsdk.resolution import Resolution
    from dbxsdk.session import Messages, State, Stats, Subscription

__all__ = [
    "AuthError",
    "BadFrame",
    "BatchFailed",
    "BatchOrder",
    "BatchResult",
    "BookSnapshot",
    "BookStats",
    "BybitPrivateClient",
    "BybitPublicClient",
    "BybitTradeClient",
    "CallbackFailed",
    "Channel",
    "Client",
    "ClientClosed",
    "ConnectError",
    "ConnectFailed",
    "Connected",
    "ConnectionLost",
    "CryptomusClient",
    "DBotDataClient",
    "DBotTradeClient",
    "DbxError",
    "DigiFinexClient",
    "DigiFinexSwapClient",
    "Disconnected",
    "Drift",
    "Dropped",
    "Event",
    "Filled",
    "Gap",
    "LateReply",
    "Messages",
    "Options",
    "OrderBook",
    "OrderResult",
    "OutcomeUnknown",
    "ProtocolError",
    "RateLimit",
    "RateLimited",
    "Recorder",
    "RecordingError",
    "RecordingFailed",
    "Refused",
    "Replay",
    "ReplayProgress",
    "Replayed",
    "RequestTimeout",
    "Resolution",
    "ServerFailed",
    "Silent",
    "State",
    "Stats",
    "SubscribeError",
    "Subscription",
    "TransportError",
    "UnreadableField",
    "UnreadableReply",
    "Update",
    "VenueError",
    "WrongThreadError",
    "clean",
    "close_all",
    "replay",
]

# The library prints nothing; the application decides what of its log is shown.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Only what is used is loaded: one venue of four, mostly, and the import is a matter of milliseconds.
_HOMES = {
    "dbxsdk.bybit.public.client": "BybitPublicClient",
    "dbxsdk.bybit.private.client": "BybitPrivateClient",
    "dbxsdk.bybit.trade.client": "BybitTradeClient",
    "dbxsdk.bybit.trade.results": "BatchFailed BatchOrder BatchResult OrderResult RateLimit ServerFailed",
    "dbxsdk.channel": "Channel",
    "dbxsdk.cleaning": "clean",
    "dbxsdk.client": "Client",
    "dbxsdk.cryptomus.client": "CryptomusClient",
    "dbxsdk.dbot": "DBotDataClient DBotTradeClient",
    "dbxsdk.digifinex.client": "DigiFinexClient",
    "dbxsdk.digifinex.swap.client": "DigiFinexSwapClient",
    "dbxsdk.errors": (
        "AuthError ClientClosed ConnectError ConnectionLost DbxError OutcomeUnknown ProtocolError "
        "RateLimited RecordingError RequestTimeout SubscribeError TransportError UnreadableField UnreadableReply VenueError "
        "WrongThreadError"
    ),
    "dbxsdk.events": (
        "BadFrame CallbackFailed ConnectFailed Connected Disconnected Drift Dropped Event Filled Gap LateReply "
        "RecordingFailed Refused Silent"
    ),
    "dbxsdk.models": "Update",
    "dbxsdk.notebook": "close_all",
    "dbxsdk.options": "Options",
    "dbxsdk.book.order_book": "OrderBook",
    "dbxsdk.book.values": "BookSnapshot BookStats",
    "dbxsdk.recording": "Recorder",
    "dbxsdk.playback": "Replay ReplayProgress Replayed replay",
    "dbxsdk.resolution": "Resolution",
    "dbxsdk.session": "Messages State Stats Subscription",
}

if not TYPE_CHECKING:  # type checkers know the names from above, and no others
    _SHOWN = ("bybit", "cryptomus", "dbot", "digifinex", "errors", "events", "metrics", "recording", "sim")
    __getattr__, __dir__ = on_demand(__name__, _HOMES, _SHOWN)
