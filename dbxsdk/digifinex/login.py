"""Logging in to DigiFinex: the signature, and once more with the venue's time where that may be why it was refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import math
from typing import Any, Callable, Optional, Sequence, Tuple

from dbxsdk.clock_skew import bounds, explained, in_words, middle
from dbxsdk.credentials import redacted
from dbxsdk.errors import AuthError
from dbxsdk.protocol import Request

logger = logging.getLogger(__name__)

LOG_IN, ASK_TIME = "server.auth", "server.time"

_NOTABLE_MS = 2000
"""A clock that is known in whole seconds is not known better."""
_FIRST, _LAST = 10**9, 10**10  # 2001 to 2286: anything else is no time in seconds


class Login:
    """One client's login. What is signed is the time and nothing else, how wrong it may be is not published, and no
    refusal is known to say that it was: so the venue's clock is asked for after the first one. The reader thread's own.
    """

    def __init__(self, api_key: str, api_secret: str, request: Callable[[str, Sequence[Any]], Request]) -> None:
        """``request(method, params)`` makes a request of the socket."""
        self._api_key = api_key
        self._api_secret = api_secret
        self._request = request
        self._refusal: Optional[AuthError] = None
        """Of a login after which the venue was asked for its time, until it is decided what it means."""
        self._signature = ""
        self._asked_ms = 0
        self._skew_ms: Optional[int] = None
        """The venue's clock minus this machine's, as it was measured last."""

    def start(self, now_ms: int) -> Tuple[Request, ...]:
        """The first request on a new connection. All times are in ms since 1970, by this machine's clock."""
        self._refusal = None
        return (self._auth(now_ms),)

    def accepted(self) -> None:
        self._refusal = None

    def undecided(self) -> Optional[AuthError]:
        """The refusal that the connection ended with, before the venue had told its time."""
        return None if self._refusal is None else self._told(self._refusal)

    def redact(self, text: str) -> str:
        """``text`` without the key, the secret and the last signature."""
        return redacted(text, self._signature, self._api_secret, self._api_key)

    def refused(self, error: AuthError, now_ms: int) -> Tuple[Request, ...]:
        """What to ask next. Raises the refusal where it is final."""
        if self._refusal is None:
            self._refusal = error
            return (self._ask_time(now_ms),)
        self._refusal = None
        raise self._told(error) from None

    def time_told(self, document: Any, now_ms: int) -> Tuple[Request, ...]:
        """The same after the answer to the question for the time."""
        assert self._refusal is not None
        used_ms, self._skew_ms = self._skew_ms or 0, _skew_ms(document, self._asked_ms, now_ms)
        if self._skew_ms is None or abs(self._skew_ms - used_ms) < _NOTABLE_MS:
            refusal, self._refusal = self._refusal, None
            raise self._told(refusal)
        logger.warning("digifinex: %s; the login is tried with the venue's time", in_words(self._skew_ms, _NOTABLE_MS))
        return (self._auth(now_ms),)

    def _auth(self, now_ms: int) -> Request:
        # The same text must be in both places.
        timestamp = str(now_ms + (self._skew_ms or 0))
        digest = hmac.new(self._api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()
        self._signature = base64.b64encode(digest).decode()
        return self._request(LOG_IN, [self._api_key, timestamp, self._signature])

    def _ask_time(self, now_ms: int) -> Request:
        self._asked_ms = now_ms
        return self._request(ASK_TIME, ())

    def _told(self, refusal: AuthError) -> AuthError:
        return explained(refusal, self._skew_ms, _NOTABLE_MS, "the key and the secret")


def _skew_ms(document: Any, asked_ms: int, now_ms: int) -> Optional[int]:
    """The venue's clock minus this machine's, out of the answer to ``server.time``; 0 where the two agree as far as
    whole seconds tell, None where there is no time in the answer."""
    # One edition of the pages types it as text, all of them show a number.
    seconds = document.get("result")
    if isinstance(seconds, str) and len(seconds) == 10 and seconds.isdecimal():
        seconds = int(seconds)
    if type(seconds) is not int or not _FIRST <= seconds < _LAST:
        return None
    return math.floor(middle(*bounds(seconds * 1000, 1000, asked_ms, now_ms)))
