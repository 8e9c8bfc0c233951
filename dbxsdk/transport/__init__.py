"""The network: the only package that imports ``websocket``, ``socket`` and ``ssl``."""

from dbxsdk.transport.address import Address, parse_url
from dbxsdk.transport.connection import Connection, Ending, NotSent, SendFailed

__all__ = ["Address", "Connection", "Ending", "NotSent", "SendFailed", "parse_url"]
