"""The network, with a look at the connections that clients make on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from dbxsdk.client import Client
from dbxsdk.session import Connector
from tests.waiting import eventually

if TYPE_CHECKING:  # scripts need it not
    import pytest


class Noting(Connector):
    """Keeps the connections that are made, and the address of each."""

    def __init__(self) -> None:
        self.connections: List[Any] = []
        self.addresses: List[Any] = []

    def connect(self, address: Any, options: Any, receiver: Any, prepare: Any) -> Any:
        connection = super().connect(address, options, receiver, prepare)
        self.addresses.append(address)
        self.connections.append(connection)
        return connection

    @property
    def now(self) -> Any:
        """The newest connection, once there is one."""
        eventually(lambda: self.connections)
        return self.connections[-1]


def noted(monkeypatch: "pytest.MonkeyPatch") -> Noting:
    """Of all clients that the test makes from now on."""
    connector = Noting()
    monkeypatch.setattr(Client, "_connector", connector, raising=False)
    return connector
