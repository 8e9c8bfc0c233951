"""Which TLS is spoken where the user gives no context."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from dbxsdk.transport.tls import default_context


@pytest.mark.parametrize(
    "systems, ours",
    [("MINIMUM_SUPPORTED", "TLSv1_2"), ("TLSv1", "TLSv1_2"), ("TLSv1_2", "TLSv1_2"), ("TLSv1_3", "TLSv1_3")],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_what_the_system_allows_below_tls_1_2_is_not_spoken(monkeypatch: Any, systems: str, ours: str) -> None:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion[systems]
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)
    assert default_context().minimum_version == ssl.TLSVersion[ours]
    assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
