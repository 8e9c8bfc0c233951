"""Who may use the private and the trade socket of the local Bybit venue, and for how long a quiet connection lives."""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from typing import Any, Callable, Optional
from urllib.parse import parse_qs

import attrs

ACTIVE_SECONDS = 600.0
"""Without ``max_active_time``."""

_ACTIVE_TIME = re.compile(r"([0-9]{1,4})([sm])")
_EXPIRES = re.compile(r"[0-9]{1,20}")


class Problem(enum.Enum):
    """The problem with an authentication. Each socket words it differently."""

    ARGS = "args"
    EXPIRES = "expires"
    API_KEY = "api key"
    SIGNATURE = "signature"


@attrs.define
class Gate:
    """Checks ``auth`` requests: ``[api key, expires, signature]``.

    Args:
        server_ms: the venue's own clock.
        horizon: how far ahead, in seconds, ``expires`` may be. None: any distance, as far as the live venue was seen
            to care (its own samples go ten days ahead, and further).
    """

    api_key: str
    api_secret: str
    server_ms: Callable[[], int]
    horizon: Optional[float]

    def problem(self, args: Any) -> Optional[Problem]:
        """Return None if the client may come in."""
        if not isinstance(args, list) or len(args) != 3:
            return Problem.ARGS
        api_key, expires, signature = args
        if isinstance(expires, int) and not isinstance(expires, bool):
            expires = str(expires)  # a number or a text: both are in use
        if not all(isinstance(arg, str) for arg in (api_key, expires, signature)) or not _EXPIRES.fullmatch(expires):
            return Problem.ARGS
        if api_key != self.api_key:
            return Problem.API_KEY
        wanted = hmac.new(self.api_secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            return Problem.SIGNATURE
        ahead_ms = int(expires) - self.server_ms()
        if ahead_ms <= 0 or (self.horizon is not None and ahead_ms > self.horizon * 1000):
            return Problem.EXPIRES
        return None


def active_seconds(query: str) -> float:
    """Return how long a connection may be quiet, by its query (``max_active_time=45s`` or ``=2m``, 30 s to 600 s).

    What the live venue does with an unknown value is not documented. Here it counts as not given.
    """
    given = parse_qs(query).get("max_active_time", [""])[0]
    match = _ACTIVE_TIME.fullmatch(given)
    if match is None:
        return ACTIVE_SECONDS
    seconds = float(match.group(1)) * (60 if match.group(2) == "m" else 1)
    return seconds if 30 <= seconds <= ACTIVE_SECONDS else ACTIVE_SECONDS
