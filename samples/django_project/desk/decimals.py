"""A model field for prices and sizes: exact, whatever the database."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Optional

from django.core.exceptions import ValidationError
from django.db import models

MOST_DIGITS = 80


class ExactDecimalField(models.CharField):
    """A ``Decimal`` that is kept as plain decimal text, with as many digits as the venue sent.

    ``DecimalField`` rounds to a fixed number of places, and SQLite keeps it as a binary float of 15 digits. The price of
    this one: the database sorts and sums it only after a CAST.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MOST_DIGITS)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: Optional[str], *_: Any) -> Optional[Decimal]:
        return None if value is None else Decimal(value)

    def to_python(self, value: Any) -> Optional[Decimal]:
        try:
            return value if value is None or isinstance(value, Decimal) else Decimal(str(value))
        except InvalidOperation:
            raise ValidationError("This is no decimal number.") from None

    def get_prep_value(self, value: Any) -> Optional[str]:
        number = self.to_python(value)
        return None if number is None else format(number, "f")
