"""Clients whose connections come from elsewhere than the network: from a recording or a relay."""

from __future__ import annotations

from typing import Any, Mapping, Type, TypeVar

from dbxsdk.client import Client
from dbxsdk.session import Connector

C = TypeVar("C", bound=Client)


def make_client(kind: Type[C], connector: Connector, arguments: Mapping[str, Any]) -> C:
    """Make a client whose connections come from ``connector`` in place of the network."""
    client = kind.__new__(kind)
    client._connector = connector  # before it is constructed: venues' constructors know nothing of it
    client.__init__(**arguments)  # type: ignore[misc]
    return client
