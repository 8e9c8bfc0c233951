"""Addresses of the sockets that log in, and their query parameter. No connection is made."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from dbxsdk.bybit.endpoints import private_url


def url(path: str = "/v5/private", **arguments: Any) -> str:
    return private_url(path, **{"testnet": False, **arguments})


@pytest.mark.parametrize("arguments, expected", [
    ({}, "wss://stream.bybit.com/v5/private"),
    ({"testnet": True}, "wss://stream-testnet.bybit.com/v5/private"),
    ({"demo": True}, "wss://stream-demo.bybit.com/v5/private"),
    ({"path": "/v5/trade"}, "wss://stream.bybit.com/v5/trade"),
    ({"path": "/v5/trade", "testnet": True}, "wss://stream-testnet.bybit.com/v5/trade"),
    ({"url": "ws://127.0.0.1:1/x"}, "ws://127.0.0.1:1/x"),
    ({"url": "ws://127.0.0.1:1/x", "testnet": True}, "ws://127.0.0.1:1/x"),
])
def test_hosts(arguments: Dict[str, Any], expected: str) -> None:
    assert url(**arguments) == expected


@pytest.mark.parametrize("given, query", [
    (30, "30s"),
    (600, "600s"),
    (31, "31s"),
    ("30s", "30s"),
    ("45s", "45s"),
    ("600s", "600s"),
    ("1m", "1m"),
    ("2m", "2m"),
    ("10m", "10m"),
])
def test_max_active_time(given: Any, query: str) -> None:
    assert url(max_active_time=given) == f"wss://stream.bybit.com/v5/private?max_active_time={query}"


@pytest.mark.parametrize("given", [
    0, 29, 601, -30, "29s", "601s", "11m", "0m", "45", "s", "", "1h", "1 m", "45S", "-45s", "4.5m", "45s ", "45s\n", "٣٠s",
    "9999s",
])
def test_max_active_time_out_of_range(given: Any) -> None:
    with pytest.raises(ValueError, match="max_active_time"):
        url(max_active_time=given)


@pytest.mark.parametrize("given", [True, 45.0, b"45s", [45]])
def test_max_active_time_of_another_type(given: Any) -> None:
    with pytest.raises(TypeError, match="max_active_time"):
        url(max_active_time=given)


@pytest.mark.parametrize("given, expected", [
    ("ws://h/v5/private", "ws://h/v5/private?max_active_time=45s"),
    ("ws://h", "ws://h?max_active_time=45s"),
    ("ws://h/p?a=%2F+b&c", "ws://h/p?a=%2F+b&c&max_active_time=45s"),
    ("ws://h/p?max_active_time=1m&a=1", "ws://h/p?a=1&max_active_time=45s"),
    ("ws://[::1]:80/p?", "ws://[::1]:80/p?max_active_time=45s"),
])
def test_max_active_time_is_added_to_a_url(given: str, expected: str) -> None:
    assert url(url=given, max_active_time=45) == expected


@pytest.mark.parametrize("given, error", [
    ("http://h", ValueError), ("ws://", ValueError), (5, TypeError), ("ws://[", ValueError),
])
def test_wrong_url_is_told_before_the_query_is_added(given: Any, error: Any) -> None:
    with pytest.raises(error):
        url(url=given, max_active_time=45)


def test_testnet_and_demo_together() -> None:
    with pytest.raises(ValueError, match="demo.*test network"):
        url(testnet=True, demo=True)


@pytest.mark.parametrize("arguments, name", [({"testnet": 1}, "testnet"), ({"demo": None}, "demo"), ({"demo": "yes"}, "demo")])
def test_flags_of_another_type(arguments: Dict[str, Any], name: str) -> None:
    with pytest.raises(TypeError, match=name):
        url(**arguments)
