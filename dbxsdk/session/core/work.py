"""What all parts of the machine share: requests in flight, the effects of a step, and when to look again."""

from __future__ import annotations

from typing import Any, List

from dbxsdk.events import Event
from dbxsdk.options import Options
from dbxsdk.protocol import Protocol
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import Arm, Effect, Emit, Log, Send
from dbxsdk.session.core.link import Link
from dbxsdk.session.core.requests import Entry, Requests


class Work:
    """The machine's innermost part."""

    def __init__(self, protocol: Protocol, options: Options, endpoint: str, name: str, backoff: Backoff) -> None:
        """``name`` is the client's, for events."""
        self.protocol = protocol
        self.options = options
        self.name = name
        self.effects: List[Effect] = []
        self.link = Link(endpoint, backoff, options.max_reconnects)
        self.requests = Requests()
        self.armed = float("inf")
        """When ``tick`` has to be called next (monotonic seconds). An ``Arm`` says that it is earlier than it was."""

    def _file(self, entry: Entry) -> None:
        # Filed before the frame is written: a fast venue answers before the write returns.
        self.requests.file(entry)
        self.effects.append(Send(entry))
        self._arm(entry.deadline)

    def _arm(self, at: float) -> None:
        if at < self.armed:
            self.armed = at
            self.effects.append(Arm(at))

    def _emit(self, event: Event) -> None:
        self.effects.append(Emit(event))

    def _log(self, level: int, message: str, *arguments: Any) -> None:
        self.effects.append(Log(level, message, arguments))
