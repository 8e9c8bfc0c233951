"""``dbxsdk call`` and ``dbxsdk ping`` against local venues."""

from __future__ import annotations

import io
import json

import pytest

from dbxsdk.sim import DigiFinexVenue

ORDER = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.001"}


def test_a_result_for_people_and_for_programs(dbx):
    done = dbx("call", "bybit:trade", "order.create", json.dumps(ORDER), "--local")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith('{\n  "orderId": "') and json.loads(done.out)["orderId"]
    done = dbx("call", "digifinex", "server.time", "--local", "--json")
    assert (done.code, done.err) == (0, "") and done.out.strip().isdecimal() and done.out.count("\n") == 1


def test_params_between_options_and_from_stdin(dbx, monkeypatch):
    assert json.loads(dbx("call", "bybit:trade", "order.create", "--local", json.dumps(ORDER)).out)["orderId"]
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(ORDER)))
    assert json.loads(dbx("call", "bybit:trade", "--local", "order.create", "-").out)["orderId"]


def test_the_venue_says_no(dbx):
    done = dbx("call", "bybit:trade", "order.create", json.dumps({**ORDER, "symbol": "NONE"}), "--local")
    assert (done.code, done.out) == (1, "")
    assert done.err == "dbxsdk call: params error: symbol invalid (code 10001)\n"


def test_no_answer_is_an_unknown_outcome(dbx):
    with DigiFinexVenue() as venue:
        venue.delay(5)
        done = dbx("call", "digifinex", "server.time", "--timeout", "0.8", "--url", venue.url())
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("dbxsdk call: outcome unknown (request 1): no answer to server.time in time; it may have been")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "params, said",
    [
        (["{"], "argument PARAMS: not JSON: "),
        ([""], "argument PARAMS: not JSON: "),
        (["{'a': 1}"], "argument PARAMS: not JSON: "),
        (['{"qty": NaN}'], "argument PARAMS: not JSON: NaN is not JSON"),
        (['{"qty": 1, "qty": 2}'], "argument PARAMS: not JSON: an object names a key twice"),
        (['{"qty": 0.12345678901234567890}'], "0.12345678901234567890 has more digits than a JSON number keeps"),
        (['{"qty": 1e999}'], "1e999 has more digits than a JSON number keeps"),
        (["[" * 100_000], "argument PARAMS: not JSON: "),
        (["{}", "{}"], "argument PARAMS: is one JSON document"),
        (["[1]"], "params must be"),
        (["7"], "params must be"),
    ],
)
def test_wrong_params(dbx, monkeypatch, params, said):
    monkeypatch.setenv("BYBIT_API_KEY", "a-key")
    monkeypatch.setenv("BYBIT_API_SECRET", "a-secret")
    # Where nobody listens: that would be exit code 1.
    done = dbx("call", "bybit:trade", "order.create", *params, "--url", "ws://127.0.0.1:1/")
    assert (done.code, done.out) == (2, "") and said in done.err


def test_an_interrupted_request_is_no_forgotten_one(dbx, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbxsdk.BybitTradeClient.call", interrupt)
    done = dbx("call", "bybit:trade", "order.create", json.dumps(ORDER), "--local")
    assert (done.code, done.out) == (130, "")
    assert done.err == "dbxsdk call: interrupted; the request may have been carried out\n"


def test_an_empty_method(dbx):
    done = dbx("call", "digifinex", "", "--local")
    assert done.code == 2 and "method must not be empty" in done.err


# -- ping ------------------------------------------------------------------------------------------------


def test_ping_as_documents(dbx):
    done = dbx("ping", "bybit:private", "--local", "--json", "--count", "3", "--interval", "0")
    assert (done.code, done.err) == (0, "")
    first, *pings, summary = done.documents
    assert first["type"] == "connected" and first["ms"] > 0
    assert [ping["number"] for ping in pings] == [1, 2, 3] and all(ping["type"] == "ping" for ping in pings)
    times = sorted(ping["ms"] for ping in pings)
    assert summary == {
        "type": "summary", "sent": 3, "answered": 3, "min_ms": times[0], "median_ms": times[1], "max_ms": times[2]
    }  # fmt: skip


def test_pings_without_an_answer(dbx):
    with DigiFinexVenue() as venue:
        venue.delay(30)
        told = ("ping", "digifinex", "--timeout", "0.05", "--count", "2", "--interval", "0", "--url", venue.url())
        done = dbx(*told)
        assert done.code == 1 and done.out.splitlines()[-1] == "2 sent, 0 answered"
        assert [line.partition(": ")[0] for line in done.err.splitlines()] == ["1", "2"]
        assert "error" in dbx(*told, "--json").documents[1]


def test_ctrl_c_among_pings(dbx, monkeypatch):
    def interrupt(arguments, client, number, times):
        if number == 3:
            raise KeyboardInterrupt
        times.append(float(number))

    monkeypatch.setattr("dbxsdk.cli.commands.ping._ping", interrupt)
    done = dbx("ping", "digifinex", "--local", "--interval", "0")
    assert done.code == 130 and done.out.endswith("3 sent, 2 answered: min 1.00 / median 1.50 / max 2.00 ms\n")


@pytest.mark.parametrize("option", ["--count=0", "--interval=-1", "--interval=x", "--interval=nan"])
def test_wrong_numbers_of_pings(dbx, option):
    done = dbx("ping", "digifinex", "--local", option)
    assert done.code == 2 and f"argument {option.partition('=')[0]}: must be " in done.err
