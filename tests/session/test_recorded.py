"""What the session tells a recorder: of one that is in trouble, and only of that connection."""

from __future__ import annotations

from typing import Any, Callable, List

import pytest

import dbxsdk
from dbxsdk.runtime.log import ClientLog
from dbxsdk.session.recorded import Recorded
from dbxsdk.transport import Connection, NotSent, parse_url
from tests.session.fake import FakeProtocol


class Recorder:
    """One of the user's, which cannot take a frame back."""

    def connection(self, **about: Any) -> "Recorder":
        return self

    def sent(self, text: str, *, secret: bool = False) -> int:
        return 1

    def not_sent(self, number: int) -> None:
        raise OSError("no room")


def test_a_recorder_that_cannot_take_a_frame_back_is_reported_once_and_later() -> None:
    address, told = parse_url("url", "ws://127.0.0.1:1"), []
    later: List[Callable[[], None]] = []
    connection = Connection(address, dbxsdk.Options(), lambda: None, lambda _: None, lambda _: None)
    log = ClientLog("dbxsdk.session", "fake", "mine")
    recorded = Recorded(Recorder(), FakeProtocol(), address, None, told.append, later.append, log, "mine")
    recorded.begin(connection)
    for _ in range(2):
        with pytest.raises(NotSent):
            connection.send("text", 1.0)
    assert told == [], "a frame may be on its way just then"
    for report in later:
        report()
    (event,) = told
    assert isinstance(event, dbxsdk.RecordingFailed)
    assert (str(event.error), event.lost, event.client) == ("no room", 0, "mine")
