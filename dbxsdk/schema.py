"""Typed decoders, made from the models' own tables: a frame's JSON goes straight into what its model reads.

They need msgspec (the extra ``fast``) and only ever spare work: what a typed decoder refuses is decided by ``Protocol.receive``,
so wrong types, missing fields and bad JSON mean the same with them and without.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Annotated, Any, Callable, Dict, List, Optional, Tuple, Type, Union

import attrs

from dbxsdk.fields import PRICED, WIRE, Priced, boolean, decimal, integer, levels, over, text
from dbxsdk.models import Draft, Update

msgspec: Any = None
if os.environ.get("DBXSDK_JSON") != "stdlib":
    try:
        import msgspec
    except ImportError:
        pass


@attrs.frozen
class FrameReader:
    """Reads the frames of one topic.

    Attributes:
        read: returns the frame in a payload, once for all that want it, with the ``kind``, ``payload`` and ``venue_time_ms`` of
            a ``Push``: order books take it. Raises an error of any type for a frame that it does not read.
        update: ``update(payload, received_ns, frame)`` returns the ``Update`` that callbacks take; of None in place of the frame
            it reads it, as ``read`` does.
    """

    read: Callable[[bytes], Any]
    update: Callable[[bytes, int, Any], Update[Any]]


@attrs.frozen
class Shape:
    """What a reader of ``fields`` reads: the type of its document, and how the data is built over one of that type."""

    type: Any
    build: Callable[[Any], Any]


def shape(read: Any) -> Optional[Shape]:
    """Return the shape of what ``read`` reads. None if that is neither a lazy model nor a list of them, or without msgspec."""
    if msgspec is None:
        return None
    one = getattr(read, "each", None)
    if one is not None:
        inner = shape(one)
        if inner is None:
            return None
        build = inner.build

        def build_all(documents: Any) -> Any:
            return (build(documents[0]),) if len(documents) == 1 else tuple(map(build, documents))

        return Shape(List[inner.type], build_all)  # type: ignore[name-defined]
    model: Any = getattr(read, "lazy_model", None)
    fields = None if model is None else _fields(model)
    return None if fields is None else Shape(struct(model.__name__, fields), over(model, issubclass(model, Priced)))


def struct(name: str, fields: List[Tuple[str, str, Any, bool]]) -> Any:
    """Return a type with fields ``(name, wire name, type, required)``."""
    return msgspec.defstruct(
        name,
        [(field, type_) if required else (field, type_, None) for field, _, type_, required in fields],
        rename={field: wire for field, wire, _, _ in fields},
        kw_only=True,
        omit_defaults=True,
        gc=False,  # JSON has no cycles
    )


def _fields(model: Type[Any]) -> Optional[List[Tuple[str, str, Any, bool]]]:
    """Return the fields of a lazy model for ``struct``; None if one is read from the whole document, or a required one is of a
    type of its own."""
    some = Annotated[str, msgspec.Meta(min_length=1)]  # an empty text stands for an absent value, but in a field of text
    # Most numbers stay the texts that they came as: they are never looked at, or not as numbers, by books.
    number = Union[str, int, float]
    rows = List[Tuple[number, number]]
    names = PRICED if issubclass(model, Priced) else ()
    types: Dict[Any, Tuple[Any, Any]] = {
        text: (str, Optional[str]),
        decimal: (Union[some, int, float], Union[str, int, float, None]),
        integer: (Union[some, int], Union[str, int, None]),
        boolean: (bool, Optional[bool]),
        levels: (rows, Optional[rows]),
    }
    found = []
    for field in attrs.fields(model):
        wire, convert = field.metadata[WIRE]
        required = field.default is attrs.NOTHING
        if wire is None or (required and convert not in types):
            return None
        of_required, of_optional = types.get(convert, (None, Any))
        if field.name in names:
            of_required = Union[Decimal, int, float]
        found.append((field.name, wire, of_required if required else of_optional, required))
    return found


def frame_reader(
    type_: Any,
    build: Callable[[Any], Any],
    *,
    venue: str,
    channel: str,
    symbol: str,
    prepare: Optional[Callable[[Any], None]] = None,
    has_kind: bool = False,
) -> FrameReader:
    """Return the reader of the frames of one topic: of the type ``type_``, which has fields ``venue_time_ms`` and ``payload``,
    and takes no other topic's. ``build(payload)`` returns the update's data, once ``prepare(frame)`` was called. Its kind is
    the frame's field ``kind`` if it ``has_kind``, else ``"update"``."""
    decode = msgspec.json.Decoder(type_).decode

    def read(payload: bytes) -> Any:
        # Texts that nobody reads are not decoded, and would not be found to be no UTF-8.
        if not payload.isascii():
            raise ValueError("not ASCII")
        frame = decode(payload)
        if prepare is not None:
            prepare(frame)
        return frame

    def update(payload: bytes, received_ns: int, frame: Any) -> Update[Any]:
        if frame is None:  # ``read``, without the call
            if not payload.isascii():
                raise ValueError("not ASCII")
            frame = decode(payload)
            if prepare is not None:
                prepare(frame)
        made: Any = Draft()
        made.venue = venue
        made.channel = channel
        made.symbol = symbol
        made.kind = frame.kind if has_kind else "update"
        made.data = build(frame.payload)
        made.venue_time_ms = frame.venue_time_ms
        made.received_ns = received_ns
        made._payload = payload
        made.__class__ = Update
        return made  # type: ignore[no-any-return]

    return FrameReader(read, update)
