"""JSON in and out: strict, and with one kind of error."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import ProtocolError
from dbxsdk.codec import decode, encode


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
)


@given(json_values)
def test_there_and_back(document: Any) -> None:
    assert decode(encode(document)) == document
    assert (
        decode(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
        is not NotImplemented
    )


@given(st.binary(max_size=60))
def test_any_bytes_give_a_document_or_a_protocol_error(payload: bytes) -> None:
    try:
        decode(payload)
    except ProtocolError:
        pass
