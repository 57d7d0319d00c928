"""Rows that are there once whoever writes them first: two runs may note the same thing at the same moment."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    *,
    key: str,
    renewed: Collection[str],
) -> None:
    """Insert rows; where one with the same `key`, a unique column, stands already, renew the columns `renewed` of it.

    Rows are written in the order of the key, so that two writers never wait for each other.
    """
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: str(row[key]))
    statement = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    fresh = {name: statement.excluded[name] for name in renewed}
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=fresh), ordered)
