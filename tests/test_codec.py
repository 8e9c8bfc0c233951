"""JSON in and out: strict, with one kind of error, and the same with msgspec and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any, List, Tuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbxsdk import ProtocolError, codec
from dbxsdk.codec import decode, decode_object, encode

needs_msgspec = pytest.mark.skipif(
    codec._quick is None, reason="msgspec (of the extra test) is not installed, or DBXSDK_JSON=stdlib is set"
)


def test_documents() -> None:
    assert decode(b'{"a":[1,2.5,"x",null,true]}') == {"a": [1, 2.5, "x", None, True]}
    assert decode('"gr\u00fc\u00df"') == decode('"gr\u00fc\u00df"'.encode()) == "gr\u00fc\u00df"
    assert decode(b" [1] ") == [1]


@pytest.mark.parametrize("payload", [b"\xff\xfe", b'"\x80"', b'{"a":"\xc3"}', b"\xed\xa0\x80"])
def test_what_is_not_utf8(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="not UTF-8"):
        decode(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{'a':1}",
        b"[1,]",
        b"nul",
        b"NaN",
        b"-Infinity",
        b'{"a":Infinity}',
        b"1 2",
        b'{"a":1}{}',
        b"01",
        b'"\n"',
    ],
)
def test_what_is_not_json(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        decode(payload)


def test_nesting_without_end_is_refused_and_not_a_crash() -> None:
    with pytest.raises(ProtocolError):
        decode(b"[" * 200_000)


def test_the_cause_is_kept() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(b"{")
    assert isinstance(caught.value.__cause__, ValueError)


def test_encoding_is_compact_and_ascii() -> None:
    assert encode({"id": 1, "p": ["\u00fc", None, True]}) == '{"id":1,"p":["\\u00fc",null,true]}'


@pytest.mark.parametrize("document", [{"x": float("nan")}, [float("inf")], {"x": Decimal(1)}, {1, 2}, b"x", object()])
def test_what_json_has_no_word_for(document: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(document)


def test_what_has_no_end_is_an_error_as_the_standard_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    circle: List[Any] = []
    circle.append({"again": circle})
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for quick in (codec._quick_encode, None):
        monkeypatch.setattr(codec, "_quick_encode", quick)
        with pytest.raises(ValueError, match="Circular"):
            encode(circle)
        with pytest.raises(RecursionError):
            encode(deep)


@needs_msgspec
def test_every_character_is_quoted_alike() -> None:
    for begin in range(0, 0x110000, 0x100):
        if not 0xD800 <= begin < 0xE000:
            text = "".join(map(chr, range(begin, begin + 0x100)))
            assert codec.quote(text) == codec._quote_slowly(text)
            assert json.loads(codec.quote(text)) == text
    assert codec.quote("") == codec._quote_slowly("") == b'""'


# -- two decoders, one result --------------------------------------------------------------------------


def outcome(payload: Any) -> Tuple[str, str]:
    """What ``decode`` makes of it. As text, which tells 1 from 1.0, 0.0 from -0.0, and the order of keys."""
    try:
        return "document", repr(decode(payload))
    except ProtocolError as error:
        return "refused", str(error)


def slow_outcome(payload: Any) -> Tuple[str, str]:
    """The same without msgspec."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "_quick", None)
        return outcome(payload)


@pytest.fixture(params=[pytest.param("msgspec", marks=needs_msgspec), "stdlib"])
def decoder(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "stdlib":
        monkeypatch.setattr(codec, "_quick", None)
    name: str = request.param
    return name


INTEGERS = [
    *(sign * (2**bits + more) for bits in (31, 32, 53, 62, 63, 64, 65, 128) for more in (-1, 0, 1) for sign in (1, -1)),
    *(sign * (10**digits - more) for digits in (17, 18, 19, 20, 21, 40) for more in (0, 1) for sign in (1, -1)),
]


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="an int takes any number of digits before 3.9.14, 3.10.7")
def test_an_integer_that_no_int_may_hold_is_a_decimal(decoder: str) -> None:
    assert repr(decode(b'{"a":1,"b":[-%s,2.5]}' % (b"9" * 5000))) == repr({"a": 1, "b": [Decimal("-" + "9" * 5000), 2.5]})


def test_integers_of_any_size_stay_what_they_are(decoder: str) -> None:
    for number in INTEGERS:
        text = str(number)
        for payload, wanted in [
            (text, number),
            (f" [{text} , {text}]\n", [number, number]),
            (f'{{"a":{{"b":[1.5,{text}]}},"c":7}}', {"a": {"b": [1.5, number]}, "c": 7}),
            ('{"%s":"%s"}' % (text, text), {text: text}),
            ('{"s":"%s","n":%s}' % (text, text), {"s": text, "n": number}),
        ]:
            document = decode(payload.encode())
            assert repr(document) == repr(wanted), payload


