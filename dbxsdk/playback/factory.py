"""Clients like those that were recorded, made without anything secret, and with no way to a network."""

from __future__ import annotations

import inspect
from typing import Any, Dict, Tuple

from dbxsdk.client import Client
from dbxsdk.connected_elsewhere import make_client
from dbxsdk.errors import RecordingError
from dbxsdk.playback.handoff import Moment
from dbxsdk.playback.connector import ReplayConnector
from dbxsdk.recording.format import Opened
from dbxsdk.runtime.lazy_import import exported

_CREDENTIALS = ("api_key", "api_secret", "user_id")
_STAND_IN = "replayed"


def replay_client(opened: Opened) -> Tuple[Client, ReplayConnector]:
    """Make a client of the recorded class, and what feeds it. Raises ``RecordingError`` if there is no such class here."""
    kind = exported(opened.client)
    if not (isinstance(kind, type) and issubclass(kind, Client) and kind is not Client):
        raise RecordingError(f"it has a client of the class {opened.client!r:.60}, which this dbxsdk does not have")
    arguments: Dict[str, Any] = dict(opened.settings)
    for name in inspect.signature(kind).parameters:
        if name in _CREDENTIALS:
            arguments[name] = _STAND_IN
    connector = ReplayConnector(opened.owner, Moment(opened.monotonic_ns, opened.wall_ns))
    try:
        client: Client = make_client(kind, connector, arguments)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"its {opened.client} cannot be made of {dict(opened.settings)!r:.200}: {error}") from error
    return client, connector
