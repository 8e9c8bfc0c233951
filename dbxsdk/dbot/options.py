"""What the venue's heartbeat rule demands of ``Options``."""

from __future__ import annotations

from typing import Optional

from dbxsdk.dbot.pinging import LONGEST_HEARTBEAT_INTERVAL
from dbxsdk.options import Options


def check_options(options: Optional[Options]) -> Optional[Options]:
    """``options`` as they are, or a ``ValueError`` where they would let the venue disconnect."""
    interval = options.heartbeat_interval if isinstance(options, Options) else None
    if interval is not None and interval > LONGEST_HEARTBEAT_INTERVAL:
        raise ValueError(f"options: heartbeat_interval must be at most {LONGEST_HEARTBEAT_INTERVAL:.0f} s, not {interval}")
    return options
