"""Logs in to DigiFinex: with a signature, and once more with the venue's time if a wrong time may be why it was refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from typing import Any, Callable, Optional, Tuple

import attrs

from dbxsdk.clock_skew import bounds, explained, in_words, middle
from dbxsdk.credentials import SecretText
from dbxsdk.errors import AuthError
from dbxsdk.protocol import Request
from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

LOG_IN, ASK_TIME = "server.auth", "server.time"

_LEAST_NOTABLE_MS = 500
_FIRST, _LAST = 10**9, 10**10  # 2001 to 2286: anything else is not a time in seconds


@attrs.frozen
class Wording:
    """How one of the venue's sockets says it: what the two share is the signature.

    Attributes:
        params: makes the parameters of ``server.auth`` of the key, the time in ms (as text) and the signature.
        result: the key of the time in the answer to ``server.time``.
        unit_ms: the unit of that time in ms.
    """

    params: Callable[[str, str, str], Any]
    result: str
    unit_ms: int

    @property
    def notable_ms(self) -> int:
        """A difference of the clocks that may matter, and that can be measured."""
        return max(2 * self.unit_ms, _LEAST_NOTABLE_MS)

    def skew_ms(self, document: Any, asked_ms: int, now_ms: int) -> Optional[int]:
        """Return the venue's clock minus this machine's, from the answer to ``server.time``; 0 if the two may agree, None
        if there is no time in the answer."""
        # Editions of the pages type it as text, all of them show a number.
        moment = document.get(self.result)
        if isinstance(moment, str) and len(moment) <= 13 and moment.isdecimal():
            moment = int(moment)
        if type(moment) is not int or not _FIRST <= moment * self.unit_ms // 1000 < _LAST:
            return None
        return math.floor(middle(*bounds(moment * self.unit_ms, self.unit_ms, asked_ms, now_ms)))


class Login:
    """One client's login. Only the time is signed, how wrong it may be is not published, and no refusal is known to say that
    it was: so the venue's clock is asked for after the first one. Used by the reader thread only.
    """

    def __init__(self, api_key: str, api_secret: str, request: Callable[[str, Any], Request], wording: Wording) -> None:
        """``request(method, params)`` makes a request of the socket; ``params`` None: it takes none."""
        self._api_key = api_key
        self._api_secret = api_secret
        self._request = request
        self._wording = wording
        self._refusal: Optional[AuthError] = None
        """The refusal after which the venue was asked for its time, until its meaning is decided."""
        self._signature = SecretText("")
        self._asked_ms = 0
        self._skew_ms: Optional[int] = None
        """The venue's clock minus this machine's, as it was measured last."""

    def start(self, now_ms: int) -> Tuple[Request, ...]:
        """Return the first request on a new connection. All times are in ms since 1970, by this machine's clock."""
        self._refusal = None
        return (self._auth(now_ms),)

    def accepted(self) -> None:
        self._refusal = None

    def undecided(self) -> Optional[AuthError]:
        """Return the refusal that the connection ended with before the venue had said its time, or None."""
        return None if self._refusal is None else self._explained(self._refusal)

    def refused(self, error: AuthError, now_ms: int) -> Tuple[Request, ...]:
        """Return what to ask next. Raises the refusal if it is final."""
        if self._refusal is None:
            self._refusal = error
            return (self._ask_time(now_ms),)
        self._refusal = None
        raise self._explained(error) from None

    def time_answered(self, document: Any, now_ms: int) -> Tuple[Request, ...]:
        """Return the same after the answer to the question for the time."""
        assert self._refusal is not None
        used_ms, self._skew_ms = self._skew_ms or 0, self._wording.skew_ms(document, self._asked_ms, now_ms)
        if self._skew_ms is None or abs(self._skew_ms - used_ms) < self._wording.notable_ms:
            refusal, self._refusal = self._refusal, None
            raise self._explained(refusal)
        logger.warning("digifinex: %s; logging in with the venue's time", in_words(self._skew_ms, self._wording.notable_ms))
        return (self._auth(now_ms),)

    def _auth(self, now_ms: int) -> Request:
        # The same text has to be sent and signed.
        timestamp = str(now_ms + (self._skew_ms or 0))
        digest = hmac.new(self._api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()
        self._signature = SecretText(base64.b64encode(digest).decode())
        return self._request(LOG_IN, self._wording.params(self._api_key, timestamp, self._signature))

    def _ask_time(self, now_ms: int) -> Request:
        self._asked_ms = now_ms
        return self._request(ASK_TIME, None)

    def _explained(self, refusal: AuthError) -> AuthError:
        return explained(refusal, self._skew_ms, self._wording.notable_ms, "the key and the secret")
