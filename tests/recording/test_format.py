"""The lines of a recording: what they look like, that they come back equal, and what is refused."""

from __future__ import annotations

import json
import sys
from typing import Any, List, Mapping, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import codec
from dbxsdk.recording.format import (
    _accepted,
    DIRECTIONS,
    KINDS,
    VERSION,
    Closed,
    End,
    Frame,
    Header,
    Lost,
    NotSent,
    Opened,
    RecordingError,
    decode,
    encode,
    frame_lines,
    frame_start,
)

numbers = st.integers(0, 2**63)
texts = st.text(st.characters(exclude_categories=["Cs"]))
payloads = st.one_of(st.binary(), texts.map(str.encode), st.just(b'{"a":"\\u00e9\\n"}'))
frames = st.builds(
    Frame,
    numbers,
    numbers,
    numbers,
    st.sampled_from(DIRECTIONS),
    st.sampled_from(KINDS),
    st.one_of(st.none(), payloads),
    st.one_of(st.none(), numbers),
)
settings = st.dictionaries(texts, st.one_of(texts, numbers, st.booleans(), st.none(), st.lists(texts)))
others = st.one_of(
    st.builds(Header, st.just(VERSION), texts, texts, numbers, numbers, numbers, numbers),
    st.builds(Opened, numbers, numbers, numbers, texts, texts, settings, texts, numbers, st.booleans()),
    st.builds(
        Closed,
        numbers,
        numbers,
        numbers,
        texts,
        st.one_of(st.none(), st.integers(1000, 4999)),
        st.one_of(st.none(), st.floats(0, 1e9)),
        st.one_of(st.none(), numbers),
    ),
    st.builds(NotSent, numbers, numbers, numbers, numbers),
    st.builds(Lost, numbers, numbers, numbers, numbers, texts),
    st.builds(End, numbers, numbers, texts),
)


@given(st.one_of(frames, others))
def test_every_record_comes_back_equal(record: Any) -> None:
    line = encode(record)
    assert line.endswith("\n")
    assert line.encode().splitlines() == [line.encode()[:-1]], "one line, whatever is in it"
    assert decode(line.encode()) == record
    assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize(
    "record, line",
    [
        (
            Frame(3, 20, 10, "in", "text", b'{"p":"1.10","s":"\xc3\xa9"}'),
            '{"type":"frame","connection":3,"direction":"in","monotonic_ns":20,"wall_ns":10,'
            '"text":"{\\"p\\":\\"1.10\\",\\"s\\":\\"é\\"}"}\n',
        ),
        (
            Frame(3, 20, 10, "out", "text", None, 7),
            '{"type":"frame","connection":3,"direction":"out","monotonic_ns":20,"wall_ns":10,"number":7,"removed":"text"}\n',
        ),
        (
            Frame(3, 20, 10, "in", "binary", b"\x00\xff"),
            '{"type":"frame","connection":3,"direction":"in","monotonic_ns":20,"wall_ns":10,"binary":"AP8="}\n',
        ),
        (
            Frame(3, 20, 10, "in", "text", b"\xff"),
            '{"type":"frame","connection":3,"direction":"in","monotonic_ns":20,"wall_ns":10,"text_base64":"/w=="}\n',
        ),
        (
            Opened(1, 20, 10, "bybit", "BybitPublicClient", {"category": "linear"}, "wss://host/path", 1),
            '{"type":"opened","connection":1,"monotonic_ns":20,"wall_ns":10,"venue":"bybit","client":"BybitPublicClient",'
            '"settings":{"category":"linear"},"endpoint":"wss://host/path","owner":1,"repeated":false}\n',
        ),
        (
            Header(1, "0.1.0", "6f1c2a9be0d4", 1, 5, 6, 7),
            '{"format":"dbxsdk-recording","version":1,"dbxsdk":"0.1.0","recording":"6f1c2a9be0d4","file":1,'
            '"started_ns":5,"wall_ns":6,"monotonic_ns":7}\n',
        ),
        (End(20, 10, "closed"), '{"type":"end","monotonic_ns":20,"wall_ns":10,"reason":"closed"}\n'),
    ],
)
def test_the_documented_lines(record: Any, line: str) -> None:
    """The format is a promise: files of today must be read tomorrow."""
    assert encode(record) == line
    assert decode(line.encode()) == record


