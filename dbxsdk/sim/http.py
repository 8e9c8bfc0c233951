"""Answers over HTTP of a local venue, true ones and those that stand in for them on request."""

from __future__ import annotations

import ipaddress
from http.client import responses
from typing import Collection, Mapping, Optional
from urllib.parse import urlsplit

import attrs
from websockets.datastructures import Headers
from websockets.http11 import Response


@attrs.define
class Planned:
    """An answer in place of the truth, and to how many more requests; None: to all."""

    status: int
    left: Optional[int]
    headers: Mapping[str, str]
    body: bytes

    def __attrs_post_init__(self) -> None:
        if not 200 <= self.status <= 599 or (self.left is not None and self.left < 1):
            raise ValueError("status must be 200 to 599, and times 1 or more")

    def use_up(self) -> bool:
        """Count one request. True if it was the last one."""
        if self.left is not None:
            self.left -= 1
        return self.left == 0

    def response(self) -> Response:
        return response(self.status, self.body, self.headers)


def response(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    fields = Headers({**headers, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, responses.get(status, "Answer"), fields, body)


def is_from_here(headers: Headers, hosts: Collection[str]) -> bool:
    """False for a request that a page of another site made, or that came by another name than this machine's own or one of
    ``hosts``: a foreign name may be given this address (DNS rebinding), and its page would be taken for this site's."""
    asked = headers.get_all("Host")
    return len(asked) == 1 and all(_is_here(name, hosts) for name in ("//" + asked[0], *headers.get_all("Origin")))


def _is_here(url: str, hosts: Collection[str]) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host in hosts or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def plain_response(status: int) -> Response:
    return response(status, f"{status}\n".encode(), {"Content-Type": "text/plain"})
