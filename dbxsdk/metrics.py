"""Metrics of clients for Prometheus and OpenTelemetry, read from ``stats()`` when they are asked for: nothing a message.

One row a client, labelled ``client`` (its name) and ``venue``; a second client of the same name is ``name#2``. Without clients
given: all of the process, those made later included. A client's rows end with it. ::

    import prometheus_client  # pip install "dbxsdk[prometheus]"
    from dbxsdk.metrics import prometheus_collector

    registry = prometheus_client.CollectorRegistry()
    registry.register(prometheus_collector())

The histogram of lag, from the venue's time of an update to its callback, is opt-in, a subscription at a time: after
``lag = prometheus_lag(registry)`` subscribe with ``callback=lag(on_trades)``.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import weakref
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

import attrs

from dbxsdk.arguments import check_callback
from dbxsdk.client import Client
from dbxsdk.models import Update
from dbxsdk.runtime import exit
from dbxsdk.runtime.clock import wall_ns
from dbxsdk.session import State

COUNTER, GAUGE = "counter", "gauge"


@attrs.frozen
class Metric:
    """One metric: what ``field`` of ``Stats`` it shows, or the client's state."""

    name: str
    kind: str
    field: str
    help: str


STATES = {state: number for number, state in enumerate(State)}
"""The numbers of ``dbxsdk_state``: 0 new, 1 connecting, 2 ready, 3 reconnecting, 4 closed, 5 failed."""

METRICS = (
    Metric("dbxsdk_frames_received_total", COUNTER, "received", "Frames received."),
    Metric("dbxsdk_updates_delivered_total", COUNTER, "delivered", "Updates that reached their callback."),
    Metric("dbxsdk_updates_dropped_total", COUNTER, "dropped", "Updates dropped before their callback."),
    Metric("dbxsdk_bad_frames_total", COUNTER, "bad_frames", "Frames that could not be read or belonged to nothing."),
    Metric("dbxsdk_callback_errors_total", COUNTER, "callback_errors", "Callbacks that raised."),
    Metric("dbxsdk_reconnects_total", COUNTER, "reconnects", "Connections after the first."),
    Metric("dbxsdk_requests_pending", GAUGE, "pending", "Requests without an answer yet."),
    Metric("dbxsdk_updates_queued", GAUGE, "queued", "Updates that wait for their callback."),
    Metric("dbxsdk_last_received_age_seconds", GAUGE, "last_received_age", "Seconds since the last byte; absent if unconnected."),
    Metric("dbxsdk_state", GAUGE, "", ", ".join(f"{number} {state.value}" for state, number in STATES.items())),
)
LAG = "dbxsdk_lag_seconds"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of lag, in seconds."""

Callback = Callable[[Update[Any]], Any]
Measured = Callable[[Callback], Callback]
Row = Tuple[str, str, Any, State]
"""A client's name and venue, its ``Stats`` and its state."""


def prometheus_collector(*clients: Client) -> Any:
    """Return a collector of ``METRICS`` for a registry of ``prometheus_client``: ``registry.register(collector)``.

    Raises:
        TypeError: what is given is no client.
        ImportError: prometheus_client is not installed (extra ``prometheus``).
    """
    return _Collector(_Sources(clients), _module("prometheus_client.core", "prometheus_client", "prometheus"))


def instrument_opentelemetry(meter_provider: Any = None, clients: Iterable[Client] = ()) -> None:
    """Have ``meter_provider`` (default: the global one) observe ``METRICS``. Call it once a provider.

    Names are those of ``METRICS`` without ``_total``, and without ``_seconds`` where the unit is ``s``: exporters to
    Prometheus add both.

    Raises:
        TypeError: what is given is no client.
        ImportError: opentelemetry-api is not installed (extra ``otel``).
    """
    otel = _module("opentelemetry.metrics", "opentelemetry-api", "otel")
    sources = _Sources(tuple(clients))
    meter = otel.get_meter("dbxsdk", meter_provider=meter_provider)
    for metric in METRICS:
        make = meter.create_observable_counter if metric.kind == COUNTER else meter.create_observable_gauge
        name, unit = _otel_name(metric.name)
        make(name, [functools.partial(_observe, otel.Observation, sources, metric)], unit=unit, description=metric.help)


