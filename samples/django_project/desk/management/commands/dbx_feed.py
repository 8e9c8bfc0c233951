"""``manage.py dbx_feed``: the one process that has a feed."""

from __future__ import annotations

import contextlib
import signal
from datetime import datetime
from typing import Any, List, Tuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

import dbxsdk

from desk.feed import Feed, NotWritten
from desk.models import Trade
from desk.store import Store, symbol_of
from project.environment import Desk


class Command(BaseCommand):
    help = "Stores DigiFinex's trades in the database until Ctrl-C or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        _check_tables()
        desk = settings.DESK
        venue, url, resumed = "digifinex", desk.feed_url, None
        with contextlib.ExitStack() as stack:
            if not desk.live:
                from dbxsdk.sim import DigiFinexVenue  # here: with the real venue the extra "sim" is not needed

                # A local market begins anew each time, its trades' ids as well: it is a venue of its own.
                venue = f"local {datetime.now():%Y-%m-%d %H:%M:%S}"
                url = stack.enter_context(DigiFinexVenue(rate=5)).url()
            # "block": what cannot be stored yet is not read (see desk/feed.py). And back soon: the venue's history is short.
            soon = dbxsdk.Options(overflow="block", queue_size=1000, backoff_initial=0.5, backoff_max=10)
            if desk.relay is None:
                client = dbxsdk.DigiFinexClient(url=url, options=soon)
            else:
                client, resumed = _from_relay(desk, soon)
            stack.callback(client.close)
            feed = Feed(client, Store(venue, desk.symbols, resumed), desk)
            for number in (signal.SIGTERM, signal.SIGINT):
                stack.callback(signal.signal, number, signal.signal(number, feed.stop))
            try:
                feed.run()
            except (dbxsdk.DbxError, NotWritten) as error:
                raise CommandError(f"{type(error).__name__}: {error}") from None
        self.stdout.write("stopped; everything is written")


def _from_relay(desk: Desk, options: dbxsdk.Options) -> Tuple[dbxsdk.DigiFinexClient, List[str]]:
    """A client that goes on where this database's feed ended, and the symbols of which the relay knows where that was."""
    relay = dbxsdk.Relay(desk.relay or "")
    try:
        topics = relay.positions("digifinex", desk.reader)
    except dbxsdk.DbxError as error:
        raise CommandError(f"{type(error).__name__}: {error}") from None
    return relay.client("digifinex", durable=desk.reader, options=options), [symbol_of(topic) for topic in topics]


def _check_tables() -> None:
    """To the feed a table that is not there would be a database that is away for a while."""
    try:
        names = connection.introspection.table_names()
    except OperationalError:
        return  # that may be away for a while, too
    if Trade._meta.db_table not in names:
        raise CommandError("the database has no tables yet: run manage.py migrate")
