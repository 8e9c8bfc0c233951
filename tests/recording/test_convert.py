"""Lines of JSON made a recording."""

from __future__ import annotations

import functools
import json
import os
import pathlib
from typing import Any

import pytest

from dbxsdk import recording
from dbxsdk.cli.venues import default_client
from dbxsdk.recording import Frame, Opened, RecordingError, read

convert = functools.partial(recording.convert, client_of=default_client)


def line(frame: str, venue: str = "bybit", direction: str = "in", **more: Any) -> str:
    rest = json.dumps({"venue": venue, "direction": direction, "source": "docs", **more})
    return f'{rest[:-1]}, "frame": {frame}}}'


def test_frames_are_taken_letter_by_letter(tmp_path: pathlib.Path) -> None:
    exact = '{"topic" :"publicTrade.BTCUSDT",  "p": 1.10, "q": 1e-7, "n": 12345678901234567890.10, "u": "\\u00e9é/"}'
    converted = convert([line(exact), "", line('"not JSON"')], tmp_path / "x.jsonl.gz", interval=0.5)
    assert (converted.frames, converted.skipped) == (2, 1)
    reader = read(converted.path)
    opened, first, second = reader
    assert isinstance(opened, Opened) and (opened.client, opened.settings) == ("BybitPublicClient", {"category": "linear"})
    assert isinstance(first, Frame) and first.payload == exact.encode()
    assert isinstance(second, Frame) and second.payload == b"not JSON"
    assert second.monotonic_ns - first.monotonic_ns == 500_000_000
    assert reader.complete


def test_two_conversions_are_equal(tmp_path: pathlib.Path) -> None:
    lines = [line('{"topic":"tickers.BTCUSDT"}'), line('{"op":"ping"}', direction="out"), line("{}", "cryptomus", wall_ns=9)]
    one, two = (list(read(convert(lines, tmp_path / f"{name}.gz").path)) for name in "ab")
    assert one == two and len(one) == 2 + 3


def test_a_line_or_a_function_may_say_whose_it_is(tmp_path: pathlib.Path) -> None:
    lines = [line("{}", "kraken", client="KrakenClient", settings={"a": 1}), line("{}", "other")]
    converted = convert(lines, tmp_path, client_of=lambda fields: (fields["venue"], {}))
    assert [record.client for record in read(converted.path) if isinstance(record, Opened)] == ["KrakenClient", "other"]


def test_without_any_word_of_whose_it_is_nothing_is_guessed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RecordingError, match="line 1: nothing says whose frame it is: give client and settings, or client_of"):
        recording.convert([line("{}")], tmp_path)
    assert os.listdir(tmp_path) == []


def test_logins_and_http_answers_are_left_out(tmp_path: pathlib.Path) -> None:
    lines = [
        line('{"op": "auth", "args": ["a-key", 1, "a-signature"]}', direction="out"),
        line('{"id": 1, "method": "server.auth", "params": ["a-key"]}', "digifinex", "out"),
        line('{"token": "a-token"}', "cryptomus", kind="REST token reply"),
    ]
    converted = convert(lines, tmp_path)
    assert (converted.frames, converted.skipped) == (2, 1)
    assert [(frame.payload, frame.number) for frame in read(converted.path) if isinstance(frame, Frame)] == [(None, 1)] * 2


@pytest.mark.parametrize("depth", [500, 980, 1100, 100_000])
def test_a_deep_line_is_converted_or_named(tmp_path: pathlib.Path, depth: int) -> None:
    # How deep Python's encoder goes depends on its version and on how deep the caller is.
    deep = line("{}", kind="tickers").replace('"tickers"', "[" * depth + "]" * depth)
    try:
        assert convert([line("{}"), deep], tmp_path).frames == 2 and depth < 100_000
    except RecordingError as error:
        assert str(error).startswith("line 2: ") and depth > 500


@pytest.mark.parametrize(
    "bad, message",
    [
        ("{", "line 2: not a JSON object"),
        ("[1]", "line 2: not a JSON object"),
        ("{}x", "line 2: not a JSON object"),
        (b"\xff", "line 2: not a JSON object"),
        ('{"venue": "bybit", "direction": "in"}', "line 2: it needs a venue, a direction"),
        (line("{}", direction="up"), "line 2: it needs a venue, a direction"),
        (line("{}", "kraken"), "line 2: the client of venue 'kraken' is not known"),
        (line("{}", wall_ns="now"), "line 2: wall_ns must be a whole number"),
        (line("{}", client=3), "line 2: client must be the name of a class"),
        (line("{}", client="\ud800"), "line 2: .*surrogates"),
        (line("{}", client="A", settings={"a": float("nan")}), "line 2: .*not JSON compliant"),
    ],
)
def test_bad_lines_are_named_and_leave_no_file(tmp_path: pathlib.Path, bad: Any, message: str) -> None:
    large = line(json.dumps({"topic": "x.y", "pad": "x" * 1_100_000}))
    with pytest.raises(RecordingError, match=message):
        convert([large, bad], tmp_path)
    assert os.listdir(tmp_path) == []


def test_bad_arguments(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="interval"):
        convert([], tmp_path, interval=0)
    with pytest.raises(RecordingError, match="no such folder"):
        convert([], tmp_path / "folder")
