"""What users of pybit know of every client: ``is_connected`` and ``exit``."""

from __future__ import annotations

from dbxsdk.client import Client
from dbxsdk.session import State


class BybitClient(Client):
    """One of Bybit's sockets. Use one of the classes made from it."""

    def is_connected(self) -> bool:
        """Whether the connection is open and ready now."""
        return self.state is State.READY

    def exit(self) -> None:
        """The same as ``close()``."""
        self.close()
