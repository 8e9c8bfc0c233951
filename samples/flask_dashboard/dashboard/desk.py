"""What one process has: a feed and a copy trading task, made when somebody first wants them."""

from __future__ import annotations

import atexit
import contextlib
import threading
from typing import Callable, Optional

import attrs

from dbxsdk import BybitPublicClient, DBotTradeClient, Options, Relay
from dbxsdk.metrics import prometheus_collector, prometheus_lag
from prometheus_client import CollectorRegistry

from dashboard.feed import Feed
from dashboard.settings import Settings
from dashboard.task import Task


class Desk:
    """Made with the application, which starts nothing: a server that forks (``gunicorn --preload``) or starts itself
    again when a file changes (``flask run --debug``) imports the application where no connection should be."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.seats = threading.BoundedSemaphore(settings.viewers)
        self.is_serving: Callable[[], bool] = lambda: True
        """False once the server wants to end: streams to browsers must end, too (see ``gunicorn.conf.py``)."""
        self.registry = CollectorRegistry()
        self.registry.register(prometheus_collector())  # all clients of the process
        self._lag = prometheus_lag(self.registry)
        self._lock = threading.Lock()  # guards the making of what follows
        self._stack = contextlib.ExitStack()
        self._feed: Optional[Feed] = None
        self._task: Optional[Task] = None

    @property
    def feed(self) -> Feed:
        self._open()
        assert self._feed is not None
        return self._feed

    @property
    def task(self) -> Optional[Task]:
        """None where there is no key."""
        self._open()
        return self._task

    def close(self) -> None:
        """Ends the connections and, in local mode, the venues."""
        with self._lock:
            self._stack.close()

    def _open(self) -> None:
        with self._lock, contextlib.ExitStack() as stack:
            if self._feed is not None:
                return
            settings = self.settings if self.settings.live else _local(self.settings, stack)
            # Somebody is looking at the screen: try again sooner than a program on its own would.
            limit = settings.request_timeout
            options = Options(connect_timeout=limit, request_timeout=limit, backoff_initial=0.5, backoff_max=5)
            client = _market(settings, options)
            stack.callback(client.close)
            if settings.task_key and settings.task_id:
                trading = DBotTradeClient(settings.task_key, url=settings.task_url, options=options)
                stack.callback(trading.close)
                self._task = Task(trading, settings.task_id)
            self._feed = Feed(client, settings.symbol, settings.stale_after, self._lag)
            stack.callback(self._feed.close)
            self._feed.start()
            self._stack = stack.pop_all()  # nothing failed: keep what was opened
            atexit.register(self.close)


def _market(settings: Settings, options: Options) -> BybitPublicClient:
    """The same client either way: connected to the venue, or fed by a relay that is."""
    if settings.relay is None:
        return BybitPublicClient("linear", url=settings.feed_url, options=options)
    client: BybitPublicClient = Relay(settings.relay).client("bybit:linear", options=options)
    return client


def _local(settings: Settings, stack: contextlib.ExitStack) -> Settings:
    """The settings with the addresses and keys of local venues, which live as long as the desk does."""
    from dbxsdk.sim import BybitVenue, DBotVenue  # here: with real venues the extra "sim" is not needed

    market = stack.enter_context(BybitVenue())
    trading = stack.enter_context(DBotVenue(rate=1))
    return attrs.evolve(
        settings,
        feed_url=market.url("/v5/public/linear"),
        task_url=trading.url("/trade/ws/"),
        task_key=trading.api_key,
        task_id=trading.add_follow_order(enabled=False),
    )
