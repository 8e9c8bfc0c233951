"""Reads venues' models from wire documents, field by field.

Models of what venues send by the thousand are ``lazy``: a field is converted when it is first accessed, and costs nothing
before. That the required fields are there is checked before the model is delivered.
"""

from __future__ import annotations

import functools
import itertools
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple, Type, TypeVar

import attrs

from dbxsdk.errors import ProtocolError, UnreadableField

T = TypeVar("T")

WIRE = "__dbxsdk_wire__"
_LAZY = "__dbxsdk_lazy__"

_MOST_PLACES = 1000
"""Digits before or after the point. Beyond 10 ** 999999 sums and products raise ``decimal.Overflow``, and written out in
full such a number fills the memory."""
_LEAST, _MOST = Decimal(f"1E-{_MOST_PLACES - 1}"), Decimal(f"1E+{_MOST_PLACES}")
"""What lies between them ``decimal`` takes, as it takes other numbers: two comparisons cost less than its checks."""


def decimal(value: Any) -> Decimal:
    """Read a price or size. Text goes straight into ``Decimal``; a JSON number by its shortest decimal text."""
    if type(value) is Decimal:  # out of a typed document, where another thread has just put it
        number = value
    elif type(value) is str or (isinstance(value, int) and not isinstance(value, bool)):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(repr(value))
    else:
        raise TypeError(f"{type(value).__name__} is not a number")
    if not number.is_finite():
        raise ValueError(f"{str(value)!r:.100} is not a finite number")
    if not -_MOST_PLACES < number.adjusted() < _MOST_PLACES:
        raise ValueError("the number has more than 1,000 digits before or after the point")
    return number


