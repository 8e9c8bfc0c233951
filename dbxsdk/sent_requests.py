"""The requests that a client has made, and what is known of their answers: what ``resolve`` looks up."""

from __future__ import annotations

import collections
import contextlib
import threading
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import attrs

from dbxsdk.codec import decode_object

_KEPT = 10_000
_KEPT_ANSWERED = 1000

Answers = Tuple[Tuple[Optional[bool], str], ...]


@attrs.define(eq=False)
class SentRequest:
    """One request.

    Attributes:
        operation: the venue's method.
        frame: what was sent. One text: thousands are kept, and the caller may change what it was made of.
        time_ms: when it was made, in ms since 1970.
        answers: for each order or task in it whether the venue accepted it (None: it does not say), and its words; empty before
            the answer came.
        wakes: set when the answer comes: see ``awaited``.
    """

    operation: str
    frame: str = attrs.field(repr=False)
    time_ms: int
    answers: Answers = ()
    read: Callable[[Dict[str, Any]], Mapping[str, Any]] = attrs.field(default=dict, repr=False)
    wakes: Tuple[threading.Event, ...] = attrs.field(default=(), repr=False)

    @property
    def params(self) -> Mapping[str, Any]:
        """What went with the method."""
        return self.read(decode_object(self.frame))

    @contextlib.contextmanager
    def awaited(self) -> Iterator[threading.Event]:
        """Have an event of one's own that the answer sets: another's lock may be held, for ever if the process was forked."""
        wake = threading.Event()
        self.wakes += (wake,)
        try:
            yield wake
        finally:
            self.wakes = tuple(each for each in self.wakes if each is not wake)


class SentRequests:
    """The last 10,000 without an answer, and the last 1,000 with one. Requests are made by any thread, answered by the reader.

    Each step is one operation on a dict, which no other thread can split: no lock.
    """

    def __init__(self, read: Callable[[Dict[str, Any]], Mapping[str, Any]] = dict) -> None:
        """``read`` finds in the document of a frame what went with the method."""
        self._read = read
        self._open: "collections.OrderedDict[Any, SentRequest]" = collections.OrderedDict()
        self._answered: "collections.OrderedDict[Any, SentRequest]" = collections.OrderedDict()

    def made(self, key: Any, operation: str, frame: str, time_ms: int) -> None:
        self._open[key] = SentRequest(operation, frame, time_ms, read=self._read)
        _trim(self._open, _KEPT)

    def answered(self, key: Any, answers: Answers) -> None:
        """Take in an answer, in time or late."""
        sent = self._open.get(key)
        if sent is not None:
            sent.answers = answers
            self._answered[key] = sent  # before it leaves the other: who looks for it meanwhile finds it
            self._open.pop(key, None)
            _trim(self._answered, _KEPT_ANSWERED)
            for wake in sent.wakes:
                wake.set()

    def forget(self, key: Any) -> None:
        """Forget a request that was never sent."""
        self._open.pop(key, None)

    def by_key(self, key: Any) -> Optional[SentRequest]:
        """Return the request with this id, if it is known."""
        return self._open.get(key) or self._answered.get(key)

    def newest_first(self) -> List[SentRequest]:
        """Return all that are known, the newest first."""
        return sorted((*self._answered.values(), *self._open.values()), key=lambda sent: -sent.time_ms)


def _trim(table: "collections.OrderedDict[Any, SentRequest]", most: int) -> None:
    while len(table) > most:
        try:
            table.popitem(last=False)
        except KeyError:  # others trim, too
            return
