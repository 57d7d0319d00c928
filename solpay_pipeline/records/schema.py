"""Creates the peer's tables where no Django application has done so, equal to what its migrations make.

Equal down to the names of indexes and constraints, so that a later Django application can adopt the tables (`migrate
--fake-initial`). Only the foreign key of `user_id` is left out: there is no user table. Tables of a merchant's own
models get the abstract models' columns alone.
"""

import hashlib
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
)

from solpay_pipeline.records.columns import Json
from solpay_pipeline.records.tables import (
    PAYMENT_TABLE,
    PRICE_COLUMN,
    TOKEN_TABLE,
    PeerTables,
    payment_columns,
    payment_price_columns,
    price_columns,
    token_columns,
    wallet_columns,
)

_LONGEST_NAME = {"postgresql": 63, "sqlite": 200}
"""Where Django cuts a name: at PostgreSQL's limit, or at its own for SQLite."""

_PATTERN_INDEXES = ("token_type", "mint_address", "symbol")
"""Varchar columns, indexed or unique: Django adds a LIKE index for them on PostgreSQL."""


def create_peer_tables(engine: Engine, tables: PeerTables) -> tuple[str, ...]:
    """Create the peer's missing tables in one transaction; returns their names."""
    metadata = _as_migrated(tables, engine.dialect.name)
    with engine.begin() as connection:
        present = set(inspect(connection).get_table_names())
        metadata.create_all(connection)
    return tuple(table.name for table in metadata.sorted_tables if table.name not in present)


def missing_columns(engine: Engine, tables: PeerTables) -> list[str]:
    """What the database lacks of the mapped tables: `table`, or `table.column`."""
    inspector = inspect(engine)
    present = set(inspector.get_table_names())
    missing: list[str] = []
    for table in tables.all:
        if table.name not in present:
            missing.append(table.name)
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        missing.extend(
            f"{table.name}.{column.name}" for column in table.columns if column.name not in columns
        )
    return missing


def own_token_columns() -> tuple[Column[Any], ...]:
    """What the peer's own `PaymentCryptoToken` has beyond its abstract model."""
    return (
        Column("name", String(255), nullable=False),
        Column("symbol", String(128), nullable=False, unique=True),
        Column("meta_data", Json),
    )


def own_payment_columns() -> tuple[Column[Any], ...]:
    """What the peer's own `SolanaPayment` has beyond its abstract model."""
    return (
        Column("email", String(254)),
        Column("label", String(255)),
        Column("message", Text),
        Column("user_id", Integer),
    )


def _as_migrated(tables: PeerTables, dialect: str) -> MetaData:
    metadata = MetaData()
    _Migrated(metadata, tables, dialect).add_all()
    return metadata


class _Migrated:
    """The tables with everything that matters only at their creation, in one database's dialect."""

    def __init__(self, metadata: MetaData, tables: PeerTables, dialect: str) -> None:
        self._metadata = metadata
        self._peer = tables
        self._dialect = dialect

    def add_all(self) -> None:
        peer = self._peer
        self._table(peer.wallet.name, wallet_columns())

        own_token = peer.token.name == TOKEN_TABLE
        token = self._table(peer.token.name, token_columns() + (own_token_columns() if own_token else ()))
        self._index(token, "is_active")
        self._index(token, "token_type")
        if own_token:
            token.append_constraint(CheckConstraint(_MINT_FITS_TYPE, name="mint_address_consistency"))
        if self._dialect == "postgresql":
            for column in _PATTERN_INDEXES:
                if column in token.c:
                    self._pattern_index(token, column)

        price = self._table(peer.price.name, price_columns())
        self._reference(price, "token_id", token)
        self._index(price, "token_id")

        own_payment = peer.payment.name == PAYMENT_TABLE
        payment = self._table(
            peer.payment.name,
            _payment_order(payment_columns() + (own_payment_columns() if own_payment else ())),
        )
        self._reference(payment, "one_time_payment_wallet_id", self._metadata.tables[peer.wallet.name])
        self._reference(payment, "paid_token_id", token)
        self._index(payment, "paid_token_id")
        if own_payment:
            self._index(payment, "user_id")

        link = self._table(peer.payment_price.name, payment_price_columns(peer.payment_column))
        self._reference(link, peer.payment_column, payment)
        self._reference(link, PRICE_COLUMN, price)
        self._index(link, peer.payment_column)
        self._index(link, PRICE_COLUMN)
        self._unique(link, peer.payment_column, PRICE_COLUMN)

    def _table(self, name: str, columns: tuple[Column[Any], ...]) -> Table:
        table = Table(name, self._metadata, *columns, sqlite_autoincrement=True)
        if self._dialect == "sqlite":
            for column in columns:
                if isinstance(column.type, Json):
                    table.append_constraint(
                        CheckConstraint(f'(JSON_VALID("{column.name}") OR "{column.name}" IS NULL)')
                    )
        return table

    def _index(self, table: Table, column: str) -> None:
        Index(self._name(table.name, (column,)), table.c[column])

    def _pattern_index(self, table: Table, column: str) -> None:
        name = self._name(table.name, (column,), "_like")
        Index(name, table.c[column], postgresql_ops={column: "varchar_pattern_ops"})

    def _unique(self, table: Table, *columns: str) -> None:
        name = self._name(table.name, columns, "_uniq")
        if self._dialect == "sqlite":
            Index(name, *(table.c[column] for column in columns), unique=True)
        else:
            table.append_constraint(UniqueConstraint(*columns, name=name))

    def _reference(self, table: Table, column: str, target: Table) -> None:
        named = self._dialect != "sqlite"
        name = self._name(table.name, (column,), f"_fk_{target.name}_id") if named else None
        table.append_constraint(
            ForeignKeyConstraint([column], [target.c.id], name=name, deferrable=True, initially="DEFERRED")
        )

    def _name(self, table: str, columns: tuple[str, ...], suffix: str = "") -> str:
        """Django's `_create_index_name` (django/db/backends/base/schema.py, 5.2)."""
        digest = hashlib.md5("".join((table, *columns)).encode(), usedforsecurity=False).hexdigest()[:8]
        ending = digest + suffix
        longest = _LONGEST_NAME[self._dialect]
        name = f"{table}_{'_'.join(columns)}_{ending}"
        if len(name) <= longest:
            return name
        if len(ending) > longest / 3:
            ending = ending[: longest // 3]
        rest = (longest - len(ending)) // 2 - 1
        return f"{table[:rest]}_{'_'.join(columns)[:rest]}_{ending}"


_MINT_FITS_TYPE = (
    """(("mint_address" IS NOT NULL AND "token_type" = 'SPL')"""
    """ OR ("mint_address" IS NULL AND "token_type" = 'NATIVE'))"""
)


def _payment_order(columns: tuple[Column[Any], ...]) -> tuple[Column[Any], ...]:
    """Django puts the columns of foreign keys last."""
    references = ("one_time_payment_wallet_id", "paid_token_id", "user_id")
    return tuple(sorted(columns, key=lambda column: str(column.name) in references))
