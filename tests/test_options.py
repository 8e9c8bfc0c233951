"""``Options``: one frozen value, checked field by field at construction."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import attrs
import pytest

import dbxsdk
from dbxsdk import DigiFinexClient, Options
from dbxsdk.arguments import check_seconds

TIMES = [
    "connect_timeout",
    "request_timeout",
    "heartbeat_interval",
    "silence_timeout",
    "backoff_initial",
    "backoff_max",
]


def test_the_defaults() -> None:
    options = Options()
    assert (options.connect_timeout, options.request_timeout) == (10.0, 10.0)
    assert (options.backoff_initial, options.backoff_max, options.max_reconnects) == (1.0, 30.0, None)
    assert (options.queue_size, options.overflow, options.dispatch) == (10_000, "block", "thread")
    assert (options.queue_bytes, options.max_message_size) == (16 << 20, 4 << 20)
    assert options.heartbeat_interval is options.silence_timeout is options.proxy is options.ssl_context is None
    assert options.source_address is None


def test_frozen_and_keywords_only() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Options().queue_size = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        Options(5)  # type: ignore[misc]
    with pytest.raises(TypeError, match="conect_timeout"):
        Options(conect_timeout=5)  # type: ignore[call-arg]
    assert attrs.evolve(Options(), queue_size=5) == Options(queue_size=5)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [0, -1, -0.001, float("nan"), float("inf"), 1e300, 10**400])
def test_times_must_be_positive_and_bearable(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Options(**{name: value})


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", ["5", True, [], b"1"])
def test_times_must_be_numbers(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        Options(**{name: value})
    Options(**{name: 1})
    Options(**{name: 0.001})


def test_the_longest_time_can_really_be_waited() -> None:
    longest = check_seconds("timeout", 30_000_000)
    event = threading.Event()
    event.set()
    assert event.wait(longest)
    condition = threading.Condition()
    with condition:
        timer = threading.Timer(0.01, _notify, [condition])
        timer.start()
        assert condition.wait(longest)
    timer.join()


def _notify(condition: Any) -> None:
    with condition:
        condition.notify()


@pytest.mark.parametrize(
    "name, good, bad",
    [("queue_size", 1, 0), ("queue_bytes", 1, 0), ("queue_size", 1, -5), ("max_reconnects", 0, -1)],
)
def test_counts(name: str, good: int, bad: int) -> None:
    assert getattr(Options(**{name: good}), name) == good
    with pytest.raises(ValueError, match=name):
        Options(**{name: bad})
    for wrong in (1.5, "3", True):
        with pytest.raises(TypeError, match=name):
            Options(**{name: wrong})


@pytest.mark.parametrize(
    "name, choices",
    [("overflow", ["block", "drop_oldest", "latest", "disconnect"]), ("dispatch", ["thread", "inline"])],
)
def test_choices(name: str, choices: Any) -> None:
    for choice in choices:
        assert getattr(Options(**{name: choice}), name) == choice
    with pytest.raises(ValueError, match=name):
        Options(**{name: "Block"})
    for wrong in (None, 1):
        with pytest.raises(TypeError, match=name):
            Options(**{name: wrong})


@pytest.mark.parametrize(
    "value",
    ["", "http://host:3128", "http://user:pass@host:1", "socks5://host:1080", "socks5h://h:1", "http://[::1]:1"],
)
def test_proxies(value: str) -> None:
    assert Options(proxy=value).proxy == value


@pytest.mark.parametrize(
    "value",
    [
        "host:3128",
        "http://host",
        "http://",
        "ftp://host:1",
        "http://hush@host:port",
        "http://hush@[::1",
        "http://me:hush\u2100@host:1",
    ],
)
def test_what_is_no_proxy_names_the_field_and_not_the_password(value: str) -> None:
    with pytest.raises(ValueError, match="^proxy ") as caught:
        Options(proxy=value)
    assert "hush" not in str(caught.value)
    with pytest.raises(TypeError, match="proxy"):
        Options(proxy=5)  # type: ignore[arg-type]


def test_the_representation_hides_the_proxys_password() -> None:
    text = repr(Options(proxy="http://me:hush@host:3128"))
    assert "host:3128" in text
    assert "hush" not in text and "me:" not in text


def test_ssl_context() -> None:
    context = ssl.create_default_context()
    assert Options(ssl_context=context).ssl_context is context
    for wrong in (True, "path", {}):
        with pytest.raises(TypeError, match="ssl_context"):
            Options(ssl_context=wrong)


@pytest.mark.parametrize("value", [None, "192.0.2.7", "127.0.0.2", "::1", "2001:db8::7", "fe80::1%eth0", "0.0.0.0"])
def test_source_addresses(value: Any) -> None:
    assert Options(source_address=value).source_address == value


@pytest.mark.parametrize("value", ["", "localhost", "192.0.2", "192.0.2.7:80", "[::1]", " 127.0.0.1", "192.0.2.0/24", "1"])
def test_what_is_no_source_address_names_the_field(value: str) -> None:
    with pytest.raises(ValueError, match="^source_address must be an IP address of this machine, like 192.0.2.1, not "):
        Options(source_address=value)
    for wrong in (5, b"127.0.0.1", ("127.0.0.1", 0)):
        with pytest.raises(TypeError, match="^source_address must be a str"):
            Options(source_address=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{}, "options", 5])
def test_a_client_takes_options_only(wrong: Any) -> None:
    with pytest.raises(TypeError, match="^options must be"):
        DigiFinexClient(options=wrong)


@pytest.mark.parametrize(
    "kwargs, kind, name",
    [
        ({"url": "http://host/"}, ValueError, "url"),
        ({"url": 5}, TypeError, "url"),
        ({"api_key": "k"}, ValueError, "api_secret"),
        ({"api_secret": "s"}, ValueError, "api_key"),
        ({"api_key": "", "api_secret": "s"}, ValueError, "api_key"),
        ({"api_key": "k", "api_secret": "s\n"}, ValueError, "api_secret"),
        ({"api_key": 5, "api_secret": "s"}, TypeError, "api_key"),
    ],
)
def test_a_clients_arguments_are_checked_at_construction(kwargs: Any, kind: Any, name: str) -> None:
    with pytest.raises(kind, match=name) as caught:
        DigiFinexClient(**kwargs)
    assert "s\n" not in str(caught.value)


def test_everything_public_is_exported() -> None:
    assert sorted(dbxsdk.__all__) == sorted(set(dbxsdk.__all__))
    assert all(hasattr(dbxsdk, name) for name in dbxsdk.__all__)
