"""The methods that pybit has on every client: ``is_connected`` and ``exit``."""

from __future__ import annotations

from typing import Any, Callable, Dict, TypeVar, Union

from dbxsdk.client import Client
from dbxsdk.models import Update
from dbxsdk.session import State

Data = TypeVar("Data")

Callback = Union[Callable[[Update[Data]], Any], Callable[[Dict[str, Any]], Any]]
"""The callback of a ``..._stream`` method: gets an ``Update``, or with ``raw=True`` the decoded frame."""


class BybitClient(Client):
    """One of Bybit's sockets. Use one of the classes made from it."""

    def is_connected(self) -> bool:
        """Return True if the connection is open and ready now."""
        return self.state is State.READY

    def exit(self) -> None:
        """Do the same as ``close()``."""
        self.close()
