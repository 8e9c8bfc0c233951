"""What becomes of a frame that is to be sent, and of a connection."""

from __future__ import annotations

from typing import Optional

import attrs

from dbxsdk.cleaning import clean
from dbxsdk.errors import DbxError


class NotSent(OSError):
    """Not one byte of the frame left this machine, and none ever will. If the socket is ``broken`` it takes nothing any more,
    and the reader sees the end as soon as it reads on; else there was no room in time, or no memory."""

    def __init__(self, reason: str, broken: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken


class SendFailed(OSError):
    """Part of the frame may have left; the connection is of no use any more."""


@attrs.frozen
class Ending:
    """How a connection ended. ``reason`` may quote the peer, and is cleaned; ``error`` is set if it never opened; ``code`` is the
    close code received; ``retry_in`` is what a recording says of the next attempt."""

    reason: str = attrs.field(converter=clean)
    code: Optional[int] = None
    error: Optional[DbxError] = None
    retry_in: Optional[float] = None
