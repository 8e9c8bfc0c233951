"""Models that are read field by field, looked at as a whole."""

from __future__ import annotations

from typing import TypeVar

import attrs

T = TypeVar("T")


def whole(value: T) -> T:
    """``value``, after a look at every field of every model in it."""
    if isinstance(value, tuple):
        for item in value:
            whole(item)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            whole(getattr(value, field.name))
    return value
