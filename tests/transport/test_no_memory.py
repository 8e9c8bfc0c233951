"""A socket that cannot take a frame for the moment is not a broken one."""

from __future__ import annotations

import errno
import time

import pytest

from dbxsdk import ConnectError
from dbxsdk.sim import DigiFinexVenue
from tests.connections import noted


def test_no_buffer_space_for_one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOBUFS (macOS, BSD; Linux under memory pressure): the connection lives. The request fails at once, or is sent; it does
    not lie there, on a connection that is ready, until its time is over."""
    network = noted(monkeypatch)
    with DigiFinexVenue() as venue, venue.client() as client:
        client.open()
        wire = network.now._wire
        send, failures = wire._send, [OSError(errno.ENOBUFS, "No buffer space available")]

        def once(data: bytes, flags: int) -> int:
            if failures:
                raise failures.pop()
            return send(data, flags)  # type: ignore[no-any-return]

        wire._send = once
        begun = time.monotonic()
        try:
            client.call("server.time", timeout=2.0)
        except ConnectError:
            pass
        assert time.monotonic() - begun < 1.5
