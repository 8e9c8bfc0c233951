"""Secrets stay where they are, also where a reporter of errors shows the variables of every frame, as Sentry's does."""

from __future__ import annotations

import functools
import http.client
import pathlib
import traceback
import warnings
from typing import Any, Callable, Iterator, List, Tuple

import attrs
import pytest

import dbxsdk
from dbxsdk import CryptomusClient, DBotDataClient, DBotTradeClient, Options
from dbxsdk.transport import connect
from dbxsdk.transport import http as our_http
from tests.transport.servers import Peer, Server, proxy

HUSH = "hush0hush0hush0"
OURS = str(pathlib.Path(dbxsdk.__file__).parent)
KEYS: List[Tuple[str, Callable[..., Any]]] = [
    ("digifinex", lambda key: dbxsdk.DigiFinexClient(key, key)),
    ("digifinex swap", lambda key: dbxsdk.DigiFinexSwapClient(key, key)),
    ("bybit private", lambda key: dbxsdk.BybitPrivateClient("good", key)),
    ("bybit trade", lambda key: dbxsdk.BybitTradeClient("good", key)),
    ("cryptomus", lambda key: CryptomusClient("good", key)),
    ("cryptomus user", lambda key: CryptomusClient(key, "good")),
    ("dbot trade", DBotTradeClient),
    ("dbot data", DBotDataClient),
]


def shown(error: Any) -> Iterator[str]:
    """What a reporter of errors shows of our frames and of those below them."""
    while error is not None:
        ours = False
        for frame, _ in traceback.walk_tb(error.__traceback__):
            ours = ours or frame.f_code.co_filename.startswith(OURS) or "attrs generated" in frame.f_code.co_filename
            if ours:
                yield from (f"{frame.f_code.co_name}: {name} = {text(value)}" for name, value in frame.f_locals.items())
        yield repr(error)
        error = error.__cause__ if error.__suppress_context__ or error.__cause__ else error.__context__


def text(value: Any) -> str:
    try:
        return repr(value)
    except AttributeError:
        return "half made"


def check(error: BaseException) -> None:
    told = list(shown(error))
    assert told and not [each for each in told if HUSH in each or "aHVzaDBodXNo" in each]


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in KEYS])
@pytest.mark.parametrize("wrong", [HUSH + "\n", HUSH + "\u00e9"])
def test_a_key_that_is_refused_is_in_no_variable(make: Callable[..., Any], wrong: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as raised:
        make(wrong)
    check(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": f"http://me:{HUSH}@host"},
        {"proxy": f"http://me:{HUSH}@host:port"},
        {"proxy": f"http://host:{HUSH}"},
        {"proxy": f"http://me:{HUSH}@host:1", "queue_size": 0},
        {"proxy": f"http://me:{HUSH}@[::1"},
    ],
)
def test_the_password_of_a_proxy_that_is_refused_is_in_no_variable(options: Any) -> None:
    with pytest.raises(ValueError, match="proxy|queue_size") as raised:
        Options(**options)
    check(raised.value)


@pytest.mark.parametrize("scheme", ["http", "socks5h", "socks4a"])
def test_the_password_of_a_proxy_that_refuses_is_in_no_variable(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(peer: Peer) -> None:
        peer.read(3)
        peer.raw.sendall(b"\x05\xff" + bytes(6))
        peer.until_end()

    with Server(proxy(1, [], answer="407 Proxy Authentication Required") if scheme == "http" else refuse) as between:
        url = f"{scheme}://me:{HUSH}@127.0.0.1:{between.port}"
        given = Options(proxy=url, connect_timeout=0.2)
        monkeypatch.setenv("all_proxy", url)
        for options in (given, Options(connect_timeout=0.2)):
            client = DBotTradeClient(HUSH, url="wss://venue.invalid/", options=options)
            tokens = CryptomusClient("me", HUSH, token_url="https://venue.invalid/", options=options)
            listing = CryptomusClient("me", HUSH, markets_url="https://venue.invalid/", options=options)
            for fail in (client.open, tokens.open, functools.partial(listing.markets, 0.2)):
                with pytest.raises(dbxsdk.ConnectError) as raised:
                    fail()
                check(raised.value)


def test_options_as_a_dict_hide_the_proxys_password() -> None:
    options = Options(proxy=f"http://me:{HUSH}@host:1")
    for told in (attrs.asdict(options), attrs.astuple(options), options, attrs.evolve(options, name="x")):
        assert HUSH not in repr(told) and "http://***@host:1" in repr(told)
    assert options.proxy == f"http://me:{HUSH}@host:1"


def test_http_clients_debugging_prints_no_header(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)

    with Server(lambda peer: peer.answer("204 Fine")) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert our_http.get(url, Options(), timeout=5.0, headers={"sign": HUSH}).status == 204
    with Server(proxy(1, [], answer="403 No")) as between, pytest.raises(dbxsdk.ConnectError):
        our_http.get("https://venue.invalid/", Options(proxy=f"http://me:{HUSH}@127.0.0.1:{between.port}"), timeout=5.0)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


@pytest.mark.parametrize(
    "make",
    [
        lambda host: DBotTradeClient(HUSH, url=f"ws://{host}/"),
        lambda host: DBotDataClient(HUSH, url=f"ws://{host}/"),
        lambda host: CryptomusClient("me", HUSH, token_url=f"http://{host}/"),
        lambda host: CryptomusClient("me", HUSH, url=f"ws://{host}/"),
    ],
)
def test_a_key_that_everybody_on_the_way_can_read_is_warned_of_once(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_warned", set())
    with pytest.warns(RuntimeWarning, match="the key goes to venue.example without TLS") as warned:
        make("venue.example")
    assert warned[0].filename == __file__ and HUSH not in str(warned[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("venue.example")
        for host in ("127.0.0.1:80", "localhost", "[::1]"):
            make(host)
