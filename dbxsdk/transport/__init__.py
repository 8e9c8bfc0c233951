"""The network: the only package that imports ``websocket``, ``socket`` and ``ssl``."""

from dbxsdk.transport.address import Address, parse_url
from dbxsdk.transport.connect import warn_if_readable
from dbxsdk.transport.connection import Connection
from dbxsdk.transport.frames import INVALID_PAYLOAD, TOO_BIG, Message
from dbxsdk.transport.outcome import Ending, NotSent, SendFailed

__all__ = [
    "INVALID_PAYLOAD",
    "TOO_BIG",
    "Address",
    "Connection",
    "Ending",
    "Message",
    "NotSent",
    "SendFailed",
    "parse_url",
    "warn_if_readable",
]
