"""Documents and frames made wrong: in what they say, in how they are written, in how they are sent."""

from __future__ import annotations

import copy
import gzip
import json
import re
import zlib
from typing import Any, Callable, Dict, List, Sequence, Tuple, Union

from hypothesis import strategies as st

from tests.fuzz.documents import ID, Socket

Draw = Callable[[Any], Any]
Path = Tuple[Union[str, int], ...]

_RAW = (
    # What Python's json would not write, or not so. The first ones are no JSON at all.
    "NaN", "Infinity", "-Infinity", "01", "1.", "+1", "'a'", "undefined", '"\t"', "[" * 100_000,
    "1e999", "-1e999", "1e-999", "9" * 5000, "-" + "9" * 5000, "9" * 4300, "1" + "0" * 400, "0." + "1" * 4500,
    "18446744073709551616", "-9223372036854775809", "9223372036854775808", "-0", "1.0", "1E5", "0.1e1",
    "[" * 900 + "]" * 900, "[" * 1020 + "]" * 1020, '{"a":' * 900 + "1" + "}" * 900, '{"a":[' * 500 + "]}" * 500,
    '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"' + "\\ud83d\\ude00" * 3 + '"',
)
_MARK = "\ue000"
RAW = [f"{_MARK}{number}" for number in range(len(_RAW))]
"""Stand for text that is put into the frame letter by letter."""

HUGE = 20_000
_TEXTS = (
    "", " ", "0", "-1", "1e5", "NaN", "-Infinity", "sNaN", "1e999999999", "-9e-999999999", "1E+999999999999999999999",
    "0x10", "1_000", "\uff11\uff12", " 12 ", "1,5", "true", "null", "all", "snapshot", "delta", "pong", "success", "auth",
    "9" * 5000, "x" * HUGE, "[" * HUGE, "\ud800", "\x00", "\u202e", "\U0001f600", "a.b.c", ".", "..", "topic:", "[", "]",
    "trades.update", ".update", "_update", "tradeResultNotify", "COMMAND_RESP", "error", "subscribeResponse", "tickers.ABCUSDT",
)
_NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -2**63 - 1, 10**18, 10**400, 1.5, -0.0, 1e300, 5e-324, 1e17)
NASTY = (None, True, False, [], {}, [[]], [{}], [None], {"": None}, [[["1", "2"]]], ["1", "2"], *_NUMBERS, *_TEXTS, *RAW)
"""Values for the place of others."""

KEYS = (
    "", " ", "$changed", "__class__", "__dict__", "topic", "type", "id", "op", "method", "error", "err", "result", "status",
    "data", "params", "code", "message", "success", "retCode", "ret_code", "req_id", "reqId", "ret_msg", "windows",
    "x" * HUGE, "\ud800",
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)
# Copies, since what is put into a document may itself be changed there.
_nasty = st.one_of(st.sampled_from(NASTY), st.sampled_from(NASTY), st.sampled_from(_TEXTS), _json).map(copy.deepcopy)


class Twin(str):
    """A key that stands beside another of the same letters."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def write(document: Any) -> bytes:
    """The JSON text of a document, with what stands for raw text replaced."""
    text = json.dumps(document)
    if "\\ue000" in text:
        text = re.sub(r'"[^"]*\\ue000(\d+)"', lambda found: _RAW[int(found.group(1))], text)
    return text.encode()


def paths(document: Any, at: Path = ()) -> List[Path]:
    """The places of the values in a document, the whole of it first."""
    found = [at]
    if len(at) == 10:
        return found
    items: Any = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        found += paths(value, (*at, key))
    return found


def _get(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def _other_type(value: Any) -> Any:
    """The same, said in another type of JSON."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return list(value.values()) if isinstance(value, dict) else "null"


def _nested(draw: Draw, value: Any) -> Any:
    return draw(st.sampled_from(([value], {"value": value}, [value, value], [[value]])))


def _grown(value: Any) -> Any:
    if isinstance(value, str):
        return (value * 2_000)[:HUGE]
    return value * 100 if isinstance(value, list) and len(json.dumps(value)) < 1_000 else value


def _without(value: Any) -> Any:
    return [] if isinstance(value, list) else {} if isinstance(value, dict) else ""


_REPLACE, _ELSEWHERE, _TYPE, _NEST, _GROW, _EMPTY, _DELETE, _TWIN, _EXTRA, _RENAME = range(10)
_CHANGES = (_REPLACE,) * 4 + (_TYPE,) * 2 + (_DELETE,) * 2 + (_ELSEWHERE, _NEST, _GROW, _EMPTY, _TWIN, _EXTRA, _RENAME)


