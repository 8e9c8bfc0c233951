"""Certificates, and the rule that no socket is forgotten: an unclosed one is a ResourceWarning, which is an error."""

from __future__ import annotations

import gc
import ssl
from typing import Iterator

import pytest
import trustme


@pytest.fixture(autouse=True)
def no_socket_left(no_thread_left: None) -> Iterator[None]:
    yield
    gc.collect()
    gc.freeze()  # what is alive now is not looked at again after the next test


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """For a server that is called 127.0.0.1 and localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def stranger_context(authority: trustme.CA) -> ssl.SSLContext:
    """For a server with a good certificate for another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("venue.example").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """What trusts them."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
