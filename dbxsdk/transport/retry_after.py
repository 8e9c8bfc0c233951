"""How long a peer that refused wants to be left alone: its ``Retry-After`` header in seconds."""

from __future__ import annotations

import math
import time
from typing import Mapping, Optional

from dbxsdk.runtime.fork import importing

LONGEST = 3600.0
"""Seconds: no refusal is obeyed for longer than an hour."""


def retry_after(headers: Mapping[str, str]) -> Optional[float]:
    """Return the header's seconds; None if it is absent or makes no sense. The names in ``headers`` may be written in any way."""
    fields = {name.lower(): value for name, value in headers.items()}
    value = fields.get("retry-after")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at = http_date(value)
        if at is None:
            return None
        # By the peer's own clock where it says what that shows: this machine's may be hours off.
        now = http_date(fields.get("date", ""))
        seconds = at - (time.time() if now is None else now)
    return min(max(seconds, 0.0), LONGEST) if math.isfinite(seconds) else None


def http_date(date: str) -> Optional[float]:
    """Return an HTTP date in seconds since 1970; None if it is none."""
    with importing():
        import email.utils  # here: it is slow to load, and hardly ever needed

    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
