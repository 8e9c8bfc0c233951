"""What users of pybit know of every client: ``is_connected`` and ``exit``."""

from __future__ import annotations

from typing import Any, Callable, Dict, TypeVar, Union

from dbxsdk.client import Client
from dbxsdk.models import Update
from dbxsdk.session import State

Data = TypeVar("Data")

Callback = Union[Callable[[Update[Data]], Any], Callable[[Dict[str, Any]], Any]]
"""What a ``..._stream`` method calls: with an ``Update``, or with the decoded frame where ``raw``."""


class BybitClient(Client):
    """One of Bybit's sockets. Use one of the classes made from it."""

    def is_connected(self) -> bool:
        """Whether the connection is open and ready now."""
        return self.state is State.READY

    def exit(self) -> None:
        """The same as ``close()``."""
        self.close()
