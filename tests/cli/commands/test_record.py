"""``dbxsdk record``: what is written, and how it ends, also where the disk refuses."""

from __future__ import annotations

import functools
import gzip
import json
import signal

import pytest

from dbxsdk.recording import Frame, Opened, Recorder, read
from tests.cli import command

FOUR = "bybit:spot publicTrade BTCUSDT + digifinex depth BTC_USDT + cryptomus lastprice all + dbot".split() + ["tradeResults"]


def texts(path):
    """The decoded records of one file."""
    with read(path) as reader:
        return list(reader), reader


def test_four_venues(dbx, tmp_path):
    path = tmp_path / "four.jsonl.gz"
    words = [*FOUR, "+", "bybit:spot", "tickers", "BTCUSDT"]
    done = dbx("record", str(path), *words, "--local", "--seconds", "0.3", "--json")
    assert (done.code, done.err) == (0, "")
    assert {event["venue"] for event in done.of("event")} == {"bybit:spot", "digifinex", "cryptomus", "dbot:trade"}
    (summary,) = done.of("summary")
    records, reader = texts(path)
    frames = [record for record in records if isinstance(record, Frame)]
    assert reader.complete and summary["frames"] == len(frames) > 20 and summary["lost"] == 0
    assert summary["path"] == str(path) and summary["file_bytes"] == path.stat().st_size
    opened = [record for record in records if isinstance(record, Opened)]
    # What has the same venue and socket shares a connection.
    assert sorted(record.client for record in opened) == [
        "BybitPublicClient", "CryptomusClient", "DBotTradeClient", "DigiFinexClient"
    ]  # fmt: skip
    bybit = b"".join(frame.payload or b"" for frame in frames)
    assert b"publicTrade.BTCUSDT" in bybit and b"tickers.BTCUSDT" in bybit


def test_for_people(dbx, tmp_path):
    done = dbx("record", str(tmp_path), "digifinex", "all_ticker", "--local", "--seconds", "0.05", "--level", "9")
    assert done.code == 0 and done.err == "digifinex: connected\n"
    (path,) = tmp_path.iterdir()
    assert done.out.endswith(f" s: {path}\n") and " frames, " in done.out and done.out.count("\n") == 1


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "the following arguments are required: VENUE, CHANNEL"),
        (["bybit"], "the following arguments are required: VENUE, CHANNEL"),
        (["bybit", "publicTrade", "A", "+"], "VENUE, CHANNEL, also behind each +"),
        (["bybit", "publicTrade", "A", "+", "nowhere", "x"], "argument VENUE: must be one of"),
        (["bybit", "publicTrade", "A", "--max-bytes", "1X"], "argument --max-bytes: must be a number of bytes like"),
        (["bybit", "publicTrade", "A", "--max-bytes", "0K"], "argument --max-bytes: must be a number of bytes like"),
        (["bybit", "publicTrade", "A", "--max-seconds", "0"], "argument --max-seconds: must be a positive number"),
        (["bybit", "publicTrade", "A", "--level", "10"], "argument --level: must be a whole number from 1 to 9"),
    ],
)
def test_wrong_arguments(dbx, tmp_path, words, said):
    done = dbx("record", str(tmp_path), *words, "--local")
    assert done.code == 2 and said in done.err and list(tmp_path.iterdir()) == []


def test_arguments_are_looked_at_before_the_place(dbx, tmp_path):
    done = dbx("record", str(tmp_path / "no" / "x.gz"), "bybit:private", "order")
    assert done.code == 2 and "needs keys" in done.err


def test_a_place_that_cannot_be(dbx, tmp_path):
    there = tmp_path / "there.gz"
    there.write_bytes(b"")
    for path, said in ((there, "never overwritten"), (tmp_path / "no" / "folder.gz", "folder"), (tmp_path / "x", "folder")):
        done = dbx("record", str(path), "digifinex", "all_ticker", "--local")
        assert (done.code, done.out) == (1, "") and said in done.err
        assert done.err.startswith("dbxsdk record: ") and done.err.count("\n") == 1
    assert there.read_bytes() == b""


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_is_whole_when_a_signal_ends_it(tmp_path, number, code):
    path = tmp_path / "x.jsonl.gz"
    words = ("bybit:private", "order", "--local", "--json")
    with command.start("record", str(path), *words) as process:
        assert json.loads(process.stdout.readline())["event"] == "Connected"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, "")
    records, reader = texts(path)
    assert reader.complete and json.loads(out.splitlines()[-1])["frames"] == sum(isinstance(each, Frame) for each in records)
    assert "api_key" not in gzip.decompress(path.read_bytes()).decode() and "signature" not in out


def test_progress_on_a_terminal(terminal, tmp_path):
    done = terminal("record", str(tmp_path), "digifinex", "trades", "BTC_USDT", "--local", "--seconds", "0.3")
    assert done.code == 0 and done.out.count("\r") > 3 and done.out.count(" frames, ") > 2
    assert done.out.endswith(".jsonl.gz\n") and "\rdigifinex: connected\n" not in done.out


@pytest.fixture
def often(monkeypatch):
    """The recorder writes what it has much sooner than in a second."""
    monkeypatch.setattr("dbxsdk.cli.commands.record.Recorder", functools.partial(Recorder, flush_interval=0.02))


def test_rotation(dbx, tmp_path, often):
    words = ("bybit", "orderbook.1000", "BTCUSDT", "--local", "--seconds", "0.3", "--max-bytes", "1K")
    done = dbx("record", str(tmp_path), *words)
    files = list(tmp_path.iterdir())
    assert done.code == 0 and len(files) >= 2
    assert done.out.endswith(f" s: {len(files)} files, the last {max(files)}\n")
    assert texts(tmp_path)[1].complete


def test_a_full_disk_is_told_and_ends_nothing(dbx, tmp_path, often):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Beyond that size writing fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
    try:
        done = dbx("record", str(tmp_path), "bybit", "orderbook.1000", "BTCUSDT", "--local", "--seconds", "0.4", "--json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    failed = [event for event in done.of("event") if event["event"] == "RecordingFailed"]
    assert failed and failed[0]["venue"] == "bybit:linear" and "too large" in failed[0]["error"].lower()
    lost = done.documents[-1]["lost"]
    assert done.documents[-1]["type"] == "summary" and lost > 0
    assert (done.code, done.err) == (1, f"dbxsdk record: {lost} frames could not be written\n")
