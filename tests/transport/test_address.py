"""URLs are taken apart and checked before any I/O."""

from __future__ import annotations

from typing import Any

import pytest

from dbxsdk.transport import parse_url


@pytest.mark.parametrize(
    "url, host, port, secure, endpoint",
    [
        ("wss://stream.bybit.com/v5/public/linear", "stream.bybit.com", 443, True, "stream.bybit.com:443"),
        ("ws://127.0.0.1:8080", "127.0.0.1", 8080, False, "127.0.0.1:8080"),
        ("ws://host/path?token=secret", "host", 80, False, "host:80"),
        ("wss://[::1]:9443/", "::1", 9443, True, "[::1]:9443"),
    ],
)
def test_urls(url: str, host: str, port: int, secure: bool, endpoint: str) -> None:
    address = parse_url("url", url)
    assert (address.host, address.port, address.secure, address.endpoint) == (host, port, secure, endpoint)
    assert address.url == url
    assert "secret" not in repr(address) and "/path" not in repr(address)


def test_the_scheme_may_be_written_in_capitals() -> None:
    address = parse_url("url", "WSS://Host/Path")
    assert (address.secure, address.url) == (True, "wss://Host/Path")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "http://host/",
        "https://host/",
        "ws://",
        "ws:///path",
        "ws://host:port/",
        "ws://host:99999/",
        "ws://ho st/",
        "ws://host/pa\nth",
        "ws://user:hush@host/",
        "ws://a..b/",
        "ws://" + "a" * 64 + ".com/",
        "ws://[::1/",
        "ws://user:p\u2100ss@host/",
    ],
)
def test_what_is_no_address_names_the_argument_and_gives_nothing_away(url: str) -> None:
    with pytest.raises(ValueError, match="^token_url ") as caught:
        parse_url("token_url", url)
    assert "hush" not in str(caught.value) and "p\u2100ss" not in str(caught.value)


@pytest.mark.parametrize("url", [None, 5, b"ws://host/", ["ws://host/"]])
def test_what_is_no_text_is_a_type_error(url: Any) -> None:
    with pytest.raises(TypeError, match="^url must be a str"):
        parse_url("url", url)
