"""Whether the database would take what operations write, found out without leaving anything in it."""

from typing import Final

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    column,
    delete,
    false,
    insert,
    literal,
    select,
    table,
    update,
)

from solpay_pipeline.base.database_trouble import DatabaseTrouble
from solpay_pipeline.ledger.tables import metadata
from solpay_pipeline.records.tables import PeerTables

_SCRATCH: Final = "solpay_scratch"

_SCRATCH_CHARACTERS = 1_000_000
"""More than a full disk has left, less than anybody misses for a moment."""


def write_obstacle(engine: Engine, tables: PeerTables) -> str | None:
    """Why the database takes no writes of ours, in one line; None where it does.

    Each kind of statement that operations send is sent for no row, and everything is rolled back.
    """
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            for shops in (tables.payment, tables.wallet):
                _change_nothing(connection, shops)
            for ours in metadata.sorted_tables:
                _change_nothing(connection, ours)
                connection.execute(insert(ours).from_select(list(ours.c), select(ours).where(false())))
                connection.execute(delete(ours).where(false()))
            if engine.dialect.name == "sqlite":
                _fill(connection)
            transaction.rollback()
    except DatabaseTrouble as trouble:
        return str(trouble)
    return None


def _change_nothing(connection: Connection, changed: Table) -> None:
    one = next(iter(changed.primary_key.columns))
    connection.execute(update(changed).where(false()).values({one.name: one}))


def _fill(connection: Connection) -> None:
    """Take room in the file, which tells of a full disk or of a limit of its pages."""
    connection.exec_driver_sql(f"CREATE TABLE {_SCRATCH} (words TEXT)")
    scratch = table(_SCRATCH, column("words"))
    connection.execute(insert(scratch).values(words=literal("x" * _SCRATCH_CHARACTERS)))
