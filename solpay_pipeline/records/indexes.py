"""Indexes on the peer's tables that our pages need in a large shop. Its own columns and indexes stay as they are.

Django ignores indexes that no model names. On PostgreSQL they are built while the shop works (CONCURRENTLY,
postgresql.org/docs/current/sql-createindex.html); an index left by an interrupted build is built again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Engine, Index, inspect, text
from sqlalchemy.schema import CreateIndex

from solpay_pipeline.records.tables import PeerTables


@dataclass(frozen=True, slots=True)
class Offered:
    """An index: its name and columns."""

    name: str
    columns: tuple[Column[Any], ...]


def offered(tables: PeerTables) -> tuple[Offered, ...]:
    """The indexes, for: open and due payments, addresses, a day's payments, watched ones, wallets by state."""
    payment, wallet = tables.payment, tables.wallet
    return (
        Offered("solpay_payment_status_id", (payment.c.status, payment.c.id)),
        Offered("solpay_payment_address", (payment.c.payment_address,)),
        Offered("solpay_payment_created", (payment.c.created,)),
        Offered("solpay_payment_expiration", (payment.c.expiration_date,)),
        Offered("solpay_wallet_state_id", (wallet.c.state, wallet.c.id)),
    )


def missing_indexes(engine: Engine, tables: PeerTables) -> list[str]:
    """Names of the indexes that are missing or not usable."""
    with engine.connect() as connection:
        usable = _usable(connection, tables)
    return [index.name for index in offered(tables) if index.name not in usable]


def create_indexes(engine: Engine, tables: PeerTables) -> list[str]:
    """Create the missing indexes and return their names. On PostgreSQL no writer has to wait for it."""
    missing = missing_indexes(engine, tables)
    if not missing:
        return missing
    with _writing(engine) as connection:
        for index in offered(tables):
            if index.name in missing:
                _create(connection, index)
        # Without statistics the planner may choose the wrong one of two indexes.
        for table in (tables.payment, tables.wallet):
            connection.execute(text(f"ANALYZE {connection.dialect.identifier_preparer.format_table(table)}"))
    return missing


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    """On PostgreSQL without a transaction: nothing can be built CONCURRENTLY in one."""
    if engine.dialect.name != "postgresql":
        with engine.begin() as connection:
            yield connection
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def _create(connection: Connection, index: Offered) -> None:
    # On a copy of the mapped table, which stays as the peer's migrations make it.
    table = index.columns[0].table.to_metadata(type(index.columns[0].table.metadata)())
    built = Index(
        index.name, *(table.c[column.name] for column in index.columns), postgresql_concurrently=True
    )
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}"))
    connection.execute(CreateIndex(built, if_not_exists=True))


def _usable(connection: Connection, tables: PeerTables) -> set[str]:
    if connection.dialect.name == "postgresql":
        rows = connection.execute(
            text(
                "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
                "WHERE indisvalid AND relname LIKE 'solpay\\_%'"
            )
        )
        return set(rows.scalars())
    inspector = inspect(connection)
    return {
        str(index["name"])
        for table in (tables.payment, tables.wallet)
        for index in inspector.get_indexes(table.name)
    }
