"""The public client's own part: addresses, arguments, and what its stream methods subscribe. No connection is made."""

from __future__ import annotations

import inspect
from typing import Any, Dict, List, Tuple

import pytest

import dbxsdk.bybit
from dbxsdk import BybitPublicClient, State

Calls = List[Tuple[str, Tuple[str, ...], Any, bool]]


def callback(update: Any) -> None:
    pass


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made: Calls = []

    def subscribe(self: Any, channel: str, symbols: Any = (), *, callback: Any, raw: bool = False) -> str:
        made.append((channel, tuple(symbols), callback, raw))
        return "subscription"

    monkeypatch.setattr(BybitPublicClient, "subscribe", subscribe)
    return made


@pytest.mark.parametrize("category", ["spot", "linear", "inverse", "option"])
@pytest.mark.parametrize("testnet, host", [(False, "stream.bybit.com"), (True, "stream-testnet.bybit.com")])
def test_addresses(category: str, testnet: bool, host: str) -> None:
    client = BybitPublicClient(category, testnet=testnet)
    assert client._address.url == f"wss://{host}/v5/public/{category}"
    assert client.category == category


def test_url_replaces_the_address_whole() -> None:
    client = BybitPublicClient("spot", url="ws://127.0.0.1:1/x")
    assert client._address.url == "ws://127.0.0.1:1/x"


@pytest.mark.parametrize("arguments, error, name", [
    ({"category": "margin"}, ValueError, "category"),
    ({"category": None}, TypeError, "category"),
    ({"category": "spot", "testnet": 1}, TypeError, "testnet"),
    ({"category": "spot", "testnet": None}, TypeError, "testnet"),
    ({"category": "spot", "url": "http://example.org"}, ValueError, "url"),
    ({"category": "spot", "url": 5}, TypeError, "url"),
    ({"category": "spot", "options": {}}, TypeError, "options"),
])
def test_wrong_arguments(arguments: Dict[str, Any], error: Any, name: str) -> None:
    with pytest.raises(error, match=name):
        BybitPublicClient(**arguments)


@pytest.mark.parametrize("method, arguments, channel, symbols", [
    ("orderbook_stream", (50, "AUSDT"), "orderbook.50", ("AUSDT",)),
    ("orderbook_stream", ("1", ["AUSDT", "BUSDT"]), "orderbook.1", ("AUSDT", "BUSDT")),
    ("orderbook_stream", ("full", "AUSDT"), "orderbook.full", ("AUSDT",)),
    ("rpi_orderbook_stream", ("AUSDT",), "orderbook.rpi", ("AUSDT",)),
    ("trade_stream", (("AUSDT", "BUSDT"),), "publicTrade", ("AUSDT", "BUSDT")),
    ("ticker_stream", (["AUSDT"],), "tickers", ("AUSDT",)),
    ("kline_stream", (5, "AUSDT"), "kline.5", ("AUSDT",)),
    ("kline_stream", ("D", "AUSDT"), "kline.D", ("AUSDT",)),
    ("all_liquidation_stream", ("AUSDT",), "allLiquidation", ("AUSDT",)),
    ("insurance_pool_stream", (["USDT", "USDC"],), "insurance", ("USDT", "USDC")),
    ("adl_alert_stream", ("inverse",), "adlAlert", ("inverse",)),
    ("price_limit_stream", ("AUSDT",), "priceLimit", ("AUSDT",)),
    ("system_status_stream", (), "system.status", ()),
])
@pytest.mark.parametrize("raw", [False, True])
def test_streams(
    calls: Calls, method: str, arguments: Tuple[Any, ...], channel: str, symbols: Tuple[str, ...], raw: bool
) -> None:
    client = BybitPublicClient("linear")
    assert getattr(client, method)(*arguments, callback, raw=raw) == "subscription"
    getattr(client, method)(*arguments, callback=callback)
    assert calls == [(channel, symbols, callback, raw), (channel, symbols, callback, False)]


