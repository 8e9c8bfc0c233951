"""JSON text to documents and back, strictly: what is not JSON is an error, never a guess.

Documents are decoded by msgspec if it is installed (the extra ``fast``), otherwise by the standard library; also if the
environment variable ``DBXSDK_JSON`` is ``stdlib`` at import. The results are the same: what msgspec does not read is left to
the standard library. A number that is too large for a float, or too long for an int, is a
``Decimal``: nobody may ever look at it, and it is up to models what they take.
"""

from __future__ import annotations

import json
import math
import os
from decimal import Decimal, InvalidOperation
from json import encoder
from json.encoder import encode_basestring  # the C one: str to JSON, non-ASCII left as it is
from typing import Any, Callable, Dict, NoReturn, Optional, Sequence, Tuple, Union

from dbxsdk.errors import ProtocolError


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_float(text: str) -> Union[float, Decimal]:
    number = float(text)
    return _large(text) if math.isinf(number) else number


def _read_int(text: str) -> Union[int, Decimal]:
    try:
        return int(text)
    except ValueError:
        return _large(text)


def _large(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond 10 ** 18
        return Decimal("-Infinity" if text[0] == "-" else "Infinity")


def _quick_pair() -> Tuple[Optional[Callable[[bytes], Any]], Optional[Callable[[str], bytes]]]:
    if os.environ.get("DBXSDK_JSON") == "stdlib":
        return None, None
    try:
        from msgspec.json import Decoder, Encoder
    except ImportError:
        return None, None
    return Decoder().decode, Encoder().encode


def _quote_slowly(text: str) -> bytes:
    return encode_basestring(text).encode()


# One decoder for all: json.loads() builds a new one at every call that has an argument.
_decode_slowly = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_read_float).decode
_decode_long = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_read_float, parse_int=_read_int).decode
_decode_exactly = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_large, parse_int=_read_int).decode
_encode_slowly = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=True)
_quick, _quick_quote = _quick_pair()

quote: Callable[[str], bytes] = _quick_quote or _quote_slowly
"""Return a text as JSON in UTF-8, non-ASCII as it is. The same bytes with msgspec and without."""


def decode(payload: Union[bytes, str]) -> Any:
    """Return the document in ``payload``. Raises ``ProtocolError`` if it is not UTF-8, or not JSON."""
    if _quick is not None and type(payload) is bytes:
        try:
            return _quick(payload)
        except Exception:  # noqa: S110 - msgspec's own are ValueErrors in later versions only
            pass  # the standard library has the last word
    try:
        text = payload if isinstance(payload, str) else payload.decode("utf-8")
        try:
            return _decode_slowly(text)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of more digits than ``int`` takes
            return _decode_long(text)
    except UnicodeDecodeError as error:
        raise ProtocolError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error


def decode_exactly(payload: bytes) -> Any:
    """Return the document in ``payload``, which ``decode`` could read, with numbers that have a point or an exponent as
    ``Decimal``, by their text. For the few that venues send so: it takes its time."""
    try:
        return _decode_exactly(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # nesting that msgspec reads
        raise ProtocolError(f"not JSON: {error}") from error


def decode_object(payload: Union[bytes, str], binary: bool = False) -> Dict[str, Any]:
    """Return the object in ``payload``, for sockets that send nothing else. Raises ``ProtocolError``, also if it came in a
    ``binary`` frame."""
    if binary:
        raise ProtocolError("a binary frame on a socket that sends JSON text")
    document = decode(payload)
    if type(document) is not dict:
        raise ProtocolError(f"expected an object, not {type(document).__name__}")
    return document


def _encoder() -> Optional[Callable[[Any, int], Sequence[str]]]:
    """The standard library's own encoder in C. ``JSONEncoder.encode`` makes one at every call, which takes longer than what it
    does for a request; what is different from here is the check for circles, which ``encode`` leaves to it."""
    make: Any = getattr(encoder, "c_make_encoder", None)
    try:
        made: Callable[[Any, int], Sequence[str]] = make(
            None, _encode_slowly.default, encoder.encode_basestring_ascii, None, ":", ",", False, False, False
        )
        return made if "".join(made([{"a": 1.5}], 0)) == '[{"a":1.5}]' else None
    except Exception:  # another Python's
        return None


_quick_encode = _encoder()


def encode(document: Any) -> str:
    """Return ``document`` as compact JSON text. Raises ``TypeError``/``ValueError`` for what JSON does not have."""
    if _quick_encode is not None:
        try:
            return "".join(_quick_encode(document, 0))
        except RecursionError:
            pass
    return _encode_slowly.encode(document)
