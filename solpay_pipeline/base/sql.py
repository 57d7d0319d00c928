"""Statements over many values or rows, on SQLite and on PostgreSQL: each sends them as one parameter.

SQLite takes at most 32,766 parameters (999 before 3.32), PostgreSQL 65,535, and psycopg parses a statement of a
thousand placeholders each time.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    String,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import NullType


def among(
    connection: Connection, wanted: ColumnElement[Any], values: Iterable[int | str]
) -> ColumnElement[bool]:
    """`wanted IN values`."""
    listed = list(values)
    if connection.dialect.name == "postgresql":
        if isinstance(wanted.type, String):
            return wanted == any_(bindparam(None, listed, type_=ARRAY(Text()), unique=True))
        # The text form of an array of numbers: psycopg takes a hundred times as long for a list. It has no type until
        # the cast gives it one, so that the planner sees an array and not a text.
        numbers = "{" + to_json(listed).decode()[1:-1] + "}"
        return wanted == any_(
            cast(bindparam(None, numbers, type_=NullType(), unique=True), ARRAY(BigInteger))
        )
    each = func.json_each(bindparam(None, json.dumps(listed), type_=Text(), unique=True)).table_valued(
        "value"
    )
    return wanted.in_(select(each.c.value))


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    shared: Mapping[str, object],
) -> None:
    """Insert rows with the same columns: integers, texts, times and plain JSON.

    `shared` holds the columns whose value is the same in every row.
    """
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table).values(shared), rows)
        return
    columns = [table.c[name] for name in rows[0]]
    nested = {one.name for one in columns if isinstance(one.type, JSON)}
    # JSON values are sent as text within: PostgreSQL would turn their escapes into characters, and refuses NUL.
    flat = [{**row, **{name: _json_text(row[name]) for name in nested}} for row in rows]
    packed = bindparam(None, to_json(flat).decode(), type_=Text(), unique=True)
    each = (
        func.json_to_recordset(cast(packed, JSON))
        .table_valued(*(column(one.name, Text() if one.name in nested else one.type) for one in columns))
        .render_derived(with_types=True)
    )
    values = [cast(one, JSON) if one.name in nested else one for one in each.c]
    # Sent once beside the rows instead of in every row: that halves what PostgreSQL has to read.
    once = [bindparam(None, value, type_=table.c[name].type, unique=True) for name, value in shared.items()]
    connection.execute(insert(table).from_select([*columns, *shared], select(*values, *once)))


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    key: str,
    renewed: Collection[str],
) -> None:
    """Insert rows; where one with the same `key`, a unique column, exists already, update its columns `renewed`.

    Two runs may write the same row at the same moment. Rows are written in the order of the key, so that two writers
    never wait for each other.
    """
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: str(row[key]))
    statement = insert_into(connection, table)
    fresh = {name: statement.excluded[name] for name in renewed}
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=fresh), ordered)


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT of the database's own dialect, which knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _json_text(value: object) -> str:
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        # Half of a surrogate pair, which a file name may hold: Python's own JSON escapes it.
        return json.dumps(value)
