"""What compresses a recording: isal where it is installed (the extra ``fast``), otherwise the standard library's zlib, also if
the environment variable ``DBXSDK_GZIP`` is ``stdlib`` at import. ``RecorderStats.compressor`` says which.

Both make the same format, gzip members, and both let other threads run while they compress.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

GZIP = 31
"""zlib's ``wbits`` for a gzip member."""
_MOST_OF_ISAL = 3
"""isal's highest level. Trades, tickers and books are 7 to 10 % smaller at its level 1 than at zlib's, in a fifth of the time;
at level 3 they are as small, but for books (3 % more). Who asks for more wants files as small as only zlib makes them."""


def _import_isal() -> Any:
    if os.environ.get("DBXSDK_GZIP") == "stdlib":
        return None
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return isal_zlib


_isal = _import_isal()


def compressor_of(level: int) -> str:
    """Return the name of what compresses at zlib's ``level``."""
    return "isal" if _isal is not None and level <= _MOST_OF_ISAL else "zlib"


def member(level: int) -> Any:
    """Return what makes a gzip member: ``compress`` and ``flush`` as zlib's."""
    return (_isal if compressor_of(level) == "isal" else zlib).compressobj(level, zlib.DEFLATED, GZIP)
