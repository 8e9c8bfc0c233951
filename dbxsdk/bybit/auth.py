"""Logs in to Bybit's private and order entry sockets: the signature, and what follows a refused one.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect (Authentication).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Callable, Optional, Tuple

from dbxsdk.arguments import check_credential, check_seconds
from dbxsdk.bybit.envelope import pong_time_ms
from dbxsdk.bybit.venue_clock import NOTABLE_MS, VenueClock
from dbxsdk.clock_skew import explained
from dbxsdk.credentials import SecretText, hidden
from dbxsdk.errors import AuthError, VenueError
from dbxsdk.protocol import Request

Signer = Callable[[str], str]

AUTH_WINDOW = 10.0
"""Seconds. The venue's own example has one second, which slow networks and clocks a little behind do not meet; no
upper limit is known."""


class Credentials:
    """An API key, and its secret or signer."""

    def __init__(self, api_key: str, api_secret: Optional[str], signer: Optional[Signer] = None) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)
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
        """Return the signature of ``payload``. Raises ``VenueError`` if the user's signer returns none: the one exception
        after which a login is tried again."""
        if self._signer is None:
            assert self._secret is not None
            signature = hmac.new(self._secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        else:
            signature = _signed(self._signer, payload)
        self._last_signature = SecretText(signature)
        return self._last_signature


class Login:
    """One client's login: signs for each connection, and once more with the venue's time if the refusal may mean that this
    machine's clock is wrong. Used by the reader thread only.
    """

    def __init__(
        self,
        credentials: Credentials,
        window: float,
        clock: VenueClock,
        request: Callable[[str, Any], Request],
        *,
        needs_time: bool = False,
    ) -> None:
        """``window``: seconds for which a signature is valid. ``request(op, args)`` makes a request of the socket.
        ``needs_time``: ask for the venue's clock before the first connection is ready."""
        self._credentials = credentials
        self._window_ms = int(check_seconds("auth_window", window) * 1000)
        if self._window_ms < 1:
            raise ValueError(f"auth_window must be 0.001 s or more, not {window}")
        self._clock = clock
        self._request = request
        self._needs_time = needs_time
        self._refusal: Optional[VenueError] = None
        """The refusal after which the venue was asked for its time, until its meaning is decided."""
        self._unsigned: Optional[VenueError] = None
        self._asks_first = False
        """True if the connection began with the question for the venue's time."""

    def undecided(self) -> Optional[VenueError]:
        """Return the refusal of the previous login, if the venue does not say its time before a login either; else None."""
        return self._explained(self._refusal) if self._refusal is not None and self._asks_first else None

    def start(self) -> Tuple[Request, ...]:
        """Return the first request on a new connection."""
        self._unsigned = None
        if self._refusal is not None and not self._asks_first:
            # The venue closed the connection upon the question for its time: before a login it may answer.
            self._asks_first = True
            return (self._request("ping", None),)
        self._refusal, self._asks_first = None, False
        try:
            return (self._auth(),)
        except VenueError as error:
            # Only the answer to a login request may end a login: send any request, and raise upon its answer.
            self._unsigned = error
            return (self._request("ping", None),)

    def answered(
        self, request: Request, document: Any, refusal: Optional[VenueError], about_time: bool
    ) -> Tuple[Request, ...]:
        """Return the request that follows an answer, or none once the login is done. Raises what ended the login.

        ``refusal`` is what the answer means, None for a yes; ``about_time`` is True if it may mean that the time was wrong.
        """
        if self._unsigned is not None:
            raise self._unsigned
        if request.kind == "ping":
            return self._measured(document)
        asked, self._refusal, self._asks_first = self._refusal, None, False
        if refusal is None:
            return (self._request("ping", None),) if self._needs_time and not self._clock.is_known else ()
        if about_time and asked is None:
            self._refusal = refusal
            return (self._request("ping", None),)
        raise refusal if asked is None else self._explained(refusal)

    def _auth(self) -> Request:
        expires = self._clock.now_ms() + self._window_ms
        return self._request("auth", [self._credentials.api_key, expires, self._credentials.sign(f"GET/realtime{expires}")])

    def _measured(self, document: Any) -> Tuple[Request, ...]:
        # ``VenueClock`` was already updated from this pong, as from every pong.
        if self._refusal is None:
            return ()
        if pong_time_ms(document) is None:
            refusal, self._refusal = self._refusal, None
            raise self._explained(refusal)
        self._asks_first = False
        return (self._auth(),)

    def _explained(self, refusal: VenueError) -> VenueError:
        """Return the error for a login that is refused although the venue's clock was asked for."""
        if not isinstance(refusal, AuthError):
            return refusal
        return explained(refusal, self._clock.skew_ms(), NOTABLE_MS, "the key, the secret and the address")


def _signed(signer: Signer, payload: str) -> str:
    try:
        signature = signer(payload)
    except Exception as error:
        # Its text is left out: it may contain a secret.
        raise VenueError(f"no login was sent: the signer raised {type(error).__name__}") from error
    if not isinstance(signature, str) or not signature:
        raise VenueError(f"no login was sent: the signer must return a text, not {type(signature).__name__}")
    return signature
