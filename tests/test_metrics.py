"""Metrics: for Prometheus and OpenTelemetry, of all clients or of some, and the dashboard that shows them."""

from __future__ import annotations

import json
import pathlib
import re
import sys
import time
from types import SimpleNamespace
from typing import Any, Dict, List

import attrs
import pytest

import dbxsdk
from dbxsdk import Options, Stats, metrics
from dbxsdk.metrics import METRICS, STATES, instrument_opentelemetry, opentelemetry_lag, prometheus_collector, prometheus_lag
from dbxsdk.sim import BybitVenue
from tests.waiting import Recorder, eventually

ROOT = pathlib.Path(__file__).parents[1]


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_figure_of_stats_but_one_has_its_metric() -> None:
    fields = [field.name for field in attrs.fields(Stats)]
    assert [metric.field for metric in METRICS if metric.field] == fields[:-1], "all but last_sent_age, in its order"
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all((metric.kind == "counter") == metric.name.endswith("_total") and metric.help for metric in METRICS)


def test_the_dashboard_shows_metrics_that_exist_and_all_of_them() -> None:
    dashboard = json.loads((ROOT / "samples/grafana_dashboard.json").read_text("utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = set(re.findall(r"dbxsdk_\w+", " ".join(expressions)))
    assert named == {metric.name for metric in METRICS} | {f"{metrics.LAG}_bucket"}
    mapping = dashboard["panels"][0]["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {each["text"]: int(number) for number, each in mapping.items()} == {s.value: n for s, n in STATES.items()}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def session(name: str, **changed: Any) -> Any:
    zeros = dict.fromkeys((field.name for field in attrs.fields(Stats)), 0)
    stats = Stats(**{**zeros, **changed})

    class Session:  # noqa: B903 - weakly referenced
        venue, state = "v", dbxsdk.State.READY

    found: Any = Session()
    found.name, found.stats = name, lambda: stats
    return found


def test_two_clients_of_one_name_keep_labels_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = [session("a"), session("b"), session("a")]
    monkeypatch.setattr(metrics.exit, "sessions", alive)
    sources = metrics._Sources(())
    names = [row[0] for row in sources.rows()]
    assert names == ["a", "b", "a#2"]
    alive.reverse()
    assert [row[0] for row in sources.rows()] == ["a#2", "b", "a"], "a label stays, in whatever order they come"
    alive.pop()
    alive.append(session("a"))
    assert [row[0] for row in sources.rows()] == ["a#2", "b", "a"], "of one that is gone it is free again"


@pytest.mark.parametrize("wrong", [None, "bybit:linear", dbxsdk])
def test_what_is_no_client_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="clients"):
        prometheus_collector(wrong)
    with pytest.raises(TypeError, match="clients"):
        instrument_opentelemetry(clients=[wrong])


@pytest.mark.parametrize("make, package", [(prometheus_collector, "prometheus"), (prometheus_lag, "prometheus"),
                                           (instrument_opentelemetry, "otel"), (opentelemetry_lag, "otel")])
def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: Any, make: Any, package: str) -> None:
    for name in ("prometheus_client", "prometheus_client.core", "opentelemetry.metrics"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"pip install 'dbxsdk\[{package}\]'"):
        make()


# -- lag ---------------------------------------------------------------------------------------------------------------


def update(**changed: Any) -> Any:
    return SimpleNamespace(**{"venue": "bybit", "channel": "publicTrade", "venue_time_ms": time.time() * 1000 - 40, **changed})


def test_the_lag_is_of_the_updates_that_have_a_venues_time() -> None:
    prometheus = pytest.importorskip("prometheus_client")
    registry = prometheus.CollectorRegistry()
    seen: List[Any] = []
    callback = prometheus_lag(registry)(seen.append)
    updates = [update(), update(venue_time_ms=None), update(venue_time_ms=time.time() * 1000 + 5000), {"raw": 1}]
    for each in updates:
        callback(each)
    assert seen == updates
    labels = {"venue": "bybit", "channel": "publicTrade"}
    assert registry.get_sample_value(f"{metrics.LAG}_count", labels) == 2
    assert 0.04 <= (registry.get_sample_value(f"{metrics.LAG}_sum", labels) or 0) < 2, "a venue's clock that is ahead counts 0"
    assert registry.get_sample_value(f"{metrics.LAG}_bucket", {**labels, "le": "0.001"}) == 1
    with pytest.raises(TypeError, match="callback"):
        prometheus_lag(prometheus.CollectorRegistry())("no function")  # type: ignore[arg-type]


def test_a_callback_that_raises_does_so_through_the_measurement() -> None:
    prometheus = pytest.importorskip("prometheus_client")
    with pytest.raises(ZeroDivisionError):
        prometheus_lag(prometheus.CollectorRegistry())(lambda _: 1 / 0)(update())


# -- of clients at work ------------------------------------------------------------------------------------------------


def test_prometheus_and_opentelemetry_read_the_same_of_clients_at_work() -> None:
    prometheus = pytest.importorskip("prometheus_client")
    otel = pytest.importorskip("opentelemetry.sdk.metrics")
    reader = pytest.importorskip("opentelemetry.sdk.metrics.export").InMemoryMetricReader()
    registry, provider = prometheus.CollectorRegistry(), otel.MeterProvider(metric_readers=[reader])
    with BybitVenue(rate=0) as venue:
        seen = Recorder()
        first = venue.client("linear", options=Options(name="first"))
        second = venue.client("spot", options=Options(name="first"))
        registry.register(prometheus_collector(first, second))
        instrument_opentelemetry(provider, [first, second])
        everything = prometheus.CollectorRegistry()
        everything.register(prometheus_collector())
        with first, second:
            first.subscribe("publicTrade", "BTCUSDT", callback=prometheus_lag(registry)(seen))
            first.subscribe("publicTrade", "ETHUSDT", callback=opentelemetry_lag(provider)(seen))
            venue.step(50)
            eventually(lambda: {item.symbol for item in seen.items} == {"BTCUSDT", "ETHUSDT"})
            eventually(lambda: first.stats().queued == 0)
            for name, client in ("first", first), ("first#2", second):
                labels = {"client": name, "venue": "bybit"}
                before = client.stats()
                received = registry.get_sample_value("dbxsdk_frames_received_total", labels)
                delivered = registry.get_sample_value("dbxsdk_updates_delivered_total", labels)
                after = client.stats()
                assert received is not None and before.received <= received <= after.received
                assert delivered is not None and before.delivered <= delivered <= after.delivered
                assert registry.get_sample_value("dbxsdk_state", labels) == 2
                age = registry.get_sample_value("dbxsdk_last_received_age_seconds", labels)
                assert age is not None and 0 <= age < 30
            assert first.stats().received > second.stats().received
            found = read(reader)
            assert found["dbxsdk_state"] == {"first": 2, "first#2": 2}
            assert 0 < found["dbxsdk_updates_delivered"]["first"] <= first.stats().delivered
            assert set(found) == {metrics._otel_name(metric.name)[0] for metric in METRICS} | {"dbxsdk_lag"}
            rows = prometheus.generate_latest(everything).decode()
            assert rows.count("dbxsdk_state{") >= 2 and venue.api_key not in rows
        assert registry.get_sample_value("dbxsdk_state", {"client": "first", "venue": "bybit"}) == 4
        assert registry.get_sample_value("dbxsdk_last_received_age_seconds", {"client": "first", "venue": "bybit"}) is None
    provider.shutdown()


def read(reader: Any) -> Dict[str, Dict[str, Any]]:
    found: Dict[str, Dict[str, Any]] = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = {point.attributes.get("client", ""): getattr(point, "value", None) for point in metric.data.data_points}
                found[metric.name] = points
    return found
