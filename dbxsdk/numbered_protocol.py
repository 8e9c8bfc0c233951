"""Sockets whose requests are ``{id, method, params}`` with growing ids, and whose topics begin with the channel and a dot."""

from __future__ import annotations

import itertools
from typing import Any, Collection, Dict, Iterable, List, Sequence, Tuple

from dbxsdk import codec
from dbxsdk.arguments import check_choice
from dbxsdk.cleaning import clean
from dbxsdk.protocol import Protocol, Request


class NumberedProtocol(Protocol):
    """One such socket. Each method's ``params`` is a list."""

    channels: Sequence[str]
    """The names of the documented ones."""

    ping_method: str
    """The method of the heartbeat."""

    login_method: str = ""
    """The method whose params are secret."""

    def __init__(self) -> None:
        # Not from 0, which is the id of some pushes. next() on it is atomic: any thread makes requests.
        self._ids = itertools.count(1)

    def request(self, method: str, params: Any) -> Request:
        params = [] if params is None else params
        if not isinstance(params, (list, tuple)):
            raise TypeError(f"params must be a list, not {type(params).__name__}")
        return self._request(method, params)

    def heartbeat(self) -> Request:
        return self._request(self.ping_method, ())

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        check_choice("channel", channel, self.channels)
        return tuple(topic for topic in topics if channel_of(topic) == channel)

    def _request(self, method: str, params: Sequence[Any], topics: Iterable[str] = ()) -> Request:
        key, frame = self._frame(method, params)
        return Request(key=key, frame=frame, kind=method, topics=tuple(topics), secret=method == self.login_method)

    def _frame(self, method: str, params: Sequence[Any]) -> Tuple[int, str]:
        key = next(self._ids)
        return key, codec.encode({"id": key, "method": method, "params": list(params)})


def channel_of(topic: str) -> str:
    return topic.partition(".")[0]


def by_channel(topics: Iterable[str]) -> Dict[str, List[str]]:
    """Return the topics of each channel, in order."""
    groups: Dict[str, List[str]] = {}
    for topic in topics:
        groups.setdefault(channel_of(topic), []).append(topic)
    return groups


def read_error(error: Any) -> Tuple[Any, str]:
    """Return the code and text of a reply's ``error``, which is a text, or an object with both."""
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return code if isinstance(code, (int, str)) else None, message if isinstance(message, str) else clean(error, 200)
