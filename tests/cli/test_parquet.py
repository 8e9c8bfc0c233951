"""A recording as a Parquet file: types, rows, and what cannot be written."""

from __future__ import annotations

import datetime
import os
import sys
from decimal import Decimal

import pytest

from dbxsdk import Options, Recorder
from dbxsdk.cli.parquet import fit, kind_of, unite
from dbxsdk.sim import BybitVenue, DigiFinexVenue
from tests.waiting import eventually

NOW = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize("value, kind", [
    (None, None), (True, "bool"), (1, "int"), (1 << 63, "text"), (1.5, "float"), (Decimal(1), "text"), ("x", "text"),
    (NOW, "time"), ({}, "text"), ([], ("list", None)), ([1, 2.5], ("list", "float")),
    (((1.5, 2.5),), ("list", ("list", "float"))),
    ([{"a": 1}], "text"), ([1, "x"], ("list", "text")),
])
def test_kinds(value, kind):
    assert kind_of(value) == kind
    fit(value, kind)  # fits its own


@pytest.mark.parametrize("one, other, both", [
    (None, "int", "int"), ("int", "int", "int"), ("int", "float", "float"), ("bool", "int", "text"), ("time", "text", "text"),
    (("list", None), ("list", "int"), ("list", "int")), (("list", "int"), "int", "text"), (None, None, None),
])
def test_kinds_of_several_rows(one, other, both):
    assert unite(one, other) == unite(other, one) == both


def test_values_fit():
    assert fit(1, "float") == 1.0 and fit(None, "int") is None and fit(5, None) is None
    assert fit(True, "text") == "true" and fit(NOW, "text") == NOW.isoformat()
    assert fit([{"p": Decimal("1.50")}], "text") == '[{"p":"1.50"}]'
    assert fit((1, 2), ("list", "float")) == [1.0, 2.0] and fit(Decimal("1E-7"), "text") == "0.0000001"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Trades of two venues and an order book, and how many rows they are."""
    path = tmp_path_factory.mktemp("recorded") / "x.jsonl.gz"
    seen = []
    with Recorder(str(path)) as recorder, BybitVenue(rate=0) as bybit, DigiFinexVenue(rate=0) as digifinex:
        options = Options(recorder=recorder)
        with bybit.client("linear", options=options) as first, digifinex.client(options=options) as second:
            first.subscribe("publicTrade", "BTCUSDT", callback=seen.append)
            first.subscribe("orderbook.50", "BTCUSDT", callback=seen.append)
            second.subscribe("trades", "BTC_USDT", callback=seen.append)
            eventually(lambda: bybit.step(5) or digifinex.step(5) or len({each.channel for each in seen}) == 3)
            for client in (first, second):
                client.ping()  # nothing is under way any more
            eventually(lambda: first.stats().queued == second.stats().queued == 0)
    return str(path), seen


def test_a_recording_is_a_table(dbx, recording, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, seen = recording
    target = str(tmp_path / "x.parquet")
    done = dbx("convert", path, "--parquet", target, "--json")
    assert done.code == 0, done.err
    expected = [record for update in seen for record in update.records(floats=True, times=True)]
    assert done.documents == [{"path": target, "rows": len(expected), "gaps": 0, "bad_frames": 0}]
    table = parquet.read_table(target)
    assert set(table.column_names) == {name for record in expected for name in record}
    found = table.to_pylist()
    trades = [row for row in found if row["channel"] in ("publicTrade", "trades")]
    assert {row["venue"] for row in trades} == {"bybit", "digifinex"} and {row["side"] for row in trades} <= {"buy", "sell"}
    for row in trades:
        assert isinstance(row["price"], float) and isinstance(row["size"], float) and row["time_ms"].tzinfo is not None
    key = ("venue", "trade_id", "price", "size", "time_ms")
    wanted = [{name: record[name] for name in key} for record in expected if "trade_id" in record]
    assert sorted(wanted, key=str) == sorted(({name: row[name] for name in key} for row in trades), key=str)
    book = [row for row in found if row["channel"] == "orderbook.50"]
    assert isinstance(book[0]["bids"][0][0], float) and book[0]["price"] is None
    assert os.listdir(tmp_path) == ["x.parquet"], "no unfinished file"
    done = dbx("convert", path, "--parquet", target)
    assert done.code == 1 and "exists already" in done.err


def test_exact_keeps_every_digit(dbx, recording, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, seen = recording
    target = str(tmp_path / "x.parquet")
    assert dbx("convert", path, "--parquet", target, "--exact").code == 0
    prices = {str(record["price"]) for update in seen for record in update.records() if "trade_id" in record}
    assert prices == set(parquet.read_table(target).column("price").to_pylist()) - {None}


@pytest.mark.parametrize("words, said", [
    (["x", "y", "--parquet", "z"], "name one recording"), (["x"], "required: RECORDING"),
    (["x", "y", "--exact"], "goes with --parquet"),
])
def test_arguments_that_do_not_go_together(dbx, words, said):
    done = dbx("convert", *words)
    assert done.code == 2 and said in done.err


def test_without_pyarrow_it_says_what_to_install(dbx, recording, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = dbx("convert", recording[0], "--parquet", str(tmp_path / "x.parquet"))
    assert done.code == 1 and 'pip install "dbxsdk[parquet]"' in done.err and os.listdir(tmp_path) == []
