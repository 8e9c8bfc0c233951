"""The samples of what people do first, run as a user runs them: all at once, since each takes its seconds."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest

import dbxsdk.sim
from dbxsdk.sim import BybitVenue, DBotVenue, DigiFinexVenue
from tests import warm

ROOT = Path(__file__).parents[2]
LOCAL = {
    "trades_to_csv": "{folder}/trades.csv --seconds 1",
    "price_alert": "--seconds 1 --above 1000",
    "place_and_cancel": "--price 20000",
    "copy_trading_hours": "--start 00:00 --end 23:59 --once",
    "balance_watcher": "--seconds 4",
    "swap_funding": "BTCUSDTPERP BTCPERP --seconds 2",
    "spread_between_venues": "--seconds 1 --every 0.25",
    "candles_from_trades": "--length 0.5 --seconds 2",
    "record_day": "{folder}/day --seconds 1",
    "replay_day": "",
    "order_bot": "--limit 1000000 --most 2 --seconds 1",
}
"""Their arguments beside ``--local``."""

KEYS = ("BYBIT_API_KEY", "BYBIT_API_SECRET", "CRYPTOMUS_USER_ID", "CRYPTOMUS_API_KEY", "DBOT_API_KEY")

Done = Tuple[int, str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def done(folder: Path) -> Dict[str, Done]:
    """What each left: its exit code, its output and its errors."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC"}
    for name in KEYS:
        environment.pop(name, None)
    running = {}
    for name, arguments in LOCAL.items():
        words = arguments.format(folder=folder).split()
        running[name] = warm.start([ROOT / "samples" / f"{name}.py", "--local", *words], env=environment)
    try:
        results = {name: (*process.communicate(timeout=50), process.returncode) for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()  # does nothing to those that have ended
    return {name: (code, out, err) for name, (out, err, code) in results.items()}


def run_here(monkeypatch: pytest.MonkeyPatch, capsys: Any, name: str, *arguments: str) -> Tuple[Any, str, str]:
    """A sample in this process: the code or the message that it ends with, its output and its errors."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    code: Any = 0
    try:
        runpy.run_path(str(ROOT / "samples" / f"{name}.py"), run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    return (code, *capsys.readouterr())


@pytest.fixture
def local_bybit(monkeypatch: pytest.MonkeyPatch) -> Iterator[BybitVenue]:
    """The venue that a sample starts by ``--local``, to be looked at and made to misbehave."""
    with BybitVenue() as venue:
        monkeypatch.setattr(dbxsdk.sim, "BybitVenue", lambda: _Kept(venue))
        yield venue


class _Kept:
    def __init__(self, venue: Any) -> None:
        self.venue = venue

    def __enter__(self) -> Any:
        return self.venue

    def __exit__(self, *_: object) -> None:
        """The test closes it."""


@pytest.mark.parametrize("name", LOCAL)
def test_it_runs_locally(name: str, done: Dict[str, Done]) -> None:
    code, out, err = done[name]
    assert code == 0, err
    assert "Traceback" not in err and "Failed" not in err and "Error" not in err


@pytest.mark.parametrize("name", LOCAL)
def test_it_is_short(name: str) -> None:
    assert len((ROOT / "samples" / f"{name}.py").read_text().splitlines()) <= 60


def test_trades_to_csv(folder: Path, done: Dict[str, Done], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    path = folder / "trades.csv"
    first = rows(path)
    assert len(first) > 50 and ids(first) == sorted(set(ids(first)))
    assert set(first[0]) == {"id", "time", "symbol", "type", "amount", "price"} and first[0]["symbol"] == "BTC_USDT"

    with DigiFinexVenue(rate=0) as venue:  # its history has other ids: what is not newer is not written again
        monkeypatch.setattr(dbxsdk.sim, "DigiFinexVenue", lambda: _Kept(venue))
        run_here(monkeypatch, capsys, "trades_to_csv", str(path), "--local", "--seconds", "0.1")
        kept = rows(path)
        venue.step(50)
        again = run_here(monkeypatch, capsys, "trades_to_csv", str(path), "--local", "--seconds", "0.1")
        assert again[0] == 0
    more = rows(path)
    assert kept[:len(first)] == first and more[:len(kept)] == kept and len(more) > len(kept)
    assert ids(more) == sorted(set(ids(more)))


def rows(path: Path) -> Any:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def ids(rows: Any) -> Any:
    return [int(row["id"]) for row in rows]


def test_price_alert(done: Dict[str, Done]) -> None:
    # Once: it stays outside the range.
    assert re.fullmatch(r"\aBTCUSDT is above the range: 6\d{4}\.\d\n", done["price_alert"][1])


def test_price_alert_inside_the_range(local_bybit: BybitVenue, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    code, out, err = run_here(monkeypatch, capsys, "price_alert", "--local", "--seconds", "0.3", "--below", "1000")
    assert (code, out) == (0, "")


def test_place_and_cancel(done: Dict[str, Done]) -> None:
    assert re.fullmatch(r"accepted as \S{36}\ncancelled\n", done["place_and_cancel"][1])


@pytest.mark.parametrize("executed", [True, False])
def test_place_and_cancel_without_an_answer(
    executed: bool, local_bybit: BybitVenue, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    local_bybit.drop_after_next_request(executed)
    code, out, err = run_here(monkeypatch, capsys, "place_and_cancel", "--local", "--price", "20000")
    placed = [frame for frame in local_bybit.requests if frame.document["op"] == "order.create"]
    assert len(placed) == 1 and "no answer: " in err
    if executed:
        assert (code, out) == (0, "cancelled\n")
        assert [order.status for order in local_bybit.orders()] == ["Cancelled"]
    else:
        assert (code, out) == (3, "") and f"ask the venue for {placed[0].document['args'][0]['orderLinkId']}" in err


def test_place_and_cancel_refused(local_bybit: BybitVenue, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    local_bybit.fail_next(110007, "ab not enough for new order")
    code, out, err = run_here(monkeypatch, capsys, "place_and_cancel", "--local", "--price", "20000")
    assert code.startswith("nothing was placed: VenueError: ") and "ab not enough" in code
    assert [frame for frame in local_bybit.requests if frame.document["op"] == "order.cancel"] == []


@pytest.mark.parametrize("start, end, enabled", [("00:00", "23:59:59", True), ("00:00", "00:00", False)])
def test_copy_trading_hours(
    start: str, end: str, enabled: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with DBotVenue(rate=0) as venue:
        monkeypatch.setattr(dbxsdk.sim, "DBotVenue", lambda: _Kept(venue))
        task = venue.add_follow_order(enabled=not enabled)
        code, out, err = run_here(
            monkeypatch, capsys, "copy_trading_hours", task, "--local", "--once", "--start", start, "--end", end
        )
        assert (code, err) == (0, "") and venue.tasks("follow")[task]["enabled"] is enabled
    assert out.endswith(f"{task} is {'enabled' if enabled else 'disabled'}\n")


def test_copy_trading_hours_of_no_task(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    code, out, err = run_here(
        monkeypatch, capsys, "copy_trading_hours", "nosuch", "--local", "--once", "--start", "00:00", "--end", "00:00"
    )
    assert code.startswith("VenueError: ") and out == ""


def test_swap_funding(done: Dict[str, Done]) -> None:
    lines = done["swap_funding"][1].splitlines()
    assert {line for line in lines if re.fullmatch(r"BTC(USDT)?PERP: longs pay 0\.0100% at \d\d:\d\d UTC", line)}
    assert {line.split(":")[0] for line in lines if re.fullmatch(r"\w+: mark \d+\.\d, [+-]0\.\d{4}% from the index", line)} == {
        "BTCUSDTPERP", "BTCPERP"
    }


def test_balance_watcher(done: Dict[str, Done]) -> None:
    lines = done["balance_watcher"][1].splitlines()
    assert len(lines) >= 2
    assert [line for line in lines if not re.fullmatch(r"(USDT|BTC): [+-]\d+\.\d+ to \d+\.\d+", line)] == []


def test_spread_between_venues(done: Dict[str, Done]) -> None:
    lines = done["spread_between_venues"][1].splitlines()
    assert len(lines) == 4
    pattern = r"Bybit to DigiFinex [+-]\d+\.\d+, DigiFinex to Bybit [+-]\d+\.\d+ USDT"
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []


def test_candles_from_trades(done: Dict[str, Done]) -> None:
    lines = done["candles_from_trades"][1].splitlines()
    assert len(lines) >= 2 and lines[0].endswith(" incomplete") and not lines[1].endswith("incomplete")
    for line in lines:
        open_, high, low, close = (float(line.split()[at]) for at in (2, 4, 6, 8))
        assert low <= min(open_, close) <= max(open_, close) <= high


def test_record_day(folder: Path, done: Dict[str, Done], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    count = int(re.fullmatch(r"(\d+) frames recorded\n", done["record_day"][1])[1])  # type: ignore[index]
    code, out, err = run_here(monkeypatch, capsys, "replay_day", str(folder / "day"))
    assert code == 0 and 10 < count == int(out.split()[0])


def test_replay_day(done: Dict[str, Done]) -> None:
    assert re.fullmatch(r"\d+ frames, [1-9]\d* orders, [01] held, [+-]\d+\.\d+ USDT\n", done["replay_day"][1])


def test_order_bot(done: Dict[str, Done]) -> None:
    assert re.fullmatch(r"bought: order \S{36}, 1 left\nbought: order \S{36}, 0 left\n", done["order_bot"][1])


def test_order_bot_without_an_answer(local_bybit: BybitVenue, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    local_bybit.drop_after_next_request(executed=True)
    code, out, err = run_here(
        monkeypatch, capsys, "order_bot", "--local", "--limit", "1000000", "--most", "5", "--seconds", "1"
    )
    (order, *more) = local_bybit.orders()
    assert code == 0 and f"no answer for {order.link_id}; executed" in err
    assert out.startswith(f"bought: order {order.id}, 4 left\n")
    assert len(more) == out.count("\n") - 1, "one order a line, and the one without an answer once"


def test_order_bot_that_cannot_find_out(local_bybit: BybitVenue, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    local_bybit.drop_after_next_request(executed=True)
    local_bybit.fail_rest(10005, "no permission")
    code, out, err = run_here(
        monkeypatch, capsys, "order_bot", "--local", "--limit", "1000000", "--most", "5", "--seconds", "1"
    )
    (order,) = local_bybit.orders()
    assert (code, out) == (0, "") and f"no answer for {order.link_id}; unknown: " in err and "no permission" in err


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("place_and_cancel", ["--price", "1"]),
        ("copy_trading_hours", ["--start", "00:00", "--end", "00:00"]),
        ("balance_watcher", []),
        ("order_bot", ["--limit", "1"]),
    ],
)
def test_a_missing_key_is_named(name: str, arguments: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    code, out, err = run_here(monkeypatch, capsys, name, *arguments)
    assert any(key in code for key in KEYS) and (out, err) == ("", "")


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("trades_to_csv", ["/nosuch/file.csv"]),
        ("trades_to_csv", ["{folder}/wrong.csv", "--symbol", "NOSUCH"]),
        ("price_alert", ["--symbol", "NOSUCH"]),
        ("spread_between_venues", ["--coin", ""]),
        ("balance_watcher", ["--currency", ""]),
        ("swap_funding", ["BTC_USDT"]),
        ("replay_day", ["/nosuch", "--speed", "-1"]),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    name: str, arguments: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    words = [word.format(folder=folder) for word in arguments]
    code, out, err = run_here(monkeypatch, capsys, name, "--local", *words)
    assert re.match(r"\w+Error: ", code) and "\n" not in code and out == ""


def test_records_are_what_csv_and_pandas_take(local_bybit: BybitVenue) -> None:
    with local_bybit.client("linear") as client, client.messages("publicTrade", "BTCUSDT") as updates:
        update = next(updates)
    first = update.records()[0]
    assert list(first)[:6] == ["venue", "channel", "symbol", "kind", "venue_time_ms", "received_ns"]
    assert first["price"] == update.data[0].price and json.dumps(first, default=str)
