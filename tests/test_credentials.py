"""What must not be shown of keys."""

from __future__ import annotations

import base64
import copy
import pickle
from typing import Any

import pytest

from dbxsdk import clean
from dbxsdk.credentials import ProxyUrl, SecretText, hidden, redacted
from dbxsdk.errors import VenueError
from dbxsdk.transport.address import parse_url

KEY = "hush0hush0hush0"


def test_keys_are_hidden_wherever_they_stand_while_they_are_in_use() -> None:
    first, longer, copied = SecretText("abcdefgh"), SecretText("abcdefghi"), SecretText("abcdefgh")
    assert redacted("sign(abcdefgh) key=abcdefghi") == "sign(***) key=***"
    del longer, copied
    assert redacted("sign(abcdefgh) key=abcdefghi") == "sign(***) key=***i"
    del first
    assert redacted("sign(abcdefgh)") == "sign(abcdefgh)"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda key: pickle.loads(pickle.dumps(key))])
def test_a_copy_hides_as_well(again: Any) -> None:
    key = again(SecretText(KEY))
    assert redacted(KEY) == repr(key).strip("'") == "***"


def test_what_is_too_short_for_a_key_stays() -> None:
    kept = SecretText("error"), SecretText("")
    assert redacted("an error") == "an error" and kept


@pytest.mark.parametrize("length", [20, 30, 40, 1990, 2000, 2010])
def test_no_part_of_a_key_shows_where_a_text_is_cut(length: int) -> None:
    key = SecretText(KEY)
    for start in range(0, 60):
        shown = clean("." * start + key + KEY * 200, length)
        assert "hush" not in shown and len(shown) <= length


def test_a_tokens_address_and_a_keys_header_are_hidden() -> None:
    address = parse_url("url", "wss://host/?kind=private&token=a%2Fbcdefghij", {"x-api-key": KEY})
    assert redacted(f"{KEY} a%2Fbcdefghij kind=private&token=a/bcdefghij") == "*** *** ***" and address


@pytest.mark.parametrize("url", ["http://me:s3cr3t%21@host:1", "me:s3cr3t%21@host:1"])
def test_a_proxys_login_is_hidden(url: str) -> None:
    proxy = ProxyUrl(url)
    assert repr(proxy) == "'http://***@host:1'"
    assert redacted(f"no {base64.b64encode(b'me:s3cr3t!').decode()}, me:s3cr3t%21, s3cr3t!!") == "no ***, ***, s3cr3t!!"


def test_an_errors_message_and_code_show_none() -> None:
    key = SecretText(KEY)
    error = VenueError(f"no {KEY}", code=f"<{KEY}>")
    assert (error.message, error.code, str(error)) == ("no ***", "<***>", "no *** (code <***>)") and key


def test_bytes_that_should_be_a_text_are_not_shown() -> None:
    value = hidden(KEY.encode())
    assert (repr(value), type(value).__name__, value) == ("'***'", "bytes", KEY.encode())
