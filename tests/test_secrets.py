"""Secrets stay where they are, also where a reporter of errors shows the variables of every frame, as Sentry's does."""

from __future__ import annotations

import functools
import http.client
import logging
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
from tests.promises.venues import Document, Link, ScriptedVenue, bybit_yes
from tests.transport.servers import CLOSE, Peer, Server, frame, proxy

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
        for each, _ in traceback.walk_tb(error.__traceback__):
            ours = ours or each.f_code.co_filename.startswith(OURS) or "attrs generated" in each.f_code.co_filename
            if ours:
                yield from (f"{each.f_code.co_name}: {name} = {text(value)}" for name, value in each.f_locals.items())
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


def told(client: Any, caplog: pytest.LogCaptureFixture, act: Callable[[], Any]) -> str:
    """All that a client says of what ``act`` meets: the error, or the result; events; the log."""
    events: List[Any] = []
    client.on_event(events.append)
    with caplog.at_level(logging.INFO):
        try:
            outcome = act()
        except dbxsdk.DbxError as error:
            outcome = f"{error!r} {error} {getattr(error, 'message', '')} {getattr(error, 'code', '')}"
        finally:
            client.close()
    return f"{outcome!r} {events!r} {caplog.text}"


ECHOING: List[Tuple[str, Callable[..., Any], Callable[[Any], Any]]] = [
    ("bybit private", dbxsdk.BybitPrivateClient, lambda client: client.subscribe("order", callback=print)),
    ("bybit trade", dbxsdk.BybitTradeClient, lambda client: client.place_batch_order("spot", [ORDER])),
    ("digifinex", dbxsdk.DigiFinexClient, lambda client: client.subscribe("order", "X_Y", callback=print)),
    ("dbot trade", DBotTradeClient, lambda client: client.get_swap_order("x")),
    ("dbot data", DBotDataClient, lambda client: client.subscribe("pairInfo", "x", callback=print)),
]
ORDER = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "1"}


def repeat(link: Link, document: Document) -> List[Document]:
    """Refuse a request in every form of a refusal that a venue may have, and send what nobody asked for, all of the key."""
    word = f"{HUSH} {HUSH}2"
    if document.get("op") == "auth":
        return [{**bybit_yes(link, document), "retCode": 0}]
    own = {name: document[name] for name in ("id", "method", "op") if name in document}
    refused = {**own, "req_id": document.get("req_id", document.get("reqId")), "reqId": document.get("reqId"), "success": False,
               "ret_msg": word, "retMsg": word, "retCode": 0 if document.get("op") == "order.create-batch" else 10001,
               "error": {"code": HUSH, "message": word}, "message": word, "status": "ack",
               "result": {"err": True, "res": word, "docs": word}, "data": {"list": []},
               "retExtInfo": {"list": [{"code": 10001, "msg": word}]}}
    return [{"topic": word, "data": []}, {"success": False, "ret_msg": word, "op": HUSH},
            {"method": HUSH, "error": word}, refused]


@pytest.mark.parametrize("name, make, act", [pytest.param(*each, id=each[0]) for each in ECHOING])
def test_a_venue_that_repeats_a_key(name: str, make: Any, act: Any, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedVenue(repeat) as venue:
        keys = (HUSH,) if name.startswith("dbot") else (HUSH, HUSH + "2")
        client = make(*keys, url=venue.url)
        words = told(client, caplog, lambda: act(client))
    assert HUSH not in words and "***" in words


def test_a_venue_that_repeats_a_key_in_its_close_reason_and_in_its_handshake(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedVenue(lambda link, document: None) as venue:
        client = DBotTradeClient(HUSH, url=venue.url, options=Options(max_reconnects=0))
        client.open()
        venue.link().send_bytes(frame(CLOSE, b"\x0f\xa1" + HUSH.encode()))
        words = told(client, caplog, lambda: client.wait(5.0))
    assert HUSH not in words and "***" in words
    with Server(lambda peer: (peer.read(1), peer.raw.sendall(f"HTTP/1.1 {HUSH} {HUSH}\r\n{HUSH}\r\n\r\n".encode()))) as server:
        client = DBotTradeClient(HUSH, url=f"ws://127.0.0.1:{server.port}", options=Options(max_reconnects=0))
        assert HUSH not in told(client, caplog, client.open)


@pytest.mark.parametrize("make", [dbxsdk.BybitPrivateClient, dbxsdk.BybitTradeClient, DBotTradeClient])
def test_the_warning_about_rest_names_the_line_that_made_the_client(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_warned", set())
    keys = (HUSH,) if make is DBotTradeClient else (HUSH, HUSH)
    with pytest.warns(RuntimeWarning, match="the key goes to venue.example without TLS") as warned:
        make(*keys, rest_url="http://venue.example")
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dbxsdk.BybitPublicClient("spot", rest_url="http://other.example")  # no key goes there
