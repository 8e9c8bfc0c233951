"""The feed: from the subscription to the database, in batches, until it is told to stop.

Two threads. The client's callbacks thread puts updates and events into a bounded ``Inbox``, in their order. The thread that
calls ``run`` takes batches out of it and writes them. A database that is locked or away is tried again until it is back;
meanwhile trades wait in the inbox. When that is full the client stops reading (its overflow policy ``"block"``): nothing is
thrown away here, and should the venue cut the connection for it, that is a ``Gap`` like any other.

From a relay, callbacks return only when what they got is in the database: the relay keeps how far that is, and a feed that is
started again goes on there.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Optional

from django.db import InterfaceError, OperationalError, connection

import dbxsdk

from desk.inbox import Inbox
from desk.store import Store
from project.environment import Desk

logger = logging.getLogger(__name__)

SIGN_OF_LIFE = 2.0
"""Seconds after which something is written though nothing came."""
RETRY = 2.0
"""Seconds between attempts to subscribe for the first time; later the client itself connects again."""
RETRY_WRITING = 0.2
REPEAT = 5.0
"""Seconds between two warnings that the database is away."""


class NotWritten(Exception):
    """The last trades could not be written in time."""


class Feed:
    """``run`` returns when it was told to ``stop`` and everything is written."""

    def __init__(self, client: dbxsdk.DigiFinexClient, store: Store, desk: Desk) -> None:
        self._client = client
        self._store = store
        self._desk = desk
        self._inbox = Inbox(desk.queue_size)
        self._is_durable = desk.relay is not None
        self._connecting = True
        self._stopped: Optional[float] = None  # monotonic
        self._left = 0  # trades that could not be written
        self._last_write = 0.0  # monotonic
        self._pause = threading.Event()  # never set: a pause that ends early is of no use here

    def stop(self, *_: Any) -> None:
        """May be called by a signal handler: it takes no lock."""
        if self._stopped is None:
            self._stopped = time.monotonic()
        if self._connecting:
            self._client.close()  # ends the wait for the venue; later the last updates are read first

    def run(self) -> None:
        """Raises ``DbxError`` where the venue refuses for good, ``NotWritten`` where trades had to be left behind.

        Neither loses trades without a trace: the next run opens a gap at the last trade that was written.
        """
        try:
            if self._written(self._store.begin):
                self._subscribe()
                while self._stopped is None:
                    self._client.wait(0)  # raises what ended it
                    self._write(self._desk.batch_seconds)
        finally:
            self._client.close(timeout=0)  # first: what is not in the database yet must not count as done
            self._inbox.close()
            self._client.close()
            if self._stopped is None:
                self._stopped = time.monotonic()
            while self._inbox.weight:
                self._write(0)
            self._written(self._store.end)
        if self._left:
            raise NotWritten(f"{self._left} trades could not be written: the database is away")

    def _subscribe(self) -> None:
        self._client.on_event(self._happened)
        while self._stopped is None:
            try:
                self._client.subscribe("trades", self._desk.symbols, callback=self._arrived)
            except dbxsdk.VenueError:
                raise
            except dbxsdk.DbxError as error:
                if self._stopped is None:
                    logger.warning("not connected yet: %s", error)
                    self._pause.wait(RETRY)
            else:
                break
        self._connecting = False
        if self._stopped is None:
            logger.info("storing the trades of %s", ", ".join(self._desk.symbols))

    def _arrived(self, update: dbxsdk.Update[Any]) -> None:
        self._inbox.put(update, max(1, len(update.data)), until_done=self._is_durable)

    def _happened(self, event: Any) -> None:
        loses = isinstance(event, (dbxsdk.Gap, dbxsdk.Dropped, dbxsdk.BadFrame))
        self._inbox.put(event, until_done=self._is_durable and loses)

    def _write(self, seconds: float) -> None:
        batch = self._inbox.take(self._desk.batch_size, seconds)
        if batch or time.monotonic() - self._last_write > SIGN_OF_LIFE:
            if not self._written(lambda: self._store.write(batch, self._client, self._inbox.weight)):
                self._left += sum(len(item.data) for item in batch if isinstance(item, dbxsdk.Update))

    def _written(self, work: Callable[[], None]) -> bool:
        """Does ``work``, again until the database takes it. False where the time to stop has run out before."""
        began = told = time.monotonic()
        warned = False
        while self._stopped is None or time.monotonic() - self._stopped < self._desk.stop_seconds:
            try:
                work()
            except (OperationalError, InterfaceError) as error:
                connection.close()  # the next attempt opens a new one: this one may be broken
                if not warned or time.monotonic() - told > REPEAT:
                    warned, told = True, time.monotonic()
                    waiting, room = self._inbox.weight, self._desk.queue_size
                    logger.warning("the database does not take it (%s): %d trades wait, %d have room", error, waiting, room)
                self._pause.wait(RETRY_WRITING)
            else:
                self._last_write = time.monotonic()
                if warned:
                    logger.warning("the database is back after %.1f s", self._last_write - began)
                return True
        return False
