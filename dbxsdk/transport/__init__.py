"""The network: the only package that imports ``websocket``, ``socket`` and ``ssl``."""

from dbxsdk.transport.address import Address, parse_url
from dbxsdk.transport.connection import Connection, Ending, NotSent, SendFailed
from dbxsdk.transport.frames import INVALID_PAYLOAD, Batch, Message

__all__ = ["INVALID_PAYLOAD", "Address", "Batch", "Connection", "Ending", "Message", "NotSent", "SendFailed", "parse_url"]
