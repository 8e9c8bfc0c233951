"""What must not be shown of keys."""

from __future__ import annotations

from dbxsdk.credentials import redacted


def test_keys_are_hidden_wherever_they_stand() -> None:
    assert redacted("sign(abcdefgh) key=12345678", "abcdefgh", "12345678") == "sign(***) key=***"


def test_what_is_too_short_for_a_key_stays() -> None:
    assert redacted("an error", "error", "") == "an error"
