"""``Refused``: a request that a local venue does not carry out, with the venue's code and text."""

from __future__ import annotations

import attrs


@attrs.define
class Refused(Exception):
    code: int
    message: str