ODDITIES: List[Tuple[bytes, Any]] = [
    # Numbers, which are integers or floats as they are written.
    (b"-0", 0),
    (b"-0.0", -0.0),
    (b"0e0", 0.0),
    (b"1E400000000000000000000", Decimal("Infinity")),
    (b"1e308", 1e308),
    (b"1.7976931348623157e308", sys.float_info.max),
    (b"1.7976931348623159e308", Decimal("1.7976931348623159e308")),
    (b"1e309", Decimal("1e309")),
    (b"1e999", Decimal("1e999")),
    (b'{"a":[-1e999]}', {"a": [Decimal("-1e999")]}),
    (b"-1E400000000000000000000", Decimal("-Infinity")),
    (b"1e-999", 0.0),
    (b"-1e-999", -0.0),
    (b"5e-324", 5e-324),
    (b"2.2250738585072011e-308", 2.225073858507201e-308),
    (b"9007199254740993.0", 9007199254740992.0),
    (b"9007199254740993", 9007199254740993),
    (b"0.1000000000000000055511151231257827", 0.1),
    (b"0.30000000000000004", 0.30000000000000004),
    (b"123456789012345678901234567890.5e-10", 12345678901234567890.1234567890),
    (b"1" + b"0" * 400 + b"e-400", 1.0),
    (b"1" * 310 + b".0", Decimal("1" * 310 + ".0")),
    (b"100000000000000000000.0", 1e20),
    (b"+1", ProtocolError),
    (b"01", ProtocolError),
    (b"-", ProtocolError),
    (b"--1", ProtocolError),
    (b".5", ProtocolError),
    (b"1.", ProtocolError),
    (b"1.e5", ProtocolError),
    (b"1e", ProtocolError),
    (b"0x10", ProtocolError),
    (b"1_000", ProtocolError),
    ("\u0661".encode(), ProtocolError),
    # Constants that JSON does not have.
    (b"NaN", ProtocolError),
    (b'{"price":NaN}', ProtocolError),
    (b"[Infinity]", ProtocolError),
    (b"[-Infinity]", ProtocolError),
    (b"[nan,inf]", ProtocolError),
    (b"True", ProtocolError),
    (b"undefined", ProtocolError),
    # Text.
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    ('"\U0001f600"'.encode(), "\U0001f600"),
    (b'"\\ud800"', "\ud800"),
    (b'"\\udc00\\ud800"', "\udc00\ud800"),
    (b'{"\\udfff":1}', {"\udfff": 1}),
    (b'"\\u0000\\u001f"', "\x00\x1f"),
    (b'"\\/\\b\\f\\n\\r\\t"', "/\b\f\n\r\t"),
    (b'"\x7f"', "\x7f"),
    ('"\u2028\u2029\ufeff"'.encode(), "\u2028\u2029\ufeff"),
    *[(b'"' + bytes([control]) + b'"', ProtocolError) for control in range(32)],
    (b'"\\x41"', ProtocolError),
    (b'"\\u12"', ProtocolError),
    (b'"\\u12g4"', ProtocolError),
    (b'"\\U0001f600"', ProtocolError),
    (b'"', ProtocolError),
    (b"'a'", ProtocolError),
    # Bytes that are no UTF-8, inside of text and outside of it.
    (b'"\xff"', ProtocolError),
    (b'"\xc0\x80"', ProtocolError),
    (b'"\xed\xa0\x80"', ProtocolError),
    (b'"\xf4\x90\x80\x80"', ProtocolError),
    (b'"\xe2\x82"', ProtocolError),
    (b'{"\x80":1}', ProtocolError),
    (b"[1]\xff", ProtocolError),
    ('"gr\u00fc\u00df"'.encode("latin-1"), ProtocolError),
    ("[1]".encode("utf-16"), ProtocolError),
    (b"\xef\xbb\xbf[1]", ProtocolError),
    # Structure.
    (b'{"a":1,"b":2,"a":3}', {"a": 3, "b": 2}),
    (b'{"a":{"x":1},"a":{}}', {"a": {}}),
    (b'{"":0,"":1}', {"": 1}),
    (b'{"a":1,"\\u0061":2}', {"a": 2}),
    (b"\t\r\n [ ] \n", []),
    (b"\x0b[]", ProtocolError),
    (b"\xc2\xa0[]", ProtocolError),
    (b"[]\x00", ProtocolError),
    (b"[1,]", ProtocolError),
    (b"[,1]", ProtocolError),
    (b'{"a":1,}', ProtocolError),
    (b"{1:2}", ProtocolError),
    (b"{null:2}", ProtocolError),
    (b"[1 2]", ProtocolError),
    (b"[1]//", ProtocolError),
    (b"/**/1", ProtocolError),
    (b"[", ProtocolError),
    (b"]", ProtocolError),
    (b" ", ProtocolError),
    (b"", ProtocolError),
]


def test_oddities(decoder: str) -> None:
    for payload, wanted in ODDITIES:
        if wanted is ProtocolError:
            assert outcome(payload)[0] == "refused", payload
        else:
            assert outcome(payload) == ("document", repr(wanted)), payload


