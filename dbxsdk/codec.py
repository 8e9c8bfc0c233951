"""JSON text to documents and back, strictly: what is not JSON is an error, never a guess."""

from __future__ import annotations

import json
from typing import Any, NoReturn, Union

from dbxsdk.errors import ProtocolError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# One decoder for all: json.loads() builds a new one at every call that has an argument.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=True).encode


def decode(payload: Union[bytes, str]) -> Any:
    """The document in ``payload``. Raises ``ProtocolError`` where it is not UTF-8, or not JSON."""
    try:
        return _decode(payload if isinstance(payload, str) else payload.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ProtocolError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error


def encode(document: Any) -> str:
    """``document`` as compact JSON text. Raises ``TypeError``/``ValueError`` where JSON has no such thing."""
    return _encode(document)
