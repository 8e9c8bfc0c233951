"""Logging in to Bybit's private and order entry sockets: the signature, and the venue's clock where ours is refused.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect (Authentication).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Any, Callable, Optional, Tuple

from dbxsdk.bybit.envelope import pong_time_ms
from dbxsdk.arguments import check_credential, check_seconds
from dbxsdk.errors import AuthError, VenueError
from dbxsdk.protocol import Request

logger = logging.getLogger(__name__)

Signer = Callable[[str], str]

AUTH_WINDOW = 10.0
"""Seconds. The venue's own example has one second, which slow networks and clocks a little behind do not meet; no
upper limit is known."""

_SHORTEST_HIDDEN = 8
"""Characters. The venue's keys have 18 and more; a shorter one stands in many a word, which would lose its letters."""


class Credentials:
    """An API key, and what signs for it."""

    def __init__(self, api_key: str, api_secret: Optional[str], signer: Optional[Signer] = None) -> None:
        check_credential("api_key", api_key)
        if api_secret is not None:
            check_credential("api_secret", api_secret)
        elif signer is None:
            raise ValueError("api_secret is missing: give it, or a signer")
        if signer is not None and not callable(signer):
            raise TypeError(f"signer must be callable, not {type(signer).__name__}")
        self.api_key = api_key
        self._secret = api_secret
        self._signer = signer
        self._last_signature = ""

    def sign(self, payload: str) -> str:
        """The signature of ``payload``. Raises ``VenueError`` where the user's signer gives none: the one exception
        that a login may end with and be tried again."""
        if self._signer is None:
            assert self._secret is not None
            signature = hmac.new(self._secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        else:
            signature = _signed(self._signer, payload)
        self._last_signature = signature
        return signature

    def redact(self, text: str) -> str:
        """``text`` without the key, the secret or the last signature: a venue may put into its words what it was sent."""
        for hidden in (self._last_signature, self._secret, self.api_key):
            if hidden and len(hidden) >= _SHORTEST_HIDDEN:
                text = text.replace(hidden, "***")
        return text


class Login:
    """One client's login: signs afresh for each connection, and once more with the venue's time where the refusal may
    mean that this machine's clock is wrong.

    All but ``clock_offset_ms`` belongs to the reader thread.
    """

    def __init__(self, credentials: Credentials, window: float, request: Callable[[str, Any], Request]) -> None:
        """``window``: seconds for which a signature holds. ``request(op, args)`` makes a request of the socket."""
        self._credentials = credentials
        self._window_ms = int(check_seconds("auth_window", window) * 1000)
        if self._window_ms < 1:
            raise ValueError(f"auth_window must be 0.001 s or more, not {window}")
        self._request = request
        self.clock_offset_ms = 0
        """The venue's clock minus this machine's, as it was measured last. May be read by any thread."""
        self._asked_ms: Optional[int] = None
        self._refusal: Optional[VenueError] = None
        self._unsigned: Optional[VenueError] = None

    def start(self, now_ms: int) -> Tuple[Request, ...]:
        """The first request on a new connection."""
        self._asked_ms = self._refusal = self._unsigned = None
        try:
            return (self._auth(now_ms),)
        except VenueError as error:
            # Only the answer to a login request may end a login: ask for anything, and raise it then.
            self._unsigned = error
            return (self._request("ping", None),)

    def answered(
        self, request: Request, document: Any, now_ms: int, refusal: Optional[VenueError], about_time: bool
    ) -> Tuple[Request, ...]:
        """What comes after an answer: nothing where all is well, or one more request. Raises what ended the login.

        ``refusal`` is what the answer means, None for a yes; ``about_time`` whether it may mean that the time was wrong.
        """
        if self._unsigned is not None:
            raise self._unsigned
        if request.kind == "ping":
            return self._measure(document, now_ms)
        if refusal is None:
            return ()
        if about_time and self._asked_ms is None:
            self._asked_ms, self._refusal = now_ms, refusal
            return (self._request("ping", None),)
        raise self._told(refusal)

    def set_clock(self, here_ms: int, venue_ms: int) -> None:
        """The venue's clock said ``venue_ms`` when this machine's said ``here_ms``."""
        self.clock_offset_ms = venue_ms - here_ms
        logger.warning("bybit: %s; the venue's time is used from now on", self.skew())

    def skew(self) -> str:
        seconds = self.clock_offset_ms / 1000
        return f"this machine's clock is {abs(seconds):.3f} s {'behind' if seconds > 0 else 'ahead of'} the venue's"

    def _auth(self, now_ms: int) -> Request:
        expires = now_ms + self.clock_offset_ms + self._window_ms
        return self._request("auth", [self._credentials.api_key, expires, self._credentials.sign(f"GET/realtime{expires}")])

    def _measure(self, document: Any, now_ms: int) -> Tuple[Request, ...]:
        assert self._asked_ms is not None and self._refusal is not None
        venue_ms = pong_time_ms(document)
        if venue_ms is None:
            raise self._refusal
        # The pong was written half a round trip ago.
        self.set_clock((self._asked_ms + now_ms) // 2, venue_ms)
        return (self._auth(now_ms),)

    def _told(self, refusal: VenueError) -> VenueError:
        if self._asked_ms is None or not isinstance(refusal, AuthError):
            return refusal
        message = f"{refusal.message} ({self.skew()}, which was allowed for: check the key, the secret and the address)"
        return AuthError(message, code=refusal.code, reply=refusal.reply)


def _signed(signer: Signer, payload: str) -> str:
    try:
        signature = signer(payload)
    except Exception as error:
        # Its text is not ours to show: it may hold what must not be shown.
        raise VenueError(f"no login was sent: the signer raised {type(error).__name__}") from error
    if not isinstance(signature, str) or not signature:
        raise VenueError(f"no login was sent: the signer must return a text, not {type(signature).__name__}")
    return signature
