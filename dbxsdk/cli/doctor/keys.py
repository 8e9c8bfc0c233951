"""Checks that keys look plausible; prints neither keys nor their lengths."""

from __future__ import annotations

import os
import re
from typing import Dict, Mapping, Optional, Tuple

from dbxsdk.cli.doctor.checks import Check, ok, skipped
from dbxsdk.cli.venues import VENUES
from dbxsdk.cli.words import Word

_SHORTEST = 8
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADVICE = "Copy it once more from the venue's page into the environment variable"


def variables(which: Word) -> Mapping[str, str]:
    """Return the environment variables of a socket's keys, by the client's argument; empty if it takes none."""
    return VENUES[which.venue].variables_of(which.socket)


def some_are_set(which: Word) -> bool:
    return any(os.environ.get(name) for name in variables(which).values())


def examine_keys(which: Word) -> Tuple[Optional[Check], Dict[str, str]]:
    """Return the check (None if the socket takes no keys), and the keys to use: none if they are missing or bad."""
    names = variables(which)
    if not names:
        return None, {}
    every = " and ".join(names.values())
    if VENUES[which.venue].keys_are_optional and not some_are_set(which):
        return skipped("key", f"{every} are not set: the account's channels alone need them"), {}
    keys = {argument: os.environ.get(name, "") for argument, name in names.items()}
    missing = [names[argument] for argument, value in keys.items() if not value]
    if missing:
        message = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
        return Check("key", "failed", message, "key_missing", "Set it in the environment, or leave this venue out"), {}
    for argument, value in keys.items():
        found = _flaw(value)
        if found:
            return Check("key", "failed", f"{names[argument]} {found}", "key_malformed", _ADVICE), {}
    if len(set(keys.values())) < len(keys):
        return Check("key", "failed", f"{every} hold the same", "key_malformed", _ADVICE), {}
    for argument, value in keys.items():
        if argument == "user_id" and not _UUID.fullmatch(value):
            message = f"{names[argument]} is not a UUID, as the venue's are"
            return Check("key", "warning", message, "key_unusual", _ADVICE), keys
        if len(value) < _SHORTEST:
            return Check("key", "warning", f"{names[argument]} is shorter than keys are", "key_unusual", _ADVICE), keys
    return ok("key", f"{every} {'are' if len(names) > 1 else 'is'} set and well formed"), keys


def _flaw(value: str) -> str:
    """Return the obvious fault of a key; ``""`` if there is none."""
    if "-----BEGIN" in value:
        return "holds a whole key file instead of an API key's text; RSA keys work in programs, by signer="
    if value != value.strip():
        return "has blanks or a line end around it, which were copied along"
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        return "has quotes around it, which were copied along (an env file keeps them)"
    if any(character.isspace() for character in value):
        return "has blanks or line ends in it"
    if not (value.isascii() and value.isprintable()):
        return "has characters in it that no key has"
    if set(value.lower()) <= set("x*.-_") or "your" in value.lower() or value[0] == "<":
        return "is a placeholder from an example, not a key"
    return ""