QUOTES = {"as installed": codec.quote, "stdlib": codec._quote_slowly}


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
@given(st.lists(payloads, min_size=1), st.booleans())
def test_the_lines_of_many_frames_are_those_of_each(quote: Any, many: List[bytes], binary: bool) -> None:
    one_by_one = "".join(encode(Frame(3, 20, 10, "in", "binary" if binary else "text", each)) for each in many).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "quote", quote)
        lines = frame_lines(frame_start(3, "in", 20, 10), binary, many)
    assert lines == one_by_one or (lines is None and not binary and b'"text_base64"' in one_by_one)


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES)
@pytest.mark.parametrize("odd, is_text", [
    (b"\x00" * 9 + b"a" * 36, True),
    (b"\x00" * 9 + b"a" * 35, False),
    (b'"' * 50, True),
    (b"\xff", False),
    (b"\x00", False),
    (b"", True),
    ("\x7f\u2028\ufeff\U0001f600".encode(), True),
])
def test_one_among_many_that_is_written_otherwise(monkeypatch: Any, quote: Any, odd: bytes, is_text: bool) -> None:
    monkeypatch.setattr(codec, "quote", quote)
    assert ('"text":' in encode(Frame(3, 20, 10, "in", "text", odd))) == is_text
    for many in ([odd], [b"{}" * 100, odd], [odd, b'{"a":1}' * 1000]):
        lines = frame_lines(frame_start(3, "in", 20, 10), False, many)
        assert (lines is not None) == is_text
        assert lines in (None, "".join(encode(Frame(3, 20, 10, "in", "text", each)) for each in many).encode())


def test_what_a_later_dbxsdk_may_add_is_passed_over() -> None:
    assert decode(b'{"type":"weather","connection":1}') is None
    assert decode(b'{"type":"end","monotonic_ns":1,"wall_ns":2,"reason":"closed","more":3}') == End(1, 2, "closed")


def test_connections_are_renumbered() -> None:
    assert decode(encode(Closed(2, 0, 0, "")).encode(), 10) == Closed(12, 0, 0, "")
    assert decode(encode(Frame(2, 0, 0, "in", "text", b"")).encode(), 10) == Frame(12, 0, 0, "in", "text", b"")
    assert decode(encode(End(0, 0, "")).encode(), 10) == End(0, 0, "")


FRAME = '{"type":"frame","connection":1,"direction":"in","monotonic_ns":1,"wall_ns":1'


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "not a line of JSON"),
        ("{", "not a line of JSON"),
        ("[" * 100_000, "not a line of JSON"),
        ("[]", "list in place of an object"),
        ("{}", "without a type"),
        ('{"format":"other"}', "another format"),
        ('{"format":"dbxsdk-recording"}', "version is None"),
        ('{"format":"dbxsdk-recording","version":2,"dbxsdk":"9.0"}', r"format version 2.*up to 1.*newer dbxsdk \(9\.0\)"),
        ('{"format":"dbxsdk-recording","version":1}', "dbxsdk is None"),
        ('{"type":"closed","connection":true,"monotonic_ns":1,"wall_ns":1,"reason":""}', "connection is True"),
        ('{"type":"closed","connection":1,"monotonic_ns":1.5,"wall_ns":1,"reason":""}', "monotonic_ns is 1.5"),
        (FRAME + "}", "without a payload"),
        (FRAME + ',"binary":"A"}', "binary is not base64"),
        (FRAME + ',"binary":"é"}', "binary is not base64"),
        (FRAME + ',"ping":1}', "ping is 1"),
        (FRAME + ',"text":"\\ud800"}', "not Unicode"),
        (FRAME + ',"removed":"x"}', "removed is 'x'"),
        (FRAME.replace('"in"', '"up"') + ',"text":""}', "direction is 'up'"),
        (FRAME + ',"text":"","number":"1"}', "number is '1'"),
    ],
)
def test_what_is_no_line_is_refused(line: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        decode(line.encode())


@given(st.one_of(st.binary(), st.recursive(texts | numbers | st.none(), st.lists).map(json.dumps).map(str.encode)))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    try:
        decode(line)
    except RecordingError:
        pass


def test_settings_that_are_not_json_are_refused() -> None:
    with pytest.raises(TypeError):
        encode(Opened(1, 1, 1, "v", "c", {"a": object()}, "e", 1))
    with pytest.raises(ValueError):
        encode(Opened(1, 1, 1, "v", "c", {"a": float("nan")}, "e", 1))


@pytest.mark.parametrize("annotation, types", [
    (int, (int,)),
    (Optional[int], (int, type(None))),
    (Union[None, int], (type(None), int)),
    (Optional[float], (float, type(None), int)),
    (Mapping[str, Any], (dict,)),
])
def test_what_a_field_may_hold_is_read_off_its_type(annotation: Any, types: Any) -> None:
    assert _accepted(annotation) == types


@pytest.mark.skipif(sys.version_info < (3, 10), reason="this Python has no such spelling")
def test_the_spelling_of_a_type_does_not_matter() -> None:
    assert _accepted(int | None) == _accepted(Optional[int])


def test_a_record_s_field_of_another_type_is_noticed_at_once() -> None:
    for annotation in (bytes, Optional[bytes], Optional[Mapping[str, Any]]):
        with pytest.raises(TypeError, match="a field of a record"):
            _accepted(annotation)
