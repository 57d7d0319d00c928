"""One engine for SQLite or PostgreSQL, with transactions that two processes can hold at once.

A wrong URL is `BadDatabaseUrl`, a server or file that does not open `DatabaseUnreachable`; both texts are one line and
never show a password. `hide_parameters` keeps bound parameters, sealed keypairs among them, out of SQLAlchemy's error
texts.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from solpay_pipeline.base.database_trouble import (
    BadDatabaseUrl,
    DatabaseAway,
    DatabaseProblem,
    DatabaseTrouble,
    DatabaseUnreachable,
    sorted_trouble,
)
from solpay_pipeline.base.waiting import WORTH_TELLING_SECONDS, at_most, pause, tell_wait

LOCK_SECONDS = 4.0
"""How long a lock of another process is waited for at a time. A writing transaction takes milliseconds."""

CONNECT_TIMEOUT_S = 5
CONNECT_PAUSES = (0.2, 1.0)
"""Seconds after a connection that could not be opened: one that was cut, or a server that comes back this moment."""

_SHORT_WAIT_MS = 50
"""Waits within SQLite, which hears no signal meanwhile; between two of them we do."""

_RETRY_S = 0.02

_READING = "solpay_reading"
"""Execution option of a connection whose transactions only read."""


def open_engine(url: str) -> Engine:
    """Make an engine for `url` and check that it connects.

    `sqlite:///folder/file.db` (a missing file is made, a missing folder is not) or `postgresql://…`; `postgres://…`
    means the same; both use psycopg 3. Transactions of the engine may write: on SQLite they begin with BEGIN IMMEDIATE,
    since one that reads first and writes later fails when another process has written in between, with any busy timeout
    (sqlite.org/lang_transaction.html). Use `reading` where nothing is written.

    Errors of the engine come as `DatabaseTrouble`, but for violated constraints. Raises BadDatabaseUrl,
    DatabaseUnreachable, DatabaseAway.
    """
    parsed = _parse(url)
    engine = _sqlite_engine(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql_engine(parsed)
    event.listen(engine, "handle_error", partial(_raise_sorted, parsed))
    try:
        with reading(engine):
            pass
    except DatabaseAway as away:
        trouble: DatabaseTrouble = DatabaseAway(f"cannot be opened now: {away}")
    except (DatabaseProblem, PoolTimeout, OSError) as error:
        trouble = DatabaseUnreachable(
            str(error) if isinstance(error, DatabaseProblem) else _told(parsed, error)
        )
    else:
        return engine
    engine.dispose()
    raise trouble


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
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _SHORT_WAIT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions late and by itself; SQLAlchemy's recipe prevents that
        # (docs.sqlalchemy.org, "Enabling Non-Legacy SQLite Transactional Modes").
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_SHORT_WAIT_MS}")
        _when_unlocked(partial(connection.execute, "PRAGMA journal_mode = WAL"), _is_busy)
        connection.execute("PRAGMA foreign_keys = ON")
        # With WAL alone a power failure may lose the last commits; the ledger must not.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_READING, False):
            connection.exec_driver_sql("BEGIN DEFERRED")
        else:
            _when_unlocked(partial(connection.exec_driver_sql, "BEGIN IMMEDIATE"), _is_away)

    return engine


def _when_unlocked(statement: Callable[[], object], is_locked: Callable[[Exception], bool]) -> None:
    """Execute what another process's lock may keep waiting: in waits so short that a request to stop is heard."""
    started = time.monotonic()
    give_up_at = started + at_most(LOCK_SECONDS)
    is_told = False
    while True:
        try:
            statement()
        except (sqlite3.OperationalError, DatabaseAway) as error:
            if not is_locked(error) or time.monotonic() > give_up_at:
                raise
            if not is_told and time.monotonic() - started > WORTH_TELLING_SECONDS:
                tell_wait(LOCK_SECONDS, f"another process holds the lock of the database ({error})")
                is_told = True
            pause(_RETRY_S)
        else:
            return


def _is_busy(error: Exception) -> bool:
    """The switch to WAL, which is permanent, happens before SQLAlchemy has a connection whose errors it could sort."""
    return (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def _is_away(error: Exception) -> bool:
    return isinstance(error, DatabaseAway)


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

    @event.listens_for(engine, "do_connect")
    def _connect(
        dialect: Dialect, _record: object, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> DBAPIConnection:
        return _connected(partial(dialect.connect, *arguments, **keywords))

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # For this transaction alone: poolers hand a session's settings on to others.
        milliseconds = max(1, round(at_most(LOCK_SECONDS) * 1000))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")

    # Many rows in one INSERT, also without RETURNING: psycopg would send one for each row.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    return engine


def _connected(connect: Callable[[], DBAPIConnection]) -> DBAPIConnection:
    """A connection; one that is cut while it is opened is opened again. What the server refuses for good, it says."""
    for seconds in CONNECT_PAUSES:
        try:
            return connect()
        except Exception as error:
            if not isinstance(sorted_trouble(error, "", ""), DatabaseAway):
                raise
            pause(at_most(seconds))
    return connect()


def _raise_sorted(url: URL, context: ExceptionContext) -> None:
    """Raise an error of the driver as what it means for a run; the pool's own look at an old connection is its own."""
    error = context.original_exception
    is_of_driver = context.sqlalchemy_exception is not None or isinstance(error, DBAPIError)
    if context.is_pre_ping or not is_of_driver:
        return
    trouble = sorted_trouble(context.sqlalchemy_exception or error, _shown(url), _one_line(error, url))
    if trouble is not None:
        raise trouble from None


def _told(url: URL, error: Exception) -> str:
    return f"cannot open the database {_shown(url)}: {_one_line(error, url)}"


def _shown(url: URL) -> str:
    """The URL without user, password and query, all of which may be secret."""
    return URL.create(
        url.get_backend_name(), host=url.host, port=url.port, database=url.database
    ).render_as_string()


def _one_line(error: BaseException, url: URL) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    text = lines[0] if lines else type(cause).__name__
    for secret in (url.password, *(value for value in url.query.values() if isinstance(value, str))):
        if secret and secret in text and not secret.startswith("/"):
            text = text.replace(secret, "***")
    return text
