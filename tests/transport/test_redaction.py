"""No key or token in websocket-client's log, even where the user makes it log everything."""

from __future__ import annotations

import logging
from typing import Iterator, List

import pytest
import websocket

from dbxsdk import Options
from dbxsdk.sim import DigiFinexVenue
from dbxsdk.transport import Connection, parse_url


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.text: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(record.getMessage())


@pytest.fixture
def trace() -> Iterator[Lines]:
    lines = Lines()
    websocket.enableTrace(True, handler=lines)
    yield lines
    websocket.enableTrace(False)


def test_header_values_and_query_are_hidden(trace: Lines) -> None:
    with DigiFinexVenue(rate=0) as venue:
        address = parse_url("url", venue.url() + "?token=f00dcafe&max_active_time=45s", {"x-api-key": "open-sesame"})
        ended: List[str] = []
        connection = Connection(
            address,
            Options(),
            lambda: connection.close(),
            lambda *_: None,
            lambda _: None,  # noqa: B023
        )
        ended.append(connection.run().reason)
    log = "\n".join(trace.text)
    assert ended == ["closed"]
    assert "GET /ws/v1/" in log, "the handshake was not traced: this test shows nothing"
    assert "x-api-key: ***" in log
    assert "f00dcafe" not in log and "open-sesame" not in log
