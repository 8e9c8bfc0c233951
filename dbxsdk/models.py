"""``Update``: one update of one topic, as callbacks get it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any, Dict, Generic, List, Mapping, Optional, TypeVar, Union

import attrs

from dbxsdk import codec
from dbxsdk.arguments import check_flag

Data = TypeVar("Data", covariant=True)


class _Beside:
    """What an update has beside its fields. A base of its own: an object's class can be exchanged for one that differs in
    nothing but what it adds to the same base, and adds the same slots."""

    # _payload: the bytes of its frame, of which ``raw`` is decoded when somebody looks at it; not set where that was given.
    # _told: True once a field was found to be unreadable, which was told; not set before.
    __slots__ = ("_payload", "_told", "__weakref__")


@attrs.frozen(weakref_slot=False)
class Update(_Beside, Generic[Data]):
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

    def __getstate__(self) -> Dict[str, Any]:
        """For pickle and copy. attrs' own would leave out what a subclass has in a ``__dict__``."""
        return {**{field.name: getattr(self, field.name) for field in attrs.fields(type(self))}, **getattr(self, "__dict__", {})}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def records(self, floats: bool = False, times: bool = False) -> List[Dict[str, Any]]:
        """Return a plain dict for each model in ``data``: the model's fields after ``venue``, ``channel``, ``symbol``,
        ``kind``, ``venue_time_ms`` and ``received_ns``. ``csv.DictWriter`` takes them, and so does
        ``pandas.DataFrame(record for update in updates for record in update.records())``.

        Trades of every venue also have ``price``, ``size``, ``side`` (``"buy"``, ``"sell"`` or None), ``time_ms`` and
        ``trade_id`` (a text; None on Cryptomus, which has none), so that frames of several venues stack. DBot's ``tx`` has the
        price in USD: ``usd`` divided by ``quantity``.

        A field of the model with the name of one of the six replaces it. Data without a model is stored under its own keys
        if it is an object, else under ``data``.

        Args:
            floats: give each ``Decimal`` as a ``float``, which may change its last digits.
            times: give each time as a ``datetime`` in UTC under the same name: ``venue_time_ms``, ``received_ns``, and the
                model's numbers that are named as times. Microseconds are the finest.

        Raises:
            TypeError: an argument is no bool.
            UnreadableField: a field cannot be read.
        """
        check_flag("floats", floats)
        check_flag("times", times)
        head = {name: getattr(self, name) for name in ("venue", "channel", "symbol", "kind", "venue_time_ms", "received_ns")}
        rows = self.data if isinstance(self.data, (list, tuple)) else (self.data,)
        found = []
        for row in rows:
            plain = _plain(row)
            record = {**head, **(plain if isinstance(plain, dict) else {"data": plain}), **trade_columns(row)}
            found.append({name: _converted(name, value, floats, times) for name, value in record.items()}
                         if floats or times else record)
        return found


def trade_columns(row: Any) -> Mapping[str, Any]:
    """Return the columns that trades of all venues have in common; none if ``row`` is no trade."""
    common = getattr(type(row), "_trade_columns", None)
    return {} if common is None else dict(zip(TRADE_COLUMNS, common(row)))  # noqa: B905 - each has five


TRADE_COLUMNS = ("price", "size", "side", "time_ms", "trade_id")
_SINCE = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_TIMES = ("time", "timestamp", "start", "end")
_UNITS = ((1e9, 1_000_000), (1e11, 1_000), (1e14, 1), (1e17, 0.001))
"""From 2001 to 5138 a number says in which unit it is: the least number of seconds, ms, us and ns, and its microseconds."""


def _converted(name: str, value: Any, floats: bool, times: bool) -> Any:
    if isinstance(value, (int, Decimal)) and times and not isinstance(value, bool) and _is_time(name):
        return _time(value)
    if isinstance(value, Decimal) and floats:
        return float(value)
    if isinstance(value, dict):
        return {key: _converted(str(key), each, floats, times) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_converted("", each, floats, times) for each in value)
    return value


def _is_time(name: str) -> bool:
    return name in _TIMES or name.endswith(("_time", "_ms", "_ns", "_at"))


def _time(value: Union[int, Decimal]) -> Any:
    microseconds = next((unit for least, unit in reversed(_UNITS) if value >= least), None)
    if microseconds is None or value >= 1e20:
        return value  # a duration, or no time at all
    exact = int(value) // 1000 if microseconds < 1 else int(value * int(microseconds))
    return _SINCE + datetime.timedelta(microseconds=exact)


class Draft(_Beside):
    """An update that is being made: a class that is not frozen takes its values in a third of the time. When it has them,
    its ``__class__`` is set to ``Update``."""

    __slots__ = tuple(field.name for field in attrs.fields(Update))


class _Raw:
    """Decodes ``raw`` when it is first looked at."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, update: Any, owner: Any = None) -> Any:
        if update is None:
            return self
        try:
            return self._slot.__get__(update)
        except AttributeError:
            raw = codec.decode(update._payload)
        self._slot.__set__(update, raw)
        return raw

    def __set__(self, update: Any, raw: Any) -> None:
        self._slot.__set__(update, raw)


Update.raw = _Raw(Update.raw)


def _plain(value: Any) -> Any:
    """Return ``value`` with its models as dicts; anything else stays as it is."""
    if attrs.has(type(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, tuple) and value and attrs.has(type(value[0])):
        return [_plain(each) for each in value]
    return value
