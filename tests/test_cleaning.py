"""What a venue wrote does nothing to a log, a terminal or an exception, and fills none of them."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any, List

import pytest

import dbxsdk
from dbxsdk import BadFrame, Disconnected, clean, errors
from dbxsdk.cleaning import LONGEST
from dbxsdk.cli.main import main
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.sim import BybitVenue, DigiFinexVenue
from dbxsdk.transport.redaction import redaction
from tests.promises.venues import ScriptedVenue
from tests.waiting import Background, Recorder, eventually

NASTY = (
    "\x1b]0;your bank\x07 \x1b]52;c;ZXZpbA==\x1b\\ \x1b[2J\x9b31m one\r\n2026-01-01 INFO forged\x0btwo\x85three\u2028four "
    "\u202egnp.exe \u2066\u200f half \ud800 end\x00\x7f\ufeff\U000e0001"
)


def is_clean(text: str) -> bool:
    return text.isprintable() and "  " not in text and len(text) <= LONGEST


def test_one_printable_line() -> None:
    assert clean(NASTY) == (
        "?]0;your bank? ?]52;c;ZXZpbA==?\\ ?[2J?31m one 2026-01-01 INFO forged two three four ?gnp.exe ?? half ? end????"
    )
    assert clean("  prices in €: 1 ½, 比特币 \N{ROCKET} ") == "prices in €: 1 ½, 比特币 \N{ROCKET}"
    # Replaced and not removed: no word comes about that was not there, a key for example.
    assert "secret" not in clean("sec\x1bret") and clean(clean(NASTY)) == clean(NASTY)
    for first in range(0, 0x20000, 0x1000):
        assert clean("".join(map(chr, range(first, first + 0x1000))), 0x1000).isprintable()


def test_cut_to_a_length() -> None:
    assert clean("x" * LONGEST) == "x" * LONGEST
    assert clean("x" * (32 << 20)) == clean(clean("x" * (32 << 20))) == "x" * (LONGEST - 3) + "..."
    assert clean("\n" * (1 << 20)) == "..." and clean("abcdef", 5) == "ab..." and clean("ab\x1bdef", 5) == "ab..."
    assert clean({"a": [1, None]}) == "{'a': [1, None]}" and clean(None) == "None" and clean(errors.DbxError("x")) == "x"
    assert len(clean(["x" * 10**6], 40)) == 40
    deep: Any = []
    for _ in range(sys.getrecursionlimit() * 20):
        deep = [deep]
    # From 3.15 on it is the stack that bounds repr(), not a number of levels.
    assert clean(deep, 200) in ("<list>", "[" * 197 + "...")


def test_exceptions() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.DbxError)]
    for kind in kinds:
        for text in (NASTY, NASTY + "x" * 10**6):
            error = kind(text)
            assert is_clean(str(error)) and str(error).startswith("?]0;your bank?") and len(repr(error)) < 2 * LONGEST
    refusal = dbxsdk.VenueError(NASTY * 1000, code=NASTY * 1000, reply={"msg": NASTY})
    assert is_clean(str(refusal)) and "(code ?]0;" in str(refusal)
    assert refusal.message == NASTY * 1000 and refusal.reply == {"msg": NASTY}, "the original can be read"


def test_log_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="websocket")
    SafeLogger("dbxsdk.test").warning("%s and %s after %d of %.1f s", NASTY, ValueError(NASTY * 1000), 3, 1.5)
    with redaction.guarded():
        logging.getLogger("websocket").debug("header: %s", NASTY)
    assert len(caplog.records) == 2 and all(record.getMessage().isprintable() for record in caplog.records)
    assert caplog.records[0].getMessage().endswith("after 3 of 1.5 s")
    assert len(caplog.records[0].getMessage()) < 2 * LONGEST + 100


def test_thirty_large_frames_make_a_small_log(caplog: pytest.LogCaptureFixture) -> None:
    """Frames whose words stand in the error. Of 512 KiB here: the log is the same whatever their size is."""
    words = NASTY + "x" * (512 << 10)
    frame = json.dumps({"success": True, "req_id": words, "op": "subscribe"})
    seen = Recorder()
    with BybitVenue(rate=0) as venue, venue.client("linear") as client:
        client.on_event(seen)
        client.open()
        eventually(lambda: venue.connections == 1)
        for _ in range(30):
            venue.send_frame(frame)
        seen.wait_for(BadFrame, 30)
        reason = "\x1b[2J\n\u202e"
        venue.drop_connections(1008, reason)
        seen.wait_for(Disconnected, 1)
    logged = [record.getMessage() for record in caplog.records]
    assert len([line for line in logged if "bad frame" in line]) == 30
    assert all(line.isprintable() for line in logged) and sum(map(len, logged)) < 100_000
    assert all(is_clean(str(event.error)) for event in seen.of(BadFrame))
    assert seen.of(Disconnected)[0].reason == "the peer closed the connection with code 1008: ?[2J ?"


def test_a_refusal_is_clean_and_its_words_are_kept() -> None:
    def no(link: Any, document: Any) -> Any:
        return {"success": False, "ret_msg": NASTY, "req_id": document.get("req_id"), "op": document.get("op")}

    with ScriptedVenue(no) as venue, venue.bybit() as client, pytest.raises(dbxsdk.SubscribeError) as caught:
        client.subscribe("publicTrade", "BTCUSDT", callback=print)
    assert is_clean(str(caught.value)) and "?]0;your bank?" in str(caught.value)
    assert caught.value.reply["ret_msg"] == NASTY and NASTY in caught.value.message


BAD = {"id": 1, "time": 1.5, "price": "1", "amount": "1", "type": NASTY + "é"}


@pytest.mark.parametrize("options, encoding", [([], "utf-8"), (["--json"], "utf-8"), ([], "ascii"), (["--json"], "ascii")])
def test_watch_survives_all_characters(monkeypatch: pytest.MonkeyPatch, options: List[str], encoding: str) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding, write_through=True)
    monkeypatch.setattr("sys.stdout", stdout)
    with DigiFinexVenue(rate=0) as venue:
        words = ["watch", "digifinex", "trades", "BTC_USDT", "--count", "2", "--url", venue.url(), *options]
        watching = Background(main, words)
        eventually(lambda: stdout.buffer.getvalue())  # type: ignore[attr-defined]
        venue.send_frame({"method": "trades.update", "params": [False, [BAD], "BTC_USDT"], "id": None})
        assert watching.result(10) == 0
    lines = stdout.buffer.getvalue().decode("utf-8").splitlines()  # type: ignore[attr-defined]
    assert all(line.isprintable() for line in lines)
    if options:
        assert json.loads(lines[-1])["data"][0]["type"] == BAD["type"], "programs get what the venue wrote"
    else:
        assert "type=?]0;your bank?" in lines[-1]


def test_the_live_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    console = pytest.importorskip("rich.console")
    from dbxsdk.cli.display.screen import Screen

    file = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    where = console.Console(file=file, width=200, height=24, force_terminal=True, highlight=False, color_system=None)
    screen = Screen("x", 12, console=where)
    for channel in ("own", "tickers"):  # a list, and one row upright
        data = {f"[/bold]{NASTY}": NASTY, "[red]": "x"}
        screen.show("bybit", dbxsdk.Update("bybit", channel, NASTY, "update", data, None, 1_700_000_000_000_000_000, {}))
        screen._draw()
    screen.show("bybit", BadFrame(dbxsdk.ProtocolError(NASTY)))
    screen.close()
    shown = file.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]
    assert "[/bold]?]0;your bank?" in shown
    assert not set("\x07\x9b\u202e\u2028\x00\x0b") & set(shown) and "\x1b]" not in shown and "\x1b[2J" not in shown