def _changed(draw: Draw, document: Any) -> Any:
    """``document``, itself changed at one place."""
    everywhere = paths(document)
    # What is wrong near the top is out quickly: leaves are where the reading is.
    leaves = [path for path in everywhere if not isinstance(_get(document, path), (dict, list))]
    path = draw(st.sampled_from(leaves if leaves and draw(st.integers(0, 3)) else everywhere))
    what = draw(st.sampled_from(_CHANGES))
    value = _get(document, path)
    if what == _EXTRA:
        if isinstance(value, dict):
            value[draw(st.sampled_from(KEYS))] = draw(_nasty)
        elif isinstance(value, list):
            value.insert(draw(st.integers(0, len(value))), draw(_nasty))
        return document
    if not path:
        return draw(_nasty) if what == _REPLACE else _nested(draw, document) if what == _NEST else document
    parent, key = _get(document, path[:-1]), path[-1]
    if what == _DELETE:
        del parent[key]
    elif what == _TWIN and isinstance(parent, dict):
        parent[Twin(key)] = draw(_nasty)
    elif what == _RENAME and isinstance(parent, dict):
        parent[draw(st.sampled_from(KEYS))] = parent.pop(key)
    elif what == _ELSEWHERE:
        parent[key] = copy.deepcopy(_get(document, draw(st.sampled_from(everywhere))))
    elif what == _TYPE:
        parent[key] = _other_type(value)
    elif what == _NEST:
        parent[key] = _nested(draw, value)
    elif what == _GROW:
        parent[key] = _grown(value)
    elif what == _EMPTY:
        parent[key] = _without(value)
    else:
        parent[key] = draw(_nasty)
    return document


@st.composite
def documents(draw: Draw, originals: Sequence[Any], ids: Sequence[Any] = (), most: int = 3) -> Any:
    """One of ``originals``, changed at up to ``most`` places; ids of requests are some of ``ids``."""
    document = _identified(draw, draw(st.sampled_from(originals)), list(ids) or [1])
    for _ in range(draw(st.sampled_from((0, *range(1, most + 1), 1, 1)))):
        document = _changed(draw, document)
    return document


def _identified(draw: Draw, value: Any, ids: List[Any]) -> Any:
    """A copy, with an id for each that is missing."""
    if isinstance(value, dict):
        return {key: _identified(draw, item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_identified(draw, item, ids) for item in value]
    return draw(st.sampled_from(ids)) if value == ID else value


def _cut(draw: Draw, text: bytes) -> bytes:
    return text[: draw(st.integers(0, len(text)))]


def _flipped(draw: Draw, text: bytes) -> bytes:
    if not text:
        return text
    at = draw(st.integers(0, len(text) - 1))
    return text[:at] + bytes([text[at] ^ draw(st.integers(1, 255))]) + text[at + 1:]


def _raw_deflate(text: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(text) + deflate.flush()


def _latin(text: bytes) -> bytes:
    return text.replace(b'"', b'"\xe9', 1)


_WRITINGS: Dict[str, Callable[[Draw, bytes], bytes]] = {
    "cut": _cut,
    "flipped": _flipped,
    "twice": lambda draw, text: text + text,
    "lines": lambda draw, text: text + b"\n" + text,
    "blanks": lambda draw, text: b" \r\n\t" + text + b" \n",
    "mark": lambda draw, text: b"\xef\xbb\xbf" + text,
    "utf-16": lambda draw, text: text.decode().encode("utf-16"),
    "utf-32": lambda draw, text: text.decode().encode("utf-32"),
    "latin-1": lambda draw, text: _latin(text),
    "comma": lambda draw, text: text.replace(b"}", b",}", 1),
    "comment": lambda draw, text: b"/* */" + text,
    "list": lambda draw, text: b"[" + text + b"]",
    "quoted": lambda draw, text: json.dumps(text.decode()).encode(),
    "garbage": lambda draw, text: draw(st.binary(max_size=40)),
    "nothing": lambda draw, text: b"",
    "nul": lambda draw, text: text + b"\x00",
}
_PACKINGS: Dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "zlib twice": lambda text: zlib.compress(zlib.compress(text)),
    "deflate": _raw_deflate,
    "gzip": gzip.compress,
    "zlib cut": lambda text: zlib.compress(text)[:-3],
    "zlib and more": lambda text: zlib.compress(text) + b"more",
    "zlib header": lambda text: zlib.compress(b"")[:2] + text,
    "none": lambda text: text,
}
# Most are well written: what is not JSON is out quickly.
_written = st.sampled_from([None] * 60 + sorted(_WRITINGS))
_packed = st.sampled_from([None] * 60 + sorted(_PACKINGS))
_otherwise = st.sampled_from([False] * 25 + [True])


@st.composite
def frames(draw: Draw, socket: Socket, ids: Sequence[Any] = (), most: int = 3, utf8: bool = False) -> Tuple[bytes, bool]:
    """A message of ``socket``, changed: its payload, and whether it is binary. With ``utf8`` a text message is UTF-8, as
    WebSocket wants it."""
    text = write(draw(documents(socket.frames, ids, most)))
    writing = draw(_written)
    if writing is not None:
        text = _WRITINGS[writing](draw, text)
    packing = draw(_packed)
    payload = socket.pack(text) if packing is None else _PACKINGS[packing](text)
    binary = socket.binary is not draw(_otherwise)
    if utf8 and not binary:
        payload = payload.decode("utf-8", "replace").encode()
    return payload, binary
