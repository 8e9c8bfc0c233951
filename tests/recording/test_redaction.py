"""Secrets are found however they are spelled."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import List
from urllib.parse import quote

import pytest

from dbxsdk.recording.redaction import Secrets

KEY = 'ab/c+d"=='


def test_all_spellings_are_hidden() -> None:
    secrets = Secrets([KEY])
    for spelled in (KEY, json.dumps(KEY), KEY.replace('"', '\\"').replace("/", "\\/"), quote(KEY), quote(KEY, safe="")):
        hidden = secrets.hide(f"before {spelled} after")
        assert "***" in hidden and "c+d" not in hidden and "c%2Bd" not in hidden
    assert secrets.hide("nothing") == "nothing"
    assert secrets.hide_in({"a": [KEY, 1, None, {"b": KEY}]}) == {"a": ["***", 1, None, {"b": "***"}]}


def test_one_secret_within_another_leaves_nothing_of_it() -> None:
    assert Secrets(["abcd", "abcdefgh"]).hide("abcdefgh") == "***"


def test_bytes_plain_and_compressed() -> None:
    secrets = Secrets(["topsecret"])
    plain = b'{"key":"topsecret"}'
    for payload in (plain, zlib.compress(plain), gzip.compress(plain), b"\xff" + plain):
        assert secrets.within(payload)
        assert not secrets.within(payload.replace(b"topsecret", b"")[:4])
    assert not secrets.within(zlib.compress(b"{}"))
    assert secrets.within(zlib.compress(bytes(17 * 1024 * 1024))), "what cannot be looked through counts"


@pytest.mark.parametrize("values", [[], [KEY], ["abcd", "xabcdx", "frames=1234", "1234"], ["aaaa", "aaaaa"], ["gr\u00fc\u00df"]])
def test_a_look_at_many_texts_misses_none(values: List[str]) -> None:
    secrets = Secrets(values)
    texts = ["", "abc", "xabcdx", "12345", "aaa", "aaaaaa", f"-{KEY}-", quote(KEY), json.dumps({"a": KEY}), "gr\u00fc\u00df"]
    for text in texts:
        hidden = secrets.hide(text) != text
        assert secrets.plainly_within([text.encode()]) == secrets.plainly_within([b"-", text.encode(), b"-"]) == hidden
        assert secrets.within(text.encode()) == hidden
    assert secrets.plainly_within(text.encode() for text in texts) == bool(values)


def test_what_is_too_short_is_no_secret() -> None:
    assert not Secrets(["", "abc"])
    with pytest.raises(TypeError, match="secrets must hold str"):
        Secrets([b"bytes"])  # type: ignore[list-item]


def test_its_repr_tells_nothing() -> None:
    assert "topsecret" not in repr(Secrets(["topsecret"]))
