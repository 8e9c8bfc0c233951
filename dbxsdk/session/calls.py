"""Calls: users' requests, each with exactly one outcome, in time."""

from __future__ import annotations

import concurrent.futures
import time
import weakref
from concurrent.futures import Future
from typing import Any, Optional

from dbxsdk.errors import ConnectError, DbxError
from dbxsdk.protocol import Request
from dbxsdk.session.core.machine import no_answer, not_connected
from dbxsdk.session.core.requests import USER, Entry, name_orders
from dbxsdk.session.futures import RequestFuture
from dbxsdk.session.lives import Lives
from dbxsdk.session.shared import Shared

_GRACE = 1.0
"""Seconds by which the machine's deadline of a request is behind that of a thread that keeps the time itself."""


class Calls:
    """``client.Client`` documents the public side of the methods."""

    def __init__(self, shared: Shared, lives: Lives, entries: "weakref.WeakSet[Entry]") -> None:
        """``entries`` gets all that are made: on its way to its future an entry is in no table."""
        self._shared = shared
        self._lives = lives
        self._entries = entries

    def call(self, request: Request, timeout: Optional[float]) -> Any:
        """Return the venue's result of ``request``."""
        deadline = self._wait_ready("call", request, timeout)
        return self._ask(request, deadline)

    def ping(self, timeout: Optional[float]) -> float:
        """Return the round trip in seconds."""
        request = self._shared.protocol.heartbeat()
        deadline = self._wait_ready("ping", request, timeout)
        started = time.monotonic()
        self._ask(request, deadline)
        return time.monotonic() - started

    def _wait_ready(self, method: str, request: Request, timeout: Optional[float]) -> float:
        """Wait for the connection. Return the deadline for the answer."""
        self._lives.guard_blocking(method)
        self._check_live(request)
        deadline = time.monotonic() + (self._shared.options.request_timeout if timeout is None else timeout)
        self._lives.wait_ready(deadline)
        return deadline

    def _ask(self, request: Request, deadline: float) -> Any:
        entry = self._entry(request, deadline - time.monotonic() + _GRACE)
        try:
            self._lives.when_begun(self._file, entry)
            return self._outcome(entry, deadline)
        except BaseException:  # noqa: B036 - Ctrl-C, or a framework's own time limit: nobody waits for it any more
            if not entry.future.done():
                self._shared.guard.do(self._shared.machine.abandon, entry)
            raise

    def submit(self, request: Request) -> "Future[Any]":
        """Return a future with the venue's result."""
        entry = self._entry(request, self._shared.options.request_timeout)
        future: "Future[Any]" = entry.future
        if not self._shared.connector.live:
            future.set_exception(self._refusal(request))
            return future
        try:
            self._lives.when_begun(self._file, entry)
            return future
        except BaseException:  # noqa: B036 - Ctrl-C: nobody has the future, and it must not be sent later
            self._shared.guard.do(self._shared.machine.abandon, entry)
            raise

    def _entry(self, request: Request, seconds: float) -> Entry:
        future = RequestFuture(self._shared.log, request.key)
        entry = Entry(request, USER, self._shared.clock.monotonic() + seconds, future)
        self._entries.add(entry)
        return entry

    def _file(self, entry: Entry) -> None:
        # In one step: a request must not be left with threads that have ended.
        if not self._shared.machine.link.ready:
            self._lives.ensure_threads()
        self._shared.machine.request(entry)

    def _outcome(self, entry: Entry, deadline: float) -> Any:
        """Block until the request has an outcome; return or raise it."""
        future = entry.future
        try:
            return future.result(max(deadline - time.monotonic(), 0.0))
        except concurrent.futures.TimeoutError:
            # RequestTimeout, an outcome like others, is a TimeoutError too.
            if future.done():
                return future.result()
        if not self._shared.guard.do(self._shared.machine.abandon, entry):
            return future.result(_GRACE)  # decided at the last moment
        if entry.outbox is not None:
            entry.outbox.settle()
        if not entry.written:
            raise not_connected(self._shared.endpoint)
        unknown = no_answer(entry.request)
        name_orders(unknown, entry.request)
        raise unknown

    def _check_live(self, request: Request) -> None:
        if not self._shared.connector.live:
            raise self._refusal(request)

    def _refusal(self, request: Request) -> DbxError:
        return ConnectError(f"{request.kind}: {self._shared.connector.refusal}; nothing was sent")