@pytest.mark.parametrize("method, arguments, channel", [
    ("liquidation_stream", ("AUSDT",), "liquidation"),
    ("lt_kline_stream", (5, "A3LUSDT"), "kline_lt.5"),
    ("lt_ticker_stream", ("A3LUSDT",), "tickers_lt"),
    ("lt_nav_stream", ("A3LUSDT",), "lt"),
])
def test_retired_streams_warn_at_the_callers_line(calls: Calls, method: str, arguments: Tuple[Any, ...], channel: str) -> None:
    client = BybitPublicClient("linear")
    with pytest.warns(DeprecationWarning, match=method) as warned:
        getattr(client, method)(*arguments, callback)
    assert warned[0].filename == __file__
    assert calls == [(channel, (arguments[-1],), callback, False)]
    assert "retired" in (inspect.getdoc(getattr(client, method)) or "")


@pytest.mark.parametrize("method, arguments, error, name", [
    ("orderbook_stream", (True, "A"), TypeError, "depth"),
    ("orderbook_stream", (None, "A"), TypeError, "depth"),
    ("orderbook_stream", (50.0, "A"), TypeError, "depth"),
    ("orderbook_stream", ("", "A"), ValueError, "depth"),
    ("orderbook_stream", ("50.A", "A"), ValueError, "depth"),
    ("orderbook_stream", ("5 0", "A"), ValueError, "depth"),
    ("kline_stream", ([], "A"), TypeError, "interval"),
    ("kline_stream", ("", "A"), ValueError, "interval"),
    ("trade_stream", ([],), ValueError, "symbol"),
    ("trade_stream", (None,), TypeError, "symbol"),
    ("trade_stream", ("",), ValueError, "symbols"),
    ("trade_stream", ([1],), TypeError, "symbols"),
    ("insurance_pool_stream", (5,), TypeError, "contract_group"),
    ("adl_alert_stream", ((),), ValueError, "contract_group"),
])
def test_wrong_stream_arguments_before_any_io(method: str, arguments: Tuple[Any, ...], error: Any, name: str) -> None:
    client = BybitPublicClient("linear", url="ws://127.0.0.1:1")
    with pytest.raises(error, match=name):
        getattr(client, method)(*arguments, callback)
    assert client.state is State.NEW


def test_too_many_topics_before_any_io() -> None:
    client = BybitPublicClient("option", url="ws://127.0.0.1:1")
    with pytest.raises(ValueError, match="symbols: .* 21000 characters"):
        client.ticker_stream([str(n) for n in range(2001)], callback)
    assert client.state is State.NEW


def test_is_connected_and_exit() -> None:
    client = BybitPublicClient("spot", url="ws://127.0.0.1:1")
    assert not client.is_connected()
    client.exit()
    assert client.state is State.CLOSED


def test_the_package_exports_what_it_lists() -> None:
    assert sorted(dbxsdk.bybit.__all__) == dbxsdk.bybit.__all__
    for name in dbxsdk.bybit.__all__:
        exported = getattr(dbxsdk.bybit, name)
        assert inspect.isclass(exported) or inspect.isfunction(exported) or isinstance(exported, dbxsdk.Channel)


@pytest.mark.parametrize("symbol, error", [
    *((bad, ValueError) for bad in ("", " ", "ABC USDT", "ABCUSDT ", "\tABC", "ABC\r\n", "ABC\x7f", "\ud800")),
    *((bad, TypeError) for bad in (None, 1, b"ABCUSDT", ["ABCUSDT"])),
])
def test_bad_symbols(symbol: Any, error: Any) -> None:
    with pytest.raises(error, match="symbols"):
        BybitPublicClient("linear").subscribe("tickers", ["GOODUSDT", symbol], callback=callback)


@pytest.mark.parametrize("method, error", [(None, TypeError), (1, TypeError), (b"ping", TypeError), ("", ValueError)])
def test_bad_methods(method: Any, error: Any) -> None:
    with pytest.raises(error, match="method"):
        BybitPublicClient("linear").call(method)
