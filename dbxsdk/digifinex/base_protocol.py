"""What DigiFinex's spot and swap sockets share: zlib frames, and a login that signs the time."""

from __future__ import annotations

import zlib
from typing import Any, Optional, Tuple

from dbxsdk.arguments import check_credential
from dbxsdk.credentials import hidden
from dbxsdk.digifinex.login import ASK_TIME, Login, Wording
from dbxsdk.errors import AuthError, ProtocolError
from dbxsdk.options import MAX_MESSAGE_SIZE
from dbxsdk.protocol import Protocol, Reply, Request, TooLong

_MOST_INFLATED = 1100  # deflate makes no more than 1,032 bytes out of each
_PLAIN = (b"{", b"[")


class DigiFinexBaseProtocol(Protocol):
    """One of the two sockets, with a key or without."""

    venue = "digifinex"
    ping_method = "server.ping"
    wording: Wording

    def __init__(self, api_key: Optional[str] = None, api_secret: Optional[str] = None) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)
        if (api_key is None) != (api_secret is None):
            raise ValueError(f"{'api_secret' if api_secret is None else 'api_key'} is missing: give both or neither")
        for name, value in (("api_key", api_key), ("api_secret", api_secret)):
            if value is not None:
                check_credential(name, value)
        super().__init__()
        self._login = (
            None if api_key is None or api_secret is None else Login(api_key, api_secret, self.request, self.wording)
        )

    def reset(self) -> None:
        pass  # there is no state from connection to connection

    def login(self, now_ms: int) -> Tuple[Request, ...]:
        return () if self._login is None else self._login.start(now_ms)

    def login_refusal(self) -> Optional[AuthError]:
        return None if self._login is None else self._login.undecided()

    def login_answered(self, request: Request, reply: Reply, now_ms: int) -> Tuple[Request, ...]:
        assert self._login is not None
        if request.kind == ASK_TIME:
            return self._login.time_answered(reply.document, now_ms)
        try:
            self.conclude(request, reply)
        except AuthError as error:
            if not self._may_be_the_clock(error):
                raise
            return self._login.refused(error, now_ms)
        self._login.accepted()
        return ()

    def _may_be_the_clock(self, refusal: AuthError) -> bool:
        """True if a login may have been refused because of its time."""
        return True

    def inflate(self, payload: bytes, limit: int = MAX_MESSAGE_SIZE) -> bytes:
        # One whole zlib stream (RFC 1950) for each message, in every source except the pages themselves, which only say "zlib
        # deflate". Replies were also reported as plain text frames.
        if payload[:1] in _PLAIN:
            return payload
        try:
            if len(payload) * _MOST_INFLATED <= limit:
                return zlib.decompress(payload)
            inflater = zlib.decompressobj()
            inflated = inflater.decompress(payload, limit + 1)
        except zlib.error as error:
            raise ProtocolError(f"not zlib, or cut off: {error}") from error
        if len(inflated) > limit:
            raise TooLong(f"a message that inflates to more than max_message_size ({limit} bytes)")
        if not inflater.eof:
            raise ProtocolError("the zlib stream is cut off")
        return inflated


def read_time(result: Any) -> int:
    """Return the time that ``server.time`` was answered with, in the socket's own unit. Raises ``ProtocolError``."""
    # Editions of the pages type it as text, all of them show a number.
    if isinstance(result, bool) or not isinstance(result, (int, str)) or not str(result).isdecimal():
        raise ProtocolError("the answer to server.time is not a time")
    return int(result)
