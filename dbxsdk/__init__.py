"""Synchronous, thread-based clients for the WebSocket APIs of trading venues.

    client = dbxsdk.DigiFinexClient()
    client.subscribe("trades", "BTC_USDT", callback=print)  # pushes reach the callback
    client.server_time()                                    # blocks, returns or raises
"""

import logging

from dbxsdk.bybit.client import BybitPublicClient
from dbxsdk.bybit.private import BybitPrivateClient
from dbxsdk.bybit.trade import BybitTradeClient
from dbxsdk.bybit.trade_results import BatchFailed, BatchOrder, BatchResult, OrderResult, RateLimit, ServerFailed
from dbxsdk.client import Client
from dbxsdk.cryptomus.client import CryptomusClient
from dbxsdk.dbot import DBotDataClient, DBotTradeClient
from dbxsdk.digifinex.client import DigiFinexClient
from dbxsdk.errors import (
    AuthError,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DbxError,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    SubscribeError,
    TransportError,
    UnreadableReply,
    VenueError,
    WrongThreadError,
)
from dbxsdk.events import BadFrame, CallbackFailed, Connected, Disconnected, Dropped, Event, Gap, Refused, Silent
from dbxsdk.models import Update
from dbxsdk.options import Options
from dbxsdk.session import Messages, State, Stats, Subscription

__version__ = "0.1.0"

__all__ = [
    "AuthError",
    "BadFrame",
    "BatchFailed",
    "BatchOrder",
    "BatchResult",
    "BybitPrivateClient",
    "BybitPublicClient",
    "BybitTradeClient",
    "CallbackFailed",
    "Client",
    "ClientClosed",
    "ConnectError",
    "Connected",
    "ConnectionLost",
    "CryptomusClient",
    "DBotDataClient",
    "DBotTradeClient",
    "DbxError",
    "DigiFinexClient",
    "Disconnected",
    "Dropped",
    "Event",
    "Gap",
    "Messages",
    "Options",
    "OrderResult",
    "OutcomeUnknown",
    "ProtocolError",
    "RateLimit",
    "RateLimited",
    "Refused",
    "RequestTimeout",
    "ServerFailed",
    "Silent",
    "State",
    "Stats",
    "SubscribeError",
    "Subscription",
    "TransportError",
    "UnreadableReply",
    "Update",
    "VenueError",
    "WrongThreadError",
]

# The library prints nothing by itself; what it logs is the application's to show.
logging.getLogger(__name__).addHandler(logging.NullHandler())
