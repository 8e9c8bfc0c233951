"""``dbxsdk watch`` against local venues: lines, documents, ladders, and the ways in which it ends."""

from __future__ import annotations

import functools
import io
import json
import signal
import socket
import sys
from decimal import Decimal

import pytest

from dbxsdk.cli.main import main
from dbxsdk.options import Options
from dbxsdk.sim import DBotVenue, DigiFinexVenue
from tests.cli import command
from tests.waiting import Background, eventually

PAIR = DBotVenue().pairs[0].pair


def test_json(dbx):
    done = dbx("watch", "bybit:spot", "publicTrade", "BTCUSDT", "--local", "--json", "--count", "3")
    assert (done.code, done.err) == (0, "")
    about = {"type": "event", "venue": "bybit:spot", "client": "bybit:spot"}
    assert done.documents[0] == {**about, "event": "Connected", "reconnects": 0}
    updates = done.of("update")
    assert len(updates) == 3 and len(done.documents) == 4
    for update in updates:
        assert set(update) == {
            "type", "venue", "channel", "symbol", "kind", "venue_time_ms", "received_ns", "data"
        }  # fmt: skip
        assert (update["venue"], update["channel"], update["symbol"]) == ("bybit", "publicTrade", "BTCUSDT")
        assert all(isinstance(trade["price"], str) and Decimal(trade["price"]) > 0 for trade in update["data"])


def test_json_of_a_book_is_its_changes(dbx):
    done = dbx("watch", "digifinex", "depth", "BTC_USDT", "--local", "--json", "--count", "2")
    first, second = done.of("update")
    assert (first["kind"], second["kind"]) == ("snapshot", "delta")
    assert all(isinstance(text, str) for level in first["data"]["bids"] for text in level)


@pytest.mark.parametrize(
    "words, said",
    [
        (["bybit", "publicTrade", "BTCUSDT", "ETHUSDT"], " bybit:linear publicTrade "),
        (["bybit:private", "execution"], "exec_price="),
        (["digifinex", "ticker", "BTC_USDT"], "best_bid="),
        (["digifinex:swap", "ticker", "BTCUSDTPERP"], "best_bid="),
        (["digifinex:swap", "account"], "avail_balance="),
        (["cryptomus", "trade", "all"], "direction="),
        (["dbot", "tradeResults"], "state="),
        (["dbot:data", "tx", PAIR], " usd="),
    ],
)
def test_lines_for_people(dbx, words, said):
    done = dbx("watch", *words, "--local", "--count", "1")
    assert done.code == 0 and done.err.endswith(": connected\n")
    assert len(done.out.splitlines()) >= 1 and said in done.out
    assert "\x1b" not in done.out and "=None" not in done.out and "= " not in done.out


@pytest.mark.parametrize(
    "words", [["bybit:option", "orderbook.25", "BTC-31DEC27-70000-C-USDT"], ["digifinex", "depth", "BTC_USDT"],
              ["digifinex:swap", "depth.20", "BTCUSDTPERP"], ["cryptomus", "depth", "BTC_USDT:1"]]
)  # fmt: skip
def test_best_prices_of_a_book(dbx, words):
    done = dbx("watch", *words, "--local", "--count", "3")
    assert done.code == 0
    symbol = words[-1].split(":")[0]
    tops = [line for line in done.out.splitlines() if "STALE" not in line]
    assert len(tops) == 3 == len(set(tops))
    for line in tops:
        assert line.startswith(f"{words[0]} {symbol}: bid ")
        names, numbers = line.rpartition(": ")[2].split()[::3], line.rpartition(": ")[2].split()[1::3]
        assert names == ["bid", "ask", "spread"]
        bid, ask, spread = map(Decimal, numbers)
        assert bid < ask and ask - bid == spread


def test_options_between_the_words(dbx):
    done = dbx("watch", "--count", "1", "digifinex", "--local", "ticker", "--json", "BTC_USDT")
    assert done.code == 0 and done.of("update")[0]["symbol"] == "BTC_USDT"


def test_seconds_are_the_end(dbx):
    assert dbx("watch", "digifinex", "all_ticker", "--local", "--json", "--seconds", "0.05").code == 0


def test_too_few_updates_in_time(dbx):
    done = dbx("watch", "digifinex", "order", "BTC_USDT", "--local", "--json", "--count", "1000", "--seconds", "0.05")
    assert done.code == 1
    assert done.err.endswith(" of 1000 updates came in 0.05 s\n") and done.err.startswith("dbxsdk watch: ")


@pytest.mark.parametrize("option", ["--count=0", "--count=x", "--seconds=-1", "--seconds=nan", "--levels=0", "--levels=1001"])
def test_wrong_numbers(dbx, option):
    done = dbx("watch", "digifinex", "trades", "BTC_USDT", option)
    name, _, value = option.partition("=")
    assert done.code == 2 and f"argument {name}: must be " in done.err and f"not {value!r}" in done.err