def integer(value: Any) -> int:
    """Read an id, a count or a time; some venues send them as text."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{type(value).__name__} is not an integer")
    return int(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is not a text")
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} is not a boolean")
    return value


def levels(value: Any) -> Tuple[Tuple[Decimal, Decimal], ...]:
    """Read one side of a book: ``[[price, size], ...]`` in the order of the wire; an absent side is an empty one."""
    # A text or an object of two parts could be unpacked as well.
    if type(value) is not list or not all(type(row) in (list, tuple) for row in value):
        raise TypeError("it is not a list of [price, size]")
    return tuple((decimal(price), decimal(size)) for price, size in value)


_price = functools.lru_cache(maxsize=8192)(Decimal)
"""Makes a ``Decimal`` of a plain text. A book names the same few hundred prices over and over; at some 10 characters each this
holds 2 MB, and 15 MB if somebody sends the longest ones."""


def _typed_levels(rows: Any) -> Tuple[Tuple[Decimal, Decimal], ...]:
    """Read a side that a typed decoder has read as tuples of texts. The checks of ``decimal``, of all at once."""
    texts = list(itertools.chain.from_iterable(rows))
    try:
        written = "".join(texts)
        # Digits and points alone, and few of them: what is a number at all is one that ``decimal`` takes.
        digits = written.replace(".", "")
        if digits.isdecimal() and digits.isascii() and (len(written) < _MOST_PLACES or max(map(len, texts)) < _MOST_PLACES):
            return tuple(zip(map(_price, texts[::2]), map(Decimal, texts[1::2])))  # noqa: B905  # its strict is of Python 3.10
    except (TypeError, InvalidOperation):
        pass  # JSON numbers, or no numbers
    return tuple((decimal(price), decimal(size)) for price, size in rows)


def wire(name: Optional[str], convert: Callable[[Any], Any], **default: Any) -> Any:
    """Return an attrs field that is read from the document's key ``name`` by ``convert``.

    With ``default=...`` the key may be absent, null or an empty text; without it that is a ``ProtocolError``. A lazy model's
    field whose name is None is read from the whole document, and has a default.
    """
    return attrs.field(metadata={WIRE: (name, convert)}, **default)


class Lazy:
    """Base of the lazy models: what their fields are read from. In a slot: most instances need no ``__dict__`` of their own then,
    until a field is looked at."""

    __slots__ = ("_document", "__dict__", "__weakref__")

    _document: Any

    def __getstate__(self) -> Any:
        """For pickle and copy: a document of a type made from the model becomes the plain one, which every process can read."""
        document = getattr(self, "_document", None)
        if document is not None and type(document) is not dict:
            from msgspec import to_builtins

            document = to_builtins(document)
        return dict(self.__dict__), document

    def __setstate__(self, state: Any) -> None:
        values, document = state
        self.__dict__.update(values)
        if document is not None:
            set_document(self, document)


set_document = Lazy.__dict__["_document"].__set__
"""``set_document(instance, document)``, for a class that is frozen."""


class _LazyField:
    """Reads one field of a lazy model from its document. A non-data descriptor: it stores the value in the instance's
    ``__dict__``, where the next access finds it without the descriptor."""

    def __init__(self, model: str, field: Any) -> None:
        self._model = model
        self._field = field.name
        self._name, self._convert = field.metadata[WIRE]
        self._typed = _typed_levels if self._convert is levels else self._convert
        self._default = field.default

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        document = instance._document  # an AttributeError if it is made by the constructor, which is still running
        if type(document) is dict:
            found, convert = document if self._name is None else document.get(self._name), self._convert
        else:  # of a type that was made from this model's fields: see ``schema``
            found, convert = getattr(document, self._field), self._typed
        if not found and (found is None or (found == "" and self._convert is not text)):
            value = self._default
            if value is attrs.NOTHING:  # it was there before: the document was changed
                raise UnreadableField(f"{self._model}: the field {self._name!r} is missing", model=instance)
        else:
            try:
                value = convert(found)
            except (ProtocolError, TypeError, ValueError, InvalidOperation, OverflowError) as error:
                reason = f"{self._model}: the field {self._name or self._field!r} cannot be read: {error}"
                raise UnreadableField(reason, model=instance) from error
        instance.__dict__[self._field] = value
        if found is not value and type(document) is not dict:
            setattr(document, self._field, value)  # the text is of no more use, and would double what is kept
        return value


PRICED = ("price", "size")


class Priced(Lazy):
    """Base of the lazy models whose ``price`` and ``size`` a typed decoder makes at once: who looks at one looks at the other. Of
    any other numbers it makes texts only, which most stay. In slots, which are looked at without a call."""

    __slots__ = PRICED

    _readers: ClassVar[Dict[str, _LazyField]] = {}


def _look(self: Priced, name: str) -> Any:
    """Read ``price`` or ``size`` of one that no typed decoder has made."""
    field = type(self)._readers.get(name)
    if field is None:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    values = self.__dict__
    value = values.get(name, _LAZY)  # the constructor's stays there, for pickle to find it
    if value is _LAZY:
        value = field.__get__(self)
        values.pop(name, None)  # unless another thread was quicker
    object.__setattr__(self, name, value)
    return value


Priced.__getattr__ = _look  # type: ignore[attr-defined]  # type checkers would take any name for an attribute's


class _Draft(Priced):
    """A ``Priced`` that is being made: a class that is not frozen takes its values in a third of the time."""


def lazy(model: Type[T]) -> Type[T]:
    """Make ``reader`` read a ``Lazy`` model field by field, on access. A class decorator, above ``attrs.frozen(slots=False)``."""
    for field in attrs.fields(model):  # type: ignore[arg-type]
        if WIRE in field.metadata:
            reader = _LazyField(model.__name__, field)
            if issubclass(model, Priced) and field.name in PRICED:
                model._readers = {**model._readers, field.name: reader}
            else:
                setattr(model, field.name, reader)
    setattr(model, _LAZY, True)
    return model


def over(model: Type[T], decoded: bool = False) -> Callable[[Any], T]:
    """Return the function that makes a lazy model over a document that has its required fields. ``decoded``: it is ``Priced``,
    and the document has both as ``Decimal``; the function raises ``ValueError`` where it is better to look twice."""
    new: Any = object.__new__

    def build(document: Any) -> T:
        instance: T = new(model)
        set_document(instance, document)
        return instance

    def build_priced(document: Any) -> T:
        price, size = document.price, document.size
        if not (type(price) is type(size) is Decimal and _LEAST < price < _MOST and _LEAST < size < _MOST):
            raise ValueError("zero, negative, huge, or a JSON number")
        instance: Any = _Draft()
        instance._document = document
        instance.price = price
        instance.size = size
        instance.__class__ = model
        return instance  # type: ignore[no-any-return]

    return build_priced if decoded else build


def _lazy_reader(model: Type[T]) -> Callable[[Any], T]:
    required = []
    for field in attrs.fields(model):  # type: ignore[arg-type]
        if field.default is attrs.NOTHING:
            name, convert = field.metadata[WIRE]
            required.append((name, convert is text))
    plan = tuple(required)
    build = over(model)

    def read(document: Any) -> T:
        if type(document) is not dict:
            raise ProtocolError(f"{model.__name__}: expected an object, not {type(document).__name__}")
        for name, is_text in plan:
            value = document.get(name)
            if not value and (value is None or (value == "" and not is_text)):
                raise ProtocolError(f"{model.__name__}: the field {name!r} is missing")
        return build(document)

    read.lazy_model = model  # type: ignore[attr-defined]
    return read


def reader(model: Type[T]) -> Callable[[Any], T]:
    """Return the function that reads one ``model`` from a wire document. It raises ``ProtocolError`` only, for a field that
    is missing or cannot be read; lazy models raise ``UnreadableField`` for the latter, when the field is accessed."""
    if vars(model).get(_LAZY):
        return _lazy_reader(model)
    plan = tuple(
        (field.name, *field.metadata[WIRE], field.default)
        for field in attrs.fields(model)  # type: ignore[arg-type]
        if WIRE in field.metadata
    )

    def read(document: Any) -> T:
        if not isinstance(document, dict):
            raise ProtocolError(f"{model.__name__}: expected an object, not {type(document).__name__}")
        values = {}
        for field, name, convert, default in plan:
            value = document.get(name)
            # An empty text is a value of a text field, and "not applicable" everywhere else.
            if value is None or (value == "" and convert is not text):
                if default is attrs.NOTHING:
                    raise ProtocolError(f"{model.__name__}: the field {name!r} is missing")
                continue
            try:
                values[field] = convert(value)
            except ProtocolError:
                raise
            except (TypeError, ValueError, InvalidOperation, OverflowError) as error:
                raise ProtocolError(f"{model.__name__}: the field {name!r} cannot be read: {error}") from error
        return model(**values)

    return read


def each(read: Callable[[Any], T]) -> Callable[[Any], Tuple[T, ...]]:
    """Return the function that reads a list of documents into a tuple of models."""

    def read_all(documents: Any) -> Tuple[T, ...]:
        if not isinstance(documents, list):
            raise ProtocolError(f"expected a list, not {type(documents).__name__}")
        return tuple(map(read, documents))

    read_all.each = read  # type: ignore[attr-defined]
    return read_all
