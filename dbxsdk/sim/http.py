"""Answers over HTTP of a local venue, true ones and those that stand in for them on request."""

from __future__ import annotations

from http.client import responses
from typing import Mapping, Optional

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


def plain_response(status: int) -> Response:
    return response(status, f"{status}\n".encode(), {"Content-Type": "text/plain"})