def test_a_refused_symbol(dbx):
    done = dbx("watch", "digifinex", "trades", "NO_SUCH", "--local")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("dbxsdk watch: ") and done.err.count("\n") == 1


def test_nobody_there(dbx):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}/"
        for words in (["watch", "digifinex", "all_ticker"], ["call", "digifinex", "server.time"], ["ping", "digifinex"]):
            done = dbx(*words, "--url", url)
            assert (done.code, done.out) == (1, "")
            assert done.err.startswith(f"dbxsdk {words[0]}: ") and done.err.count("\n") == 1


@pytest.fixture
def at_once(monkeypatch):
    """Reconnects without a pause to speak of."""
    monkeypatch.setattr("dbxsdk.cli.targets.Options", functools.partial(Options, backoff_initial=0.01))


def test_events_are_told_between_the_updates(monkeypatch, at_once):
    stdout = io.StringIO()
    monkeypatch.setattr("sys.stdout", stdout)
    with DigiFinexVenue(rate=0) as venue:
        # One update a connection: the recent trades that follow a subscription.
        watching = Background(
            main, ["watch", "digifinex", "trades", "BTC_USDT", "--json", "--count", "2", "--url", venue.url()]
        )
        eventually(lambda: '"update"' in stdout.getvalue())
        venue.drop_connections()
        assert watching.result(10) == 0
    told = [json.loads(line) for line in stdout.getvalue().splitlines()]
    events = [document["event"] for document in told if document["type"] == "event"]
    assert events == ["Connected", "Disconnected", "Connected", "Gap"]
    gap = next(document for document in told if document.get("event") == "Gap")
    assert gap["topics"] == ["trades.BTC_USDT"] and gap["seconds"] > 0
    assert told[told.index(gap) + 1]["type"] == "update"


def test_a_client_that_ends_ends_it(capsys, monkeypatch, at_once):
    with DigiFinexVenue() as venue:
        monkeypatch.setenv("DIGIFINEX_API_KEY", venue.api_key)
        monkeypatch.setenv("DIGIFINEX_API_SECRET", venue.api_secret)
        watching = Background(main, ["watch", "digifinex", "trades", "BTC_USDT", "--json", "--url", venue.url()])
        assert venue.wait_until(lambda: venue.subscriptions())
        venue.api_key = "another"
        venue.drop_connections()
        assert watching.result(10) == 1
    err = capsys.readouterr().err
    assert err.startswith("dbxsdk watch: the login was refused") and err.count("\n") == 1


# -- in a process of its own -----------------------------------------------------------------------------


@pytest.mark.parametrize("more, code", [([], 0), (["--seconds", "60"], 130), (["--count", "60"], 130)])
def test_ctrl_c_before_it_was_done(dbx, monkeypatch, more, code):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbxsdk.cli.commands.watch.follow", interrupt)
    assert dbx("watch", "digifinex", "trades", "BTC_USDT", "--local", *more).code == code


def test_ctrl_c():
    with command.start("watch", "digifinex", "trades", "BTC_USDT", "--local", "--json") as process:
        while json.loads(process.stdout.readline())["type"] != "update":
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert all(json.loads(line) for line in out.splitlines())


def test_a_reader_that_goes_away():
    with command.start("watch", "digifinex", "trades", "BTC_USDT", "--local", "--json") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == ""


def test_a_full_disk():
    with open("/dev/full", "w") as full, command.start("sim", "digifinex", stdout=full) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert err == "dbxsdk sim: [Errno 28] No space left on device\n"


def test_a_ladder_on_a_terminal():
    env = command.environment(TERM="xterm-256color")
    screen = command.in_terminal(env, "watch", "bybit", "orderbook.50", "BTCUSDT", "--local", "--seconds", "0.4")
    for words in ("bybit:linear orderbook.50", "updates in", "spread", "█", "BTCUSDT", "connected"):
        assert words in screen
    assert screen.count("\x1b[2K") > 10 and "\n..." not in screen.replace("\r", "")


def test_without_rich_or_websockets(dbx, terminal, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "dbxsdk.cli.display.screen", None)
        done = terminal("watch", "digifinex", "trades", "BTC_USDT", "--local")
        assert done.code == 1 and "Traceback" not in done.out and 'pip install "dbxsdk[cli]"' in " ".join(done.out.split())
        assert dbx("watch", "digifinex", "trades", "BTC_USDT", "--local", "--count", "1").code == 0
    monkeypatch.setitem(sys.modules, "dbxsdk.sim", None)
    for words in (["ping", "digifinex", "--local"], ["sim", "digifinex"]):
        done = dbx(*words)
        assert (done.code, done.out) == (1, "")
        said = 'a local venue needs a package that is not installed: pip install "dbxsdk[sim]"'
        assert done.err == f"dbxsdk {words[0]}: {said}\n"
