"""What compresses recordings, each in turn."""

from __future__ import annotations

import pytest

from dbxsdk.recording import deflate

_needs_isal = pytest.mark.skipif(
    deflate._isal is None, reason="isal (of the extra test) is not installed, or DBXSDK_GZIP=stdlib is set"
)


@pytest.fixture(params=[pytest.param("isal", marks=_needs_isal), "zlib"])
def compressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of what compresses at level 1, here and in child processes."""
    if request.param == "zlib":
        monkeypatch.setattr(deflate, "_isal", None)
        monkeypatch.setenv("DBXSDK_GZIP", "stdlib")
    return str(request.param)
