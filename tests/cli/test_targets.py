"""The words of a command line that name venues, channels and keys: what is wrong with them is told before any I/O."""

from __future__ import annotations

import pytest

from dbxsdk.cli.targets import Venues
from dbxsdk.cli.venues import ALL_WORDS, VENUES, word
from dbxsdk.cli.words import Selection, Word
from dbxsdk.sim import BybitVenue, CryptomusVenue, DigiFinexVenue
from tests.cli.conftest import KEYS


def test_words():
    assert [str(word(text)) for text in ALL_WORDS] == list(ALL_WORDS)
    assert word("bybit") == Word("bybit", "linear") and word("dbot") == Word("dbot", "trade")
    assert len(ALL_WORDS) == 14


@pytest.mark.parametrize("name", ["binance", "bybit:margin", "bybit:", "digifinex:", "digifinex:spot", "", "Bybit"])
def test_unknown_venues(dbx, name):
    for command in (["watch", name, "trades"], ["call", name, "x"], ["ping", name], ["record", "x.gz", name, "trades"]):
        done = dbx(*command)
        assert (done.code, done.out) == (2, "")
        assert "argument VENUE: must be one of bybit:linear, bybit:spot, " in done.err and repr(name) in done.err


@pytest.mark.parametrize(
    "words, said",
    [
        (["bybit", "orderbok.50", "BTCUSDT"], "argument CHANNEL: 'orderbok.50' is none of bybit:linear, which has orderbook"),
        (["bybit", "orderbook.25", "BTCUSDT"], "orderbook.25: depth must be one of 1, 50, 200, 1000 for linear, not 25"),
        (["bybit:option", "orderbook.50", "X"], "orderbook.50: depth must be one of 25, 100 for option, not 50"),
        (["bybit", "orderbook.77.BTCUSDT"], "depth must be one of 1, 50, 200, 1000 for linear, not 77"),
        (["bybit", "orderbook", "BTCUSDT"], "argument CHANNEL: 'orderbook' is none of bybit:linear"),
        (["bybit", "publicTrade"], "argument SYMBOLS: the channel 'publicTrade' needs one"),
        (["bybit:private", "orders"], "argument CHANNEL: 'orders' is none of bybit:private, which has position, position.event"),
        (["bybit:trade", "order"], "channel 'order': the order entry socket has no subscriptions"),
        (["digifinex", "trade", "BTC_USDT"], "channel must be one of trades, depth"),
        (["digifinex", "trades"], "symbols must name a symbol"),
        (["digifinex", "trades", ""], "symbols must not be empty"),
        (["cryptomus", "depth", "BTC_USDT"], "scale"),
        (["cryptomus", "depth"], "symbols must name a market"),
        (["cryptomus", "books", "BTC_USDT"], "channel must be one of"),
        (["dbot", "results"], "channel"),
        (["dbot:data", "tx"], "symbols must name a pair"),
        (["dbot:data", "pairsInfo", "X"], "channel must name the interval"),
    ],
)
@pytest.mark.parametrize("command", ["watch", "record"])
def test_wrong_channels(dbx, tmp_path, monkeypatch, command, words, said):
    for name in KEYS:
        monkeypatch.setenv(name, "a-key")
    path = [str(tmp_path / "x.gz")] if command == "record" else []
    done = dbx(command, *path, *words, "--url", "ws://127.0.0.1:1/")  # where nobody listens: that would be exit code 1
    assert (done.code, done.out) == (2, "")
    assert said in done.err and f"usage: dbxsdk {command}" in done.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_connected_for_a_wrong_channel(dbx):
    with DigiFinexVenue() as venue:
        for words in (["watch", "digifinex", "nothing", "BTC_USDT"], ["call", "digifinex", "server.time", '{"a": 1}']):
            assert dbx(*words, "--url", venue.url()).code == 2
        assert venue.connection_count == 0


@pytest.mark.parametrize(
    "name, missing",
    [
        ("bybit:private", "BYBIT_API_KEY and BYBIT_API_SECRET"),
        ("bybit:trade", "BYBIT_API_KEY and BYBIT_API_SECRET"),
        ("cryptomus", "CRYPTOMUS_USER_ID and CRYPTOMUS_API_KEY"),
        ("dbot:trade", "DBOT_API_KEY"),
        ("dbot:data", "DBOT_API_KEY"),
    ],
)
def test_missing_keys(dbx, name, missing):
    done = dbx("ping", name)
    assert (done.code, done.out) == (2, "")
    assert f"{name} needs keys: set the environment variable {missing}, or use --local" in done.err


