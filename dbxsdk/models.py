"""``Update``: one update of one topic, as callbacks get it."""

from __future__ import annotations

from typing import Any, Dict, Generic, List, Optional, TypeVar

import attrs

from dbxsdk import codec

Data = TypeVar("Data", covariant=True)

PAYLOAD = "__dbxsdk_payload__"
"""Where an update has the bytes of its frame until somebody looks at ``raw``."""


@attrs.frozen(slots=False)  # attrs writes into the __dict__ directly: half the time of frozen slots
class Update(Generic[Data]):
    """One update of one topic. For type checkers it is generic in its ``data``: ``Update[Tuple[Trade, ...]]``.

    Attributes:
        venue: ``"bybit"``, ``"digifinex"``, ...
        channel: the venue's channel, e.g. ``"orderbook.50"`` or ``"trades"``.
        symbol: the venue's symbol, or ``""`` if the channel has none.
        kind: ``"snapshot"`` (replaces what came before), ``"delta"`` (changes it) or ``"update"`` (complete in itself).
        data: the channel's model, or a tuple of them; the plain document if the channel is not known.
        venue_time_ms: the venue's time of the update in ms since 1970, or None if it sends none.
        received_ns: this machine's wall clock in ns since 1970 when the frame was read.
        raw: the decoded wire document, as the venue sent it. All callbacks share it, and fields of ``data`` may be
            read from it later: do not change it.
    """

    venue: str
    channel: str
    symbol: str
    kind: str
    data: Data
    venue_time_ms: Optional[int]
    received_ns: int
    raw: Any = attrs.field(repr=False)

    def records(self) -> List[Dict[str, Any]]:
        """Return a plain dict for each model in ``data``: the model's fields after ``venue``, ``channel``, ``symbol``,
        ``kind``, ``venue_time_ms`` and ``received_ns``. Prices stay ``Decimal``. ``csv.DictWriter`` takes them, and so does
        ``pandas.DataFrame(record for update in updates for record in update.records())``.

        A field of the model with the name of one of the six replaces it. Data without a model is stored under its own keys
        if it is an object, else under ``data``.

        Raises:
            UnreadableField: a field cannot be read.
        """
        head = {name: getattr(self, name) for name in ("venue", "channel", "symbol", "kind", "venue_time_ms", "received_ns")}
        rows = self.data if isinstance(self.data, (list, tuple)) else (self.data,)
        plain = (_plain(row) for row in rows)
        return [{**head, **(row if isinstance(row, dict) else {"data": row})} for row in plain]


class _Raw:
    """Decodes ``raw`` when it is first looked at. A non-data descriptor, like those of lazy models."""

    def __get__(self, update: Any, owner: Any = None) -> Any:
        if update is None:
            return self
        values = update.__dict__
        payload = values.get(PAYLOAD)
        if payload is None:
            raise AttributeError("raw")
        raw = values["raw"] = codec.decode(payload)
        return raw


Update.raw = _Raw()


def _plain(value: Any) -> Any:
    """Return ``value`` with its models as dicts; anything else stays as it is."""
    if attrs.has(type(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, tuple) and value and attrs.has(type(value[0])):
        return [_plain(each) for each in value]
    return value