@needs_msgspec
def test_refusals_are_told_in_the_same_words() -> None:
    for payload, _ in ODDITIES:
        assert outcome(payload) == slow_outcome(payload)


@needs_msgspec
@pytest.mark.parametrize("depth", [1, 500, 1500, 100_000])
def test_nesting_is_read_or_refused_alike(depth: int) -> None:
    """msgspec stops at some 1,000 levels, the standard library where Python's stack ends, which is not far from there."""

    def read(payload: bytes) -> Any:
        try:
            document = decode(payload)
        except ProtocolError:
            return "refused"
        levels = 0
        while document:
            document, levels = list(document.values())[0] if isinstance(document, dict) else document[0], levels + 1
        return levels

    for begin, end in ((b"[", b"]"), (b'{"a":', b"}")):
        payload = begin * depth + b"[]" + end * depth
        fast = read(payload)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "_quick", None)
            assert fast == read(payload)
        assert fast == depth or depth > 1000


@needs_msgspec
def test_what_is_ordinary_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(text: str) -> Any:
        raise AssertionError(text)

    monkeypatch.setattr(codec, "_decode_slowly", refused)
    for document in ({"topic": "publicTrade.BTCUSDT", "ts": 1700000000000, "data": [{"i": "20f4-950"}]}, [10**20], [1.5, None]):
        assert decode(json.dumps(document).encode()) == document


def test_the_environment_can_ask_for_the_standard_library() -> None:
    program = "from dbxsdk import codec; assert codec._quick is None and codec.decode(b'[1]') == [1]"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "DBXSDK_JSON": "stdlib"}, check=True, timeout=20)


big_integers = st.one_of(st.integers(), st.integers(-(2**66), 2**66), st.sampled_from(INTEGERS))
json_values = st.recursive(
    st.none() | st.booleans() | big_integers | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@given(json_values)
@example({1: 2, 1.5: True, None: (1, "\ud800"), False: {}})
@example([1e16, 1e-5, -0.0, 10**40, ""])
@settings(deadline=None)
def test_texts_are_the_standard_librarys(document: Any) -> None:
    assert encode(document) == json.dumps(document, separators=(",", ":"), allow_nan=False)


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
@settings(deadline=None)
def test_there_and_back(document: Any, ascii_only: bool, indent: Any) -> None:
    assert decode(encode(document)) == document
    payload = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    assert outcome(payload) == slow_outcome(payload) == outcome(payload.decode()) == ("document", repr(document))


@given(st.text("a\u20ac\x00\x1f\"\\\ud800\udbff\udc00\udfff\U0001f600", max_size=8))
@settings(deadline=None)
def test_text_with_anything_in_it(text: str) -> None:
    for payload in (
        json.dumps(text).encode(),
        json.dumps({text: text}).encode(),
        json.dumps([text], ensure_ascii=False).encode("utf-8", "surrogatepass"),
        b'["' + text.encode("utf-8", "surrogatepass") + b'"]',
    ):
        assert outcome(payload) == slow_outcome(payload)
    assert decode(json.dumps(text).encode()) == json.loads(json.dumps(text))


numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(numbers, numbers)
@settings(deadline=None, max_examples=75)
@example("-9223372036854775809", "-9999999999999999999")
@example("18446744073709551616", "0.99999999999999999999")
def test_numbers_as_they_may_be_written(first: str, second: str) -> None:
    payload = ('{"%s":%s,"b":[%s,"%s"]}' % (first, first, second, second)).encode()
    assert outcome(payload) == slow_outcome(payload)


tokens = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b":", b'"', b'"a"', b'"b":', b"1", b"-", b".5", b"e9", b"null", b"true", b"NaN", b" ", b"\\u"]
    + [b"\x00", b"\xff", b"\xef\xbb\xbf", b"9" * 19, b"9" * 20, b"\\ud800", b"Infinity"]
)


@given(st.lists(tokens, max_size=12).map(b"".join))
@settings(deadline=None, max_examples=150)
def test_heaps_of_tokens(payload: bytes) -> None:
    assert outcome(payload) == slow_outcome(payload)


@given(json_values, st.data())
@settings(deadline=None)
def test_documents_with_a_blow(document: Any, data: Any) -> None:
    payload = encode(document).encode()
    place = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(place, min(place + 3, len(payload))))
    broken = payload[:place] + data.draw(tokens | st.binary(max_size=2)) + payload[end:]
    assert outcome(broken) == slow_outcome(broken)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_give_a_document_or_a_protocol_error(payload: bytes) -> None:
    assert outcome(payload) == slow_outcome(payload)


@pytest.mark.parametrize("payload, binary, message", [
    (b"[]", False, "expected an object, not list"),
    (b"null", False, "expected an object, not NoneType"),
    (b"{", False, "not JSON"),
    (b"{}", True, "a binary frame on a socket that sends JSON text"),
])
def test_where_an_object_alone_will_do(payload: bytes, binary: bool, message: str) -> None:
    assert decode_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(ProtocolError, match=message):
        decode_object(payload, binary)