def test_half_of_the_keys(dbx, monkeypatch):
    monkeypatch.setenv("DIGIFINEX_API_KEY", "half-a-key")
    done = dbx("ping", "digifinex")
    assert done.code == 2 and "set the environment variable DIGIFINEX_API_SECRET" in done.err
    assert "half-a-key" not in done.err


def test_a_key_that_cannot_be_one_is_not_shown(dbx, monkeypatch):
    monkeypatch.setenv("DBOT_API_KEY", "with a blank")
    done = dbx("ping", "dbot")
    assert done.code == 2 and "api_key must not be empty" in done.err and "with a blank" not in done.err


def test_a_refused_key_is_not_shown(dbx, monkeypatch):
    monkeypatch.setenv("BYBIT_API_KEY", "no-such-key")
    monkeypatch.setenv("BYBIT_API_SECRET", "no-such-secret")
    with BybitVenue() as venue:
        done = dbx("watch", "bybit:private", "order", "--url", venue.url("/v5/private"))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("dbxsdk watch: ") and done.err.count("\n") == 1
    assert "no-such" not in done.err


def test_keys_from_the_environment(dbx, monkeypatch):
    with BybitVenue() as venue, CryptomusVenue() as other:
        monkeypatch.setenv("BYBIT_API_KEY", venue.api_key)
        monkeypatch.setenv("BYBIT_API_SECRET", venue.api_secret)
        monkeypatch.setenv("CRYPTOMUS_USER_ID", other.user_id)
        monkeypatch.setenv("CRYPTOMUS_API_KEY", other.api_key)
        for name, path in (("bybit:private", "/v5/private"), ("bybit:trade", "/v5/trade")):
            assert dbx("ping", name, "--url", venue.url(path), "--count", "1").code == 0
        assert dbx("ping", "cryptomus", "--url", other.url(), "--token-url", other.token_url(), "--count", "1").code == 0


@pytest.mark.parametrize(
    "options, said",
    [
        (["digifinex", "--testnet"], "argument --testnet: digifinex has no test network"),
        (["bybit:linear", "--demo"], "argument --demo: bybit:linear has no paper trading"),
        (["digifinex", "--token-url", "https://x"], "argument --token-url: goes with --url, for cryptomus"),
        (["digifinex", "--local", "--url", "ws://127.0.0.1:1"], "not allowed with argument"),
        (["digifinex", "--url", "nowhere"], "url must"),
        (["digifinex", "--timeout", "0"], "argument --timeout: must be a positive number of seconds, not '0'"),
    ],
)
def test_options_that_do_not_fit(dbx, options, said):
    done = dbx("ping", *options)
    assert done.code == 2 and said in done.err


def test_one_address_is_one_sockets(dbx, tmp_path):
    done = dbx("record", str(tmp_path), "digifinex", "all_ticker", "+", "bybit", "tickers", "BTCUSDT", "--url", "ws://x")
    assert done.code == 2 and "argument --url: one socket's address, and several sockets are named" in done.err


def test_books():
    def books(name, channel, *symbols):
        return VENUES[word(name).venue].books_of(Selection(word(name), channel, symbols))

    assert books("bybit", "orderbook.200", "A", "B") == [{"symbol": "A", "depth": 200}, {"symbol": "B", "depth": 200}]
    assert books("bybit", "orderbook.50.BTCUSDT") == [{"symbol": "BTCUSDT", "depth": 50}]
    assert books("bybit:spot", "orderbook.full", "A") is None and books("bybit", "tickers", "A") is None
    assert books("digifinex", "depth", "A_B") == [{"symbol": "A_B"}] and books("digifinex", "trades", "A_B") is None
    assert books("digifinex:swap", "depth.20", "A") == [{"symbol": "A", "depth": 20}]
    assert books("digifinex:swap", "depth", "A") is None and books("digifinex:swap", "trades", "A") is None
    assert books("cryptomus", "depth", "A_B:2") == [{"symbol": "A_B", "scale_index": 2}]
    assert books("cryptomus", "depth", "all") is None and books("cryptomus", "depth", "A_B") is None
    assert books("dbot:data", "tx", "A") is None


@pytest.mark.parametrize("name", ALL_WORDS)
def test_every_venue_has_a_local_one(dbx, name):
    done = dbx("ping", name, "--local", "--count", "1")
    assert (done.code, done.err) == (0, "")
    assert f"{name}: connected in " in done.out and "1 sent, 1 answered: min " in done.out


def test_checking_starts_nothing(dbx):
    import argparse

    arguments = argparse.Namespace(local=True, url=None, token_url=None, testnet=False, demo=False, timeout=1.0)
    with Venues(arguments, [word("bybit")]) as venues:
        assert venues.clients == []