def prometheus_lag(registry: Any = None) -> Measured:
    """Make the histogram ``LAG`` (labels ``venue`` and ``channel``) in ``registry`` (default: the global one), and return what
    wraps a callback so that each of its updates is measured: the seconds from the venue's time to the callback, by this
    machine's clock, at least 0. Updates without a venue's time are not measured. Call it once a registry.

    Raises:
        ImportError: prometheus_client is not installed (extra ``prometheus``).
    """
    prometheus = _module("prometheus_client", "prometheus_client", "prometheus")
    where = {} if registry is None else {"registry": registry}
    histogram = prometheus.Histogram(LAG, _LAG_HELP, ["venue", "channel"], buckets=BUCKETS, **where)
    return functools.partial(_measured, lambda lag, venue, channel: histogram.labels(venue, channel).observe(lag))


def opentelemetry_lag(meter_provider: Any = None) -> Measured:
    """Do what ``prometheus_lag`` does, for a meter provider of OpenTelemetry (default: the global one).

    Raises:
        ImportError: opentelemetry-api is not installed (extra ``otel``).
    """
    otel = _module("opentelemetry.metrics", "opentelemetry-api", "otel")
    name, unit = _otel_name(LAG)
    histogram = otel.get_meter("dbxsdk", meter_provider=meter_provider).create_histogram(name, unit=unit, description=_LAG_HELP)
    return functools.partial(
        _measured, lambda lag, venue, channel: histogram.record(lag, {"venue": venue, "channel": channel})
    )


_LAG_HELP = "Seconds from the venue's time of an update to its callback."


class _Sources:
    """The clients to read, or all sessions of the process, each with a name of its own."""

    def __init__(self, clients: Tuple[Client, ...]) -> None:
        for client in clients:
            if not isinstance(client, Client):
                raise TypeError(f"clients must be clients, not {type(client).__name__}")
        self._clients = clients
        self._names: "weakref.WeakKeyDictionary[Any, str]" = weakref.WeakKeyDictionary()

    def rows(self) -> List[Row]:
        found: List[Any] = list(self._clients or exit.members(exit.sessions))
        taken = {(self._names[each], each.venue) for each in found if each in self._names}
        for each in found:
            if each not in self._names:
                names = itertools.chain([each.name], (f"{each.name}#{number}" for number in itertools.count(2)))
                self._names[each] = next(name for name in names if (name, each.venue) not in taken)
                taken.add((self._names[each], each.venue))
        return [(self._names[each], each.venue, each.stats(), each.state) for each in found]


class _Collector:
    """What a registry of ``prometheus_client`` asks at each scrape."""

    def __init__(self, sources: _Sources, core: Any) -> None:
        self._sources = sources
        self._kinds: Dict[str, Any] = {COUNTER: core.CounterMetricFamily, GAUGE: core.GaugeMetricFamily}

    def describe(self) -> Iterator[Any]:
        for metric in METRICS:
            yield self._kinds[metric.kind](metric.name, metric.help, labels=["client", "venue"])

    def collect(self) -> Iterator[Any]:
        rows = self._sources.rows()
        for metric, family in zip(METRICS, self.describe()):  # noqa: B905 - one of the other
            for name, venue, value in _values(metric, rows):
                family.add_metric([name, venue], value)
            yield family


def _observe(observation: Any, sources: _Sources, metric: Metric, _: Any) -> Iterable[Any]:
    return [observation(value, {"client": name, "venue": venue}) for name, venue, value in _values(metric, sources.rows())]


def _values(metric: Metric, rows: Iterable[Row]) -> Iterator[Tuple[str, str, float]]:
    for name, venue, stats, state in rows:
        value = getattr(stats, metric.field) if metric.field else STATES[state]
        if value is not None:
            yield name, venue, value


def _measured(observe: Callable[[float, str, str], None], callback: Callback) -> Callback:
    check_callback(callback)

    @functools.wraps(callback, updated=())
    def measured(update: Update[Any]) -> Any:
        venue_time_ms = getattr(update, "venue_time_ms", None)
        if venue_time_ms is not None:
            observe(max(wall_ns() / 1e9 - venue_time_ms / 1000, 0.0), update.venue, update.channel)
        return callback(update)

    return measured


def _otel_name(name: str) -> Tuple[str, str]:
    for suffix, unit in (("_total", "1"), ("_seconds", "s")):
        if name.endswith(suffix):
            return name[: -len(suffix)], unit
    return name, "1"


def _module(name: str, package: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"dbxsdk.metrics needs {package}: pip install 'dbxsdk[{extra}]'") from None
