"""One engine for SQLite or PostgreSQL, with transactions that two processes can hold at once.

A wrong URL is `BadDatabaseUrl`, a server or file that does not open `DatabaseUnreachable`; both texts are one line and
never show a password. `hide_parameters` keeps bound parameters, sealed keypairs among them, out of SQLAlchemy's error
texts.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from solpay_pipeline.base.errors import NeedsOperator

BUSY_TIMEOUT_MS = 30_000
"""How long SQLite waits for another process's write. A writing transaction takes milliseconds."""

CONNECT_TIMEOUT_S = 10

_RETRY_S = 0.02

_READING = "solpay_reading"
"""Execution option of a connection whose transactions only read."""


class DatabaseProblem(NeedsOperator):
    """The database cannot be used as configured. The text is one line."""


class BadDatabaseUrl(DatabaseProblem):
    """The URL is not one of SQLite or PostgreSQL, or lacks what it needs."""


class DatabaseUnreachable(DatabaseProblem):
    """The URL is valid, but its file, folder or server cannot be opened."""


def open_engine(url: str) -> Engine:
    """Make an engine for `url` and check that it connects.

    `sqlite:///folder/file.db` (a missing file is made, a missing folder is not) or `postgresql://…`; `postgres://…`
    means the same; both use psycopg 3. Transactions of the engine may write: on SQLite they begin with BEGIN IMMEDIATE,
    since one that reads first and writes later fails when another process has written in between, with any busy timeout
    (sqlite.org/lang_transaction.html). Use `reading` where nothing is written.

    Raises BadDatabaseUrl, DatabaseUnreachable.
    """
    parsed = _parse(url)
    engine = _sqlite_engine(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql_engine(parsed)
    try:
        with reading(engine):
            pass
    except (DBAPIError, PoolTimeout, OSError) as error:
        complaint = _one_line(error, parsed)
    else:
        return engine
    engine.dispose()
    raise DatabaseUnreachable(f"cannot open the database {_shown(parsed)}: {complaint}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that only reads, and so never waits for a writer.

    PostgreSQL refuses a write in it (READ ONLY); SQLite begins it DEFERRED.
    """
    with engine.connect() as connection:
        connection.execution_options(**{_READING: True})
        if engine.dialect.name == "postgresql":
            connection.execution_options(postgresql_readonly=True)
        with connection.begin():
            yield connection


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None:
        raise BadDatabaseUrl("the database URL cannot be parsed; use sqlite:///file.db or postgresql://…")
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        return _sqlite_url(parsed)
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    raise BadDatabaseUrl(f"the database URL begins with {backend!r}; use sqlite:///file.db or postgresql://…")


def _sqlite_url(parsed: URL) -> URL:
    if not parsed.database or parsed.database == ":memory:":
        raise BadDatabaseUrl(
            "an SQLite database in memory would lose its transactions with the process; name a file"
        )
    file = Path(parsed.database).expanduser()
    if not file.parent.is_dir():
        raise DatabaseUnreachable(f"the folder of the SQLite database does not exist: {file.parent}")
    if file.is_dir():
        raise DatabaseUnreachable(f"the SQLite database is a folder, not a file: {file}")
    return parsed.set(drivername="sqlite+pysqlite", database=str(file))


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions late and by itself; SQLAlchemy's recipe prevents that
        # (docs.sqlalchemy.org, "Enabling Non-Legacy SQLite Transactional Modes").
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        _use_wal(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        # With WAL alone a power failure may lose the last commits; the ledger must not.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        only_reads = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql("BEGIN DEFERRED" if only_reads else "BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL, which is permanent. SQLite does not apply its busy timeout to the switch."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The primary result code is the lowest byte (sqlite.org/rescode.html).
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _postgresql_engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "application_name": "solpay",
                # A plan prepared while our tables were empty would always scan them from end to end; and poolers that
                # reuse a connection after each transaction lose what was prepared.
                "prepare_threshold": None,
            },
        )
    except ModuleNotFoundError as error:
        raise BadDatabaseUrl(f"PostgreSQL needs the package psycopg 3: {error}") from None
    # Many rows in one INSERT, also without RETURNING: psycopg would send one for each row.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    return engine


def _shown(url: URL) -> str:
    """The URL without user, password and query, all of which may be secret."""
    return URL.create(
        url.get_backend_name(), host=url.host, port=url.port, database=url.database
    ).render_as_string()


def _one_line(error: Exception, url: URL) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    text = lines[0] if lines else type(cause).__name__
    for secret in (url.password, *(value for value in url.query.values() if isinstance(value, str))):
        if secret and secret in text and not secret.startswith("/"):
            text = text.replace(secret, "***")
    return text
