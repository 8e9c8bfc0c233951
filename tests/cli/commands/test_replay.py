"""``dbxsdk replay`` and ``dbxsdk convert``: what was recorded comes again, and what cannot be played is told."""

from __future__ import annotations

import gzip
import io
import json
import re
import signal
from pathlib import Path

import pytest

from dbxsdk.cli.main import main
from dbxsdk.cli.recorded_clients import recorded_clients
from dbxsdk.recording import read
from tests.cli import command

WORDS = (
    "bybit:spot publicTrade BTCUSDT ETHUSDT + bybit:spot orderbook.50 BTCUSDT + bybit:private execution + digifinex depth "
    "BTC_USDT + digifinex trades BTC_USDT + cryptomus depth BTC_USDT:0 + cryptomus lastprice all + dbot tradeResults "
    "+ digifinex:swap depth.20 BTCUSDTPERP + digifinex:swap trades BTCUSDTPERP ETHUSDTPERP + digifinex:swap account"
).split()


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A moment of all four local venues."""
    path = tmp_path_factory.mktemp("recorded") / "day.jsonl.gz"
    assert main(["record", str(path), *WORDS, "--local", "--seconds", "0.3"]) == 0
    return str(path)


@pytest.fixture
def lines(tmp_path):
    """Frames that were kept as lines of JSON."""
    kept = [
        {"venue": "bybit", "direction": "out", "frame": {"op": "subscribe", "req_id": "1", "args": ["publicTrade.BTCUSDT"]}},
        {"venue": "bybit", "direction": "in", "frame": {"success": True, "ret_msg": "", "op": "subscribe", "req_id": "1"}},
        *(
            {
                "venue": "bybit",
                "direction": "in",
                "frame": {
                    "topic": "publicTrade.BTCUSDT",
                    "type": "snapshot",
                    "ts": 1700000000000 + number,
                    "data": [{"T": 1700000000000, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": f"6000{number}.10", "i": "x"}],
                },
            }
            for number in range(3)
        ),
    ]
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    return path


def test_what_was_subscribed_is_read_off_the_recording(recording):
    with read(recording) as reader:
        clients = recorded_clients(reader, lambda: None)
    names = ["bybit:spot", "bybit:private", "digifinex", "cryptomus", "dbot:trade", "digifinex:swap"]
    assert [str(client.word) for client in clients] == names
    selections = [(selection.channel, selection.symbols) for client in clients for selection in client.selections]
    assert selections == [
        ("publicTrade", ("BTCUSDT", "ETHUSDT")),
        ("orderbook.50", ("BTCUSDT",)),
        ("execution", ()),
        ("depth", ("BTC_USDT",)),
        ("trades", ("BTC_USDT",)),
        ("depth", ("BTC_USDT:0",)),
        ("lastprice", ("all",)),
        ("tradeResults", ()),
        ("depth.20", ("BTCUSDTPERP",)),
        ("trades", ("BTCUSDTPERP", "ETHUSDTPERP")),
        ("account", ()),
    ]


def test_twice_the_same(dbx, recording):
    first = dbx("replay", recording, "--speed", "max", "--json")
    assert (first.code, first.err) == (0, "")
    updates = first.of("update")
    assert {(update["venue"], update["channel"]) for update in updates} >= {
        ("bybit", "publicTrade"), ("bybit", "orderbook.50"), ("bybit", "execution"), ("digifinex", "depth"),
        ("digifinex", "trades"), ("cryptomus", "depth"), ("cryptomus", "lastprice"), ("digifinex", "depth.20"),
    }  # fmt: skip
    (summary,) = first.of("summary")
    assert summary["complete"] and summary["lost"] == 0 and summary["frames"] >= len(updates) > 20
    again = dbx("replay", recording, "--speed", "100", "--json")
    assert again.out == first.out


def test_what_is_named_for_people(dbx, recording):
    words = "digifinex depth BTC_USDT + bybit:spot publicTrade ETHUSDT --speed max".split()
    done = dbx("replay", recording, *words)
    assert done.code == 0
    told = done.out.splitlines()
    assert any(line.startswith("digifinex BTC_USDT: bid ") for line in told)
    trades = [line for line in told if " bybit:spot publicTrade ETHUSDT " in line]
    assert len(trades) > 3 and all("price=" in line for line in trades)
    assert not any("BTCUSDT" in line or "execution" in line for line in told)
    assert re.search(r"\d frames of \d+\.\d s played in \d", done.err.splitlines()[-1])


def test_count(dbx, recording):
    words = ("replay", recording, "digifinex", "trades", "BTC_USDT", "--speed", "max", "--json", "--count")
    done = dbx(*words, "2")
    assert done.code == 0 and len(done.of("update")) == 2
    done = dbx(*words, "100000")
    assert done.code == 1 and " of 100000 updates" in done.err


def test_ctrl_c_and_progress_of_a_long_one(recording):
    words = ("replay", recording, "--speed", "0.03", "--json")
    with command.start(*words) as process:
        while json.loads(process.stdout.readline())["type"] != "update":
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "dbxsdk replay: interrupted\n")
    assert '"summary"' not in out


def test_on_a_terminal(terminal, recording):
    done = terminal("replay", recording, "--speed", "2")
    assert done.code == 0
    for words in ("spread", " %, ", " frames, ", "bybit:spot BTCUSDT", "█", " s played in "):
        assert words in done.out


def test_progress_of_what_is_not_on_the_screen(terminal, recording):
    done = terminal("replay", recording, "--speed", "max", "--json")
    assert done.code == 0 and "\rlooking through 0 %" in done.out and "\x1b" not in done.out


@pytest.mark.parametrize("speed", ["-1", "0", "fast", "nan", "inf", ""])
def test_wrong_speeds(dbx, speed):
    done = dbx("replay", "x.gz", f"--speed={speed}")
    assert done.code == 2 and f"argument --speed: must be a number above 0, or max, not {speed!r}" in done.err


def test_what_is_no_recording(dbx, tmp_path, recording):
    foreign, newer, empty = tmp_path / "foreign.gz", tmp_path / "newer.jsonl.gz", tmp_path / "empty"
    foreign.write_bytes(b"what is this")
    head, *_ = gzip.decompress(Path(recording).read_bytes()).splitlines()
    newer.write_bytes(gzip.compress(json.dumps({**json.loads(head), "version": 99}).encode() + b"\n"))
    empty.mkdir()
    for path, said in (
        (foreign, "not a recording of dbxsdk"),
        (newer, "format version 99"),
        (empty, "no recording"),
        (tmp_path / "nothing.gz", "No such file"),
    ):
        done = dbx("replay", str(path), "--json")
        assert (done.code, done.out) == (1, "") and said in done.err
        assert done.err.startswith("dbxsdk replay: ") and done.err.count("\n") == 1


def test_a_torn_end_is_told_after_the_rest(dbx, tmp_path, recording):
    torn = tmp_path / "torn.jsonl.gz"
    whole = Path(recording).read_bytes()
    members = [at for at in range(len(whole)) if whole.startswith(b"\x1f\x8b\x08", at)]
    torn.write_bytes(whole[: members[-1] + 10])
    done = dbx("replay", str(torn), "--speed", "max", "--json")
    assert done.code == 1 and len(done.of("update")) > 20
    assert done.err == f"dbxsdk replay: played, but incomplete: {torn}: the last 10 bytes cannot be read\n"


def test_what_is_not_in_the_recording(dbx, recording):
    done = dbx("replay", recording, "bybit:inverse", "publicTrade", "BTCUSD")
    assert done.code == 2 and "bybit:inverse is not in the recording, which has bybit:private, bybit:spot" in done.err
    assert dbx("replay", recording, "bybit:spot", "orderbook.3", "BTCUSDT").code == 2
    assert dbx("replay", recording, "bybit:spot").code == 2


# -- convert ---------------------------------------------------------------------------------------------


def test_lines_become_a_recording(dbx, tmp_path, lines):
    path = tmp_path / "made.jsonl.gz"
    done = dbx("convert", str(lines), str(path))
    assert (done.code, done.err) == (0, "") and done.out == f"5 frames, 0 lines skipped: {path}\n"
    played = dbx("replay", str(path), "--speed", "max", "--json")
    assert played.code == 0
    assert [update["data"][0]["price"] for update in played.of("update")] == ["60000.10", "60001.10", "60002.10"]


def test_a_subscription_that_no_client_would_make_is_told_and_passed_over(dbx, tmp_path, lines):
    strange = {"venue": "dbot", "direction": "out", "frame": {"method": "subscribe", "type": "tokensInfo", "args": {}}}
    lines.write_text(json.dumps(strange) + "\n" + lines.read_text())
    path = str(tmp_path / "made.jsonl.gz")
    assert dbx("convert", str(lines), path).code == 0
    done = dbx("replay", path, "--speed", "max", "--json")
    assert done.code == 0 and len(done.of("update")) == 3
    assert done.err.startswith("dbot:data tokensInfo: not played: channel must be one of tx") and done.err.count("\n") == 1


def test_a_recording_without_subscriptions(dbx, tmp_path, lines):
    lines.write_text("".join(lines.read_text().splitlines(True)[1:]))
    path = str(tmp_path / "made.jsonl.gz")
    assert dbx("convert", str(lines), path).code == 0
    done = dbx("replay", path, "--json")
    assert (done.code, done.out) == (1, "") and "say what to play: VENUE CHANNEL [SYMBOL ...]" in done.err
    assert len(dbx("replay", path, "bybit", "publicTrade", "BTCUSDT", "--speed", "max", "--json").of("update")) == 3


def test_lines_from_stdin(dbx, tmp_path, lines, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.read_bytes())))
    path = tmp_path / "made.jsonl.gz"
    done = dbx("convert", "-", str(path), "--json")
    assert done.documents == [{"frames": 5, "skipped": 0, "path": str(path)}]


def test_lines_that_cannot_be_converted(dbx, tmp_path, lines):
    made = tmp_path / "made.jsonl.gz"
    lines.write_text(lines.read_text() + "no JSON\n")
    done = dbx("convert", str(lines), str(made))
    assert (done.code, done.out) == (1, "") and done.err.startswith("dbxsdk convert: line 6: ")
    assert not made.exists()
    for words, said in (((str(tmp_path / "none"), str(made)), "No such file"), ((str(lines), str(lines)), "lines.jsonl")):
        done = dbx("convert", *words)
        assert (done.code, done.out) == (1, "") and said in done.err and done.err.count("\n") == 1
    assert dbx("convert", str(lines), str(made), "--interval", "-1").code == 2
