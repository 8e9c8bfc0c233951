"""The venue's HTTP requests: one-time tokens, the list of markets, depth scales."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Callable, Mapping, Optional
from urllib.parse import urlencode, urlsplit, urlunsplit

import attrs

from dbxsdk.credentials import SecretText
from dbxsdk.errors import AuthError, ConnectError, RateLimited, VenueError
from dbxsdk.options import Options
from dbxsdk.transport import Address
from dbxsdk.transport.http import HttpAnswer, get


def signature(api_key: str, body: bytes = b"") -> str:
    """Return the ``sign`` header: the MD5 of the body in base64 followed by the key."""
    return SecretText(hashlib.md5(base64.b64encode(body) + api_key.encode(), usedforsecurity=False).hexdigest())


@attrs.frozen
class TokenSource:
    """Puts a new one-time token into the address of each connection (``session.Prepare``)."""

    url: str
    options: Options
    user_id: str = attrs.field(repr=False)
    api_key: str = attrs.field(repr=False)

    def __call__(self, address: Address, publish: Callable[[Any], None]) -> Address:
        headers = {"userId": self.user_id, "sign": signature(self.api_key)}
        answer = get(self.url, self.options, timeout=self.options.connect_timeout, headers=headers, publish=publish)
        parts = urlsplit(address.url)
        query = "&".join(part for part in (parts.query, urlencode({"token": self._token(answer)})) if part)
        return attrs.evolve(address, url=urlunsplit(parts._replace(query=query, fragment="")))

    def _token(self, answer: HttpAnswer) -> str:
        host = urlsplit(self.url).hostname
        if answer.status in (401, 403, 404):
            # 404 is documented as "user not found".
            raise AuthError(
                f"{host}: the venue gave no token (HTTP {answer.status}). Check user_id, api_key (it has to be a key of the "
                f"personal account) and token_url",
                code=answer.status,
                reply=answer.document,
            )
        if answer.status != 200:
            raise _passing(f"{host}: the request for a token", answer)
        token = answer.document.get("token") if isinstance(answer.document, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token.strip():
            raise ConnectError(f"{host}: the answer to the request for a token has no usable token. Check token_url")
        return token


def fetch(url: str, options: Options, timeout: float, params: Optional[Mapping[str, str]] = None) -> Any:
    """Return the document at ``url``, or raise what the answer's status means."""
    answer = get(url, options, timeout=timeout, params=params)
    host, status, document = urlsplit(url).hostname, answer.status, answer.document
    code, message = status, f"{host}: HTTP {status}"
    if isinstance(document, dict):
        if isinstance(document.get("message"), str):
            message = document["message"]
        if isinstance(document.get("code"), (int, str)):
            code = document["code"]
    if status >= 500:
        raise _passing(f"{host}: the request", answer)
    if status == 429:
        wait = answer.retry_after
        raise RateLimited(message if wait is None else f"{message}: try again in {wait:.0f} s", code=code, reply=document)
    if status in (401, 403):
        raise AuthError(message, code=code, reply=document)
    # Both forms of a refusal came with 200, too: {"message", "state": 1} and {"status": "error", ...}.
    refused = isinstance(document, dict) and (document.get("state", 0) != 0 or document.get("status", "success") != "success")
    if status != 200 or refused:
        raise VenueError(message, code=code, reply=document)
    return document


def _passing(what: str, answer: HttpAnswer) -> ConnectError:
    return ConnectError(
        f"{what} was answered with HTTP {answer.status}. Check the address; 429 and 5xx are temporary",
        retry_after=answer.retry_after,
    )
