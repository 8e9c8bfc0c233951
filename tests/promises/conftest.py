"""The two ends of a connection, plain and over TLS."""

from __future__ import annotations

import ssl
from typing import Any, Dict

import pytest

from tests.transport.conftest import authority, client_context, no_socket_left, server_context  # noqa: F401


@pytest.fixture(params=["ws", "wss"])
def tls(request: Any, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Dict[str, Any]:  # noqa: F811
    """The arguments of a ``ScriptedVenue`` that speaks plainly, or TLS."""
    if request.param == "ws":
        return {}
    return {"context": server_context, "client_context": client_context}
