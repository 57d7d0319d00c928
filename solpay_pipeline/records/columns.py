"""Column types that store and read values exactly as Django does, so that both sides see the same.

Reading never raises: a value that Django could not have written becomes None (a time), NaN (an amount) or the raw text
(JSON), and the reader reports its row.
"""

import json
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

AMOUNT_DIGITS = 30
AMOUNT_PLACES = 18
"""`max_digits` and `decimal_places` of the peer's prices (its models.py)."""

_SQLITE_DIGITS = Context(prec=15)
"""Digits that Django keeps of an SQLite REAL (`get_decimalfield_converter` of its SQLite backend): those that a double
holds exactly. A customer never sees the 16th and later ones, so they are not part of a price."""

_AMOUNT_CONTEXT = Context(prec=AMOUNT_DIGITS)
_SMALLEST_AMOUNT = Decimal(1).scaleb(-AMOUNT_PLACES)

BIG_ID = BigInteger().with_variant(Integer(), "sqlite")
"""A primary key: SQLite numbers rows by itself only where the type is spelled `integer`."""


class _Spelled(UserDefinedType[Any]):
    """A column type by its name alone; values pass as they are."""

    cache_ok = True

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling

    def get_col_spec(self, **_options: object) -> str:
        return self.spelling


class Amount(TypeDecorator[Decimal]):
    """A price in whole tokens: numeric(30, 18) on PostgreSQL, `decimal` on SQLite.

    SQLite stores `decimal` text as a double, so a price of more than 15 significant digits is rounded when it is
    written, by Django and by us. It is read here as Django reads it.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """See TypeDecorator."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_Spelled("decimal"))
        return dialect.type_descriptor(Numeric(AMOUNT_DIGITS, AMOUNT_PLACES))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Raises TypeError for anything but a Decimal, ValueError for one with too many digits."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"an amount is a Decimal, not a {type(value).__name__}")
        try:
            rounded = value.quantize(_SMALLEST_AMOUNT, context=_AMOUNT_CONTEXT)
        except InvalidOperation:
            rounded = Decimal("NaN")
        if not rounded.is_finite():
            raise ValueError(
                f"an amount has at most {AMOUNT_DIGITS} digits, {AMOUNT_PLACES} of them decimals"
            )
        return f"{rounded:f}" if dialect.name == "sqlite" else rounded

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        """See the class; NaN for what is not a number."""
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, int | float):
            return _as_django_reads(value)
        try:
            return Decimal(value)
        except (InvalidOperation, TypeError):
            return Decimal("NaN")


class Moment(TypeDecorator[datetime]):
    """A point in time, aware, UTC: timestamptz on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """See TypeDecorator."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_Spelled("datetime"))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Raises ValueError on a naive time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be compared with the peer's; give an aware one")
        in_utc = value.astimezone(UTC)
        # Django stores `str(datetime)`, without a fraction where it is zero; SQLite compares the text.
        return str(in_utc.replace(tzinfo=None)) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """See the class; None for what is not a time."""
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                return None
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value: jsonb on PostgreSQL, text on SQLite. None is SQL's NULL."""

    impl = JSONB
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """See TypeDecorator."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_Spelled("text"))
        return dialect.type_descriptor(JSONB(none_as_null=True))

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> Any:
        """See TypeDecorator."""
        if value is None or dialect.name != "sqlite":
            return value
        return json.dumps(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        """See the class."""
        if dialect.name != "sqlite" or not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            return value


def _as_django_reads(number: int | float) -> Decimal:
    kept = _SQLITE_DIGITS.create_decimal_from_float(number)
    try:
        return kept.quantize(_SMALLEST_AMOUNT, context=_AMOUNT_CONTEXT)
    except InvalidOperation:
        # Django raises here (10**12 and above, or not finite); the value itself is still exact.
        return kept
